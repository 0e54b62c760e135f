#include "core/openai/reply_builder.hpp"

#include <simdjson.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <utility>

#include "core/text.hpp"

namespace route {
namespace {

/// More calls than any model makes: what an upstream sends must not grow without limit, nor be looked through
/// for each piece of it.
constexpr std::size_t max_tool_calls = 256;
constexpr std::size_t max_call_id = 128;
constexpr std::size_t max_finish_reason = 256;

std::string json_string(std::string_view text)
{
    return boost::json::serialize(boost::json::string_view{text.data(), text.size()});
}

/// An object is written by each server in its own spacing: without any it reads the same from a stream and
/// from JSON.
std::string minified_object(const std::string& object)
{
    if (object.empty())
        return "{}";
    std::string minified(object.size() + simdjson::SIMDJSON_PADDING, '\0');
    std::size_t size = 0;
    if (simdjson::minify(object.data(), object.size(), minified.data(), size) != simdjson::SUCCESS)
        return object;
    minified.resize(size);
    return minified;
}

/// Counts come from outside: their sum may not fit.
std::optional<std::int64_t> sum(std::optional<std::int64_t> a, std::optional<std::int64_t> b)
{
    std::int64_t result = 0;
    if (!a || !b || __builtin_add_overflow(*a, *b, &result))
        return std::nullopt;
    return result;
}

/// Whether a named piece begins anew behind these arguments: an object is followed by no other.
bool begins_anew(std::string_view arguments, std::string_view piece)
{
    return arguments.ends_with('}') && piece.starts_with('{');
}

}  // namespace

void TokenCounts::set(Kind kind, std::int64_t tokens)
{
    auto& count = counts_[static_cast<std::size_t>(kind)];
    if (tokens > 0 || (tokens == 0 && !count))
        count = tokens;
}

TokenCounts::Count TokenCounts::prompt() const
{
    if (of(Kind::prompt).value_or(0) > 0)
        return of(Kind::prompt);
    if (!of(Kind::input) && !of(Kind::cache_read) && !of(Kind::cache_creation))
        return of(Kind::prompt);
    const auto cached = sum(of(Kind::cache_read).value_or(0), of(Kind::cache_creation).value_or(0));
    return sum(of(Kind::input).value_or(0), cached);
}

void TokenCounts::give_to(ReplySummary& summary) const
{
    summary.prompt_tokens = prompt();
    summary.completion_tokens = of(Kind::completion);
    summary.total_tokens = of(Kind::total);
    if (summary.total_tokens.value_or(0) == 0) {
        if (const auto total = sum(summary.prompt_tokens, summary.completion_tokens))
            summary.total_tokens = total;
    }
}

void ReplyBuilder::Text::expect_repetition(std::size_t from)
{
    may_repeat = from < text.size();
    repeated_from = repeated_to = from;
}

void ReplyBuilder::add(Text& target, std::string_view piece, Source source)
{
    if (piece.empty() || source < target.source)
        return;
    if (source > target.source)
        target = Text{{}, source};
    if (target.may_repeat)
        piece = without_repetition(target, piece);
    append(target, piece);
}

void ReplyBuilder::append(Text& target, std::string_view piece)
{
    if (target.cut)
        return;
    const auto fitting = cut_utf8(piece, max_text_ - target.text.size());
    target.text.append(fitting);
    target.cut = fitting.size() < piece.size();
}

/// What of `piece` is new. As soon as it says something else, all that seemed to be repeated was new.
std::string_view ReplyBuilder::without_repetition(Text& target, std::string_view piece)
{
    const auto known = std::string_view{target.text}.substr(target.repeated_to);
    const auto common = std::min(known.size(), piece.size());
    if (known.substr(0, common) != piece.substr(0, common)) {
        target.may_repeat = false;
        append(target, target.text.substr(target.repeated_from, target.repeated_to - target.repeated_from));
        return piece;
    }
    target.repeated_to += common;
    target.may_repeat = common == piece.size();
    return piece.substr(common);
}

void ReplyBuilder::begin_message(Source source)
{
    for (auto* target : {&content_, &refusal_})
        if (target->source == source)
            target->expect_repetition(0);
}

void ReplyBuilder::end_message()
{
    end_message(content_);
    end_message(refusal_);
}

void ReplyBuilder::end_message(Text& target)
{
    // Less than all of it is no repetition, but a message that begins alike.
    if (std::exchange(target.may_repeat, false) && target.repeated_to < target.text.size())
        append(target, target.text.substr(0, target.repeated_to));
}

void ReplyBuilder::begin_block(std::string_view text)
{
    content_.may_repeat = false;
    const auto begin = content_.source == Source::delta ? content_.text.size() : 0;
    add_text(text, Source::delta);
    if (!text.empty())
        content_.expect_repetition(begin);
}

bool ReplyBuilder::takes_calls_of(Source source)
{
    if (source < calls_source_)
        return false;
    if (source > calls_source_) {
        calls_source_ = source;
        calls_.clear();
        last_call_ = call_bytes_ = 0;
        calls_cut_ = false;
    }
    return true;
}

void ReplyBuilder::add_call(const CallPiece& piece)
{
    auto* call = call_of(piece);
    if (call == nullptr) {
        if (piece.is_empty())
            return;
        call = new_call();
        if (call == nullptr)
            return;
        call->index = piece.index;
    }
    if (call->id.empty())
        call->id = piece.id.substr(0, max_call_id);
    add_name(*call, piece.name);
    add_arguments(*call, piece);
}

ReplyBuilder::ToolCall* ReplyBuilder::call_of(const CallPiece& piece)
{
    if (calls_.empty())
        return nullptr;
    if (piece.index)
        return call_at_index(piece);
    if (piece.id.empty())
        return call_without_index(piece);
    const auto id = piece.id.substr(0, max_call_id);
    return find_call([&](const ToolCall& call) { return call.id == id; });
}

/// Servers that count nothing give each call the index 0, and a new id or at least another name; others give
/// each piece of one call a new id, but no name again.
ReplyBuilder::ToolCall* ReplyBuilder::call_at_index(const CallPiece& piece)
{
    const auto id = piece.id.substr(0, max_call_id);
    const auto is_it = [&](const ToolCall& call) {
        return call.index == piece.index && !id.empty() && call.id == id;
    };
    const auto continues = [&](const ToolCall& call) {
        if (call.index != piece.index)
            return false;
        if (piece.name.empty())
            return true;
        const bool is_delta = piece.source == Source::delta;
        if (!id.empty() && !call.id.empty())
            return call.name.empty() && !is_delta;
        if (call.name.empty() || (is_delta && call.arguments.empty()))
            return true;
        return call.name == piece.name && !(is_delta && begins_anew(call.arguments, piece.arguments));
    };
    auto* call = find_call(is_it);
    return call != nullptr ? call : find_call(continues);
}

/// The last one touched, if it is one, else the newest that is.
template <class Is>
ReplyBuilder::ToolCall* ReplyBuilder::find_call(Is&& is)
{
    if (is(std::as_const(calls_[last_call_])))
        return &calls_[last_call_];
    for (std::size_t i = calls_.size(); i-- > 0;) {
        if (!is(std::as_const(calls_[i])))
            continue;
        last_call_ = i;
        return &calls_[i];
    }
    return nullptr;
}

/// Without index and id a name begins the next call, unless each piece has it.
ReplyBuilder::ToolCall* ReplyBuilder::call_without_index(const CallPiece& piece)
{
    auto& last = calls_[last_call_];
    const bool same = last.name == piece.name && !begins_anew(last.arguments, piece.arguments);
    return piece.name.empty() || same ? &last : nullptr;
}

ReplyBuilder::ToolCall* ReplyBuilder::new_call()
{
    if (calls_.size() == max_tool_calls) {
        calls_cut_ = true;
        return nullptr;
    }
    last_call_ = calls_.size();
    return &calls_.emplace_back();
}

/// Once there are arguments a name is whole.
void ReplyBuilder::add_name(ToolCall& call, std::string_view name)
{
    if (call.name.empty() || (call.name != name && call.arguments.empty()))
        append_to_call(call.name, name);
}

void ReplyBuilder::add_arguments(ToolCall& call, const CallPiece& piece)
{
    if ((piece.arguments.empty() && !piece.is_object) || piece.source < call.source || calls_cut_)
        return;
    if (piece.source > call.source || piece.source != Source::delta) {
        call_bytes_ -= call.arguments.size();
        call.arguments.clear();
    }
    call.source = piece.source;
    call.is_object = piece.is_object;
    append_to_call(call.arguments, piece.arguments);
}

void ReplyBuilder::append_to_call(std::string& target, std::string_view piece)
{
    if (calls_cut_)
        return;
    const auto fitting = cut_utf8(piece, max_text_ - call_bytes_);
    target.append(fitting);
    call_bytes_ += fitting.size();
    calls_cut_ = fitting.size() < piece.size();
}

void ReplyBuilder::set_finish_reason(std::string_view reason)
{
    if (!reason.empty())
        finish_reason_ = cut_utf8(reason, max_finish_reason);
}

std::string ReplyBuilder::json_line(const ToolCall& call)
{
    const auto arguments = call.is_object ? minified_object(call.arguments) : call.arguments;
    return R"({"name":)" + json_string(call.name) + R"(,"arguments":)" + json_string(arguments) + '}';
}

std::string ReplyBuilder::composed_text() const
{
    const auto is_function_call = [](const ToolCall& call) { return call.index == function_call_index; };
    // Servers that have both say the same in both.
    const bool only_function_calls = std::all_of(calls_.begin(), calls_.end(), is_function_call);
    std::string text = content_.text.empty() ? refusal_.text : content_.text;
    for (const auto& call : calls_) {
        if (is_function_call(call) && !only_function_calls)
            continue;
        if (!text.empty())
            text += '\n';
        text += json_line(call);
    }
    return text;
}

ReplySummary ReplyBuilder::take()
{
    const auto text = composed_text();
    const bool cut_before =
        cut_before_ || calls_cut_ || content_.cut || (content_.text.empty() && refusal_.cut);
    auto summary = take_with_text(text);
    summary.text_cut = summary.text_cut || cut_before;
    return summary;
}

ReplySummary ReplyBuilder::take_with_text(std::string_view body)
{
    ReplySummary summary;
    summary.text = cut_utf8(body, max_text_);
    summary.text_cut = summary.text.size() < body.size();
    tokens_.give_to(summary);
    summary.finish_reason = std::move(finish_reason_);
    *this = ReplyBuilder{max_text_};
    return summary;
}

}  // namespace route
