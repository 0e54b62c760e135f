#include "storage/sqlite/legacy_import.hpp"

#include <thread>

#include "core/timestamps.hpp"
#include "storage/sqlite/sqlite_repository.hpp"
#include "tests/storage/legacy_database.hpp"
#include "tests/storage/samples.hpp"
#include "tests/storage/tempdir.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::storage;
using namespace route::test;

namespace {

SqliteRepository open(const std::string& path)
{
    SqliteOptions options;
    options.path = path;
    return SqliteRepository{options};
}

std::vector<StoredRecord> records_of(SqliteRepository& repository)
{
    std::vector<StoredRecord> records;
    RecordFilter filter;
    filter.newest_first = false;
    repository.for_each_record(filter, [&](const StoredRecord& stored) {
        records.push_back(stored);
        return true;
    });
    return records;
}

/// Everything the database's files hold. No connection may be open.
std::string bytes_of(const std::string& path)
{
    return read_bytes(path) + read_bytes(path + "-wal") + read_bytes(path + "-journal");
}

SystemTime at(const std::string& text)
{
    return parse_timestamp(text).value();
}

}  // namespace

TEST_CASE("v0.3.0: upstreams are taken over")
{
    TempDir directory;
    const auto path = directory / "db.sqlite";
    make_legacy_database(path);
    auto repository = open(path);
    const auto upstreams = repository.upstreams();
    REQUIRE(upstreams.size() == 2);
    CHECK(upstreams[0].id == 1);
    CHECK(upstreams[0].sk == "sk-first");
    CHECK(upstreams[0].endpoint == "https://api.openai.com/v1");
    CHECK(upstreams[0].timeout == Seconds{30});
    CHECK(upstreams[0].name.empty());
    CHECK(upstreams[0].enabled);
    CHECK(upstreams[0].weight == 1);
    CHECK(upstreams[1].id == 3);
    CHECK(upstreams[1].endpoint == "http://[::1]:8080/v1");
    CHECK(upstreams[1].timeout == std::nullopt);
    auto& connection = repository.connection();
    CHECK(connection.execAndGet("SELECT created_at FROM openai_upstreams WHERE id = 1").getString() ==
          "2023-11-08T04:00:00.123Z");
    CHECK(connection.execAndGet("SELECT deleted_at FROM openai_upstreams WHERE id = 2").getString() ==
          "2023-11-09T00:00:00.000Z");
    // The one that became the same as the first is kept as deleted.
    CHECK_FALSE(connection.execAndGet("SELECT deleted_at FROM openai_upstreams WHERE id = 4").isNull());
}

TEST_CASE("v0.3.0: records are taken over")
{
    TempDir directory;
    const auto path = directory / "db.sqlite";
    make_legacy_database(path);
    auto repository = open(path);
    const auto records = records_of(repository);
    REQUIRE(records.size() == 3);

    const auto& first = records[0].record;
    CHECK(records[0].id == 1);
    CHECK(first.created_at == at("2023-11-08T04:00:00.123Z"));
    CHECK(first.ip == "192.0.2.1");
    CHECK(first.body == R"({"model":"gpt-4","x":"<\n"})");
    CHECK(first.body_bytes == first.body.size());
    CHECK(first.model == "gpt-4");
    CHECK(first.response == "hello");
    CHECK(first.elapsed_time == 1500ms);
    CHECK(first.status == 200);
    CHECK(first.outcome == RequestOutcome::ok);
    CHECK(first.upstream_id == 1);
    CHECK(first.upstream_name == "upstream-1");
    CHECK(first.upstream_endpoint == "https://api.openai.com/v1");
    CHECK(first.key_name == "v0.3.0");

    const auto& second = records[1].record;
    CHECK(second.body == "not a JSON string");
    CHECK(second.outcome == RequestOutcome::upstream_error);
    CHECK(second.model == std::nullopt);

    const auto& third = records[2].record;
    CHECK(records[2].id == 5);
    CHECK(third.created_at == at("2023-11-08T04:00:01Z"));
    CHECK(third.status == 0);
    CHECK(third.upstream_id == 0);
    CHECK(third.upstream_name.empty());
    CHECK(third.body.empty());

    // UUIDv7 of their times: in order, within a millisecond too.
    CHECK(first.request_id.substr(0, 15) == request_id(0, first.created_at).substr(0, 15));
    CHECK(first.request_id < second.request_id);
    CHECK(second.request_id < third.request_id);
    CHECK(first.request_id.size() == 36);
    // New ones come after them.
    const auto next = sample_record(9);
    repository.insert(std::span{&next, 1});
    CHECK(repository.find_record(next.request_id)->id == 6);
}

