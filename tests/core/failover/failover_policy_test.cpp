#include "core/failover/failover_policy.hpp"

#include <boost/asio/error.hpp>
#include <set>

#include "tests/support/catch.hpp"

using namespace route;
namespace net_error = boost::asio::error;
using boost::system::error_code;

namespace {

constexpr Phase phases[] = {
    Phase::resolve,    Phase::connect,           Phase::proxy,     Phase::tls, Phase::write_request,
    Phase::await_head, Phase::await_first_event, Phase::relay_body};
constexpr Cause causes[] = {Cause::transport, Cause::timeout,     Cause::eof,          Cause::bad_reply,
                            Cause::status,    Cause::error_event, Cause::empty,        Cause::error_body,
                            Cause::blank,     Cause::no_answer,   Cause::not_a_stream, Cause::client_gone,
                            Cause::stopped,   Cause::superseded};

bool nobody_waits(Cause cause)
{
    return cause == Cause::client_gone || cause == Cause::stopped;
}

AttemptFailure failure(Phase phase, Cause cause, std::optional<unsigned> status = {}, std::string detail = {},
                       error_code error = {})
{
    return {phase, cause, error, status, std::move(detail)};
}

}  // namespace

TEST_CASE("judge: every phase, cause and progress")
{
    struct Row
    {
        Progress progress;
        Verdict verdict;  // when somebody still waits
    };
    const Row rows[] = {
        // try_left, response_kept
        {{false, false}, Verdict::respond},
        {{false, true}, Verdict::relay_kept},
        {{true, false}, Verdict::next_try},
        {{true, true}, Verdict::next_try},
    };
    for (const auto& [progress, verdict] : rows)
        for (const auto phase : phases)
            for (const auto cause : causes) {
                CAPTURE(to_string(phase), static_cast<int>(cause), progress.try_left, progress.response_kept);
                const auto expected = nobody_waits(cause) ? Verdict::abandon : verdict;
                CHECK(judge(failure(phase, cause, 500), progress) == expected);
            }
}

TEST_CASE("which failures may be over at a further try")
{
    const auto with_status = [](unsigned status, Phase phase = Phase::await_head) {
        return failure(phase, Cause::status, status);
    };
    for (const auto status : {408u, 429u, 500u, 502u, 503u, 504u, 529u}) {
        CAPTURE(status);
        CHECK(further_try(with_status(status)) == FurtherTry::at_once);
    }
    for (const auto status : {301u, 400u, 401u, 403u, 404u, 413u, 422u, 501u, 505u}) {
        CAPTURE(status);
        CHECK(further_try(with_status(status)) == FurtherTry::none);
    }
    CHECK(further_try(with_status(503, Phase::proxy)) == FurtherTry::at_once);
    CHECK(further_try(with_status(407, Phase::proxy)) == FurtherTry::none);
    for (const auto phase : phases) {
        CAPTURE(to_string(phase));
        const bool stays = phase == Phase::resolve || phase == Phase::tls;
        CHECK(further_try(failure(phase, Cause::transport)) ==
              (stays ? FurtherTry::none : FurtherTry::at_once));
        CHECK(further_try(failure(phase, Cause::eof)) == FurtherTry::at_once);
        auto passing = failure(phase, Cause::transport);
        passing.may_pass = true;
        CHECK(further_try(passing) == (phase == Phase::resolve ? FurtherTry::none : FurtherTry::at_once));
        CHECK(outcome_of(failure(phase, Cause::superseded)) == AttemptOutcome::superseded);
        CHECK(describe(failure(phase, Cause::superseded)) == "another upstream was ready first");
        CHECK(further_try(failure(phase, Cause::timeout)) == FurtherTry::none);
    }
    for (const auto cause : {Cause::error_event, Cause::error_body}) {
        auto said = failure(Phase::await_first_event, cause, 200);
        CHECK(further_try(said) == FurtherTry::none);
        said.may_pass = true;
        CHECK(further_try(said) == FurtherTry::at_once);
    }
    CHECK(further_try(failure(Phase::await_first_event, Cause::blank, 200)) == FurtherTry::in_next_round);
    for (const auto cause : {Cause::bad_reply, Cause::empty, Cause::no_answer, Cause::superseded,
                             Cause::client_gone, Cause::stopped})
        CHECK(further_try(failure(Phase::await_head, cause)) == FurtherTry::none);
}

