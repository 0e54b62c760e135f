#include "core/openai/socket_responses.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <utility>
#include <vector>

#include "core/openai/api.hpp"
#include "core/openai/asked_messages.hpp"
#include "core/openai/event_signs.hpp"
#include "core/openai/reply_text.hpp"
#include "core/openai/socket_event.hpp"
#include "core/text.hpp"

namespace route {
namespace {

using End = SocketResponse::End;

/// Ids of what was asked for and is forgotten that are remembered, 256 bytes each at most.
constexpr std::size_t most_forgotten_ids = 64;

bool is_last_part(const SseEvent& message)
{
    return message.part == SseEvent::Part::whole || message.part == SseEvent::Part::end;
}

/// The first that says something.
std::string_view first_of(std::initializer_list<std::string_view> texts)
{
    for (const auto text : texts)
        if (!text.empty())
            return text;
    return {};
}

/// `status` of a `response.done`, or the reason that stands for it.
End end_of_status(std::string_view status)
{
    if (status.empty() || status == "completed")
        return End::completed;
    if (status == "failed")
        return End::failed;
    return status == "cancelled" ? End::cancelled : End::incomplete;
}

End end_of(const SocketEventFacts& facts, const ReplySummary& summary)
{
    if (facts.type == "response.completed")
        return End::completed;
    if (facts.type == "response.incomplete")
        return End::incomplete;
    if (facts.type == "response.cancelled")
        return End::cancelled;
    if (facts.type == "response.failed" || facts.type == "error")
        return End::failed;
    return end_of_status(facts.status.empty() ? summary.finish_reason : facts.status);
}

}  // namespace

std::optional<SocketApi> socket_api_of(std::string_view path)
{
    if (api_of("POST", path) == Api::responses)
        return SocketApi::responses;
    if (path.ends_with('/'))
        path.remove_suffix(1);
    if (path.ends_with("/realtime"))
        return SocketApi::realtime;
    return std::nullopt;
}

struct SocketResponses::State
{
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

    State(SocketApi of, std::string asked_model, Limits most)
        : api{of}, model{std::move(asked_model)}, limits{most}
    {
    }

    SocketApi api;
    std::string model;  ///< of the query
    Limits limits;
    AskedMessages asked{limits.max_asked};
    SocketEventReader client;
    SocketEventReader server;
    std::string client_model;   ///< as the client has set it for the session
    std::string server_model;   ///< as the server says of the session
    bool client_kept = false;   ///< the client's message that comes is kept
    std::size_t collected = 0;  ///< bytes of messages in `asked`, those of sound, too
    std::size_t coming = 0;     ///< bytes of the one that comes
    std::uint64_t target = 0;   ///< which response the server's message that comes is of; 0: of none
    std::uint64_t current = 0;  ///< what the server spoke of last
    std::uint64_t last_number = 0;
    std::array<std::string, 16> ended_ids;  ///< of those that ended last, whose late events count for none
    std::size_t ended_count = 0;
    std::deque<Open> open;
    std::uint64_t forgotten = 0;             ///< asked for behind those that are open, and not answered
    std::vector<std::string> forgotten_ids;  ///< of the client's messages that asked for some of them
    std::vector<SocketResponse> ended;       ///< to be given out

