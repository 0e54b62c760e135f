#pragma once

#include <boost/intrusive/list.hpp>
#include <memory>

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

    /// Its deadline has passed. May destroy it.
    virtual void on_expired() = 0;
};

/// When something of an event loop is given up: it is told once, when the time passes. Moving it later or
/// cancelling it does not touch the timer, which waits again when it ended too early: one that stands by for
/// every request costs next to nothing. One thread: the loop's.
class Deadline
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>
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
    friend class Deadlines;

    /// Whose wait it is; nobody's, when that has gone or waits anew: a handler that is due cannot be
    /// withdrawn.
    struct Wait
    {
        Deadline* deadline;
    };

    void begin(std::shared_ptr<Wait> wait);
    void on_waited(std::shared_ptr<Wait> wait, error_code error);
    void give_up_wait();

    Deadlines& owner_;
    Expiring& target_;
    Timer timer_;
    TimePoint when_ = TimePoint::max();
    std::shared_ptr<Wait> wait_;  ///< the one that is pending, or due
};

/// All deadlines of an event loop.
class Deadlines
{
  public:
    explicit Deadlines(const Executor& executor) : executor_{executor} {}

    /// None expires any more, and none keeps the loop from running out of work.
    void stop();

  private:
    friend class Deadline;

    Executor executor_;
    boost::intrusive::list<Deadline, boost::intrusive::constant_time_size<false>> all_;
    bool stopped_ = false;
};

}  // namespace route::net
