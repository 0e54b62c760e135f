// A recorded request, sent again.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <stop_token>
#include <string>

#include "app/routing_view.hpp"
#include "core/record.hpp"

namespace route {

struct ReplayedRequest
{
    std::string method = "POST";
    std::string path = "/v1/chat/completions";
    std::string content_type;  ///< "": none is sent
    std::string body;
    std::string upstream;  ///< name or number; "": the first one that it would be tried at
};

/// Out of what replay_question() has put in; refused where something is missing or of another type.
Result<ReplayedRequest> read_replay(const boost::json::object& asked);
boost::json::object replay_question(const ReplayedRequest& request);

/// Sends it once, as serving would send it to that upstream (its key, headers, `rename`, timeouts), and reads
/// the reply to its end. What comes of it is recorded nowhere. Blocks until then, or until `stop` is
/// requested. Gives `upstream`, `status`, `outcome`, `error`, `response`, `response_bytes`, `first_byte_ms`,
/// `elapsed_ms`, `prompt_tokens`, `completion_tokens`, `total_tokens`, `finish_reason`; null where there is
/// none. Refused, with the reason, when it cannot be sent.
Result<boost::json::object> replay(const RoutingView& view, const ReplayedRequest& request,
                                   const std::stop_token& stop = {});

}  // namespace route
