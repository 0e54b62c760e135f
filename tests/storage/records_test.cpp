#include <numeric>

#include "tests/storage/databases.hpp"
#include "tests/storage/samples.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::storage;
using namespace route::test;

namespace {

/// Names the records a filter finds, in order: the numbers sample_record() was given, as client_request_id
/// tells.
template <class R>
std::string found(R& repository, const RecordFilter& filter)
{
    std::string numbers;
    repository.for_each_record(filter, [&](const StoredRecord& stored) {
        numbers += stored.record.client_request_id.substr(sizeof("client-") - 1) + " ";
        return true;
    });
    return numbers;
}

void check_same(const Record& read, const Record& written)
{
    CHECK(read.request_id == written.request_id);
    CHECK(read.client_request_id == written.client_request_id);
    CHECK(read.created_at == written.created_at);
    CHECK(read.node == written.node);
    CHECK(read.ip == written.ip);
    CHECK(read.key_name == written.key_name);
    CHECK(read.user_agent == written.user_agent);
    CHECK(read.method == written.method);
    CHECK(read.path == written.path);
    CHECK(read.model == written.model);
    CHECK(read.stream == written.stream);
    CHECK(read.body == written.body);
    CHECK(read.body_bytes == written.body_bytes);
    CHECK(read.status == written.status);
    CHECK(read.outcome == written.outcome);
    CHECK(read.error == written.error);
    CHECK(read.upstream_id == written.upstream_id);
    CHECK(read.upstream_name == written.upstream_name);
    CHECK(read.upstream_endpoint == written.upstream_endpoint);
    CHECK(read.attempts == written.attempts);
    CHECK(read.response == written.response);
    CHECK(read.response_bytes == written.response_bytes);
    CHECK(read.response_time == written.response_time);
    CHECK(read.elapsed_time == written.elapsed_time);
    CHECK(read.prompt_tokens == written.prompt_tokens);
    CHECK(read.completion_tokens == written.completion_tokens);
    CHECK(read.total_tokens == written.total_tokens);
    CHECK(read.finish_reason == written.finish_reason);
    CHECK(read.trace_id == written.trace_id);
}

/// So many records a step, whatever the time that takes.
constexpr PruneBounds at_most(std::size_t rows)
{
    PruneBounds bounds;
    bounds.rows = rows;
    bounds.time = std::chrono::hours{1};
    return bounds;
}

/// Ten records a day apart, the newest the first minute of `sample_time`.
std::vector<Record> ten_days()
{
    std::vector<Record> records;
    for (int day = 0; day < 10; ++day)
        records.push_back(
            sample_record(static_cast<std::uint64_t>(day), sample_time - std::chrono::days{9 - day}));
    return records;
}

}  // namespace

TEMPLATE_TEST_CASE("a record is read back as it was inserted", "", SqliteDatabase, PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    Record empty;
    empty.request_id = request_id(2);
    empty.created_at = sample_time;
    empty.outcome = RequestOutcome::rejected;
    const std::vector<Record> records{sample_record(1), empty};
    repository.insert(records);
    for (const auto& record : records) {
        const auto read = repository.find_record(record.request_id);
        REQUIRE(read);
        check_same(read->record, record);
        const auto by_id = repository.find_record(std::to_string(read->id));
        REQUIRE(by_id);
        CHECK(by_id->record.request_id == record.request_id);
    }
    CHECK_FALSE(repository.find_record(request_id(3)));
    CHECK_FALSE(repository.find_record("99"));
    CHECK_FALSE(repository.find_record("no such thing"));
}

TEMPLATE_TEST_CASE("each outcome is stored by its name", "", SqliteDatabase, PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    const auto outcome =
        GENERATE(RequestOutcome::ok, RequestOutcome::upstream_error, RequestOutcome::timeout,
                 RequestOutcome::truncated, RequestOutcome::client_closed, RequestOutcome::rejected);
    auto record = sample_record(1);
    record.outcome = outcome;
    repository.insert(std::span{&record, 1});
    CHECK(repository.find_record(record.request_id)->record.outcome == outcome);
    RecordFilter filter;
    filter.outcome = to_string(outcome);
    CHECK(found(repository, filter) == "1 ");
}

