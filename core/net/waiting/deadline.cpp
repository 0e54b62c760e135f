#include "core/net/waiting/deadline.hpp"

namespace route::net {

#ifndef ASIO_DEADLINES

namespace {

/// So many are acted on in a row, then others of the loop have their turn.
constexpr int most_expired = 64;

}  // namespace

void Deadline::expire_at(TimePoint when)
{
    when_ = when;
    if (is_linked() && key_ <= when)
        return;  // found to be later when its place in the tree comes up
    if (is_linked())
        unlink();
    key_ = when;
    owner_.add(*this);
}

void Deadlines::add(Deadline& deadline)
{
    pending_.insert(deadline);
    if (deadline.key_ < armed_for_)
        arm();
}

void Deadlines::arm()
{
    if (stopped_ || pending_.empty()) {
        armed_for_ = TimePoint::max();
        return;
    }
    armed_for_ = pending_.begin()->key_;
    timer_.expires_at(armed_for_);
    timer_.async_wait([this](error_code error) {
        if (!error)
            expire();
    });
}

void Deadlines::expire()
{
    armed_for_ = TimePoint::max();
    const auto now = Clock::now();
    for (int acted = 0; acted < most_expired && !pending_.empty() && pending_.begin()->key_ <= now;) {
        auto& deadline = *pending_.begin();
        pending_.erase(pending_.begin());
        if (deadline.when_ == TimePoint::max())
            continue;  // cancelled meanwhile
        if (deadline.when_ > now) {
            deadline.key_ = deadline.when_;
            pending_.insert(deadline);
            continue;
        }
        deadline.when_ = TimePoint::max();
        ++acted;
        deadline.target_.on_expired();  // may destroy it
    }
    arm();
}

void Deadlines::stop()
{
    stopped_ = true;
    timer_.cancel();
}

#else

Deadline::Deadline(Deadlines& owner, Expiring& target)
    : owner_{owner}, target_{target}, timer_{owner.executor_}
{
}

Deadline::~Deadline()
{
    if (waiting_ != 0 && timer_.cancel() == 0)
        owner_.abandoned_.push_back(waiting_);
}

void Deadline::expire_at(TimePoint when)
{
    when_ = when;
    if (waiting_ == 0 || (timer_.expiry() > when && timer_.cancel() != 0))
        wait();
}

void Deadline::wait()
{
    waiting_ = 0;
    if (owner_.stopped_)
        return;
    timer_.expires_at(when_);
    auto& owner = owner_;
    const auto number = ++owner.waits_;
    timer_.async_wait([this, &owner, number](error_code error) {
        if (!error && (owner.abandoned_.empty() || std::erase(owner.abandoned_, number) == 0))
            on_waited();
    });
    waiting_ = number;
}

void Deadline::on_waited()
{
    waiting_ = 0;
    if (when_ == TimePoint::max() || owner_.stopped_)
        return;
    if (when_ > Clock::now()) {
        wait();
        return;
    }
    when_ = TimePoint::max();
    target_.on_expired();  // may destroy it
}

#endif

}  // namespace route::net
