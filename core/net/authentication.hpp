#pragma once

#include <optional>
#include <string>

#include "core/http/upstream_head.hpp"
#include "core/net/http/request.hpp"
#include "core/net/loop/routing_table.hpp"
#include "core/openai/error_body.hpp"
#include "core/record.hpp"

namespace route::net {

/// The last credential of a connection and what it was worth, so that a hash is computed once and not for
/// every request.
struct KnownCredential
{
    RoutingTablePtr table;
    Secret credential;
    std::string key_name;
    bool valid = false;
};

/// What came of looking at the keys of a request.
struct Authentication
{
    std::optional<RouterError> refusal;  ///< why it may not use the router
    KeyPlace place = KeyPlace::authorization;
};

/// Who may use the router (SPEC 4, "Authentication"). Every key the request holds is noted in the record, to
/// be erased from it, and the name of a valid one.
Authentication authenticate(const Request& request, const RoutingTablePtr& table, KnownCredential& known,
                            Record& record);

/// The key that a browser put among the protocols of its WebSocket; empty when there is none.
std::string_view key_among_protocols(const HeaderFields& fields);

}  // namespace route::net
