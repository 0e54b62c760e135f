#include "notify/channel.hpp"

#include <fmt/format.h>

#include "core/failover_policy.hpp"
#include "core/header_rules.hpp"
#include "core/text.hpp"

namespace route::notify {

namespace {

std::string detail_of(const HttpReply& reply)
{
    auto detail = fmt::format("HTTP {} {}", reply.status, reason_phrase(reply.status));
    if (const auto said = trim(reply.body); !said.empty())
        detail += ": " + escape_for_log(said);
    return detail;
}

}  // namespace

Delivery judge_status(const HttpReply& reply, SystemTime now)
{
    if (reply.status == 0)
        return {Delivery::Result::retry, reply.error};
    if (reply.status >= 200 && reply.status < 300)
        return {};
    Delivery delivery{Delivery::Result::refused, detail_of(reply)};
    if (reply.status == 408 || reply.status == 429 || reply.status >= 500) {
        delivery.result = Delivery::Result::retry;
        if (const auto wait = parse_retry_after(reply.retry_after, now))
            delivery.wait = std::chrono::ceil<std::chrono::milliseconds>(*wait);
    }
    return delivery;
}

}  // namespace route::notify
