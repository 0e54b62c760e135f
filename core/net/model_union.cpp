// `GET /v1/models`: all upstreams are asked at once, and what they list becomes one list.
#include "core/net/model_union.hpp"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <utility>

#include "core/http/reply_kind.hpp"
#include "core/net/loop/off_loop.hpp"
#include "core/net/reply_rest.hpp"
#include "core/text.hpp"

namespace route::net {

namespace {

/// An upstream that takes longer is left out.
constexpr auto longest_listing = std::chrono::seconds{5};
constexpr std::size_t most_list_bytes = 4u << 20;
/// Lists up to that are read, and put together, on the loop.
constexpr std::size_t list_read_on_loop = 64u << 10;
constexpr std::string_view anthropic_version = "anthropic-version";
const RequestFacts no_facts;
/// How long a list stands, and one that some upstream is missing from.
constexpr auto list_stands = std::chrono::seconds{60};
constexpr auto partial_list_stands = std::chrono::seconds{30};

/// The request of the router's own, the same for all clients, whose list it may become: of the client's
/// fields only its credentials, for an upstream that gets them.
HeaderFields fields_for_list(const HeaderFields& of_client)
{
    HeaderFields fields{{http::field::accept, "Accept", "application/json"},
                        {http::field::user_agent, "User-Agent", "openai-api-route"}};
    for (const auto& field : of_client) {
        const bool key = field.id == http::field::authorization ||
                         equal_ignoring_case(field.name, "x-api-key") ||
                         equal_ignoring_case(field.name, "api-key");
        if (key)
            fields.push_back(field);
        else if (equal_ignoring_case(field.name, anthropic_version))
            fields.push_back({http::field::unknown, anthropic_version, "2023-06-01"});
    }
    return fields;
}

bool asks_as_anthropic(const HeaderFields& fields)
{
    return !find_field(fields, anthropic_version).empty();
}

awaitable<void> until_asked(KeptModelList& kept)
{
    auto asked = kept.asked.async_wait(no_throw);
    co_await std::move(asked);
}

OutgoingRequest for_list(const OutgoingRequest& request, const HeaderFields& fields)
{
    const auto& head = request.head;
    const auto place = asks_as_anthropic(fields) ? KeyPlace::x_api_key : KeyPlace::authorization;
    OutgoingRequest asked{{head.method, head.path, head.query, fields, std::nullopt, place}, {}, no_facts};
    asked.client_keys = request.client_keys;
    return asked;
}

}  // namespace

/// While a request asks for a list that others wait for.
class ModelUnion::Asking
{
  public:
    Asking(KeptModelList& kept, bool alone) : kept_{kept}, alone_{alone}
    {
        kept_.asking = kept_.asking || alone_;
    }
    Asking(const Asking&) = delete;
    Asking& operator=(const Asking&) = delete;
    ~Asking()
    {
        if (!alone_)
            return;
        kept_.asking = false;
        kept_.asked.cancel();
    }

  private:
    KeptModelList& kept_;
    bool alone_;
};

struct ModelUnion::Asked
{
    explicit Asked(EventLoop& loop) : nobody{loop} {}

