#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/secret_eraser.hpp"

namespace route {

/// What an error reply's body says in its own words: the message of its JSON (`error.message` of OpenAI's and
/// Anthropic's shape, in an array too, else `error`, `message`, `detail`), else its text if it is text. In
/// one line: control characters and blanks in a row are one space. At most `most_error_text` bytes: secrets
/// are still to be erased. Empty when it says nothing. `body` is without its content coding.
std::string error_words(std::string_view content_type, std::string_view body);

/// Whether the error in a body says of itself that it may pass: by its type, its code or the status it names
/// it is the server's, or speaks of its load or of a limit on requests. What speaks of a quota does not. Of
/// JSON in the shapes that error_words() knows.
bool error_may_pass(std::string_view body);

constexpr std::size_t most_error_text = 4u << 10;

/// Bytes of an error's words that are kept.
constexpr std::size_t most_error_words = 200;

/// Words of others as they may be quoted: without secrets, and then cut at `most_error_words`. Whoever wrote
/// them likes to name the key that is refused. `cut`: they are the beginning of longer ones.
std::string quote_words(std::string words, bool cut, std::span<const SecretEraser* const> erasers);

}  // namespace route
