#include <cstdio>
#include <memory>

#include "storage/null_repository.hpp"
#include "tests/storage/databases.hpp"
#include "tests/storage/kind_thrown.hpp"
#include "tests/storage/samples.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::storage;
using namespace route::test;
using namespace std::chrono_literals;

namespace {

UpstreamDefinition full_definition()
{
    UpstreamDefinition definition;
    definition.name = "azure";
    definition.sk = "sk-one";
    definition.endpoint = "https://azure.example.com/v1";
    definition.priority = 3;
    definition.weight = 5;
    definition.timeout = 2.5s;
    definition.stream_timeout = 1s;
    definition.allow = {"gpt-*", "o1 \"quoted\""};
    definition.deny = {"gpt-3*"};
    definition.rename = {{"gpt-4", "my-gpt-4"}};
    definition.proxy = "http://proxy:3128";
    definition.enabled = false;
    definition.retries = 0;
    definition.first_content_timeout = 0s;
    definition.hedge_after = 1.25s;
    definition.max_in_flight = 7;
    definition.headers = {{"User-Agent", ""}, {"X-Title", "an \"upstream\""}, {"X-Token", "env:TOKEN"}};
    definition.set = {{"store", "false"}, {"provider \"x\"", "{ \"only\": [1.50, null] }"}};
    definition.unset = {"user", "a \"b\""};
    definition.key_header = "api-key";
    return definition;
}

UpstreamDefinition small_definition(const std::string& sk, const std::string& name = "")
{
    UpstreamDefinition definition;
    definition.sk = sk;
    definition.name = name;
    return definition;
}

KeyHash hash_of(unsigned char byte)
{
    KeyHash hash;
    hash.fill(byte);
    return hash;
}

/// Ids of rows, removed ones included.
std::vector<std::int64_t> rows_with_secrets(const SqliteDatabase& database)
{
    SQLite::Database file{database.path()};
    SQLite::Statement row{
        file, "SELECT id FROM openai_upstreams WHERE sk <> '' OR proxy <> '' OR headers <> '{}' ORDER BY id"};
    std::vector<std::int64_t> ids;
    while (row.executeStep())
        ids.push_back(row.getColumn(0).getInt64());
    return ids;
}

std::vector<std::int64_t> rows_with_secrets(const PostgresDatabase& database)
{
    std::vector<std::int64_t> ids;
    for (const auto& row : database.execute(
             "SELECT id FROM openai_upstreams WHERE sk <> '' OR proxy <> '' OR headers <> '{}' ORDER BY id"))
        ids.push_back(row[0].as<std::int64_t>());
    return ids;
}

/// As the version was that left keys there.
void make_older(const SqliteDatabase& database)
{
    database.execute("PRAGMA user_version = 3");
}

void make_older(const PostgresDatabase&)
{
}

/// Of the database and its -wal. Read by another process: closing them here would drop the locks of this one.
int count_in_files(const std::string& path, const std::string& text)
{
    const auto command = "cat '" + path + "' '" + path + "-wal' | grep -aoF '" + text + "' | wc -l";
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe{::popen(command.c_str(), "r"), ::pclose};
    int count = -1;
    REQUIRE(std::fscanf(pipe.get(), "%d", &count) == 1);
    return count;
}

}  // namespace

TEMPLATE_TEST_CASE("an upstream is read back as it was added", "", SqliteDatabase, PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    CHECK_FALSE(repository.ever_had_upstream());
    auto definition = full_definition();
    definition.id = repository.add_upstream(definition);
    CHECK(repository.upstreams() == std::vector{definition});
    CHECK(repository.ever_had_upstream());
}

TEMPLATE_TEST_CASE("an endpoint and a key make a complete upstream in SQL", "", SqliteDatabase,
                   PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    database.execute(
        "INSERT INTO openai_upstreams (sk, endpoint) VALUES ('sk-two', 'https://api.example.com/v1')");
    auto expected = small_definition("sk-two");
    expected.id = 1;
    expected.endpoint = "https://api.example.com/v1";
    CHECK(repository.upstreams() == std::vector{expected});
}

