#include <filesystem>
#include <numeric>

#include "tests/storage/databases.hpp"
#include "tests/storage/found_records.hpp"
#include "tests/storage/samples.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::storage;
using namespace route::test;

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
