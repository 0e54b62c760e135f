#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/openai/reply_text.hpp"
#include "core/openai/socket_event.hpp"
#include "core/openai/socket_questions.hpp"
#include "core/openai/socket_response.hpp"

namespace route {

/// The responses of one WebSocket that were asked for or have begun and have not ended, in their order: which
/// of them an event of the server is of.
///
/// When `most` are open and another begins, the oldest of which the server has spoken is displaced. What is
/// asked for while the server has said nothing of `most` others is forgotten but counted, and so is what is
/// asked for after it until all of those are answered: an answer to one of them has no question. So the
/// others have their own, and messages of the client alone make no more than `most` responses.
///
/// An `error` of the Realtime API fails what the client's message asked for whose id it bears. Without an id
/// it may be about another message, and fails the oldest that the server has said nothing of only if that
/// does not begin all the same: with the next question, when it is displaced, or with break_off(). Such a
/// response has ended when the error came.
class OpenResponses
{
  public:
    using Time = SocketResponse::Time;
    using End = SocketResponse::End;

    static constexpr std::size_t most = 8;

    /// An error without the id of the message that it is about.
    struct DoubtfulError
    {
        std::string words;
        std::uint64_t bytes;
        Time came;
    };

    struct Open
    {
        Open(std::uint64_t its_number, std::size_t max_text) : number{its_number}, reply{max_text} {}

        std::uint64_t number;                         ///< unique
        bool answered = false;                        ///< the server has spoken of it
        bool forgotten = false;                       ///< its question is
        std::string event_id;                         ///< of the client's message that asked for it
        std::optional<DoubtfulError> doubtful_error;  ///< which may be its end
        SocketResponse response;
        StreamReply reply;
    };

    /// `questions` outlives it. `max_text`: bytes of a response's text.
    OpenResponses(SocketApi api, SocketQuestions& questions, std::size_t max_text);

    /// A message of the client asks for one.
    void ask(Time now);

    /// Which response an event is of that speaks of one; null when it is of none that counts. Valid, as all
    /// that are returned here, until the next call that is not const.
    Open* target_of(const SocketEventFacts& facts, Time now);
    /// The one that an error is the end of.
    Open* target_of_error(const SocketEventFacts& facts, Time now);
    Open* find(std::uint64_t number);

    /// An error without an id: what comes next tells what it is about.
    void keep_error(const SseEvent& message, const SocketEventFacts& facts, Time now);

    void end(Open& of, End how, Time now);
    /// What is open had no end.
    void break_off(Time now);

    /// The next of those that have ended.
    std::optional<SocketResponse> take_ended();

    std::size_t size() const { return open_.size(); }
    /// No fewer bytes than are kept.
    std::size_t held() const;

  private:
    Open& begin(Time now);
    Open& begin_asked(Time now);
    Open& begin_by_server(Time now);
    Open& begin_forgotten(Time now);
    void forget();
    template <class Is>
    Open* find_if(Is&& is);
    Open* next_unanswered();
    Open* target_with_id(const SocketEventFacts& facts, Time now);
    Open* target_without_id(const SocketEventFacts& facts, Time now);
    Open* target_of_named_error(const std::string& event_id, Time now);
    void fail_doubtful(Time now);
    void make_room(Time now);
    void abandon(Open& of, End how, Time now);

    SocketApi api_;
    SocketQuestions& questions_;
    std::size_t max_text_;
    std::uint64_t last_number_ = 0;
    std::uint64_t current_ = 0;              ///< the one that the server spoke of last
    std::array<std::string, 16> ended_ids_;  ///< of those that ended last, whose late events count for none
    std::size_t ended_count_ = 0;
    std::deque<Open> open_;
    std::uint64_t forgotten_ = 0;             ///< asked for behind those that are open, and not answered
    std::vector<std::string> forgotten_ids_;  ///< of the client's messages that asked for some of them
    std::vector<SocketResponse> ended_;       ///< to be given out
};

}  // namespace route
