#pragma once

#include <boost/intrusive/set.hpp>
#include <cstdint>
#include <vector>

#include "core/net/waiting/asio.hpp"

namespace route::net {

class Deadlines;

/// Something of an event loop that is given up at a time.
class Expiring
{
  protected:
    ~Expiring() = default;

  private:
    friend class Deadline;
    friend class Deadlines;

    /// Its deadline has passed. May destroy it.
    virtual void on_expired() = 0;
};

#ifndef ASIO_DEADLINES

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

#else

/// When something of an event loop is given up: it is told once, when the time passes. A timer of Asio's
/// each; moving it later or cancelling it does not touch the timer, which waits again when it has ended too
/// early. One thread: the loop's.
class Deadline
{
  public:
    /// Both outlive it.
    Deadline(Deadlines& owner, Expiring& target);
    Deadline(const Deadline&) = delete;
    Deadline& operator=(const Deadline&) = delete;
    ~Deadline();

    void expire_at(TimePoint when);
    void cancel() { when_ = TimePoint::max(); }

  private:
    void wait();
    void on_waited();

    Deadlines& owner_;
    Expiring& target_;
    Timer timer_;
    TimePoint when_ = TimePoint::max();
    std::uint64_t waiting_ = 0;  ///< the number of the wait that is pending, or due
};

/// What the deadlines of an event loop share.
class Deadlines
{
  public:
    explicit Deadlines(const Executor& executor) : executor_{executor} {}

    /// None expires any more.
    void stop() { stopped_ = true; }

  private:
    friend class Deadline;
    Executor executor_;
    std::uint64_t waits_ = 0;  ///< begun so far
    /// Waits that were due, and cannot be withdrawn, when their deadline went.
    std::vector<std::uint64_t> abandoned_;
    bool stopped_ = false;
};

#endif

}  // namespace route::net
