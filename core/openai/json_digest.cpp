#include "core/openai/json_digest.hpp"

#include <algorithm>
#include <array>
#include <boost/json/basic_parser_impl.hpp>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/openai/json_mender.hpp"
#include "core/text.hpp"

namespace route {
namespace {

using boost::json::string_view;
using boost::system::error_code;

/// What replies are read from (reply_shapes.cpp, reply_parts.cpp, reply_event.cpp); sorted.
constexpr std::array<std::string_view, 34> kept_keys{
    "arguments",     "call_id",       "choices",      "content",
    "content_block", "custom",        "delta",        "finish_reason",
    "function",      "function_call", "id",           "incomplete_details",
    "index",         "input",         "item",         "item_id",
    "message",       "name",          "object",       "output",
    "output_index",  "part",          "partial_json", "reason",
    "refusal",       "response",      "status",       "status_details",
    "stop_reason",   "text",          "tool_calls",   "transcript",
    "type",          "x_groq"};

bool is_kept(std::string_view key)
{
    return key == "usage" || std::binary_search(kept_keys.begin(), kept_keys.end(), key);
}

/// All below these is kept.
bool is_kept_whole(std::string_view key)
{
    return key == "usage" || key == "input" || key == "arguments";
}

/// Keys, numbers, types, ids and reasons are no longer.
constexpr std::size_t max_short = 256;
/// What is kept beside long strings; and beyond that, of members only, so that what stands behind a long list
/// counts.
constexpr std::size_t room_beside_text = 256u << 10;
constexpr std::size_t last_room = 16u << 10;
/// What a value costs beside its own bytes: quotes, comma, colon.
constexpr std::size_t cost_of_value = 4;

void append_escape(std::string& target, char c)
{
    constexpr std::string_view short_escapes = "\"\"\\\\\bb\ff\nn\rr\tt";
    constexpr std::string_view digits = "0123456789abcdef";
    target += '\\';
    for (std::size_t at = 0; at < short_escapes.size(); at += 2) {
        if (short_escapes[at] == c) {
            target += short_escapes[at + 1];
            return;
        }
    }
    const auto code = static_cast<unsigned char>(c);
    target.append("u00").append(1, digits[code >> 4]).append(1, digits[code & 15]);
}

/// As a JSON string has it.
void append_escaped(std::string& target, std::string_view text)
{
    const auto is_special = [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\';
    };
    while (!text.empty()) {
        const auto* const special = std::find_if(text.begin(), text.end(), is_special);
        target.append(text.begin(), special);
        text.remove_prefix(static_cast<std::size_t>(special - text.begin()));
        if (text.empty())
            return;
        append_escape(target, text.front());
        text.remove_prefix(1);
    }
}

/// Follows the JSON and writes what is kept. Strings and numbers may come in pieces of any size.
class DigestHandler
{
  public:
    static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

    explicit DigestHandler(std::size_t max_text)
        // A character more, so that whoever reads it sees that there is more.
        : max_string_{std::max(max_text + 4, max_short)}
    {
    }

    bool ended() const { return ended_; }
    bool cut() const { return cut_; }

    std::string take()
    {
        if (in_string_)
            end_string();
        for (; !levels_.empty(); levels_.pop_back())
            out_ += levels_.back().is_array ? ']' : '}';
        return std::move(out_);
    }

    bool on_document_begin(error_code&) { return true; }
    bool on_document_end(error_code&) { return true; }
    bool on_object_begin(error_code&) { return begin(false); }
    bool on_object_end(std::size_t, error_code&) { return end('}'); }
    bool on_array_begin(error_code&) { return begin(true); }
    bool on_array_end(std::size_t, error_code&) { return end(']'); }

    bool on_key_part(string_view piece, std::size_t, error_code&)
    {
        if (passed_over_ == 0)
            collect(key_, piece, max_short + 1);
        return true;
    }
    bool on_key(string_view piece, std::size_t size, error_code& error)
    {
        on_key_part(piece, size, error);
        if (passed_over_ == 0)
            take_key();
        return true;
    }

