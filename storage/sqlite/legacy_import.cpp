#include "storage/sqlite/legacy_import.hpp"

#include <SQLiteCpp/Backup.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>
#include <string_view>

#include "core/client_key.hpp"
#include "core/counted.hpp"
#include "core/text.hpp"
#include "core/timestamps.hpp"
#include "core/uuid.hpp"
#include "storage/sqlite/connection.hpp"
#include "storage/sqlite/migrations.hpp"

namespace route::storage {

namespace {

constexpr auto old_upstreams = "openai_upstreams_v030";
constexpr auto old_records = "records_v030";
constexpr auto old_config = "config_kvs_v030";

/// What the rows of `records` are told of the rest.
struct Taken
{
    std::map<std::int64_t, std::string> endpoints;  ///< by upstream id
    std::string key_name;                           ///< "" when there was no key
    std::size_t upstreams = 0;
    std::uint64_t records = 0;
};

bool whole_copy(const std::string& path)
{
    if (::access(path.c_str(), F_OK) != 0)
        return false;
    try {
        SQLite::Database copy{path, SQLite::OPEN_READONLY};
        return is_legacy(copy);
    } catch (const SQLite::Exception&) {
        return false;
    }
}

[[noreturn]] void cannot_copy(const std::string& copy)
{
    throw StorageError{
        StorageError::Kind::unavailable,
        fmt::format("{} can not be made, and the takeover needs it first: {}", copy, std::strerror(errno))};
}

void sync_file(const std::string& path)
{
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0 || ::fsync(file) != 0)
        spdlog::warn("{} could not be synced to disk", path);
    if (file >= 0)
        ::close(file);
}

/// `column` of `table`, or NULL where that v0.3.0 had none.
std::string column_or_null(SQLite::Database& database, const std::string& table, const std::string& column)
{
    return has_column(database, table, column) ? column : "NULL AS " + column;
}

std::string select(SQLite::Database& database, const std::string& table,
                   std::initializer_list<const char*> columns)
{
    std::string list;
    for (const auto* column : columns)
        list += (list.empty() ? "" : ", ") + column_or_null(database, table, column);
    return fmt::format("SELECT {} FROM {} ORDER BY rowid", list, table);
}

std::string text_of(const SQLite::Column& column)
{
    return clean_utf8(column.getString());
}

std::optional<SystemTime> time_of(const SQLite::Column& column)
{
    if (column.isInteger())
        return SystemTime{std::chrono::seconds{column.getInt64()}};
    return parse_timestamp(column.getString());
}

void bind_time(SQLite::Statement& statement, int index, const std::optional<SystemTime>& time)
{
    if (time)
        statement.bind(index, format_timestamp(*time));
    else
        statement.bind(index);
}

bool is_set(const SQLite::Column& column)
{
    return !column.isNull() && column.getBytes() > 0;
}

/// v0.3.0 put the request's path behind the host, whatever the endpoint's path was: always below /v1.
std::string endpoint_with_v1(const std::string& endpoint)
{
    const auto scheme = endpoint.find("://");
    if (scheme == endpoint.npos)
        return endpoint;
    return endpoint.substr(0, endpoint.find_first_of("/?#", scheme + 3)) + "/v1";
}

/// The body was stored as one JSON string; what is none is kept as it is.
std::string decoded_body(std::string body)
{
    if (!body.starts_with('"'))
        return body;
    boost::json::error_code error;
    const auto value = boost::json::parse(body, error);
    if (error || !value.is_string())
        return body;
    return std::string{std::string_view{value.get_string()}};
}

/// Ordered like (created_at, id) and the same whenever it is made again: the fraction below the millisecond,
/// then the id (RFC 9562 6.2).
std::string request_id_of(SystemTime created_at, std::int64_t id)
{
    const auto millisecond = std::chrono::floor<std::chrono::milliseconds>(created_at);
    const auto fraction = std::chrono::nanoseconds{created_at - millisecond}.count() * 4096 / 1'000'000;
    return uuid_v7(created_at, static_cast<std::uint64_t>(fraction), static_cast<std::uint64_t>(id));
}

void take_over_upstreams(SQLite::Database& database, Taken& taken)
{
    SQLite::Statement old{
        database, select(database, old_upstreams,
                         {"id", "created_at", "updated_at", "deleted_at", "sk", "endpoint", "timeout"})};
    SQLite::Statement add{
        database,
        "INSERT INTO openai_upstreams (id, created_at, updated_at, deleted_at, sk, endpoint, timeout)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)"};
    SQLite::Statement same{
        database, "SELECT id FROM openai_upstreams WHERE sk = ? AND endpoint = ? AND deleted_at IS NULL"};
    while (old.executeStep()) {
        const auto id = old.getColumn(0).getInt64();
        const auto sk = old.getColumn(4).getString();
        const auto endpoint = endpoint_with_v1(old.getColumn(5).getString());
        auto deleted = is_set(old.getColumn(3)) ? time_of(old.getColumn(3)).value_or(SystemTime{})
                                                : std::optional<SystemTime>{};
        same.reset();
        same.bind(1, sk);
        same.bind(2, endpoint);
        if (!deleted && same.executeStep()) {
            spdlog::warn("upstream {} of v0.3.0 is the same as upstream {} now that the path is /v1: removed",
                         id, same.getColumn(0).getInt64());
            deleted = std::chrono::system_clock::now();
        }
        add.reset();
        add.clearBindings();
        add.bind(1, id);
        bind_time(add, 2, time_of(old.getColumn(1)));
        bind_time(add, 3, time_of(old.getColumn(2)));
        bind_time(add, 4, deleted);
        add.bind(5, deleted ? std::string{} : sk);
        add.bind(6, endpoint);
        if (const auto timeout = old.getColumn(6).getInt64(); timeout > 0)  // 0: the default
            add.bind(7, timeout);
        add.exec();
        taken.endpoints.emplace(id, endpoint);
        taken.upstreams += deleted ? 0 : 1;
    }
}

void take_over_key(SQLite::Database& database, const std::string& key, Taken& taken)
{
    if (key == "asis") {
        spdlog::warn(
            "v0.3.0 took any client key (its authorization was \"asis\"): no key is taken over, add one with "
            "`key add`");
        return;
    }
    if (key.empty())
        return;
    SQLite::Statement add{database, "INSERT INTO client_keys (name, key_hash) VALUES (?, ?)"};
    add.bind(1, legacy_key_name);
    add.bind(2, to_hex(hash_key(key)));
    add.exec();
    taken.key_name = legacy_key_name;
}

void take_over_config(SQLite::Database& database, Taken& taken)
{
    SQLite::Statement old{database, select(database, old_config, {"key", "value", "deleted_at"})};
    while (old.executeStep()) {
        if (is_set(old.getColumn(2)))
            continue;
        const auto key = old.getColumn(0).getString();
        const auto value = old.getColumn(1).getString();
        if (key == "authorization" && taken.key_name.empty())
            take_over_key(database, value, taken);
        else if (key == "policy" && value != "main")
            spdlog::warn("v0.3.0's policy \"{}\" is not taken over: see failover.order in the configuration",
                         escape_for_log(value));
    }
}

constexpr auto add_record =
    "INSERT INTO records (id, request_id, client_request_id, created_at, node, ip, key_name, user_agent, "
    "method, path,"
    " model, stream, body, body_bytes, status, outcome, error, upstream_id, upstream_name, "
    "upstream_endpoint, attempts,"
    " response, response_bytes, response_time, elapsed_time, finish_reason, trace_id)"
    " VALUES (?1, ?2, '', ?3, '', ?4, ?5, ?6, '', '', ?7, 0, ?8, ?9, ?10, ?11, '', ?12, ?13, ?14, ?15, ?16, "
    "?17, ?18,"
    " ?19, '', '')";

void bind_answer(SQLite::Statement& add, const SQLite::Column& upstream, const Taken& taken)
{
    const auto id = upstream.getInt64();
    if (id == 0)
        add.bind(12);
    else
        add.bind(12, id);
    const auto endpoint = taken.endpoints.find(id);
    add.bind(13, id == 0 ? "" : fmt::format("upstream-{}", id));
    add.bind(14, endpoint == taken.endpoints.end() ? "" : endpoint->second);
    add.bind(15, id == 0 ? 0 : 1);
}

void take_over_records(SQLite::Database& database, Taken& taken)
{
    SQLite::Statement old{
        database, select(database, old_records,
                         {"id", "created_at", "ip", "user_agent", "model", "body", "status", "upstream_id",
                          "response", "response_time", "elapsed_time", "deleted_at"})};
    SQLite::Statement add{database, add_record};
    SystemTime created_at{};
    while (old.executeStep()) {
        if (is_set(old.getColumn(11)))
            continue;
        const auto id = old.getColumn(0).getInt64();
        // A row without a time of its own takes that of the row before it.
        created_at = std::max(time_of(old.getColumn(1)).value_or(created_at), SystemTime{});
        const auto body = clean_utf8(decoded_body(old.getColumn(5).getString()));
        const auto status = old.getColumn(6).getInt();
        const auto response = text_of(old.getColumn(8));
        add.reset();
        add.clearBindings();
        add.bind(1, id);
        add.bind(2, request_id_of(created_at, id));
        add.bind(3, format_timestamp(created_at));
        add.bind(4, text_of(old.getColumn(2)));
        add.bind(5, taken.key_name);
        add.bind(6, text_of(old.getColumn(3)));
        if (is_set(old.getColumn(4)))
            add.bind(7, text_of(old.getColumn(4)));
        add.bindNoCopy(8, body);
        add.bind(9, static_cast<std::int64_t>(body.size()));
        add.bind(10, status);
        add.bind(11,
                 std::string{to_string(status == 200 ? RequestOutcome::ok : RequestOutcome::upstream_error)});
        bind_answer(add, old.getColumn(7), taken);
        add.bindNoCopy(16, response);
        add.bind(17, static_cast<std::int64_t>(response.size()));
        if (!old.getColumn(9).isNull())
            add.bind(18, old.getColumn(9).getInt64());
        add.bind(19, old.getColumn(10).getInt64());
        add.exec();
        ++taken.records;
    }
}

}  // namespace

