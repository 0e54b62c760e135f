#include "core/net/attempt.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <utility>

#include "core/failover/offered_models.hpp"
#include "core/http/query_facts.hpp"

namespace route::net {

namespace {

/// How long, and how many bytes, the body of a failed reply is read.
struct FailedBodyLimits
{
    Seconds time;
    std::size_t bytes;
};
/// One that may be relayed.
constexpr FailedBodyLimits relayable_body{Seconds{2}, 1u << 20};
/// One that is only read for what it says: an error's message comes with its head, or right behind it.
constexpr FailedBodyLimits quoted_body{Seconds{0.25}, 4u << 10};
/// So often within the wait for a head is looked at whether the upstream still takes the request.
constexpr int looks_within_wait = 8;
/// Of an encoded reply few bytes can be many to read: others of the loop have a turn after as many.
constexpr std::size_t encoded_portion = 8u << 10;

/// Others share the count: it costs where nobody asks for it.
bool counts_in_flight(const RoutingTable& table, const Upstream& upstream)
{
    return upstream.max_in_flight > 0 || table.settings.failover.order == UpstreamOrder::least_busy;
}

}  // namespace

Attempt::Attempt(EventLoop& loop, const RoutingTable& table, const Upstream& upstream,
                 const OutgoingRequest& request, AttemptLimits limits, Requester& requester,
                 ReplyCapture& capture, int number)
    : loop_{loop},
      table_{table},
      upstream_{upstream},
      request_{request},
      limits_{limits},
      requester_{requester},
      http_{loop,
            destination_of(upstream, table.tls.get(), table.settings.upstream),
            {request.head_only, request.head.upgrade_websocket}},
      recorder_{table.settings.records, capture},
      timer_{loop.io.get_executor()},
      place_{counts_in_flight(table, upstream) ? upstream.in_flight : nullptr},
      started_{Clock::now()},
      number_{number}
{
}

Attempt::~Attempt()
{
    loop_.services.buffered.subtract(accounted_);
    if (decided_to_commit_)
        --request_.early->committed;
}

awaitable<std::optional<AttemptFailure>> Attempt::run()
{
    using namespace asio::experimental::awaitable_operators;
    auto reply = committable_reply();  // connect, send, head, content
    auto late = out_of_time();         // a steady_timer that is set again while the request is being taken
    auto gone = requester_.gone();
    auto race = std::move(reply) || std::move(late) || std::move(gone);
    auto first = co_await std::move(race);
    if (broken_)
        std::rethrow_exception(broken_);
    std::optional<AttemptFailure> failure;
    switch (first.index()) {
        case 0:
            failure = std::get<0>(std::move(first));
            break;
        case 1:
            failure = judge(std::get<1>(first));
            break;
        default:
            failure = failed(Cause::client_gone);
    }
    if (failure)
        place_.leave();
    co_return failure;
}

/// Connects, sends, reads the head and as much of the body as the decision needs. Once it has lost the race
/// nobody hears its answer, and its next wait throws. Any other exception goes to run(): `||` would wait for
/// the others to end by themselves.
awaitable<std::optional<AttemptFailure>> Attempt::committable_reply()
{
    std::optional<AttemptFailure> failure;
    try {
        for (bool replaced = false;; replaced = true) {
            bool answered = !replaced && http_.take_pooled();
            if (!answered) {
                limit_to(limits_.timeouts.connect);
                answered = co_await http_.connect(limit_);
            }
            if (answered) {
                limit_to(limits_.timeouts.head);
                const bool sent = send();
                if (!sent)
                    co_await http_.send_rest();
                http_.end_sending(request_.body.size());
                if (http_.still_taking())
                    look_at_limits();
                auto step = http_.read_head();
                while (step == Step::wait) {
                    const auto begin = Clock::now();
                    auto readable = http_.readable();
                    const auto ended = co_await std::move(readable);
                    waited_ += Clock::now() - begin;
                    if (std::get<0>(ended))
                        co_return std::nullopt;  // lost the race
                    step = http_.read_head();
                }
                answered = step == Step::done;
            }
            if (answered)
                break;
            if (!replace_connection(http_.failure(), http_.reused(), replaced))
                co_return http_.failure();
            http_.reset();
        }
        fresh_ = http_.payload();
        if (!status_succeeds(reply().status(), request_.head.upgrade_websocket)) {
            co_await read_failed_body();
            co_return status_failure();
        }
        const auto decision = begin_reply();
        if (decision == Decision::fail)
            failure = content_failure();
        else if (decision == Decision::hold)
            failure = co_await hold();
        http_.enter(Phase::relay_body);
        keep_fresh();
    } catch (const boost::system::system_error& error) {
        if (error.code() != asio::error::operation_aborted)
            broken_ = std::current_exception();
    } catch (...) {
        broken_ = std::current_exception();
    }
    failure_ = failure;
    co_return failure;
}

/// Ends when what the attempt waits for has not come in time. The limits are those of the phase it is in by
/// then; one that became earlier calls look_at_limits().
awaitable<Attempt::Late> Attempt::out_of_time()
{
    for (;;) {
        std::optional<Late> late;
        try {
            late = look();
        } catch (...) {
            broken_ = std::current_exception();  // there is no memory to decide: run() tells
            late = Late::limit;
        }
        if (late)
            co_return *late;
        timer_.expires_at(armed_for_);
        auto passed = timer_.async_wait(no_throw);
        co_await std::move(passed);
        armed_for_ = TimePoint::min();
        const auto state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none)
            co_return Late::limit;  // lost the race
    }
}

