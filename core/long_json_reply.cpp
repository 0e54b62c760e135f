#include <algorithm>
#include <array>
#include <boost/json/basic_parser_impl.hpp>
#include <optional>
#include <string>

#include "core/reply_builder.hpp"
#include "core/reply_text.hpp"
#include "core/text.hpp"

namespace route {
namespace {

using boost::json::string_view;
using boost::system::error_code;

/// Keys and values kept for comparison; what is longer is none of those looked for.
constexpr std::size_t max_kept = 256;

/// Follows the JSON along its path and picks out what SPEC 6 keeps. Strings and numbers may come in pieces of
/// any size.
class Picker
{
  public:
    static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

    void give_to(ReplyBuilder& builder) const
    {
        if (prompt_tokens_)
            builder.set_tokens(TokenCounts::Kind::prompt, *prompt_tokens_);
        if (completion_tokens_)
            builder.set_tokens(TokenCounts::Kind::completion, *completion_tokens_);
        if (total_tokens_)
            builder.set_tokens(TokenCounts::Kind::total, *total_tokens_);
        if (object_ == "response")
            builder.set_finish_reason(incomplete_reason_.empty() ? status_ : incomplete_reason_);
        else
            builder.set_finish_reason(finish_reason_.empty() ? stop_reason_ : finish_reason_);
    }

    bool on_document_begin(error_code&) { return true; }
    bool on_document_end(error_code&) { return true; }
    bool on_object_begin(error_code&) { return begin(false); }
    bool on_object_end(std::size_t, error_code&) { return end(); }
    bool on_array_begin(error_code&) { return begin(true); }
    bool on_array_end(std::size_t, error_code&) { return end(); }

    bool on_key_part(string_view piece, std::size_t, error_code&) { return collect(piece); }
    bool on_key(string_view piece, std::size_t, error_code&)
    {
        collect(piece);
        if (depth_ <= levels_.size())
            levels_[depth_ - 1].key = pieces_;
        pieces_.clear();
        return true;
    }

    bool on_string_part(string_view piece, std::size_t, error_code&) { return collect(piece); }
    bool on_string(string_view piece, std::size_t, error_code&)
    {
        collect(piece);
        if (auto* target = string_here())
            *target = pieces_;
        pieces_.clear();
        return value_ended();
    }

    bool on_number_part(string_view, error_code&) { return true; }
    bool on_int64(std::int64_t number, string_view, error_code&)
    {
        if (auto* target = tokens_here())
            *target = number;
        return value_ended();
    }
    bool on_uint64(std::uint64_t, string_view, error_code&) { return value_ended(); }
    bool on_double(double, string_view, error_code&) { return value_ended(); }
    bool on_bool(bool, error_code&) { return value_ended(); }
    bool on_null(error_code&) { return value_ended(); }
    bool on_comment_part(string_view, error_code&) { return true; }
    bool on_comment(string_view, error_code&) { return true; }

  private:
    struct Level
    {
        bool is_array = false;
        std::size_t position = 0;
        std::string key;
    };

    bool begin(bool is_array)
    {
        if (depth_ < levels_.size()) {
            auto& level = levels_[depth_];
            level.is_array = is_array;
            level.position = 0;
            level.key.clear();
        }
        ++depth_;
        return true;
    }

    bool end()
    {
        --depth_;
        return value_ended();
    }

    bool value_ended()
    {
        if (depth_ > 0 && depth_ <= levels_.size())
            ++levels_[depth_ - 1].position;
        return true;
    }

    bool collect(string_view piece)
    {
        pieces_.append(piece.data(), std::min(piece.size(), max_kept - pieces_.size()));
        return true;
    }

    /// Whether the value now read is the member `key` of the object at `depth`.
    bool at_key(std::size_t depth, std::string_view key) const
    {
        return !levels_[depth - 1].is_array && levels_[depth - 1].key == key;
    }

    std::optional<std::int64_t>* tokens_here()
    {
        if (depth_ != 2 || !at_key(1, "usage"))
            return nullptr;
        if (at_key(2, "prompt_tokens") || at_key(2, "input_tokens"))
            return &prompt_tokens_;
        if (at_key(2, "completion_tokens") || at_key(2, "output_tokens"))
            return &completion_tokens_;
        return at_key(2, "total_tokens") ? &total_tokens_ : nullptr;
    }

    std::string* string_here()
    {
        if (depth_ == 1 && at_key(1, "stop_reason"))
            return &stop_reason_;
        if (depth_ == 1 && at_key(1, "object"))
            return &object_;
        if (depth_ == 1 && at_key(1, "status"))
            return &status_;
        if (depth_ == 2 && at_key(1, "incomplete_details") && at_key(2, "reason"))
            return &incomplete_reason_;
        const bool in_first_choice =
            depth_ == 3 && at_key(1, "choices") && levels_[1].is_array && levels_[1].position == 0;
        return in_first_choice && at_key(3, "finish_reason") ? &finish_reason_ : nullptr;
    }

    std::optional<std::int64_t> prompt_tokens_;
    std::optional<std::int64_t> completion_tokens_;
    std::optional<std::int64_t> total_tokens_;
    std::string finish_reason_;
    std::string stop_reason_;
    std::string object_;
    std::string status_;
    std::string incomplete_reason_;
    std::array<Level, 3> levels_;
    std::size_t depth_ = 0;
    std::string pieces_;
};

boost::json::parse_options deep()
{
    boost::json::parse_options options;
    options.max_depth = 256;
    return options;
}

}  // namespace

struct LongJsonReply::State
{
    explicit State(std::size_t limit) : max_text{limit} {}

    void parse(std::string_view piece)
    {
        error_code error;
        parser.write_some(true, piece.data(), piece.size(), error);
        stopped = error || parser.done();
    }

    std::size_t max_text;
    std::string text;
    bool text_cut = false;
    bool stopped = false;
    boost::json::basic_parser<Picker> parser{deep()};
};

LongJsonReply::LongJsonReply(std::size_t max_text) : state_{std::make_unique<State>(max_text)}
{
}
LongJsonReply::~LongJsonReply() = default;
LongJsonReply::LongJsonReply(LongJsonReply&&) noexcept = default;
LongJsonReply& LongJsonReply::operator=(LongJsonReply&&) noexcept = default;

void LongJsonReply::write(std::string_view piece)
{
    const auto kept = piece.substr(0, state_->max_text - state_->text.size());
    state_->text.append(kept);
    state_->text_cut = state_->text_cut || kept.size() < piece.size();
    if (!state_->stopped)
        state_->parse(piece);
}

ReplySummary LongJsonReply::take()
{
    const auto& picked = state_->parser.handler();
    ReplyBuilder builder{state_->max_text};
    picked.give_to(builder);
    auto text = std::string_view{state_->text};
    if (state_->text_cut)
        text = without_split_end(text);
    auto summary = builder.take_with_text(text);
    summary.text_cut = state_->text_cut;
    state_ = std::make_unique<State>(state_->max_text);
    return summary;
}

}  // namespace route
