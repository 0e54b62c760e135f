#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/record.hpp"

namespace route {

/// Where a reply says something. Of the same said several times one representation counts: the last of these
/// that there is.
enum class Source : std::uint8_t
{
    none,
    done_text,     ///< `response.output_text.done`, `transcript.text.done`
    done_part,     ///< `response.content_part.done`
    done_item,     ///< `response.output_item.done`
    whole_choice,  ///< `text` of a choice of a whole reply
    whole,         ///< a whole message
    choice_text,   ///< `text` of a choice of a chunk
    delta,
};

/// Token counts as `usage` gives them. A later count replaces an earlier one; zero replaces none, as servers
/// send it for what they do not know yet or any more.
class TokenCounts
{
  public:
    enum class Kind : std::uint8_t
    {
        prompt,
        input,           ///< Anthropic's: without those below; the Responses API's: with all
        cache_read,      ///< Anthropic's
        cache_creation,  ///< Anthropic's
        completion,
        total,
        end
    };

    void set(Kind kind, std::int64_t tokens);
    /// Total tokens are the sum of the others when the reply does not say them.
    void give_to(ReplySummary& summary) const;

  private:
    using Count = std::optional<std::int64_t>;
    Count of(Kind kind) const { return counts_[static_cast<std::size_t>(kind)]; }
    Count prompt() const;

    Count counts_[static_cast<std::size_t>(Kind::end)];
};

/// Collects what a reply says, from its events or its JSON, within the memory that `max_text` allows.
class ReplyBuilder
{
  public:
    explicit ReplyBuilder(std::size_t max_text) : max_text_{max_text} {}

    void add_text(std::string_view piece, Source source) { add(content_, piece, source); }
    void add_refusal(std::string_view piece, Source source) { add(refusal_, piece, source); }

    /// What is added until end_message() is a whole message: one that begins with all that earlier ones said
    /// repeats it.
    void begin_message(Source source);
    void end_message();
    /// A block of text that begins with `text`: deltas that begin with all of it repeat it.
    void begin_block(std::string_view text);

    /// A tool call, or a piece of one, as the APIs give it.
    struct CallPiece
    {
        std::optional<std::int64_t> index;
        std::string_view id;
        std::string_view name;
        std::string_view arguments;
        bool is_object = false;  ///< the arguments are an object, not a string
        Source source = Source::delta;

        bool is_empty() const { return id.empty() && name.empty() && arguments.empty(); }
    };

    /// Whether tool calls out of this source count; those of sources that count less are dropped.
    bool takes_calls_of(Source source);
    /// Adds to the call that has the piece's index or id, or makes a new one; of an empty piece it makes
    /// none.
    void add_call(const CallPiece& piece);

    /// Something of the text was left out before it came here.
    void mark_cut() { cut_before_ = true; }

    void set_finish_reason(std::string_view reason);
    void set_tokens(TokenCounts::Kind kind, std::int64_t tokens) { tokens_.set(kind, tokens); }

    /// The whole; leaves this empty.
    ReplySummary take();
    /// The same with the beginning of `body` as its text.
    ReplySummary take_with_text(std::string_view body);

    /// The index of `function_call`, which is what `tool_calls` were before they had one.
    static constexpr std::int64_t function_call_index = -1;

  private:
    struct Text
    {
        std::string text;
        Source source = Source::none;
        bool cut = false;
        bool may_repeat = false;  ///< what comes next may repeat the text from `repeated_from`
        std::size_t repeated_from = 0;
        std::size_t repeated_to = 0;  ///< it has, up to here

        void expect_repetition(std::size_t from);
    };

    struct ToolCall
    {
        std::optional<std::int64_t> index;
        std::string id;  ///< its beginning
        std::string name;
        std::string arguments;
        bool is_object = false;
        Source source = Source::none;  ///< of the arguments
    };

    void add(Text& target, std::string_view piece, Source source);
    void append(Text& target, std::string_view piece);
    std::string_view without_repetition(Text& target, std::string_view piece);
    void end_message(Text& target);

    template <class Is>
    ToolCall* find_call(Is&& is);
    ToolCall* call_of(const CallPiece& piece);
    ToolCall* call_at_index(const CallPiece& piece);
    ToolCall* call_without_index(const CallPiece& piece);
    ToolCall* new_call();
    void add_name(ToolCall& call, std::string_view name);
    void add_arguments(ToolCall& call, const CallPiece& piece);
    void append_to_call(std::string& target, std::string_view piece);
    std::string composed_text() const;

    static std::string json_line(const ToolCall& call);

    std::size_t max_text_;
    Text content_;
    Text refusal_;
    std::vector<ToolCall> calls_;
    Source calls_source_ = Source::none;
    std::size_t last_call_ = 0;
    std::size_t call_bytes_ = 0;
    bool calls_cut_ = false;
    bool cut_before_ = false;
    TokenCounts tokens_;
    std::string finish_reason_;
};

}  // namespace route