TEMPLATE_TEST_CASE("NULL in a column of an upstream means its default", "", SqliteDatabase, PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    database.execute(
        "INSERT INTO openai_upstreams (sk, endpoint, timeout, name, priority, weight, stream_timeout, allow, "
        "deny, rename,"
        " proxy, enabled, created_at, retries, first_content_timeout, hedge_after, max_in_flight, headers,"
        " \"set\", unset, key_header) VALUES ('sk-two', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "
        "NULL, NULL, NULL,"
        " NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)");
    auto expected = small_definition("sk-two");
    expected.id = 1;
    CHECK(repository.upstreams() == std::vector{expected});
}

TEMPLATE_TEST_CASE("what is no JSON list in a row is kept as it is until it is set", "", SqliteDatabase,
                   PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    struct Row
    {
        const char* column;
        const char* text;
    };
    const Row row = GENERATE(values<Row>({{"allow", "[\"a\""},
                                          {"deny", "[1]"},
                                          {"deny", "{}"},
                                          {"rename", "[]"},
                                          {"rename", "{\"a\":1}"},
                                          {"headers", "{\"a\":1}"},
                                          {"headers", "X: y"},
                                          {"set", "[]"},
                                          {"set", "{\"a\":1,\"a\":2}"},
                                          {"unset", "{}"}}));
    database.execute(std::string{"INSERT INTO openai_upstreams (sk, \""} + row.column + "\") VALUES ('x', '" +
                     row.text + "')");
    auto upstreams = repository.upstreams();
    REQUIRE(upstreams.size() == 1);
    auto expected = small_definition("x");
    expected.id = 1;
    expected.unreadable = {{row.column, row.text}};
    CHECK(upstreams.front() == expected);
    expected.priority = 7;
    CHECK(repository.update_upstream(expected));
    CHECK(repository.upstreams() == std::vector{expected});
    repository.write_upstreams({expected});
    CHECK(repository.upstreams() == std::vector{expected});
    expected.unreadable.clear();
    CHECK(repository.update_upstream(expected));
    CHECK(repository.upstreams() == std::vector{expected});
}

TEMPLATE_TEST_CASE("upstreams come by priority, then by id", "", SqliteDatabase, PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    auto late = small_definition("sk-late");
    late.priority = 1;
    repository.add_upstream(late);
    repository.add_upstream(small_definition("sk-b"));
    repository.add_upstream(small_definition("sk-c"));
    auto first = small_definition("sk-first");
    first.priority = -1;
    repository.add_upstream(first);
    std::string order;
    for (const auto& upstream : repository.upstreams())
        order += upstream.sk + " ";
    CHECK(order == "sk-first sk-b sk-c sk-late ");
}

TEMPLATE_TEST_CASE("a taken name or endpoint is a conflict that is named", "", SqliteDatabase,
                   PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    repository.add_upstream(small_definition("sk-1", "one"));
    CHECK_THROWS_WITH(repository.add_upstream(small_definition("sk-2", "one")),
                      ContainsSubstring("name \"one\""));
    CHECK_THROWS_WITH(repository.add_upstream(small_definition("sk-1", "two")),
                      ContainsSubstring("endpoint"));
    CHECK_THROWS_WITH(repository.add_upstream(small_definition("sk-1", "two")), !ContainsSubstring("sk-1"));
    CHECK(kind_thrown([&] { repository.add_upstream(small_definition("sk-1")); }) ==
          StorageError::Kind::conflict);
    // Rows without a name do not have the same one.
    repository.add_upstream(small_definition("sk-3"));
    repository.add_upstream(small_definition("sk-4"));
    database.execute("INSERT INTO openai_upstreams (sk, name) VALUES ('sk-5', ''), ('sk-6', '')");

    auto second = small_definition("sk-2", "two");
    second.id = repository.add_upstream(second);
    second.name = "one";
    CHECK(kind_thrown([&] { repository.update_upstream(second); }) == StorageError::Kind::conflict);
}