bool is_legacy(SQLite::Database& database)
{
    return schema_has(database, "config_kvs") ||
           (schema_has(database, "records") && !has_column(database, "records", "request_id")) ||
           (schema_has(database, "openai_upstreams") &&
            !has_column(database, "openai_upstreams", "priority"));
}

void copy_legacy(const std::string& path)
{
    const auto copy = path + ".v0.3.0";
    if (whole_copy(copy))
        return;
    // The name is given last: what bears it is whole. What an interrupted takeover left is made anew.
    const auto unfinished = copy + ".partial";
    ::unlink(unfinished.c_str());
    const int file = ::open(unfinished.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (file < 0)
        cannot_copy(copy);
    ::close(file);
    {
        SQLite::Database source{path, SQLite::OPEN_READONLY, 5000};
        SQLite::Database target{unfinished, SQLite::OPEN_READWRITE};
        SQLite::Backup backup{target, source};
        backup.executeStep(-1);
    }
    sync_file(unfinished);
    if (std::rename(unfinished.c_str(), copy.c_str()) != 0)
        cannot_copy(copy);
}

void import_legacy(SQLite::Database& database)
{
    struct Step
    {
        const char* table;
        const char* moved;
        void (*take_over)(SQLite::Database&, Taken&);
    };
    constexpr Step steps[] = {{"openai_upstreams", old_upstreams, take_over_upstreams},
                              {"config_kvs", old_config, take_over_config},
                              {"records", old_records, take_over_records}};
    // Views and triggers that someone added do not stop the renaming.
    database.exec("PRAGMA legacy_alter_table = ON");
    for (const auto& step : steps)
        if (schema_has(database, step.table))
            database.exec(fmt::format("ALTER TABLE {} RENAME TO {}", step.table, step.moved));
    create_schema(database);
    Taken taken;
    for (const auto& step : steps)
        if (schema_has(database, step.moved)) {
            step.take_over(database, taken);
            database.exec(fmt::format("DROP TABLE {}", step.moved));
        }
    database.exec("PRAGMA legacy_alter_table = OFF");
    spdlog::info("took over from v0.3.0: {}, {}{}", counted(taken.upstreams, "upstream"),
                 counted(taken.records, "record"), taken.key_name.empty() ? "" : ", the client key");
}

}  // namespace route::storage
