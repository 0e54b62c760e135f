#pragma once

#include <string_view>

#include "core/openai/api.hpp"

namespace route {

/// What a whole JSON reply is to who asked (SPEC 5, point 2).
enum class Answer
{
    none,     ///< not JSON, or without any of what such answers have
    blank,    ///< an answer without content that ended by itself
    error,    ///< an error where an answer should be
    content,  ///< an answer, or one that may be without content: cut by its length, filtered, not at its end
              ///< yet
};

/// Reads it in one pass. `body` is without its content coding and needs no padding; of broken UTF-8 the rest
/// counts. For an `api` that answers.
Answer answer_in(Api api, std::string_view body);

}  // namespace route
