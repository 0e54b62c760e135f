#include "core/record.hpp"

#include <fmt/format.h>

#include <array>
#include <new>
#include <span>
#include <utility>

#include "core/http/media_type.hpp"
#include "core/openai/api.hpp"
#include "core/openai/reply_text.hpp"
#include "core/openai/request_facts.hpp"
#include "core/secret_eraser.hpp"
#include "core/text.hpp"

namespace route {
namespace {

std::string cut_mark(std::uint64_t bytes)
{
    return fmt::format("\u2026 [cut, {} bytes]", bytes);
}

/// What is kept of bytes that are no text.
std::string binary_mark(std::string_view content_type, std::uint64_t bytes)
{
    const auto type = media_type(content_type);
    return fmt::format("[{}, {} bytes]", type.empty() ? "application/octet-stream" : type, bytes);
}

/// Clean text of at most `limit` bytes; marked when it was cut, here or before.
std::string limited(std::string text, std::uint64_t limit, bool cut_before, std::uint64_t bytes)
{
    if (cut_before)
        text.resize(without_split_end(text).size());
    text = clean_utf8(std::move(text));
    const auto size = cut_utf8(text, limit).size();
    const bool cut = cut_before || size < text.size();
    text.resize(size);
    if (cut)
        text += cut_mark(bytes);
    return text;
}

/// Whether the body is as complete_record() leaves one that is not whole.
bool is_marked(const Record& record, const RecordLimits& limits)
{
    if (!record.body.ends_with(" bytes]"))
        return false;
    if (record.body == binary_mark(record.body_content_type, record.body_bytes))
        return true;
    const auto mark = cut_mark(record.body_bytes);
    return record.body.ends_with(mark) && record.body.size() <= limits.max_request_body + mark.size();
}

void complete_body(Record& record, const RecordLimits& limits)
{
    if (!limits.request_body) {
        std::string{}.swap(record.body);
        return;
    }
    if (is_marked(record, limits)) {
        record.body = clean_utf8(std::move(record.body));
        return;
    }
    // The event loop keeps no more than it must: then the body's last character may be split.
    const bool cut_before = std::exchange(record.body_cut, false);
    const std::string_view whole = cut_before ? without_split_end(record.body) : record.body;
    if (valid_utf8(whole))
        record.body = limited(std::move(record.body), limits.max_request_body, cut_before, record.body_bytes);
    else
        record.body = clean_utf8(binary_mark(record.body_content_type, record.body_bytes));
}

void take_summary(Record& record, ReplySummary&& summary, const RecordLimits& limits)
{
    record.prompt_tokens = summary.prompt_tokens;
    record.completion_tokens = summary.completion_tokens;
    record.total_tokens = summary.total_tokens;
    record.finish_reason = std::move(summary.finish_reason);
    if (limits.response)
        record.response =
            limited(std::move(summary.text), limits.max_response, summary.text_cut, record.response_bytes);
}

std::string text_response(Record& record, const RecordLimits& limits, bool cut_before)
{
    auto& reply = record.reply;
    const bool textual = reply.content_type.empty() ? valid_utf8(without_split_end(reply.raw))
                                                    : is_textual_type(reply.content_type);
    if (!textual)
        return binary_mark(reply.content_type, record.response_bytes);
    return limited(std::move(reply.raw), limits.max_response, cut_before, record.response_bytes);
}

/// `cut_before`: the loop kept the beginning of the reply only.
void complete_response(Record& record, const RecordLimits& limits, bool cut_before)
{
    auto& reply = record.reply;
    switch (reply.kind) {
        case ReplyCapture::Kind::none:
            break;
        case ReplyCapture::Kind::summary:
        case ReplyCapture::Kind::json:  // are read already
        case ReplyCapture::Kind::long_json:
            take_summary(record, std::move(reply.summary), limits);
            break;
        case ReplyCapture::Kind::text:
            if (limits.response && (record.response_bytes > 0 || !reply.raw.empty()))
                record.response = text_response(record, limits, cut_before);
            break;
        case ReplyCapture::Kind::binary:
            if (limits.response && record.response_bytes > 0)
                record.response = binary_mark(reply.content_type, record.response_bytes);
            break;
    }
    record.reply.clear();
}

/// Every text, but that of the reply, into which a key may come from outside.
template <class Visit>
void each_text_from_outside(Record& record, Visit&& visit)
{
    for (auto* text : {&record.client_request_id, &record.trace_id, &record.user_agent, &record.method,
                       &record.path, &record.body_content_type, &record.error, &record.finish_reason})
        visit(*text);
    for (auto& attempt : record.attempts)
        visit(attempt.error);
}

bool is_json(ReplyCapture::Kind kind)
{
    return kind == ReplyCapture::Kind::json || kind == ReplyCapture::Kind::long_json;
}

/// No key gets into a record, whoever wrote it where: upstreams quote keys they refuse, clients put theirs
/// into paths. What the loop has cut may end within a key.
void erase_keys(Record& record, bool raw_cut)
{
    SecretEraser client_secrets;
    for (const auto& key : record.client_keys)
        client_secrets.add(*key);
    const std::array<const SecretEraser*, 2> both{&client_secrets, record.upstream_secrets.get()};
    const std::span erasers{both.data(), record.upstream_secrets ? both.size() : 1};
    const auto erase = [&](std::string& text, bool cut = false) { erase_secrets(text, erasers, cut); };
    auto& reply = record.reply;
    each_text_from_outside(record, [&](std::string& text) { erase(text); });
    erase(reply.content_type);
    erase(reply.summary.finish_reason);
    if (record.model)
        erase(*record.model, record.model->size() >= max_model_name);
    erase(record.body, record.body_cut);
    if (!is_json(reply.kind))  // of JSON the summary is what is kept
        erase(reply.raw, raw_cut);
    erase(reply.summary.text, reply.summary.text_cut);
    record.client_keys.clear();
    record.upstream_secrets.reset();
}

/// Rather no text than one with a key in it. Whatever has no memory has some for this.
void withhold_texts(Record& record) noexcept
{
    each_text_from_outside(record, [](std::string& text) { text.clear(); });
    record.model.reset();
    record.body.clear();
    record.body_cut = false;
    record.response.clear();
    record.reply.clear();
    record.client_keys.clear();
    record.upstream_secrets.reset();
    try {
        record.error = "its texts are left out: there was no memory to erase keys from them";
    } catch (const std::bad_alloc&) {
        record.error = "out of memory";  // which takes none
    }
}

void clean(std::string& text)
{
    if (!text.empty())
        text = clean_utf8(std::move(text));
}

void clean_texts(Record& record)
{
    for (auto* text : {&record.request_id, &record.client_request_id, &record.node, &record.ip,
                       &record.key_name, &record.user_agent, &record.method, &record.path,
                       &record.body_content_type, &record.error, &record.upstream_name,
                       &record.upstream_endpoint, &record.response, &record.finish_reason, &record.trace_id})
        clean(*text);
    if (record.model) {
        clean(*record.model);
        record.model->resize(cut_utf8(*record.model, max_model_name).size());
    }
    for (auto& attempt : record.attempts) {
        clean(attempt.upstream_name);
        clean(attempt.error);
    }
}

/// All strings of a record but those of its reply.
template <class R>
auto texts(R& record)
{
    return std::array{&record.request_id,
                      &record.client_request_id,
                      &record.node,
                      &record.ip,
                      &record.key_name,
                      &record.user_agent,
                      &record.method,
                      &record.path,
                      &record.body,
                      &record.body_content_type,
                      &record.error,
                      &record.upstream_name,
                      &record.upstream_endpoint,
                      &record.response,
                      &record.finish_reason,
                      &record.trace_id,
                      &record.hedged_upstream};
}

/// What a string holds outside of itself.
std::size_t heap(const std::string& text)
{
    static const auto inside = std::string{}.capacity();
    return text.capacity() > inside ? text.capacity() + 1 : 0;
}

}  // namespace

bool is_body_whole(const Record& record)
{
    const auto& body = record.body;
    const bool replaced = body.starts_with('[') && body.find('"') == std::string::npos &&
                          body.ends_with(fmt::format(", {} bytes]", record.body_bytes));
    return !replaced && !body.ends_with(cut_mark(record.body_bytes)) &&
           (record.body_bytes == 0 || !body.empty());
}

std::string_view to_string(RequestOutcome outcome)
{
    switch (outcome) {
        case RequestOutcome::ok:
            return "ok";
        case RequestOutcome::upstream_error:
            return "upstream_error";
        case RequestOutcome::timeout:
            return "timeout";
        case RequestOutcome::truncated:
            return "truncated";
        case RequestOutcome::client_closed:
            return "client_closed";
        case RequestOutcome::rejected:
            return "rejected";
    }
    return "";
}

std::string_view to_string(AttemptOutcome outcome)
{
    switch (outcome) {
        case AttemptOutcome::ok:
            return "ok";
        case AttemptOutcome::status:
            return "status";
        case AttemptOutcome::connect:
            return "connect";
        case AttemptOutcome::tls:
            return "tls";
        case AttemptOutcome::timeout:
            return "timeout";
        case AttemptOutcome::cut:
            return "cut";
        case AttemptOutcome::empty:
            return "empty";
        case AttemptOutcome::error_event:
            return "error_event";
        case AttemptOutcome::error_body:
            return "error_body";
        case AttemptOutcome::blank:
            return "blank";
        case AttemptOutcome::no_answer:
            return "no_answer";
        case AttemptOutcome::not_a_stream:
            return "not_a_stream";
        case AttemptOutcome::superseded:
            return "superseded";
        case AttemptOutcome::client_closed:
            return "client_closed";
    }
    return "";
}

void ReplyCapture::clear()
{
    kind = Kind::none;
    content_type.clear();
    raw.clear();
    raw_cut = false;
    digest.clear();
    digest_whole = digest_cut = false;
    summary.text.clear();
    summary.text_cut = false;
    summary.prompt_tokens = summary.completion_tokens = summary.total_tokens = std::nullopt;
    summary.finish_reason.clear();
    made_ids.clear();
}

void ReplyCapture::swap(ReplyCapture& other) noexcept
{
    std::swap(kind, other.kind);
    content_type.swap(other.content_type);
    raw.swap(other.raw);
    std::swap(raw_cut, other.raw_cut);
    digest.swap(other.digest);
    std::swap(digest_whole, other.digest_whole);
    std::swap(digest_cut, other.digest_cut);
    summary.text.swap(other.summary.text);
    std::swap(summary.text_cut, other.summary.text_cut);
    std::swap(summary.prompt_tokens, other.summary.prompt_tokens);
    std::swap(summary.completion_tokens, other.summary.completion_tokens);
    std::swap(summary.total_tokens, other.summary.total_tokens);
    summary.finish_reason.swap(other.summary.finish_reason);
    made_ids.swap(other.made_ids);
}

void Record::swap(Record& other) noexcept
{
    auto others = texts(other);
    for (std::size_t i = 0; auto* text : texts(*this))
        text->swap(*others[i++]);
    std::swap(created_at, other.created_at);
    model.swap(other.model);
    std::swap(stream, other.stream);
    std::swap(body_bytes, other.body_bytes);
    std::swap(status, other.status);
    std::swap(outcome, other.outcome);
    std::swap(upstream_id, other.upstream_id);
    attempts.swap(other.attempts);
    std::swap(response_bytes, other.response_bytes);
    std::swap(response_time, other.response_time);
    std::swap(elapsed_time, other.elapsed_time);
    std::swap(prompt_tokens, other.prompt_tokens);
    std::swap(completion_tokens, other.completion_tokens);
    std::swap(total_tokens, other.total_tokens);
    made_ids.swap(other.made_ids);
    reply.swap(other.reply);
    std::swap(body_cut, other.body_cut);
    std::swap(authenticated, other.authenticated);
    std::swap(overhead, other.overhead);
    std::swap(hedge_won, other.hedge_won);
    std::swap(asked_together, other.asked_together);
    client_keys.swap(other.client_keys);
    upstream_secrets.swap(other.upstream_secrets);
}

void Record::clear()
{
    for (auto* text : texts(*this))
        text->clear();
    created_at = {};
    model.reset();
    stream = false;
    body_bytes = response_bytes = 0;
    status = 0;
    outcome = RequestOutcome::ok;
    upstream_id = 0;
    attempts.clear();
    response_time.reset();
    elapsed_time = {};
    overhead.reset();
    prompt_tokens = completion_tokens = total_tokens = std::nullopt;
    made_ids.clear();
    reply.clear();
    body_cut = authenticated = hedge_won = asked_together = false;
    client_keys.clear();
    upstream_secrets.reset();
}

std::size_t Record::memory() const
{
    std::size_t bytes = sizeof(Record) + attempts.capacity() * sizeof(AttemptRecord) +
                        (made_ids.capacity() + reply.made_ids.capacity()) * sizeof(IdHash);
    for (const auto* text : texts(*this))
        bytes += heap(*text);
    for (const auto* text :
         {&reply.content_type, &reply.raw, &reply.digest, &reply.summary.text, &reply.summary.finish_reason})
        bytes += heap(*text);
    if (model)
        bytes += heap(*model);
    for (const auto& attempt : attempts)
        bytes += heap(attempt.upstream_name) + heap(attempt.error);
    return bytes;
}

namespace {

void complete(Record& record, const RecordLimits& limits)
{
    // Inside JSON a key may be written with escapes: it is found in what that says.
    auto& reply = record.reply;
    const auto max_text = limits.response ? limits.max_response : 0;
    const auto api = api_of(record.method, record.path);
    if (reply.kind == ReplyCapture::Kind::json)
        reply.summary = read_json_reply(reply.raw, max_text, api);
    else if (reply.kind == ReplyCapture::Kind::long_json)
        reply.summary = read_long_json_reply(reply, max_text, api);
    // Keys go first: cut in two they would not be found.
    const bool reply_cut = reply.raw_cut;
    erase_keys(record, reply_cut);
    complete_body(record, limits);
    complete_response(record, limits, reply_cut);
    clean_texts(record);
}

}  // namespace

void complete_record(Record& record, const RecordLimits& limits)
{
    if (!record.reply.made_ids.empty())
        record.made_ids = std::exchange(record.reply.made_ids, {});
    try {
        complete(record, limits);
    } catch (const std::exception&) {  // memory is short
        withhold_texts(record);
    }
}

}  // namespace route
