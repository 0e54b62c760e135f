#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace route {

/// What to write instead of a usable endpoint that ends with the path of one API, as SDKs' examples show it:
/// "https://host/v1" for "https://host/v1/chat/completions", to which the router would append the path again.
/// None for another one.
std::optional<std::string> endpoint_without_api(std::string_view url);

/// The same as a reason, "use https://host/v1: …"; "" when there is none.
std::string endpoint_advice(std::string_view url);

}  // namespace route
