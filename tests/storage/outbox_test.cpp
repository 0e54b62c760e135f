#include "storage/outbox.hpp"

#include <algorithm>

#include "storage/sqlite/sqlite_repository.hpp"
#include "tests/storage/samples.hpp"
#include "tests/storage/tempdir.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::storage;
using namespace route::test;

namespace {

std::vector<Record> samples(std::uint64_t count)
{
    std::vector<Record> records;
    for (std::uint64_t i = 0; i < count; ++i)
        records.push_back(sample_record(i));
    return records;
}

}  // namespace

TEST_CASE("an outbox makes its file, privately, when a record needs it")
{
    TempDir directory;
    const auto path = directory / "outbox.sqlite";
    Outbox outbox{path};
    CHECK(outbox.size() == 0);
    CHECK(outbox.oldest(10, 1000).empty());
    CHECK_FALSE(std::filesystem::exists(path));
    outbox.insert(samples(1));
    CHECK(mode_of(path) == 0600);
    CHECK(outbox.size() == 1);
}

TEST_CASE("an outbox gives its records back whole, oldest first, also to the next run")
{
    TempDir directory;
    const auto records = samples(5);
    {
        Outbox outbox{directory / "outbox.sqlite"};
        outbox.insert(records);
    }
    Outbox outbox{directory / "outbox.sqlite"};
    CHECK(outbox.size() == 5);
    const auto first = outbox.oldest(2, 1 << 20);
    REQUIRE(first.size() == 2);
    CHECK(first[0].request_id == records[0].request_id);
    CHECK(first[0].attempts == records[0].attempts);
    CHECK(first[0].body == records[0].body);
    CHECK(outbox.oldest(5, 1).size() == 1);  // a bound of bytes lets at least one through
    outbox.erase(first);
    CHECK(outbox.size() == 3);
    CHECK(outbox.oldest(9, 1 << 20).front().request_id == records[2].request_id);
    outbox.erase(outbox.oldest(9, 1 << 20));
    CHECK(outbox.size() == 0);
    CHECK(outbox.oldest(9, 1 << 20).empty());
}

TEST_CASE("two routers may share an outbox")
{
    TempDir directory;
    Outbox one{directory / "outbox.sqlite"};
    one.insert(samples(3));
    Outbox two{directory / "outbox.sqlite"};
    two.erase(two.oldest(2, 1 << 20));
    CHECK(one.size() == 3);
    const auto rest = one.oldest(9, 1 << 20);
    CHECK(rest.size() == 1);
    one.erase(rest);
    CHECK(two.oldest(9, 1 << 20).empty());
    CHECK(two.size() == 0);
    one.insert(samples(1));
    two.recount();
    CHECK(two.size() == 1);
}

TEST_CASE("an emptied outbox gives its space back")
{
    TempDir directory;
    const auto path = directory / "outbox.sqlite";
    {
        Outbox outbox{path};
        auto records = samples(1500);
        for (auto& record : records)
            record.body.assign(2000, 'x');
        outbox.insert(records);
        while (outbox.size() > 0)
            outbox.erase(outbox.oldest(1000, 1 << 30));
    }
    CHECK(std::filesystem::file_size(path) < 1'000'000);
}

TEST_CASE("an outbox that is deleted is made again")
{
    TempDir directory;
    const auto path = directory / "outbox.sqlite";
    Outbox outbox{path};
    outbox.insert(samples(1));
    for (const auto* suffix : {"", "-wal", "-shm"})
        std::filesystem::remove(path + suffix);
    CHECK(outbox.oldest(9, 1 << 20).empty());
    CHECK(outbox.size() == 0);
    outbox.insert(samples(2));
    CHECK(outbox.size() == 2);
}

TEST_CASE("without a path there is no outbox")
{
    Outbox outbox{""};
    CHECK(outbox.oldest(1, 1).empty());
    CHECK_THROWS_AS(outbox.insert(samples(1)), StorageError);
}

TEST_CASE("upstreams and keys are remembered for a start without the database")
{
    TempDir directory;
    const auto path = directory / "outbox.sqlite";
    CHECK_FALSE(remembered(path));
    Outbox{path}.insert(samples(1));
    CHECK_FALSE(remembered(path));
    UpstreamsAndKeys known;
    known.upstreams.resize(2);
    known.upstreams[0].id = 9;
    known.upstreams[0].sk = "sk-1";
    known.upstreams[0].priority = -1;
    known.upstreams[1].id = 3;
    known.upstreams[1].sk = "sk-2";
    known.keys.push_back({4, "alice", hash_key("a"), "2026-01-31T12:00:00.123Z"});
    remember(path, {known, true});
    CHECK(mode_of(path) == 0600);
    CHECK(remembered(path)->known == known);
    CHECK(remembered(path)->ever_had_upstream);
    known.upstreams.pop_back();
    remember(path, {known, true});
    CHECK(remembered(path)->known == known);
    CHECK(Outbox{path}.size() == 1);
    // That there is nothing is known, too.
    remember(path, {});
    CHECK(remembered(path)->known == UpstreamsAndKeys{});
    CHECK_FALSE(remembered(path)->ever_had_upstream);
}

