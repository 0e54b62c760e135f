#include "core/net/authentication.hpp"

#include <openssl/crypto.h>

#include <algorithm>

#include "core/http/websocket.hpp"
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

/// Looked up for another credential or table only. It is erased wherever it turns up in the record.
bool is_valid(std::string_view credential, const RoutingTablePtr& table, KnownCredential& known,
              Record& record)
{
    const bool same = known.credential && known.credential->size() == credential.size() &&
                      CRYPTO_memcmp(known.credential->data(), credential.data(), credential.size()) == 0;
    if (!same)
        known = KnownCredential{nullptr, std::make_shared<const std::string>(credential), {}, false};
    if (known.table != table) {
        const auto* key =
            table->settings.auth.enabled ? find_key(table->keys, hash_key(credential)) : nullptr;
        known.table = table;
        known.valid = key != nullptr;
        known.key_name = key != nullptr ? key->name : std::string{};
    }
    record.client_keys.push_back(known.credential);
    if (known.valid && record.key_name.empty())
        record.key_name = known.key_name;
    return known.valid;
}

}  // namespace

std::string_view key_among_protocols(const HeaderFields& fields)
{
    for (const auto& field : fields)
        if (field.id == http::field::sec_websocket_protocol)
            if (const auto key = route::key_among_protocols(field.value))
                return *key;
    return {};
}

Authentication authenticate(const Request& request, const RoutingTablePtr& table, KnownCredential& known,
                            Record& record)
{
    Authentication result;
    const auto& fields = request.fields();
    const auto x_api_key = find_field(fields, std::string_view{"x-api-key"});
    const auto api_key = find_field(fields, std::string_view{"api-key"});
    const auto authorization = find_field(fields, http::field::authorization);
    const auto bearer = bearer_credential(authorization);
    const auto protocol = request.asks_for_websocket() ? key_among_protocols(fields) : std::string_view{};
    if (!bearer && !x_api_key.empty())
        result.place = KeyPlace::x_api_key;
    else if (!bearer && !api_key.empty())
        result.place = KeyPlace::api_key;
    else if (!bearer && !protocol.empty())
        result.place = KeyPlace::websocket_protocol;
    if (!authorization.empty() && !bearer) {
        const auto credential =
            trim(authorization.substr(std::min(authorization.find(' '), authorization.size())));
        record.client_keys.push_back(std::make_shared<const std::string>(credential));
    }
    // Each is looked at, also when another one is valid: all of them are erased from the record.
    const bool by_bearer = bearer && is_valid(*bearer, table, known, record);
    const auto valid = [&](std::string_view key) {
        return !key.empty() && (!by_bearer || key != *bearer) && is_valid(key, table, known, record);
    };
    const bool by_x_api_key = valid(x_api_key);
    const bool by_api_key = valid(api_key);
    const bool by_protocol = !protocol.empty() && is_valid(protocol, table, known, record);
    if (!table->settings.auth.enabled || by_bearer)
        return result;
    if (by_x_api_key)
        result.place = KeyPlace::x_api_key;
    else if (by_api_key)
        result.place = KeyPlace::api_key;
    else if (by_protocol)
        result.place = KeyPlace::websocket_protocol;
    if (by_x_api_key || by_api_key || by_protocol)
        return result;
    const bool none = !bearer && x_api_key.empty() && api_key.empty() && protocol.empty();
    result.refusal =
        RouterError{403, "invalid_api_key",
                    none ? "authorization header should start with 'Bearer'" : "wrong authorization header"};
    return result;
}

}  // namespace route::net
