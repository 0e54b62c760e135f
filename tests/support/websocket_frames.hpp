#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace route::test {

constexpr unsigned text_message = 1;
constexpr unsigned binary_message = 2;
constexpr unsigned more_of_message = 0;

/// How a WebSocket frame is written (RFC 6455 5.2).
struct FrameForm
{
    unsigned opcode = text_message;
    bool final = true;
    bool compressed = false;    ///< RSV1
    std::uint32_t mask = 0;     ///< 0: not masked
    unsigned length_bytes = 0;  ///< 0: as few as will do; 2, 8
};

std::string frame(std::string_view payload, const FrameForm& form = {});

/// Compresses messages one after the other (RFC 7692), each of which may refer to those before it, unless
/// each is for itself.
class MessageDeflater
{
  public:
    explicit MessageDeflater(bool no_context_takeover = false);
    ~MessageDeflater();
    MessageDeflater(const MessageDeflater&) = delete;
    MessageDeflater& operator=(const MessageDeflater&) = delete;

    /// The payload of one message.
    std::string deflate(std::string_view message);

  private:
    struct State;
    std::unique_ptr<State> state_;
    bool no_context_takeover_;
};

}  // namespace route::test
