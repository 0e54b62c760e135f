#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <filesystem>

#include "app/cli/commands.hpp"
#include "app/cli/json.hpp"
#include "app/cli/table.hpp"
#include "app/config/config_values.hpp"
#include "core/counted.hpp"
#include "core/text.hpp"
#include "core/timestamps.hpp"
#include "storage/open.hpp"
#include "storage/outbox.hpp"

namespace route::cli {
namespace {

struct Outbox
{
    std::string path;
    std::uint64_t records = 0;
    std::uint64_t bytes = 0;
};

Outbox outbox_of(const StorageSettings& settings)
{
    Outbox outbox{settings.outbox};
    // Its -wal holds what came last.
    for (const char* suffix : {"", "-wal"}) {
        std::error_code absent;
        if (const auto size = std::filesystem::file_size(outbox.path + suffix, absent); !absent)
            outbox.bytes += size;
    }
    outbox.records = storage::Outbox{outbox.path}.size();
    return outbox;
}

std::string place_of(const StorageSettings& settings)
{
    return settings.backend == Backend::postgres ? mask_url(settings.postgres) : settings.sqlite;
}

std::string size_text(std::uint64_t bytes)
{
    constexpr auto kib = 1024.0;
    const auto size = static_cast<double>(bytes);
    if (size < kib)
        return fmt::format("{} B", bytes);
    if (size < kib * kib)
        return fmt::format("{:.1f} KiB", size / kib);
    if (size < kib * kib * kib)
        return fmt::format("{:.1f} MiB", size / kib / kib);
    return fmt::format("{:.1f} GiB", size / kib / kib / kib);
}

std::string outbox_line(const Outbox& outbox)
{
    if (outbox.bytes == 0)
        return fmt::format("Outbox:    {}, not there: nothing waits\n", escape_for_log(outbox.path));
    if (outbox.records == 0)
        return fmt::format("Outbox:    {}, {}: nothing waits\n", escape_for_log(outbox.path),
                           size_text(outbox.bytes));
    return fmt::format("Outbox:    {}, {}: {} {}\n", escape_for_log(outbox.path), size_text(outbox.bytes),
                       outbox.records, outbox.records == 1 ? "record waits" : "records wait");
}

boost::json::value time_json(const std::optional<SystemTime>& time)
{
    return time ? boost::json::value(format_timestamp(*time)) : nullptr;
}

boost::json::object status_json(const storage::DatabaseStatus& status, const std::string& place,
                                const Outbox& outbox)
{
    boost::json::array tables;
    for (const auto& table : status.tables)
        tables.push_back({{"name", table.name},
                          {"rows", table.rows},
                          {"estimated", table.estimated},
                          {"bytes", json_or_null(table.bytes)}});
    boost::json::object json;
    json["database"] = json_text(place);
    json["server"] = json_text(status.server);
    json["schema_version"] = status.schema_version;
    json["bytes"] = status.bytes;
    json["tables"] = std::move(tables);
    json["partitions"] = status.partitions;
    json["oldest_record"] = time_json(status.oldest_record);
    json["newest_record"] = time_json(status.newest_record);
    json["outbox"] = {{"path", json_text(outbox.path)}, {"records", outbox.records}, {"bytes", outbox.bytes}};
    return json;
}

void print(std::ostream& out, const storage::DatabaseStatus& status, const std::string& place,
           const Outbox& outbox)
{
    out << fmt::format("Database:  {}\nServer:    {}, schema version {}\nSize:      {}\n",
                       escape_for_log(place), status.server, status.schema_version, size_text(status.bytes));
    if (status.oldest_record && status.newest_record)
        out << fmt::format("Records:   {} to {}{}\n", format_timestamp(*status.oldest_record),
                           format_timestamp(*status.newest_record),
                           status.partitions == 0 ? "" : ", " + counted(status.partitions, "partition"));
    out << outbox_line(outbox) << '\n';
    Table table{{"TABLE", ">ROWS", ">SIZE"}};
    for (const auto& row : status.tables)
        table.row({row.name, (row.estimated ? "about " : "") + std::to_string(row.rows),
                   row.bytes ? size_text(*row.bytes) : ""});
    table.print(out);
}

int show_status(Session& session, bool json)
{
    if (!session.has_database())
        session.database();  // says so
    const auto& settings = session.configuration().settings.storage;
    const auto outbox = outbox_of(settings);
    storage::DatabaseStatus status;
    try {
        status = session.database().status();
    } catch (const storage::StorageError&) {
        // What waits is what one wants to know now.
        session.err << outbox_line(outbox);
        throw;
    }
    if (json)
        print_json(session.out, status_json(status, place_of(settings), outbox));
    else
        print(session.out, status, place_of(settings), outbox);
    return 0;
}

}  // namespace

void add_db_status(Commands& db)
{
    auto& session = db.session();
    const auto json = std::make_shared<bool>(false);
    auto& command = db.add("status", "Shows the database's version and sizes, and what waits in the outbox",
                           [&session, json] { return show_status(session, *json); });
    command.add_flag("--json", *json, "As JSON; sizes in bytes");
}

}  // namespace route::cli
