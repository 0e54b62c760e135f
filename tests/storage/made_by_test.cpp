// Which upstream made what: stored with the record, carried through the outbox, looked up, pruned.
#include <algorithm>
#include <string>
#include <vector>

#include "storage/any_repository.hpp"
#include "storage/database_copy.hpp"
#include "storage/maker_lookup.hpp"
#include "storage/outbox.hpp"
#include "tests/storage/databases.hpp"
#include "tests/storage/fake_database.hpp"
#include "tests/storage/samples.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::storage;
using namespace route::test;

namespace {

using Ids = std::vector<std::string>;

/// The record of a request for which `upstream` made these.
Record making(std::uint64_t number, const std::string& upstream, const Ids& ids,
              SystemTime time = sample_time)
{
    auto record = sample_record(number, time);
    record.upstream_name = upstream;
    for (const auto& id : ids)
        record.made_ids.push_back(hash_id(id));
    return record;
}

/// "file-1:first file-2:second " of those that are known.
template <class R>
std::string makers(R& repository, const Ids& ids)
{
    IdHashes hashes;
    for (const auto& id : ids)
        hashes.push_back(hash_id(id));
    const auto known = repository.makers_of(hashes);
    std::string text;
    for (const auto& id : ids)
        for (const auto& made : known)
            if (made.id == hash_id(id))
                text += id + ":" + made.upstream_name + " ";
    return text;
}

PruneBounds rows_a_step(std::size_t rows)
{
    PruneBounds bounds;
    bounds.rows = rows;
    bounds.time = std::chrono::hours{1};
    return bounds;
}

}  // namespace

TEMPLATE_TEST_CASE("who made what is stored with the record", "", SqliteDatabase, PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    CHECK(makers(repository, {"file-1"}) == "");
    CHECK(repository.makers_of({}).empty());
    repository.insert(std::vector{making(1, "first", {"file-1", "batch_1"}), making(2, "second", {"file-2"}),
                                  making(3, "", {"file-3"}), sample_record(4)});
    CHECK(makers(repository, {"file-2", "nothing", "file-1", "batch_1", "file-3"}) ==
          "file-2:second file-1:first batch_1:first ");
    SECTION("and not without it")
    {
        database.refuse_model("gpt-4o");
        const auto refused = making(5, "first", {"file-5"});
        CHECK_THROWS_AS(repository.insert(std::span{&refused, 1}), StorageError);
        CHECK(makers(repository, {"file-5"}) == "");
    }
    SECTION("and counted")
    {
        const auto tables = repository.status().tables;
        CHECK(tables.back().name == "made_by");
        CHECK(tables.back().rows == 3);
    }
}

TEMPLATE_TEST_CASE("of several that made the same id the latest record's counts", "", SqliteDatabase,
                   PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    const auto later = sample_time + 1s;
    SECTION("in the order of time")
    {
        repository.insert(std::vector{making(1, "first", {"file-1"})});
        repository.insert(std::vector{making(2, "second", {"file-1"}, later)});
    }
    SECTION("when the earlier one comes late, out of an outbox")
    {
        repository.insert(std::vector{making(2, "second", {"file-1"}, later)});
        repository.insert(std::vector{making(1, "first", {"file-1"})});
    }
    SECTION("in one batch, one of them twice")
    {
        repository.insert(
            std::vector{making(2, "second", {"file-1", "file-1"}, later), making(1, "first", {"file-1"})});
    }
    CHECK(makers(repository, {"file-1"}) == "file-1:second ");
}

TEMPLATE_TEST_CASE("what was made is read back with its record, to be copied elsewhere", "", SqliteDatabase,
                   PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    const auto made = making(1, "first", {"file-1", "file-2"});
    repository.insert(
        std::vector{made, making(2, "second", {"file-3"}), making(3, "second", {}, sample_time + 1s)});
    auto records = repository.records_after("", 10, 1 << 20);
    REQUIRE(records.size() == 3);
    auto expected = made.made_ids;
    std::sort(expected.begin(), expected.end());
    std::sort(records[0].made_ids.begin(), records[0].made_ids.end());
    CHECK(records[0].made_ids == expected);
    CHECK(records[1].made_ids == IdHashes{hash_id("file-3")});
    CHECK(records[2].made_ids.empty());

    const SqliteDatabase other;
    const auto from = any(database.open());
    const auto to = any(other.open());
    copy_database(*from, *to, {});
    CHECK(makers(*to, {"file-1", "file-2", "file-3"}) == "file-1:first file-2:first file-3:second ");
}

