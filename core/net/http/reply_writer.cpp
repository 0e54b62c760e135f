#include "core/net/http/reply_writer.hpp"

#include <fmt/compile.h>
#include <fmt/format.h>

namespace route::net {

void ReplyWriter::begin(std::string_view head, Framing framing)
{
    head_ = head;
    framing_ = framing;
}

ReplyWriter::Written ReplyWriter::write(std::string_view payload, bool last)
{
    std::array<iovec, 5> parts;
    std::size_t count = 0;
    std::array<char, 20> size_line;
    if (!head_.empty())
        parts[count++] = part(head_);
    if (framing_ == Framing::chunked) {
        if (!payload.empty()) {
            const auto end = fmt::format_to(size_line.data(), FMT_COMPILE("{:x}\r\n"), payload.size());
            parts[count++] = part({size_line.data(), static_cast<std::size_t>(end - size_line.data())});
            parts[count++] = part(payload);
        }
        if (last && payload.empty())
            parts[count++] = part("0\r\n\r\n");
        else if (last)
            parts[count++] = part("\r\n0\r\n\r\n");
        else if (!payload.empty())
            parts[count++] = part("\r\n");
    } else if (framing_ != Framing::none && !payload.empty()) {
        parts[count++] = part(payload);
    }
    head_ = {};
    if (count == 0)
        return Written::all;
    if (last && hold_last_byte_) {
        auto& final_part = parts[count - 1];
        held_ = static_cast<const char*>(final_part.iov_base)[--final_part.iov_len];
    }
    return send({parts.data(), count});
}

ReplyWriter::Written ReplyWriter::send(std::span<iovec> parts)
{
    parts = consume(parts, 0);
    const auto keep = [&] {
        for (const auto& each : parts)
            rest_.append(static_cast<const char*>(each.iov_base), each.iov_len);
        return Written::waiting;
    };
    if (pending())
        return keep();
    while (!parts.empty()) {
        const auto sent = client_.connection.write_some(parts);
        if (sent.must_wait()) {
            rest_.clear();
            rest_sent_ = 0;
            return keep();
        }
        if (sent.error)
            return Written::gone;
        if (!first_byte_)
            first_byte_ = Clock::now();
        parts = consume(parts, sent.bytes);
    }
    return Written::all;
}

awaitable<ReplyWriter::Written> ReplyWriter::drain()
{
    const auto stall = ticks(stall_);
    while (rest_sent_ < rest_.size()) {
        auto bytes = part(std::string_view{rest_}.substr(rest_sent_));
        const auto sent = client_.connection.write_some({&bytes, 1});
        if (sent.must_wait()) {
            const auto begin = Clock::now();
            client_.limit_write(begin + stall);
            auto writable = client_.connection.writable();
            co_await std::move(writable);
            waited_ += Clock::now() - begin;
            continue;
        }
        if (sent.error) {
            client_.no_limit();
            co_return Written::gone;
        }
        if (!first_byte_)
            first_byte_ = Clock::now();
        rest_sent_ += sent.bytes;
    }
    client_.no_limit();
    std::string{}.swap(rest_);
    rest_sent_ = 0;
    co_return Written::all;
}

awaitable<ReplyWriter::Written> ReplyWriter::release()
{
    if (!held_)
        co_return Written::all;
    const char byte = *held_;
    held_.reset();
    auto bytes = part({&byte, 1});
    auto written = send({&bytes, 1});
    if (written == Written::waiting)
        written = co_await drain();
    co_return written;
}

}  // namespace route::net
