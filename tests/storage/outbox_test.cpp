#include "storage/outbox.hpp"

#include "storage/sqlite/sqlite_repository.hpp"
#include "tests/storage/samples.hpp"
#include "tests/storage/tempdir.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::storage;
using namespace route::test;

namespace {

std::vector<Record> samples(std::uint64_t count)
{
    std::vector<Record> records;
    for (std::uint64_t i = 0; i < count; ++i)
        records.push_back(sample_record(i));
    return records;
}

}  // namespace

TEST_CASE("an outbox makes its file, privately, when a record needs it")
{
    TempDir directory;
    const auto path = directory / "outbox.sqlite";
    Outbox outbox{path};
    CHECK(outbox.size() == 0);
    CHECK(outbox.oldest(10, 1000).empty());
    CHECK_FALSE(std::filesystem::exists(path));
    outbox.insert(samples(1));
    CHECK(mode_of(path) == 0600);
    CHECK(outbox.size() == 1);
}

TEST_CASE("an outbox gives its records back whole, oldest first, also to the next run")
{
    TempDir directory;
    const auto records = samples(5);
    {
        Outbox outbox{directory / "outbox.sqlite"};
        outbox.insert(records);
    }
    Outbox outbox{directory / "outbox.sqlite"};
    CHECK(outbox.size() == 5);
    const auto first = outbox.oldest(2, 1 << 20);
    REQUIRE(first.size() == 2);
    CHECK(first[0].request_id == records[0].request_id);
    CHECK(first[0].attempts == records[0].attempts);
    CHECK(first[0].body == records[0].body);
    CHECK(outbox.oldest(5, 1).size() == 1);  // a bound of bytes lets at least one through
    outbox.erase(first);
    CHECK(outbox.size() == 3);
    CHECK(outbox.oldest(9, 1 << 20).front().request_id == records[2].request_id);
    outbox.erase(outbox.oldest(9, 1 << 20));
    CHECK(outbox.size() == 0);
    CHECK(outbox.oldest(9, 1 << 20).empty());
}

TEST_CASE("two routers may share an outbox")
{
    TempDir directory;
    Outbox one{directory / "outbox.sqlite"};
    one.insert(samples(3));
    Outbox two{directory / "outbox.sqlite"};
    two.erase(two.oldest(2, 1 << 20));
    CHECK(one.size() == 3);
    const auto rest = one.oldest(9, 1 << 20);
    CHECK(rest.size() == 1);
    one.erase(rest);
    CHECK(two.oldest(9, 1 << 20).empty());
    CHECK(two.size() == 0);
    one.insert(samples(1));
    two.recount();
    CHECK(two.size() == 1);
}

TEST_CASE("an emptied outbox gives its space back")
{
    TempDir directory;
    const auto path = directory / "outbox.sqlite";
    {
        Outbox outbox{path};
        auto records = samples(1500);
        for (auto& record : records)
            record.body.assign(2000, 'x');
        outbox.insert(records);
        while (outbox.size() > 0)
            outbox.erase(outbox.oldest(1000, 1 << 30));
    }
    CHECK(std::filesystem::file_size(path) < 1'000'000);
}

TEST_CASE("an outbox that is deleted is made again")
{
    TempDir directory;
    const auto path = directory / "outbox.sqlite";
    Outbox outbox{path};
    outbox.insert(samples(1));
    for (const auto* suffix : {"", "-wal", "-shm"})
        std::filesystem::remove(path + suffix);
    CHECK(outbox.oldest(9, 1 << 20).empty());
    CHECK(outbox.size() == 0);
    outbox.insert(samples(2));
    CHECK(outbox.size() == 2);
}

TEST_CASE("without a path there is no outbox")
{
    Outbox outbox{""};
    CHECK(outbox.oldest(1, 1).empty());
    CHECK_THROWS_AS(outbox.insert(samples(1)), StorageError);
}

TEST_CASE("upstreams and keys are remembered for a start without the database")
{
    TempDir directory;
    const auto path = directory / "outbox.sqlite";
    CHECK_FALSE(remembered(path));
    Outbox{path}.insert(samples(1));
    CHECK_FALSE(remembered(path));
    Known known;
    known.upstreams.resize(2);
    known.upstreams[0].id = 9;
    known.upstreams[0].sk = "sk-1";
    known.upstreams[0].priority = -1;
    known.upstreams[1].id = 3;
    known.upstreams[1].sk = "sk-2";
    known.keys.push_back({4, "alice", hash_key("a"), "2026-01-31T12:00:00.123Z"});
    remember(path, {known, true});
    CHECK(mode_of(path) == 0600);
    CHECK(remembered(path)->known == known);
    CHECK(remembered(path)->ever_had_upstream);
    known.upstreams.pop_back();
    remember(path, {known, true});
    CHECK(remembered(path)->known == known);
    CHECK(Outbox{path}.size() == 1);
    // That there is nothing is known, too.
    remember(path, {});
    CHECK(remembered(path)->known == Known{});
    CHECK_FALSE(remembered(path)->ever_had_upstream);
}

TEST_CASE("rows that are the same to SQLite alone do not keep the others from being remembered")
{
    TempDir directory;
    const auto path = directory / "outbox.sqlite";
    Known known;
    known.upstreams.resize(3);
    known.upstreams[0].id = 1;
    known.upstreams[1].id = 2;
    known.upstreams[2].id = 3;
    known.upstreams[2].sk = "sk-3";
    remember(path, {known, true});
    CHECK(remembered(path)->known.upstreams.size() == 2);
}