TEST_CASE("what an upstream made whose name is another one's there is not copied")
{
    const SqliteDatabase here;
    const SqliteDatabase there;
    const auto from = any(here.open());
    const auto to = any(there.open());
    UpstreamDefinition first;
    first.name = "first";
    first.sk = "sk-1";
    from->add_upstream(first);
    first.sk = "sk-2";
    to->add_upstream(first);
    from->insert(
        std::vector{making(1, "first", {"file-1"}), making(2, "second", {"file-2"}, sample_time + 1s)});
    copy_database(*from, *to, {});
    CHECK(makers(*to, {"file-1", "file-2"}) == "file-2:second ");
}

TEMPLATE_TEST_CASE("what was made goes with the records of its time, in steps", "", SqliteDatabase,
                   PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    const auto days = [](int count) { return sample_time + std::chrono::days{count}; };
    Ids old;
    for (int i = 0; i < 100; ++i)
        old.push_back("old-" + std::to_string(i));
    repository.insert(std::vector{making(1, "first", old, days(0)), making(2, "first", {"file-2"}, days(1)),
                                  making(3, "second", {"file-3"}, days(5))});
    const auto last = [&] { return makers(repository, {old.front(), "file-2", "file-3"}); };
    SECTION("by hand")
    {
        CHECK(repository.prune(days(2)) == 2);
        CHECK(last() == "file-3:second ");
    }
    SECTION("by a router")
    {
        int steps = 0;
        std::uint64_t rows = 0;
        for (PruneStep step{0, false}; !step.done; ++steps) {
            REQUIRE(steps < 20);
            step = repository.prune_step(days(2), rows_a_step(30));
            rows += step.rows;
        }
        CHECK(steps > 3);
        CHECK(rows == 2);
        CHECK(last() == "file-3:second ");
    }
    SECTION("not earlier")
    {
        CHECK(repository.prune(days(0)) == 0);
        CHECK(last() == old.front() + ":first file-2:first file-3:second ");
    }
    CHECK(repository.status().tables.back().rows ==
          repository.makers_of(IdHashes{hash_id("file-3")}).size() +
              repository.makers_of(IdHashes{hash_id("file-2")}).size() +
              (last().starts_with("old") ? old.size() : 0));
}

TEMPLATE_TEST_CASE("what is named again a day later outlasts the records of its beginning", "",
                   SqliteDatabase, PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    const auto later = sample_time + std::chrono::hours{25};
    SECTION("in one batch after another")
    {
        repository.insert(std::vector{making(1, "first", {"file-1"})});
        repository.insert(std::vector{making(2, "first", {"file-1"}, later)});
    }
    SECTION("when the earlier one comes late, out of an outbox")
    {
        repository.insert(std::vector{making(2, "first", {"file-1"}, later)});
        repository.insert(std::vector{making(1, "first", {"file-1"})});
    }
    CHECK(repository.prune(sample_time + std::chrono::hours{1}) == 1);
    CHECK(makers(repository, {"file-1"}) == "file-1:first ");
    repository.prune(later + std::chrono::hours{1});
    CHECK(makers(repository, {"file-1"}) == "");
}

