#include "storage/open.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>

#include "tests/storage/databases.hpp"
#include "tests/storage/log_capture.hpp"
#include "tests/storage/samples.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::storage;
using namespace route::test;

namespace {

StorageSettings settings_in(const TempDir& directory)
{
    StorageSettings settings;
    settings.sqlite = directory / "db.sqlite";
    settings.outbox = directory / "outbox.sqlite";
    return settings;
}

}  // namespace

TEST_CASE("a start makes the database and reads it")
{
    TempDir directory;
    const auto settings = settings_in(directory);
    {
        const auto started = open_storage(settings);
        REQUIRE(started.repository);
        CHECK(started.known == UpstreamsAndKeys{});
        CHECK_FALSE(started.ever_had_upstream);
        UpstreamDefinition definition;
        definition.sk = "sk-1";
        started.repository->add_upstream(definition);
        started.repository->add_first_client_key("first", hash_key("secret"));
    }
    const auto started = open_storage(settings);
    CHECK(started.known.upstreams.size() == 1);
    CHECK(started.known.keys.size() == 1);
    CHECK(started.ever_had_upstream);
    CHECK_FALSE(std::filesystem::exists(settings.outbox));
}

TEST_CASE("the public default key of v0.3.0 is warned of at each start")
{
    TempDir directory;
    const auto settings = settings_in(directory);
    open_repository(settings)->add_client_key("v0.3.0", hash_key("woshimima"));
    for (int i = 0; i < 2; ++i) {
        const LogCapture log;
        open_storage(settings);
        CHECK_THAT(log.text(), ContainsSubstring("woshimima"));
    }
}

TEST_CASE("a start takes the rights of others from the database's files")
{
    TempDir directory;
    const auto settings = settings_in(directory);
    const auto holder = open_storage(settings);
    holder.repository->add_client_key("alice", hash_key("a"));
    for (const auto* suffix : {"", "-wal", "-shm"})
        std::filesystem::permissions(settings.sqlite + suffix, std::filesystem::perms{0664});
    const LogCapture log;
    open_storage(settings);
    for (const auto* suffix : {"", "-wal", "-shm"})
        CHECK(mode_of(settings.sqlite + suffix) == 0600);
    CHECK_THAT(log.text(), ContainsSubstring("db.sqlite had mode 0664"));
}

TEST_CASE("a start while another program locks readers out takes what the file says")
{
    TempDir directory;
    auto settings = settings_in(directory);
    settings.sqlite = directory / "a b%20?c.sqlite";
    open_repository(settings)->add_client_key("alice", hash_key("a"));
    SQLite::Database holder{settings.sqlite, SQLite::OPEN_READWRITE};
    holder.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
    const auto started = open_storage(settings, std::chrono::milliseconds{1});
    CHECK_FALSE(started.repository);
    CHECK(started.known.keys.size() == 1);
    CHECK_FALSE(started.ever_had_upstream);
}

TEST_CASE("a start without the file and without the way to make it fails")
{
    TempDir directory;
    auto settings = settings_in(directory);
    settings.sqlite = directory / "no-such-directory/db.sqlite";
    CHECK_THROWS_AS(open_storage(settings), StorageError);
}

TEST_CASE("the record writer's connection makes no file")
{
    TempDir directory;
    Settings settings;
    settings.storage = settings_in(directory);
    CHECK_THROWS_AS(connectors(settings, {}).records(), StorageError);
    CHECK_FALSE(std::filesystem::exists(settings.storage.sqlite));
    open_storage(settings.storage);
    const auto record = sample_record(1);
    connectors(settings, {}).records()->insert(std::span{&record, 1});
    CHECK(open_repository(settings.storage)->find_record(record.request_id));
}

TEST_CASE("the record writer does not take a database that can only be read for one that keeps records")
{
    TempDir directory;
    Settings settings;
    settings.storage = settings_in(directory);
    open_storage(settings.storage);
    std::filesystem::permissions(directory / "", std::filesystem::perms{0777});
    std::filesystem::permissions(settings.storage.sqlite, std::filesystem::perms{0444});
    // Root may write it all the same: another user tries.
    const pid_t child = ::fork();
    if (child == 0) {
        if (::geteuid() == 0 && ::seteuid(65534) != 0)
            ::_exit(3);
        try {
            connectors(settings, {}).records();
            ::_exit(1);
        } catch (const StorageError& error) {
            const bool told =
                std::string_view{error.what()}.find("can only be read") != std::string_view::npos;
            ::_exit(told && error.kind() == StorageError::Kind::unavailable ? 0 : 2);
        }
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("without a database nothing is kept and nothing is followed")
{
    TempDir directory;
    Settings settings;
    settings.storage = settings_in(directory);
    settings.storage.backend = Backend::none;
    const auto started = open_storage(settings.storage);
    REQUIRE(started.repository);
    const auto record = sample_record(1);
    started.repository->insert(std::span{&record, 1});
    CHECK_FALSE(started.repository->find_record(record.request_id));
    CHECK_THROWS_AS(started.repository->add_client_key("alice", hash_key("a")), StorageError);
    CHECK(follow(settings.storage, {}, [](const UpstreamsAndKeys&) {}) == nullptr);
    CHECK(writer_options(settings).outbox.empty());
    settings.storage.backend = Backend::sqlite;
    CHECK(writer_options(settings).outbox == settings.storage.outbox);
    CHECK_FALSE(std::filesystem::exists(settings.storage.sqlite));
}

TEST_CASE("a change is followed from what the start gave")
{
    TempDir directory;
    const auto settings = settings_in(directory);
    auto started = open_storage(settings);
    std::mutex mutex;
    std::condition_variable changed;
    UpstreamsAndKeys told;
    const auto feed = follow(settings, started, [&](const UpstreamsAndKeys& known) {
        const std::lock_guard lock{mutex};
        told = known;
        changed.notify_all();
    });
    started.repository->add_client_key("alice", hash_key("a"));
    std::unique_lock lock{mutex};
    CHECK(changed.wait_for(lock, std::chrono::seconds{10}, [&] { return told.keys.size() == 1; }));
    lock.unlock();
    feed->stop();
}