TEST_CASE("phases have names of their own")
{
    std::set<std::string_view> names;
    for (const auto phase : phases)
        names.insert(to_string(phase));
    CHECK(names.size() == std::size(phases));
    CHECK(names.count("") == 0);
}

TEST_CASE("status_succeeds: 2xx, 304, and a 101 that was asked for")
{
    for (unsigned status = 100; status < 1000; ++status) {
        CAPTURE(status);
        const bool fine = (status >= 200 && status <= 299) || status == 304;
        CHECK(status_succeeds(status, false) == fine);
        CHECK(status_succeeds(status, true) == (fine || status == 101));
    }
}

TEST_CASE("outcome_of: every phase and cause")
{
    using O = AttemptOutcome;
    // In the order of `causes`, without the last three.
    const std::pair<std::vector<Phase>, std::vector<O>> rows[] = {
        {{Phase::resolve, Phase::connect, Phase::proxy},
         {O::connect, O::timeout, O::connect, O::connect, O::connect, O::connect, O::connect, O::connect,
          O::connect, O::connect, O::connect}},
        {{Phase::tls},
         {O::tls, O::timeout, O::tls, O::tls, O::tls, O::tls, O::tls, O::tls, O::tls, O::tls, O::tls}},
        {{Phase::write_request, Phase::await_head, Phase::await_first_event, Phase::relay_body},
         {O::cut, O::timeout, O::cut, O::cut, O::status, O::error_event, O::empty, O::error_body, O::blank,
          O::no_answer, O::not_a_stream}},
    };
    std::size_t seen = 0;
    for (const auto& [of, outcomes] : rows)
        for (const auto phase : of) {
            ++seen;
            for (std::size_t i = 0; i < std::size(causes); ++i) {
                CAPTURE(to_string(phase), i);
                if (causes[i] == Cause::superseded)
                    continue;  // an outcome of its own, whatever the phase
                const auto expected = nobody_waits(causes[i]) ? O::client_closed : outcomes.at(i);
                CHECK(outcome_of(failure(phase, causes[i])) == expected);
            }
        }
    CHECK(seen == std::size(phases));
}

TEST_CASE("describe says what happened in a few words")
{
    const error_code refused = net_error::connection_refused;
    const error_code reset = net_error::connection_reset;
    const error_code unknown_host = net_error::host_not_found;
    const std::pair<AttemptFailure, std::string> rows[] = {
        {failure(Phase::connect, Cause::transport, {}, "", refused), "connection refused"},
        {failure(Phase::await_head, Cause::transport, {}, "", reset), "connection reset by peer"},
        {failure(Phase::resolve, Cause::transport, {}, "", unknown_host), "host not found"},
        {failure(Phase::connect, Cause::transport), "connection failed"},
        {failure(Phase::connect, Cause::transport, {}, "no route", refused), "no route"},
        {failure(Phase::proxy, Cause::transport, {}, "", refused), "proxy: connection refused"},
        {failure(Phase::proxy, Cause::status, 407), "proxy: status 407"},
        {failure(Phase::proxy, Cause::timeout), "proxy: no answer in time"},
        {failure(Phase::proxy, Cause::eof), "proxy: closed before a response"},
        {failure(Phase::tls, Cause::transport, {}, "certificate has expired", reset),
         "tls: certificate has expired"},
        {failure(Phase::tls, Cause::timeout), "tls: no handshake in time"},
        {failure(Phase::tls, Cause::eof), "tls: closed during the handshake"},
        {failure(Phase::resolve, Cause::timeout), "name not resolved in time"},
        {failure(Phase::connect, Cause::timeout), "no connection in time"},
        {failure(Phase::write_request, Cause::timeout), "request not accepted in time"},
        {failure(Phase::await_head, Cause::timeout), "no response headers in time"},
        {failure(Phase::await_first_event, Cause::timeout, 200), "reply not begun in time"},
        {failure(Phase::relay_body, Cause::timeout, 200), "reply silent for too long"},
        {failure(Phase::write_request, Cause::eof), "closed before a response"},
        {failure(Phase::await_head, Cause::eof), "closed before a response"},
        {failure(Phase::await_first_event, Cause::eof, 200), "closed in the middle of the reply"},
        {failure(Phase::relay_body, Cause::eof, 200), "closed in the middle of the reply"},
        {failure(Phase::await_head, Cause::bad_reply), "bad reply"},
        {failure(Phase::await_head, Cause::bad_reply, {}, "too many 1xx"), "bad reply: too many 1xx"},
        {failure(Phase::await_head, Cause::status, 429), "status 429"},
        {failure(Phase::await_head, Cause::status), "bad status"},
        {failure(Phase::await_first_event, Cause::error_event, 200, "overloaded"), "error event: overloaded"},
        {failure(Phase::await_first_event, Cause::error_event, 200), "error event"},
        {failure(Phase::await_first_event, Cause::empty, 200), "stream ended with no event"},
        {failure(Phase::await_first_event, Cause::empty, 200, "empty reply"), "empty reply"},
        {failure(Phase::await_first_event, Cause::error_body, 200, "no quota"),
         "error in place of an answer: no quota"},
        {failure(Phase::await_first_event, Cause::blank, 200), "answer without content"},
        {failure(Phase::await_first_event, Cause::no_answer, 200, "an HTML page"), "no answer: an HTML page"},
        {failure(Phase::tls, Cause::client_gone), "client went away"},
        {failure(Phase::proxy, Cause::stopped), "router is stopping"},
    };
    for (const auto& [given, words] : rows)
        CHECK(describe(given) == words);
    for (const auto phase : phases)
        for (const auto cause : causes)
            CHECK_FALSE(describe(failure(phase, cause)).empty());
}

