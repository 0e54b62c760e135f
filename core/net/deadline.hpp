#pragma once

#include <boost/intrusive/set.hpp>

#include "core/net/asio.hpp"

namespace route::net {

class Deadlines;

/// A time at which something of an event loop is given up: calls `action(target)` once when it passes. Moving
/// it later or cancelling it touches no tree and no timer, so one that stands by for every request costs next
/// to nothing. One thread: the loop's.
class Deadline
    : public boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>
{
  public:
    using Action = void (*)(void* target);

    Deadline(Deadlines& owner, Action action, void* target) : owner_{owner}, action_{action}, target_{target}
    {
    }

    void expire_at(TimePoint when);
    void cancel() { when_ = TimePoint::max(); }

    /// Cancels it and makes it call something else from now on.
    void retarget(Action action, void* target)
    {
        cancel();
        action_ = action;
        target_ = target;
    }

  private:
    friend class Deadlines;
    struct Earlier
    {
        bool operator()(const Deadline& a, const Deadline& b) const { return a.key_ < b.key_; }
    };

    Deadlines& owner_;
    Action action_;
    void* target_;
    TimePoint key_ = TimePoint::max();   ///< where it stands in the tree: never later than when_
    TimePoint when_ = TimePoint::max();  ///< when it really expires
};

/// All deadlines of an event loop behind one timer.
class Deadlines
{
  public:
    explicit Deadlines(const Executor& executor) : timer_{executor} {}

    /// Drops the timer's pending wait, so that the loop can run out of work.
    void stop();

  private:
    friend class Deadline;
    void add(Deadline& deadline);
    void arm();
    void expire();

    boost::intrusive::multiset<Deadline, boost::intrusive::compare<Deadline::Earlier>,
                               boost::intrusive::constant_time_size<false>>
        pending_;
    Timer timer_;
    TimePoint armed_for_ = TimePoint::max();
    bool stopped_ = false;
};

}  // namespace route::net
