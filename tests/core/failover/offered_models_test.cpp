#include "core/failover/offered_models.hpp"

#include <boost/json/parse.hpp>
#include <memory>

#include "tests/support/catch.hpp"

using namespace route;

namespace {

Upstream with(std::vector<std::string> allow, std::vector<std::string> deny = {},
              std::map<std::string, std::string> rename = {})
{
    Upstream upstream;
    upstream.name = "up";
    upstream.allow = std::move(allow);
    upstream.deny = std::move(deny);
    upstream.rename = std::move(rename);
    return upstream;
}

std::string written(const std::vector<ListedModel>& models)
{
    std::string all;
    for (const auto& model : models) {
        CHECK(boost::json::parse(model.json).at("id").as_string() == model.id);
        all += (all.empty() ? "" : " ") + model.id;
    }
    return all;
}

std::vector<ListedModel> listed(const std::vector<std::string>& names)
{
    std::vector<ListedModel> models;
    for (const auto& name : names)
        models.push_back(named_model(name, "x"));
    return models;
}

std::string offered(const Upstream& upstream, const std::vector<std::string>& names)
{
    return written(offered_models(upstream, listed(names)));
}

bool lists(Upstream upstream)
{
    return !listing({std::make_shared<const Upstream>(std::move(upstream))}).empty();
}

}  // namespace

TEST_CASE("an upstream offers what it lists, as far as allow and deny let it")
{
    CHECK(offered(with({}), {"a", "b"}) == "a b");
    CHECK(offered(with({"gpt-*"}), {"gpt-4o", "dall-e-3", "gpt-4"}) == "gpt-4o gpt-4");
    CHECK(offered(with({}, {"*-preview"}), {"a", "a-preview"}) == "a");
    CHECK(offered(with({"/v1/models"}), {"a"}).empty());
    CHECK(offered(with({"/v1/*"}, {"b"}), {"a", "b"}) == "a");
    CHECK(offered(with({"/v1/embeddings"}), {"a"}) == "a");
    CHECK(offered(with({}, {"/v1/embeddings"}), {"a"}) == "a");
}

TEST_CASE("what rename sends to a listed model is offered under the name that clients use")
{
    CHECK(offered(with({}, {}, {{"fast", "gpt-4o-mini"}, {"quick", "gpt-4o-mini"}, {"other", "unlisted"}}),
                  {"gpt-4o", "gpt-4o-mini"}) == "gpt-4o fast quick gpt-4o-mini");
    CHECK(offered(with({"fast"}, {}, {{"fast", "gpt-4o-mini"}}), {"gpt-4o-mini"}) == "fast");
}

TEST_CASE("a listed name that is sent elsewhere stands for where it is sent")
{
    CHECK(offered(with({}, {}, {{"a", "b"}}), {"a", "b"}) == "a b");
    CHECK(offered(with({}, {}, {{"a", "c"}}), {"a", "b"}) == "b");
}

TEST_CASE("an upstream without a list stands with the exact names of its allow")
{
    CHECK(written(allowed_models(with({"a", "gpt-*", "/v1/files", "b", "c"}, {"c"}))) == "a b");
    CHECK(written(allowed_models(with({}))).empty());
}

TEST_CASE("an allow of model names does not keep an upstream from being asked, one of other paths does")
{
    CHECK(lists(with({})));
    CHECK(lists(with({"gpt-4o"})));
    CHECK(lists(with({"/v1/models"})));
    CHECK(lists(with({"/v1/mod*"})));
    CHECK(lists(with({"/v1/chat/*"})));
    CHECK(lists(with({"/v1/files", "gpt-4o"})));
    CHECK_FALSE(lists(with({"/v1/files"})));
    CHECK_FALSE(lists(with({}, {"/v1/models"})));
    CHECK_FALSE(lists(with({}, {"/v1/*"})));
    CHECK(lists(with({}, {"gpt-*"})));
}

TEST_CASE("each name is in the list once, as the first one has it")
{
    auto all = listed({"a", "b"});
    add_models(all, {named_model("b", "other"), named_model("c", "other"), named_model("c", "other")});
    CHECK(written(all) == "a b c");
    CHECK(boost::json::parse(all[1].json).at("owned_by") == "x");
}

TEST_CASE("the path of one model names it")
{
    CHECK(model_of_path("GET", "/v1/models/gpt-4o") == "gpt-4o");
    CHECK(model_of_path("GET", "/v1/models/ft%3Agpt-4o%3Aorg") == "ft:gpt-4o:org");
    CHECK(model_of_path("GET", "/v1/models/openai/gpt-4o") == "openai/gpt-4o");
    CHECK(model_of_path("GET", "/v1/models/command-r+") == "command-r+");
    CHECK(model_of_path("GET", "/v1/models").empty());
    CHECK(model_of_path("GET", "/v1/models/").empty());
    CHECK(model_of_path("GET", "/v1/models-2/x").empty());
    CHECK(model_of_path("DELETE", "/v1/models/gpt-4o").empty());
    CHECK(path_of_model("ft:gpt-4o/x y+") == "/v1/models/ft%3Agpt-4o/x%20y%2B");
}
