#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace route {

/// One server-sent event (WHATWG HTML, 9.2.6), or a part of one that is too long to hold. The views are valid
/// during the callback only.
struct SseEvent
{
    enum class Part : std::uint8_t
    {
        whole,
        beginning,
        middle,
        end,  ///< without data; has the type if that came late
    };

    std::string_view type;  ///< of its `event:` line; "" when it has none
    std::string_view data;  ///< its `data:` lines joined by LF
    Part part = Part::whole;

    /// Whether no part of it came before.
    bool is_new() const { return part == Part::whole || part == Part::beginning; }
    /// Whether it has come whole now.
    bool is_last() const { return part == Part::whole || part == Part::end; }
};

/// Bytes to events, incrementally, split anywhere. Comments and unknown fields are skipped; CR, LF and CRLF
/// end lines; a BOM at the start is skipped; an event without data lines is none. Where servers leave out the
/// blank lines, each of several data lines is an event: when the first of them and the next are whole by
/// themselves (is_whole_data()); lines that only make JSON together are one event. Holds at most one
/// unfinished event, and about `max_event` bytes of it: a longer one is delivered in parts, the first
/// `max_event` bytes of its data, then more as it comes, then its end.
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

    /// No more bytes will come: calls `on_event` for what lacked its blank line only.
    template <class F>
    void finish(F&& on_event)
    {
        feed("\n\n", std::forward<F>(on_event));
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
    void take_line(std::string_view line, SseEvent& event);
    void take_field(std::string_view line, SseEvent& event);
    bool begins_next_event(std::string_view line, const SseEvent& event);
    std::string_view without_mark(std::string_view line) const;
    bool hold_line(std::string_view piece, SseEvent& event);
    bool is_too_long(std::string_view line, const SseEvent& event) const;
    void take_long_line(std::string_view line, SseEvent& event);
    bool next_part(Input& input, SseEvent& event);
    /// Moves what lies in bytes that go into the strings.
    void keep(SseEvent& event);
    void begin_event();

    std::string line_;  ///< the beginning of a line whose end is still to come
    std::string type_;  ///< what of an event came with earlier bytes, or did not lie in one piece
    std::string data_;
    std::string late_type_;  ///< of an `event:` line behind the data: of this event, or of the next one
    bool has_data_ = false;
    bool has_late_type_ = false;
    bool several_lines_ = false;  ///< of data
    bool known_whole_ = false;    ///< the one line of data is whole by itself
    bool next_whole_ = false;     ///< so is that of the event behind this one
    bool long_ = false;           ///< the beginning of this event was delivered
    bool in_long_line_ = false;   ///< and that of a line of its data
    std::string rest_of_data_;    ///< of a long event, to be delivered next
    bool line_held_ = false;      ///< line_ is a whole line, of the next event
    bool in_event_ = false;       ///< a field was passed since the last blank line
    bool delivered_ = false;      ///< the strings are those of an event already given
    bool skip_line_feed_ = false;
    bool first_line_ = true;
};

/// Whether it is one JSON object, or `[DONE]`.
bool is_whole_data(std::string_view data);

}  // namespace route
