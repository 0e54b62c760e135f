// `GET /v1/models`: all upstreams are asked at once, and what they list becomes one list.
#include "core/net/model_union.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <utility>

#include "core/http/reply_kind.hpp"
#include "core/net/loop/off_loop.hpp"
#include "core/net/reply_rest.hpp"

namespace route::net {

namespace {

/// An upstream that takes longer is left out.
constexpr auto longest_listing = std::chrono::seconds{10};
constexpr std::size_t most_list_bytes = 8u << 20;
/// Lists up to that are read on the loop.
constexpr std::size_t list_read_on_loop = 64u << 10;
/// How long a list stands, and one that some upstream is missing from.
constexpr auto list_stands = std::chrono::seconds{60};
constexpr auto partial_list_stands = std::chrono::seconds{10};

/// What would make another reply of it than the whole list (RFC 9110 13.1, 14.2).
bool asks_for_less(const HeaderField& field)
{
    constexpr std::array fields{http::field::if_match,          http::field::if_none_match,
                                http::field::if_modified_since, http::field::if_unmodified_since,
                                http::field::if_range,          http::field::range};
    return std::find(fields.begin(), fields.end(), field.id) != fields.end();
}

HeaderFields fields_for_list(const HeaderFields& of_client)
{
    HeaderFields fields;
    std::remove_copy_if(of_client.begin(), of_client.end(), std::back_inserter(fields), asks_for_less);
    return fields;
}

OutgoingRequest for_list(const OutgoingRequest& request, const HeaderFields& fields)
{
    const auto& head = request.head;
    OutgoingRequest asked{{head.method, head.path, head.query, fields, head.body_bytes, head.key_place},
                          request.body,
                          request.facts};
    asked.client_keys = request.client_keys;
    return asked;
}

}  // namespace

struct ModelUnion::Asked
{
    explicit Asked(EventLoop& loop) : nobody{loop} {}

    const Upstream* upstream = nullptr;
    Nobody nobody;
    ReplyCapture capture;
    std::unique_ptr<Attempt> attempt;  ///< none: it cannot be asked
    bool ended = false;
    std::optional<AttemptFailure> failure;
    std::string text;                 ///< of its reply
    std::vector<ListedModel> models;  ///< that it offers
    bool counts = false;              ///< they are in the list
};

bool ModelUnion::answers(const Settings& settings, const Request& request)
{
    return settings.models.list == ModelListing::of_all && request.parser->method() == "GET" &&
           request.path == models_path && !request.asks_for_websocket();
}

ModelUnion::ModelUnion(EventLoop& loop, const RoutingTable& table, Client& client,
                       const OutgoingRequest& request, Record& record, TimePoint started)
    : loop_{loop},
      table_{table},
      client_{client},
      fields_{fields_for_list(request.head.fields)},
      request_{for_list(request, fields_)},
      record_{record},
      notes_{loop, table, client, record, {}, started}
{
}

ModelUnion::~ModelUnion()
{
    loop_.services.buffered.subtract(held_);
}

KeptModelList& ModelUnion::place_in_memory() const
{
    const bool anthropic = !find_field(fields_, std::string_view{"anthropic-version"}).empty();
    return loop_.model_lists[anthropic ? 1 : 0];
}

/// What depends on the client's own query or key is nobody else's.
bool ModelUnion::may_be_kept() const
{
    return request_.head.query.empty() && std::none_of(asked_.begin(), asked_.end(), [](const auto& asked) {
               return asked->upstream->asis;
           });
}

awaitable<ModelUnion::Answer> ModelUnion::ask()
{
    Answer answer;
    if (table_.upstreams.empty()) {
        answer.routed.error = RouterError{503, "no_upstream", "no upstream is configured and enabled"};
        co_return answer;
    }
    for (const auto* upstream : listing(table_.upstreams)) {
        asked_.push_back(std::make_unique<Asked>(loop_));
        asked_.back()->upstream = upstream;
    }
    auto& kept = place_in_memory();
    const bool known = may_be_kept() && kept.table.lock().get() == &table_ && Clock::now() < kept.until;
    if (known) {
        answer.list = kept.json;
        co_return answer;
    }
    co_await ask_all();
    if (client_.has_left())
        co_return answer;
    std::vector<ListedModel> all;
    bool counts = false;
    bool partial = false;
    for (auto& asked : asked_) {
        add_models(all, std::move(asked->models));
        counts = counts || asked->counts;
        partial = partial || (asked->failure && !asked->counts);
    }
    if (partial && !counts) {
        auto keeping = keep_failed(answer.routed);
        co_await std::move(keeping);
        co_return answer;
    }
    answer.list = std::make_shared<const std::string>(write_model_list(all));
    if (may_be_kept() && loop_.routing.get() == &table_)
        kept = {loop_.routing, Clock::now() + (partial ? partial_list_stands : list_stands), answer.list};
    co_return answer;
}

/// All at once, until the last one has answered or the client has left.
awaitable<void> ModelUnion::ask_all()
{
    using namespace asio::experimental::awaitable_operators;
    int number = 0;
    for (auto& asked : asked_) {
        if (asked->upstream->endpoint.model_at != std::string::npos) {
            asked->models = allowed_models(*asked->upstream);  // it has no page without a model
            asked->counts = !asked->models.empty();
            continue;
        }
        const TimeoutFacts facts{};
        AttemptLimits limits{attempt_timeouts(table_.settings.timeouts, facts, *asked->upstream),
                             Clock::now() + longest_listing};
        asked->attempt = std::make_unique<Attempt>(loop_, table_, *asked->upstream, request_, limits,
                                                   asked->nobody, asked->capture, ++number);
    }
    record_.asked_together = number > 1;
    if (number == 0)
        co_return;
    const auto begin = Clock::now();
    auto all = ask_from(0);
    auto gone = client_.gone();
    auto race = std::move(all) || std::move(gone);
    co_await std::move(race);
    if (broken_)
        std::rethrow_exception(broken_);
    for (auto& asked : asked_)
        if (asked->attempt && !asked->ended)
            notes_.failed(*asked->attempt, asked->attempt->failed(Cause::client_gone), Clock::now());
    std::sort(record_.attempts.begin(), record_.attempts.end(),
              [](const AttemptRecord& a, const AttemptRecord& b) { return a.number < b.number; });
    notes_.set_waited(Clock::now() - begin);
}

awaitable<void> ModelUnion::ask_from(std::size_t index)
{
    using namespace asio::experimental::awaitable_operators;
    auto one = guarded_ask(*asked_[index]);
    if (index + 1 == asked_.size()) {
        co_await std::move(one);
        co_return;
    }
    auto others = ask_from(index + 1);
    auto both = std::move(one) && std::move(others);
    co_await std::move(both);
}

/// What is thrown goes to ask_all(): `&&` would cancel the others in the middle.
awaitable<void> ModelUnion::guarded_ask(Asked& asked)
{
    if (!asked.attempt)
        co_return;
    try {
        auto asking = ask_one(asked);
        co_await std::move(asking);
    } catch (const boost::system::system_error& error) {
        if (error.code() != asio::error::operation_aborted && !broken_)
            broken_ = std::current_exception();
    } catch (...) {
        if (!broken_)
            broken_ = std::current_exception();
    }
}

awaitable<void> ModelUnion::ask_one(Asked& asked)
{
    auto& attempt = *asked.attempt;
    auto running = attempt.run();
    auto failure = co_await std::move(running);
    auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none)
        co_return;  // the client has left
    if (!failure) {
        auto reading = read_whole(asked);
        failure = co_await std::move(reading);
        state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none)
            co_return;
    }
    if (!failure) {
        auto reading = read_list(asked);
        failure = co_await std::move(reading);
    }
    asked.ended = true;
    if (!failure) {
        notes_.ended(attempt, failure);
        asked.models = offered_models(*asked.upstream, std::move(asked.models));
        asked.counts = true;
        co_return;
    }
    notes_.failed(attempt, *failure, Clock::now());
    if (failure->cause == Cause::status && failure->status && has_no_list(*failure->status)) {
        asked.models = allowed_models(*asked.upstream);
        asked.counts = !asked.models.empty();
    }
    asked.failure = std::move(failure);
}

