#include "storage/postgres/change_feed.hpp"

#include <SQLiteCpp/Backup.h>

#include <condition_variable>
#include <mutex>

#include "storage/sqlite/change_feed.hpp"
#include "tests/storage/databases.hpp"
#include "tests/storage/log_capture.hpp"
#include "tests/storage/samples.hpp"
#include "tests/storage/small_disk.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::storage;
using namespace route::test;
using namespace std::chrono_literals;

namespace {

/// What a feed told, for a test to wait for.
class Told
{
  public:
    ChangeFeed::OnChange listener()
    {
        return [this](const UpstreamsAndKeys& known) {
            const std::lock_guard lock{mutex_};
            told_.push_back(known);
            changed_.notify_all();
        };
    }

    /// The `number`th thing told (from 1); fails when nothing comes.
    UpstreamsAndKeys wait_for(std::size_t number)
    {
        std::unique_lock lock{mutex_};
        REQUIRE(changed_.wait_for(lock, 10s, [&] { return told_.size() >= number; }));
        return told_[number - 1];
    }

    std::size_t count()
    {
        const std::lock_guard lock{mutex_};
        return told_.size();
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<UpstreamsAndKeys> told_;
};

UpstreamDefinition definition_of(const std::string& sk)
{
    UpstreamDefinition definition;
    definition.sk = sk;
    return definition;
}

SqliteOptions options_of(const SqliteDatabase& database)
{
    SqliteOptions options;
    options.path = database.path();
    options.identity = std::make_shared<SchemaIdentity>();
    return options;
}

std::unique_ptr<ChangeSource> source_of(const SqliteDatabase& database, std::chrono::milliseconds interval)
{
    return std::make_unique<SqliteChanges>(options_of(database), interval);
}

/// `interval` stands for those without a notification: a test with a long one shows that there was one.
std::unique_ptr<ChangeSource> source_of(const PostgresDatabase& database, std::chrono::milliseconds interval)
{
    PostgresOptions options;
    options.url = database.url();
    return std::make_unique<PostgresChanges>(options, PostgresIntervals{interval, interval, 1ms});
}

/// So long that a test that waits for it fails, where changes are notified of.
std::chrono::milliseconds interval_of(const SqliteDatabase&)
{
    return 1ms;
}

std::chrono::milliseconds interval_of(const PostgresDatabase&)
{
    return 1h;
}

}  // namespace

TEMPLATE_TEST_CASE("a feed tells of upstreams and keys, by whomever they are changed", "", SqliteDatabase,
                   PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    Told told;
    ChangePoller feed{source_of(database, interval_of(database)), {}, told.listener()};
    repository.add_upstream(definition_of("sk-1"));
    CHECK(told.wait_for(1).upstreams.at(0).sk == "sk-1");
    repository.add_client_key("alice", hash_key("a"));
    CHECK(told.wait_for(2).keys.at(0).name == "alice");
    database.execute("UPDATE openai_upstreams SET priority = 5");
    CHECK(told.wait_for(3).upstreams.at(0).priority == 5);
    feed.stop();
    CHECK_FALSE(feed.failing());
}

TEMPLATE_TEST_CASE("a feed tells what changed before it began, and nothing that is known", "", SqliteDatabase,
                   PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    repository.add_upstream(definition_of("sk-1"));
    Told told;
    SECTION("known")
    {
        ChangePoller feed{source_of(database, 1ms), {repository.upstreams(), {}}, told.listener()};
        // Records change the file, and nothing of this.
        const auto record = sample_record(1);
        repository.insert(std::span{&record, 1});
        repository.add_upstream(definition_of("sk-2"));
        CHECK(told.wait_for(1).upstreams.size() == 2);
        CHECK(told.count() == 1);
    }
    SECTION("changed before")
    {
        ChangePoller feed{source_of(database, 1h), {}, told.listener()};
        CHECK(told.wait_for(1).upstreams.size() == 1);
    }
}

TEMPLATE_TEST_CASE("a feed stops at once, however long its interval is", "", SqliteDatabase, PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    ChangePoller feed{source_of(database, 1h), {}, [](const UpstreamsAndKeys&) {}};
    feed.stop();
}

TEST_CASE("a feed keeps what it knows while the file is away")
{
    SqliteDatabase database;
    auto repository = database.open();
    repository.add_upstream(definition_of("sk-1"));
    Told told;
    ChangePoller feed{source_of(database, 1ms), {repository.upstreams(), {}}, told.listener()};
    std::filesystem::rename(database.path(), database.path() + ".moved");
    while (!feed.failing())
        std::this_thread::yield();
    std::filesystem::rename(database.path() + ".moved", database.path());
    while (feed.failing())
        std::this_thread::yield();
    CHECK(told.count() == 0);
    repository.add_upstream(definition_of("sk-2"));
    CHECK(told.wait_for(1).upstreams.size() == 2);
}

TEST_CASE("a feed keeps what it knows when its file becomes another database, and takes a backup of its own")
{
    SqliteDatabase database;
    const auto backup = database.path() + ".backup";
    database.open().add_upstream(definition_of("sk-1"));
    std::filesystem::copy_file(database.path(), backup);
    database.open().add_upstream(definition_of("sk-2"));
    Told told;
    ChangePoller feed{source_of(database, 1ms), {}, told.listener()};
    CHECK(told.wait_for(1).upstreams.size() == 2);
    const auto wait_until_failing = [&](bool failing) {
        while (feed.failing() != failing)
            std::this_thread::yield();
    };
    SECTION("a file made anew")
    {
        std::filesystem::rename(database.path(), database.path() + ".moved");
        wait_until_failing(true);
        database.open().add_upstream(definition_of("sk-other"));
    }
    SECTION("other contents in the same file")
    {
        const SqliteDatabase other;
        other.open();
        SQLite::Database target{database.path(), SQLite::OPEN_READWRITE};
        SQLite::Database source{other.path()};
        SQLite::Backup{target, source}.executeStep();
    }
    SECTION("a schema that has lost its identity")
    {
        database.execute("DROP TABLE openai_api_route_state; DELETE FROM openai_upstreams");
    }
    wait_until_failing(true);
    CHECK(told.count() == 1);
    for (const auto* suffix : {"-wal", "-shm"})
        std::filesystem::remove(database.path() + suffix);
    std::filesystem::rename(backup, database.path());
    CHECK(told.wait_for(2).upstreams.size() == 1);
    wait_until_failing(false);
}

TEST_CASE("what a router writes is in the file itself before long")
{
    SqliteDatabase database;
    SqliteOptions options;
    options.path = database.path();
    auto router = database.open();
    SqliteChanges changes{options, 1ms, 0ms};
    const auto record = sample_record(1);
    router.insert(std::span{&record, 1});
    changes.look();
    TempDir elsewhere;
    const auto copy = elsewhere / "db.sqlite";
    REQUIRE(std::system(("cp '" + database.path() + "' '" + copy + "'").c_str()) == 0);
    SqliteOptions of_copy;
    of_copy.path = copy;
    CHECK(SqliteRepository{of_copy}.find_record(record.request_id));
    SqliteChanges later{options, 1ms, 1h};
    const auto next = sample_record(2);
    router.insert(std::span{&next, 1});
    later.look();
    later.look();
    REQUIRE(std::system(("cp '" + database.path() + "' '" + copy + "2'").c_str()) == 0);
    of_copy.path = copy + "2";
    CHECK_FALSE(SqliteRepository{of_copy}.find_record(next.request_id));
}

TEST_CASE("a write-ahead log that does not get into a full disk's file keeps no upstream from being read")
{
    SqliteDatabase database;
    auto writer = database.open();
    writer.add_upstream(definition_of("sk-1"));
    const LogCapture log;
    SqliteChanges source{options_of(database), 1ms, 0ms};
    REQUIRE(source.look());
    for (std::uint64_t i = 0; i < 100; ++i) {
        auto record = sample_record(i);
        record.body.assign(64u << 10, 'x');
        writer.insert(std::span{&record, 1});
    }
    writer.add_upstream(definition_of("sk-2"));
    const auto size = std::filesystem::file_size(database.path());
    {
        const SmallDisk disk{size};
        const auto known = source.look();
        REQUIRE(known);
        CHECK(known->upstreams.size() == 2);
        CHECK_FALSE(source.look());  // tries again, and says no more
    }
    CHECK(log.count("write-ahead log") == 1);
    CHECK(std::filesystem::file_size(database.path()) == size);
    source.look();
    CHECK(std::filesystem::file_size(database.path()) > size);
    CHECK(log.count("gets into it again") == 1);
}