TEST_CASE("rows that are the same to SQLite alone do not keep the others from being remembered")
{
    TempDir directory;
    const auto path = directory / "outbox.sqlite";
    UpstreamsAndKeys known;
    known.upstreams.resize(3);
    known.upstreams[0].id = 1;
    known.upstreams[1].id = 2;
    known.upstreams[2].id = 3;
    known.upstreams[2].sk = "sk-3";
    remember(path, {known, true});
    CHECK(remembered(path)->known.upstreams.size() == 2);
}

namespace {

constexpr std::chrono::seconds enough{60};  // to look through a small file, however slow the machine is

/// A file of some pages with as many records.
void fill(const std::string& path, std::uint64_t count)
{
    auto records = samples(count);
    for (auto& record : records)
        record.body.assign(20'000, 'x');
    Outbox{path}.insert(records);
}

void overwrite(const std::string& path, std::streamoff from, std::size_t bytes)
{
    std::fstream file{path, std::ios::binary | std::ios::in | std::ios::out};
    file.seekp(from);
    file << std::string(bytes, 'x');
}

std::vector<std::string> set_aside(const TempDir& directory)
{
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator{directory / ""})
        if (entry.path().filename().string().starts_with("outbox.sqlite.broken-"))
            names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace

TEST_CASE("a damaged outbox is set aside at the start, and a new one takes records")
{
    TempDir directory;
    const auto path = directory / "outbox.sqlite";
    constexpr std::streamoff page = 32768;
    SECTION("no database")
    {
        std::ofstream{path} << std::string(5'000, 'x');
    }
    SECTION("a few bytes")
    {
        std::ofstream{path} << "oops";
    }
    SECTION("truncated")
    {
        fill(path, 20);
        std::filesystem::resize_file(path, 3 * page + 100);
    }
    SECTION("a page in the middle overwritten")
    {
        fill(path, 20);
        overwrite(path, 8 * page, 1'000);
        overwrite(path, 9 * page, 1'000);
    }
    std::ofstream{path + "-wal"} << "of the damaged one";
    const auto was = read_bytes(path);
    Outbox outbox{path};
    outbox.check(enough);
    const auto names = set_aside(directory);
    REQUIRE(!names.empty());
    CHECK(read_bytes(directory / names.front()) == was);
    CHECK(outbox.damage() == "the outbox was damaged and is set aside as " + names.front());
    CHECK(outbox.size() == 0);
    outbox.insert(samples(2));
    CHECK(outbox.oldest(9, 1 << 20).size() == 2);
    CHECK(mode_of(path) == 0600);
    outbox.check(enough);
    CHECK(set_aside(directory) == names);
}

TEST_CASE("an outbox that is damaged while it is in use is set aside, and takes what comes")
{
    TempDir directory;
    const auto path = directory / "outbox.sqlite";
    fill(path, 20);
    Outbox outbox{path};
    CHECK(outbox.size() == 20);
    for (const auto* suffix : {"-wal", "-shm"})
        std::filesystem::remove(path + suffix);
    overwrite(path, 0, 200'000);
    for (int i = 0; i < 3 && outbox.damage().empty(); ++i)
        outbox.insert(samples(2));
    CHECK(set_aside(directory).size() >= 1);
    CHECK(outbox.oldest(9, 1 << 20).size() == 2);
}

TEST_CASE("an outbox that only cannot be used now is not set aside")
{
    TempDir directory;
    const auto path = directory / "outbox.sqlite";
    fill(path, 2);
    SECTION("locked")
    {
        SQLite::Database holder{path, SQLite::OPEN_READWRITE};
        holder.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
        Outbox outbox{path};
        CHECK_THROWS_AS(outbox.check(enough), StorageError);
        CHECK(outbox.damage().empty());
    }
    SECTION("of a newer version")
    {
        SQLite::Database{path, SQLite::OPEN_READWRITE}.exec("PRAGMA user_version = 99");
        Outbox outbox{path};
        CHECK_THROWS_WITH(outbox.check(enough), ContainsSubstring("newer version"));
        SQLite::Database{path, SQLite::OPEN_READWRITE}.exec("PRAGMA user_version = 6");
    }
    SECTION("a directory")
    {
        std::filesystem::rename(path, directory / "kept");
        std::filesystem::create_directory(path);
        Outbox outbox{path};
        CHECK_THROWS_AS(outbox.check(enough), StorageError);
        std::filesystem::remove(path);
        std::filesystem::rename(directory / "kept", path);
    }
    SECTION("not looked through to the end")
    {
        Outbox{path}.check({});
    }
    CHECK(set_aside(directory).empty());
    CHECK(Outbox{path}.size() == 2);
}

TEST_CASE("an outbox that could not be made is told of before a record needs it")
{
    TempDir directory;
    const auto path = directory / "no-such-directory/outbox.sqlite";
    Outbox outbox{path};
    CHECK_THROWS_WITH(outbox.check(enough), ContainsSubstring("outbox.sqlite can not be made: No such file"));
    std::filesystem::create_directory(directory / "no-such-directory");
    outbox.check(enough);
    CHECK(std::filesystem::is_empty(directory / "no-such-directory"));
    Outbox{""}.check(enough);
}

TEST_CASE("an outbox that others may read is made private")
{
    TempDir directory;
    const auto path = directory / "outbox.sqlite";
    fill(path, 1);
    std::filesystem::permissions(path, std::filesystem::perms{0644});
    Outbox{path}.check(enough);
    CHECK(mode_of(path) == 0600);
}