TEST_CASE("what is named again within a day is not written again")
{
    const auto later = sample_time + std::chrono::hours{23};
    SECTION("in SQLite")
    {
        const SqliteDatabase database;
        auto repository = database.open();
        repository.insert(std::vector{making(1, "first", {"file-1"})});
        database.execute(
            "CREATE TRIGGER written BEFORE UPDATE ON made_by BEGIN SELECT raise(ABORT, 'written'); END");
        repository.insert(std::vector{making(2, "first", {"file-1"}, later)});
        CHECK_THROWS_AS(repository.insert(std::vector{making(3, "second", {"file-1"}, later)}), StorageError);
    }
    SECTION("nor locked in PostgreSQL")
    {
        const PostgresDatabase database;
        auto repository = database.open();
        repository.insert(std::vector{making(1, "first", {"file-1"})});
        PostgresConnection other{database.url()};
        other.transact({}, [&](pqxx::work& work) {
            work.exec("SELECT * FROM made_by FOR UPDATE");
            repository.insert(std::vector{making(2, "first", {"file-1"}, later)}, 10s);
            CHECK_THROWS_AS(repository.insert(std::vector{making(3, "second", {"file-1"}, later)}, 200ms),
                            StorageError);
        });
    }
}

TEST_CASE("pruning passes over what another transaction is writing")
{
    const PostgresDatabase database;
    PostgresOptions options;
    options.url = database.url();
    options.operation_timeout = 10s;
    PostgresRepository repository{options};
    repository.insert(std::vector{making(1, "first", {"file-1", "file-2"})});
    const auto later = sample_time + 1h;
    PostgresConnection other{database.url()};
    other.transact({}, [&](pqxx::work& work) {
        work.exec("SELECT * FROM made_by WHERE id_hash = sha256('file-1') FOR UPDATE");
        CHECK(repository.prune_step(later, rows_a_step(100)).rows == 1);
        CHECK(makers(repository, {"file-1", "file-2"}) == "file-1:first ");
    });
    repository.prune_step(later, rows_a_step(100));
    CHECK(makers(repository, {"file-1", "file-2"}) == "");
}

TEST_CASE("SQLite becomes smaller: what was made goes with the oldest records, and not all of them for it")
{
    const SqliteDatabase database;
    auto repository = database.open();
    constexpr std::uint64_t records = 100;
    std::vector<Record> all;
    for (std::uint64_t i = 0; i < records; ++i) {
        all.push_back(making(i, "first", {}, sample_time + std::chrono::minutes{i}));
        for (std::size_t j = 0; j < 200; ++j)
            all.back().made_ids.push_back(hash_id(std::to_string(i) + "-" + std::to_string(j)));
    }
    repository.insert(all);
    const auto goal = repository.size().in_use * 3 / 4;
    for (int steps = 0; repository.size().in_use > goal; ++steps) {
        REQUIRE(steps < 2000);
        repository.shrink_step(rows_a_step(20));
    }
    const auto left = repository.records_after("", records, 1u << 30);
    REQUIRE_FALSE(left.empty());
    CHECK(left.front().request_id > all.front().request_id);
    CHECK(left.back().made_ids.size() == 200);
    CHECK(makers(repository, {"0-0", "99-0"}) == "99-0:first ");
    while (!repository.shrink_step(rows_a_step(100)).done) {
    }
    CHECK(repository.records_after("", records, 1).empty());
    CHECK(makers(repository, {"99-0"}) == "");
}

TEST_CASE("a hundred thousand ids are stored, counted and found")
{
    const SqliteDatabase database;
    auto repository = database.open();
    constexpr std::size_t records = 500;
    constexpr std::size_t ids_a_record = 200;
    std::vector<Record> all;
    for (std::uint64_t i = 0; i < records; ++i) {
        all.push_back(making(i, "first", {}));
        for (std::size_t j = 0; j < ids_a_record; ++j)
            all.back().made_ids.push_back(hash_id(std::to_string(i * ids_a_record + j)));
    }
    repository.insert(all);
    CHECK(repository.status().tables.back().rows == records * ids_a_record);
    CHECK(makers(repository, {"0", "99999", "100000"}) == "0:first 99999:first ");
}