TEMPLATE_TEST_CASE("an upstream is changed and removed", "", SqliteDatabase, PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    auto definition = full_definition();
    definition.id = repository.add_upstream(definition);
    definition.name = "";
    definition.timeout.reset();
    definition.enabled = true;
    definition.allow.clear();
    CHECK(repository.update_upstream(definition));
    CHECK(repository.upstreams() == std::vector{definition});

    CHECK(repository.remove_upstream(definition.id));
    CHECK_FALSE(repository.remove_upstream(definition.id));
    CHECK_FALSE(repository.update_upstream(definition));
    CHECK(repository.upstreams().empty());
    CHECK(repository.ever_had_upstream());
    // What is removed leaves its name and endpoint to others.
    CHECK(repository.add_upstream(definition) != definition.id);
}

TEMPLATE_TEST_CASE("a removed upstream leaves no key in its row", "", SqliteDatabase, PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    const auto remaining = repository.add_upstream(small_definition("sk-remaining"));
    auto definition = full_definition();
    definition.proxy = "http://user:password@proxy:3128";
    CHECK(repository.remove_upstream(repository.add_upstream(definition)));
    CHECK(repository.remove_upstream(repository.add_upstream(small_definition("sk-two"))));
    CHECK(rows_with_secrets(database) == std::vector{remaining});
}

TEMPLATE_TEST_CASE("the key that an earlier version left in the row of a removed upstream is erased", "",
                   SqliteDatabase, PostgresDatabase)
{
    TestType database;
    const auto remaining = database.open().add_upstream(small_definition("sk-remaining"));
    database.execute(
        "INSERT INTO openai_upstreams (sk, proxy, deleted_at) VALUES ('sk-old', '', '2026-01-31')");
    make_older(database);
    database.open();
    CHECK(rows_with_secrets(database) == std::vector{remaining});
}

TEST_CASE("keys that were replaced or removed are nowhere in the file, while a router has it open")
{
    SqliteDatabase database;
    auto router = database.open();
    const auto record = sample_record(1);
    router.insert(std::span{&record, 1});
    CHECK(router.upstreams().empty());
    {
        auto repository = database.open();
        for (int i = 0; i < 40; ++i)
            repository.add_upstream(small_definition("sk-of-another-" + std::to_string(i)));
        auto definition = small_definition("sk-before-0123456789");
        definition.id = repository.add_upstream(definition);
        definition.priority = 7;  // the row moves
        definition.name = std::string(60, 'n');
        CHECK(repository.update_upstream(definition));
        definition.sk = "sk-after-0123456789";
        CHECK(repository.update_upstream(definition));
        CHECK(count_in_files(database.path(), "sk-before-0123456789") == 0);
        CHECK(count_in_files(database.path(), "sk-after-0123456789") > 0);
        CHECK(repository.remove_upstream(definition.id));
        CHECK(count_in_files(database.path(), "sk-after-0123456789") == 0);
        CHECK(count_in_files(database.path(), "sk-of-another-39") > 0);
    }
    CHECK(router.upstreams().size() == 40);
}

TEMPLATE_TEST_CASE("upstreams are written together, even when they exchange names and keys", "",
                   SqliteDatabase, PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    auto one = small_definition("sk-1", "one");
    auto two = small_definition("sk-2", "two");
    one.id = repository.add_upstream(one);
    two.id = repository.add_upstream(two);
    std::swap(one.sk, two.sk);
    std::swap(one.name, two.name);
    auto three = small_definition("sk-3", "three");
    const auto ids = repository.write_upstreams({three, two, one});
    REQUIRE(ids.size() == 3);
    CHECK(ids[1] == two.id);
    CHECK(ids[2] == one.id);
    three.id = ids[0];
    CHECK(repository.upstreams() == std::vector{one, two, three});
}

