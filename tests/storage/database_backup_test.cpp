#include "storage/database_backup.hpp"

#include <atomic>
#include <thread>

#include "tests/storage/databases.hpp"
#include "tests/storage/kind_thrown.hpp"
#include "tests/storage/old_databases.hpp"
#include "tests/storage/samples.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::storage;
using namespace route::test;

namespace {

void insert(SqliteRepository& repository, std::uint64_t number)
{
    const auto record = sample_record(number);
    repository.insert(std::span{&record, 1});
}

SqliteRepository opened(const std::string& path)
{
    SqliteOptions options;
    options.path = path;
    options.create = false;
    return SqliteRepository{options};
}

std::size_t files_in(const TempDir& directory)
{
    const std::filesystem::directory_iterator files{directory / ""};
    return static_cast<std::size_t>(std::distance(begin(files), end(files)));
}

}  // namespace

TEST_CASE("a backup of a database in use holds what only its -wal holds")
{
    SqliteDatabase database;
    TempDir directory;
    const auto backup = directory / "backup.sqlite";
    auto router = database.open();
    UpstreamDefinition upstream;
    upstream.sk = "sk-1";
    router.add_upstream(upstream);
    router.add_client_key("alice", hash_key("a"));
    insert(router, 1);
    insert(router, 2);
    REQUIRE(std::filesystem::file_size(database.path() + "-wal") > 0);
    const auto counts = back_up_sqlite(database.path(), backup, false);
    CHECK(counts.records == 2);
    CHECK(counts.upstreams == 1);
    CHECK(counts.keys == 1);
    CHECK(counts.bytes == std::filesystem::file_size(backup));
    CHECK(mode_of(backup) == 0600);
    CHECK(files_in(directory) == 1);
    insert(router, 3);
    auto copy = opened(backup);
    CHECK(copy.record_count() == 2);
    CHECK(copy.upstreams() == router.upstreams());
    CHECK(copy.client_keys() == router.client_keys());
}

TEST_CASE("a backup ends while a router writes all the time")
{
    SqliteDatabase database;
    TempDir directory;
    auto router = database.open();
    auto large = sample_record(0);
    large.body.assign(20u << 20, 'x');  // more than one step
    router.insert(std::span{&large, 1});
    std::atomic<bool> done{false};
    std::atomic<std::uint64_t> written{1};
    std::jthread writer{[&] {
        while (!done) {
            insert(router, written);
            ++written;
        }
    }};
    const auto before = written.load();
    const auto counts = back_up_sqlite(database.path(), directory / "backup.sqlite", false);
    const auto after = written.load();
    done = true;
    CHECK(counts.records >= before);
    CHECK(counts.records <= after + 1);
}

TEST_CASE("a backup replaces nothing unless it is told to, and never the database itself")
{
    SqliteDatabase database;
    TempDir directory;
    const auto backup = directory / "backup.sqlite";
    auto router = database.open();
    insert(router, 1);
    std::ofstream{backup} << "kept";
    const auto refused = [&](const std::string& path, bool replace) {
        return kind_thrown([&] { back_up_sqlite(database.path(), path, replace); }) ==
               StorageError::Kind::unavailable;
    };
    CHECK(refused(backup, false));
    CHECK(read_bytes(backup) == "kept");
    CHECK(refused(database.path(), true));
    CHECK(refused(directory / "no-such-directory/backup.sqlite", true));
    CHECK(files_in(directory) == 1);
    CHECK(back_up_sqlite(database.path(), backup, true).records == 1);
    std::ofstream{backup + "-wal"} << "in use";
    CHECK(refused(backup, true));
    CHECK(kind_thrown([&] { back_up_sqlite(directory / "absent.sqlite", directory / "x", false); }) ==
          StorageError::Kind::unavailable);
    CHECK(files_in(directory) == 2);
}

TEST_CASE("a backup of an older version's database leaves its schema as it is")
{
    TempDir directory;
    make_old_database(directory / "db.sqlite", 3);
    CHECK(back_up_sqlite(directory / "db.sqlite", directory / "backup.sqlite", false).records == 3);
    for (const auto* name : {"db.sqlite", "backup.sqlite"})
        CHECK(SQLite::Database{directory / name}.execAndGet("PRAGMA user_version").getInt() == 2);
    CHECK(opened(directory / "backup.sqlite").record_count() == 3);
}

TEST_CASE("a damaged database makes no backup")
{
    SqliteDatabase database;
    TempDir directory;
    {
        auto repository = database.open();
        for (std::uint64_t i = 0; i < 20; ++i) {
            auto record = sample_record(i);
            record.body.assign(20'000, 'x');
            repository.insert(std::span{&record, 1});
        }
    }
    {
        std::fstream file{database.path(), std::ios::binary | std::ios::in | std::ios::out};
        file.seekp(8 * 32768);
        file << std::string(40'000, 'x');
    }
    CHECK(kind_thrown([&] { back_up_sqlite(database.path(), directory / "backup.sqlite", false); }) ==
          StorageError::Kind::damaged);
    CHECK(files_in(directory) == 0);
}
