#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace route {

/// Kinds of escapes that are taken off together.
enum class Escapes
{
    encoded,    ///< of URLs and HTML: `%2B`, `&#43;`, `&#x2B;`, `&plus;`
    backslash,  ///< of JSON and its like: `\u002B`, `\x2B`; any other backslash goes
};

/// Takes one layer of escapes off `text`, each as the character (UTF-8) or byte it means. False, and `plain`
/// unspecified, when there are none. `origins`, if given, gets for each byte of `plain` where in `text` what
/// it was made of begins, and at its end the size of `text`.
bool take_off(Escapes kind, std::string_view text, std::string& plain,
              std::vector<std::size_t>* origins = nullptr);

/// Calls `look(plain, origins)` for the text below each layer of escapes, the outermost first. What was
/// encoded for a URL or HTML may be JSON, so these go before backslashes do. `origins` says where in `text`
/// each byte comes from, null unless `locate`. Eight layers at most, each in one pass.
template <class Look>
void each_layer(std::string_view text, bool locate, Look&& look)
{
    constexpr int most_layers = 8;
    std::string below;
    std::string plain;
    std::vector<std::size_t> origins;
    std::vector<std::size_t> begins;
    for (int layer = 0; layer < most_layers; ++layer) {
        auto* const where = locate ? &begins : nullptr;
        begins.clear();
        if (!take_off(Escapes::encoded, text, plain, where) &&
            !take_off(Escapes::backslash, text, plain, where))
            return;
        if (layer > 0)
            for (auto& begin : begins)
                begin = origins[begin];
        origins.swap(begins);
        below.swap(plain);
        text = below;
        look(text, locate ? &origins : nullptr);
    }
}

/// The text without what may be the beginning of an escape at its very end.
std::string_view without_split_escape(std::string_view text);

}  // namespace route
