#include "core/failover/failover_policy.hpp"

#include <algorithm>

namespace route {

std::string_view to_string(Phase phase)
{
    switch (phase) {
        case Phase::resolve:
            return "resolve";
        case Phase::connect:
            return "connect";
        case Phase::proxy:
            return "proxy";
        case Phase::tls:
            return "tls";
        case Phase::write_request:
            return "write_request";
        case Phase::await_head:
            return "await_head";
        case Phase::await_first_event:
            return "await_first_event";
        case Phase::relay_body:
            return "relay_body";
    }
    return "";
}

Verdict judge(const AttemptFailure& failure, const Progress& progress)
{
    if (failure.cause == Cause::client_gone || failure.cause == Cause::stopped)
        return Verdict::abandon;
    if (progress.try_left)
        return Verdict::next_try;
    return progress.response_kept ? Verdict::relay_kept : Verdict::respond;
}

namespace {

bool status_may_pass(unsigned status)
{
    constexpr unsigned overloaded = 529;  // Anthropic's, without a name of its own in RFC 9110
    return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504) ||
           status == overloaded;
}

}  // namespace

FurtherTry further_try(const AttemptFailure& failure)
{
    const auto if_so = [](bool passes) { return passes ? FurtherTry::at_once : FurtherTry::none; };
    switch (failure.cause) {
        case Cause::transport:
            // A name that does not exist, a certificate that is not trusted.
            return if_so(failure.phase != Phase::resolve &&
                         (failure.phase != Phase::tls || failure.may_pass));
        case Cause::eof:
            return FurtherTry::at_once;
        case Cause::status:
            return if_so(failure.status && status_may_pass(*failure.status));
        case Cause::error_event:
        case Cause::error_body:
            return if_so(failure.may_pass);
        case Cause::blank:
            return FurtherTry::in_next_round;
        case Cause::timeout:
        case Cause::bad_reply:
        case Cause::empty:
        case Cause::no_answer:
        case Cause::not_a_stream:
        case Cause::superseded:
        case Cause::client_gone:
        case Cause::stopped:
            break;
    }
    return FurtherTry::none;
}

bool status_succeeds(unsigned status, bool upgrade_requested)
{
    return (status >= 200 && status < 300) || status == 304 || (status == 101 && upgrade_requested);
}

