#include <SQLiteCpp/Backup.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "tests/storage/databases.hpp"
#include "tests/storage/kind_thrown.hpp"
#include "tests/storage/old_databases.hpp"
#include "tests/storage/samples.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::storage;
using namespace route::test;
using namespace std::chrono_literals;

namespace {

SqliteOptions impatient(const std::string& path)
{
    SqliteOptions options;
    options.path = path;
    options.busy_timeout = options.migration_timeout = 1ms;
    return options;
}

}  // namespace

TEST_CASE("a new file is private, in WAL mode, with large pages")
{
    SqliteDatabase database;
    auto repository = database.open();
    const auto record = sample_record(1);
    repository.insert(std::span{&record, 1});
    CHECK(mode_of(database.path()) == 0600);
    CHECK(mode_of(database.path() + "-wal") == 0600);
    CHECK(mode_of(database.path() + "-shm") == 0600);
    auto& connection = repository.connection();
    CHECK(connection.execAndGet("PRAGMA journal_mode").getString() == "wal");
    CHECK(connection.execAndGet("PRAGMA page_size").getInt() == 32768);
    CHECK(connection.execAndGet("PRAGMA synchronous").getInt() == 1);
}

TEST_CASE("a file that is there keeps its mode and its page size")
{
    TempDir directory;
    const auto path = directory / "db.sqlite";
    SQLite::Database{path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE}.exec(
        "PRAGMA page_size = 4096; CREATE TABLE other (x)");
    std::filesystem::permissions(path, std::filesystem::perms{0640});
    SqliteRepository repository{impatient(path)};
    CHECK(mode_of(path) == 0640);
    CHECK(repository.connection().execAndGet("PRAGMA page_size").getInt() == 4096);
}

TEST_CASE("a record costs two indexes: the primary key and request_id")
{
    SqliteDatabase database;
    auto repository = database.open();
    const auto plan = [&](const std::string& sql) {
        SQLite::Statement query{repository.connection(), "EXPLAIN QUERY PLAN " + sql};
        std::string text;
        while (query.executeStep())
            text += query.getColumn(3).getString() + "; ";
        return text;
    };
    CHECK(repository.connection()
              .execAndGet("SELECT count(*) FROM sqlite_master WHERE type = 'index' AND tbl_name ="
                          " 'records'")
              .getInt() == 1);
    CHECK_THAT(plan("SELECT * FROM records WHERE request_id >= 'a' AND created_at >= 'b' ORDER BY request_id "
                    "DESC LIMIT 9"),
               ContainsSubstring("USING INDEX records_request_id") && !ContainsSubstring("TEMP B-TREE"));
    CHECK_THAT(plan("SELECT * FROM attempts WHERE request_id = 'a' ORDER BY number"),
               ContainsSubstring("USING PRIMARY KEY") && !ContainsSubstring("TEMP B-TREE"));
}

TEST_CASE("a newer schema, or no database at all, is told apart from one that is away")
{
    TempDir directory;
    const auto path = directory / "db.sqlite";
    auto kind = StorageError::Kind::broken;
    SECTION("newer")
    {
        SQLite::Database{path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE}.exec("PRAGMA user_version = 99");
        CHECK_THROWS_WITH(SqliteRepository{impatient(path)}, ContainsSubstring("newer version"));
    }
    SECTION("something else")
    {
        std::ofstream{path} << std::string(5000, 'x');
        kind = StorageError::Kind::damaged;
    }
    CHECK(kind_thrown([&] { SqliteRepository{impatient(path)}; }) == kind);
}

TEST_CASE("a file that can not be opened is unavailable")
{
    TempDir directory;
    auto options = impatient(directory / "no-such-directory/db.sqlite");
    CHECK(kind_thrown([&] { SqliteRepository{options}; }) == StorageError::Kind::unavailable);
    options = impatient(directory / "db.sqlite");
    options.create = false;
    CHECK(kind_thrown([&] { SqliteRepository{options}; }) == StorageError::Kind::unavailable);
    CHECK_FALSE(std::filesystem::exists(options.path));
}

TEST_CASE("what is only to be opened is not made: neither the file nor its tables")
{
    TempDir directory;
    auto options = impatient(directory / "db.sqlite");
    options.create = false;
    CHECK_THROWS_WITH(SqliteRepository{options},
                      ContainsSubstring("db.sqlite: No such file") && ContainsSubstring("`serve` makes it"));
    std::ofstream{options.path}.close();
    CHECK_THROWS_WITH(SqliteRepository{options}, ContainsSubstring("has no tables of this program"));
    CHECK(kind_thrown([&] { SqliteRepository{options}; }) == StorageError::Kind::unavailable);
    CHECK(std::filesystem::file_size(options.path) == 0);
}

TEST_CASE("another database in the place of the one before is refused and left as it is")
{
    SqliteDatabase database;
    auto options = impatient(database.path());
    options.create = false;
    options.identity = std::make_shared<SchemaIdentity>();
    database.open();
    {
        SqliteRepository{options};
    }
    TempDir elsewhere;
    const auto original = elsewhere / "db.sqlite";
    std::filesystem::rename(database.path(), original);
    int version = 6;
    SECTION("made anew")
    {
        database.open();
    }
    SECTION("by an earlier version")
    {
        version = 2;
        make_old_database(database.path(), 1, version);
    }
    CHECK_THROWS_WITH(SqliteRepository{options},
                      ContainsSubstring("another database than before") && ContainsSubstring("restart"));
    CHECK(kind_thrown([&] { SqliteRepository{options}; }) == StorageError::Kind::unavailable);
    CHECK(SQLite::Database{database.path()}.execAndGet("PRAGMA user_version").getInt() == version);
    std::filesystem::copy_file(original, database.path(), std::filesystem::copy_options::overwrite_existing);
    SqliteRepository{options};
}

