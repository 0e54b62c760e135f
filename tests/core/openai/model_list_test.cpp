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
    CHECK(ids(R"([{"id":"a","n":1},{"id":"b"},{"id":"a","n":2}])") == "a b");
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
    std::string many = "[{}";
    for (std::size_t i = 0; i < most_listed_models; ++i)
        many += ",{}";
    CHECK(ids(many + "]") == "refused: a list of more than 20,000 models");
    CHECK(ids(std::string(40, '[') + std::string(40, ']')) == "refused: no JSON");  // too deep
}

TEST_CASE("a list is written with all that upstreams say of a model, to the letter")
{
    auto models =
        read_model_list(
            R"({"data": [ {"id" : "a","price": 0.10,"far":1e400,"nested":{"id":"x"}} ,{"id":"b"} ]})")
            .value();
    models.push_back(named_model("c\"", "up"));
    CHECK(write_model_list(models) ==
          R"({"object":"list","data":[{"id" : "a","price": 0.10,"far":1e400,"nested":{"id":"x"}},{"id":"b"},)"
          R"({"id":"c\"","object":"model","created":0,"owned_by":"up"}],)"
          R"("first_id":"a","last_id":"c\"","has_more":false})");
    CHECK(write_model_list({}) ==
          R"({"object":"list","data":[],"first_id":null,"last_id":null,"has_more":false})");
}

TEST_CASE("a model under another name is the same but for that")
{
    const auto models = read_model_list(R"([{"object":"model", "id": "\u0061b" , "owned_by":"ab"}])").value();
    CHECK(models.at(0).id == "ab");
    CHECK(renamed_model(models[0], "fast").json == R"({"object":"model", "id": "fast" , "owned_by":"ab"})");
    CHECK(renamed_model(renamed_model(models[0], "long \"name\""), "c").json ==
          R"({"object":"model", "id": "c" , "owned_by":"ab"})");
    CHECK(renamed_model(named_model("a", "up"), "b").json ==
          R"({"id":"b","object":"model","created":0,"owned_by":"up"})");
}
