#include <boost/json.hpp>

#include "app/client_key_maker.hpp"
#include "tests/app/command_line.hpp"
#include "tests/support/catch.hpp"

namespace route::tests {
namespace {

TEST_CASE("made keys are random and fit for a header")
{
    const auto key = make_client_key();
    CHECK(key.size() == 9 + 43);
    CHECK(key.starts_with("sk-route-"));
    CHECK(key.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") ==
          std::string::npos);
    CHECK(key != make_client_key());
}

TEST_CASE("a client key is made, shown once and stored as its hash")
{
    CommandLine line;
    const auto done = line({"key", "add", "alice"});
    CHECK(done.code == 0);
    REQUIRE(done.out.size() == 9 + 43 + 1);
    const auto key = done.out.substr(0, done.out.size() - 1);
    CHECK_THAT(done.err, ContainsSubstring("shown once"));
    CHECK(done.err.find(key) == std::string::npos);
    const auto stored = line.database().client_keys();
    REQUIRE(stored.size() == 1);
    CHECK(stored[0].name == "alice");
    CHECK(stored[0].hash == hash_key(key));
    const auto list = line.ok({"key", "list"});
    CHECK_THAT(list, ContainsSubstring("alice"));
    CHECK(list.find(key) == std::string::npos);
}

TEST_CASE("a given key comes from standard input and is not repeated")
{
    CommandLine line;
    CHECK(line.ok({"key", "add", "bob", "--value", "-"}, "the-key-of-bob-1\n") == "added key bob\n");
    CHECK(line.database().client_keys().at(0).hash == hash_key("the-key-of-bob-1"));
    CHECK(line({"key", "add", "bob"}).err == "openai-api-route: the name bob is taken\n");
    CHECK_THAT(line({"key", "add", "eve", "--value", "-"}, "the-key-of-bob-1").err,
               ContainsSubstring("there already"));
    for (const char* input : {"", "a b", "a\nb"})
        CHECK(line({"key", "add", "eve", "--value", "-"}, input).code == 1);
    CHECK(line({"key", "add", " "}).code == 1);
    CHECK(line({"key", "add", "a\nb"}).code == 1);
    CHECK(line.database().client_keys().size() == 1);
}

TEST_CASE("keys are listed as JSON and removed")
{
    CommandLine line;
    line.configure("[auth]\nkeys = [{ name = \"filed\", key = \"sk-filed-0123456789\" }]\n");
    line({"key", "add", "alice"});
    const auto text = line.ok({"key", "list", "--json"});
    CHECK(text.find("sk-filed") == std::string::npos);
    const auto list = boost::json::parse(text).as_array();
    REQUIRE(list.size() == 2);
    CHECK(list[0].at("name").as_string() == "alice");
    CHECK(list[0].at("source").as_string() == "database");
    CHECK(list[1].at("name").as_string() == "filed");
    CHECK(list[1].at("source").as_string() == "file");
    CHECK(line.ok({"key", "remove", "alice"}) == "removed key alice\n");
    CHECK(line.database().client_keys().empty());
    CHECK(line({"key", "remove", "alice"}).err == "openai-api-route: there is no key alice\n");
    CHECK_THAT(line({"key", "remove", "filed"}).err,
               ContainsSubstring("changed only in " + line.config_path()));
}

}  // namespace
}  // namespace route::tests
