#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/failover/cooldown.hpp"
#include "notify/agreement.hpp"
#include "notify/failure_windows.hpp"
#include "notify/message.hpp"

namespace route::notify {

/// Makes messages of what happens: at once, or counted at the end of a window, by one router for all. No I/O
/// but through the agreement; the clock comes in. One thread.
class Announcer
{
  public:
    using Clock = FailureWindows::Clock;
    using TimePoint = FailureWindows::TimePoint;

    /// How long routers have to add what they counted before one of them tells.
    static constexpr std::chrono::milliseconds grace{2'000};
    /// Shorter cooldowns end without a word.
    static constexpr std::chrono::seconds worth_telling{60};
    /// What is told reaches the others so much later at most.
    static constexpr std::chrono::seconds delay{2};

    /// `send` gives a message its id, node and time. Without an agreement this router is the only one.
    Announcer(std::chrono::seconds window, std::function<void(Message)> send,
              std::unique_ptr<Agreement> agreement);

    void set_window(std::chrono::seconds window);

    void failed(const Failure& failure, TimePoint now);
    /// Failures that there was no room for.
    void lost(std::uint64_t count, TimePoint now) { windows_.count_others(count, now); }
    void recovered(const CooldownEnd& end);

    /// While it is `late`, the others are not asked: the program ends.
    void ask_unless(std::function<bool()> late) { late_ = std::move(late); }

    /// When tick() has something to do; max() when nothing is open.
    TimePoint next() const;
    void tick(TimePoint now);

    /// Tells what has been counted so far: the program ends.
    void finish(TimePoint now);

  private:
    /// A window whose end has come, given to the others and soon taken back as the sum of all.
    struct Pending
    {
        FailureKind kind;
        FailureGroup sample;
        TimePoint when;
    };

    template <class Question>
    auto ask(Question question) -> decltype(question());
    std::optional<Agreement::Begun> begin(const std::string& key, std::chrono::milliseconds window);
    bool add(const std::vector<FailureWindows::Ended>& ended);
    void give(std::vector<FailureWindows::Ended> ended, TimePoint now, std::vector<FailureGroup>& told);
    void end_alone(FailureWindows::Ended ended, TimePoint now, std::vector<FailureGroup>& told);
    void take(const std::vector<Pending>& pending, bool early, TimePoint now,
              std::vector<FailureGroup>& told);
    void tell(std::vector<FailureGroup> groups, std::uint64_t others);

    FailureWindows windows_;
    std::function<void(Message)> send_;
    std::unique_ptr<Agreement> agreement_;
    std::vector<Pending> pending_;
    std::function<bool()> late_ = [] { return false; };
};

}  // namespace route::notify
