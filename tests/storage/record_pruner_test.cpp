#include "storage/record_pruner.hpp"

#include <thread>

#include "storage/record_writer.hpp"
#include "tests/storage/databases.hpp"
#include "tests/storage/fake_database.hpp"
#include "tests/storage/log_capture.hpp"
#include "tests/storage/samples.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::storage;
using namespace route::test;

namespace {

using Kind = StorageError::Kind;

PrunerTiming at_once()
{
    PrunerTiming timing;
    timing.first = timing.retry = timing.pause = 1ms;
    timing.measure = 1h;
    return timing;
}

PrunerOptions options(const RecordSettings& settings, const PrunerTiming& timing = at_once())
{
    return {settings, {}, timing};
}

RecordSettings keeping(std::optional<Seconds> records, std::optional<Seconds> bodies)
{
    RecordSettings settings;
    settings.flush = 0;
    settings.retention = records;
    settings.body_retention = bodies;
    return settings;
}

Connector connector_to(const PostgresDatabase& database)
{
    return [url = database.url()]() -> std::unique_ptr<RecordStore> {
        PostgresOptions options;
        options.url = url;
        return any(PostgresRepository{options});
    };
}

Connector connector_to(const SqliteDatabase& database)
{
    return [path = database.path()]() -> std::unique_ptr<RecordStore> {
        SqliteOptions options;
        options.path = path;
        options.create = false;
        return any(SqliteRepository{options});
    };
}

}  // namespace

TEST_CASE("older records and then bodies are pruned, step by step")
{
    FakeDatabase database;
    RecordPruner pruner{database.connector(), options(keeping(Seconds{3600}, Seconds{60}))};
    REQUIRE(database.wait_for_prunes(4));
    pruner.stop();
    CHECK(database.pruned() == std::vector<std::string>{"records", "records", "bodies", "bodies"});
    CHECK(database.connections() == 1);
}

TEST_CASE("nothing is pruned unless it is asked for, and then soon")
{
    FakeDatabase database;
    auto timing = at_once();
    RecordPruner pruner{database.connector(), options(keeping({}, {}), timing)};
    REQUIRE(database.wait_for_connections(1));
    CHECK(database.pruned().empty());
    pruner.configure(keeping({}, Seconds{60}));
    REQUIRE(database.wait_for_prunes(2));
    pruner.stop();
    CHECK(database.pruned() == std::vector<std::string>{"bodies", "bodies"});
}

TEST_CASE("a step that failed is tried again, with less and over another connection")
{
    FakeDatabase database;
    Bell bell;
    std::vector<std::size_t> tried;
    database.on_prune([&](const PruneBounds& bounds) {
        bell.ring([&] { tried.push_back(bounds.rows); });
        throw StorageError{Kind::unavailable, "scripted"};
    });
    RecordPruner pruner{database.connector(), options(keeping(Seconds{3600}, {}))};
    REQUIRE(bell.until([&] { return tried.size() >= 20; }));
    database.on_prune({});
    REQUIRE(database.wait_for_prunes(2));
    pruner.stop();
    CHECK(tried[0] == PruneBounds{}.rows);
    CHECK(tried[1] == PruneBounds{}.rows / 2);
    CHECK(tried.back() == 1);
    CHECK(database.connections() >= 21);
}

TEST_CASE("an outage is warned of once, and takes nothing from the steps that follow it")
{
    FakeDatabase database;
    database.on_open(FakeDatabase::failing(Kind::unavailable));
    PruneBounds least;
    Bell bell;
    database.on_prune([&](const PruneBounds& bounds) {
        bell.ring([&] { least.rows = std::min(least.rows, bounds.rows); });
    });
    const LogCapture log;
    auto timing = at_once();
    timing.measure = timing.interval = 1ms;
    RecordPruner pruner{database.connector(), options(keeping(Seconds{3600}, {}), timing)};
    REQUIRE(database.wait_for_connections(20));
    database.on_open({});
    REQUIRE(database.wait_for_prunes(20));
    pruner.stop();
    CHECK(log.count("could not be made") == 1);
    CHECK(log.count("deleted again") == 1);
    CHECK(least.rows == PruneBounds{}.rows);
}

TEST_CASE("a step that takes its time holds up neither records nor the settings")
{
    FakeDatabase database;
    Bell bell;
    bool pruning = false;
    bool open = false;
    database.on_prune([&](const PruneBounds&) {
        bell.ring([&] { pruning = true; });
        CHECK(bell.until([&] { return open; }));
    });
    TempDir directory;
    const auto settings = keeping(Seconds{3600}, {});
    RecordWriter writer{database.connector(), {settings, directory / "outbox.sqlite"}, {}};
    RecordPruner pruner{database.connector(), options(settings)};
    REQUIRE(bell.until([&] { return pruning; }));
    bool stored = false;
    writer.take(queued(sample_record(1), [&] { bell.ring([&] { stored = true; }); }));
    CHECK(bell.until([&] { return stored; }));
    CHECK(database.ids() == std::vector{request_id(1)});
    pruner.configure(keeping({}, {}));
    bell.ring([&] { open = true; });
    pruner.stop();
    CHECK(database.pruned().size() == 1);
}

