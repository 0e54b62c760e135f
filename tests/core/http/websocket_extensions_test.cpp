#include "core/http/websocket_extensions.hpp"

#include <optional>
#include <string>
#include <vector>

#include "tests/core/http/read_messages.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::test;

TEST_CASE("what is agreed on about a WebSocket's compression")
{
    struct Row
    {
        std::string field;
        std::optional<WebSocketExtensions> agreed;
    };
    const std::vector<Row> rows{
        {"", WebSocketExtensions{}},
        {" , ", WebSocketExtensions{}},
        {"permessage-deflate", WebSocketExtensions{shared_context, shared_context}},
        {" permessage-deflate ; server_no_context_takeover,",
         WebSocketExtensions{shared_context, own_context}},
        {"permessage-deflate;client_no_context_takeover", WebSocketExtensions{own_context, shared_context}},
        {"permessage-deflate; client_no_context_takeover; server_no_context_takeover; "
         "server_max_window_bits=10; client_max_window_bits=\"15\"",
         WebSocketExtensions{own_context, own_context}},
        {"permessage-deflate; server_max_window_bits=8", WebSocketExtensions{shared_context, shared_context}},
        {"x-webkit-deflate-frame", {}},
        {"permessage-deflate, x-other", {}},
        {"x-other, permessage-deflate", {}},
        {"permessage-deflate, permessage-deflate", {}},
        {"permessage-deflate; server_max_window_bits", {}},
        {"permessage-deflate; server_max_window_bits=", {}},
        {"permessage-deflate; server_max_window_bits=7", {}},
        {"permessage-deflate; server_max_window_bits=16", {}},
        {"permessage-deflate; server_max_window_bits=010", {}},
        {"permessage-deflate; server_max_window_bits=10x", {}},
        {"permessage-deflate; server_max_window_bits=\"10", {}},
        {"permessage-deflate; client_max_window_bits=-9", {}},
        {"permessage-deflate; server_no_context_takeover=1", {}},
        {"permessage-deflate; server_no_context_takeover; server_no_context_takeover", {}},
        {"permessage-deflate; what", {}},
        {"permessage-deflate;;", {}},
    };
    for (const auto& row : rows) {
        CAPTURE(row.field);
        CHECK(read_websocket_extensions(row.field) == row.agreed);
    }
}