TEMPLATE_TEST_CASE("of upstreams written together all are or none", "", SqliteDatabase, PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    auto one = small_definition("sk-1", "one");
    auto two = small_definition("sk-2", "two");
    one.id = repository.add_upstream(one);
    two.id = repository.add_upstream(two);
    const auto before = repository.upstreams();
    auto changed = one;
    changed.priority = 9;
    auto gone = small_definition("sk-9", "gone");
    gone.id = 77;
    CHECK(kind_thrown([&] { repository.write_upstreams({changed, gone}); }) == StorageError::Kind::conflict);
    CHECK(repository.upstreams() == before);
    const auto taken = GENERATE_COPY(small_definition("sk-2", "three"), small_definition("sk-3", "two"));
    CHECK(kind_thrown([&] { repository.write_upstreams({changed, taken}); }) == StorageError::Kind::conflict);
    CHECK(repository.upstreams() == before);
}

TEMPLATE_TEST_CASE("client keys are added, listed and removed", "", SqliteDatabase, PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    CHECK(repository.client_keys().empty());
    const auto id = repository.add_client_key("alice", hash_of(1));
    repository.add_client_key("bob", hash_of(2));
    auto keys = repository.client_keys();
    REQUIRE(keys.size() == 2);
    CHECK(keys[0].id == id);
    CHECK(keys[0].name == "alice");
    CHECK(keys[0].hash == hash_of(1));
    CHECK(keys[0].created_at.size() == 24);

    CHECK_THROWS_WITH(repository.add_client_key("alice", hash_of(3)), ContainsSubstring("\"alice\""));
    CHECK(kind_thrown([&] { repository.add_client_key("carol", hash_of(1)); }) ==
          StorageError::Kind::conflict);

    CHECK(repository.remove_client_key("alice"));
    CHECK_FALSE(repository.remove_client_key("alice"));
    CHECK(repository.client_keys().size() == 1);
    repository.add_client_key("alice", hash_of(1));
}

TEMPLATE_TEST_CASE("the first upstream is made once only", "", SqliteDatabase, PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    auto other = database.open();
    CHECK(repository.add_first_upstream(full_definition()));
    CHECK_FALSE(other.add_first_upstream(full_definition()));
    REQUIRE(other.upstreams().size() == 1);
    CHECK(other.upstreams().front().name == full_definition().name);
    CHECK(repository.remove_upstream(other.upstreams().front().id));
    CHECK_FALSE(repository.add_first_upstream(full_definition()));
}

TEMPLATE_TEST_CASE("the first client key is made once only", "", SqliteDatabase, PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    auto other = database.open();
    CHECK(repository.add_first_client_key("first", hash_of(1)));
    CHECK_FALSE(other.add_first_client_key("first", hash_of(2)));
    CHECK(other.client_keys().at(0).hash == hash_of(1));
    repository.remove_client_key("first");
    CHECK_FALSE(repository.add_first_client_key("first", hash_of(3)));
}

TEMPLATE_TEST_CASE("headers to be withheld may be null or empty in SQL", "", SqliteDatabase, PostgresDatabase)
{
    TestType database;
    auto repository = database.open();
    database.execute(
        "INSERT INTO openai_upstreams (sk, headers, \"set\") VALUES ('x', "
        "'{\"A\":null,\"B\":\"\",\"C\":\"c\"}',"
        " '{ \"a\" : 0.10 }')");
    auto expected = small_definition("x");
    expected.id = 1;
    expected.headers = {{"A", ""}, {"B", ""}, {"C", "c"}};
    expected.set = {{"a", "0.10"}};
    CHECK(repository.upstreams() == std::vector{expected});
}
