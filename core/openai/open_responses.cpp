// Which response an event of the server is of, and what becomes of those that it says nothing of.
#include "core/openai/open_responses.hpp"

#include <algorithm>
#include <utility>

namespace route {
namespace {

/// Ids of what was asked for and is forgotten that are remembered, 256 bytes each at most.
constexpr std::size_t most_forgotten_ids = 64;

}  // namespace

OpenResponses::OpenResponses(SocketApi api, SocketQuestions& questions, std::size_t max_text)
    : api_{api}, questions_{questions}, max_text_{max_text}
{
}

void OpenResponses::ask(Time now)
{
    fail_doubtful(now);
    const auto unanswered =
        std::count_if(open_.begin(), open_.end(), [](const Open& one) { return !one.answered; });
    if (forgotten_ > 0 || static_cast<std::size_t>(unanswered) >= most) {
        forget();
        return;
    }
    const auto& facts = questions_.facts();
    auto& asked_for = begin_asked(now);
    asked_for.event_id = facts.event_id;
    asked_for.response.asked_for = true;
    if (!facts.model.empty())
        asked_for.response.model = facts.model;
    else if (!facts.reply_model.empty())
        asked_for.response.model = facts.reply_model;
}

/// Its question is not kept, so that those of others stay, each with its answer.
void OpenResponses::forget()
{
    const auto& id = questions_.facts().event_id;
    ++forgotten_;
    if (!id.empty() && forgotten_ids_.size() < most_forgotten_ids)
        forgotten_ids_.push_back(id);
    questions_.take();
}

OpenResponses::Open& OpenResponses::begin(Time now)
{
    auto& begun = open_.emplace_back(++last_number_, max_text_);
    begun.response.model = questions_.session_model();
    begun.response.began = now;
    return begun;
}

/// With what the client has said since the one before.
OpenResponses::Open& OpenResponses::begin_asked(Time now)
{
    make_room(now);
    auto& begun = begin(now);
    auto taken = questions_.take();
    begun.response.asked = std::move(taken.text);
    begun.response.asked_cut = taken.cut;
    begun.response.asked_bytes = taken.bytes;
    return begun;
}

/// Where all that is open was answered: what is forgotten was asked for before anything else.
OpenResponses::Open& OpenResponses::begin_by_server(Time now)
{
    if (forgotten_ == 0)
        return begin_asked(now);
    make_room(now);
    return begin_forgotten(now);
}

/// The answer to one, beside what is open.
OpenResponses::Open& OpenResponses::begin_forgotten(Time now)
{
    if (--forgotten_ == 0)
        forgotten_ids_.clear();
    auto& begun = begin(now);
    begun.forgotten = true;
    return begun;
}

/// Ends the oldest that was answered when another could not be open beside it: fewer have no answer, as
/// another may begin.
void OpenResponses::make_room(Time now)
{
    if (open_.size() < most)
        return;
    if (auto* oldest = find_if([](const Open& one) { return one.answered; }))
        abandon(*oldest, End::displaced, now);
}

template <class Is>
OpenResponses::Open* OpenResponses::find_if(Is&& is)
{
    const auto found = std::find_if(open_.begin(), open_.end(), is);
    return found == open_.end() ? nullptr : &*found;
}

OpenResponses::Open* OpenResponses::find(std::uint64_t number)
{
    return find_if([&](const Open& one) { return one.number == number; });
}

OpenResponses::Open* OpenResponses::next_unanswered()
{
    return find_if([](const Open& one) { return !one.answered; });
}

OpenResponses::Open* OpenResponses::target_of(const SocketEventFacts& facts, Time now)
{
    auto* const target =
        facts.response_id.empty() ? target_without_id(facts, now) : target_with_id(facts, now);
    if (target != nullptr) {
        target->answered = true;
        target->doubtful_error.reset();
        current_ = target->number;
    }
    return target;
}

OpenResponses::Open* OpenResponses::target_with_id(const SocketEventFacts& facts, Time now)
{
    const auto& id = facts.response_id;
    if (api_ == SocketApi::responses && facts.type == "response.created") {
        // There are upstreams that give all of them the same id.
        std::replace(ended_ids_.begin(), ended_ids_.end(), id, std::string{});
    } else {
        const auto newest = std::find_if(open_.rbegin(), open_.rend(),
                                         [&](const Open& one) { return one.response.id == id; });
        if (newest != open_.rend())
            return &*newest;
        if (std::find(ended_ids_.begin(), ended_ids_.end(), id) != ended_ids_.end())
            return nullptr;
    }
    auto* unnamed = next_unanswered();
    if (unnamed == nullptr && (begins_response(facts.type) || ends_response(facts.type)))
        unnamed = &begin_by_server(now);
    if (unnamed != nullptr)
        unnamed->response.id = id;
    return unnamed;
}

OpenResponses::Open* OpenResponses::target_without_id(const SocketEventFacts& facts, Time now)
{
    auto* unanswered = next_unanswered();
    if (facts.type == "response.created")
        return unanswered != nullptr ? unanswered : &begin_by_server(now);
    if (auto* spoken_of = find(current_))
        return spoken_of;
    const auto newest =
        std::find_if(open_.rbegin(), open_.rend(), [](const Open& one) { return one.answered; });
    return newest == open_.rend() ? unanswered : &*newest;
}

/// In the Realtime API what the client's message asked for that the error names: others are about something
/// else, which goes wrong beside the response.
OpenResponses::Open* OpenResponses::target_of_error(const SocketEventFacts& facts, Time now)
{
    if (api_ == SocketApi::realtime)
        return target_of_named_error(facts.error_event_id, now);
    if (auto* unanswered = next_unanswered())
        return unanswered;
    if (forgotten_ > 0)
        return &begin_forgotten(now);
    if (open_.empty())
        return nullptr;
    auto* spoken_of = find(current_);
    return spoken_of != nullptr ? spoken_of : &open_.back();
}

OpenResponses::Open* OpenResponses::target_of_named_error(const std::string& event_id, Time now)
{
    if (auto* named = find_if([&](const Open& one) { return !one.answered && one.event_id == event_id; }))
        return named;
    const auto found = std::find(forgotten_ids_.begin(), forgotten_ids_.end(), event_id);
    if (found == forgotten_ids_.end())
        return nullptr;
    forgotten_ids_.erase(found);
    return &begin_forgotten(now);
}

void OpenResponses::keep_error(const SseEvent& message, const SocketEventFacts& facts, Time now)
{
    if (auto* unanswered = find_if([](const Open& one) { return !one.answered && !one.doubtful_error; }))
        unanswered->doubtful_error = {facts.error_words(), message.data.size(), now};
}

/// The server has begun none of them since.
void OpenResponses::fail_doubtful(Time now)
{
    while (auto* doubtful = find_if([](const Open& one) { return one.doubtful_error.has_value(); }))
        abandon(*doubtful, End::failed, now);
}

/// Ends one of which the server gave no end, by an error if one came that may be its end.
void OpenResponses::abandon(Open& of, End how, Time now)
{
    of.response.summary = of.reply.take();
    if (!of.doubtful_error)
        return end(of, how, now);
    of.response.error = std::move(of.doubtful_error->words);
    of.response.reply_bytes += of.doubtful_error->bytes;
    of.response.first_message = of.response.first_message.value_or(of.doubtful_error->came);
    end(of, End::failed, of.doubtful_error->came);
}

void OpenResponses::end(Open& of, End how, Time now)
{
    auto& response = of.response;
    if (of.forgotten && response.model.empty())
        response.model = response.reply_model;
    response.end = how;
    response.ended = now;
    if (!response.id.empty())
        ended_ids_[ended_count_++ % ended_ids_.size()] = response.id;
    ended_.push_back(std::move(response));
    open_.erase(
        std::find_if(open_.begin(), open_.end(), [&](const Open& one) { return one.number == of.number; }));
}

void OpenResponses::break_off(Time now)
{
    while (!open_.empty())
        abandon(open_.front(), End::broken_off, now);
}

std::optional<SocketResponse> OpenResponses::take_ended()
{
    if (ended_.empty())
        return std::nullopt;
    auto response = std::move(ended_.front());
    ended_.erase(ended_.begin());
    return response;
}

std::size_t OpenResponses::held() const
{
    std::size_t size = 0;
    for (const auto& one : open_)
        size += one.response.asked.capacity() +
                static_cast<std::size_t>(std::min<std::uint64_t>(one.response.reply_bytes, 2 * max_text_));
    return size;
}

}  // namespace route
