#include "storage/maker_lookup.hpp"

#include <spdlog/spdlog.h>

#include "core/text.hpp"

namespace route::storage {

namespace {

using Clock = std::chrono::steady_clock;

/// Between two warnings.
constexpr std::chrono::minutes silence{1};

}  // namespace

std::vector<MadeBy> MakerLookup::find(const IdHashes& ids, TimePoint deadline)
{
    const auto now = Clock::now();
    if (now >= deadline || now < retry_at_)
        return {};
    try {
        if (!database_)
            database_ = connector_();
        return database_->makers_of(ids);
    } catch (const std::exception& error) {
        failed(error.what());
    }
    return {};
}

void MakerLookup::failed(const char* reason)
{
    database_.reset();
    const auto now = Clock::now();
    retry_at_ = now + pause_;
    const bool told = told_at_ != TimePoint{} && now - told_at_ < silence;
    if (!told)
        told_at_ = now;
    spdlog::log(told ? spdlog::level::debug : spdlog::level::warn,
                "which upstream made what requests name cannot be looked up, they go in the usual order: {}",
                escape_for_log(reason));
}

}  // namespace route::storage
