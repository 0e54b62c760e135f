#include "app/cli/arguments.hpp"

#include "tests/support/catch.hpp"

namespace route::cli {
namespace {

using Arguments = std::vector<std::string>;

struct Row
{
    Arguments given;
    Arguments meant;
};

TEST_CASE("command lines become commands")
{
    const Row row = GENERATE(values<Row>({
        // v0.3.0, as Go reads flags
        {{}, {"serve"}},
        {{"-add", "-sk", "K", "-endpoint", "https://a.b"},
         {"upstream", "add", "--sk", "K", "--endpoint", "https://a.b"}},
        {{"--add", "--sk=K", "--endpoint=https://a.b/v1"},
         {"upstream", "add", "--sk", "K", "--endpoint", "https://a.b/v1"}},
        {{"-sk", "K", "-add=true"}, {"upstream", "add", "--sk", "K"}},
        {{"-add", "-sk", "-"}, {"upstream", "add", "--sk", "-"}},
        {{"-add", "-sk="}, {"upstream", "add", "--sk", ""}},
        {{"-add", "-sk", "a=b"}, {"upstream", "add", "--sk", "a=b"}},
        {{"-add", "-sk", "K", "-endpoint", "https://a.b/openai/v9"},
         {"upstream", "add", "--sk", "K", "--endpoint", "https://a.b/v1"}},
        {{"-add", "-sk", "K", "-endpoint", "https://a.b/"},
         {"upstream", "add", "--sk", "K", "--endpoint", "https://a.b/v1"}},
        {{"-list"}, {"upstream", "list"}},
        {{"--list", "-database", "x.sqlite"}, {"upstream", "list", "--database", "x.sqlite"}},
        {{"-list=false"}, {"serve"}},
        {{"-addr", ":80"}, {"serve", "--addr", ":80"}},
        {{"-addr=:80", "-noauth", "-database=db"},
         {"serve", "--addr", ":80", "--noauth", "--database", "db"}},
        {{"-noauth=1"}, {"serve", "--noauth"}},
        {{"-noauth=F"}, {"serve"}},
        {{"-noauth", "-noauth=false"}, {"serve"}},
        // the new form, without a command
        {{"--addr", ":80", "--config", "c.toml"}, {"serve", "--addr", ":80", "--config", "c.toml"}},
        {{"--config=c.toml"}, {"serve", "--config", "c.toml"}},
        // left as they are
        {{"serve", "--noauth"}, {"serve", "--noauth"}},
        {{"--database", "x", "upstream", "list"}, {"--database", "x", "upstream", "list"}},
        {{"upstream", "add", "-sk", "K"}, {"upstream", "add", "-sk", "K"}},
        {{"--help"}, {"--help"}},
        {{"--version"}, {"--version"}},
        {{"-noauth=perhaps"}, {"-noauth=perhaps"}},
        {{"-addr"}, {"-addr"}},
        {{"-"}, {"-"}},
        {{"---addr", "x"}, {"---addr", "x"}},
        // an empty value is one
        {{"upstream", "set", "1", "--name=", "--priority=2"},
         {"upstream", "set", "1", "--name", "", "--priority=2"}},
    }));
    CHECK(modern_arguments(row.given) == row.meant);
}

}  // namespace
}  // namespace route::cli
