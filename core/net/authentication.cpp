// Who may use the router (SPEC 4, "Authentication").
#include <openssl/crypto.h>

#include <algorithm>

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

std::optional<RouterError> Exchange::authenticate()
{
    const auto& fields = request_.fields();
    const auto x_api_key = find_field(fields, std::string_view{"x-api-key"});
    const auto api_key = find_field(fields, std::string_view{"api-key"});
    const auto bearer = bearer_credential(find_field(fields, http::field::authorization));
    websocket_ = wants_websocket();
    const auto protocol = websocket_ ? key_among_protocols() : std::string_view{};
    if (!bearer && !x_api_key.empty())
        key_place_ = KeyPlace::x_api_key;
    else if (!bearer && !api_key.empty())
        key_place_ = KeyPlace::api_key;
    else if (!bearer && !protocol.empty())
        key_place_ = KeyPlace::websocket_protocol;
    const auto authorization = find_field(fields, http::field::authorization);
    if (!authorization.empty() && !bearer) {
        const auto credential =
            trim(authorization.substr(std::min(authorization.find(' '), authorization.size())));
        record_.client_keys.push_back(std::make_shared<const std::string>(credential));
    }
    const bool enabled = table_->settings.auth.enabled;
    // Each is looked at, also when another one is valid: all of them are erased from the record.
    const bool by_bearer = bearer && authenticate_credential(*bearer);
    const auto valid = [&](std::string_view key) {
        return !key.empty() && (!by_bearer || key != *bearer) && authenticate_credential(key);
    };
    const bool by_x_api_key = valid(x_api_key);
    const bool by_api_key = valid(api_key);
    const bool by_protocol = !protocol.empty() && authenticate_credential(protocol);
    if (!enabled || by_bearer)
        return std::nullopt;
    if (by_x_api_key)
        key_place_ = KeyPlace::x_api_key;
    else if (by_api_key)
        key_place_ = KeyPlace::api_key;
    else if (by_protocol)
        key_place_ = KeyPlace::websocket_protocol;
    if (by_x_api_key || by_api_key || by_protocol)
        return std::nullopt;
    if (!bearer && x_api_key.empty() && api_key.empty() && protocol.empty())
        return RouterError{403, "invalid_api_key", "authorization header should start with 'Bearer'"};
    return RouterError{403, "invalid_api_key", "wrong authorization header"};
}

/// Of a request that is refused whoever sent it: with a valid key it is stored, and any key is erased from
/// it. Where no key is needed, it is stored only if it was meant for an upstream: others are scans.
void Exchange::authenticate_for_record()
{
    const bool refused = authenticate().has_value();
    record_.authenticated = !refused && (table_->settings.auth.enabled || record_.path.starts_with("/v1/"));
}

/// Looked up for another credential or table only. It is erased wherever it turns up in the record.
bool Exchange::authenticate_credential(std::string_view credential)
{
    const bool same = known_.credential && known_.credential->size() == credential.size() &&
                      CRYPTO_memcmp(known_.credential->data(), credential.data(), credential.size()) == 0;
    if (!same)
        known_ = KnownCredential{nullptr, std::make_shared<const std::string>(credential), {}, false};
    if (known_.table != table_) {
        const auto* key =
            table_->settings.auth.enabled ? find_key(table_->keys, hash_key(credential)) : nullptr;
        known_.table = table_;
        known_.valid = key != nullptr;
        known_.key_name = key != nullptr ? key->name : std::string{};
    }
    record_.client_keys.push_back(known_.credential);
    if (known_.valid && record_.key_name.empty())
        record_.key_name = known_.key_name;
    return known_.valid;
}

}  // namespace route::net
