#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace route::test {

/// A reply as a client received it.
struct Reply
{
    boost::beast::http::response<boost::beast::http::string_body> message;
    std::string raw;
    bool whole = false;  ///< ended as its framing says: by its length, its last chunk, or (unframed) a close
                         ///< that is no reset

    unsigned status() const { return message.result_int(); }
    std::string header(std::string_view name) const;  ///< "" when it is missing
    std::size_t count(std::string_view name) const;
    bool has(std::string_view name) const { return count(name) > 0; }
    const std::string& body() const { return message.body(); }
};

/// A raw HTTP/1.1 client on the test's io_context: what it is told to send goes out, what comes is kept and
/// parsed. Nothing here waits: the test runs the io_context until what it looks for is there. One thread.
class TestClient
{
  public:
    /// Connected when it returns. `receive_buffer`: bytes the kernel may hold for it, 0 for its default.
    TestClient(boost::asio::io_context& io, std::uint16_t port, int receive_buffer = 0);
    TestClient(const TestClient&) = delete;
    TestClient& operator=(const TestClient&) = delete;
    ~TestClient();

    /// Queues any bytes; pipelining is calling it again.
    void send(std::string bytes);

    /// So that the peer gets a chance to read after each byte.
    void send_byte_by_byte(std::string bytes);

    /// Ends the sending direction once everything queued is out.
    void half_close();
    void close();

    /// Closes with a TCP reset.
    void reset();

    void pause_reading();
    void resume_reading();

    /// The nth reply (from 0) answers a HEAD: it has no body whatever its head says.
    void expect_headers_only(std::size_t nth);

    /// Final replies that ended, the last one perhaps broken off (`whole` is false); 1xx ones apart.
    const std::vector<Reply>& replies() const;
    const std::vector<Reply>& interim_replies() const;

    /// Of the reply that is being received.
    bool head_received() const;
    const std::string& body_so_far() const;

    const std::string& received() const;
    bool sent_all() const;

    /// The peer ended or reset the connection.
    bool closed_by_peer() const;
    bool reset_by_peer() const;

    struct State;

  private:
    std::shared_ptr<State> state_;
};

/// A request with `Host` and, when there is a body, `Content-Length`. `headers` are whole lines with CRLF.
std::string request_text(std::string_view method, std::string_view target, std::string_view headers,
                         std::string_view body = {}, std::string_view version = "HTTP/1.1");

/// `Authorization: Bearer KEY` as a whole line.
std::string bearer(std::string_view key = "test-key");

std::string chat_body(std::string_view model = "gpt-4o", bool stream = false);

std::string chat_request(std::string_view model = "gpt-4o", bool stream = false,
                         std::string_view key = "test-key", std::string_view headers = {});
inline std::string stream_request()
{
    return chat_request("gpt-4o", true);
}

std::string get_request(std::string_view target, std::string_view headers = {});

}  // namespace route::test
