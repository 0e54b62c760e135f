// Which models an upstream offers (SPEC 5, point 15).
#pragma once

#include <string_view>
#include <vector>

#include "core/failover/candidates.hpp"
#include "core/openai/model_list.hpp"

namespace route {

constexpr std::string_view models_path = "/v1/models";

/// The ID of `GET /v1/models/ID`, percent-decoded; "" of any other path.
std::string model_of_path(std::string_view method, std::string_view path);

/// The path of that model: percent-encoded but for its slashes.
std::string path_of_model(std::string_view model);

/// Those that have a part in the list: their `deny` does not name the path, and their `allow` is not one of
/// paths alone on which no model is asked. In the order of `upstreams`.
std::vector<const Upstream*> listing(const Upstreams& upstreams);

/// Of what it lists the models that clients may ask it for, under the names by which they do: what `rename`
/// sends there, then the name itself unless that is sent elsewhere.
std::vector<ListedModel> offered_models(const Upstream& upstream, std::vector<ListedModel> listed);

/// Of one without a list: the exact names of its `allow`.
std::vector<ListedModel> allowed_models(const Upstream& upstream);

/// Whether a reply of that status says that there is no such page.
constexpr bool has_no_list(unsigned status)
{
    return status == 404 || status == 405 || status == 501;
}

/// Adds those whose names are not there yet.
void add_models(std::vector<ListedModel>& all, std::vector<ListedModel> models);

}  // namespace route
