// The record writer while something fails: the database, the outbox, a callback, memory.
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <thread>
#include <utility>

#include "storage/record_writer.hpp"
#include "tests/storage/databases.hpp"
#include "tests/storage/fake_database.hpp"
#include "tests/storage/samples.hpp"
#include "tests/storage/short_memory.hpp"
#include "tests/storage/writing.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::storage;
using namespace route::test;

namespace {

using Kind = StorageError::Kind;

/// Does not wait for the first connection, either.
WriterTiming impatient()
{
    auto timing = fast();
    timing.patience = 1ms;
    return timing;
}

}  // namespace

TEST_CASE("a locked database: records go to the outbox and, once each, to the database when the lock is gone")
{
    SqliteDatabase database;
    auto holder = database.open();
    Writing writing{sqlite_connector(database), flushing_after(0)};
    REQUIRE(writing.take_and_wait(1));
    {
        const WriteTransaction lock{holder.connection()};
        REQUIRE(writing.take_and_wait(2));
        REQUIRE(writing.take_and_wait(3));
        CHECK(writing.writer.outbox_records() == 2);
        CHECK(writing.writer.can_keep());
        CHECK_FALSE(writing.writer.degraded().empty());
    }
    REQUIRE(writing.bell.until([&] { return writing.written == 3; }));
    REQUIRE(writing.take_and_wait(4));
    writing.stop();
    CHECK(writing.writer.degraded().empty());
    CHECK(writing.writer.outbox_records() == 0);
    CHECK(holder.record_count() == 4);
    CHECK(writing.writer.written() == 4);
    CHECK(holder.find_record(request_id(3))->record.attempts.size() == 2);
}

TEST_CASE("a database that is not there at the start: records wait in the outbox until it is")
{
    FakeDatabase database;
    database.on_open(FakeDatabase::failing(Kind::unavailable));
    Writing writing{database.connector(), flushing_after(0), impatient()};
    REQUIRE(writing.take_and_wait(1));
    CHECK(writing.writer.outbox_records() == 1);
    database.on_open({});
    CHECK(database.wait_for_records(1));
}

TEST_CASE("a connection that hangs keeps no record from the outbox")
{
    FakeDatabase database;
    Bell gate;
    bool open = false;
    database.on_open([&](auto) { CHECK(gate.until([&] { return open; })); });
    Writing writing{database.connector(), flushing_after(0), impatient()};
    REQUIRE(writing.take_and_wait(1));
    CHECK(writing.writer.outbox_records() == 1);
    gate.ring([&] { open = true; });
    CHECK(database.wait_for_records(1));
}

TEST_CASE("when neither database nor outbox takes records, the queue fills, and nobody waits for ever")
{
    FakeDatabase database;
    database.goes_away();
    auto settings = flushing_after(0);
    settings.queue = 3000;
    auto timing = fast();
    timing.give_up = 20ms;
    Writing writing{database.connector(), settings, timing, "no-such-directory/outbox.sqlite"};
    CHECK(writing.writer.has_room());
    REQUIRE(writing.take_and_wait(1));  // given up on
    for (std::uint64_t i = 2; writing.writer.has_room(); ++i)
        writing.take(i);
    const auto taken = writing.writer.queue_bytes();
    CHECK(taken >= 3000);
    CHECK(writing.bell.until([&] { return !writing.writer.can_keep(); }));

    writing.writer.dropped(queued(sample_record(1000)));
    REQUIRE(writing.bell.until(
        [&] { return writing.completed.size() >= 1 && writing.completed.back() == request_id(1000); }));
    database.comes_back();
    REQUIRE(database.wait_for_records(1));
    writing.stop();
    CHECK(writing.writer.has_room());
    CHECK(writing.writer.queue_bytes() == 0);
    CHECK(writing.writer.lost() == 1);
    CHECK_THAT(writing.writer.degraded(), ContainsSubstring("1 record is lost"));
    CHECK(database.ids().size() == writing.completed.size() - 1);
}

TEST_CASE("a refused record is counted and the others are stored")
{
    SqliteDatabase database;
    auto reader = database.open();
    database.refuse_model("bad");
    Writing writing{sqlite_connector(database), flushing_after(3'600'000)};
    for (std::uint64_t i = 0; i < 10; ++i) {
        auto record = sample_record(i);
        if (i == 4)
            record.model = "bad";
        writing.writer.take(queued(std::move(record)));
    }
    REQUIRE(writing.take_and_wait(10));
    writing.stop();
    CHECK(writing.writer.rejected() == 1);
    CHECK(writing.writer.lost() == 0);
    CHECK(reader.record_count() == 10);
    CHECK_FALSE(reader.find_record(request_id(4)));
    CHECK_THAT(read_bytes(writing.directory / "rejected-records.jsonl"), ContainsSubstring(request_id(4)));
}

