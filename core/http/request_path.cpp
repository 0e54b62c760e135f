#include "core/http/request_path.hpp"

#include <algorithm>
#include <string>

#include "core/hex_digit.hpp"
#include "core/text.hpp"

namespace route {
std::string decoded_path(std::string_view path)
{
    std::string decoded;
    decoded.reserve(path.size());
    for (std::size_t i = 0; i < path.size(); ++i) {
        const bool escape = path[i] == '%' && i + 2 < path.size() && hex_digit(path[i + 1]) >= 0 &&
                            hex_digit(path[i + 2]) >= 0;
        if (escape) {
            decoded.push_back(static_cast<char>(hex_digit(path[i + 1]) * 16 + hex_digit(path[i + 2])));
            i += 2;
        } else {
            decoded.push_back(path[i]);
        }
    }
    return decoded;
}

namespace {

/// Whether some server could take a segment of the path for "." or "..": backslashes, parameters behind ';'
/// and control characters count as well.
bool has_path_trick(std::string_view path)
{
    if (std::any_of(path.begin(), path.end(),
                    [](unsigned char c) { return c < 0x20 || c == 0x7f || c == '\\'; }))
        return true;
    while (!path.empty()) {
        const auto slash = path.find('/');
        auto segment = path.substr(0, slash);
        path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
        segment = segment.substr(0, segment.find(';'));
        if (segment == "." || segment == "..")
            return true;
    }
    return false;
}

}  // namespace

bool leaves_its_place(std::string_view path)
{
    const auto plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || c == '/' ||
               c == '_' || c == '-';
    };
    if (std::all_of(path.begin(), path.end(), plain))
        return false;
    if (has_path_trick(path))
        return true;
    if (path.find('%') == std::string_view::npos)
        return false;
    const auto once = decoded_path(path);
    return has_path_trick(once) || has_path_trick(decoded_path(once));
}

bool is_passed_on(std::string_view path)
{
    const auto fits = [](unsigned char c) { return c > 0x20 && c != 0x7f && c != '?' && c != '#'; };
    return path.starts_with("/v1/") && std::all_of(path.begin(), path.end(), fits) && !leaves_its_place(path);
}

bool is_for_the_way(std::string_view method)
{
    return equal_ignoring_case(method, "CONNECT") || equal_ignoring_case(method, "TRACE") ||
           equal_ignoring_case(method, "TRACK");
}

bool is_token(std::string_view text)
{
    const auto is_tchar = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view{"!#$%&'*+-.^_`|~"}.find(c) != std::string_view::npos;
    };
    return !text.empty() && std::all_of(text.begin(), text.end(), is_tchar);
}

}  // namespace route
