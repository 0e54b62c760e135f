#include <boost/json.hpp>

#include "core/uuid.hpp"
#include "tests/app/command_line.hpp"
#include "tests/support/catch.hpp"

namespace route::tests {
namespace {

const SystemTime noon = std::chrono::sys_days{std::chrono::year{2026} / 1 / 31} + std::chrono::hours{12};

/// A database with one upstream, one key and one record.
void fill(CommandLine& line)
{
    line.ok({"upstream", "add", "--sk", "sk-0123456789abcdef", "--name", "one"});
    line.database().add_client_key("alice", hash_key("a"));
    Record record;
    record.request_id = uuid_v7(noon, 1, 1);
    record.created_at = noon;
    record.key_name = "alice";
    line.database().insert(std::span{&record, 1});
}

TEST_CASE("db status shows version, sizes and the outbox")
{
    CommandLine line;
    fill(line);
    const auto shown = line.ok({"db", "status"});
    CHECK_THAT(shown, ContainsSubstring("SQLite") && ContainsSubstring("schema version 6"));
    CHECK_THAT(shown, ContainsSubstring("2026-01-31T12:00:00.000Z to 2026-01-31T12:00:00.000Z"));
    CHECK_THAT(shown, ContainsSubstring("outbox.sqlite, not there: nothing waits"));

    const auto json = boost::json::parse(line.ok({"db", "status", "--json"}));
    CHECK(json.at("database").as_string() == line.database_path());
    CHECK(json.at("schema_version").as_int64() == 6);
    CHECK(json.at("bytes").as_int64() > 0);
    CHECK(json.at("partitions").as_int64() == 0);
    CHECK(json.at("outbox").at("records").as_int64() == 0);
    std::string rows;
    for (const auto& table : json.at("tables").as_array())
        rows += std::string{table.at("name").as_string()} + " " +
                std::to_string(table.at("rows").as_int64()) + "\n";
    CHECK(rows == "openai_upstreams 1\nclient_keys 1\nrecords 1\nattempts 0\nmade_by 0\n");
}

TEST_CASE("db copy copies, and says what was there when it is repeated")
{
    CommandLine line;
    fill(line);
    const auto other = (line.directory / "other.sqlite").string();
    const std::vector<std::string> arguments{
        "db", "copy", "--from", "sqlite:" + line.database_path(), "--to", "sqlite:" + other};
    const auto first = line.run(arguments);
    CHECK(first.code == 0);
    CHECK(first.out == "upstreams: 1 copied\nclient keys: 1 copied\nrecords: 1, all of them there\n");
    CHECK(first.err == "1 of 1 record, 100 %\n");
    CHECK_THAT(line.run(arguments).out, ContainsSubstring("upstreams: 0 copied (1 more were there)"));
    const auto list = line.run({"upstream", "list", "--database", other}).out;
    CHECK_THAT(list, ContainsSubstring("one") && ContainsSubstring("sk-0…cdef"));
}

TEST_CASE("db copy refuses what it does not understand, and makes no file of what it reads")
{
    CommandLine line;
    const auto to = "sqlite:" + (line.directory / "other.sqlite").string();
    const auto wrong = line.run({"db", "copy", "--from", line.database_path(), "--to", to});
    CHECK(wrong.code == 2);
    CHECK_THAT(wrong.err, ContainsSubstring("--from: expected sqlite:PATH or postgresql://"));
    CHECK(line.run({"db", "copy", "--from", to}).code == 2);
    const auto told = line.run({"db", "copy", "--from", "postgresql://u:sec@ret@h/d", "--to", to});
    CHECK(told.code == 2);
    CHECK_THAT(told.err, ContainsSubstring("percent-encoded") && !ContainsSubstring("ret@h"));

    const auto absent = (line.directory / "absent.sqlite").string();
    CHECK(line.run({"db", "copy", "--from", "sqlite:" + absent, "--to", to}).code == 1);
    CHECK_FALSE(std::filesystem::exists(absent));
    CHECK_FALSE(std::filesystem::exists(line.directory / "other.sqlite"));
}

TEST_CASE("db backup writes a whole copy, and nothing over a file that is there")
{
    CommandLine line;
    fill(line);
    const auto backup = (line.directory / "backup.sqlite").string();
    CHECK_THAT(line.ok({"db", "backup", backup}),
               ContainsSubstring("backup.sqlite: 1 record, 1 upstream and 1 client key"));
    const auto again = line({"db", "backup", backup});
    CHECK(again.code == 1);
    CHECK_THAT(again.err, ContainsSubstring("is there already: --force replaces it"));
    line.ok({"db", "backup", "--force", backup});
    CHECK_THAT(line.run({"upstream", "list", "--database", backup}).out, ContainsSubstring("one"));
    const auto absent = line.run({"db", "backup", "other", "--database", backup + ".absent"});
    CHECK(absent.code == 1);
    CHECK_FALSE(std::filesystem::exists(backup + ".absent"));
}

TEST_CASE("db backup names the program that backs up a PostgreSQL, and no password")
{
    CommandLine line;
    const auto told =
        line.run({"db", "backup", "it's.dump", "--database", "postgresql://u:secret@db.example/d"});
    CHECK(told.code == 1);
    CHECK_THAT(
        told.err,
        ContainsSubstring(
            R"(pg_dump --format=custom --file='it'\''s.dump' --dbname='postgresql://u@db.example/d')"));
}

}  // namespace
}  // namespace route::tests
