#pragma once

#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace route::storage {

class PostgresConnection;

struct AgreementBounds
{
    using Milliseconds = std::chrono::milliseconds;

    Milliseconds call{1'000};      ///< longest that one call takes, connecting included
    Milliseconds retry{10'000};    ///< after a failure there is no answer for so long, and nobody waits
    Milliseconds purge{3600'000};  ///< how often rows that nobody asks for any more are deleted
};

/// What routers that share a PostgreSQL agree on about messages, so that one of them tells and not each: a
/// row of `openai_api_route_messages` for each window that is open, by the database's clock. A connection of
/// its own, made when first asked. One thread at a time; nothing is thrown, and no answer is given while the
/// database is away, the table is not there or may not be written.
class MessageAgreement
{
  public:
    explicit MessageAgreement(std::string url, AgreementBounds bounds = {});
    /// Waits for a connection that is being made, as long as the URL's connect_timeout lets that take.
    ~MessageAgreement();
    MessageAgreement(const MessageAgreement&) = delete;
    MessageAgreement& operator=(const MessageAgreement&) = delete;

    using Milliseconds = std::chrono::milliseconds;

    struct Begun
    {
        bool mine = true;      ///< this call has opened it
        Milliseconds left{0};  ///< until the open window ends, which another has opened
    };
    /// Opens a window for `key` unless one is open. One that ended half a minute ago has been left by those
    /// who counted in it: it is opened anew, and what they counted is part of what the next take() gives.
    std::optional<Begun> begin(const std::string& key, Milliseconds window);

    struct Counted
    {
        std::string key;
        std::uint64_t count = 0;
    };
    /// Adds to what all have counted; where no window is open, in one that ends at once. No key comes twice.
    /// False: no answer.
    bool add(const std::vector<Counted>& counted);

    /// Whether nobody has said what `key` names for so long; it counts as said by this call then. Keys are
    /// others than those of windows.
    std::optional<bool> first_to_say(const std::string& key, Milliseconds since);

    struct Taken
    {
        std::uint64_t count = 0;  ///< 0: nothing, or another has taken it
        Milliseconds left{0};     ///< until the end of the window that is open now; 0: none is
    };
    /// Takes what was added for each key, in their order, once its window has ended, with `early` before
    /// that, too: one of those who ask gets it, and a window of this length begins. Where there was nothing,
    /// the ended one is closed.
    std::optional<std::vector<Taken>> take(const std::vector<std::string>& keys, Milliseconds window,
                                           bool early);

  private:
    using Clock = std::chrono::steady_clock;

    template <class F>
    auto ask(const F& question);
    template <class F>
    auto transact(Clock::time_point deadline, const F& function);
    PostgresConnection& connected(Clock::time_point deadline);
    void failed(const std::string& reason);
    void answered(Clock::time_point deadline);

    std::string url_;
    AgreementBounds bounds_;
    std::unique_ptr<PostgresConnection> connection_;
    std::future<std::unique_ptr<PostgresConnection>> connecting_;
    Clock::time_point retry_at_{};
    Clock::time_point purge_at_{};
    bool reported_ = false;  ///< that there is no answer
};

}  // namespace route::storage
