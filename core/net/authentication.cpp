// Who may use the router (SPEC 4, "Authentication").
#include <openssl/crypto.h>

#include "core/net/exchange.hpp"
#include "core/text.hpp"

namespace route::net {

namespace {

/// The credential behind `Bearer`; none for any other scheme (RFC 6750 2.1, 9110 11.4).
std::optional<std::string_view> bearer_credential(std::string_view authorization)
{
    constexpr std::string_view scheme = "Bearer";
    const auto rest = authorization.substr(std::min(scheme.size(), authorization.size()));
    if (!equal_ignoring_case(authorization.substr(0, scheme.size()), scheme) ||
        (!rest.empty() && rest.front() != ' '))
        return std::nullopt;
    return trim(rest);
}

}  // namespace

bool Exchange::wants_websocket() const
{
    const auto upgrade = find_field(request_.fields(), http::field::upgrade);
    return request_.parser->method() == "GET" && equal_ignoring_case(upgrade, "websocket");
}

std::optional<RouterError> Exchange::authenticate()
{
    const auto& fields = request_.fields();
    const auto api_key = find_field(fields, std::string_view{"x-api-key"});
    const auto bearer = bearer_credential(find_field(fields, http::field::authorization));
    api_key_header_ = !api_key.empty() && !bearer;
    if (!table_->settings.auth.enabled) {
        if (bearer || !api_key.empty())
            remember_credential(bearer ? *bearer : api_key);
        return std::nullopt;
    }
    if (bearer && authenticate_credential(*bearer))
        return std::nullopt;
    if (!api_key.empty() && authenticate_credential(api_key)) {
        api_key_header_ = true;
        return std::nullopt;
    }
    if (!bearer && api_key.empty())
        return RouterError{403, "invalid_api_key", "authorization header should start with 'Bearer'"};
    return RouterError{403, "invalid_api_key", "wrong authorization header"};
}

/// It is erased wherever it turns up in the record. Looked up again for another credential or table only.
void Exchange::remember_credential(std::string_view credential)
{
    const bool known = known_.credential && known_.credential->size() == credential.size() &&
                       CRYPTO_memcmp(known_.credential->data(), credential.data(), credential.size()) == 0;
    if (!known)
        known_ = KnownCredential{nullptr, std::make_shared<const std::string>(credential), {}};
    record_.client_key = known_.credential;
}

bool Exchange::authenticate_credential(std::string_view credential)
{
    remember_credential(credential);
    if (known_.table != table_) {
        const auto* key = find_key(table_->keys, hash_key(credential));
        if (key == nullptr)
            return false;
        known_.table = table_;
        known_.key_name = key->name;
    }
    record_.key_name = known_.key_name;
    return true;
}

}  // namespace route::net