/// All of the reply, as far as a list may be long.
awaitable<std::optional<AttemptFailure>> ModelUnion::read_whole(Asked& asked)
{
    const std::function<bool(std::string_view)> take = [this, &asked](std::string_view bytes) {
        asked.text += bytes;
        held_ += bytes.size();
        loop_.services.buffered.add(bytes.size());
        return asked.text.size() <= most_list_bytes;
    };
    auto& attempt = *asked.attempt;
    const RestLimits limits{attempt.started() + longest_listing};
    auto reading = read_rest(loop_, attempt, limits, take);
    auto failure = co_await std::move(reading);
    if (!failure && asked.text.size() > most_list_bytes) {
        failure = attempt.failed(Cause::no_answer);
        failure->detail = "a list of models of more than 8 MiB";
    }
    co_return failure;
}

/// Others of the loop go on while a long one is read.
awaitable<std::optional<AttemptFailure>> ModelUnion::read_list(Asked& asked)
{
    const auto& fields = asked.attempt->reply().fields();
    const auto coding = find_field(fields, http::field::content_encoding);
    using Models = Result<std::vector<ListedModel>>;
    std::function<Models()> read = [&asked, coding]() -> Models {
        if (is_no_coding(coding))
            return read_model_list(asked.text);
        const auto decoded = decoded_body(coding, asked.text, most_list_bytes);
        if (!decoded)
            return Invalid{"a coding that cannot be read"};
        return read_model_list(*decoded);
    };
    std::optional<Models> models;
    if (asked.text.size() <= list_read_on_loop && is_no_coding(coding)) {
        models = read();
    } else {
        auto reading = run_off_loop(loop_.services.bodies, loop_, std::move(read));
        auto done = co_await std::move(reading);
        models = std::move(done);
    }
    if (models->has_value()) {
        asked.models = std::move(models->value());
        co_return std::nullopt;
    }
    auto failure = asked.attempt->failed(Cause::no_answer);
    failure.detail = models->error().reason;
    co_return failure;
}

/// What the client gets when nobody has a list.
awaitable<void> ModelUnion::keep_failed(Routed& routed)
{
    for (auto& asked : asked_) {
        if (!asked->failure)
            continue;
        auto failure = *std::move(asked->failure);
        auto keeping = keep(loop_, notes_, routed.kept, std::move(asked->attempt), std::move(failure));
        co_await std::move(keeping);
    }
    if (!routed.kept)
        routed.error = all_failed(record_.attempts);
}

}  // namespace route::net
