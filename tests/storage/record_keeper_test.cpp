#include "storage/record_keeper.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "tests/storage/kept.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::storage;
using namespace route::test;

namespace {

using Kind = StorageError::Kind;

}  // namespace

TEST_CASE("records go to the database")
{
    FakeDatabase database;
    Kept kept{database};
    CHECK(kept.keeper.starting());
    CHECK(kept.keep(samples(0, 1)) == 0);  // it may still wait
    kept.connect();
    CHECK_FALSE(kept.keeper.starting());
    CHECK(kept.keep(samples(0, 3)) == 3);
    CHECK(database.ids() == ids_of(0, 3));
    CHECK(kept.written == 3);
    CHECK(kept.keeper.degraded().empty());
    CHECK_FALSE(std::filesystem::exists(kept.outbox_path));
}

TEST_CASE("a transaction is bounded in rows and in bytes")
{
    FakeDatabase database;
    Kept kept{database};
    kept.connect();
    kept.keep(samples(0, 2500));
    CHECK(database.batches() == std::vector<std::size_t>{1000, 1000, 500});
    auto large = samples(3000, 3);
    for (auto& record : large)
        record.body.assign(5u << 20, 'x');
    kept.keep(large);
    CHECK(database.batches() == std::vector<std::size_t>{1000, 1000, 500, 2, 1});
}

TEST_CASE("what is too much for one transaction is tried in smaller ones")
{
    FakeDatabase database;
    Kept kept{database};
    kept.connect();
    database.on_insert([](std::span<const Record> records) {
        if (records.size() > 100)
            throw StorageError{Kind::unavailable, "scripted"};
    });
    kept.keep(samples(0, 1000));
    CHECK(kept.keeper.outbox_records() == 1000);
    for (int tries = 0; kept.keeper.outbox_records() > 0 && tries < 100; ++tries)
        kept.retry();
    CHECK(database.ids().size() == 1000);
    CHECK(kept.rejected == 0);
}

TEST_CASE("what was made counts for the size of a transaction")
{
    auto records = samples(0, 3);
    const auto without = bytes_of(records);
    for (auto& record : records)
        record.made_ids.resize(200);
    CHECK(bytes_of(records) >= without + 3 * 200 * sizeof(IdHash));
    CHECK(batch_of(records, 3, 200 * sizeof(IdHash)).size() == 1);
}

TEST_CASE("a transaction's size follows how long it took")
{
    TransactionSize size{TransactionSize::Limits{}};
    CHECK_FALSE(size.too_large(100u << 20));
    size.failed(1, 1u << 20);
    CHECK(size.rows() == 1000);
    CHECK(size.bytes() == 256u << 10);
    CHECK(size.too_large(1u << 20));
    CHECK_FALSE(size.too_large(512u << 10));
    size.took(1, 1u << 10, 1ms);  // says nothing of large ones
    CHECK(size.bytes() == 256u << 10);
    size.took(1, 256u << 10, 1ms);
    CHECK(size.bytes() == 512u << 10);
    size.took(600, 1u << 10, 1s);
    CHECK(size.rows() == 300);
    CHECK(size.bytes() == 512u << 10);
    size.took(300, 0, 1ms);
    CHECK(size.rows() == 600);
    for (int i = 0; i < 20; ++i)
        size.failed(4, 4);  // little already
    CHECK(size.rows() == 600);
}

