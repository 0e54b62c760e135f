#include "storage/change_poller.hpp"

#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <system_error>
#include <utility>

#include "core/text.hpp"

namespace route::storage {

namespace {

/// Where even waiting fails.
constexpr std::chrono::milliseconds wait_after_failure{500};

/// Of one outage, that are logged.
constexpr std::size_t most_reasons = 10;

}  // namespace

ChangePoller::ChangePoller(std::unique_ptr<ChangeSource> source, UpstreamsAndKeys known, OnChange on_change)
    : source_{std::move(source)},
      known_{std::move(known)},
      on_change_{std::move(on_change)},
      stop_event_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)}
{
    if (stop_event_ < 0)
        throw std::system_error{errno, std::generic_category(), "eventfd"};
    thread_ = std::thread{[this] { run(); }};
}

ChangePoller::~ChangePoller()
{
    stop();
    ::close(stop_event_);
}

void ChangePoller::stop()
{
    stopping_ = true;
    ::eventfd_write(stop_event_, 1);
    if (thread_.joinable())
        thread_.join();
}

void ChangePoller::run()
{
    while (!stopping_) {
        try {
            look();
            reasons_.clear();
            if (failing_.exchange(false))
                spdlog::info("upstreams and client keys can be read again");
        } catch (const std::exception& error) {
            failed(error.what());
        } catch (...) {
            failed("unknown");
        }
        try {
            source_->wait(stop_event_);
        } catch (const std::exception& error) {
            failed(error.what());
            std::this_thread::sleep_for(wait_after_failure);
        }
    }
}

/// Nothing may end the thread, nor memory that is short the program.
void ChangePoller::failed(const char* reason) noexcept
{
    try {
        source_->close();
        const bool is_new = reasons_.size() < most_reasons && reasons_.insert(reason).second;
        if (!failing_.exchange(true) || is_new)
            spdlog::warn("upstreams and client keys can not be read, the last known stay in force: {}",
                         escape_for_log(reason));
    } catch (...) {
        failing_ = true;
    }
}

void ChangePoller::look()
{
    auto now = source_->look();
    if (!now || *now == known_)
        return;
    known_ = *std::move(now);
    on_change_(known_);
}

}  // namespace route::storage