TEMPLATE_TEST_CASE("a record that is there already is passed over", "", SqliteDatabase, PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    auto first = sample_record(1);
    repository.insert(std::span{&first, 1});
    std::vector<Record> again{sample_record(1), sample_record(2)};
    again.front().response = "another";
    again.front().attempts.pop_back();
    repository.insert(again);
    CHECK(found(repository, {}) == "2 1 ");
    check_same(repository.find_record(first.request_id)->record, first);
}

TEMPLATE_TEST_CASE("nothing to insert is no error", "", SqliteDatabase, PostgresDatabase)
{
    TestType database;
    database.open().insert({});
}

TEMPLATE_TEST_CASE("text that is not UTF-8 or holds NUL does not stop the others", "", SqliteDatabase,
                   PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    std::vector<Record> records{sample_record(1), sample_record(2)};
    records[0].body = std::string{"a\0b", 3};
    records[0].response = "\xff\xfe";
    complete_record(records[0], {});
    repository.insert(records);
    CHECK(found(repository, {}) == "2 1 ");
}

TEMPLATE_TEST_CASE("records are filtered", "", SqliteDatabase, PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    auto records = ten_days();
    records[1].model = "o1";
    records[2].model.reset();
    records[3].upstream_name = "third";
    records[4].key_name = "bob";
    records[5].status = 502;
    records[5].outcome = RequestOutcome::timeout;
    records[6].body = "find ME in the body";
    records[7].response = "find ME in the response";
    records[8].error = "find ME in the error";
    repository.insert(records);

    RecordFilter filter;
    SECTION("not at all: newest first")
    {
        CHECK(found(repository, filter) == "9 8 7 6 5 4 3 2 1 0 ");
    }
    SECTION("oldest first, a few")
    {
        filter.newest_first = false;
        filter.limit = 3;
        CHECK(found(repository, filter) == "0 1 2 ");
    }
    SECTION("since, inclusive, and until, exclusive")
    {
        filter.since = records[3].created_at;
        filter.until = records[6].created_at;
        CHECK(found(repository, filter) == "5 4 3 ");
    }
    SECTION("by model")
    {
        filter.model = "o1";
        CHECK(found(repository, filter) == "1 ");
    }
    SECTION("by upstream")
    {
        filter.upstream = "third";
        CHECK(found(repository, filter) == "3 ");
    }
    SECTION("by key")
    {
        filter.key = "bob";
        CHECK(found(repository, filter) == "4 ");
    }
    SECTION("by status and outcome")
    {
        filter.status = 502;
        filter.outcome = "timeout";
        CHECK(found(repository, filter) == "5 ");
        filter.outcome = "ok";
        CHECK(found(repository, filter).empty());
    }
    SECTION("by text in bodies and errors, with case")
    {
        filter.grep = "ME in";
        CHECK(found(repository, filter) == "8 7 6 ");
        filter.grep = "me in";
        CHECK(found(repository, filter).empty());
        filter.grep = "%";
        CHECK(found(repository, filter).empty());
    }
    SECTION("after an id, in the order of ids")
    {
        filter.after_id = repository.find_record(records[7].request_id)->id;
        CHECK(found(repository, filter) == "8 9 ");
    }
    SECTION("without bodies")
    {
        filter.bodies = false;
        repository.for_each_record(filter, [](const StoredRecord& stored) {
            CHECK(stored.record.body.empty());
            CHECK(stored.record.response.empty());
            CHECK(stored.record.finish_reason == "stop");
            return true;
        });
    }
    SECTION("until the visitor has enough")
    {
        int visits = 0;
        repository.for_each_record(filter, [&](const StoredRecord&) { return ++visits < 4; });
        CHECK(visits == 4);
    }
}

