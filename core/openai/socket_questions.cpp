#include "core/openai/socket_questions.hpp"

#include <algorithm>
#include <utility>

#include "core/text.hpp"

namespace route {

SocketQuestions::SocketQuestions(std::string query_model, std::size_t most)
    : most_{most}, query_model_{std::move(query_model)}, asked_{most}
{
}

bool SocketQuestions::add(const SseEvent& message)
{
    begin(message);
    if (!kept_)
        return false;
    asked_.write(message.part == SseEvent::Part::whole ? trim(message.data) : message.data);
    coming_ += message.data.size();
    if (!message.is_last())
        return false;
    asked_.end();
    collected_ += std::exchange(coming_, 0);
    if (facts().type == "session.update" && !facts().session_model.empty())
        client_model_ = facts().session_model;
    return asks_for_response(facts().type);
}

/// What says nothing of its type is kept where it is short: it may be a part of what is asked all the same.
void SocketQuestions::begin(const SseEvent& message)
{
    if (message.is_new())
        reader_.begin();
    reader_.write(message.data);
    if (!message.is_new())
        return;
    const auto& type = facts().type;
    const bool is_short =
        message.part == SseEvent::Part::whole && message.data.size() <= SocketEventReader::beginning;
    kept_ = type.empty() ? is_short && !trim(message.data).empty() : !is_sound(type);
    coming_ = 0;
    if (kept_)
        asked_.begin();
}

AskedMessages::Taken SocketQuestions::take()
{
    collected_ = 0;
    return asked_.take();
}

std::string_view SocketQuestions::session_model() const
{
    if (!client_model_.empty())
        return client_model_;
    return query_model_.empty() ? server_model_ : query_model_;
}

std::size_t SocketQuestions::held() const
{
    return std::min(collected_, most_) + std::min(coming_, most_);
}

}  // namespace route
