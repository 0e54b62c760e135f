#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace route {

/// The type of a Content-Type field without its parameters: `application/json` of `application/json;
/// charset=utf-8`.
std::string_view media_type(std::string_view content_type);

/// `application/json` and `…+json`.
bool is_json_type(std::string_view content_type);

/// What people read: JSON, `text/*`, XML, YAML, JSON lines, forms, scripts.
bool is_textual_type(std::string_view content_type);

/// A parameter of a field such as Content-Type or Content-Disposition, quotes and their escapes taken off.
std::optional<std::string> field_parameter(std::string_view field, std::string_view name);

}  // namespace route