namespace {

/// No byte of HTTP was exchanged with the upstream itself yet; a proxy's answer is not the upstream's.
bool connecting(Phase phase)
{
    return phase == Phase::resolve || phase == Phase::connect || phase == Phase::proxy;
}

bool reply_begun(Phase phase)
{
    return phase == Phase::await_first_event || phase == Phase::relay_body;
}

std::string timeout_words(Phase phase)
{
    switch (phase) {
        case Phase::resolve:
            return "name not resolved in time";
        case Phase::connect:
            return "no connection in time";
        case Phase::proxy:
            return "no answer in time";
        case Phase::tls:
            return "no handshake in time";
        case Phase::write_request:
            return "request not accepted in time";
        case Phase::await_head:
            return "no response headers in time";
        case Phase::await_first_event:
            return "reply not begun in time";
        case Phase::relay_body:
            return "reply silent for too long";
    }
    return "timeout";
}

/// "Host not found (authoritative)" -> "host not found".
std::string transport_words(const AttemptFailure& failure)
{
    if (!failure.detail.empty())
        return failure.detail;
    if (!failure.error)
        return "connection failed";
    auto words = failure.error.message();
    words.resize(std::min(words.size(), words.find(" (")));
    std::transform(words.begin(), words.end(), words.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return words;
}

std::string eof_words(Phase phase)
{
    if (phase == Phase::tls)
        return "closed during the handshake";
    return reply_begun(phase) ? "closed in the middle of the reply" : "closed before a response";
}

std::string with_detail(std::string words, const std::string& detail)
{
    if (!detail.empty())
        words.append(": ").append(detail);
    return words;
}

std::string words_for(const AttemptFailure& failure)
{
    switch (failure.cause) {
        case Cause::transport:
            return transport_words(failure);
        case Cause::timeout:
            return failure.detail.empty() ? timeout_words(failure.phase) : failure.detail;
        case Cause::eof:
            return eof_words(failure.phase);
        case Cause::bad_reply:
            return with_detail("bad reply", failure.detail);
        case Cause::status:
            return with_detail(failure.status ? "status " + std::to_string(*failure.status) : "bad status",
                               failure.detail);
        case Cause::error_event:
            return with_detail("error event", failure.detail);
        case Cause::error_body:
            return with_detail("error in place of an answer", failure.detail);
        case Cause::empty:
            return failure.detail.empty() ? "stream ended with no event" : failure.detail;
        case Cause::blank:
            return "answer without content";
        case Cause::no_answer:
            return with_detail("no answer", failure.detail);
        case Cause::not_a_stream:
            return "not a stream, and the client was told that one comes";
        case Cause::superseded:
            return with_detail("another upstream was ready first", failure.detail);
        case Cause::client_gone:
            return "client went away";
        case Cause::stopped:
            return "router is stopping";
    }
    return "failed";
}

}  // namespace

AttemptOutcome outcome_of(const AttemptFailure& failure)
{
    if (failure.cause == Cause::client_gone || failure.cause == Cause::stopped)
        return AttemptOutcome::client_closed;
    if (failure.cause == Cause::superseded)
        return AttemptOutcome::superseded;
    if (failure.cause == Cause::timeout)
        return AttemptOutcome::timeout;
    if (connecting(failure.phase))
        return AttemptOutcome::connect;
    if (failure.phase == Phase::tls)
        return AttemptOutcome::tls;
    switch (failure.cause) {
        case Cause::status:
            return AttemptOutcome::status;
        case Cause::error_event:
            return AttemptOutcome::error_event;
        case Cause::error_body:
            return AttemptOutcome::error_body;
        case Cause::empty:
            return AttemptOutcome::empty;
        case Cause::blank:
            return AttemptOutcome::blank;
        case Cause::no_answer:
            return AttemptOutcome::no_answer;
        case Cause::not_a_stream:
            return AttemptOutcome::not_a_stream;
        default:
            return AttemptOutcome::cut;
    }
}

std::string describe(const AttemptFailure& failure)
{
    auto words = words_for(failure);
    if (failure.cause == Cause::client_gone || failure.cause == Cause::stopped ||
        failure.cause == Cause::superseded)
        return words;
    if (failure.phase == Phase::proxy || failure.phase == Phase::tls)
        return std::string{to_string(failure.phase)} + ": " + words;
    return words;
}

namespace {

/// No descriptor or no memory for a socket: that says nothing of the upstream.
bool is_lack_of_ours(const boost::system::error_code& error)
{
    namespace errc = boost::system::errc;
    return error == errc::too_many_files_open || error == errc::too_many_files_open_in_system ||
           error == errc::no_buffer_space || error == errc::not_enough_memory;
}

}  // namespace

bool counts_for_cooldown(const AttemptFailure& failure, bool asis)
{
    if (failure.cause == Cause::client_gone || failure.cause == Cause::stopped ||
        failure.cause == Cause::superseded || is_lack_of_ours(failure.error))
        return false;
    if (!failure.status || connecting(failure.phase) || *failure.status < 400 || *failure.status > 499)
        return true;
    switch (*failure.status) {
        case 401:
        case 403:
        case 429:
            return !asis;
        case 408:
            return true;
        default:
            return false;
    }
}

bool may_ask_to_wait(unsigned status)
{
    constexpr unsigned overloaded = 529;  // Anthropic's, without a name of its own in RFC 9110
    return status == 429 || status == 503 || status == overloaded;
}

bool may_be_relayed(unsigned status, bool asis)
{
    return status >= 200 && (asis || (status != 401 && status != 403));
}

bool replace_connection(const AttemptFailure& failure, bool reused, bool already_replaced)
{
    return reused && !already_replaced && !failure.status && !failure.response_begun &&
           (failure.cause == Cause::transport || failure.cause == Cause::eof) &&
           (failure.phase == Phase::write_request || failure.phase == Phase::await_head);
}

}  // namespace route
