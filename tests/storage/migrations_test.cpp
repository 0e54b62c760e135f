#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "storage/outbox.hpp"
#include "tests/storage/kind_thrown.hpp"
#include "tests/storage/old_databases.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::storage;
using namespace route::test;

namespace {

constexpr std::uint64_t old_records = 3;

/// Whatever was in an old database is there, and what comes now is stored whole.
template <class R>
void check_upgraded(R& repository)
{
    REQUIRE(repository.upstreams().size() == 1);
    auto upstream = repository.upstreams().front();
    CHECK(upstream.name == "one");
    CHECK_FALSE(upstream.retries);
    upstream.retries = 2;
    upstream.set = {{"store", "false"}};
    upstream.headers = {{"X-Title", "x"}};
    CHECK(repository.update_upstream(upstream));
    CHECK(repository.upstreams().front() == upstream);
    CHECK(repository.client_keys().size() == 1);
    for (std::uint64_t i = 0; i < old_records; ++i) {
        const auto found = repository.find_record(request_id(i));
        REQUIRE(found);
        CHECK(found->record.response == "said");
        CHECK(found->record.finish_reason == "stop");
        CHECK(found->record.trace_id.empty());
        CHECK(found->record.attempts.size() == 1);
    }
    const auto record = sample_record(100);
    repository.insert(std::span{&record, 1});
    CHECK(repository.find_record(record.request_id)->record.trace_id == record.trace_id);
}

int file_version(const std::string& path)
{
    return SQLite::Database{path}.execAndGet("PRAGMA user_version").getInt();
}

std::string columns_of(const std::string& path)
{
    SQLite::Database database{path};
    SQLite::Statement row{database,
                          "SELECT m.name, c.cid, c.name, c.type, c.\"notnull\", c.dflt_value, c.pk FROM"
                          " sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"
                          " ORDER BY m.name, c.cid"};
    std::string text;
    while (row.executeStep()) {
        for (int i = 0; i < row.getColumnCount(); ++i)
            text += row.getColumn(i).getString() + ' ';
        text += '\n';
    }
    return text;
}

/// But for those of partitions of days, which were made at different times.
std::string columns_of(const PostgresDatabase& database)
{
    const auto rows = database.execute(
        "SELECT table_name, ordinal_position, column_name, data_type, is_nullable,"
        " replace(coalesce(column_default, ''), current_schema() || '.', '')"
        " FROM information_schema.columns WHERE table_schema = current_schema()"
        " AND table_name !~ '_p[0-9]{8}' ORDER BY 1, 2");
    std::string text;
    for (const auto& row : rows) {
        for (const auto& field : row)
            text += field.c_str() + std::string{' '};
        text += '\n';
    }
    return text;
}

std::string state_of(const PostgresDatabase& database)
{
    return database.execute("SELECT value FROM openai_api_route_state WHERE name = 'schema_version'")[0][0]
        .c_str();
}

bool has_trace_id(const PostgresDatabase& database)
{
    return columns_of(database).find(" trace_id ") != std::string::npos;
}

}  // namespace

TEST_CASE("a file of the version before is upgraded with all that is in it")
{
    TempDir directory;
    const auto path = directory / "db.sqlite";
    SqliteOptions options;
    options.path = path;
    SECTION("plainly")
    {
        make_old_database(path, old_records);
    }
    SECTION("that had all but what upstreams need")
    {
        make_old_database(path, old_records, 4);
        SQLite::Database{path, SQLite::OPEN_READWRITE}.exec(
            "ALTER TABLE records ADD COLUMN trace_id TEXT;"
            "CREATE TABLE openai_api_route_state (name TEXT PRIMARY KEY, value TEXT NOT NULL);"
            "INSERT INTO openai_api_route_state VALUES ('schema_id', 'the-one-it-has')");
    }
    SECTION("whose takeover from v0.3.0 was not quite done")
    {
        make_old_database(path, old_records, 1);
    }
    SECTION("that was read back from a dump, which has no version")
    {
        make_old_database(path, old_records, 0);
    }
    {
        SqliteRepository repository{options};
        check_upgraded(repository);
    }
    CHECK(file_version(path) == 6);
    CHECK_FALSE(std::filesystem::exists(path + ".v0.3.0"));
    options.path = directory / "new.sqlite";
    SqliteRepository{options};
    CHECK(columns_of(path) == columns_of(options.path));
}

TEST_CASE("a program of the version before that has the file open goes on")
{
    TempDir directory;
    const auto path = directory / "db.sqlite";
    make_old_database(path, old_records);
    SQLite::Database old{path, SQLite::OPEN_READWRITE, 1000};
    SQLite::Statement insert{old, "INSERT INTO records (request_id, created_at) VALUES (?, '2026-01-31')"};
    insert.bind(1, request_id(50));
    insert.exec();
    SqliteOptions options;
    options.path = path;
    SqliteRepository repository{options};
    insert.reset();
    insert.bind(1, request_id(51));
    insert.exec();
    CHECK(repository.find_record(request_id(50)));
    CHECK(repository.find_record(request_id(51)));
}

