#include "storage/postgres/connection.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <map>
#include <regex>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) && PQXX_VERSION_MAJOR < 7
// libpqxx 6 forgets the answer to the statement by which it notices that the connection has ended: 2 KiB.
extern "C" const char* __lsan_default_suppressions();  // NOLINT(bugprone-reserved-identifier)
extern "C" const char* __lsan_default_suppressions()   // NOLINT(bugprone-reserved-identifier)
{
    return "leak:libpqxx-6";
}
#endif
#endif

namespace route::storage {

namespace {

using Kind = StorageError::Kind;

/// Longest to look at a new connection.
constexpr std::chrono::milliseconds greeting_bound{5'000};

/// SQLSTATEs (postgresql.org/docs/current/errcodes-appendix.html).
Kind kind_of(std::string_view state, std::string_view message, Kind unique)
{
    if (state == "23505")
        return unique;
    // A row without a partition, the default one included: somebody works on the tables.
    if (state == "23514" && message.find("no partition of relation") != std::string_view::npos)
        return Kind::unavailable;
    const auto of_class = state.substr(0, 2);
    // Connection, rollback, read-only, privileges, resources, not in the state for it (locks), intervention
    // (statement timeouts), I/O, internal; none: the connection broke.
    constexpr std::array unavailable{"", "08", "40", "25", "53", "55", "57", "58", "XX"};
    for (const std::string_view one : unavailable)
        if (of_class == one)
            return Kind::unavailable;
    if (state == "42501")  // insufficient_privilege: may be given back
        return Kind::unavailable;
    // The data, a constraint, what a trigger raises, a limit.
    constexpr std::array rejected{"22", "23", "44", "54", "P0"};
    for (const std::string_view one : rejected)
        if (of_class == one)
            return Kind::rejected;
    return Kind::broken;
}

/// The message proper, in one line: what follows it (DETAIL) tells values of columns, keys among them; lines
/// that begin with a tab are advice.
std::string first_part(std::string_view message)
{
    for (const std::string_view part : {"\nDETAIL:", "\nHINT:", "\nCONTEXT:", "\nLINE ", "\nSTATEMENT:"})
        message = message.substr(0, message.find(part));
    if (message.starts_with("ERROR:"))
        message.remove_prefix(sizeof("ERROR:") - 1);
    std::string all;
    while (!message.empty()) {
        auto line = message.substr(0, message.find('\n'));
        message.remove_prefix(std::min(message.size(), line.size() + 1));
        if (line.starts_with('\t'))
            continue;
        while (line.starts_with(' '))
            line.remove_prefix(1);
        while (line.ends_with(' ') || line.ends_with(':') || line.ends_with('\r'))
            line.remove_suffix(1);
        if (!line.empty())
            all += (all.empty() ? "" : "; ") + std::string{line};
    }
    // The place in a statement that is not shown.
    static const std::regex place{" at character [0-9]+$"};
    all = std::regex_replace(all, place, "");
    // What libpqxx 6 says when it notices that a connection has ended.
    return all.starts_with("Could not obtain client encoding") ? "the server ended the connection" : all;
}

std::string quoted_value(std::string_view value)
{
    std::string text = "'";
    for (const char c : value) {
        if (c == '\'' || c == '\\')
            text += '\\';
        text += c;
    }
    return text + "'";
}

template <class F>
auto reported(F&& function)
{
    try {
        return std::forward<F>(function)();
    } catch (const StorageError&) {
        throw;
    } catch (const std::exception& error) {
        throw storage_error(error, Kind::rejected);
    }
}

}  // namespace

StorageError storage_error(const std::exception& error, StorageError::Kind unique)
{
    if (const auto* sql = dynamic_cast<const pqxx::sql_error*>(&error))
        return {kind_of(sql->sqlstate(), error.what(), unique), first_part(error.what())};
    if (dynamic_cast<const pqxx::in_doubt_error*>(&error) != nullptr)
        return {Kind::unavailable, "the connection was lost while the transaction was being committed"};
    const bool of_connection = dynamic_cast<const pqxx::failure*>(&error) != nullptr;
    return {of_connection ? Kind::unavailable : Kind::broken, first_part(error.what())};
}

std::string connection_parameters(const std::string& url)
{
    struct Free
    {
        void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
    };
    char* reason = nullptr;
    const std::unique_ptr<PQconninfoOption, Free> options{PQconninfoParse(url.c_str(), &reason)};
    if (!options) {
        // What libpq says may quote the URL, in which a password stands: the part before is enough.
        std::string_view said = reason == nullptr ? "out of memory" : reason;
        const StorageError error{Kind::broken, fmt::format("this is no URL libpq understands: {}",
                                                           first_part(said.substr(0, said.find('"'))))};
        PQfreemem(reason);
        throw error;
    }
    std::map<std::string, std::string> parameters{{"connect_timeout", "3"},
                                                  {"fallback_application_name", "openai-api-route"},
                                                  {"keepalives_idle", "30"}};
    for (const auto* option = options.get(); option->keyword != nullptr; ++option)
        if (option->val != nullptr)
            parameters[option->keyword] = option->val;
    parameters["client_encoding"] = "UTF8";
    std::string text;
    for (const auto& [keyword, value] : parameters)
        text += fmt::format("{}={} ", keyword, quoted_value(value));
    return text;
}

PostgresConnection::PostgresConnection(const std::string& url)
    : connection_{reported([&] { return std::make_unique<QuietConnection>(connection_parameters(url)); })},
      watchdog_{get().sock()}
{
    transact(greeting_bound, [&](pqxx::work& work) {
        const auto row = work.exec("SELECT pg_backend_pid(), current_setting('server_encoding')");
        pooled_ = row[0][0].as<int>() != get().backendpid();
        const auto encoding = row[0][1].as<std::string>();
        if (encoding != "UTF8" && encoding != "SQL_ASCII")
            throw StorageError{Kind::broken,
                               fmt::format("the database's encoding is {}, UTF8 is needed (createdb "
                                           "--encoding UTF8 --template template0)",
                                           encoding)};
    });
}

PostgresConnection::~PostgresConnection() = default;

void PostgresConnection::begin(pqxx::work& work, std::chrono::milliseconds bound)
{
    // Of this transaction only: a session may be shared by a pooler. Without them what the client gave up
    // would go on waiting on the server; shorter than the client's patience, so that the server's answer
    // comes first and the connection stays.
    if (bound.count() > 0)
        work.exec(
            fmt::format("SET LOCAL statement_timeout = {0}; SET LOCAL lock_timeout = {0};"
                        " SET LOCAL idle_in_transaction_session_timeout = {0}",
                        std::max<std::int64_t>(1, bound.count() * 3 / 4)));
}

void PostgresConnection::fail(const std::exception& error, std::chrono::milliseconds bound,
                              StorageError::Kind unique)
{
    if (watchdog_.bit())
        throw StorageError{Kind::unavailable,
                           fmt::format("the server did not answer within {} ms", bound.count())};
    const auto failure = storage_error(error, unique);
    const auto* sql = dynamic_cast<const pqxx::sql_error*>(&error);
    if (sql != nullptr && (sql->sqlstate() == "55P03" || sql->sqlstate() == "40P01"))
        throw LockNotAvailable{failure.kind(), failure.what()};
    throw failure;
}

std::unique_ptr<Listener> PostgresConnection::listen(const std::string& channel,
                                                     std::chrono::milliseconds bound)
{
    const Bounded bounded{*this, bound};
    return reported([&] { return std::make_unique<Listener>(get(), channel); });
}

void PostgresConnection::take_notifications()
{
    reported([&] {
        get().get_notifs();
        if (!get().is_open())
            throw StorageError{Kind::unavailable, "the server ended the connection"};
    });
}

int PostgresConnection::socket()
{
    return get().sock();
}

}  // namespace route::storage
