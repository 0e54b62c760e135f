#include "core/reply_builder.hpp"

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
constexpr std::size_t max_finish_reason = 256;

std::string json_string(std::string_view text)
{
    return boost::json::serialize(boost::json::string_view{text.data(), text.size()});
}

/// An object is written by each server in its own spacing: without any it reads the same from a stream and
/// from JSON.
std::string arguments_of(const ReplyBuilder::ToolCall& call)
{
    if (!call.is_object)
        return call.arguments;
    if (call.arguments.empty())
        return "{}";
    std::string minified(call.arguments.size() + simdjson::SIMDJSON_PADDING, '\0');
    std::size_t size = 0;
    if (simdjson::minify(call.arguments.data(), call.arguments.size(), minified.data(), size) !=
        simdjson::SUCCESS)
        return call.arguments;
    minified.resize(size);
    return minified;
}

}  // namespace

void ReplyBuilder::add(Text& target, std::string_view piece)
{
    if (target.cut)
        return;
    const auto fitting = cut_utf8(piece, max_text_ - target.text.size());
    target.text.append(fitting);
    target.cut = fitting.size() < piece.size();
}

ReplyBuilder::ToolCall* ReplyBuilder::tool_call(std::int64_t index)
{
    if (!calls_.empty() && calls_[last_call_].index == index)
        return &calls_[last_call_];  // the usual case
    for (std::size_t i = calls_.size(); i-- > 0;) {
        if (calls_[i].index == index) {
            last_call_ = i;
            return &calls_[i];
        }
    }
    auto* call = new_tool_call();
    if (call != nullptr)
        call->index = index;
    return call;
}

ReplyBuilder::ToolCall* ReplyBuilder::new_tool_call()
{
    if (calls_.size() == max_tool_calls) {
        calls_cut_ = true;
        return nullptr;
    }
    last_call_ = calls_.size();
    auto& call = calls_.emplace_back();
    call.index = static_cast<std::int64_t>(last_call_);
    return &call;
}

ReplyBuilder::ToolCall* ReplyBuilder::last_tool_call()
{
    return calls_.empty() ? nullptr : &calls_[last_call_];
}

void ReplyBuilder::add_name(ToolCall* call, std::string_view piece)
{
    if (call != nullptr)
        add_to_call(call->name, piece);
}

void ReplyBuilder::add_arguments(ToolCall* call, std::string_view piece)
{
    if (call != nullptr)
        add_to_call(call->arguments, piece);
}

void ReplyBuilder::add_to_call(std::string& target, std::string_view piece)
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
    summary_.finish_reason = cut_utf8(reason, max_finish_reason);
}

std::string ReplyBuilder::composed_text() const
{
    std::string text = content_.text.empty() ? refusal_.text : content_.text;
    for (const auto& call : calls_) {
        if (!text.empty())
            text += '\n';
        text.append(R"({"name":)").append(json_string(call.name));
        text.append(R"(,"arguments":)").append(json_string(arguments_of(call))).append(1, '}');
    }
    return text;
}

void ReplyBuilder::add_total()
{
    // Counts come from outside: their sum may not fit.
    std::int64_t sum = 0;
    if (!summary_.total_tokens && summary_.prompt_tokens && summary_.completion_tokens &&
        !__builtin_add_overflow(*summary_.prompt_tokens, *summary_.completion_tokens, &sum))
        summary_.total_tokens = sum;
}

ReplySummary ReplyBuilder::take()
{
    add_total();
    auto text = composed_text();
    const auto size = cut_utf8(text, max_text_).size();
    summary_.text_cut =
        size < text.size() || calls_cut_ || content_.cut || (content_.text.empty() && refusal_.cut);
    text.resize(size);
    summary_.text = std::move(text);
    return std::exchange(*this, ReplyBuilder{max_text_}).summary_;
}

ReplySummary ReplyBuilder::take_with_text(std::string_view body)
{
    add_total();
    const auto text = cut_utf8(body, max_text_);
    summary_.text = text;
    summary_.text_cut = text.size() < body.size();
    return std::exchange(*this, ReplyBuilder{max_text_}).summary_;
}

}  // namespace route
