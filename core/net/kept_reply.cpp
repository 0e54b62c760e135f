// The last response of all: what the client gets when every upstream has failed (SPEC 5, point 4).
#include "core/net/kept_reply.hpp"

#include <algorithm>
#include <string>

#include "core/http/reply_kind.hpp"
#include "core/net/loop/off_loop.hpp"

namespace route::net {

namespace {

/// Others of the loop go on while a long reply is looked through, or one of whose length nobody knows.
awaitable<std::optional<ShownReply>> show(EventLoop& loop, TryNotes& notes, const Attempt& attempt)
{
    constexpr std::size_t shown_on_loop = 64u << 10;
    const auto coding = find_field(attempt.reply().fields(), http::field::content_encoding);
    if (attempt.pending().size() <= shown_on_loop && is_no_coding(coding))
        co_return attempt.shown();
    const auto begin = Clock::now();
    std::function<std::optional<ShownReply>()> read = [&attempt] { return attempt.shown(); };
    auto reading = run_off_loop(loop.services.bodies, loop, std::move(read));
    auto shown = co_await std::move(reading);
    notes.add_wait(Clock::now() - begin);
    co_return shown;
}

}  // namespace

awaitable<void> keep(EventLoop& loop, TryNotes& notes, std::unique_ptr<KeptReply>& kept,
                     std::unique_ptr<Attempt> attempt, AttemptFailure failure)
{
    std::optional<ShownReply> shown;
    if (attempt->kept_whole()) {
        auto showing = show(loop, notes, *attempt);
        shown = co_await std::move(showing);
    }
    if (shown) {
        KeptReply last{std::move(attempt), *std::move(shown), std::move(failure)};
        kept = std::make_unique<KeptReply>(std::move(last));
        co_return;
    }
    const bool replied = failure.status && *failure.status / 100 == 2;
    if (replied && kept && kept->failure.cause != Cause::status)
        kept.reset();
}

RouterError all_failed(const std::vector<AttemptRecord>& attempts)
{
    std::string message = "every upstream failed: ";
    for (auto first = attempts.begin(); first != attempts.end();) {
        const auto next = std::find_if(first, attempts.end(), [&](const AttemptRecord& other) {
            return other.upstream_name != first->upstream_name || other.error != first->error;
        });
        if (first != attempts.begin())
            message += "; ";
        message += first->upstream_name + ": " + first->error;
        if (next - first > 1)
            message += " (" + std::to_string(next - first) + " times)";
        first = next;
    }
    const bool timed_out = !attempts.empty() && attempts.back().outcome == AttemptOutcome::timeout;
    return RouterError{502, timed_out ? "upstream_timeout" : "upstream_error", std::move(message)};
}

}  // namespace route::net
