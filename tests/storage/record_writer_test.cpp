#include "storage/record_writer.hpp"

#include <thread>

#include "storage/any_repository.hpp"
#include "tests/storage/databases.hpp"
#include "tests/storage/fake_database.hpp"
#include "tests/storage/samples.hpp"
#include "tests/storage/short_memory.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::storage;
using namespace route::test;

namespace {

using Kind = StorageError::Kind;

WriterTiming fast()
{
    WriterTiming timing;
    timing.patience = 10s;
    timing.first_retry = timing.longest_retry = 1ms;
    timing.give_up = 60s;
    return timing;
}

/// Does not wait for the first connection, either.
WriterTiming impatient()
{
    auto timing = fast();
    timing.patience = 1ms;
    return timing;
}

/// A record writer and what it tells.
class Writing
{
  public:
    explicit Writing(Connector connector, RecordSettings settings = {}, WriterTiming timing = fast(),
                     const std::string& outbox_name = "outbox.sqlite")
        : outbox_path{directory / outbox_name},
          writer{std::move(connector), {settings, outbox_path, timing}, hooks()}
    {
    }

    void take(std::uint64_t number) { writer.take(queued(sample_record(number))); }

    /// Takes it like durability "commit" does, and waits for it to be stored.
    [[nodiscard]] bool take_and_wait(std::uint64_t number)
    {
        writer.take(queued(sample_record(number), [this] { bell.ring([&] { ++stored; }); }));
        ++waited_for;
        return bell.until([&] { return stored == waited_for; });
    }

    void stop() { writer.stop(std::chrono::steady_clock::now() + 5s); }

    TempDir directory;
    std::string outbox_path;
    Bell bell;
    int stored = 0;
    int waited_for = 0;
    std::vector<std::string> completed;
    std::size_t written = 0;
    std::vector<std::size_t> batches;

  private:
    WriterHooks hooks()
    {
        WriterHooks hooks;
        hooks.on_completed = [this](const Record& record) {
            bell.ring([&] { completed.push_back(record.request_id); });
        };
        hooks.on_written = [this](std::size_t records, Nanoseconds) {
            bell.ring([&] {
                written += records;
                batches.push_back(records);
            });
        };
        return hooks;
    }

  public:
    RecordWriter writer;
};

Connector sqlite_connector(const SqliteDatabase& database)
{
    return [path = database.path()]() -> std::unique_ptr<RecordStore> {
        SqliteOptions options;
        options.path = path;
        options.create = false;
        options.busy_timeout = options.migration_timeout = 2ms;
        return any(SqliteRepository{options});
    };
}

RecordSettings flushing_after(unsigned milliseconds)
{
    RecordSettings settings;
    settings.flush = milliseconds;
    return settings;
}

}  // namespace

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
    CHECK_FALSE(writing.writer.can_keep());

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
