#pragma once

#include <atomic>
#include <chrono>

namespace route::storage {

/// Lets one thread sleep until others wake it or a time comes. Waking a thread that is awake costs one atomic
/// read, so event loops may do it for every record. (std::atomic's wait has no timeout.)
class Sleeper
{
  public:
    using TimePoint = std::chrono::steady_clock::time_point;

    enum class Call
    {
        any,
        urgent
    };

    Sleeper();
    ~Sleeper();
    Sleeper(const Sleeper&) = delete;
    Sleeper& operator=(const Sleeper&) = delete;

    /// The sleeping thread: until `until`, or until a call of at least this kind comes. Returns at once when
    /// `ready()`, which is asked after callers can see that it sleeps: no call is missed in between.
    template <class Ready>
    void sleep(Call least, TimePoint until, Ready ready)
    {
        state_.store(least == Call::any ? State::for_any : State::for_urgent);
        if (!ready())
            wait(until);
        state_.store(State::awake);
    }

    /// Any thread; what is to be seen by the sleeper must have been written before.
    void wake(Call call)
    {
        auto state = state_.load();
        if (state == State::awake || (state == State::for_urgent && call != Call::urgent))
            return;
        if (state_.exchange(State::awake) != State::awake)
            signal();
    }

  private:
    enum class State
    {
        awake,
        for_urgent,
        for_any
    };

    void wait(TimePoint until);
    void signal();

    std::atomic<State> state_{State::awake};
    int event_;  ///< eventfd(2)
};

}  // namespace route::storage
