#include "core/net/waiting/deadline.hpp"

#include <utility>

namespace route::net {

Deadline::Deadline(Deadlines& owner, Expiring& target)
    : owner_{owner}, target_{target}, timer_{owner.executor_}
{
    owner_.all_.push_back(*this);
}

Deadline::~Deadline()
{
    give_up_wait();
}

void Deadline::expire_at(TimePoint when)
{
    when_ = when;
    if (wait_ && timer_.expiry() <= when)
        return;  // found to be later when the timer has ended
    give_up_wait();
    if (!owner_.stopped_)
        begin(std::make_shared<Wait>(Wait{this}));
}

void Deadline::give_up_wait()
{
    if (wait_)
        std::exchange(wait_, nullptr)->deadline = nullptr;
}

void Deadline::begin(std::shared_ptr<Wait> wait)
{
    timer_.expires_at(when_);
    timer_.async_wait([wait](error_code error) {
        if (wait->deadline != nullptr)
            wait->deadline->on_waited(wait, error);
    });
    wait_ = std::move(wait);
}

void Deadline::on_waited(std::shared_ptr<Wait> wait, error_code error)
{
    wait_.reset();
    if (error || when_ == TimePoint::max() || owner_.stopped_)
        return;
    if (when_ > Clock::now()) {
        begin(std::move(wait));
        return;
    }
    when_ = TimePoint::max();
    target_.on_expired();  // may destroy it
}

void Deadlines::stop()
{
    stopped_ = true;
    for (auto& deadline : all_)
        deadline.timer_.cancel();
}

}  // namespace route::net
