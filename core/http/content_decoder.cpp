#include "core/http/content_decoder.hpp"

#include <algorithm>

#include "core/http/content_codecs.hpp"
#include "core/text.hpp"

namespace route {

std::optional<ContentDecoder::Coding> ContentDecoder::coding(std::string_view content_encoding)
{
    const auto name = trim(content_encoding);
    if (equal_ignoring_case(name, "gzip") || equal_ignoring_case(name, "x-gzip"))
        return Coding::gzip;
    if (equal_ignoring_case(name, "deflate"))
        return Coding::deflate;
    if (equal_ignoring_case(name, "zstd"))
        return Coding::zstd;
    if (equal_ignoring_case(name, "br"))
        return Coding::brotli;
    return std::nullopt;
}

std::string_view ContentDecoder::name() const
{
    switch (coding_) {
        case Coding::gzip:
            return "gzip";
        case Coding::deflate:
            return "deflate";
        case Coding::zstd:
            return "zstd";
        case Coding::brotli:
            return "br";
    }
    return {};
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
        if (state_ == State::whole || !codec_) {
            if (rest.empty() || !begin(rest.front()))
                break;
        }
        const auto step = codec_->step(rest, piece);
        rest.remove_prefix(step.consumed);
        if (!afford(step.consumed, step.produced))
            end(State::excessive);
        else if (step.state == Codec::State::ended)
            state_ = State::whole;  // another member may follow
        else if (step.state == Codec::State::corrupt)
            end(State::corrupt);
        if (step.produced > 0 && state_ != State::excessive) {
            has_content_ = true;
            return {piece.data(), step.produced};
        }
        if (rest.empty())
            break;
    }
    return {};
}

/// Makes ready for what begins with `first`: the body, or its next member. False when it is neither.
bool ContentDecoder::begin(char first)
{
    if (!codec_) {
        codec_ = make_codec(coding_, first);
        if (!codec_)
            end(State::corrupt);
        return !ended_;
    }
    if (!codec_->begin_member(first)) {
        end(State::whole);
        return false;
    }
    state_ = State::open;
    return true;
}

void ContentDecoder::end(State state)
{
    state_ = state;
    ended_ = true;
    codec_.reset();
}

/// Deflate packs a thousand to one at best, the others more, and its user gets to read all of it. What was
/// saved up by content that hardly packs is no allowance for more, but for what a decoder may hold back.
bool ContentDecoder::afford(std::uint64_t consumed, std::uint64_t produced)
{
    affordable_ += usual_ratio * consumed;
    if (produced > affordable_)
        return false;
    affordable_ = std::min(affordable_ - produced, allowance + codec_->most_held_back());
    return true;
}

}  // namespace route