TEST_CASE(
    "a record too large for the time a transaction has gets more from the outbox, and holds up no other")
{
    FakeDatabase database;
    database.is_slow(800'000);
    Kept kept{database};
    kept.connect();
    auto large = sample_record(0);
    large.body.assign(1u << 20, 'x');
    CHECK(kept.keep({large}) == 1);
    CHECK(kept.keeper.outbox_records() == 1);
    kept.retry();
    CHECK(kept.keeper.outbox_records() == 0);
    CHECK(database.ids() == ids_of(0, 1));
    CHECK(kept.keep(samples(1, 3)) == 3);
    CHECK(database.ids() == ids_of(0, 4));

    // Of the next it is known.
    large.request_id = request_id(4);
    CHECK(kept.keep({sample_record(5), large, sample_record(6)}) == 3);
    CHECK(kept.keeper.degraded().empty());
    CHECK(kept.keeper.outbox_records() == 1);
    kept.connect();
    CHECK(database.ids().size() == 7);
    CHECK(kept.rejected == 0);
}

TEST_CASE("what is not stored within its patience goes to the outbox")
{
    FakeDatabase database;
    Kept kept{database};
    kept.connect();
    CHECK(kept.keeper.keep(samples(0, 2500), kept.now, std::chrono::milliseconds{0}) == 2500);
    CHECK(database.ids().size() == 1000);
    CHECK(kept.keeper.outbox_records() == 1500);
    CHECK(kept.keeper.degraded().empty());
}

TEST_CASE("records that fail alone while others succeed are set aside in the end")
{
    FakeDatabase database;
    Kept kept{database};
    kept.connect();
    const auto bad = GENERATE(std::set<std::uint64_t>{4}, std::set<std::uint64_t>{0, 1, 9});
    database.goes_away();
    kept.keep(samples(0, 10));
    REQUIRE(kept.keeper.outbox_records() == 10);
    database.on_insert([&](std::span<const Record> records) {
        for (const auto& record : records)
            for (const auto number : bad)
                if (record.request_id == request_id(number))
                    throw StorageError{Kind::unavailable, "scripted"};
    });
    std::uint64_t number = 100;
    for (int tries = 0; kept.keeper.outbox_records() > 0 && tries < 500; ++tries) {
        kept.retry();
        if (tries == 100) {
            CHECK(database.ids().size() == 10 - bad.size());  // and nothing more: no proof that it is they
            CHECK(kept.rejected == 0);
        }
        if (tries > 100)
            kept.keep(samples(number++, 1));
    }
    CHECK(kept.rejected == static_cast<int>(bad.size()));
    CHECK(kept.dropped == 0);
    CHECK_THAT(read_bytes(kept.directory / "rejected-records.jsonl"),
               ContainsSubstring(request_id(*bad.begin())));
}

TEST_CASE("a database that is away makes no record suspect, even where it can be connected to")
{
    FakeDatabase database;
    Kept kept{database};
    kept.connect();
    database.goes_away();
    kept.keep(samples(0, 10));
    int tried = 0;
    Bell bell;
    database.on_insert([&](std::span<const Record> records) {
        if (records.empty())
            return;
        bell.ring([&] { ++tried; });
        throw StorageError{Kind::unavailable, "scripted"};
    });
    for (int tries = 0; tries < 60; ++tries)
        kept.retry();
    CHECK(bell.look([&] { return tried; }) > 40);
    CHECK(kept.rejected == 0);
    CHECK(kept.keeper.outbox_records() == 10);
    database.comes_back();
    for (int tries = 0; kept.keeper.outbox_records() > 0 && tries < 100; ++tries)
        kept.retry();
    CHECK(database.ids().size() == 10);
}

TEST_CASE("memory that is short is no fault of a record")
{
    FakeDatabase database;
    Kept kept{database};
    kept.connect();
    database.on_insert([](auto) { throw std::bad_alloc{}; });
    CHECK(kept.keep(samples(0, 3)) == 3);
    CHECK(kept.rejected == 0);
    CHECK(kept.keeper.outbox_records() == 3);
    database.comes_back();
    kept.retry();
    CHECK(database.ids() == ids_of(0, 3));
}

TEST_CASE(
    "while the database is away records go to the outbox, and from there to it when it is back, once each")
{
    FakeDatabase database;
    Kept kept{database};
    kept.connect();
    kept.keep(samples(0, 2));
    const auto kind = GENERATE(Kind::unavailable, Kind::broken);
    database.on_insert(FakeDatabase::failing(kind));
    CHECK(kept.keep(samples(2, 3)) == 3);
    CHECK(kept.keeper.outbox_records() == 3);
    CHECK(kept.keeper.taking());
    CHECK_THAT(kept.keeper.degraded(), ContainsSubstring("3 wait in the outbox"));

    kept.retry();  // still away
    CHECK(kept.keep(samples(5, 1)) == 1);
    CHECK(kept.keeper.outbox_records() == 4);

    database.comes_back();
    kept.retry();
    CHECK(kept.keeper.degraded().empty());
    CHECK(kept.keeper.outbox_records() == 0);
    CHECK(kept.keep(samples(6, 1)) == 1);
    auto stored = database.ids();  // a trial may have put one before its turn
    std::sort(stored.begin(), stored.end());
    CHECK(stored == ids_of(0, 7));
    CHECK(kept.written == 7);
}

TEST_CASE("the waits between tries double up to a bound")
{
    FakeDatabase database;
    database.on_open(FakeDatabase::failing(Kind::unavailable));
    Kept kept{database};
    std::vector<std::chrono::milliseconds> waits;
    for (int i = 0; i < 6; ++i) {
        kept.connect();
        const auto next = kept.tend();
        waits.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(next - kept.now));
        kept.now = next;
    }
    CHECK(waits == std::vector<std::chrono::milliseconds>{500ms, 1000ms, 2000ms, 4000ms, 5000ms, 5000ms});
    kept.connect();
    CHECK(database.connections() == 7);
}

TEST_CASE("a database that can be opened but not written to is not back")
{
    FakeDatabase database;
    database.on_open(FakeDatabase::failing(Kind::unavailable));
    Kept kept{database};
    kept.connect();
    database.on_open({});
    database.goes_away();
    SECTION("with records waiting")
    {
        kept.keep(samples(0, 1));
        kept.retry();
        CHECK(kept.keeper.outbox_records() == 1);
        CHECK_FALSE(kept.keeper.half_open());
    }
    SECTION("without")
    {
        kept.reconnect();
        CHECK(kept.keeper.half_open());
        kept.keep({});
        CHECK_FALSE(kept.keeper.half_open());
    }
    CHECK_FALSE(kept.keeper.degraded().empty());
    database.comes_back();
    kept.retry();
    kept.keep({});
    CHECK(kept.keeper.degraded().empty());
}

