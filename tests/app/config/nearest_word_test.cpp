#include "app/config/nearest_word.hpp"

#include <array>
#include <vector>

#include "tests/support/catch.hpp"

namespace route {
namespace {

const std::vector<std::string> known{"listen",   "threads", "max_body", "keep_alive",
                                     "endpoint", "sk",      "priority", "proxy"};
constexpr std::array<Synonym, 2> synonyms{{{"url", "endpoint"}, {"port", "no_such_word"}}};

TEST_CASE("a word is compared by its letters")
{
    CHECK(edit_distance("listen", "listen") == 0);
    CHECK(edit_distance("Keep-Alive", "keep_alive") == 0);
    CHECK(edit_distance("lissen", "listen") == 1);
    CHECK(edit_distance("upstraem", "upstream") == 1);  // two letters that changed places
    CHECK(edit_distance("", "abc") == 3);
}

TEST_CASE("the nearest word is one that may be meant")
{
    struct Row
    {
        const char* word;
        const char* meant;
    };
    const Row row = GENERATE(values<Row>({
        {"lissen", "listen"},
        {"maxbody", "max_body"},
        {"max-body", "max_body"},
        {"KEEP-ALIVE", "keep_alive"},
        {"prio", "priority"},
        {"thread", "threads"},
        {"url", "endpoint"},
        {"port", nullptr},
        {"ab", nullptr},
        {"s", nullptr},
        {"", nullptr},
        {"something_else_entirely", nullptr},
    }));
    INFO(row.word);
    const auto meant = nearest_word(row.word, known, synonyms);
    CHECK(meant.value_or("") == (row.meant == nullptr ? "" : row.meant));
}

TEST_CASE("a word of any length is no work")
{
    CHECK_FALSE(nearest_word(std::string(1'000'000, 'x'), known));
}

}  // namespace
}  // namespace route
