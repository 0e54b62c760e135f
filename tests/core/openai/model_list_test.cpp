#include "core/openai/model_list.hpp"

#include "tests/support/catch.hpp"

using namespace route;

namespace {

std::string ids(std::string_view text)
{
    const auto models = read_model_list(text);
    if (!models)
        return "refused: " + models.error().reason;
    std::string all;
    for (const auto& model : *models)
        all += (all.empty() ? "" : " ") + model.id;
    return all;
}

}  // namespace

TEST_CASE("a list of models is read in the shapes that upstreams write")
{
    CHECK(ids(R"({"object":"list","data":[{"id":"a","object":"model"},{"id":"b"}]})") == "a b");
    CHECK(ids(R"([{"id":"a"},{"id":"b"}])") == "a b");
    CHECK(ids(R"({"data":[]})").empty());
    CHECK(ids(R"({"data":[{"id":""},{"name":"x"},"text",7,null,{"id":8},{"id":"a"}]})") == "a");
}

TEST_CASE("what is no list of models is refused")
{
    CHECK(ids("") == "refused: no JSON");
    CHECK(ids("<html>") == "refused: no JSON");
    CHECK(ids(R"({"data":[{"id":"a"}])") == "refused: no JSON");
    CHECK(ids("{}") == "refused: no list of models");
    CHECK(ids(R"({"data":{"id":"a"}})") == "refused: no list of models");
    CHECK(ids(R"("a")") == "refused: no list of models");
}

TEST_CASE("a list is written with all that upstreams say of a model, for OpenAI's clients and Anthropic's")
{
    auto models =
        read_model_list(R"([{"id":"a","owned_by":"x","context_length":8,"nested":{"k":[1]}},{"id":"b"}])")
            .value();
    models.push_back(named_model("c", "up"));
    CHECK(
        write_model_list(models) ==
        R"({"object":"list","data":[{"id":"a","owned_by":"x","context_length":8,"nested":{"k":[1]}},{"id":"b"},)"
        R"({"id":"c","object":"model","created":0,"owned_by":"up"}],"first_id":"a","last_id":"c","has_more":false})");
    CHECK(write_model_list({}) ==
          R"({"object":"list","data":[],"first_id":null,"last_id":null,"has_more":false})");
}
