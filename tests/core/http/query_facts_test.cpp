#include "core/http/query_facts.hpp"

#include <optional>
#include <string>

#include "tests/support/catch.hpp"

using namespace route;

TEST_CASE("the model of a query")
{
    struct Row
    {
        std::string query;
        std::optional<std::string> model;
        std::string renamed;  ///< to "a/b c"
    };
    const Row rows[] = {
        {"", std::nullopt, ""},
        {"?", std::nullopt, ""},
        {"?a=model", std::nullopt, ""},
        {"?models=a&mode=b&xmodel=c", std::nullopt, ""},
        {"?model=gpt-realtime", "gpt-realtime", "?model=a%2Fb%20c"},
        {"?a=1&model=gpt&b=2", "gpt", "?a=1&model=a%2Fb%20c&b=2"},
        {"?%6dodel=g%70t", "gpt", "?%6dodel=a%2Fb%20c"},
        {"?model=a+b%2Bc%zz%4", "a b+c%zz%4", "?model=a%2Fb%20c"},
        {"?model=", "", "?model=a%2Fb%20c"},
        {"?model&b=2", "", "?model=a%2Fb%20c&b=2"},
        {"?model", "", "?model=a%2Fb%20c"},
        {"?model=a=b", "a=b", "?model=a%2Fb%20c"},
        {"?&&model=a&", "a", "?&&model=a%2Fb%20c&"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.query);
        const auto facts = read_query_facts(row.query);
        REQUIRE(facts.has_value());
        CHECK(facts->model == row.model);
        CHECK_FALSE(facts->model_cut);
        CHECK_FALSE(facts->stream);
        if (row.model)
            CHECK(rename_model_in_query(row.query, *facts, "a/b c") == row.renamed);
    }
}

TEST_CASE("a model named twice in a query is refused")
{
    for (const auto* query : {"?model=a&model=b", "?model=a&mod%65l=a", "?model&model"}) {
        const auto facts = read_query_facts(query);
        REQUIRE(facts.has_error());
        CHECK(facts.error().reason == "the query names `model` twice");
    }
}

TEST_CASE("a long model of a query is cut")
{
    const auto just = read_query_facts("?model=" + std::string(max_model_name, 'a'));
    CHECK(just->model == std::string(max_model_name, 'a'));
    CHECK_FALSE(just->model_cut);
    const auto longer = read_query_facts("?model=" + std::string(max_model_name, 'a') + "%41");
    CHECK(longer->model == std::string(max_model_name, 'a'));
    CHECK(longer->model_cut);
}
