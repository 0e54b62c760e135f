// Which paths and methods are not passed on.
#pragma once

#include <string>
#include <string_view>

namespace route {

/// Percent-decoded as a path is: `+` stands for itself (RFC 3986 2.1).
std::string decoded_path(std::string_view path);

/// Whether some server could take a segment of the path, percent-decoded once or twice, for "." or "..":
/// backslashes, parameters behind ';' and control characters count as well.
bool leaves_its_place(std::string_view path);

/// Whether a path, without its query, is one that is passed on: below /v1/, and fit for a request line.
bool is_passed_on(std::string_view path);

/// Methods that speak to what lies between client and origin: CONNECT opens a tunnel (RFC 9110 9.3.6), TRACE
/// has the request echoed, which by then holds the upstream's key (9.3.8); TRACK is IIS's name for it.
bool is_for_the_way(std::string_view method);

/// RFC 9110 5.6.2.
bool is_token(std::string_view text);

}  // namespace route
