#include "core/net/transport/proxy_secrets.hpp"

namespace route::net {

std::vector<std::string> proxy_secrets(const Upstream& upstream)
{
    if (!upstream.via || upstream.via->user_info.empty())
        return {};
    const auto& user_info = upstream.via->user_info;
    const auto colon = user_info.find(':');
    const auto& authorization = upstream.proxy_authorization;
    // A user without a password may be a token.
    return {colon == user_info.npos ? user_info : user_info.substr(colon + 1),
            authorization.substr(authorization.find(' ') + 1)};
}

}  // namespace route::net