TEST_CASE("the outbox of an earlier run is emptied into the database, without what is there already")
{
    FakeDatabase database;
    Kept first{database};
    first.connect();
    first.keep(samples(0, 2));
    {
        // As after a kill between the insert into the database and the erasure from the outbox.
        Outbox outbox{first.directory / "earlier.sqlite"};
        outbox.insert(samples(1, 2500));
    }
    Kept next{database, first.directory / "earlier.sqlite"};
    CHECK(next.keeper.outbox_records() == 2500);
    next.connect();
    CHECK(next.keeper.outbox_records() == 0);
    CHECK(database.ids() == ids_of(0, 2501));
}

TEST_CASE("a record that is refused by itself is set aside and holds up nothing")
{
    FakeDatabase database;
    Kept kept{database};
    kept.connect();
    const auto kind = GENERATE(Kind::rejected, Kind::conflict);
    const auto refused =
        GENERATE(std::set<std::uint64_t>{0}, std::set<std::uint64_t>{9}, std::set<std::uint64_t>{3, 4, 7});
    const FakeDatabase::Rule refuse = [&](std::span<const Record> records) {
        for (const auto number : refused)
            for (const auto& record : records)
                if (record.request_id == request_id(number))
                    throw StorageError{kind, "scripted refusal"};
    };
    database.on_insert(refuse);
    SECTION("on its way into the database")
    {
        CHECK(kept.keep(samples(0, 10)) == 10);
    }
    SECTION("on its way from the outbox")
    {
        database.goes_away();
        kept.keep(samples(0, 10));
        database.on_insert(refuse);
        kept.retry();
        CHECK(kept.keeper.outbox_records() == 0);
    }
    CHECK(database.ids().size() == 10 - refused.size());
    CHECK(kept.rejected == static_cast<int>(refused.size()));
    CHECK(kept.dropped == 0);
    const auto path = kept.directory / "rejected-records.jsonl";
    CHECK(mode_of(path) == 0600);
    std::ifstream file{path};
    std::set<std::uint64_t> found;
    for (std::string line; std::getline(file, line);) {
        const auto object = boost::json::parse(line).as_object();
        CHECK(object.at("reason") == "scripted refusal");
        CHECK(object.at("response") == "hello");
        CHECK(object.at("created_at") == "2026-01-31T12:00:00.123Z");
        CHECK(object.at("attempts").as_array().size() == 2);
        found.insert(std::stoull(std::string{object.at("client_request_id").as_string().c_str()}.substr(7)));
    }
    CHECK(found == refused);
}

TEST_CASE("when neither the database nor the outbox takes records they stay where they are")
{
    FakeDatabase database;
    Kept kept{database, "no-such-directory/outbox.sqlite"};
    kept.connect();
    database.goes_away();
    CHECK(kept.keep(samples(0, 2)) == 0);
    CHECK_FALSE(kept.keeper.taking());
    CHECK_THAT(kept.keeper.degraded(), ContainsSubstring("neither"));
    SECTION("the outbox comes back first")
    {
        std::filesystem::create_directory(kept.directory / "no-such-directory");
        kept.now += 1s;
        CHECK(kept.keep(samples(0, 2)) == 2);
        CHECK(kept.keeper.outbox_records() == 2);
    }
    SECTION("the database comes back first")
    {
        database.comes_back();
        kept.reconnect();
        CHECK(kept.keeper.half_open());
        CHECK(kept.keep(samples(0, 2)) == 2);
        CHECK(database.ids() == ids_of(0, 2));
    }
    CHECK(kept.keeper.taking());
}

TEST_CASE("files that will be needed are looked at from the start on")
{
    FakeDatabase database;
    Kept kept{database, "no-such-directory/outbox.sqlite"};
    CHECK(kept.keeper.degraded() == "the outbox fails; rejected-records.jsonl cannot be written");
    kept.connect();
    CHECK(kept.keep(samples(0, 1)) == 1);
    CHECK(kept.keeper.degraded() == "the outbox fails; rejected-records.jsonl cannot be written");
    std::filesystem::create_directory(kept.directory / "no-such-directory");
    kept.now += 1s;
    CHECK(kept.tend() > kept.now);
    CHECK(kept.keeper.degraded() == "rejected-records.jsonl cannot be written");
    kept.now += 3h;
    while (kept.tend() <= kept.now) {
    }
    CHECK(kept.keeper.degraded().empty());
}

TEST_CASE("an outbox that fails while it is not needed does not keep the writer busy")
{
    FakeDatabase database;
    Kept kept{database, "no-such-directory/outbox.sqlite"};
    kept.connect();
    for (int i = 0; i < 3; ++i) {
        kept.now += 1s;
        CHECK(kept.tend() > kept.now);
    }
}