    Open& begin(Time now);
    Open& begin_asked(Time now);
    Open& begin_by_server(Time now);
    Open& begin_forgotten(Time now);
    void ask(Time now);
    void forget(const SocketEventFacts& facts);
    Open* find(std::uint64_t number);
    template <class Is>
    Open* find_if(Is&& is);
    Open* next_unanswered();
    Open* target_of(const SocketEventFacts& facts, Time now);
    Open* target_with_id(const SocketEventFacts& facts, Time now);
    Open* target_without_id(const SocketEventFacts& facts, Time now);
    Open* target_of_error(const SocketEventFacts& facts, Time now);
    Open* target_of_named_error(const std::string& event_id, Time now);
    void keep_error(const SseEvent& message, const SocketEventFacts& facts, Time now);
    void fail_doubtful(Time now);
    void make_room(Time now);
    void abandon(Open& of, End how, Time now);
    void take(Open& of, const SseEvent& message, const SocketEventFacts& facts, Time now);
    void end(Open& of, End end, Time now);
    void end_with(const SseEvent& message, const SocketEventFacts& facts, Time now);
};

SocketResponses::SocketResponses(SocketApi api, std::string model, Limits limits)
    : state_{std::make_unique<State>(api, std::move(model), limits)}
{
}
SocketResponses::~SocketResponses() = default;
SocketResponses::SocketResponses(SocketResponses&&) noexcept = default;
SocketResponses& SocketResponses::operator=(SocketResponses&&) noexcept = default;

std::size_t SocketResponses::open() const
{
    return state_->open.size();
}

std::size_t SocketResponses::held() const
{
    const auto& state = *state_;
    const auto [max_asked, max_text] = state.limits;
    auto size = std::min(state.collected, max_asked) + std::min(state.coming, max_asked);
    for (const auto& one : state.open)
        size += one.response.asked.capacity() +
                static_cast<std::size_t>(std::min<std::uint64_t>(one.response.reply_bytes, 2 * max_text));
    return size;
}

std::optional<SocketResponse> SocketResponses::take_ended()
{
    auto& ended = state_->ended;
    if (ended.empty())
        return std::nullopt;
    auto response = std::move(ended.front());
    ended.erase(ended.begin());
    return response;
}

void SocketResponses::end_all(Time now)
{
    while (!state_->open.empty())
        state_->abandon(state_->open.front(), End::broken_off, now);
}

void SocketResponses::add_client(const SseEvent& message, Time now)
{
    auto& state = *state_;
    const auto& facts = state.client.facts();
    if (message.is_new())
        state.client.begin();
    state.client.write(message.data);
    if (message.is_new()) {
        const bool is_short =
            message.part == SseEvent::Part::whole && message.data.size() <= SocketEventReader::beginning;
        state.client_kept =
            facts.type.empty() ? is_short && !trim(message.data).empty() : !is_sound(facts.type);
        state.coming = 0;
        if (state.client_kept)
            state.asked.begin();
    }
    if (!state.client_kept)
        return;
    state.asked.write(message.part == SseEvent::Part::whole ? trim(message.data) : message.data);
    state.coming += message.data.size();
    if (!is_last_part(message))
        return;
    state.asked.end();
    state.collected += std::exchange(state.coming, 0);
    if (facts.type == "session.update" && !facts.session_model.empty())
        state.client_model = facts.session_model;
    else if (asks_for_response(facts.type))
        state.ask(now);
}

void SocketResponses::State::ask(Time now)
{
    const auto& facts = client.facts();
    fail_doubtful(now);
    const auto unanswered =
        std::count_if(open.begin(), open.end(), [](const Open& one) { return !one.answered; });
    if (forgotten > 0 || static_cast<std::size_t>(unanswered) >= most_open) {
        forget(facts);
        return;
    }
    auto& asked_for = begin_asked(now);
    asked_for.event_id = facts.event_id;
    asked_for.response.asked_for = true;
    asked_for.response.model = first_of({facts.model, facts.reply_model, asked_for.response.model});
}

/// Its question is not kept, so that those of others stay, each with its answer.
void SocketResponses::State::forget(const SocketEventFacts& facts)
{
    ++forgotten;
    if (!facts.event_id.empty() && forgotten_ids.size() < most_forgotten_ids)
        forgotten_ids.push_back(facts.event_id);
    asked.take();
    collected = 0;
}

SocketResponses::State::Open& SocketResponses::State::begin(Time now)
{
    auto& begun = open.emplace_back(++last_number, limits.max_text);
    begun.response.model = first_of({client_model, model, server_model});
    begun.response.began = now;
    return begun;
}

/// With what the client has said since the one before.
SocketResponses::State::Open& SocketResponses::State::begin_asked(Time now)
{
    make_room(now);
    auto& begun = begin(now);
    auto taken = asked.take();
    collected = 0;
    begun.response.asked = std::move(taken.text);
    begun.response.asked_cut = taken.cut;
    begun.response.asked_bytes = taken.bytes;
    return begun;
}

/// Where all that is open was answered: what is forgotten was asked for before anything else.
SocketResponses::State::Open& SocketResponses::State::begin_by_server(Time now)
{
    if (forgotten == 0)
        return begin_asked(now);
    make_room(now);
    return begin_forgotten(now);
}

/// The answer to one, beside what is open.
SocketResponses::State::Open& SocketResponses::State::begin_forgotten(Time now)
{
    if (--forgotten == 0)
        forgotten_ids.clear();
    auto& begun = begin(now);
    begun.forgotten = true;
    return begun;
}

/// Ends the oldest that was answered when another could not be open beside it: fewer have no answer, as
/// another may begin.
void SocketResponses::State::make_room(Time now)
{
    if (open.size() < most_open)
        return;
    if (auto* oldest = find_if([](const Open& one) { return one.answered; }))
        abandon(*oldest, End::displaced, now);
}

template <class Is>
SocketResponses::State::Open* SocketResponses::State::find_if(Is&& is)
{
    const auto found = std::find_if(open.begin(), open.end(), is);
    return found == open.end() ? nullptr : &*found;
}

SocketResponses::State::Open* SocketResponses::State::find(std::uint64_t number)
{
    return find_if([&](const Open& one) { return one.number == number; });
}

SocketResponses::State::Open* SocketResponses::State::next_unanswered()
{
    return find_if([](const Open& one) { return !one.answered; });
}

void SocketResponses::add_server(const SseEvent& message, Time now)
{
    auto& state = *state_;
    const auto& facts = state.server.facts();
    if (message.is_new()) {
        state.server.begin();
        state.target = 0;
    }
    state.server.write(message.data);
    if (message.is_new() && facts.type.starts_with("response.")) {
        if (auto* target = state.target_of(facts, now)) {
            target->answered = true;
            target->doubtful_error.reset();
            state.target = state.current = target->number;
        }
    }
    if (auto* target = state.find(state.target))
        state.take(*target, message, facts, now);
    if (is_last_part(message))
        state.end_with(message, facts, now);
}

/// Which response an event is of; null when it is of none that counts.
SocketResponses::State::Open* SocketResponses::State::target_of(const SocketEventFacts& facts, Time now)
{
    return facts.response_id.empty() ? target_without_id(facts, now) : target_with_id(facts, now);
}

SocketResponses::State::Open* SocketResponses::State::target_with_id(const SocketEventFacts& facts, Time now)
{
    const auto& id = facts.response_id;
    if (api == SocketApi::responses && facts.type == "response.created") {
        // There are upstreams that give all of them the same id.
        std::replace(ended_ids.begin(), ended_ids.end(), id, std::string{});
    } else {
        const auto newest =
            std::find_if(open.rbegin(), open.rend(), [&](const Open& one) { return one.response.id == id; });
        if (newest != open.rend())
            return &*newest;
        if (std::find(ended_ids.begin(), ended_ids.end(), id) != ended_ids.end())
            return nullptr;
    }
    auto* unnamed = next_unanswered();
    if (unnamed == nullptr && (begins_response(facts.type) || ends_response(facts.type)))
        unnamed = &begin_by_server(now);
    if (unnamed != nullptr)
        unnamed->response.id = id;
    return unnamed;
}

SocketResponses::State::Open* SocketResponses::State::target_without_id(const SocketEventFacts& facts,
                                                                        Time now)
{
    auto* unanswered = next_unanswered();
    if (facts.type == "response.created")
        return unanswered != nullptr ? unanswered : &begin_by_server(now);
    if (auto* spoken_of = find(current))
        return spoken_of;
    const auto newest =
        std::find_if(open.rbegin(), open.rend(), [](const Open& one) { return one.answered; });
    return newest == open.rend() ? unanswered : &*newest;
}

void SocketResponses::State::take(Open& of, const SseEvent& message, const SocketEventFacts& facts, Time now)
{
    auto& response = of.response;
    response.reply_bytes += message.data.size();
    if (!response.first_message)
        response.first_message = now;
    if (!facts.reply_model.empty())
        response.reply_model = facts.reply_model;
    if (begins_response(facts.type))
        return;
    if (!response.first_content &&
        (message.part == SseEvent::Part::beginning || (message.is_new() && signs_of(message).content)))
        response.first_content = now;
    if (!is_sound(facts.type))
        of.reply.add(message);
}

/// Once a message is whole: whether it ends a response.
void SocketResponses::State::end_with(const SseEvent& message, const SocketEventFacts& facts, Time now)
{
    if (facts.type.starts_with("session.") && !facts.session_model.empty())
        server_model = facts.session_model;
    auto* ending = ends_response(facts.type) ? find(target) : nullptr;
    if (facts.type == "error" && facts.error_event_id.empty() && api == SocketApi::realtime) {
        keep_error(message, facts, now);
    } else if (facts.type == "error") {
        ending = target_of_error(facts, now);
        if (ending != nullptr) {
            ending->response.reply_bytes += message.data.size();
            ending->response.first_message = ending->response.first_message.value_or(now);
        }
    }
    if (ending == nullptr)
        return;
    ending->response.summary = ending->reply.take();
    const auto how = end_of(facts, ending->response.summary);
    if (how == End::failed)
        ending->response.error = facts.error_words();
    end(*ending, how, now);
}

/// In the Realtime API what the client's message asked for that the error names: others are about something
/// else, which goes wrong beside the response.
SocketResponses::State::Open* SocketResponses::State::target_of_error(const SocketEventFacts& facts, Time now)
{
    if (api == SocketApi::realtime)
        return target_of_named_error(facts.error_event_id, now);
    if (auto* unanswered = next_unanswered())
        return unanswered;
    if (forgotten > 0)
        return &begin_forgotten(now);
    if (open.empty())
        return nullptr;
    auto* spoken_of = find(current);
    return spoken_of != nullptr ? spoken_of : &open.back();
}

SocketResponses::State::Open* SocketResponses::State::target_of_named_error(const std::string& event_id,
                                                                            Time now)
{
    if (auto* named = find_if([&](const Open& one) { return !one.answered && one.event_id == event_id; }))
        return named;
    const auto found = std::find(forgotten_ids.begin(), forgotten_ids.end(), event_id);
    if (found == forgotten_ids.end())
        return nullptr;
    forgotten_ids.erase(found);
    return &begin_forgotten(now);
}

/// It may be about what was asked for, or about any other message of the client: what comes next tells.
void SocketResponses::State::keep_error(const SseEvent& message, const SocketEventFacts& facts, Time now)
{
    if (auto* unanswered = find_if([](const Open& one) { return !one.answered && !one.doubtful_error; }))
        unanswered->doubtful_error = {facts.error_words(), message.data.size(), now};
}

/// The server has begun none of them since.
void SocketResponses::State::fail_doubtful(Time now)
{
    while (auto* doubtful = find_if([](const Open& one) { return one.doubtful_error.has_value(); }))
        abandon(*doubtful, End::failed, now);
}

/// Ends one of which the server gave no end, by an error if one came that may be its end.
void SocketResponses::State::abandon(Open& of, End how, Time now)
{
    of.response.summary = of.reply.take();
    if (!of.doubtful_error)
        return end(of, how, now);
    of.response.error = std::move(of.doubtful_error->words);
    of.response.reply_bytes += of.doubtful_error->bytes;
    of.response.first_message = of.response.first_message.value_or(of.doubtful_error->came);
    end(of, End::failed, of.doubtful_error->came);
}

void SocketResponses::State::end(Open& of, End how, Time now)
{
    auto& response = of.response;
    if (of.forgotten && response.model.empty())
        response.model = response.reply_model;
    response.end = how;
    response.ended = now;
    if (!response.id.empty())
        ended_ids[ended_count++ % ended_ids.size()] = response.id;
    ended.push_back(std::move(response));
    open.erase(
        std::find_if(open.begin(), open.end(), [&](const Open& one) { return one.number == of.number; }));
}

}  // namespace route
