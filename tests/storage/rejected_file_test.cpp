#include "storage/rejected_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "tests/storage/samples.hpp"
#include "tests/storage/small_disk.hpp"
#include "tests/storage/tempdir.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::storage;
using namespace route::test;

namespace {

std::vector<std::string> request_ids_in(const std::string& path)
{
    std::ifstream file{path};
    std::vector<std::string> ids;
    for (std::string line; std::getline(file, line);)
        ids.emplace_back(boost::json::parse(line).at("request_id").as_string());
    return ids;
}

}  // namespace

TEST_CASE("a refused record that only half fits on the disk leaves nothing of itself")
{
    TempDir directory;
    const auto path = directory / "rejected-records.jsonl";
    RejectedFile file{path};
    CHECK(file.add(sample_record(1), "refused"));
    const auto size = std::filesystem::file_size(path);
    {
        const SmallDisk disk{size + 100};
        CHECK_FALSE(file.add(sample_record(2), "refused"));
        CHECK(file.failing());
    }
    CHECK(std::filesystem::file_size(path) == size);
    CHECK(file.add(sample_record(3), "refused"));
    CHECK_FALSE(file.failing());
    CHECK(request_ids_in(path) == std::vector{request_id(1), request_id(3)});
    CHECK(mode_of(path) == 0600);
}

TEST_CASE("half a line that an earlier run left does not spoil the next one")
{
    TempDir directory;
    const auto path = directory / "rejected-records.jsonl";
    std::ofstream{path} << R"({"request_id":"cut)";
    CHECK(RejectedFile{path}.add(sample_record(1), "refused"));
    std::ifstream file{path};
    std::string line;
    std::getline(file, line);
    CHECK(line == R"({"request_id":"cut)");
    std::getline(file, line);
    CHECK(boost::json::parse(line).at("request_id").as_string() == request_id(1));
}

TEST_CASE("a file for refused records that cannot be written is told of before one needs it")
{
    TempDir directory;
    SECTION("in no directory")
    {
        RejectedFile file{directory / "no-such-directory/rejected-records.jsonl"};
        CHECK_FALSE(file.check());
        CHECK(file.failing());
        std::filesystem::create_directory(directory / "no-such-directory");
        CHECK(file.check());
        CHECK_FALSE(file.failing());
        CHECK(std::filesystem::is_empty(directory / "no-such-directory"));
    }
    SECTION("which is none")
    {
        std::filesystem::create_directory(directory / "rejected-records.jsonl");
        CHECK_FALSE(RejectedFile{directory / "rejected-records.jsonl"}.check());
    }
}

TEST_CASE("a file of refused records that others may read is made private")
{
    TempDir directory;
    const auto path = directory / "rejected-records.jsonl";
    std::ofstream{path} << "{}\n";
    std::filesystem::permissions(path, std::filesystem::perms{0644});
    CHECK(RejectedFile{path}.check());
    CHECK(mode_of(path) == 0600);
    CHECK(read_bytes(path) == "{}\n");
}

TEST_CASE("a file of refused records that another process keeps locked is not waited for")
{
    TempDir directory;
    const auto path = directory / "rejected-records.jsonl";
    RejectedFile file{path};
    CHECK(file.add(sample_record(1), "refused"));
    const int other = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    REQUIRE(::flock(other, LOCK_EX) == 0);
    CHECK_FALSE(file.add(sample_record(2), "refused"));
    CHECK(file.failing());
    ::close(other);
    CHECK(file.add(sample_record(3), "refused"));
    CHECK(request_ids_in(path) == std::vector{request_id(1), request_id(3)});
}
