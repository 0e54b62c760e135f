#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace route {

/// An error of the router's own. `code` and `status` are those of SPEC 4; `type` follows OpenAI's
/// (`invalid_request_error`, `server_error`, …).
struct RouterError
{
    unsigned status;
    std::string_view code;
    std::string message;
};

/// `{"error":{"message":…,"type":…,"param":null,"code":…}}`; text is escaped and made valid UTF-8.
std::string error_body(const RouterError& error);

/// The `type` that goes with a status: 4xx `invalid_request_error`, 5xx `server_error`.
std::string_view error_type(unsigned status);

/// What an SSE client gets when a reply breaks after commit, framed as an event: `data: {...}\n\n`, on
/// `/v1/messages` with `event: error` and
/// `{"type":"error","error":{…}}`.
std::string truncation_event(std::string_view path, std::string_view message);

}  // namespace route
