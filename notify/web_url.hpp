#pragma once

#include <string>
#include <string_view>

#include "core/failover/endpoint.hpp"
#include "core/result.hpp"

namespace route::notify {

/// A URL that messages are sent to, taken apart.
struct WebUrl
{
    Endpoint endpoint;      ///< its base_path is the URL's path, to the letter
    std::string query;      ///< with its '?', or empty
    std::string user_info;  ///< "user:password", percent-decoded; "" for none
    bool secret = true;     ///< who knows its path or query may send there: they are not shown
};

/// Takes http:// and https:// URLs, with user information and query; no fragment. The reason of a refusal
/// quotes nothing of the URL.
Result<WebUrl> parse_web_url(std::string_view text);

/// `base` with `path` (which begins with '/') behind its own, without query; shown as it is.
WebUrl below(const WebUrl& base, std::string_view path);

/// Fit to be shown: of a secret one scheme, host and port.
std::string shown(const WebUrl& url);

/// Percent-encoded as one segment of a path (RFC 3986 3.3).
std::string path_segment(std::string_view text);

}  // namespace route::notify
