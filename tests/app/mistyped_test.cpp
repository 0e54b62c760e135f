#include "tests/app/command_line.hpp"
#include "tests/support/catch.hpp"

namespace route::tests {
namespace {

TEST_CASE("what is mistyped gets the nearest known word and the help to read")
{
    CommandLine line;
    struct Row
    {
        std::vector<std::string> arguments;
        const char* said;
    };
    const Row row = GENERATE(values<Row>({
        {{"upstraem"}, "unknown command upstraem: did you mean upstream? See: openai-api-route --help"},
        {{"upstraem", "--help"}, "unknown command upstraem: did you mean upstream?"},
        {{"help", "upstraem"}, "unknown command upstraem: did you mean upstream?"},
        {{"upstream", "lst"},
         "upstream: unknown command lst: did you mean list? See: openai-api-route upstream --help"},
        {{"config", "chekc"}, "config: unknown command chekc: did you mean check?"},
        {{"start"}, "unknown command start: did you mean serve?"},
        {{"list"}, "unknown command list: did you mean upstream list, key list or record list?"},
        {{"delete", "key", "x"}, "unknown command delete: did you mean upstream remove or key remove?"},
        {{"upstream", "delete", "x"}, "upstream: unknown command delete: did you mean remove?"},
        {{"xyzzy"}, "unknown command xyzzy; there are: serve, status, upstream, key, record,"},
        {{"upstream"}, "upstream: expected a command: list, show, add,"},
        {{"upstream", "add", "--nmae", "x"},
         "unknown option --nmae: did you mean --name? See: openai-api-route upstream add --help"},
        {{"upstream", "add", "--ks", "k"}, "unknown option --ks: did you mean --sk?"},
        {{"upstream", "add", "-sk", "k"}, "unknown option -sk: did you mean --sk?"},
        {{"upstream", "add", "--sk", "k", "--url", "x"}, "unknown option --url: did you mean --endpoint?"},
        {{"record", "list", "--databse", "x"}, "unknown option --databse: did you mean --database?"},
        {{"--confg", "x", "upstream", "list"}, "unknown option --confg: did you mean --config?"},
        {{"--json", "upstream", "list"}, "unknown option --json: a command's own options follow its name."},
        {{"--addr", ":1", "--foo"}, "unknown option --foo. See: openai-api-route serve --help"},
        {{"--addr", ":1", "--no-auth"}, "unknown option --no-auth: did you mean --noauth?"},
        {{"upstream", "list", "extra"},
         "unexpected argument extra. See: openai-api-route upstream list --help"},
        {{"upstream", "add", "--sk", "k", "--name"}, "--name: expected a value. See: "},
        {{"upstream", "add"}, "--sk is required. See: openai-api-route upstream add --help"},
        {{"record", "list", "--limit", "-1"},
         "--limit: expected a whole number, 0 or more. See: openai-api-route record list --help"},
        {{"record", "list", "--since", "yesterday"}, "--since: expected a time"},
        {{"record", "list", "--outcome", "good"}, "--outcome: expected one of ok, upstream_error, timeout,"},
    }));
    const auto done = line.run(row.arguments);
    INFO(done.err);
    CHECK(done.code == 2);
    CHECK(done.out.empty());
    CHECK(done.err.starts_with(std::string{"openai-api-route: "} + row.said));
    CHECK(done.err.find('\n') == done.err.size() - 1);
    CHECK_THAT(done.err, ContainsSubstring("See: openai-api-route"));
    CHECK_FALSE(line.served);
}

TEST_CASE("help is a word, too")
{
    CommandLine line;
    const auto same = [&](const std::vector<std::string>& words, const std::vector<std::string>& option) {
        const auto done = line.run(words);
        INFO(done.err);
        CHECK(done.code == 0);
        CHECK(done.out == line.run(option).out);
    };
    same({"help"}, {"--help"});
    same({"help", "upstream"}, {"upstream", "--help"});
    same({"help", "upstream", "add"}, {"upstream", "add", "--help"});
    same({"upstream", "help"}, {"upstream", "-h"});
    same({"help", "serve"}, {"serve", "-h"});
}

TEST_CASE("the help of every command has its own options and those of all, in lines of 80 columns")
{
    CommandLine line;
    const std::vector<std::string> command = GENERATE(values<std::vector<std::string>>({
        {},
        {"serve"},
        {"upstream"},
        {"upstream", "list"},
        {"upstream", "add"},
        {"upstream", "set"},
        {"upstream", "export"},
        {"key", "add"},
        {"record"},
        {"record", "list"},
        {"record", "show"},
        {"record", "prune"},
        {"db", "copy"},
        {"db", "status"},
        {"notify", "test"},
        {"explain"},
        {"config", "check"},
        {"config", "show"},
        {"help"},
        {"version"},
    }));
    auto arguments = command;
    arguments.emplace_back("--help");
    const auto help = line.run(arguments).out;
    CHECK_THAT(help, ContainsSubstring("--config FILE") && ContainsSubstring("--database PATH") &&
                         ContainsSubstring("-h, --help"));
    std::string name = "Usage: openai-api-route";
    for (const auto& word : command)
        name += ' ' + word;
    CHECK_THAT(help, ContainsSubstring(name));
    for (std::size_t begin = 0; begin < help.size();) {
        const auto end = help.find('\n', begin);
        INFO(help.substr(begin, end - begin));
        CHECK(end - begin <= 80);
        begin = end + 1;
    }
}

TEST_CASE("only the help of add speaks of defaults")
{
    CommandLine line;
    CHECK_THAT(line.run({"help", "upstream", "add"}).out, ContainsSubstring("default 0"));
    CHECK_THAT(line.run({"help", "upstream", "set"}).out,
               !ContainsSubstring("default") && !ContainsSubstring("Default: https"));
}

}  // namespace
}  // namespace route::tests
