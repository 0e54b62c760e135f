// What the heads of both sides are written with.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/http/header_fields.hpp"
#include "core/text.hpp"

namespace route {

/// RFC 9110 7.6.1, and the fields of message framing: they belong to one connection.
inline bool hop_by_hop(const HeaderField& header)
{
    using boost::beast::http::field;
    switch (header.id) {
        case field::connection:
        case field::keep_alive:
        case field::proxy_connection:
        case field::proxy_authenticate:
        case field::te:
        case field::trailer:
        case field::transfer_encoding:
        case field::upgrade:
        case field::content_length:
        case field::http2_settings:
            return true;
        default:
            return false;
    }
}

/// Fields named in Connection (RFC 9110 7.6.1), beyond the usual options; sorted.
std::vector<std::string_view> nominated_fields(const HeaderFields& fields);
bool nominated(const std::vector<std::string_view>& names, std::string_view name);

inline void write_field(std::string& out, std::string_view name, std::string_view value)
{
    out.append(name).append(": ").append(value).append("\r\n");
}

void write_number_field(std::string& out, std::string_view name, std::uint64_t value);

/// Appends field lines; those that follow one another in the head they came from, already written as the
/// router writes them, in one piece.
class LineWriter
{
  public:
    explicit LineWriter(std::string& out) : out_{out} {}
    ~LineWriter() { flush(); }
    LineWriter(const LineWriter&) = delete;
    LineWriter& operator=(const LineWriter&) = delete;

    void add(const HeaderField& header)
    {
        const char* begin = header.name.data();
        const char* colon = begin + header.name.size();
        const bool as_written = header.value.data() == colon + 2 && colon[0] == ':' && colon[1] == ' ' &&
                                header.value.data()[header.value.size()] == '\r';
        if (begin != end_ || !as_written)
            flush();
        if (!as_written) {
            write_field(out_, header.name, header.value);
            return;
        }
        if (begin_ == nullptr)
            begin_ = begin;
        end_ = header.value.data() + header.value.size() + 2;
    }

  private:
    void flush()
    {
        out_.append(begin_, end_);
        begin_ = end_ = nullptr;
    }

    std::string& out_;
    const char* begin_ = nullptr;  ///< of a run of lines, not yet appended
    const char* end_ = nullptr;
};

/// Sec-WebSocket-Protocol with another key among its protocols, or none.
void add_protocols(LineWriter& lines, const HeaderField& header, std::string_view key);

}  // namespace route
