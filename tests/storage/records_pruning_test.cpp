// Records and bodies are deleted by their age, or until the database is smaller: in steps.
#include <chrono>

#include "tests/storage/databases.hpp"
#include "tests/storage/found_records.hpp"
#include "tests/storage/samples.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::storage;
using namespace route::test;

namespace {

/// So many records a step, whatever the time that takes.
constexpr PruneBounds at_most(std::size_t rows)
{
    PruneBounds bounds;
    bounds.rows = rows;
    bounds.time = std::chrono::hours{1};
    return bounds;
}

}  // namespace

TEMPLATE_TEST_CASE("older records are deleted with their attempts", "", SqliteDatabase, PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    repository.insert(ten_days());
    const auto before = sample_time - std::chrono::days{3};
    SECTION("at once")
    {
        CHECK(repository.prune(before) == 6);
        CHECK(repository.prune(before) == 0);
    }
    SECTION("in steps")
    {
        std::uint64_t rows = 0;
        int steps = 0;
        for (PruneStep step{0, false}; !step.done; ++steps) {
            step = repository.prune_step(before, at_most(4));
            rows += step.rows;
        }
        CHECK(rows == 6);
        CHECK(steps == 2);
    }
    CHECK(found(repository, {}) == "9 8 7 6 ");
    // The same request again is a new one: nothing of it was left.
    auto again = sample_record(0, sample_time - std::chrono::days{9});
    again.attempts.pop_back();
    repository.insert(std::span{&again, 1});
    CHECK(repository.find_record(again.request_id)->record.attempts.size() == 1);
}

TEMPLATE_TEST_CASE("older records lose their bodies and nothing else", "", SqliteDatabase, PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    const auto records = ten_days();
    repository.insert(records);
    const auto before = sample_time - std::chrono::days{3};
    SECTION("at once")
    {
        CHECK(repository.prune_bodies(before) == 6);
        CHECK(repository.prune_bodies(before) == 0);
    }
    SECTION("in steps")
    {
        std::uint64_t rows = 0;
        for (PruneStep step{0, false}; !step.done; rows += step.rows)
            step = repository.prune_bodies_step(before, at_most(4));
        CHECK(rows == 6);
        CHECK(repository.prune_bodies_step(before, at_most(4)).rows == 0);
    }
    auto expected = records[0];
    expected.body.clear();
    expected.response.clear();
    check_same(repository.find_record(expected.request_id)->record, expected);
    check_same(repository.find_record(records[6].request_id)->record, records[6]);
}

