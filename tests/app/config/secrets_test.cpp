#include "app/config/secrets.hpp"

#include <sys/stat.h>

#include "tests/app/temporary_directory.hpp"
#include "tests/support/catch.hpp"

namespace route {
namespace {

using tests::TemporaryDirectory;
using tests::Variable;

std::string value_or_reason(const Result<std::string>& result)
{
    return result.has_value() ? *result : "refused: " + result.error().reason;
}

TEST_CASE("references are told from values")
{
    CHECK(is_secret_reference("env:A"));
    CHECK(is_secret_reference("file:/x"));
    CHECK_FALSE(is_secret_reference("sk-x"));
    CHECK_FALSE(is_secret_reference("asis"));
    CHECK_FALSE(is_secret_reference(""));
    CHECK(value_or_reason(unrestricted_secrets()("sk-x")) == "sk-x");
    CHECK(value_or_reason(restricted_secrets({})("sk-x")) == "sk-x");
    CHECK(value_or_reason(unresolved_secrets()("env:NOT_SET_ANYWHERE")) == "direct");
}

TEST_CASE("files lose one newline at their end and must be clean")
{
    struct Row
    {
        std::string content;
        std::string expected;
    };
    const Row row = GENERATE(values<Row>({
        {"sk-a", "sk-a"},
        {"sk-a\n", "sk-a"},
        {"sk-a\r\n", "sk-a"},
        {"sk-a\n\n", "control character"},
        {"sk-a\nb", "control character"},
        {"sk\ta", "control character"},
        {std::string{"sk\0a", 4}, "control character"},
        {"", "is empty"},
        {"\n", "is empty"},
        {std::string(65536, 'x'), std::string(65536, 'x')},
        {std::string(65537, 'x'), "larger than 64KiB"},
    }));
    const TemporaryDirectory directory;
    const auto path = directory.write("secret", row.content);
    CHECK_THAT(value_or_reason(unrestricted_secrets()("file:" + path)), ContainsSubstring(row.expected));
    CHECK_THAT(value_or_reason(restricted_secrets({directory.path().string(), {}})("file:secret")),
               ContainsSubstring(row.expected));
}

TEST_CASE("variables of the environment")
{
    const Variable set{"ROUTE_TEST_SECRET", "sk-env"};
    const Variable unset{"ROUTE_TEST_UNSET", nullptr};
    const Variable bad{"ROUTE_TEST_BAD", "a\nb"};
    const auto free = unrestricted_secrets();
    CHECK(value_or_reason(free("env:ROUTE_TEST_SECRET")) == "sk-env");
    CHECK(value_or_reason(free("env:ROUTE_TEST_UNSET")) ==
          "refused: environment variable ROUTE_TEST_UNSET is not set");
    CHECK_THAT(value_or_reason(free("env:ROUTE_TEST_BAD")), ContainsSubstring("control character"));
    const auto restricted = restricted_secrets({"", {"ROUTE_TEST_SECRET"}});
    CHECK(value_or_reason(restricted("env:ROUTE_TEST_SECRET")) == "sk-env");
    CHECK(value_or_reason(restricted("env:HOME")) ==
          "refused: environment variable HOME may not be read: add it to secrets.env");
    CHECK(restricted("env:").has_error());
}

TEST_CASE("files of the database's references are only those under secrets.directory")
{
    const TemporaryDirectory directory;
    std::filesystem::create_directories(directory / "secrets/deep");
    std::filesystem::create_directories(directory / "secrets-of-others");
    directory.write("secrets/sk", "sk-inside\n");
    directory.write("secrets/deep/sk", "sk-deep\n");
    const auto outside = directory.write("outside", "sk-outside\n");
    const auto similar = directory.write("secrets-of-others/sk", "sk-similar\n");
    std::filesystem::create_symlink(outside, directory / "secrets/link-out");
    std::filesystem::create_symlink("sk", directory / "secrets/link-in");
    std::filesystem::create_directory_symlink(directory.path(), directory / "secrets/up");
    std::filesystem::create_directory_symlink(directory / "secrets", directory / "by-link");
    ::mkfifo((directory / "secrets/fifo").c_str(), 0600);
    const auto inside = (directory / "secrets/sk").string();

    // The directory itself may be named through a link and with a slash.
    const std::string name =
        GENERATE(values<std::string>({"secrets", "secrets/", "by-link", "secrets/deep/.."}));
    const auto resolve = restricted_secrets({(directory / name).string(), {}});
    CHECK(value_or_reason(resolve("file:" + inside)) == "sk-inside");
    CHECK(value_or_reason(resolve("file:sk")) == "sk-inside");
    CHECK(value_or_reason(resolve("file:deep/sk")) == "sk-deep");
    CHECK(value_or_reason(resolve("file:link-in")) == "sk-inside");
    CHECK(value_or_reason(resolve("file:deep/../sk")) == "sk-inside");
    for (const std::string& path : {outside, similar, std::string{"../outside"}, std::string{"link-out"},
                                    std::string{"up/outside"}, std::string{"deep/../../outside"},
                                    std::string{"/etc/passwd"}, std::string{"../secrets-of-others/sk"}})
        CHECK_THAT(value_or_reason(resolve("file:" + path)),
                   ContainsSubstring("refused: ") && ContainsSubstring("not under secrets.directory"));
    for (const char* path : {"missing", "fifo", "deep", "", ".", "sk\n"})
        CHECK(resolve(std::string{"file:"} + path).has_error());
    // A way back in is inside.
    CHECK(value_or_reason(resolve("file:up/secrets/sk")) == "sk-inside");
}

TEST_CASE("refusals say which setting to change")
{
    CHECK(value_or_reason(restricted_secrets({})("file:/x")) ==
          "refused: file /x may not be read: set secrets.directory to the folder that holds it");
    CHECK_THAT(value_or_reason(restricted_secrets({"/no/such/place", {}})("file:/x")),
               ContainsSubstring("secrets.directory /no/such/place: No such file"));
    CHECK_THAT(value_or_reason(unrestricted_secrets()("file:/no/such/file")),
               ContainsSubstring("No such file"));
    CHECK_THAT(value_or_reason(unrestricted_secrets()("file:/tmp")), ContainsSubstring("Is a directory"));
}

}  // namespace
}  // namespace route