TEST_CASE("what is thrown on the record writer's thread ends neither it nor the program")
{
    FakeDatabase database;
    Bell bell;
    int stored = 0;
    bool thrown = false;
    TempDir directory;
    const auto throw_once = [&] {
        bool now = false;
        bell.ring([&] { now = !std::exchange(thrown, true); });
        if (now)
            throw std::bad_alloc{};
    };
    WriterHooks hooks;
    const auto where = GENERATE(0, 1, 2, 3);
    if (where == 0)
        hooks.on_completed = [&](const Record&) { throw_once(); };
    if (where == 1)
        hooks.on_collected = throw_once;
    if (where == 2)
        hooks.on_written = [&](std::size_t, Nanoseconds) { throw_once(); };
    if (where == 3)
        database.on_insert([&](auto) { throw_once(); });
    RecordWriter writer{
        database.connector(), {flushing_after(0), directory / "outbox.sqlite", fast()}, hooks};
    for (std::uint64_t number = 1; number <= 3; ++number)
        writer.take(queued(sample_record(number), [&] { bell.ring([&] { ++stored; }); }));
    REQUIRE(bell.until([&] { return stored == 3; }));
    CHECK(database.wait_for_records(3));
    writer.stop(std::chrono::steady_clock::now() + 5s);
    CHECK(thrown);
    CHECK(writer.lost() == 0);
    CHECK(writer.rejected() == 0);
    CHECK(writer.queue_bytes() == 0);
}

TEST_CASE("whoever waits for a record is told, though there is no memory for it at first")
{
    FakeDatabase database;
    Writing writing{database.connector(), flushing_after(0)};
    int tries = 0;
    bool told = false;
    writing.writer.take(queued(sample_record(1), [&] {
        if (++tries < 3)
            throw std::bad_alloc{};
        writing.bell.ring([&] { told = true; });
    }));
    CHECK(writing.bell.until([&] { return told; }));
    CHECK(writing.take_and_wait(2));
    writing.stop();
    CHECK(tries == 3);
    CHECK(database.ids().size() == 2);
    CHECK(writing.writer.queue_bytes() == 0);
}

TEST_CASE("a record from which keys could not be erased, for want of memory, is stored without its texts")
{
    if (!ShortMemory::works)
        return;
    const std::string key = "sk-0123456789abcdef0123456789abcdef";
    FakeDatabase database;
    std::vector<Record> stored;
    Bell bell;
    std::optional<ShortMemory> memory;
    database.on_insert([&](std::span<const Record> records) {
        memory.reset();
        bell.ring([&] { stored.insert(stored.end(), records.begin(), records.end()); });
    });
    Writing writing{database.connector(), flushing_after(0)};
    auto record = sample_record(1);
    record.client_keys = {std::make_shared<const std::string>(key)};
    for (auto* text : {&record.client_request_id, &record.path, &record.body, &record.error, &record.trace_id,
                       &record.finish_reason, &record.attempts[0].error})
        *text = "with " + key;
    record.model = key;
    record.reply.kind = ReplyCapture::Kind::text;
    record.reply.content_type = "text/plain";
    record.reply.raw = key;
    record.user_agent = key + std::string(1u << 20, 'x');  // the erasure makes a copy
    auto taken = queued(std::move(record));
    memory.emplace(512u << 10);
    writing.writer.take(std::move(taken));
    REQUIRE(bell.until([&] { return stored.size() == 1; }));
    writing.stop();
    const auto& kept = stored.front();
    CHECK(kept.request_id == request_id(1));
    CHECK(kept.status == 200);
    CHECK(kept.key_name == "alice");
    CHECK_THAT(kept.error, ContainsSubstring("no memory"));
    for (const auto* text : {&kept.client_request_id, &kept.path, &kept.body, &kept.response,
                             &kept.user_agent, &kept.trace_id, &kept.finish_reason, &kept.attempts[0].error})
        CHECK(text->empty());
    CHECK_FALSE(kept.model);
    CHECK(writing.completed.size() == 1);
    CHECK(writing.writer.lost() == 0);
}

TEST_CASE("four event loops and a database that comes and goes: every record is stored once")
{
    constexpr std::uint64_t producers = 4;
    constexpr std::uint64_t each = 500;
    FakeDatabase database;
    std::atomic<int> calls{0};
    database.on_insert([&](auto) {
        if (++calls % 7 == 3)
            throw StorageError{Kind::unavailable, "scripted"};
    });
    Writing writing{database.connector(), flushing_after(1)};
    std::atomic<std::uint64_t> stored{0};
    std::vector<std::thread> threads;
    for (std::uint64_t p = 0; p < producers; ++p)
        threads.emplace_back([&, p] {
            for (std::uint64_t i = 0; i < each; ++i) {
                std::function<void()> told;
                if (i % 10 == 0)
                    told = [&] { ++stored; };
                writing.writer.take(queued(sample_record(p * each + i), std::move(told)));
            }
        });
    for (auto& thread : threads)
        thread.join();
    database.comes_back();
    REQUIRE(database.wait_for_records(producers * each));
    writing.stop();
    CHECK(stored == producers * each / 10);
    CHECK(writing.completed.size() == producers * each);
    CHECK(database.ids().size() == producers * each);
    CHECK(writing.writer.lost() == 0);
}
