#include "core/content_decoder.hpp"

#include <zlib.h>

#include <algorithm>
#include <limits>

#include "core/text.hpp"

namespace route {
namespace {

constexpr char first_of_member = '\x1f';

/// What inflateInit2() calls the formats: the window's size, its sign or 16 on top.
constexpr int zlib_format = MAX_WBITS;
constexpr int bare_format = -MAX_WBITS;
constexpr int gzip_format = MAX_WBITS + 16;

/// zlib's format begins with its method, 8, in four bits (RFC 1950 2.2). Bare deflate would begin so with a
/// stored block whose padding is not zero, which nobody writes.
int deflate_format(char first)
{
    return (first & 0x0f) == Z_DEFLATED ? zlib_format : bare_format;
}

}  // namespace

struct ContentDecoder::Inflation
{
    explicit Inflation(int format) : usable{inflateInit2(&stream, format) == Z_OK} {}
    ~Inflation()
    {
        if (usable)
            inflateEnd(&stream);
    }
    Inflation(const Inflation&) = delete;
    Inflation& operator=(const Inflation&) = delete;

    z_stream stream{};
    bool usable;
};

std::optional<ContentDecoder::Coding> ContentDecoder::coding(std::string_view content_encoding)
{
    const auto name = trim(content_encoding);
    if (equal_ignoring_case(name, "gzip") || equal_ignoring_case(name, "x-gzip"))
        return Coding::gzip;
    if (equal_ignoring_case(name, "deflate"))
        return Coding::deflate;
    return std::nullopt;
}

ContentDecoder::ContentDecoder(Coding coding) : coding_{coding}
{
}
ContentDecoder::~ContentDecoder() = default;
ContentDecoder::ContentDecoder(ContentDecoder&&) noexcept = default;
ContentDecoder& ContentDecoder::operator=(ContentDecoder&&) noexcept = default;

/// What `rest` begins with, decoded into `piece`; empty when all of it is used up.
std::string_view ContentDecoder::next(std::string_view& rest, std::span<char> piece)
{
    while (!ended_) {
        if (state_ == State::whole || !inflation_) {
            if (rest.empty() || !begin(rest.front()))
                break;
        }
        auto& stream = inflation_->stream;
        const auto size = std::min<std::size_t>(rest.size(), std::numeric_limits<uInt>::max());
        stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(rest.data()));
        stream.avail_in = static_cast<uInt>(size);
        stream.next_out = reinterpret_cast<Bytef*>(piece.data());
        stream.avail_out = static_cast<uInt>(piece.size());
        const auto result = inflate(&stream, Z_NO_FLUSH);
        const auto consumed = size - stream.avail_in;
        const auto produced = piece.size() - stream.avail_out;
        rest.remove_prefix(consumed);
        if (afford(consumed, produced))
            take_result(result);
        else
            end(State::excessive);
        if (produced > 0 && state_ != State::excessive) {
            has_content_ = true;
            return {piece.data(), produced};
        }
        if (rest.empty())
            break;
    }
    return {};
}

/// Makes ready for what begins with `first`: the body, or its next member. False when it is neither.
bool ContentDecoder::begin(char first)
{
    if (!inflation_) {
        const int format = coding_ == Coding::gzip ? gzip_format : deflate_format(first);
        inflation_ = std::make_unique<Inflation>(format);
        if (!inflation_->usable)
            end(State::corrupt);
        return !ended_;
    }
    if (first != first_of_member) {
        end(State::whole);
        return false;
    }
    inflateReset(&inflation_->stream);
    state_ = State::open;
    return true;
}

void ContentDecoder::take_result(int result)
{
    if (result == Z_STREAM_END && coding_ == Coding::gzip)
        state_ = State::whole;  // another member may follow
    else if (result == Z_STREAM_END)
        end(State::whole);
    else if (result != Z_OK && result != Z_BUF_ERROR)  // the latter: all was used up
        end(State::corrupt);
}

void ContentDecoder::end(State state)
{
    state_ = state;
    ended_ = true;
    inflation_.reset();
}

/// Deflate packs a thousand to one at best, and its user gets to read all of it. What was saved up by content
/// that hardly packs is no allowance for more.
bool ContentDecoder::afford(std::uint64_t consumed, std::uint64_t produced)
{
    affordable_ += usual_ratio * consumed;
    if (produced > affordable_)
        return false;
    affordable_ = std::min(affordable_ - produced, allowance);
    return true;
}

}  // namespace route
