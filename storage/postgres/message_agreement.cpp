#include "storage/message_agreement.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
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

constexpr auto look_sql =
    "SELECT count, ceil(extract(epoch FROM ends_at - clock_timestamp()) * 1000)::bigint"
    " FROM openai_api_route_messages WHERE key = $1 FOR UPDATE";

constexpr auto add_sql =
    "INSERT INTO openai_api_route_messages AS message (key, ends_at, count)"
    " VALUES ($1, clock_timestamp(), $2::bigint)"
    " ON CONFLICT (key) DO UPDATE SET count = message.count + excluded.count";

constexpr auto renew_sql =
    "UPDATE openai_api_route_messages SET count = 0,"
    " ends_at = clock_timestamp() + $2::bigint * interval '1 millisecond' WHERE key = $1";

constexpr auto close_sql = "DELETE FROM openai_api_route_messages WHERE key = $1";

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

/// Locks the row.
std::optional<MessageWindow> look_at_window(pqxx::work& work, const std::string& key)
{
    const auto rows = Parameters{}.text(key).execute(work, look_sql);
    if (rows.empty())
        return {};
    return MessageWindow{rows[0][0].as<std::uint64_t>(), milliseconds{rows[0][1].as<std::int64_t>()}};
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
        const auto open = look_at_window(work, key);
        return Begun{false, open && open->left > milliseconds{0} ? open->left : being_taken};
    });
}

bool MessageAgreement::add(const std::string& key, std::uint64_t count)
{
    const auto added = ask([&](pqxx::work& work) {
        Parameters{}.text(key).text(std::to_string(count)).execute(work, add_sql);
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

std::optional<MessageAgreement::Taken> MessageAgreement::take(const std::string& key, Milliseconds window,
                                                              bool early)
{
    return ask([&](pqxx::work& work) {
        const auto open = look_at_window(work, key);
        if (!open)
            return Taken{};
        const bool ended = open->left <= milliseconds{0};
        if (open->count > 0 && (ended || early)) {
            Parameters{}.text(key).text(count_text(window)).execute(work, renew_sql);
            return Taken{open->count, window};
        }
        if (!ended)
            return Taken{0, open->left};
        Parameters{}.text(key).execute(work, close_sql);
        return Taken{};
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
