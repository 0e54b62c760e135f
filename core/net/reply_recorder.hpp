#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/content_decoder.hpp"
#include "core/record.hpp"
#include "core/reply_text.hpp"
#include "core/settings.hpp"
#include "core/sse_parser.hpp"

namespace route::net {

enum class ReplyKind
{
    event_stream,
    json,
    other
};

/// Reads along as a reply passes, from a copy, for the record and for the decision when to commit. Holds the
/// text of a stream, not its events. What is gzip or deflate is decoded for it; of what breaks in the middle
/// the text up to there is kept.
class ReplyRecorder
{
  public:
    /// Leaves in `capture`, which outlives it, what is for the record.
    ReplyRecorder(const RecordSettings& settings, ReplyCapture& capture)
        : settings_{settings}, capture_{capture}
    {
    }

    /// What the head says of the body. Empties the capture.
    void begin(std::string_view content_type, std::string_view content_encoding);

    /// The next bytes of the body, framing removed.
    void add(std::string_view payload);

    ReplyKind kind() const { return kind_; }
    bool encoded() const { return encoded_; }
    /// Whether what it says is seen: false when it has a coding that is unknown, or was given up.
    bool legible() const { return !encoded_ || (decoder_ && !decoder_->gave_up()); }

    /// What the first event that is not [DONE] means; none before it is complete.
    std::optional<EventMeaning> first_event() const { return first_event_; }
    /// Of the event that is an error, its beginning.
    const std::string& error_detail() const { return error_detail_; }
    bool error_detail_cut() const { return error_detail_cut_; }
    bool at_event_boundary() const { return parser_.at_boundary(); }

    /// As they came, coding included.
    std::uint64_t bytes() const { return bytes_; }
    /// No more will come: completes the capture.
    void finish();

  private:
    void on_event(const SseEvent& event);
    void choose_decoder(std::string_view content_encoding);
    void add_encoded(std::string_view payload);
    void add_content(std::string_view content);
    void add_json(std::string_view content);
    void add_text(std::string_view content);
    bool says_nothing() const;

    const RecordSettings& settings_;
    ReplyKind kind_ = ReplyKind::other;
    bool encoded_ = false;
    bool textual_ = false;
    std::uint64_t bytes_ = 0;
    ReplyCapture& capture_;
    std::optional<ContentDecoder> decoder_;
    SseParser parser_;
    std::optional<StreamReply> stream_;
    std::optional<LongJsonReply> long_json_;
    std::optional<EventMeaning> first_event_;
    std::string error_detail_;
    bool error_detail_cut_ = false;
};

}  // namespace route::net
