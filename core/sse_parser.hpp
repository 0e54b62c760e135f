#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace route {

/// One server-sent event (WHATWG HTML, 9.2.6). The views are valid during the callback only.
struct SseEvent
{
    std::string_view type;  ///< of its `event:` line; "" when it has none
    std::string_view data;  ///< its `data:` lines joined by LF
};

/// Bytes to events, incrementally, split anywhere. Comments and unknown fields are skipped; CR, LF and CRLF
/// end lines; a BOM at the start is skipped; an event without data lines is none. Holds at most one
/// unfinished event, at most `max_event` bytes of it (what is longer is delivered cut, and said so by
/// nothing: it is only read for the record).
class SseParser
{
  public:
    static constexpr std::size_t max_event = 1u << 20;
    static constexpr std::size_t max_type = 256;

    /// Calls `on_event` for every event completed by `bytes`.
    template <class F>
    void feed(std::string_view bytes, F&& on_event)
    {
        Input input{bytes};
        for (SseEvent event; next(input, event);)
            on_event(std::as_const(event));
    }

    /// Whether the bytes so far end between two events (after a blank line or at the very start): bytes of an
    /// event may be put in here. A whole comment line leaves it so.
    bool at_boundary() const;

  private:
    /// Bytes not yet taken, and where their next LF is, so that streams of bare CRs are not searched again
    /// for each line.
    struct Input
    {
        std::string_view rest;
        const char* line_feed = nullptr;
    };

    /// Takes bytes up to the end of an event; false when they end before it.
    bool next(Input& input, SseEvent& event);
    std::size_t line_end(Input& input) const;
    void take_field(std::string_view line, SseEvent& event);
    /// Moves what lies in bytes that go into the strings.
    void keep(SseEvent& event);
    void begin_event();

    std::string line_;  ///< the beginning of a line whose end is still to come
    std::string type_;  ///< what of an event came with earlier bytes, or did not lie in one piece
    std::string data_;
    bool has_data_ = false;
    bool in_event_ = false;   ///< a field was passed since the last blank line
    bool delivered_ = false;  ///< the strings are those of an event already given
    bool skip_line_feed_ = false;
    bool first_line_ = true;
};

/// What the first events of a stream mean for failover (SPEC 5, points 2 and 5).
enum class EventMeaning
{
    data,   ///< commits the reply
    error,  ///< `event: error`, `"type":"error"`, or a non-null top-level `error`: the attempt failed
    done,   ///< `[DONE]`: is no data event
};
EventMeaning meaning_of(const SseEvent& event);

}  // namespace route
