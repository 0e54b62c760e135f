#include "storage/maker_lookup.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "core/text.hpp"

namespace route::storage {

namespace {

using Clock = std::chrono::steady_clock;

/// Between two warnings.
constexpr std::chrono::minutes silence{1};

/// What is left of a request's time to connect anew, and the least that a database has to answer.
constexpr std::chrono::milliseconds longest_reserve{500};
constexpr std::chrono::milliseconds least_bound{500};

std::chrono::milliseconds bound_until(MakerLookup::TimePoint deadline)
{
    return std::max(least_bound,
                    std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()));
}

/// An answer on a connection that may have ended leaves time for another.
MakerLookup::TimePoint with_reserve(MakerLookup::TimePoint deadline)
{
    const auto left = deadline - Clock::now();
    return deadline - std::min<Clock::duration>(left / 2, longest_reserve);
}

}  // namespace

std::vector<MadeBy> MakerLookup::find(const IdHashes& ids, TimePoint deadline)
{
    // One that was open may have ended while it lay idle (the server restarted, a pooler's bound): that says
    // nothing of the database, only one that was just made does.
    while (Clock::now() < deadline && Clock::now() >= retry_at_) {
        const bool anew = database_ == nullptr;
        try {
            if (anew)
                database_ = connector_();
            return database_->makers_of(ids, bound_until(anew ? deadline : with_reserve(deadline)));
        } catch (const NotItsTurn& error) {
            spdlog::debug("which upstream made what a request names is not looked up: {}", error.what());
            break;
        } catch (const std::exception& error) {
            database_.reset();
            if (anew) {
                failed(error.what());
                break;
            }
        }
    }
    return {};
}

/// The database is left alone for a while.
void MakerLookup::failed(const char* reason)
{
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