TEST_CASE("threads that open a file of the version before together upgrade it once")
{
    TempDir directory;
    const auto path = directory / "db.sqlite";
    make_old_database(path, old_records);
    std::atomic<int> opened{0};
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 8; ++i)
            threads.emplace_back([&] {
                SqliteOptions options;
                options.path = path;
                const SqliteRepository repository{options};
                ++opened;
            });
    }
    CHECK(opened == 8);
    SqliteOptions options;
    options.path = path;
    SqliteRepository repository{options};
    check_upgraded(repository);
}

TEST_CASE("records that wait in an outbox of the version before come out of it")
{
    TempDir directory;
    const auto path = directory / "outbox.sqlite";
    make_old_database(path, old_records);
    Outbox outbox{path};
    CHECK(outbox.size() == old_records);
    const auto record = sample_record(100);
    outbox.insert(std::span{&record, 1});
    const auto all = outbox.oldest(10, 1 << 20);
    REQUIRE(all.size() == old_records + 1);
    CHECK(all.front().response == "said");
    CHECK(all.front().trace_id.empty());
    CHECK(all.back().trace_id == record.trace_id);
    outbox.erase(all);
    CHECK(outbox.size() == 0);
}

TEST_CASE("a PostgreSQL of the version before is upgraded with all that is in it")
{
    const PostgresDatabase old;
    make_old_database(old, old_records);
    auto repository = old.open();
    check_upgraded(repository);
    CHECK(repository.status().schema_version == 4);
    const PostgresDatabase made;
    CHECK(made.open().status().schema_version == 4);
    CHECK(has_trace_id(made));
    CHECK(columns_of(old) == columns_of(made));
}

TEST_CASE("a PostgreSQL that has all but what upstreams need is upgraded while records are read for long")
{
    const PostgresDatabase old;
    make_old_database(old, old_records);
    old.execute(
        "ALTER TABLE records ADD COLUMN trace_id text; CREATE TABLE openai_api_route_messages (key text "
        "PRIMARY"
        " KEY, ends_at timestamptz NOT NULL, count bigint NOT NULL DEFAULT 0); UPDATE openai_api_route_state "
        "SET"
        " value = '2' WHERE name = 'schema_version'");
    PostgresConnection reader{old.url()};
    pqxx::work reading{reader.get()};
    reading.exec("SELECT count(*) FROM records");
    auto repository = old.open();
    reading.abort();
    check_upgraded(repository);
    CHECK(state_of(old) == "4");
}

TEST_CASE("ten routers upgrade a PostgreSQL together, while one of the version before goes on")
{
    const PostgresDatabase database;
    make_old_database(database, old_records);
    PostgresConnection connected{database.url()};
    std::atomic<bool> upgraded{false};
    std::uint64_t inserted = 0;
    std::jthread old{[&] {
        for (bool last = false; !last; ++inserted) {
            last = upgraded;
            connected.transact({}, [&](pqxx::work& work) { work.exec(old_insert(1000 + inserted)); });
        }
    }};
    std::mutex mutex;
    std::string failures;
    {
        std::vector<std::jthread> routers;
        for (int i = 0; i < 10; ++i)
            routers.emplace_back([&] {
                try {
                    database.open();
                } catch (const std::exception& error) {
                    const std::lock_guard lock{mutex};
                    failures += error.what() + std::string{"\n"};
                }
            });
    }
    upgraded = true;
    old.join();
    CHECK(failures == "");
    CHECK(state_of(database) == "4");
    auto repository = database.open();
    check_upgraded(repository);
    CHECK(inserted > 0);
    CHECK(repository.find_record(request_id(1000 + inserted - 1)));
}

TEST_CASE("an upgrade does not hold others up for somebody who reads for long")
{
    const PostgresDatabase database;
    make_old_database(database, old_records);
    PostgresOptions options;
    options.url = database.url();
    options.make = false;
    {
        PostgresConnection reader{database.url()};
        pqxx::work reading{reader.get()};
        reading.exec("SELECT count(*) FROM records");
        const auto begun = std::chrono::steady_clock::now();
        CHECK(kind_thrown([&] { PostgresRepository{options}; }) == StorageError::Kind::unavailable);
        CHECK(std::chrono::steady_clock::now() - begun < 5s);
        options.make = true;
        options.migration_timeout = 500ms;
        CHECK(kind_thrown([&] { PostgresRepository{options}; }) == StorageError::Kind::unavailable);
        CHECK(state_of(database) == "1");
        CHECK_FALSE(has_trace_id(database));
    }
    options.migration_timeout = 10s;
    PostgresRepository repository{options};
    check_upgraded(repository);
}