TEMPLATE_TEST_CASE("many records are all found, in every order, whatever the filter leaves of them", "",
                   SqliteDatabase, PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    std::vector<Record> records;
    std::string ascending;
    std::string even;
    for (std::uint64_t i = 0; i < 450; ++i) {
        records.push_back(sample_record(i));
        records.back().model = i % 2 == 0 ? "even" : "odd";
        records.back().body = i == 30 ? std::string(9u << 20, 'x') : "asked";  // more than is read at once
        ascending += std::to_string(i) + ' ';
        if (i % 2 == 0)
            even += std::to_string(i) + ' ';
    }
    repository.insert(records);
    RecordFilter filter;
    CHECK(found(repository, filter).starts_with("449 448 447 "));
    CHECK(found(repository, filter).size() == ascending.size());
    filter.newest_first = false;
    CHECK(found(repository, filter) == ascending);
    filter.model = "even";
    CHECK(found(repository, filter) == even);
    filter.limit = 210;
    CHECK(found(repository, filter) == even.substr(0, even.find("420 ")));
    filter.limit = 0;
    filter.grep = "nowhere";
    CHECK(found(repository, filter).empty());
    filter.grep = "";
    filter.model = "";
    filter.after_id = repository.find_record(records[0].request_id)->id;
    CHECK(found(repository, filter) == ascending.substr(2));
    const auto stats = repository.record_stats({});
    CHECK(std::accumulate(stats.begin(), stats.end(), std::uint64_t{0},
                          [](auto sum, const auto& one) { return sum + one.requests; }) == 450);
}

TEST_CASE("whoever visits records holds nothing while the visit lasts")
{
    SqliteDatabase database;
    auto repository = database.open();
    for (std::uint64_t i = 0; i < 3; ++i) {
        const auto record = sample_record(i);
        repository.insert(std::span{&record, 1});
    }
    auto reader = database.open();
    auto other = database.open();
    int visits = 0;
    reader.for_each_record({}, [&](const StoredRecord&) {
        const auto record = sample_record(100 + static_cast<std::uint64_t>(visits));
        repository.insert(std::span{&record, 1});
        SQLite::Statement checkpoint{other.connection(), "PRAGMA wal_checkpoint(TRUNCATE)"};
        REQUIRE(checkpoint.executeStep());
        CHECK(checkpoint.getColumn(0).getInt() == 0);  // not busy
        return ++visits < 3;
    });
    CHECK(visits == 3);
    CHECK(std::filesystem::file_size(database.path() + "-wal") == 0);
}

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
    std::uint64_t seed = 1;
    for (std::uint64_t i = 0; i < 4; ++i) {
        records.push_back(sample_record(i, today - std::chrono::days{19 - 5 * static_cast<int>(i)}));
        for (int length = 0; i > 0 && length < 100'000; ++length) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            records.back().body += static_cast<char>('!' + (seed >> 33) % 90);
        }
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

TEMPLATE_TEST_CASE("statistics go by model and upstream", "", SqliteDatabase, PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    std::vector<Record> records;
    for (std::uint64_t i = 1; i <= 20; ++i) {
        records.push_back(sample_record(i));
        records.back().elapsed_time = std::chrono::milliseconds{i};
    }
    auto failed = sample_record(21);
    failed.model.reset();
    failed.upstream_name.clear();
    failed.outcome = RequestOutcome::upstream_error;
    failed.total_tokens.reset();
    records.push_back(failed);
    repository.insert(records);

    const auto stats = repository.record_stats({});
    REQUIRE(stats.size() == 2);
    RecordStats expected;
    expected.model = "gpt-4o";
    expected.upstream = "second";
    expected.requests = expected.ok = 20;
    expected.p50 = 10ms;
    expected.p95 = 19ms;
    expected.prompt_tokens = 20;
    expected.completion_tokens = 40;
    expected.total_tokens = 60;
    CHECK(stats[0] == expected);
    CHECK(stats[1].model.empty());
    CHECK(stats[1].requests == 1);
    CHECK(stats[1].errors == 1);
    CHECK(stats[1].p95 == 10ms);

    RecordFilter none;
    none.model = "no such";
    CHECK(repository.record_stats(none).empty());
}

TEMPLATE_TEST_CASE("a row that is refused fails its transaction whole", "", SqliteDatabase, PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    database.refuse_model("bad");
    std::vector<Record> records{sample_record(1), sample_record(2)};
    records[1].model = "bad";
    try {
        repository.insert(records);
        FAIL("inserted");
    } catch (const StorageError& error) {
        CHECK(error.kind() == StorageError::Kind::rejected);
    }
    CHECK(found(repository, {}).empty());
    repository.insert(std::span{records}.first(1));
    CHECK(found(repository, {}) == "1 ");
}