TEMPLATE_TEST_CASE("a step of pruning is bounded by bytes, and does one record at least", "", SqliteDatabase,
                   PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    auto records = ten_days();
    for (std::size_t i = 0; i < records.size(); ++i)
        for (std::uint64_t length = 0; length < 100'000; ++length)  // hardly to be compressed
            records[i].body += static_cast<char>('!' + (length * length + length / 94 * 7) % 90);
    repository.insert(records);
    auto bounds = at_most(100);
    bounds.bytes = GENERATE(1, 1'000'000);
    const auto before = sample_time - std::chrono::days{3};
    const bool bodies = GENERATE(false, true);
    const auto step =
        bodies ? repository.prune_bodies_step(before, bounds) : repository.prune_step(before, bounds);
    CHECK(step.rows == (bounds.bytes == 1 ? 1 : 6));
    CHECK(step.bytes > 0);
    CHECK(step.done == (bounds.bytes > 1));
}

TEST_CASE("SQLite becomes smaller: first the oldest bodies go, then the oldest records")
{
    const SqliteDatabase database;
    auto repository = database.open();
    auto records = ten_days();
    for (auto& record : records)
        record.body.assign(300'000, 'x');
    repository.insert(records);
    const auto full = repository.size().in_use;
    CHECK(full > 3'000'000);
    auto step = repository.shrink_step(at_most(4));
    CHECK(step.rows == 4);
    CHECK(step.bytes >= 1'000'000);
    CHECK(full - repository.size().in_use == step.bytes);
    CHECK(repository.find_record(records[3].request_id)->record.body.empty());
    CHECK_FALSE(repository.find_record(records[4].request_id)->record.body.empty());
    CHECK(repository.shrink_step(at_most(100)).rows == 6);
    CHECK(found(repository, {}) == "9 8 7 6 5 4 3 2 1 0 ");
    CHECK(repository.shrink_step(at_most(7)).rows == 7);
    CHECK(found(repository, {}) == "9 8 7 ");
    CHECK(repository.shrink_step(at_most(7)).done);
    CHECK(repository.shrink_step(at_most(7)).rows == 0);
}

TEST_CASE("PostgreSQL becomes smaller: first the oldest large bodies go, then partitions that have ended")
{
    const PostgresDatabase database;
    auto repository = database.open();
    const auto today = std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now());
    repository.make_room_for(today - std::chrono::days{20});
    std::vector<Record> records;
    for (std::uint64_t i = 0; i < 4; ++i) {
        records.push_back(sample_record(i, today - std::chrono::days{19 - 5 * static_cast<int>(i)}));
        if (i > 0)
            records.back().body += random_text(100'000, i);
    }
    repository.insert(records);
    const auto at_once = repository.size();
    CHECK(at_once.bytes >= at_once.in_use);
    auto bounds = at_most(100);
    bounds.bytes = 150'000;
    auto step = repository.shrink_step(bounds);
    CHECK(step.rows == 2);
    CHECK(step.bytes > 150'000);
    CHECK_FALSE(repository.find_record(records[0].request_id)->record.body.empty());  // too small to help
    CHECK(repository.find_record(records[2].request_id)->record.body.empty());
    CHECK_FALSE(repository.find_record(records[3].request_id)->record.body.empty());
    CHECK(repository.shrink_step(bounds).rows == 1);
    while (!step.done)
        step = repository.shrink_step(bounds);
    CHECK(found(repository, {}).empty());
    repository.insert(std::vector{sample_record(9, std::chrono::system_clock::now())});
    CHECK(repository.shrink_step(bounds).done);
    CHECK(found(repository, {}) == "9 ");
}

TEST_CASE("a step of pruning ends when its time is up: others wait for the lock")
{
    const SqliteDatabase database;
    auto repository = database.open();
    repository.insert(ten_days());
    PruneBounds bounds;
    bounds.time = std::chrono::milliseconds{0};
    const bool bodies = GENERATE(false, true);
    const auto step = bodies ? repository.prune_bodies_step(sample_time, bounds)
                             : repository.prune_step(sample_time, bounds);
    CHECK(step.rows == 1);
    CHECK_FALSE(step.done);
}

TEMPLATE_TEST_CASE("bodies of what comes late are pruned as well", "", SqliteDatabase, PostgresDatabase)
{
    TestType database;
    auto pruner = database.open();
    auto writer = database.open();
    const auto before = sample_time + std::chrono::hours{1};
    const auto prune = [&](std::size_t rows) {
        std::uint64_t emptied = 0;
        for (PruneStep step{0, false}; !step.done; emptied += step.rows)
            step = pruner.prune_bodies_step(before, at_most(rows));
        return emptied;
    };
    writer.insert(ten_days());
    CHECK(prune(100) == 10);
    std::vector<Record> late;
    for (std::uint64_t i = 0; i < 5; ++i)
        late.push_back(sample_record(100 + i, sample_time - std::chrono::hours{i}));
    const auto recent = sample_record(200, sample_time + std::chrono::hours{2});
    writer.insert(std::span{&recent, 1});
    writer.insert(late);
    CHECK(prune(2) == 5);
    for (const auto& record : late)
        CHECK(pruner.find_record(record.request_id)->record.body.empty());
    CHECK_FALSE(pruner.find_record(recent.request_id)->record.body.empty());
    CHECK(prune(100) == 0);
}