TEST_CASE("counts_for_cooldown: every status, with a key of the router's and with the client's own")
{
    const std::set<unsigned> of_the_key{401, 403, 429};
    for (unsigned status = 300; status < 600; ++status)
        for (const bool asis : {false, true}) {
            CAPTURE(status, asis);
            const bool client_error = status >= 400 && status <= 499;
            const bool expected = !client_error || status == 408 || (of_the_key.count(status) == 1 && !asis);
            CHECK(counts_for_cooldown(failure(Phase::await_head, Cause::status, status), asis) == expected);
        }
}

TEST_CASE("counts_for_cooldown: every phase and cause")
{
    for (const auto phase : phases)
        for (const auto cause : causes)
            for (const bool asis : {false, true}) {
                CAPTURE(to_string(phase), static_cast<int>(cause), asis);
                const bool counts = !nobody_waits(cause) && cause != Cause::superseded;
                CHECK(counts_for_cooldown(failure(phase, cause), asis) == counts);
                CHECK(counts_for_cooldown(failure(phase, cause, 200), asis) == counts);
            }
    CHECK(counts_for_cooldown(failure(Phase::proxy, Cause::status, 407), false));
    CHECK_FALSE(counts_for_cooldown(failure(Phase::await_head, Cause::stopped, 500), false));
    const auto no_descriptor = make_error_code(boost::system::errc::too_many_files_open);
    CHECK_FALSE(counts_for_cooldown(failure(Phase::connect, Cause::transport, {}, "", no_descriptor), false));
}

TEST_CASE("may_ask_to_wait: too many requests and too much to do")
{
    const std::set<unsigned> those{429, 503, 529};
    for (unsigned status = 100; status < 1000; ++status) {
        CAPTURE(status);
        CHECK(may_ask_to_wait(status) == (those.count(status) == 1));
    }
}

TEST_CASE("may_be_relayed: no 1xx; 401 and 403 only of a client's own key")
{
    for (unsigned status = 100; status < 1000; ++status) {
        CAPTURE(status);
        const bool of_the_key = status == 401 || status == 403;
        CHECK(may_be_relayed(status, false) == (status >= 200 && !of_the_key));
        CHECK(may_be_relayed(status, true) == (status >= 200));
    }
}

TEST_CASE("replace_connection: only a reused one, once, that died before a response")
{
    for (const auto phase : phases)
        for (const auto cause : causes) {
            CAPTURE(to_string(phase), static_cast<int>(cause));
            const bool died = cause == Cause::transport || cause == Cause::eof;
            const bool waiting = phase == Phase::write_request || phase == Phase::await_head;
            auto given = failure(phase, cause);
            CHECK(replace_connection(given, true, false) == (died && waiting));
            CHECK_FALSE(replace_connection(given, false, false));
            CHECK_FALSE(replace_connection(given, true, true));
            CHECK_FALSE(replace_connection(failure(phase, cause, 200), true, false));
            given.response_begun = true;
            CHECK_FALSE(replace_connection(given, true, false));
        }
}
