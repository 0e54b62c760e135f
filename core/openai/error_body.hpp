#pragma once

#include <cstdint>
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

/// In the shape of the API that was asked, by its path (a query behind it does no harm): on `/v1/messages`
/// `{"type":"error","error":{"type":…,"message":…}}`, else `{"error":{"message":…,"type":…,"param":null,
/// "code":…}}`. Text is escaped and made valid UTF-8.
std::string error_body(const RouterError& error, std::string_view path);

/// The `type` that goes with a status: 4xx `invalid_request_error`, 5xx `server_error`.
std::string_view error_type(unsigned status);

/// An error within a stream of events: `data: {"error":{…}}`, on `/v1/messages` `event: error` with
/// `{"type":"error","error":{…}}`, on `/v1/responses` `event: error` with
/// `{"type":"error","sequence_number":N, …}`, where N follows on the `events` of the stream so far.
std::string error_event(const RouterError& error, std::string_view path, std::uint64_t events);

/// What a client gets so when a reply breaks after commit.
std::string truncation_event(std::string_view path, std::string_view message, std::uint64_t events);

}  // namespace route