TEST_CASE("records are not written into a database that took the place of the one before in its file")
{
    SqliteDatabase database;
    auto options = impatient(database.path());
    options.identity = std::make_shared<SchemaIdentity>();
    SqliteRepository repository{options};
    const auto record = sample_record(1);
    repository.insert(std::span{&record, 1});
    const SqliteDatabase other;
    other.open();
    {
        SQLite::Database target{database.path(), SQLite::OPEN_READWRITE};
        SQLite::Database source{other.path()};
        SQLite::Backup{target, source}.executeStep();
    }
    const auto next = sample_record(2);
    CHECK(kind_thrown([&] { repository.insert(std::span{&next, 1}); }) == StorageError::Kind::unavailable);
    CHECK(repository.record_count() == 0);
}

TEST_CASE("a dump that was read back has no version, and is taken as it is")
{
    SqliteDatabase database;
    {
        auto repository = database.open();
        const auto record = sample_record(1);
        repository.insert(std::span{&record, 1});
    }
    database.execute("PRAGMA user_version = 0");
    CHECK(database.open().find_record(request_id(1)));
    CHECK_FALSE(std::filesystem::exists(database.path() + ".v0.3.0"));
}

TEST_CASE("a read-only connection reads and does not write")
{
    SqliteDatabase database;
    auto writer = database.open();
    const auto record = sample_record(1);
    writer.insert(std::span{&record, 1});
    auto options = impatient(database.path());
    options.read_only = true;
    SqliteRepository reader{options};
    CHECK(reader.find_record(record.request_id));
    const auto another = sample_record(2);
    CHECK(kind_thrown([&] { reader.insert(std::span{&another, 1}); }) == StorageError::Kind::unavailable);
}

TEST_CASE("threads that open an empty path together make one database")
{
    SqliteDatabase database;
    std::atomic<int> opened{0};
    std::atomic<int> first_keys{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i)
        threads.emplace_back([&, i] {
            try {
                auto repository = database.open();
                first_keys += repository.add_first_client_key("first", hash_key(std::to_string(i))) ? 1 : 0;
                const auto record = sample_record(static_cast<std::uint64_t>(i));
                repository.insert(std::span{&record, 1});
                ++opened;
            } catch (const std::exception& error) {
                UNSCOPED_INFO(error.what());
            }
        });
    for (auto& thread : threads)
        thread.join();
    CHECK(opened == 8);
    CHECK(first_keys == 1);
    CHECK(database.open().record_count() == 8);
    CHECK(mode_of(database.path()) == 0600);
}

TEST_CASE("processes that open an empty path together make one database")
{
    SqliteDatabase database;
    std::vector<pid_t> children;
    for (int i = 0; i < 4; ++i) {
        const auto child = ::fork();
        if (child == 0) {
            try {
                auto repository = database.open();
                const auto record = sample_record(static_cast<std::uint64_t>(i));
                repository.insert(std::span{&record, 1});
                ::_exit(0);
            } catch (...) {
                ::_exit(1);
            }
        }
        children.push_back(child);
    }
    for (const auto child : children) {
        int status = -1;
        ::waitpid(child, &status, 0);
        CHECK(status == 0);
    }
    CHECK(database.open().record_count() == 4);
}

TEST_CASE("a locked database is unavailable and can be read")
{
    SqliteDatabase database;
    auto holder = database.open();
    SqliteRepository repository{impatient(database.path())};
    WriteTransaction lock{holder.connection()};
    const auto record = sample_record(1);
    CHECK(kind_thrown([&] { repository.insert(std::span{&record, 1}); }) == StorageError::Kind::unavailable);
    CHECK(repository.upstreams().empty());
    // A router with keys starts while another holds the lock.
    SqliteRepository another{impatient(database.path())};
    CHECK(another.client_keys().empty());
}

TEST_CASE("a full disk is unavailable, and the database works again when it is not full")
{
    SqliteDatabase database;
    auto repository = database.open();
    auto& connection = repository.connection();
    const auto pages = connection.execAndGet("PRAGMA page_count").getInt();
    connection.exec("PRAGMA max_page_count = " + std::to_string(pages + 1));
    auto record = sample_record(1);
    record.body.assign(200'000, 'x');
    CHECK(kind_thrown([&] { repository.insert(std::span{&record, 1}); }) == StorageError::Kind::unavailable);
    connection.exec("PRAGMA max_page_count = 1000000");
    repository.insert(std::span{&record, 1});
    CHECK(repository.record_count() == 1);
}

TEST_CASE("a file that is moved away takes no more records")
{
    SqliteDatabase database;
    auto repository = database.open();
    std::filesystem::rename(database.path(), database.path() + ".moved");
    const auto record = sample_record(1);
    CHECK(kind_thrown([&] { repository.insert(std::span{&record, 1}); }) == StorageError::Kind::unavailable);
    std::filesystem::rename(database.path() + ".moved", database.path());
    repository.insert(std::span{&record, 1});
}
