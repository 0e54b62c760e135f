#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "core/record.hpp"

namespace route::storage {

/// The value of `all` that is written `text`; else `otherwise`.
template <class Outcomes>
auto outcome_from(const Outcomes& all, std::string_view text, typename Outcomes::value_type otherwise)
{
    const auto found =
        std::find_if(all.begin(), all.end(), [&](auto outcome) { return to_string(outcome) == text; });
    return found == all.end() ? otherwise : *found;
}

/// Column `outcome` of `records`.
inline RequestOutcome request_outcome(std::string_view text)
{
    constexpr std::array all{
        RequestOutcome::ok,        RequestOutcome::upstream_error, RequestOutcome::timeout,
        RequestOutcome::truncated, RequestOutcome::client_closed,  RequestOutcome::rejected};
    return outcome_from(all, text, RequestOutcome::upstream_error);
}

/// Column `outcome` of `attempts`.
inline AttemptOutcome attempt_outcome(std::string_view text)
{
    constexpr std::array all{
        AttemptOutcome::ok,         AttemptOutcome::status,       AttemptOutcome::connect,
        AttemptOutcome::tls,        AttemptOutcome::timeout,      AttemptOutcome::cut,
        AttemptOutcome::empty,      AttemptOutcome::error_event,  AttemptOutcome::error_body,
        AttemptOutcome::blank,      AttemptOutcome::no_answer,    AttemptOutcome::not_a_stream,
        AttemptOutcome::superseded, AttemptOutcome::client_closed};
    return outcome_from(all, text, AttemptOutcome::cut);
}

}  // namespace route::storage
