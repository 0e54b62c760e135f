#include "storage/record_writer.hpp"

#include <thread>

#include "tests/storage/databases.hpp"
#include "tests/storage/fake_database.hpp"
#include "tests/storage/samples.hpp"
#include "tests/storage/writing.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::storage;
using namespace route::test;

TEST_CASE("a record that is waited for is stored at once, and can be read then")
{
    SqliteDatabase database;
    auto reader = database.open();
    Writing writing{sqlite_connector(database), flushing_after(3'600'000)};
    bool found = false;
    writing.writer.take(queued(sample_record(1), [&] {
        found = reader.find_record(request_id(1)).has_value();
        writing.bell.ring([&] { ++writing.stored; });
    }));
    REQUIRE(writing.bell.until([&] { return writing.stored == 1; }));
    CHECK(found);
    CHECK(writing.writer.written() == 1);
    CHECK(writing.writer.queue_bytes() == 0);
    CHECK(writing.writer.degraded().empty());
}

TEST_CASE("records are gathered for `flush` into one transaction")
{
    FakeDatabase database;
    Writing writing{database.connector(), flushing_after(3'600'000)};
    for (std::uint64_t i = 0; i < 5; ++i)
        writing.take(i);
    CHECK(writing.writer.queue_bytes() > 0);
    // The last one ends the gathering.
    REQUIRE(writing.take_and_wait(5));
    writing.stop();
    CHECK(database.ids().size() == 6);
    CHECK(writing.batches == std::vector<std::size_t>{6});
}

TEST_CASE("records are told of while others gather, however long that takes")
{
    FakeDatabase database;
    Writing writing{database.connector(), flushing_after(3'600'000)};
    for (std::uint64_t number = 1; number <= 3; ++number) {
        writing.take(number);
        CHECK(writing.bell.until([&] { return writing.completed.size() == number; }));
    }
    CHECK(writing.bell.look([&] { return writing.written; }) == 0);
}

TEST_CASE("what was gathered is written when `flush` has passed")
{
    FakeDatabase database;
    Writing writing{database.connector(), flushing_after(1)};
    writing.take(0);
    CHECK(database.wait_for_records(1));
}

TEST_CASE("much that waits is written before `flush` has passed")
{
    FakeDatabase database;
    Writing writing{database.connector(), flushing_after(3'600'000)};
    for (std::uint64_t i = 0; i < 20; ++i) {
        auto record = sample_record(i);
        record.body.assign(1u << 20, 'x');
        writing.writer.take(queued(std::move(record)));
    }
    CHECK(database.wait_for_records(8));
}

TEST_CASE("every record is told of in order; those of requests without a key are not stored")
{
    FakeDatabase database;
    Writing writing{database.connector(), flushing_after(0)};
    for (std::uint64_t i = 0; i < 4; ++i) {
        auto record = sample_record(i);
        record.authenticated = i % 2 == 0;
        int calls = 0;
        writing.writer.take(queued(std::move(record), [&] { writing.bell.ring([&] { ++calls; }); }));
        REQUIRE(writing.bell.until([&] { return calls == 1; }));
    }
    writing.stop();
    CHECK(writing.completed == std::vector{request_id(0), request_id(1), request_id(2), request_id(3)});
    CHECK(database.ids() == std::vector{request_id(0), request_id(2)});
    CHECK(writing.writer.queue_bytes() == 0);
}

TEST_CASE("records are completed with the limits in force")
{
    SqliteDatabase database;
    auto reader = database.open();
    auto settings = flushing_after(0);
    settings.request_body = false;
    Writing writing{sqlite_connector(database), settings};
    REQUIRE(writing.take_and_wait(1));
    CHECK(reader.find_record(request_id(1))->record.body.empty());
    settings.request_body = true;
    writing.writer.configure(settings);
    REQUIRE(writing.take_and_wait(2));
    CHECK_FALSE(reader.find_record(request_id(2))->record.body.empty());
}

TEST_CASE("stop writes what is queued, whatever `flush` is")
{
    FakeDatabase database;
    Writing writing{database.connector(), flushing_after(3'600'000)};
    for (std::uint64_t i = 0; i < 3000; ++i)
        writing.take(i);
    writing.stop();
    CHECK(database.ids().size() == 3000);
    CHECK(writing.writer.queue_bytes() == 0);
}

TEST_CASE("stop leaves in the outbox what the database does not take, for the next run")
{
    SqliteDatabase database;
    auto holder = database.open();
    std::string outbox_path;
    TempDir directory;
    const auto shared_outbox = directory / "outbox.sqlite";
    {
        const WriteTransaction lock{holder.connection()};
        RecordWriter writer{
            sqlite_connector(database), {flushing_after(3'600'000), shared_outbox, fast()}, {}};
        for (std::uint64_t i = 0; i < 10; ++i)
            writer.take(queued(sample_record(i)));
        writer.stop(std::chrono::steady_clock::now() + 5s);
        CHECK(writer.outbox_records() == 10);
        CHECK(writer.lost() == 0);
    }
    Bell bell;
    std::size_t written = 0;
    WriterHooks hooks;
    hooks.on_written = [&](std::size_t records, Nanoseconds) { bell.ring([&] { written += records; }); };
    RecordWriter next{sqlite_connector(database), {flushing_after(0), shared_outbox, fast()}, hooks};
    REQUIRE(bell.until([&] { return written == 10; }));
    CHECK(holder.record_count() == 10);
}

TEST_CASE("stop gives up at its deadline and says what is lost")
{
    FakeDatabase database;
    database.goes_away();
    Writing writing{database.connector(), flushing_after(3'600'000), fast(),
                    "no-such-directory/outbox.sqlite"};
    int stored = 0;
    for (std::uint64_t i = 0; i < 3; ++i)
        writing.writer.take(queued(sample_record(i), [&] { ++stored; }));
    writing.writer.stop(std::chrono::steady_clock::now() + 5ms);
    CHECK(writing.writer.lost() == 3);
    CHECK(stored == 3);
    CHECK(writing.writer.queue_bytes() == 0);
}

TEST_CASE("a stop that is hurried gives up at once, before it began or in its middle")
{
    FakeDatabase database;
    database.goes_away();
    Writing writing{database.connector(), flushing_after(3'600'000), fast(),
                    "no-such-directory/outbox.sqlite"};
    writing.writer.take(queued(sample_record(1)));
    const bool before = GENERATE(true, false);
    if (before)
        writing.writer.hurry();
    std::thread stopping{[&] { writing.writer.stop(std::chrono::steady_clock::now() + 1h); }};
    if (!before)
        writing.writer.hurry();
    stopping.join();
    CHECK(writing.writer.lost() == 1);
}
