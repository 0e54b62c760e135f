#include "core/http/websocket_messages.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <span>

#include "core/http/message_inflater.hpp"

namespace route {
namespace {

enum Opcode : unsigned
{
    continuation = 0,
    text_frame = 1,
    binary_frame = 2,
    close_frame = 8,
    pong_frame = 10,
};

constexpr unsigned final_bit = 0x80;
constexpr unsigned compressed_bit = 0x40;
constexpr unsigned reserved_bits = 0x30;
constexpr unsigned mask_bit = 0x80;
constexpr std::size_t longest_control = 125;

/// What compressors leave out at the end of each message (RFC 7692 7.2.1).
constexpr std::string_view deflate_tail{"\x00\x00\xff\xff", 4};

/// Bytes that are unmasked at a time.
constexpr std::size_t frame_portion = MessageInflater::most_produced;

/// Memory of a message that is not given back to the heap after it: sockets live long.
constexpr std::size_t kept_of_message = 4096;

unsigned byte_at(std::span<const char> head, std::size_t at)
{
    return static_cast<unsigned char>(head[at]);
}

std::uint64_t big_endian(std::span<const char> bytes)
{
    std::uint64_t number = 0;
    for (const char c : bytes)
        number = number << 8 | static_cast<unsigned char>(c);
    return number;
}

}  // namespace

WebSocketMessages::WebSocketMessages(WebSocketDeflate deflate) : deflate_{deflate}
{
}
WebSocketMessages::~WebSocketMessages() = default;
WebSocketMessages::WebSocketMessages(WebSocketMessages&&) noexcept = default;
WebSocketMessages& WebSocketMessages::operator=(WebSocketMessages&&) noexcept = default;

/// Takes bytes up to the end of a message, or of a part of one; false when they end before it.
bool WebSocketMessages::next(std::string_view& rest, SseEvent& message)
{
    if (std::exchange(delivered_, false))
        forget_text();
    while (legible_) {
        if (!in_frame_ && !(take_head(rest) && begin_frame()))
            return false;
        if (take_payload(rest, message))
            return true;
        if (left_ > 0 && rest.empty())
            return false;
        if (legible_ && left_ == 0 && end_frame(message))
            return true;
    }
    return false;
}

void WebSocketMessages::forget_text()
{
    if (text_.capacity() > (kind_ == Kind::none ? kept_of_message : 2 * frame_portion))
        std::string{}.swap(text_);
    text_.clear();
}

bool WebSocketMessages::give_up()
{
    legible_ = false;
    inflater_.reset();
    std::string{}.swap(text_);
    return false;
}

/// As far as what there is of it says.
std::size_t WebSocketMessages::head_size() const
{
    std::size_t size = 2;
    if (head_taken_ < size)
        return size;
    const auto second = byte_at(head_, 1);
    const auto length = second & ~mask_bit;
    size += length == 126 ? 2 : length == 127 ? 8 : 0;
    return size + ((second & mask_bit) != 0 ? mask_.size() : 0);
}

bool WebSocketMessages::take_head(std::string_view& rest)
{
    for (auto size = head_size(); head_taken_ < size; size = head_size()) {
        if (rest.empty())
            return false;
        const auto taken = std::min(size - head_taken_, rest.size());
        std::memcpy(head_.data() + head_taken_, rest.data(), taken);
        head_taken_ = static_cast<std::uint8_t>(head_taken_ + taken);
        rest.remove_prefix(taken);
    }
    return true;
}

/// Of a whole head; false when it is none.
bool WebSocketMessages::begin_frame()
{
    const auto size = std::exchange(head_taken_, std::uint8_t{0});
    const auto first = byte_at(head_, 0);
    const auto second = byte_at(head_, 1);
    const auto opcode = first & 0x0f;
    masked_ = (second & mask_bit) != 0;
    const std::size_t mask_begin = size - (masked_ ? mask_.size() : 0);
    left_ = second & ~mask_bit;
    if (mask_begin > 2)
        left_ = big_endian(std::span{head_}.subspan(2, mask_begin - 2));
    if (masked_)
        std::copy_n(head_.begin() + static_cast<std::ptrdiff_t>(mask_begin), mask_.size(), mask_.begin());
    masked_ = masked_ && mask_ != std::array<char, 4>{};
    mask_at_ = 0;
    last_frame_ = (first & final_bit) != 0;
    control_ = opcode >= close_frame;
    close_ = opcode == close_frame;
    in_frame_ = true;
    const bool compressed = (first & compressed_bit) != 0;
    const bool is_known = opcode <= binary_frame || (control_ && opcode <= pong_frame);
    if (!is_known || (first & reserved_bits) != 0 || left_ > std::numeric_limits<std::uint64_t>::max() / 2)
        return give_up();
    if (!control_ && opcode != continuation)
        return begin_message(opcode == text_frame ? Kind::text : Kind::binary, compressed);
    const bool is_control = control_ && last_frame_ && (second & ~mask_bit) <= longest_control;
    const bool goes_on = !control_ && kind_ != Kind::none;
    if (compressed || !(is_control || goes_on))
        return give_up();
    return true;
}

bool WebSocketMessages::begin_message(Kind kind, bool compressed)
{
    if (kind_ != Kind::none || (compressed && !deflate_.agreed))
        return give_up();
    kind_ = kind;
    compressed_ = compressed;
    excessive_ = long_ = false;
    inflated_ = 0;
    tail_left_ = compressed ? deflate_tail.size() : 0;
    if (!compressed || passes_over())
        return true;
    if (!inflater_)
        inflater_ = std::make_unique<MessageInflater>();
    else
        inflater_->begin_message(deflate_.no_context_takeover);
    return inflater_->usable() || give_up();
}

/// Whether nothing of the frame counts. Of binary messages what comes later may refer to them.
bool WebSocketMessages::passes_over() const
{
    return control_ || excessive_ ||
           (kind_ == Kind::binary && (!compressed_ || deflate_.no_context_takeover));
}

void WebSocketMessages::skip(std::string_view& rest, std::size_t size)
{
    rest.remove_prefix(size);
    left_ -= size;
    mask_at_ = static_cast<std::uint8_t>((mask_at_ + size) % mask_.size());
}

/// True when there is something to deliver, else what is there of the payload was taken.
bool WebSocketMessages::take_payload(std::string_view& rest, SseEvent& message)
{
    if (passes_over()) {
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, rest.size()));
        if (close_)
            append(rest.substr(0, size), close_payload_);
        skip(rest, size);
        return false;
    }
    return compressed_ ? take_compressed(rest, message) : take_plain(rest, message);
}