    bool on_string_part(string_view piece, std::size_t, error_code&)
    {
        if (in_string_ || takes_value())
            put_piece({piece.data(), piece.size()});
        return true;
    }
    bool on_string(string_view piece, std::size_t size, error_code& error)
    {
        on_string_part(piece, size, error);
        if (in_string_)
            end_string();
        return value_ended();
    }

    bool on_number_part(string_view piece, error_code&)
    {
        if (takes_value())
            collect(number_, piece, max_short + 1);
        return true;
    }
    bool on_int64(std::int64_t, string_view piece, error_code& error) { return put_number(piece, error); }
    bool on_uint64(std::uint64_t, string_view piece, error_code& error) { return put_number(piece, error); }
    bool on_double(double, string_view piece, error_code& error) { return put_number(piece, error); }
    bool on_bool(bool value, error_code&) { return put_word(value ? "true" : "false"); }
    bool on_null(error_code&) { return put_word("null"); }
    bool on_comment_part(string_view, error_code&) { return true; }
    bool on_comment(string_view, error_code&) { return true; }

  private:
    struct Level
    {
        bool is_array = false;
        bool all = false;       ///< every member is kept
        bool usage = false;     ///< so is every token count
        bool first = true;      ///< nothing is written in it yet
        bool choices = false;   ///< a list of choices
        bool nothing = false;   ///< what is in it counts nowhere
        std::size_t begin = 0;  ///< of what is written in it
        std::size_t used = 0;   ///< before it, as those below
        std::size_t text = 0;
    };

    static void collect(std::string& target, string_view piece, std::size_t limit)
    {
        target.append(piece.data(), std::min(piece.size(), limit - std::min(limit, target.size())));
    }

    void take_key()
    {
        wanted_ = key_.size() <= max_short && (levels_.back().all || is_kept(key_));
        if (!wanted_)
            key_.clear();
    }

    /// Whether the value now read is kept.
    bool takes_value()
    {
        if (passed_over_ > 0)
            return false;
        if (levels_.empty())
            return false;
        const auto& level = levels_.back();
        if (!level.is_array && !wanted_)
            return false;
        const bool is_member = !level.is_array && (!level.all || level.usage);
        const bool has_room = used_ < room_beside_text + (is_member ? last_room : 0);
        cut_ = cut_ || !has_room;
        return has_room;
    }

    /// Writes what comes before a value.
    void put_key()
    {
        auto& level = levels_.back();
        if (!std::exchange(level.first, false))
            out_ += ',';
        if (!level.is_array) {
            out_ += '"';
            append_escaped(out_, key_);
            out_ += "\":";
            used_ += key_.size();
            key_.clear();
        }
        used_ += cost_of_value;
    }

    bool begin(bool is_array)
    {
        const bool root = levels_.empty() && !is_array && !ended_;
        if (passed_over_ > 0 || !(root || takes_value())) {
            ++passed_over_;
            return true;
        }
        Level level{is_array};
        level.used = used_;
        level.text = text_;
        if (!root) {
            const auto& above = levels_.back();
            level.all = above.all || (!above.is_array && is_kept_whole(key_));
            level.usage = above.usage || key_ == "usage";
            level.choices = is_array && key_ == "choices";
            put_key();
        }
        out_ += is_array ? '[' : '{';
        level.begin = out_.size();
        levels_.push_back(level);
        return true;
    }

    bool end(char bracket)
    {
        if (passed_over_ > 0) {
            --passed_over_;
            return value_ended();
        }
        const auto& level = levels_.back();
        if (level.nothing) {
            out_.resize(level.begin);
            used_ = level.used + cost_of_value;
            text_ = level.text;
        }
        out_ += bracket;
        levels_.pop_back();
        ended_ = levels_.empty();
        return value_ended();
    }

    bool value_ended()
    {
        wanted_ = false;
        key_.clear();
        return true;
    }

