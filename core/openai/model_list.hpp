// The list of models of `GET /v1/models`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace route {

struct ListedModel
{
    std::string id;
    std::string json;  ///< all that is said of it, as it is written there; an object
    std::size_t id_begin = 0;
    std::size_t id_end = 0;  ///< where the value of its `id` stands, quotes included
};

/// More models than any upstream has.
constexpr std::size_t most_listed_models = 20'000;

/// Reads `{"data":[{"id":…}, …]}`, or the array alone. What has no `id` in it is left out, as is one that was
/// there before. Refused: what is neither, and a longer one.
Result<std::vector<ListedModel>> read_model_list(std::string_view text);

/// A model of which only the name is known, at the upstream of that name.
ListedModel named_model(std::string_view id, std::string_view upstream);

/// The same model under another name.
ListedModel renamed_model(const ListedModel& model, std::string_view name);

/// The list in the shape that OpenAI's clients read, and Anthropic's: `{"object":"list","data":[…],
/// "first_id":…,"last_id":…,"has_more":false}`.
std::string write_model_list(const std::vector<ListedModel>& models);

}  // namespace route