bool WebSocketMessages::take_plain(std::string_view& rest, SseEvent& message)
{
    while (left_ > 0 && !rest.empty()) {
        const auto payload =
            rest.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, rest.size())));
        if (long_ && masked_)
            return take_masked_part(rest, message);
        if (long_) {
            skip(rest, payload.size());
            message = {{}, payload, SseEvent::Part::middle};
            return true;
        }
        if (text_.empty() && !masked_ && last_frame_ && payload.size() == left_ && left_ <= max_whole) {
            // All of it lies there.
            skip(rest, payload.size());
            in_frame_ = false;
            kind_ = Kind::none;
            message = {{}, payload};
            return true;
        }
        if (text_.size() == max_whole)
            return give_beginning(message);
        skip(rest, append(payload.substr(0, max_whole - text_.size()), text_).size());
    }
    return false;
}

/// The message is longer than what may be held.
bool WebSocketMessages::give_beginning(SseEvent& message)
{
    long_ = delivered_ = true;
    message = {{}, text_, SseEvent::Part::beginning};
    return true;
}

bool WebSocketMessages::take_masked_part(std::string_view& rest, SseEvent& message)
{
    const auto size = std::min<std::uint64_t>({left_, rest.size(), frame_portion});
    skip(rest, append(rest.substr(0, static_cast<std::size_t>(size)), text_).size());
    delivered_ = true;
    message = {{}, text_, SseEvent::Part::middle};
    return true;
}

/// Puts bytes of the payload behind what is there, unmasked; the bytes.
std::string_view WebSocketMessages::append(std::string_view bytes, std::string& to)
{
    to.append(bytes);
    if (masked_)
        unmask(to.data() + to.size() - bytes.size(), bytes.size());
    return bytes;
}

