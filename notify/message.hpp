#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "core/record.hpp"

namespace route::notify {

/// What is told of a request that failed. Texts from outside are escaped and cut at 256 bytes (SPEC 8), and
/// hold no key.
struct Failure
{
    std::string ip;
    std::string subject;  ///< the model, or the path of a request without one
    unsigned status = 0;
    std::string reason;
    std::string request_id;
    std::string upstream;  ///< whose reply was sent; "": none
    /// The reason is that one's failure, and not that of the router or of several.
    bool reason_is_upstreams = false;
    SystemTime time{};  ///< when the request came
};

/// Whether SPEC 8 wants a message: an authenticated request that ended with another status than 2xx, 304 or
/// 101, or was truncated. Not one whose client went away.
bool is_failure(const Record& record);

/// Of a completed record, which holds no key any more.
Failure failure_of(const Record& record);

/// The reason, with the name of the upstream that failed so: "b: status 503".
std::string what_happened(const Failure& failure);

/// Equal failures of one window.
struct FailureGroup
{
    Failure first;            ///< the first that this message tells of
    std::uint64_t count = 1;  ///< how many it tells of
    SystemTime last{};        ///< when the last of them came
};

/// An upstream that answers again.
struct Recovery
{
    std::string upstream;
    std::chrono::seconds away{0};  ///< since its cooldown began
};

/// What goes to every channel. Immutable once made.
struct Message
{
    enum class Kind
    {
        failure,   ///< one request, as it fails
        failures,  ///< what was counted within a window
        recovery,
        test,
    };
    Kind kind = Kind::test;
    std::string id;  ///< UUID, the same for each try: makes a repeated one harmless where a channel knows it
    std::string node;  ///< of the router
    SystemTime time{};
    std::string text;  ///< plain, lines apart by '\n'
    std::vector<FailureGroup> failures = {};
    std::uint64_t others = 0;        ///< failures beside those
    std::chrono::seconds window{0};  ///< within which they were counted
    Recovery recovery = {};
};

std::string_view to_string(Message::Kind kind);

/// "90 s", "15 min", "3 h 5 min".
std::string duration_text(std::chrono::seconds time);

/// Fill `text` and `kind`; id, node and time are the caller's.
Message tell_failure(const Failure& failure);
Message tell_failures(std::vector<FailureGroup> groups, std::uint64_t others, std::chrono::seconds window);
/// `model`: that it was in cooldown for; "" for all.
Message tell_recovery(std::string upstream, std::chrono::seconds away, const std::string& model = {});
Message tell_test();

/// Gives it an id, the time and the router's name.
void stamp(Message& message, const std::string& node);

}  // namespace route::notify
