#include "core/net/http/message_parser.hpp"

#include <algorithm>
#include <boost/beast/http/error.hpp>
#include <cstring>
#include <functional>
#include <span>

#include "core/hex_digit.hpp"
#include "core/net/waiting/scratch.hpp"
#include "core/text.hpp"

namespace route::net {

namespace {

class HeadErrorCategory final : public boost::system::error_category
{
  public:
    const char* name() const noexcept override { return "http head"; }
    std::string message(int value) const override
    {
        switch (static_cast<HeadError>(value)) {
            case HeadError::obs_fold:
                return "a folded field line";
            case HeadError::ambiguous_framing:
                return "ambiguous message framing";
            case HeadError::too_many_fields:
                return "too many fields";
        }
        return "bad head";
    }
};

/// Turns the size line "1a  " at the start of `rest`, where a chunk's end may come before it, into "001a":
/// some upstreams pad it. False when it is no such line.
bool fill_blanks_behind_size(std::span<char> rest)
{
    const std::string_view text{rest.data(), rest.size()};
    const std::size_t begin = text.starts_with("\r\n") ? 2 : 0;
    const auto end = text.find("\r\n", begin);
    if (end == std::string_view::npos)
        return false;
    const auto line = rest.subspan(begin, end - begin);
    const auto size_end =
        std::find_if_not(line.begin(), line.end(), [](char c) { return hex_digit(c) >= 0; });
    const auto blank = [](char c) { return c == ' ' || c == '\t'; };
    if (size_end == line.begin() || size_end == line.end() || !std::all_of(size_end, line.end(), blank))
        return false;
    std::rotate(line.begin(), size_end, line.end());
    std::fill(line.begin(), line.end() - (size_end - line.begin()), '0');
    return true;
}

std::string_view as_std(boost::beast::string_view text)
{
    return {text.data(), text.size()};
}

}  // namespace

error_code make_error_code(HeadError error)
{
    static const HeadErrorCategory category;
    return {static_cast<int>(error), category};
}

std::size_t head_length(std::string_view bytes, std::size_t searched)
{
    const auto from = searched > 3 ? searched - 3 : 0;
    const auto end = bytes.find("\r\n\r\n", from);
    return end == std::string_view::npos ? 0 : end + 4;
}

bool has_bare_newline(std::string_view bytes, std::size_t searched)
{
    for (auto at = bytes.find('\n', searched); at != std::string_view::npos; at = bytes.find('\n', at + 1))
        if (at == 0 || bytes[at - 1] != '\r')
            return true;
    return false;
}

template <bool is_request>
MessageParser<is_request>::MessageParser()
{
    this->header_limit(max_head_bytes);
    this->body_limit(boost::none);
}

template <bool is_request>
error_code MessageParser<is_request>::parse_head(std::string_view head)
{
    // Collected where there is room and then copied: messages live long, and shall hold no more than they
    // need.
    thread_local HeaderFields collected;
    collected.clear();
    if (!is_request)
        head = with_status_line_ended(head);
    head_ = head;
    collected_ = &collected;
    error_code error;
    const auto consumed = this->put(asio::const_buffer{head.data(), head.size()}, error);
    collected_ = nullptr;
    fields_.assign(collected.begin(), collected.end());
    if (!error && consumed != head.size())
        error = http::error::bad_field;  // the empty line came earlier than head_length() found it
    head_parsed_ = true;
    if (!error && !this->is_header_done())
        error = http::error::partial_message;
    if (!error)
        this->eager(true);
    return error;
}

template <bool is_request>
std::size_t MessageParser<is_request>::body(char* data, std::size_t size, error_code& error)
{
    payload_begin_ = data;
    payload_size_ = 0;
    error = {};
    std::size_t consumed = 0;
    while (consumed < size && !this->is_done() && !last_chunk_too_short({data + consumed, size - consumed})) {
        const auto now = this->put(asio::const_buffer{data + consumed, size - consumed}, error);
        consumed += now;
        if (error == http::error::need_more) {
            error = wait_for_chunk({data + consumed, size - consumed});
            break;
        }
        if (!is_request && error == http::error::bad_chunk_extension &&
            fill_blanks_behind_size({data + consumed, size - consumed}))
            continue;
        if (error)
            break;
    }
    return consumed;
}

/// RFC 9112 4 wants a space behind the status; what follows it is for people and may be missing.
template <bool is_request>
std::string_view MessageParser<is_request>::with_status_line_ended(std::string_view head)
{
    constexpr std::string_view shortest = "HTTP/1.1 200";
    if (head.substr(0, shortest.size() + 2).find("\r\n") != shortest.size())
        return head;
    mended_head_.reserve(head.size() + 1);
    mended_head_.append(head.substr(0, shortest.size())).append(" ").append(head.substr(shortest.size()));
    return mended_head_;
}

/// Beast wants more than `rest`. It does so for ever when a chunk's extensions are malformed.
template <bool is_request>
error_code MessageParser<is_request>::wait_for_chunk(std::string_view rest)
{
    constexpr std::string_view chunk_end = "\r\n";
    auto line = rest;
    if (after_chunk_) {
        if (!chunk_end.starts_with(rest.substr(0, chunk_end.size())))
            return http::error::bad_chunk;
        line.remove_prefix(std::min(chunk_end.size(), rest.size()));
    }
    if (has_bare_newline(line))
        return http::error::bad_chunk;
    const auto line_end = line.find('\n');
    const auto zeros = std::min(line.find_first_not_of('0'), line.size());
    last_chunk_begun_ = line_end != std::string_view::npos && zeros > 0 && hex_digit(line[zeros]) < 0;
    const auto end = last_chunk_begun_ ? line.find("\r\n\r\n") : line_end;
    if (end != std::string_view::npos)
        return http::error::bad_chunk_extension;
    return rest.size() > max_chunk_line ? error_code{http::error::bad_chunk} : error_code{};
}

/// Beast asserts that it is not asked again before there is enough for the shortest end.
template <bool is_request>
bool MessageParser<is_request>::last_chunk_too_short(std::string_view rest) const
{
    constexpr std::string_view shortest = "0\r\n\r\n";
    return last_chunk_begun_ && rest.size() < shortest.size();
}

template <bool is_request>
error_code MessageParser<is_request>::end_of_stream()
{
    error_code error;
    this->put_eof(error);
    return error;
}

template <bool is_request>
std::optional<std::uint64_t> MessageParser<is_request>::content_length() const
{
    return content_length_;
}

template <bool is_request>
void MessageParser<is_request>::on_request_impl(http::verb, string_view method, string_view target,
                                                int version, error_code&)
{
    start_ = as_std(method);
    second_ = as_std(target);
    version_ = version;
}

template <bool is_request>
void MessageParser<is_request>::on_response_impl(int status, string_view reason, int version,
                                                 error_code& error)
{
    if (status < 100) {
        error = http::error::bad_status;  // RFC 9110 15
        return;
    }
    status_ = static_cast<unsigned>(status);
    start_ = as_std(reason);
    version_ = version;
}

template <bool is_request>
void MessageParser<is_request>::on_field_impl(http::field id, string_view name, string_view value,
                                              error_code& error)
{
    if (head_parsed_)
        return;  // trailers are dropped (RFC 9110 6.5.1)
    if (folded(name, value)) {
        error = HeadError::obs_fold;
        return;
    }
    if (collected_->size() == max_fields) {
        error = HeadError::too_many_fields;
        return;
    }
    if (id == http::field::content_length) {
        if (length_seen_ || value.find(',') != string_view::npos)
            error = HeadError::ambiguous_framing;
        length_seen_ = true;
    } else if (id == http::field::transfer_encoding &&
               (!equal_ignoring_case(as_std(value), "chunked") || version_ < 11)) {
        error = HeadError::ambiguous_framing;
    }
    collected_->push_back({id, as_std(name), as_std(value)});
}

/// Whether Beast has unfolded the line (RFC 9112 5.2): its value then lies in a buffer of Beast's own, or
/// begins on another line than its name.
template <bool is_request>
bool MessageParser<is_request>::folded(string_view name, string_view value) const
{
    const std::less_equal<const char*> up_to;
    const char* name_end = name.data() + name.size();
    if (!up_to(head_.data(), value.data()) || !up_to(value.data(), head_.data() + head_.size()))
        return true;
    const auto between = static_cast<std::size_t>(value.data() - name_end);
    return between > 2 && std::memchr(name_end, '\n', between) != nullptr;
}

template <bool is_request>
void MessageParser<is_request>::on_header_impl(error_code&)
{
    head_parsed_ = true;
    if (const auto length = Base::content_length())
        content_length_ = *length;
}

template <bool is_request>
void MessageParser<is_request>::append(string_view body)
{
    auto* end = payload_begin_ + payload_size_;
    if (end != body.data())
        std::memmove(end, body.data(), body.size());
    payload_size_ += body.size();
}

template <bool is_request>
std::size_t MessageParser<is_request>::on_body_impl(string_view body, error_code&)
{
    append(body);
    return body.size();
}

/// In quotes Beast takes any character but CRLF. Some readers end the line at a bare LF: for them the chunk
/// would begin elsewhere.
template <bool is_request>
void MessageParser<is_request>::on_chunk_header_impl(std::uint64_t size, string_view extensions,
                                                     error_code& error)
{
    after_chunk_ = size > 0;
    const auto control = [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; };
    if (std::any_of(extensions.begin(), extensions.end(), control))
        error = http::error::bad_chunk_extension;
}

template <bool is_request>
std::size_t MessageParser<is_request>::on_chunk_body_impl(std::uint64_t, string_view body, error_code&)
{
    append(body);
    return body.size();
}

template class MessageParser<true>;
template class MessageParser<false>;

}  // namespace route::net
