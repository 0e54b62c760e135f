#include "storage/shared_connection.hpp"

#include <future>

#include "storage/open.hpp"
#include "storage/outbox.hpp"
#include "tests/storage/databases.hpp"
#include "tests/storage/kept.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::storage;
using namespace route::test;

namespace {

void insert(RecordStore& store, std::uint64_t number)
{
    const auto record = sample_record(number);
    store.insert(std::span{&record, 1});
}

}  // namespace

TEST_CASE("those who share a connection take turns with it")
{
    FakeDatabase database;
    const auto shared = std::make_shared<SharedConnection>(10s);
    auto one = shared->through(database.connector())();
    const auto another = shared->through(database.connector())();
    insert(*one, 1);
    CHECK(another->prune_step(sample_time, {}).rows == 1);
    another->prune_step(sample_time, {});
    insert(*one, 2);
    insert(*one, 3);
    CHECK(database.ids() == ids_of(1, 3));
    CHECK(database.most_open() == 1);
    CHECK(database.connections() == 5);  // each time the other had had its turn
    one.reset();
    another->size();
    CHECK(database.most_open() == 1);
}

TEST_CASE("a connection that could not be opened for an operation is none that failed in it")
{
    FakeDatabase database;
    const auto shared = std::make_shared<SharedConnection>(10s);
    const auto one = shared->through(database.connector())();
    const auto another = shared->through(database.connector())();
    database.on_open(FakeDatabase::failing(StorageError::Kind::unavailable));
    CHECK_THROWS_AS(insert(*one, 1), NotOpened);
    CHECK_THROWS_AS(shared->through(database.connector())(), NotOpened);
    database.on_open({});
    insert(*one, 1);
    database.goes_away();
    CHECK_THROWS_WITH(insert(*one, 2), "scripted");
    database.comes_back();
    one->abandon();
    CHECK_THROWS_AS(insert(*one, 2), NotOpened);
    another->size();
}

TEST_CASE("whose turn does not come goes away again")
{
    FakeDatabase database;
    Bell bell;
    bool begun = false;
    bool ends = false;
    database.on_insert([&](auto) {
        bell.ring([&] { begun = true; });
        REQUIRE(bell.until([&] { return ends; }));
    });
    const auto shared = std::make_shared<SharedConnection>(1ms);
    const auto slow = shared->through(database.connector())();
    auto inserting = std::async(std::launch::async, [&] { insert(*slow, 1); });
    REQUIRE(bell.until([&] { return begun; }));
    CHECK_THROWS_AS(shared->through(database.connector())(), NotOpened);
    bell.ring([&] { ends = true; });
    inserting.get();
    CHECK(database.ids() == ids_of(1, 1));
    CHECK(database.connections() == 1);
}

TEST_CASE("a look-up takes the connection as another left it")
{
    FakeDatabase database;
    database.on_look([](auto ids) { return std::vector<MadeBy>{{ids.front(), "first"}}; });
    const IdHashes ids{hash_id("file-1")};
    const auto shared = std::make_shared<SharedConnection>(10s);
    const auto looking = shared->through(database.connector())();
    const auto pruner = shared->through(database.connector())();
    CHECK(database.connections() == 2);
    for (int i = 0; i < 3; ++i) {
        CHECK(looking->makers_of(ids, 10s).size() == 1);
        pruner->size();
    }
    CHECK(database.connections() == 2);
    SECTION("and whoever opened it opens it anew when it failed")
    {
        database.on_look([](auto) -> std::vector<MadeBy> {
            throw StorageError{StorageError::Kind::unavailable, "scripted"};
        });
        CHECK_THROWS_WITH(looking->makers_of(ids), "scripted");
        pruner->size();
        CHECK(database.connections() == 3);
    }
}

TEST_CASE("a look-up waits for its turn no longer than it may take")
{
    FakeDatabase database;
    Bell bell;
    bool begun = false;
    bool ends = false;
    database.on_insert([&](auto) {
        bell.ring([&] { begun = true; });
        REQUIRE(bell.until([&] { return ends; }));
    });
    const auto shared = std::make_shared<SharedConnection>(1h);
    const auto looking = shared->through(database.connector())();
    const auto slow = shared->through(database.connector())();
    auto inserting = std::async(std::launch::async, [&] { insert(*slow, 1); });
    REQUIRE(bell.until([&] { return begun; }));
    CHECK_THROWS_AS(looking->makers_of(IdHashes{hash_id("file-1")}, 4ms), NotItsTurn);
    CHECK_THROWS_AS(shared->through(database.connector(), 1ms)(), NotItsTurn);
    bell.ring([&] { ends = true; });
    inserting.get();
    CHECK(database.ids() == ids_of(1, 1));
}

TEST_CASE("records that wait while the pruner has the connection are not suspect")
{
    FakeDatabase database;
    const auto shared = std::make_shared<SharedConnection>(10s);
    std::atomic<bool> refused = false;
    const auto open = database.connector();
    Kept kept{database, "outbox.sqlite", shared->through([&]() -> std::unique_ptr<RecordStore> {
                  if (refused)
                      throw StorageError{StorageError::Kind::unavailable, "too many connections"};
                  return open();
              })};
    const auto pruner = shared->through(database.connector())();
    kept.connect();
    database.goes_away();
    kept.keep(samples(0, 1));
    database.comes_back();
    refused = true;
    for (std::uint64_t i = 1; i <= 20; ++i) {
        kept.retry();
        pruner->size();
        kept.keep(samples(i, 1));
    }
    CHECK(kept.rejected == 0);
    CHECK(kept.keeper.outbox_records() == 1);
    refused = false;
    kept.retry();
    CHECK(kept.keeper.outbox_records() == 0);
}

TEST_CASE("a router has no more connections to PostgreSQL than it may")
{
    const PostgresDatabase database;
    const TempDir directory;
    Settings settings;
    settings.storage.backend = Backend::postgres;
    settings.storage.postgres = database.url();
    settings.storage.outbox = directory / "outbox.sqlite";
    settings.storage.postgres_connections = GENERATE(3u, 4u, 5u);
    Outbox{settings.storage.outbox}.insert(samples(0, 2500));
    auto started = open_storage(settings.storage);
    started.repository.reset();

    // Before the others are at work: it answers within a second or not at all.
    const auto agreement = message_agreement(settings.storage);
    if (agreement)
        CHECK(agreement->begin("k", 60s));
    auto made = connectors(settings, started.identity);
    RecordWriter writer{made.records, writer_options(settings, made.drain), {}};
    auto options = pruner_options(settings);
    options.timing.measure = 1ms;
    RecordPruner pruner{made.pruner, options};
    const auto feed = follow(settings.storage, started, [](const UpstreamsAndKeys&) {});
    const auto looked = std::chrono::steady_clock::now() + 30s;
    const auto until = [&](auto condition) {
        while (!condition() && std::chrono::steady_clock::now() < looked)
            std::this_thread::sleep_for(5ms);
        return condition();
    };
    CHECK(until([&] { return writer.outbox_records() == 0 && pruner.database_bytes(); }));
    CHECK(writer.written() == 2500);
    // One that was closed the server may still count.
    CHECK(until([&] {
        const auto counted = database.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name = "
            "current_setting('application_name')");
        return counted[0][0].as<unsigned>() <= settings.storage.postgres_connections;
    }));
    CHECK(static_cast<bool>(agreement) == (settings.storage.postgres_connections > 3));
    feed->stop();
    pruner.stop();
    writer.stop(std::chrono::steady_clock::now() + 5s);
}
