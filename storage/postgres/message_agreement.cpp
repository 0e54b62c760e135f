#include "storage/message_agreement.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <utility>

#include "core/text.hpp"
#include "storage/postgres/connection.hpp"

namespace route::storage {

namespace {

using std::chrono::milliseconds;

// Always clock_timestamp(): now() is the time at which the transaction began, before it waited for another.

/// Whoever finds the window open changes nothing, and has its row locked: it is there to be read.
constexpr auto open_sql =
    "INSERT INTO openai_api_route_messages AS message (key, ends_at)"
    " VALUES ($1, clock_timestamp() + $2::bigint * interval '1 millisecond')"
    " ON CONFLICT (key) DO UPDATE SET ends_at = excluded.ends_at"
    " WHERE message.ends_at < clock_timestamp() - interval '30 seconds' RETURNING 1";

/// The end of this window, of no length, is when it was said.
constexpr auto say_sql =
    "INSERT INTO openai_api_route_messages AS message (key, ends_at) VALUES ($1, clock_timestamp())"
    " ON CONFLICT (key) DO UPDATE SET ends_at = excluded.ends_at"
    " WHERE message.ends_at < clock_timestamp() - $2::bigint * interval '1 millisecond' RETURNING 1";

/// In one order, so that of two who lock several rows neither waits for the other.
constexpr auto look_sql =
    "SELECT key, count, ceil(extract(epoch FROM ends_at - clock_timestamp()) * 1000)::bigint"
    " FROM openai_api_route_messages WHERE key = ANY ($1::text[]) ORDER BY key FOR UPDATE";

constexpr auto add_sql =
    "INSERT INTO openai_api_route_messages AS message (key, ends_at, count)"
    " SELECT key, clock_timestamp(), count FROM unnest($1::text[], $2::bigint[]) AS counted (key, count)"
    " ORDER BY key ON CONFLICT (key) DO UPDATE SET count = message.count + excluded.count";

constexpr auto renew_sql =
    "UPDATE openai_api_route_messages SET count = 0,"
    " ends_at = clock_timestamp() + $2::bigint * interval '1 millisecond' WHERE key = ANY ($1::text[])";

constexpr auto close_sql = "DELETE FROM openai_api_route_messages WHERE key = ANY ($1::text[])";

/// Waits for nobody, and so has nobody wait for it the other way round.
constexpr auto purge_sql =
    "DELETE FROM openai_api_route_messages WHERE key IN (SELECT key FROM openai_api_route_messages"
    " WHERE ends_at < clock_timestamp() - interval '1 day' FOR UPDATE SKIP LOCKED)";

/// What is left of a window that has ended: others are about to take what was counted in it.
constexpr milliseconds being_taken{1'000};

struct MessageWindow
{
    std::uint64_t count = 0;
    milliseconds left{0};  ///< 0 or less: it has ended
};

/// As PostgreSQL writes an array.
std::string array_text(const std::vector<std::string>& elements)
{
    std::string text{"{"};
    for (const auto& element : elements) {
        text += text.size() > 1 ? ",\"" : "\"";
        for (const char c : element) {
            if (c == '"' || c == '\\')
                text += '\\';
            text += c;
        }
        text += '"';
    }
    return text + '}';
}

/// Locks the rows.
std::map<std::string, MessageWindow> look_at_windows(pqxx::work& work, const std::vector<std::string>& keys)
{
    std::map<std::string, MessageWindow> windows;
    for (const auto& row : Parameters{}.text(array_text(keys)).execute(work, look_sql))
        windows[row[0].as<std::string>()] = {row[1].as<std::uint64_t>(),
                                             milliseconds{row[2].as<std::int64_t>()}};
    return windows;
}

std::string count_text(milliseconds time)
{
    return std::to_string(time.count());
}

}  // namespace

MessageAgreement::MessageAgreement(std::string url, AgreementBounds bounds)
    : url_{std::move(url)}, bounds_{bounds}
{
}

MessageAgreement::~MessageAgreement() = default;

template <class F>
auto MessageAgreement::transact(Clock::time_point deadline, const F& function)
{
    auto& connection = connected(deadline);
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
    return connection.transact(std::max(left, milliseconds{1}), function);
}

/// The answer to `question(pqxx::work&)`, which is put once at most: what was lost with the connection may
/// have been done. All in one: it is the boundary that nothing thrown passes.
template <class F>
auto MessageAgreement::ask(const F& question)
{
    std::optional<decltype(question(std::declval<pqxx::work&>()))> answer;
    const auto now = Clock::now();
    if (now < retry_at_)
        return answer;
    const auto deadline = now + bounds_.call;
    bool asked = false;
    const auto put = [&](pqxx::work& work) {
        asked = true;
        return question(work);
    };
    // A connection that was kept may have ended long ago.
    for (bool kept = connection_ != nullptr;; kept = false) {
        try {
            answer = transact(deadline, put);
            answered(deadline);
            return answer;
        } catch (const std::exception& error) {
            connection_.reset();
            if (kept && !asked && Clock::now() < deadline)
                continue;
            failed(error.what());
            return answer;
        }
    }
}

std::optional<MessageAgreement::Begun> MessageAgreement::begin(const std::string& key, Milliseconds window)
{
    return ask([&](pqxx::work& work) {
        if (!Parameters{}.text(key).text(count_text(window)).execute(work, open_sql).empty())
            return Begun{};
        const auto left = look_at_windows(work, {key})[key].left;
        return Begun{false, left > milliseconds{0} ? left : being_taken};
    });
}

bool MessageAgreement::add(const std::vector<Counted>& counted)
{
    std::vector<std::string> keys;
    std::vector<std::string> counts;
    for (const auto& each : counted) {
        keys.push_back(each.key);
        counts.push_back(std::to_string(each.count));
    }
    const auto added = ask([&](pqxx::work& work) {
        Parameters{}.text(array_text(keys)).text(array_text(counts)).execute(work, add_sql);
        return true;
    });
    return added.has_value();
}

std::optional<bool> MessageAgreement::first_to_say(const std::string& key, Milliseconds since)
{
    return ask([&](pqxx::work& work) {
        return !Parameters{}.text(key).text(count_text(since)).execute(work, say_sql).empty();
    });
}

std::optional<std::vector<MessageAgreement::Taken>> MessageAgreement::take(
    const std::vector<std::string>& keys, Milliseconds window, bool early)
{
    return ask([&](pqxx::work& work) {
        auto windows = look_at_windows(work, keys);
        std::vector<Taken> taken;
        std::vector<std::string> renewed;
        std::vector<std::string> closed;
        for (const auto& key : keys) {
            const auto [count, left] = windows[key];
            const bool ended = left <= milliseconds{0};
            if (count > 0 && (ended || early)) {
                renewed.push_back(key);
                taken.push_back({count, window});
            } else if (ended) {
                closed.push_back(key);
                taken.emplace_back();
            } else {
                taken.push_back({0, left});
            }
        }
        if (!renewed.empty())
            Parameters{}.text(array_text(renewed)).text(count_text(window)).execute(work, renew_sql);
        if (!closed.empty())
            Parameters{}.text(array_text(closed)).execute(work, close_sql);
        return taken;
    });
}

/// Connects on a thread of its own, for libpq's connect_timeout is two seconds at least, for each host; a
/// connection that comes late serves a later call.
PostgresConnection& MessageAgreement::connected(Clock::time_point deadline)
{
    if (connection_)
        return *connection_;
    if (!connecting_.valid())
        connecting_ = std::async(std::launch::async,
                                 [url = url_] { return std::make_unique<PostgresConnection>(url); });
    if (connecting_.wait_until(deadline) != std::future_status::ready)
        throw StorageError{StorageError::Kind::unavailable,
                           fmt::format("no connection within {} ms", bounds_.call.count())};
    connection_ = connecting_.get();
    return *connection_;
}

void MessageAgreement::failed(const std::string& reason)
{
    retry_at_ = Clock::now() + bounds_.retry;
    if (!std::exchange(reported_, true))
        spdlog::warn("each router sends messages of its own, the database does not say who is to: {}",
                     escape_for_log(reason));
}

void MessageAgreement::answered(Clock::time_point deadline)
{
    if (std::exchange(reported_, false))
        spdlog::info("the database says again which router sends a message");
    const auto now = Clock::now();
    if (now < purge_at_)
        return;
    purge_at_ = now + bounds_.purge;
    try {
        transact(deadline, [](pqxx::work& work) { work.exec(purge_sql); });
    } catch (const std::exception& error) {
        // The answer is there all the same.
        connection_.reset();
        spdlog::debug("old windows of messages are deleted later: {}", escape_for_log(error.what()));
    }
}

}  // namespace route::storage