    /// Writes what comes of a string as it comes.
    void put_piece(std::string_view piece)
    {
        if (!std::exchange(in_string_, true)) {
            is_type_ = key_ == "type" && !levels_.back().all;
            put_key();
            out_ += '"';
            string_begin_ = out_.size();
            string_size_ = 0;
        }
        const auto room = std::max(max_string_ - std::min(text_, max_string_), max_short);
        const auto kept = piece.substr(0, room - string_size_);
        cut_ = cut_ || (kept.size() < piece.size() && room < max_string_);
        append_escaped(out_, kept);
        string_size_ += kept.size();
    }

    void end_string()
    {
        in_string_ = false;
        // Thoughts are no text, however long.
        if (is_type_ && std::string_view{out_}.substr(string_begin_).starts_with("reasoning"))
            levels_.back().nothing = true;
        out_.resize(without_split_end(out_).size());
        out_ += '"';
        (string_size_ > max_short ? text_ : used_) += string_size_;
    }

    bool put_number(string_view piece, error_code& error)
    {
        on_number_part(piece, error);
        if (takes_value() && number_.size() <= max_short) {
            const auto depth = levels_.size();
            // Only choice 0 counts.
            if (key_ == "index" && number_ != "0" && depth > 1 && levels_[depth - 2].choices)
                levels_.back().nothing = true;
            put_word(number_);
        }
        number_.clear();
        return value_ended();
    }

    bool put_word(std::string_view word)
    {
        if (takes_value()) {
            put_key();
            out_ += word;
            used_ += word.size();
        }
        return value_ended();
    }

    std::size_t max_string_;
    std::size_t text_ = 0;  ///< of long strings, as they are
    std::size_t used_ = 0;  ///< of all else
    std::string out_;
    std::vector<Level> levels_;    ///< of what is kept
    std::size_t passed_over_ = 0;  ///< depth inside of what is not
    std::string key_;
    bool wanted_ = false;  ///< the member whose key that is
    std::string number_;   ///< as far as it has come
    bool in_string_ = false;
    bool is_type_ = false;
    std::size_t string_begin_ = 0;  ///< in what is written
    std::size_t string_size_ = 0;   ///< as it is
    bool ended_ = false;
    bool cut_ = false;
};

boost::json::parse_options deep_and_lenient()
{
    boost::json::parse_options options;
    options.max_depth = 256;
    options.allow_invalid_utf8 = true;
    return options;
}

/// Pieces are mended in a copy of so many bytes.
constexpr std::size_t portion = 16u << 10;

}  // namespace

struct JsonDigest::State
{
    explicit State(std::size_t max_text) : parser{deep_and_lenient(), max_text} {}

    void parse(std::string_view text)
    {
        error_code error;
        const auto taken = parser.write_some(true, text.data(), text.size(), error);
        broken = error || taken < text.size();
    }

    boost::json::basic_parser<DigestHandler> parser;
    std::string open;  ///< an escape that is not whole
    bool broken = false;
};

JsonDigest::JsonDigest(std::size_t max_text) : state_{std::make_unique<State>(max_text)}
{
}
JsonDigest::~JsonDigest() = default;
JsonDigest::JsonDigest(JsonDigest&&) noexcept = default;
JsonDigest& JsonDigest::operator=(JsonDigest&&) noexcept = default;

void JsonDigest::write(std::string_view piece)
{
    std::array<char, portion + json::longest_escape> buffer;
    while (!piece.empty() && !state_->broken) {
        const auto fresh = piece.substr(0, portion);
        piece.remove_prefix(fresh.size());
        auto* const end = std::copy(fresh.begin(), fresh.end(),
                                    std::copy(state_->open.begin(), state_->open.end(), buffer.data()));
        const std::span text{buffer.data(), static_cast<std::size_t>(end - buffer.data())};
        json::blank_controls(text);
        const auto settled = json::mend_escapes(text, true);
        state_->open.assign(text.data() + settled, text.size() - settled);
        state_->parse({text.data(), settled});
    }
}

bool JsonDigest::whole() const
{
    return state_->parser.handler().ended() && !state_->broken && state_->open.empty();
}

bool JsonDigest::cut() const
{
    return state_->parser.handler().cut();
}

std::string JsonDigest::take()
{
    return state_->parser.handler().take();
}

}  // namespace route
