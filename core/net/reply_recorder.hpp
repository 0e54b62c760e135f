#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/failover/commit_policy.hpp"
#include "core/http/content_decoder.hpp"
#include "core/openai/made_ids.hpp"
#include "core/openai/reply_text.hpp"
#include "core/openai/sse_parser.hpp"
#include "core/record.hpp"
#include "core/settings.hpp"

namespace route::net {

/// What the head of a reply says of its body, and how far that is judged.
struct ReplyLabel
{
    std::string_view content_type;
    std::string_view content_encoding;
    Api api = Api::other;
    std::uint64_t judged_json = 0;    ///< bytes of JSON that are kept to be judged whole: `reply_buffer`
    Making making = Making::nothing;  ///< what ids it may hold of what the upstream made
};

/// Reads along as a reply passes, from a copy, for the record and for the decision when to commit. Holds the
/// text of a stream, not its events. What is gzip or deflate is decoded for it; of what breaks in the middle
/// the text up to there is kept. Replies of APIs that answer are read as what their bytes are, others as
/// their label says.
class ReplyRecorder
{
  public:
    /// Leaves in `capture`, which outlives it, what is for the record.
    ReplyRecorder(const RecordSettings& settings, ReplyCapture& capture)
        : settings_{settings}, capture_{capture}
    {
    }

    /// Starts over with a reply and empties the capture.
    void begin(const ReplyLabel& label);
    void begin(std::string_view content_type, std::string_view content_encoding)
    {
        begin(ReplyLabel{content_type, content_encoding});
    }

    /// The next bytes of the body, framing removed.
    void add(std::string_view payload);

    /// The body has ended as its framing says: ends the last event, judges JSON.
    void complete();

    /// From now on events are looked through for errors and ends only.
    void committed();

    /// For decide_commit().
    const ReplyProgress& progress() const { return progress_; }

    /// Of the first error among the events, before or after commit, what it says: without its JSON, secrets
    /// not yet erased, at most `most_error_text` bytes.
    const std::string& event_error_words() const { return event_error_words_; }

    /// Whether that error, or whole JSON that is one, says of itself that it may pass.
    bool error_may_pass() const { return error_may_pass_; }

    Api api() const { return api_; }
    Making making() const { return making_; }
    ReplyKind kind() const { return kind_; }
    bool encoded() const { return encoded_; }
    /// Whether what it says is seen: false when it has a coding that is unknown, or was given up.
    bool legible() const { return !encoded_ || (decoder_ && !decoder_->gave_up()); }

    /// Whole events so far.
    std::uint64_t events() const { return events_; }
    bool at_event_boundary() const { return parser_.at_boundary(); }

    /// As they came, coding included.
    std::uint64_t bytes() const { return progress_.bytes; }
    /// No more will come: completes the capture.
    void finish();
    const ReplyCapture& capture() const { return capture_; }
    void give_capture(ReplyCapture& to)
    {
        if (&to != &capture_)
            to.swap(capture_);
    }

  private:
    void on_event(const SseEvent& event);
    void judge(const SseEvent& event);
    void choose_decoder(std::string_view content_encoding);
    bool is_mislabelled(std::string_view first) const;
    void add_encoded(std::string_view payload);
    void add_content(std::string_view content);
    void look_at(std::string_view first, bool all);
    void settle(ReplyKind kind);
    void read(std::string_view content);
    void add_json(std::string_view content);
    void add_text(std::string_view content);
    void spill_json(std::string_view next);
    bool says_nothing() const;

    const RecordSettings& settings_;
    ReplyCapture& capture_;
    Api api_ = Api::other;
    Making making_ = Making::nothing;
    std::uint64_t judged_json_ = 0;
    ReplyKind kind_ = ReplyKind::other;
    bool encoded_ = false;
    std::string odd_coding_;  ///< one that nobody knows: the bytes are text, or encoded
    bool textual_ = false;
    bool committed_ = false;
    std::string undecided_;  ///< first bytes that do not show what they are
    ReplyProgress progress_;
    std::uint64_t events_ = 0;
    std::optional<ContentDecoder> decoder_;
    SseParser parser_;
    std::optional<StreamReply> stream_;
    std::optional<LongJsonReply> long_json_;
    std::string event_error_words_;
    bool error_may_pass_ = false;
};

}  // namespace route::net