TEMPLATE_TEST_CASE("a record that is waited for comes into a database that is pruned of large ones", "",
                   SqliteDatabase, PostgresDatabase)
{
    TestType database;
    auto reader = database.open();
    const auto now = std::chrono::system_clock::now();
    std::vector<Record> old;
    for (std::uint64_t i = 0; i < 32; ++i) {
        old.push_back(sample_record(i, now - 2h));
        old.back().body = random_text(1u << 20, i);  // more than one step removes
    }
    reader.insert(old);
    TempDir directory;
    WriterTiming timing;
    timing.bound = 10s;  // longer than that would put it into the outbox
    const auto settings = keeping({}, Seconds{3600});
    RecordWriter writer{connector_to(database), {settings, directory / "outbox.sqlite", timing}, {}};
    RecordPruner pruner{connector_to(database), options(settings)};
    Bell bell;
    std::uint64_t stored = 0;
    std::uint64_t taken = 0;
    RecordFilter old_ones;
    old_ones.until = now - 1h;
    old_ones.newest_first = false;
    const auto any_left = [&] {
        bool found = false;
        reader.for_each_record(old_ones, [&](const StoredRecord& one) {
            found = !one.record.body.empty();
            return !found;
        });
        return found;
    };
    do {
        writer.take(queued(sample_record(1000 + taken, now), [&] { bell.ring([&] { ++stored; }); }));
        ++taken;
        REQUIRE(bell.until([&] { return stored == taken; }));
    } while (any_left() && taken < 10'000);
    pruner.stop();
    CHECK_FALSE(any_left());
    CHECK(taken > 1);
    writer.stop(std::chrono::steady_clock::now() + 5s);
    CHECK(writer.written() == taken);
    CHECK_FALSE(std::filesystem::exists(directory / "outbox.sqlite"));
}

TEST_CASE("an end is not waited for until everything is pruned")
{
    FakeDatabase database;
    auto timing = at_once();
    timing.pause = 1h;
    RecordPruner pruner{database.connector(), options(keeping(Seconds{3600}, {}), timing)};
    REQUIRE(database.wait_for_prunes(1));
    pruner.stop();
    CHECK(database.pruned().size() == 1);
}

TEST_CASE("records outlive their retention in no database")
{
    SqliteDatabase database;
    auto reader = database.open();
    const std::vector<Record> records{sample_record(1, std::chrono::system_clock::now() - 2h),
                                      sample_record(2, std::chrono::system_clock::now())};
    reader.insert(records);
    RecordPruner pruner{connector_to(database), options(keeping(Seconds{3600}, {}))};
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (reader.record_count() > 1 && std::chrono::steady_clock::now() < deadline)
        std::this_thread::sleep_for(1ms);
    pruner.stop();
    CHECK(reader.find_record(records[1].request_id));
    CHECK_FALSE(reader.find_record(records[0].request_id));
}

TEST_CASE("a database that is too large is made as small as it may be, and no smaller")
{
    FakeDatabase database;
    database.has_size(10'500);
    auto settings = keeping({}, {});
    settings.max_database = 8'000;
    RecordPruner pruner{database.connector(), options(settings)};
    REQUIRE(database.wait_for_size(8'000));
    pruner.stop();
    CHECK(database.shrunk_by() == std::vector<std::size_t>{2500, 1500, 500});
    CHECK(pruner.database_bytes() == 10'500);
}

TEST_CASE("the size of a database without a limit is measured only")
{
    FakeDatabase database;
    database.has_size(10'500);
    TempDir directory;
    PrunerOptions measuring{keeping({}, {}), {directory / "db.sqlite"}, at_once()};
    measuring.timing.measure = 1ms;
    RecordPruner pruner{database.connector(), measuring};
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (!pruner.database_bytes() && std::chrono::steady_clock::now() < deadline)
        std::this_thread::sleep_for(1ms);
    pruner.stop();
    CHECK(pruner.database_bytes() == 10'500);
    CHECK(database.shrunk_by().empty());
    REQUIRE(pruner.disk());
    CHECK(pruner.disk()->total > 0);
}

TEST_CASE("of several disks the fullest counts, and one without the directory does not")
{
    TempDir directory;
    CHECK(fullest_disk({}) == std::nullopt);
    CHECK(fullest_disk({directory / "no-such/db.sqlite"}) == std::nullopt);
    const auto disk = fullest_disk({directory / "no-such/db.sqlite", directory / "db.sqlite"});
    REQUIRE(disk);
    CHECK(disk->free <= disk->total);
    CHECK(DiskSpace{9, 100}.scarce());
    CHECK_FALSE(DiskSpace{10, 100}.scarce());
}
