#pragma once

#include <boost/intrusive/set.hpp>

#include "core/net/waiting/asio.hpp"

namespace route::net {

class Deadlines;

/// Something of an event loop that is given up at a time.
class Expiring
{
  protected:
    ~Expiring() = default;

  private:
    friend class Deadlines;

    /// Its deadline has passed. May destroy it.
    virtual void on_expired() = 0;
};

/// When something of an event loop is given up: it is told once, when the time passes. Moving it later or
/// cancelling it touches no tree and no timer, so one that stands by for every request costs next to nothing.
/// One thread: the loop's.
class Deadline
    : public boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>
{
  public:
    /// Both outlive it.
    Deadline(Deadlines& owner, Expiring& target) : owner_{owner}, target_{target} {}

    void expire_at(TimePoint when);
    void cancel() { when_ = TimePoint::max(); }

  private:
    friend class Deadlines;
    struct Earlier
    {
        bool operator()(const Deadline& a, const Deadline& b) const { return a.key_ < b.key_; }
    };

    Deadlines& owner_;
    Expiring& target_;
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
