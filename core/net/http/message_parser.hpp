#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "core/http/header_fields.hpp"
#include "core/net/waiting/asio.hpp"

namespace route::net {

/// Why a head is refused beyond what Beast refuses.
enum class HeadError
{
    obs_fold = 1,       ///< RFC 9112 5.2
    ambiguous_framing,  ///< RFC 9112 6.3: two Content-Length, or a Transfer-Encoding other than chunked
    too_many_fields,
};
error_code make_error_code(HeadError error);

constexpr std::size_t max_fields = 256;
constexpr std::size_t max_chunk_line = 16u << 10;  ///< a chunk's size line, or the trailer section

/// Length of the head with its empty line at the start of `bytes`; 0 while it is not complete.
std::size_t head_length(std::string_view bytes, std::size_t searched = 0);

/// Whether a line ends without CR: Beast would read on past it, a lenient server would not (RFC 9112 2.2).
/// `searched` bytes were looked at.
bool has_bare_newline(std::string_view bytes, std::size_t searched = 0);

/// Beast's parser with the fields as views into the parsed bytes, and the body decoded in place. Use:
/// parse_head() once with a whole head that stays where it is, then body() with what follows.
template <bool is_request>
class MessageParser : private http::basic_parser<is_request>
{
    using Base = http::basic_parser<is_request>;

  public:
    MessageParser();

    /// Parses a complete head. The views of fields and start line point into `head`, or, of a reply whose
    /// status line ends with the status itself as some upstreams write it, into the parser: it stays in
    /// place.
    error_code parse_head(std::string_view head);

    /// A reply to HEAD: there will be no body, whatever its fields say. Before parse_head().
    void expect_no_body() { this->skip(true); }

    /// Decodes body bytes in place: afterwards `payload()` is at the start of `data`. Returns how many bytes
    /// were consumed; the rest has to be presented again in front of what comes next (an incomplete chunk
    /// line) or, once done(), belongs to the next message.
    std::size_t body(char* data, std::size_t size, error_code& error);
    std::string_view payload() const { return {payload_begin_, payload_size_}; }

    /// The stream ended: partial_message unless the body may end so.
    error_code end_of_stream();

    bool done() const { return this->is_done(); }
    bool chunked() const { return Base::chunked(); }
    bool keep_alive() const { return Base::keep_alive(); }
    bool needs_end_of_stream() const { return this->need_eof(); }
    bool upgrade() const { return Base::upgrade(); }
    std::optional<std::uint64_t> content_length() const;

    const HeaderFields& fields() const { return fields_; }
    /// As if it had not come.
    void drop_field(http::field id)
    {
        std::erase_if(fields_, [id](const HeaderField& field) { return field.id == id; });
    }
    int version() const { return version_; }

    std::string_view method() const { return start_; }  ///< requests
    std::string_view target() const { return second_; }
    unsigned status() const { return status_; }  ///< replies
    std::string_view reason() const { return start_; }

  private:
    using string_view = boost::beast::string_view;
    void on_request_impl(http::verb, string_view method, string_view target, int version,
                         error_code&) override;
    void on_response_impl(int status, string_view reason, int version, error_code&) override;
    void on_field_impl(http::field id, string_view name, string_view value, error_code& error) override;
    void on_header_impl(error_code&) override;
    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
    std::size_t on_body_impl(string_view body, error_code&) override;
    void on_chunk_header_impl(std::uint64_t size, string_view extensions, error_code& error) override;
    std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&) override;
    void on_finish_impl(error_code&) override {}
    void append(string_view body);
    std::string_view with_status_line_ended(std::string_view head);
    error_code wait_for_chunk(std::string_view rest);
    bool last_chunk_too_short(std::string_view rest) const;
    bool folded(string_view name, string_view value) const;

    std::string_view head_;
    std::string mended_head_;  ///< usually empty
    HeaderFields fields_;
    HeaderFields* collected_ = nullptr;  ///< while the head is parsed
    std::string_view start_;
    std::string_view second_;
    unsigned status_ = 0;
    int version_ = 11;
    bool head_parsed_ = false;
    bool length_seen_ = false;
    bool after_chunk_ = false;       ///< a chunk has begun: its line end comes before the next size line
    bool last_chunk_begun_ = false;  ///< its size line has come, its trailers have not
    char* payload_begin_ = nullptr;
    std::size_t payload_size_ = 0;
    std::optional<std::uint64_t> content_length_;
};

using RequestParser = MessageParser<true>;
using ReplyParser = MessageParser<false>;

}  // namespace route::net

template <>
struct boost::system::is_error_code_enum<route::net::HeadError> : std::true_type
{
};