TEST_CASE("v0.3.0: the client key is taken over as a hash")
{
    TempDir directory;
    const auto path = directory / "db.sqlite";
    SECTION("a key")
    {
        make_legacy_database(path);
        auto repository = open(path);
        const auto keys = repository.client_keys();
        REQUIRE(keys.size() == 1);
        CHECK(keys[0].name == "v0.3.0");
        CHECK(keys[0].hash == hash_key("team-secret-key"));
        CHECK_FALSE(repository.add_first_client_key("first", hash_key("x")));
    }
    SECTION("`asis`, which took any: none")
    {
        make_legacy_database(path, "asis");
        auto repository = open(path);
        CHECK(repository.client_keys().empty());
        CHECK(records_of(repository).at(0).record.key_name.empty());
    }
    SECTION("a deleted row: none")
    {
        make_legacy_database(path, "gone", "UPDATE config_kvs SET deleted_at = '2023-11-08 12:00:00Z'");
        CHECK(open(path).client_keys().empty());
    }
}

TEST_CASE("v0.3.0: what was secret is erased from the files, and kept in the copy")
{
    TempDir directory;
    const auto path = directory / "db.sqlite";
    const auto journal = GENERATE("DELETE", "WAL");
    make_legacy_database(
        path, "team-secret-key",
        std::string{"PRAGMA journal_mode = "} + journal +
            ";INSERT INTO records (id, authorization) VALUES (100, 'sk-upstream-secret-100');"
            "DELETE FROM records WHERE id = 100");
    open(path);
    const auto bytes = bytes_of(path);
    CHECK_THAT(bytes, !ContainsSubstring("sk-upstream-secret"));
    CHECK_THAT(bytes, !ContainsSubstring("team-secret-key"));
    CHECK_THAT(bytes, ContainsSubstring("sk-first"));

    const auto copy = path + ".v0.3.0";
    CHECK(mode_of(copy) == 0600);
    CHECK_THAT(read_bytes(copy),
               ContainsSubstring("sk-upstream-secret-1") && ContainsSubstring("team-secret-key"));
    CHECK_FALSE(std::filesystem::exists(copy + ".partial"));
    SQLite::Database copied{copy};
    CHECK(copied.execAndGet("SELECT count(*) FROM records").getInt() == 3);
    // Nothing of the old is left in the schema, either.
    auto repository = open(path);
    CHECK(repository.connection()
              .execAndGet("SELECT count(*) FROM sqlite_master WHERE sql LIKE '%authorization%' OR name LIKE "
                          "'%v030%' OR name LIKE"
                          " '%config%' OR name LIKE 'idx_%'")
              .getInt() == 0);
    CHECK(repository.connection().execAndGet("PRAGMA journal_mode").getString() == "wal");
}

TEST_CASE("v0.3.0: a takeover happens once, and its copy is not overwritten")
{
    TempDir directory;
    const auto path = directory / "db.sqlite";
    make_legacy_database(path);
    open(path);
    const auto copy = read_bytes(path + ".v0.3.0");
    {
        auto repository = open(path);
        CHECK(records_of(repository).size() == 3);
        CHECK(repository.client_keys().size() == 1);
    }
    CHECK(read_bytes(path + ".v0.3.0") == copy);
    // Another v0.3.0 file at the same place: the first copy stays.
    std::filesystem::remove(path);
    make_legacy_database(path, "another-key");
    open(path);
    CHECK(read_bytes(path + ".v0.3.0") == copy);
}

