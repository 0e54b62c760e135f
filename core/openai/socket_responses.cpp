#include "core/openai/socket_responses.hpp"

#include <utility>

#include "core/openai/api.hpp"
#include "core/openai/event_signs.hpp"
#include "core/openai/open_responses.hpp"
#include "core/openai/socket_questions.hpp"

namespace route {
namespace {

using End = SocketResponse::End;

/// `status` of a `response.done`, or the reason that stands for it.
End end_of_status(std::string_view status)
{
    if (status.empty() || status == "completed")
        return End::completed;
    if (status == "failed")
        return End::failed;
    return status == "cancelled" ? End::cancelled : End::incomplete;
}

End end_of(const SocketEventFacts& facts, const ReplySummary& summary)
{
    if (facts.type == "response.completed")
        return End::completed;
    if (facts.type == "response.incomplete")
        return End::incomplete;
    if (facts.type == "response.cancelled")
        return End::cancelled;
    if (facts.type == "response.failed" || facts.type == "error")
        return End::failed;
    return end_of_status(facts.status.empty() ? summary.finish_reason : facts.status);
}

}  // namespace

std::optional<SocketApi> socket_api_of(std::string_view path)
{
    if (api_of("POST", path) == Api::responses)
        return SocketApi::responses;
    if (path.ends_with('/'))
        path.remove_suffix(1);
    if (path.ends_with("/realtime"))
        return SocketApi::realtime;
    return std::nullopt;
}

struct SocketResponses::State
{
    using Open = OpenResponses::Open;

    State(SocketApi of, std::string model, Limits limits)
        : api{of}, questions{std::move(model), limits.max_asked}, responses{of, questions, limits.max_text}
    {
    }

    SocketApi api;
    SocketQuestions questions;
    OpenResponses responses;
    SocketEventReader server;
    std::uint64_t target = 0;  ///< which response the server's message that comes is of; 0: of none

    void take(Open& of, const SseEvent& message, Time now);
    void end_with(const SseEvent& message, Time now);
};

SocketResponses::SocketResponses(SocketApi api, std::string model, Limits limits)
    : state_{std::make_unique<State>(api, std::move(model), limits)}
{
}
SocketResponses::~SocketResponses() = default;
SocketResponses::SocketResponses(SocketResponses&&) noexcept = default;
SocketResponses& SocketResponses::operator=(SocketResponses&&) noexcept = default;

std::size_t SocketResponses::open() const
{
    return state_->responses.size();
}

std::size_t SocketResponses::held() const
{
    return state_->questions.held() + state_->responses.held();
}

std::optional<SocketResponse> SocketResponses::take_ended()
{
    return state_->responses.take_ended();
}

void SocketResponses::end_all(Time now)
{
    state_->responses.break_off(now);
}

void SocketResponses::add_client(const SseEvent& message, Time now)
{
    if (state_->questions.add(message))
        state_->responses.ask(now);
}

void SocketResponses::add_server(const SseEvent& message, Time now)
{
    auto& state = *state_;
    const auto& facts = state.server.facts();
    if (message.is_new()) {
        state.server.begin();
        state.target = 0;
    }
    state.server.write(message.data);
    if (message.is_new() && facts.type.starts_with("response."))
        if (const auto* target = state.responses.target_of(facts, now))
            state.target = target->number;
    if (auto* target = state.responses.find(state.target))
        state.take(*target, message, now);
    if (message.is_last())
        state.end_with(message, now);
}

void SocketResponses::State::take(Open& of, const SseEvent& message, Time now)
{
    const auto& facts = server.facts();
    auto& response = of.response;
    response.reply_bytes += message.data.size();
    if (!response.first_message)
        response.first_message = now;
    if (!facts.reply_model.empty())
        response.reply_model = facts.reply_model;
    if (begins_response(facts.type))
        return;
    if (!response.first_content &&
        (message.part == SseEvent::Part::beginning || (message.is_new() && signs_of(message).content)))
        response.first_content = now;
    if (!is_sound(facts.type))
        of.reply.add(message);
}

/// Once a message is whole: whether it ends a response.
void SocketResponses::State::end_with(const SseEvent& message, Time now)
{
    const auto& facts = server.facts();
    if (facts.type.starts_with("session.") && !facts.session_model.empty())
        questions.note_session_model_of_server(facts.session_model);
    auto* ending = ends_response(facts.type) ? responses.find(target) : nullptr;
    if (facts.type == "error" && facts.error_event_id.empty() && api == SocketApi::realtime) {
        responses.keep_error(message, facts, now);
    } else if (facts.type == "error") {
        ending = responses.target_of_error(facts, now);
        if (ending != nullptr) {
            ending->response.reply_bytes += message.data.size();
            ending->response.first_message = ending->response.first_message.value_or(now);
        }
    }
    if (ending == nullptr)
        return;
    ending->response.summary = ending->reply.take();
    const auto how = end_of(facts, ending->response.summary);
    if (how == End::failed)
        ending->response.error = facts.error_words();
    responses.end(*ending, how, now);
}

}  // namespace route
