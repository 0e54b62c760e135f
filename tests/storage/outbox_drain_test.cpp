#include "storage/outbox_drain.hpp"

#include <atomic>
#include <filesystem>

#include "tests/storage/kept.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::storage;
using namespace route::test;

namespace {

using Kind = StorageError::Kind;

Record record_of(std::uint64_t number, std::size_t bytes)
{
    auto record = sample_record(number);
    record.body.assign(bytes, 'x');
    return record;
}

FakeDatabase::Rule failing_with(Kind kind, const std::string& id)
{
    return [kind, id](std::span<const Record> records) {
        for (const auto& record : records)
            if (record.request_id == id)
                throw StorageError{kind, "scripted"};
    };
}

/// Something that is no file stands where refused records are set aside.
class NoRejectedFile
{
  public:
    explicit NoRejectedFile(const Kept& kept) : path_{kept.directory / "rejected-records.jsonl"}
    {
        std::filesystem::create_directory(path_);
    }
    void goes() { std::filesystem::remove(path_); }

  private:
    std::string path_;
};

}  // namespace

TEST_CASE("a database that lets no second connection in makes no record suspect, and that is told of")
{
    FakeDatabase database;
    Kept kept{database};
    kept.connect();
    database.goes_away();
    kept.keep({sample_record(0)});
    REQUIRE(kept.keeper.outbox_records() == 1);
    database.comes_back();
    std::atomic<int> opened = 0;
    database.on_open([&](auto) {
        if (opened++ > 0)
            throw StorageError{Kind::unavailable, "too many connections"};
    });
    for (std::uint64_t i = 1; i <= 30; ++i) {
        kept.retry();
        CHECK(kept.keep({sample_record(i)}) == 1);
    }
    CHECK(database.ids() == ids_of(1, 30));
    CHECK(kept.rejected == 0);
    CHECK(kept.keeper.outbox_records() == 1);
    CHECK(kept.keeper.degraded() == "the outbox cannot be emptied, 1 waits in the outbox");

    database.on_open({});
    kept.retry();
    CHECK(kept.keeper.outbox_records() == 0);
    CHECK(database.ids().size() == 31);
    CHECK(kept.keeper.degraded().empty());
}

TEST_CASE("a database that takes nothing is not back, however large what waits is")
{
    FakeDatabase database;
    Kept kept{database};
    kept.connect();
    database.on_insert([](std::span<const Record> records) {
        if (!records.empty())
            throw StorageError{Kind::unavailable, "database or disk is full"};
    });
    kept.keep({record_of(0, 200u << 10)});
    for (std::uint64_t i = 1; i < 10; ++i) {
        kept.retry();
        CHECK_THAT(kept.keeper.degraded(), ContainsSubstring("the database does not take records"));
        CHECK(kept.keep({record_of(i, 200u << 10)}) == 1);
        CHECK_THAT(kept.keeper.degraded(), ContainsSubstring("the database does not take records"));
    }
    CHECK(kept.keeper.outbox_records() == 10);
    database.comes_back();
    kept.retry();
    kept.retry();
    CHECK(kept.keeper.degraded().empty());
    CHECK(kept.keeper.outbox_records() == 0);
    CHECK(database.ids().size() == 10);
    CHECK(kept.rejected == 0);
}

TEST_CASE("a large record that no outbox takes has the time it needs to come into the database")
{
    FakeDatabase database;
    Kept kept{database, "no-such-directory/outbox.sqlite"};
    kept.connect();
    database.is_slow(300'000);
    database.goes_away();
    const std::vector records{record_of(0, 300u << 10), sample_record(1)};
    CHECK(kept.keep(records) == 0);
    kept.reconnect();
    CHECK(kept.keeper.half_open());
    CHECK(kept.keep(records) == 0);
    CHECK_FALSE(kept.keeper.half_open());  // the writer's thread would not sleep

    database.comes_back();
    kept.reconnect();
    CHECK(kept.keeper.half_open());
    CHECK(kept.keep(records) == 2);
    CHECK_FALSE(kept.keeper.half_open());
    CHECK(database.ids() == ids_of(0, 2));
    CHECK(kept.keeper.taking());
    CHECK(kept.dropped == 0);
}

TEST_CASE("a database on trial is tried by what waits in the outbox when all else is too large")
{
    FakeDatabase database;
    Kept kept{database};
    kept.connect();
    database.goes_away();
    kept.keep({record_of(0, 300u << 10)});
    database.comes_back();
    kept.retry();
    REQUIRE(kept.keeper.outbox_records() == 0);
    database.on_open(FakeDatabase::failing(Kind::unavailable));
    database.goes_away();
    kept.keep({sample_record(1)});
    kept.retry();
    std::filesystem::remove(kept.outbox_path);  // and nothing waits
    database.on_open({});
    kept.reconnect();
    CHECK(kept.keeper.half_open());
    CHECK(kept.keep({record_of(2, 300u << 10)}) == 1);
    CHECK_FALSE(kept.keeper.half_open());
    CHECK_FALSE(kept.keeper.degraded().empty());
    database.comes_back();
    kept.connect();
    CHECK_FALSE(kept.keeper.half_open());
    kept.retry();
    CHECK(kept.keeper.degraded().empty());
    CHECK(kept.keeper.outbox_records() == 0);
}

TEST_CASE("a refused record that cannot be set aside stays in the outbox until it can, and holds up nothing")
{
    FakeDatabase database;
    Kept kept{database};
    kept.connect();
    NoRejectedFile obstacle{kept};
    const auto refuse = failing_with(GENERATE(Kind::rejected, Kind::unavailable), request_id(1));
    SECTION("on its way from the outbox")
    {
        database.goes_away();
        kept.keep(samples(0, 4));
        database.on_insert(refuse);
    }
    SECTION("on its way into the database")
    {
        database.on_insert(refuse);
        CHECK(kept.keep(samples(0, 4)) == 4);
    }
    for (std::uint64_t i = 4; i < 100; ++i) {
        kept.retry();
        kept.keep(samples(i, 1));
    }
    CHECK(database.ids().size() == 99);
    CHECK(kept.keeper.outbox_records() == 1);
    CHECK(kept.rejected == 0);
    CHECK(kept.dropped == 0);
    CHECK_THAT(kept.keeper.degraded(), ContainsSubstring("rejected-records.jsonl cannot be written"));

    obstacle.goes();
    kept.retry();
    kept.retry();
    CHECK(kept.keeper.outbox_records() == 0);
    CHECK(kept.rejected == 1);
    CHECK(kept.dropped == 0);
    CHECK_THAT(read_bytes(kept.directory / "rejected-records.jsonl"), ContainsSubstring(request_id(1)));
}

TEST_CASE("what cannot be set aside holds up nothing that waits behind it")
{
    FakeDatabase database;
    Kept kept{database};
    kept.connect();
    const NoRejectedFile obstacle{kept};
    const auto refuse = failing_with(Kind::rejected, request_id(0));
    database.on_insert(refuse);
    CHECK(kept.keep(samples(0, 1)) == 1);
    database.goes_away();
    CHECK(kept.keep(samples(1, 5)) == 5);
    database.on_insert(refuse);
    for (int tries = 0; kept.keeper.outbox_records() > 1 && tries < 20; ++tries)
        kept.retry();
    CHECK(database.ids().size() == 5);
    CHECK(kept.keeper.outbox_records() == 1);
}