TEST_CASE("v0.3.0: a takeover that was interrupted is repeated")
{
    TempDir directory;
    const auto path = directory / "db.sqlite";
    make_legacy_database(path);
    SECTION("while the copy was made")
    {
        std::ofstream{path + ".v0.3.0.partial"} << "half a copy";
    }
    SECTION("a copy that is none")
    {
        std::ofstream{path + ".v0.3.0"} << "";
    }
    SECTION("after the copy was made")
    {
        copy_legacy(path);
    }
    SECTION("before what was freed was erased")
    {
        open(path);
        SQLite::Database{path, SQLite::OPEN_READWRITE}.exec("PRAGMA user_version = 1");
    }
    SECTION("before it began")
    {
    }
    {
        auto repository = open(path);
        CHECK(records_of(repository).size() == 3);
        CHECK(repository.upstreams().size() == 2);
        CHECK(repository.connection().execAndGet("PRAGMA user_version").getInt() == 6);
    }
    CHECK_THAT(bytes_of(path), !ContainsSubstring("sk-upstream-secret"));
    CHECK_THAT(read_bytes(path + ".v0.3.0"), ContainsSubstring("team-secret-key"));
    CHECK_FALSE(std::filesystem::exists(path + ".v0.3.0.partial"));
}

TEST_CASE("v0.3.0: a failed takeover leaves the file as it was")
{
    TempDir directory;
    const auto path = directory / "db.sqlite";
    make_legacy_database(path);
    std::filesystem::create_directory(path + ".v0.3.0");  // no copy can be made
    CHECK_THROWS_AS(open(path), StorageError);
    SQLite::Database database{path};
    CHECK(database.execAndGet("SELECT count(*) FROM config_kvs").getInt() == 2);
    CHECK(database.execAndGet("PRAGMA user_version").getInt() == 0);
}

TEST_CASE("v0.3.0: columns may be missing, more, or in another order")
{
    TempDir directory;
    const auto path = directory / "db.sqlite";
    SQLite::Database{path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE}.exec(R"(
CREATE TABLE openai_upstreams (endpoint text, sk text, id integer PRIMARY KEY, success_count integer);
INSERT INTO openai_upstreams VALUES ('https://a.example.com', 'sk-a', 7, 3);
CREATE TABLE records (upstream_sk text, response_time integer, status integer, user_agent text, id integer PRIMARY KEY AUTOINCREMENT,
    created_at datetime, deleted_at datetime, body text);
INSERT INTO records VALUES ('sk-a-secret', 77, 200, 'curl', 1, '2023-11-08 12:00:00 +0800 CST', NULL, '"b"'),
    ('sk-a-secret', 77, 200, 'curl', 2, 'no time', NULL, '"c"'),
    ('sk-a-secret', 77, 200, 'curl', 3, '2023-11-08 12:00:00Z', '2023-11-08 12:00:00Z', '"deleted"');
)");
    {
        auto repository = open(path);
        CHECK(repository.upstreams().at(0).endpoint == "https://a.example.com/v1");
        const auto records = records_of(repository);
        REQUIRE(records.size() == 2);
        CHECK(records[0].record.created_at == at("2023-11-08T04:00:00Z"));
        CHECK(records[0].record.response_time == 77ns);
        CHECK(records[0].record.user_agent == "curl");
        CHECK(records[0].record.body == "b");
        CHECK(records[1].record.created_at == records[0].record.created_at);
        CHECK(records[1].record.body == "c");
        CHECK(repository.client_keys().empty());
        CHECK(repository.connection()
                  .execAndGet("SELECT count(*) FROM sqlite_sequence WHERE name LIKE '%v030'")
                  .getInt() == 0);
    }
    CHECK_THAT(bytes_of(path), !ContainsSubstring("sk-a-secret"));
}

TEST_CASE("v0.3.0: routers that start together take over once")
{
    TempDir directory;
    const auto path = directory / "db.sqlite";
    make_legacy_database(path);
    std::atomic<int> good{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            try {
                auto repository = open(path);
                good += records_of(repository).size() == 3 ? 1 : 0;
            } catch (const std::exception& error) {
                UNSCOPED_INFO(error.what());
            }
        });
    for (auto& thread : threads)
        thread.join();
    CHECK(good == 4);
    CHECK_THAT(bytes_of(path), !ContainsSubstring("sk-upstream-secret"));
}
