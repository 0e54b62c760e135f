#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/fake_upstream.hpp"

namespace route::test {

using Headers = std::vector<std::pair<std::string, std::string>>;

/// A head with its empty line. `status` alone gets a reason phrase of its own.
std::string reply_head(unsigned status, const Headers& headers);

/// A whole reply, framed by Content-Length.
std::string reply_text(unsigned status, const Headers& headers, std::string_view body);

/// `body` as one chunk; the chunk that ends a body.
std::string chunk(std::string_view body);
inline constexpr std::string_view last_chunk = "0\r\n\r\n";

/// A whole chunked reply whose body is one chunk for each piece.
std::string chunked_reply(unsigned status, const Headers& headers, const std::vector<std::string>& pieces);

// Inline: tests make constants of their own with them, which must come after them.
inline const Headers json_headers{{"Content-Type", "application/json"}};
inline const Headers sse_headers{{"Content-Type", "text/event-stream"}};  ///< without framing
inline const Headers chunked_sse_headers{{"Content-Type", "text/event-stream"},
                                         {"Transfer-Encoding", "chunked"}};

/// A chat completion that says `text`: 5 prompt tokens, 2 completion tokens, 7 in all, finish reason `stop`.
std::string chat_reply(std::string_view text);

/// An error body in the OpenAI shape.
std::string upstream_error(std::string_view message);

/// `data: …\n\n` of a chat completion chunk that says `text`.
std::string chat_event(std::string_view text);
std::string data_event(std::string_view data);
inline constexpr std::string_view done_event = "data: [DONE]\n\n";

/// The events of a whole chat stream that says `text`, with finish reason and [DONE].
std::vector<std::string> chat_events(std::string_view text);

std::string joined(const std::vector<std::string>& pieces);

/// Scripts that read one whole request each before they do what they are called; after a whole reply they
/// take the next request.
namespace script {

Script reply(unsigned status, const Headers& headers, std::string_view body);
Script chat_reply(std::string_view text);

/// A whole event stream.
Script sse(const std::vector<std::string>& events);

/// Reads a request, sends `bytes` as they are, then takes the next request / closes / stays silent.
Script raw(std::string bytes);
Script raw_then_close(std::string bytes);
Script raw_then_half_close(std::string bytes);
Script raw_then_reset(std::string bytes);
Script raw_then_silence(std::string bytes);

Script reset_at_once();
Script reset_after_request();
Script close_after_request();
Script silence();
Script half_head();
Script half_chunk();

/// Less body than Content-Length says.
Script wrong_length();
Script garbage();

/// `n` replies 103, then a whole chat reply.
Script flood_1xx(std::size_t n);

Script empty_stream();
Script comments_only();
Script done_only();
Script error_event_first(std::string_view event);
Script cut_before_first_event();
Script cut_after_first_event();
Script stall_after_first_event();

/// Half of a first event, then nothing more.
Script stall_inside_first_event();

Script reply_then_extra_bytes(std::string extra);

/// One reply, keeps the connection open until gate "idle" is released, then closes it.
Script close_idle();

/// The same, but what comes on the idle connection is a 408 before the close.
Script stale_408();

/// One reply, then resets the connection when the next request comes.
Script reply_then_reset();

}  // namespace script

}  // namespace route::test
