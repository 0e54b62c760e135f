// The list of models of `GET /v1/models`.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace route {

struct ListedModel
{
    std::string id;
    boost::json::object members;  ///< all that is said of it, `id` included
};

/// Reads `{"data":[{"id":…}, …]}`, or the array alone. What has no `id` in it is left out. Refused: what is
/// neither.
Result<std::vector<ListedModel>> read_model_list(std::string_view text);

/// A model of which only the name is known, at the upstream of that name.
ListedModel named_model(std::string_view id, std::string_view upstream);

/// The list in the shape that OpenAI's clients read, and Anthropic's: `{"object":"list","data":[…],
/// "first_id":…,"last_id":…,"has_more":false}`.
std::string write_model_list(const std::vector<ListedModel>& models);

}  // namespace route
