// Which headers an upstream may have of its own.
#include "core/failover/upstream_header.hpp"

#include <algorithm>
#include <array>

#include "core/http/request_path.hpp"
#include "core/text.hpp"

namespace route {
namespace {

constexpr std::array<std::string_view, 16> decided_by_router{"host",
                                                             "content-length",
                                                             "transfer-encoding",
                                                             "content-encoding",
                                                             "connection",
                                                             "keep-alive",
                                                             "proxy-connection",
                                                             "te",
                                                             "trailer",
                                                             "upgrade",
                                                             "http2-settings",
                                                             "expect",
                                                             "accept-encoding",
                                                             "proxy-authenticate",
                                                             "proxy-authorization",
                                                             "x-route-commit"};

std::string in_small_letters(std::string_view text)
{
    std::string result{text};
    std::transform(result.begin(), result.end(), result.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return result;
}

}  // namespace

bool names_credential(std::string_view name)
{
    constexpr std::array<std::string_view, 12> telling{"auth",       "cookie",  "key",    "token",
                                                       "secret",     "passw",   "pwd",    "jwt",
                                                       "credential", "session", "bearer", "signature"};
    const auto text = in_small_letters(name);
    return std::any_of(telling.begin(), telling.end(),
                       [&](std::string_view word) { return text.find(word) != text.npos; });
}

std::optional<std::string> refused_header(std::string_view name)
{
    constexpr std::size_t longest = 256;
    if (!is_token(name) || name.size() > longest)
        return "expected the name of a header, such as X-Title";
    const auto text = in_small_letters(name);
    if (text.starts_with("sec-websocket-") ||
        std::find(decided_by_router.begin(), decided_by_router.end(), text) != decided_by_router.end())
        return "expected another header than " + std::string{name} + ", which the router decides on itself";
    return std::nullopt;
}

}  // namespace route
