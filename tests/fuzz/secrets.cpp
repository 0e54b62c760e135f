// Secrets in what others write. The first line of an input is the secret, the second what stands before it,
// the rest what stands behind it; the numbers choose how the secret is written and where the text is cut.
#include <fmt/format.h>

#include <string>

#include "core/secret_eraser.hpp"
#include "core/text.hpp"
#include "tests/fuzz/input.hpp"

using namespace route;
using namespace route::fuzz;

namespace {

/// Each character as it is, or as JSON, a URL or HTML may write it.
std::string written(std::string_view secret, unsigned choice)
{
    std::minstd_rand random{choice};
    const auto style = random() % 3;
    std::string text;
    for (const char c : secret) {
        const auto code = static_cast<unsigned>(static_cast<unsigned char>(c));
        const bool must =
            (style == 0 && (c == '\\' || c == '"')) || (style == 1 && c == '%') || (style == 2 && c == '&');
        if (!must && random() % 4 != 0)
            text += c;
        else if (style == 0)
            text += fmt::format("\\u{:04x}", code);
        else if (style == 1)
            text += fmt::format("%{:02X}", code);
        else
            text += fmt::format("&#{};", code);
    }
    return text;
}

bool may_be_key(std::string_view secret)
{
    return std::all_of(secret.begin(), secret.end(), [](char c) { return c > ' ' && c < 0x7f; }) &&
           secret.find_first_of("\\%&") == secret.npos;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input input{data, size};
    const auto choice = input.choose();
    const auto cut = input.choose();
    const auto secret = input.take_line();
    const auto before = input.take_line();
    SecretEraser eraser;
    eraser.add(secret);

    std::string any{input.bytes()};
    const bool found = eraser.erase(any);
    require(found || any == input.bytes(), "what holds no secret stays as it is");
    require(eraser.empty() || any.find(secret) == any.npos || found, "a secret is found");
    if (eraser.empty() || !may_be_key(secret))
        return 0;

    // A blank, so that what comes before is no part of an escape.
    const auto form = written(secret, choice);
    auto text = std::string{before} + ' ' + form + ' ' + std::string{input.bytes()};
    const auto whole = text;
    require(eraser.erase(text), "a secret is found, however it is written");
    require(text.size() < whole.size(), "less is left than there was");
    auto beginning = std::string{before} + ' ' + form.substr(0, cut % (form.size() + 1));
    eraser.erase_from_cut(beginning);
    require(!beginning.ends_with(secret.substr(0, SecretEraser::shortest)),
            "a cut secret tells no part of it");
    return 0;
}