TEST_CASE("what was made waits in the outbox with its record")
{
    TempDir directory;
    const auto path = directory / "outbox.sqlite";
    {
        Outbox outbox{path};
        outbox.insert(std::vector{making(1, "first", {"file-1"}), making(2, "second", {"file-2"})});
    }
    Outbox outbox{path};
    auto waiting = outbox.oldest(1, 1 << 20);
    REQUIRE(waiting.size() == 1);
    CHECK(waiting[0].made_ids == IdHashes{hash_id("file-1")});
    outbox.erase(waiting);
    waiting = outbox.oldest(9, 1 << 20);
    REQUIRE(waiting.size() == 1);
    CHECK(waiting[0].made_ids == IdHashes{hash_id("file-2")});
    outbox.erase(waiting);
    CHECK(SQLite::Database{path}.execAndGet("SELECT count(*) FROM made_by").getInt() == 0);
}

TEMPLATE_TEST_CASE("records that waited in the outbox bring what was made into the database", "",
                   SqliteDatabase, PostgresDatabase)
{
    TestType database;
    TempDir directory;
    Outbox outbox{directory / "outbox.sqlite"};
    outbox.insert(std::vector{making(1, "first", {"file-1"}), making(2, "second", {"file-2"})});
    const auto store = any(database.open());
    const auto waiting = outbox.oldest(10, 1 << 20);
    store->insert(waiting);
    outbox.erase(waiting);
    CHECK(makers(*store, {"file-1", "file-2"}) == "file-1:first file-2:second ");
}

TEST_CASE("a look-up connects when it is first wanted, and leaves a database alone that failed")
{
    using namespace std::chrono_literals;
    const SqliteDatabase database;
    database.open().insert(std::vector{making(1, "first", {"file-1"})});
    int connections = 0;
    bool away = false;
    MakerLookup lookup{[&]() -> std::unique_ptr<RecordStore> {
                           ++connections;
                           if (away)
                               throw StorageError{StorageError::Kind::unavailable, "scripted"};
                           return any(database.open());
                       },
                       std::chrono::hours{1}};
    const IdHashes ids{hash_id("file-0"), hash_id("file-1")};
    const auto later = std::chrono::steady_clock::now() + 1h;
    CHECK(connections == 0);
    CHECK(lookup.find(ids, std::chrono::steady_clock::now() - 1s).empty());
    CHECK(connections == 0);
    SECTION("found")
    {
        CHECK(lookup.find(ids, later) == std::vector<MadeBy>{{hash_id("file-1"), "first"}});
        CHECK(lookup.find(ids, later).size() == 1);
        CHECK(connections == 1);
    }
    SECTION("away")
    {
        away = true;
        CHECK(lookup.find(ids, later).empty());
        away = false;
        CHECK(lookup.find(ids, later).empty());
        CHECK(connections == 1);
    }
}

TEST_CASE("a look-up whose connection has ended connects anew at once")
{
    FakeDatabase database;
    MakerLookup lookup{database.connector(), std::chrono::hours{1}};
    const IdHashes ids{hash_id("file-1")};
    const std::vector<MadeBy> found{{ids.front(), "first"}};
    const auto find = [&] { return lookup.find(ids, std::chrono::steady_clock::now() + 1h); };
    int fail = 0;
    database.on_look([&](auto) {
        if (fail > 0 && fail-- > 0)
            throw StorageError{StorageError::Kind::unavailable, "scripted"};
        return found;
    });
    CHECK(find() == found);
    CHECK(database.connections() == 1);
    fail = 1;
    CHECK(find() == found);
    CHECK(database.connections() == 2);
    SECTION("and leaves the database alone when that fails, too")
    {
        fail = 2;
        CHECK(find().empty());
        CHECK(database.connections() == 3);
        CHECK(find().empty());
        CHECK(database.connections() == 3);
    }
    SECTION("but not when others were at work with it")
    {
        database.on_look([&](auto) -> std::vector<MadeBy> { throw NotItsTurn{"scripted"}; });
        CHECK(find().empty());
        database.on_look([&](auto) { return found; });
        CHECK(find() == found);
        CHECK(database.connections() == 2);
    }
    SECTION("nor when nobody waits any more")
    {
        CHECK(lookup.find(ids, std::chrono::steady_clock::now()).empty());
        CHECK(find() == found);
    }
}
