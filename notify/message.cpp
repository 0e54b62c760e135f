#include "notify/message.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

#include "core/text.hpp"
#include "core/uuid.hpp"

namespace route::notify {

namespace {

/// Bytes of lines, so that all of a text is below what webhooks take at most: Discord 2000 characters, WeCom
/// 2048 bytes. Groups beyond are counted only.
constexpr std::size_t most_text = 1'900;

std::string line(const Failure& failure, const std::string& what)
{
    return fmt::format("IP: {} request {} error {} with {}", failure.ip, failure.subject, failure.status,
                       what);
}

std::string_view times(std::uint64_t count)
{
    return count == 1 ? "time" : "times";
}

}  // namespace

bool is_failure(const Record& record)
{
    if (!record.authenticated || record.outcome == RequestOutcome::client_closed)
        return false;
    const bool good =
        (record.status >= 200 && record.status < 300) || record.status == 304 || record.status == 101;
    // An error in the midst of a reply, or in its place, has a good status.
    const bool failed = !good || record.outcome != RequestOutcome::ok;
    const bool is_connection = record.status == 101 && !record.stream;  // not a response over it
    return failed && !is_connection;
}

Failure failure_of(const Record& record)
{
    Failure failure;
    failure.ip = escape_for_log(record.ip);
    failure.subject = escape_for_log(record.model && !record.model->empty() ? *record.model : record.path);
    failure.status = record.status;
    failure.reason =
        record.error.empty() ? std::string{to_string(record.outcome)} : escape_for_log(record.error);
    failure.request_id = record.request_id;
    failure.upstream = record.upstream_name;
    failure.reason_is_upstreams =
        std::any_of(record.attempts.begin(), record.attempts.end(), [&](const auto& attempt) {
            return attempt.outcome != AttemptOutcome::ok &&
                   attempt.outcome != AttemptOutcome::client_closed &&
                   attempt.upstream_name == record.upstream_name && attempt.error == record.error;
        });
    failure.time = record.created_at;
    return failure;
}

std::string what_happened(const Failure& failure)
{
    return failure.reason_is_upstreams ? fmt::format("{}: {}", failure.upstream, failure.reason)
                                       : failure.reason;
}

std::string duration_text(std::chrono::seconds time)
{
    const auto seconds = time.count();
    if (seconds < 120)
        return fmt::format("{} s", seconds);
    if (seconds < 7200)
        return fmt::format("{} min", seconds / 60);
    return fmt::format("{} h {} min", seconds / 3600, seconds / 60 % 60);
}

std::string_view to_string(Message::Kind kind)
{
    switch (kind) {
        case Message::Kind::failure:
            return "failure";
        case Message::Kind::failures:
            return "failures";
        case Message::Kind::recovery:
            return "recovery";
        case Message::Kind::test:
            break;
    }
    return "test";
}

Message tell_failure(const Failure& failure)
{
    Message message;
    message.kind = Message::Kind::failure;
    message.text = line(failure, what_happened(failure));
    message.failures = {{failure, 1, failure.time}};
    return message;
}

Message tell_failures(std::vector<FailureGroup> groups, std::uint64_t others, std::chrono::seconds window)
{
    Message message;
    message.kind = Message::Kind::failures;
    const auto within = duration_text(window);
    std::size_t told = 0;
    for (const auto& group : groups) {
        // Of no upstream: equal failures may be several ones'.
        const auto text = fmt::format("{} ({} {} within {})", line(group.first, group.first.reason),
                                      group.count, times(group.count), within);
        if (!message.text.empty() && message.text.size() + text.size() > most_text)
            break;
        if (told++ > 0)
            message.text += '\n';
        message.text += text;
    }
    for (std::size_t i = told; i < groups.size(); ++i)
        others += groups[i].count;
    groups.resize(told);
    if (others > 0)
        message.text += fmt::format("{}{} other failed {} within {}", told > 0 ? "\n" : "", others,
                                    others == 1 ? "request" : "requests", within);
    message.failures = std::move(groups);
    message.others = others;
    message.window = window;
    return message;
}

Message tell_recovery(std::string upstream, std::chrono::seconds away, const std::string& model)
{
    Message message;
    message.kind = Message::Kind::recovery;
    const auto which = model.empty() ? std::string{} : fmt::format(" (model {})", model);
    message.text = fmt::format("upstream {}{} answers again, after {} in cooldown", upstream, which,
                               duration_text(away));
    message.recovery = {std::move(upstream), away};
    return message;
}

Message tell_test()
{
    Message message;
    message.kind = Message::Kind::test;
    message.text = "a test message of openai-api-route: this channel works";
    return message;
}

void stamp(Message& message, const std::string& node)
{
    std::random_device device;
    const auto random = [&device] { return static_cast<std::uint64_t>(device()) << 32 | device(); };
    const auto first = random();
    message.time = std::chrono::system_clock::now();
    message.id = uuid_v7(message.time, first, random());
    message.node = node;
}

}  // namespace route::notify