/// Whether the attempt is late; else when to look again is in `armed_for_`.
std::optional<Attempt::Late> Attempt::look()
{
    const auto head = ticks(limits_.timeouts.head);
    auto limit = limit_;
    auto again = limits_.total;
    if (http_.phase() == Phase::write_request || http_.phase() == Phase::await_head) {
        if (http_.still_taking())
            again = std::min(again, Clock::now() + head / looks_within_wait);
        limit = std::max(limit, http_.last_taken() + head);
    }
    limit = std::min(limit, limits_.total);
    if (Clock::now() >= limit)
        return Late::limit;
    if (decided_by_time())
        return Late::decided;
    armed_for_ = std::min({limit, again, commit_at_, first_content_at_});
    return std::nullopt;
}

/// What being late means for the attempt as it stands.
std::optional<AttemptFailure> Attempt::judge(Late late)
{
    if (failure_)
        return failure_;  // found out at the same moment
    if (reads_failed_body_)
        return status_failure();
    if (late == Late::limit)
        return failed(Cause::timeout);
    if (decision_.kind == Decision::fail)
        return content_failure();
    http_.enter(Phase::relay_body);
    return std::nullopt;
}

void Attempt::limit_to(Seconds wait)
{
    limit_ = Clock::now() + ticks(wait);
    if (limit_ < armed_for_)
        look_at_limits();
}

void Attempt::look_at_limits()
{
    timer_.cancel();
}

/// The model as this upstream calls it; null when it stays as it is.
const std::string* Attempt::renamed_model() const
{
    const auto& facts = request_.facts;
    if (!facts.model || facts.model_cut)
        return nullptr;
    const auto renamed = upstream_.rename.find(*facts.model);
    return renamed == upstream_.rename.end() ? nullptr : &renamed->second;
}

/// Head and body in one write; whether all of it was taken. What differs in the body is sent among the rest
/// of it, which is not copied.
bool Attempt::send()
{
    auto& head = loop_.head_buffer;
    head.clear();
    const auto& facts = request_.facts;
    const auto* const model = renamed_model();
    auto outgoing = request_.head;
    if (facts.model)
        outgoing.model = model != nullptr ? *model : *facts.model;
    std::string path;
    if (!request_.path_model.empty()) {
        outgoing.model = sent_model(upstream_, request_.path_model);
        if (outgoing.model != request_.path_model) {
            path = path_of_model(outgoing.model);
            outgoing.path = path;
        }
    }
    std::string query;
    BodyRules rules{std::nullopt, upstream_.set, upstream_.unset};
    if (model != nullptr && facts.model_in_query) {
        query = rename_model_in_query(outgoing.query, facts, *model);
        outgoing.query = query;
    } else if (model != nullptr) {
        rules.model = *model;
    }
    if (rules.model || facts.object_begin)
        body_ = ChangedBody{request_.body, facts, rules};
    if (!body_.changed()) {
        write_upstream_head(head, outgoing, upstream_);
        const std::array<std::string_view, 2> parts{head, request_.body};
        return http_.send(parts);
    }
    outgoing.body_bytes = body_.size();
    write_upstream_head(head, outgoing, upstream_);
    std::vector<std::string_view> parts{head};
    body_.append_to(parts);
    return http_.send(parts);
}

