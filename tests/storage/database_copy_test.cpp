#include "storage/database_copy.hpp"

#include "tests/storage/databases.hpp"
#include "tests/storage/samples.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::storage;
using namespace route::test;

namespace {

UpstreamDefinition named(const std::string& name)
{
    UpstreamDefinition definition;
    definition.name = name;
    definition.sk = "sk-" + name;
    return definition;
}

std::vector<Record> all_records(AnyRepository& database)
{
    return database.records_after("", 10'000, 1u << 30);
}

/// A database with a deleted upstream, another, a key and so many records of both.
void fill(AnyRepository& database, std::uint64_t records)
{
    database.remove_upstream(database.add_upstream(named("gone")));
    const auto id = database.add_upstream(named("one"));
    database.add_client_key("alice", hash_key("a"));
    std::vector<Record> all;
    for (std::uint64_t i = 0; i < records; ++i) {
        all.push_back(sample_record(i, sample_time + std::chrono::hours{i}));
        all.back().upstream_id = all.back().attempts[1].upstream_id = id;
        all.back().attempts[0].upstream_id = id - 1;
    }
    database.insert(all);
}

template <class From, class To>
struct Pair
{
    From from;
    To to;
};

using FileToServer = Pair<SqliteDatabase, PostgresDatabase>;
using ServerToFile = Pair<PostgresDatabase, SqliteDatabase>;

}  // namespace

TEMPLATE_TEST_CASE("a database is copied with all that is in it", "", FileToServer, ServerToFile)
{
    TestType databases;
    const auto from = any(databases.from.open());
    const auto to = any(databases.to.open());
    fill(*from, 1200);
    std::uint64_t told = 0;
    CopyHooks hooks;
    hooks.on_progress = [&](const CopyCounts& counts) {
        CHECK(counts.records > told);
        told = counts.records;
        return true;
    };
    const auto counts = copy_database(*from, *to, hooks);
    CHECK(counts.upstreams == 1);
    CHECK(counts.keys == 1);
    CHECK(counts.records == 1200);
    CHECK(told == 1200);

    const auto upstreams = to->upstreams();
    REQUIRE(upstreams.size() == 1);
    CHECK(upstreams[0].name == "one");
    CHECK(to->client_keys().at(0).hash == hash_key("a"));
    auto expected = all_records(*from);
    const auto copied = all_records(*to);
    REQUIRE(copied.size() == expected.size());
    for (std::size_t i = 0; i < copied.size(); ++i) {
        REQUIRE(copied[i].request_id == expected[i].request_id);
        REQUIRE(copied[i].body == expected[i].body);
        // The upstream has an id of its own here; the one that was deleted has none.
        REQUIRE(copied[i].upstream_id == upstreams[0].id);
        REQUIRE(copied[i].attempts[1].upstream_id == upstreams[0].id);
        REQUIRE(copied[i].attempts[0].upstream_id == 0);
        REQUIRE(copied[i].attempts[0].upstream_name == expected[i].attempts[0].upstream_name);
    }
}

TEMPLATE_TEST_CASE("a copy that was interrupted is repeated, and adds what is missing", "", FileToServer,
                   ServerToFile)
{
    TestType databases;
    const auto from = any(databases.from.open());
    const auto to = any(databases.to.open());
    fill(*from, 1200);
    CopyHooks hooks;
    hooks.on_progress = [](const CopyCounts&) { return false; };
    CHECK(copy_database(*from, *to, hooks).records == 500);
    CHECK(all_records(*to).size() == 500);

    const auto counts = copy_database(*from, *to, {});
    CHECK(counts.upstreams == 0);
    CHECK(counts.upstreams_there == 1);
    CHECK(counts.keys_there == 1);
    CHECK(counts.records == 1200);
    CHECK(all_records(*to).size() == 1200);
    CHECK(to->upstreams().size() == 1);
    CHECK(to->client_keys().size() == 1);
}

TEST_CASE("what is called like another there is copied under another name, and named")
{
    SqliteDatabase here;
    SqliteDatabase there;
    const auto from = any(here.open());
    const auto to = any(there.open());
    fill(*from, 1);
    to->add_client_key("alice", hash_key("another"));
    auto other = named("one");
    other.sk = "sk-other";
    to->add_upstream(other);
    std::vector<std::string> renamed;
    CopyHooks hooks;
    hooks.on_renamed = [&](const std::string& what) { renamed.push_back(what); };
    copy_database(*from, *to, hooks);
    CHECK(renamed == std::vector<std::string>{"upstream one is called one-2 there: the name is taken",
                                              "client key alice is called alice-2 there: the name is taken"});
    CHECK(to->client_keys().at(1).hash == hash_key("a"));
    CHECK(all_records(*to).at(0).upstream_id == to->upstreams().at(1).id);
    const auto again = copy_database(*from, *to, hooks);
    CHECK(again.upstreams_there == 1);
    CHECK(again.keys_there == 1);
    CHECK(renamed.size() == 2);
}

TEMPLATE_TEST_CASE("of a copy a record that is refused is told and left out alone", "", FileToServer,
                   ServerToFile)
{
    TestType databases;
    const auto from = any(databases.from.open());
    const auto to = any(databases.to.open());
    fill(*from, 20);
    auto bad = sample_record(99);
    bad.model = "bad";
    from->insert(std::span{&bad, 1});
    databases.to.refuse_model("bad");
    std::string refused;
    CopyHooks hooks;
    hooks.on_rejected = [&](const Record& record, const std::string& reason) {
        refused += record.request_id + ": " + reason;
    };
    const auto counts = copy_database(*from, *to, hooks);
    CHECK(counts.records == 20);
    CHECK(counts.rejected == 1);
    CHECK(refused == bad.request_id + ": refused");
    CHECK(all_records(*to).size() == 20);
}