    const Upstream* upstream = nullptr;
    Nobody nobody;
    ReplyCapture capture;
    std::unique_ptr<Attempt> attempt;  ///< none: it cannot be asked
    bool ended = false;
    std::optional<AttemptFailure> failure;
    std::string text;  ///< of its reply
    std::vector<ListedModel> models;
    bool listed = false;  ///< they are what it lists; else what it stands for
    bool counts = false;  ///< nothing of it is missing from the list
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
    return loop_.model_lists[asks_as_anthropic(fields_) ? 1 : 0];
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
    if (may_be_kept() && kept.asking && !known()) {
        auto waiting = wait_for_other();
        co_await std::move(waiting);
        if (client_.has_left())
            co_return answer;
    }
    if (may_be_kept() && known()) {
        answer.list = kept.json;
        co_return answer;
    }
    const Asking asking{kept, may_be_kept() && !kept.asking};
    auto all = ask_all();
    co_await std::move(all);
    if (client_.has_left())
        co_return answer;
    const auto counts = [](const auto& asked) { return asked->counts; };
    const auto failed = [](const auto& asked) { return asked->failure && !asked->counts; };
    const bool partial = std::any_of(asked_.begin(), asked_.end(), failed);
    if (partial && std::none_of(asked_.begin(), asked_.end(), counts)) {
        auto keeping = keep_failed(answer.routed);
        co_await std::move(keeping);
        co_return answer;
    }
    std::function<std::string()> write = [this] { return written_list(); };
    std::string list;
    if (held_ <= list_read_on_loop) {
        list = write();
    } else {
        auto writing = run_off_loop(loop_.services.bodies, loop_, std::move(write));
        list = co_await std::move(writing);
    }
    answer.list = std::make_shared<const std::string>(std::move(list));
    if (may_be_kept() && loop_.routing.get() == &table_) {
        kept.table = loop_.routing;
        kept.until = Clock::now() + (partial ? partial_list_stands : list_stands);
        kept.json = answer.list;
    }
    co_return answer;
}

bool ModelUnion::known() const
{
    const auto& kept = place_in_memory();
    return kept.table.lock().get() == &table_ && Clock::now() < kept.until;
}

/// Until the request that asks has its list, or the client leaves. If that one gets none, this one asks.
awaitable<void> ModelUnion::wait_for_other()
{
    using namespace asio::experimental::awaitable_operators;
    const auto begin = Clock::now();
    auto asked = until_asked(place_in_memory());
    auto gone = client_.gone();
    auto race = std::move(asked) || std::move(gone);
    co_await std::move(race);
    notes_.add_wait(Clock::now() - begin);
}

/// Takes the models of all. Not on the loop where there are many.
std::string ModelUnion::written_list()
{
    std::vector<ListedModel> all;
    for (auto& asked : asked_) {
        auto models = asked->listed ? offered_models(*asked->upstream, std::move(asked->models))
                                    : std::move(asked->models);
        add_models(all, std::move(models));
    }
    auto list = write_model_list(all);
    table_.secrets.erase(list);  // no upstream's own, which quotes what it likes, but the router's
    return list;
}

/// All at once, until the last one has answered or the client has left.
awaitable<void> ModelUnion::ask_all()
{
    using namespace asio::experimental::awaitable_operators;
    int number = 0;
    const auto& total = table_.settings.failover.total;
    end_ = Clock::now() + (total.count() > 0 ? std::min<Clock::duration>(ticks(total), longest_listing)
                                             : Clock::duration{longest_listing});
    for (auto& asked : asked_) {
        if (asked->upstream->endpoint.model_at != std::string::npos) {
            asked->models = allowed_models(*asked->upstream);  // it has no page without a model
            asked->counts = true;
            continue;
        }
        const TimeoutFacts facts{};
        AttemptLimits limits{attempt_timeouts(table_.settings.timeouts, facts, *asked->upstream), end_};
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
            notes_.listed(*asked->attempt, asked->attempt->failed(Cause::client_gone));
    std::sort(record_.attempts.begin(), record_.attempts.end(),
              [](const AttemptRecord& a, const AttemptRecord& b) { return a.number < b.number; });
    notes_.add_wait(Clock::now() - begin);
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
    state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none)
        co_return;
    asked.ended = true;
    notes_.listed(attempt, failure);
    if (!failure) {
        asked.listed = asked.counts = true;
        asked.attempt.reset();
        co_return;
    }
    attempt.give_up();
    if (failure->cause == Cause::status && failure->status && has_no_list(*failure->status)) {
        asked.models = allowed_models(*asked.upstream);
        asked.counts = true;
    }
    asked.failure = std::move(failure);
}

/// All of the reply, as far as a list may be long.
awaitable<std::optional<AttemptFailure>> ModelUnion::read_whole(Asked& asked)
{
    bool memory_short = false;
    const std::function<bool(std::string_view)> take = [&](std::string_view bytes) {
        asked.text += bytes;
        held_ += bytes.size();
        // Lists leave half of it to what is asked for in earnest.
        memory_short = loop_.services.buffered.add(bytes.size()) > table_.settings.server.max_buffered / 2;
        return !memory_short && asked.text.size() <= most_list_bytes;
    };
    auto& attempt = *asked.attempt;
    const RestLimits limits{end_};
    auto reading = read_rest(loop_, attempt, limits, take);
    auto failure = co_await std::move(reading);
    const bool too_long = asked.text.size() > most_list_bytes;
    if (!failure && (too_long || memory_short)) {
        failure = attempt.failed(Cause::no_answer);
        failure->detail = too_long ? "a list of models of more than 4 MiB"
                                   : "the router holds too much to read it (server.max_buffered)";
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
    std::string{}.swap(asked.text);
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