/// Reads it as far as it is quoted or may be relayed.
awaitable<void> Attempt::read_failed_body()
{
    reads_failed_body_ = true;
    const bool relayable = may_be_relayed(reply().status(), upstream_.asis) ||
                           is_final_status(table_.settings.failover, reply().status());
    const auto& most = relayable ? relayable_body : quoted_body;
    limit_to(most.time);
    http_.enter(Phase::relay_body);
    while (!complete() && held_.size() + fresh_.size() <= most.bytes) {
        stash();
        auto step = read();
        while (step == Step::wait) {
            const auto begin = Clock::now();
            auto more = readable();
            const auto ended = co_await std::move(more);
            waited_ += Clock::now() - begin;
            if (std::get<0>(ended))
                co_return;  // lost the race
            step = read();
        }
        if (step == Step::failed)
            break;
    }
    stash();
    const bool whole = complete() && held_.size() <= most.bytes;
    kept_whole_ = whole && relayable;
    if (whole)
        release();
}

AttemptFailure Attempt::status_failure()
{
    http_.enter(Phase::await_head);
    return http_.failed(Cause::status, {}, error_body_words());
}

/// Judges the head and what came with it.
Attempt::Decision Attempt::begin_reply()
{
    http_.enter(Phase::await_first_event);
    begin_record();
    if (reply().status() == 101)
        return Decision::commit;  // what has come is the tunnel's
    if (recorder_.encoded())
        return Decision::hold;
    recorder_.add(fresh_);
    return decide();
}

void Attempt::begin_record()
{
    const auto& fields = reply().fields();
    ReplyLabel label;
    label.content_type = find_field(fields, http::field::content_type);
    label.content_encoding = find_field(fields, http::field::content_encoding);
    label.api = api_of(request_.head.method, request_.head.path);
    label.judged_json = table_.settings.failover.reply_buffer;
    const bool succeeded = reply().status() / 100 == 2;
    if (succeeded && may_make(label.api))
        label.making = making_of(request_.head.method, request_.head.path);
    remembered_ = 0;
    recorder_.begin(label);
}

/// Waits for what the decision needs.
awaitable<std::optional<AttemptFailure>> Attempt::hold()
{
    const auto now = Clock::now();
    limit_to(limits_.timeouts.idle);
    auto decision = Decision::hold;
    if (recorder_.encoded()) {
        co_await record_held();
        decision = decide();
    }
    // Not before all that has come was read: what time decides, it decides on that.
    commit_at_ = now + ticks(table_.settings.failover.commit_after);
    if (limits_.timeouts.first_content > Seconds{0})
        first_content_at_ = now + ticks(limits_.timeouts.first_content);
    if (std::min(commit_at_, first_content_at_) < armed_for_)
        look_at_limits();
    while (decision == Decision::hold) {
        stash();
        auto step = read();
        while (step == Step::wait) {
            limit_to(limits_.timeouts.idle);
            const auto begin = Clock::now();
            auto more = readable();
            const auto ended = co_await std::move(more);
            waited_ += Clock::now() - begin;
            if (std::get<0>(ended))
                co_return std::nullopt;  // lost the race: to time, which decided on what has come
            step = read();
        }
        if (step == Step::failed)
            co_return http_.failure();
        decision = decide();
    }
    if (decision == Decision::fail)
        co_return content_failure();
    co_return std::nullopt;
}

awaitable<void> Attempt::record_held()
{
    stash();
    std::string_view rest{held_};
    while (recorder_.encoded() && rest.size() > encoded_portion) {
        recorder_.add(rest.substr(0, encoded_portion));
        rest.remove_prefix(encoded_portion);
        auto turn = asio::post(loop_.io.get_executor(), asio::deferred);
        co_await std::move(turn);
    }
    recorder_.add(rest);
}

void Attempt::stash()
{
    if (fresh_.empty())
        return;
    held_.append(fresh_);
    accounted_ += fresh_.size();
    if (loop_.services.buffered.add(fresh_.size()) > table_.settings.server.max_buffered)
        pressure_.memory_short = true;  // rather sent early than held without bound
    fresh_ = {};
}

/// `||` waits for those that lost: until then others of the loop read into its scratch.
void Attempt::keep_fresh()
{
    if (held_.empty())
        held_.assign(fresh_);
    else
        stash();
    fresh_ = {};
}

void Attempt::drop_pending()
{
    fresh_ = {};
    if (held_.empty())
        return;
    std::string{}.swap(held_);
    if (accounted_ > 0)
        loop_.services.buffered.subtract(std::exchange(accounted_, 0));
}

HttpClient::Step Attempt::read()
{
    fresh_ = {};
    const auto step = http_.read_body(recorder_.encoded() ? encoded_portion : Scratch::size);
    if (step != Step::done)
        return step;
    fresh_ = http_.payload();
    if (reads_failed_body_)
        return step;
    recorder_.add(fresh_);
    if (recorder_.encoded())
        connection().end_turn();
    return step;
}

}  // namespace route::net