/// Bytes of the payload from here on, a word at a time.
void WebSocketMessages::unmask(char* text, std::size_t size) const
{
    std::array<char, sizeof(std::uint64_t)> bytes;
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = mask_[(mask_at_ + i) % mask_.size()];
    std::uint64_t mask = 0;
    std::memcpy(&mask, bytes.data(), bytes.size());
    for (; size >= bytes.size(); size -= bytes.size(), text += bytes.size()) {
        std::uint64_t word = 0;
        std::memcpy(&word, text, sizeof word);
        word ^= mask;
        std::memcpy(text, &word, sizeof word);
    }
    for (std::size_t i = 0; i < size; ++i)
        text[i] = static_cast<char>(text[i] ^ bytes[i]);
}

bool WebSocketMessages::take_compressed(std::string_view& rest, SseEvent& message)
{
    for (;;) {
        auto& waiting = inflater_->waiting;
        const auto piece = waiting.empty() ? decode(rest) : std::exchange(waiting, {});
        if (piece.empty())
            return false;
        if (kind_ == Kind::binary)
            continue;
        if (long_) {
            message = {{}, piece, SseEvent::Part::middle};
            return true;
        }
        if (text_.size() == max_whole) {
            waiting = piece;
            return give_beginning(message);
        }
        text_.append(piece);
    }
}

/// More of the message; "" when what is there of its frame was taken, and all of it came out.
std::string_view WebSocketMessages::decode(std::string_view& rest)
{
    const bool has_limit = kind_ == Kind::text && !long_ && text_.size() < max_whole;
    const auto room = has_limit ? std::min(frame_portion, max_whole - text_.size()) : frame_portion;
    while (legible_ && !excessive_) {
        std::string_view produced;
        if (left_ > 0) {
            if (rest.empty() && !inflater_->has_more())
                return {};
            produced = decode_some(rest, room);
        } else if (!last_frame_) {
            if (!inflater_->has_more())
                return {};
            std::string_view nothing;
            produced = decode_some(nothing, room);
        } else {
            // Where nothing goes before it, there is nothing to end.
            if (tail_left_ == deflate_tail.size() && !inflater_->has_more() && inflater_->at_beginning())
                tail_left_ = 0;
            if (tail_left_ == 0 && !inflater_->has_more()) {
                if (!inflater_->at_boundary())
                    give_up();
                return {};
            }
            produced = decode_some(rest, room);
        }
        if (!produced.empty())
            return produced;
    }
    return {};
}

/// One step of the decoder, from the payload or what ends it.
std::string_view WebSocketMessages::decode_some(std::string_view& payload, std::size_t room)
{
    std::array<char, frame_portion> unmasked;
    std::string_view source;
    if (left_ > 0) {
        source = payload.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, payload.size())));
        if (masked_) {
            source = source.substr(0, unmasked.size());
            std::copy(source.begin(), source.end(), unmasked.begin());
            unmask(unmasked.data(), source.size());
            source = {unmasked.data(), source.size()};
        }
    } else if (last_frame_) {
        source = deflate_tail.substr(deflate_tail.size() - tail_left_);
    }
    const auto given = source.size();
    std::string_view produced;
    const bool decoded = inflater_->step(source, room, produced);
    const auto consumed = given - source.size();
    if (left_ > 0)
        skip(payload, consumed);
    else if (last_frame_)
        tail_left_ = static_cast<std::uint8_t>(tail_left_ - consumed);
    if (!decoded) {
        give_up();
        return {};
    }
    decoded_ += produced.size();
    inflated_ += produced.size();
    if (inflated_ > max_inflated) {
        pass_over_rest();
        return {};
    }
    return produced;
}

void WebSocketMessages::pass_over_rest()
{
    if (!deflate_.no_context_takeover) {
        give_up();
        return;
    }
    excessive_ = true;
}

void WebSocketMessages::end_close()
{
    closed_.emplace();
    constexpr std::size_t code_size = 2;
    if (close_payload_.size() >= code_size) {
        closed_->code = static_cast<unsigned>(big_endian(std::span{close_payload_}.first(code_size)));
        closed_->reason = close_payload_.substr(code_size);
    }
    close_payload_.clear();
}

/// True when a message ends with it that is to be delivered.
bool WebSocketMessages::end_frame(SseEvent& message)
{
    in_frame_ = false;
    if (close_)
        end_close();
    if (control_ || !last_frame_)
        return false;
    const auto kind = std::exchange(kind_, Kind::none);
    if (kind != Kind::text) {
        forget_text();
        return false;
    }
    delivered_ = true;
    if (long_)
        message = {{}, {}, SseEvent::Part::end};
    else
        message = {{}, text_};
    return true;
}

}  // namespace route
