#include "core/net/relay.hpp"

namespace route::net {

namespace {

/// More than any read brings.
constexpr std::size_t most_at_once = 256u << 10;

}  // namespace

Relay::Relay(EventLoop& loop, Client& client, ReplyWriter& writer, Attempt& attempt, Silence silence)
    : client_{client}, writer_{writer}, attempt_{attempt}, silence_{silence}, deadline_{loop.deadlines, *this}
{
}

void Relay::on_expired()
{
    expired_ = true;
    attempt_.connection().cancel_read();
}

/// From now on.
void Relay::limit_silence()
{
    const auto now = Clock::now();
    silent_at_ = now + silence_.longest;
    const bool comments = silence_.keep_alive > Clock::duration{};
    deadline_.expire_at(comments ? std::min(silent_at_, now + silence_.keep_alive) : silent_at_);
}

/// It was too long, or a comment is due: between two events, and not in what is encoded or at its end.
awaitable<void> Relay::after_silence(RelayEnd& end)
{
    expired_ = false;
    const auto now = Clock::now();
    if (now >= silent_at_) {
        end.broke_off = attempt_.failed(Cause::timeout);
        co_return;
    }
    const auto& recorder = attempt_.recorder();
    const bool fits = recorder.kind() == ReplyKind::event_stream && !recorder.encoded() &&
                      recorder.at_event_boundary() && !recorder.progress().stream.end;
    if (fits) {
        auto written = writer_.write(keep_alive_comment, false);
        if (written == ReplyWriter::Written::waiting)
            written = co_await writer_.drain();
        end.client_left = written == ReplyWriter::Written::gone;
    }
    deadline_.expire_at(std::min(silent_at_, Clock::now() + silence_.keep_alive));
}

awaitable<RelayEnd> Relay::run()
{
    RelayEnd end;
    bool last = attempt_.complete();
    if (!last)
        client_.watch(&attempt_.connection());
    auto payload = attempt_.pending();
    for (;;) {
        attempt_.remember_made(last);
        // Of a stream that was held until it was whole the client takes its time: it stays accounted for.
        while (payload.size() > most_at_once) {
            auto written = writer_.write(payload.substr(0, most_at_once), false);
            if (written == ReplyWriter::Written::waiting)
                written = co_await writer_.drain();
            if (written == ReplyWriter::Written::gone) {
                end.client_left = true;
                co_return end;
            }
            payload.remove_prefix(most_at_once);
        }
        auto written = writer_.write(payload, last);
        attempt_.drop_pending();
        if (last) {
            deadline_.cancel();
            client_.watch(nullptr);
            attempt_.release();
        }
        if (written == ReplyWriter::Written::waiting) {
            deadline_.cancel();
            written = co_await writer_.drain();
        }
        end.client_left = written == ReplyWriter::Written::gone;
        end.end_sent = !end.client_left && attempt_.recorder().progress().stream.end;
        if (end.client_left || last)
            break;
        do {
            limit_silence();
            auto step = attempt_.read();
            while (step == HttpClient::Step::wait) {
                const auto begin = Clock::now();
                auto readable = attempt_.readable();
                co_await std::move(readable);
                waited_ += Clock::now() - begin;
                end.client_left = client_.has_left();
                if (expired_ && !end.client_left)
                    co_await after_silence(end);
                if (end.client_left || end.broke_off)
                    co_return end;
                step = attempt_.read();
            }
            if (step == HttpClient::Step::failed) {
                end.broke_off = attempt_.read_failure();
                co_return end;
            }
            last = attempt_.complete();
            payload = attempt_.payload();
        } while (payload.empty() && !last);
    }
    co_return end;
}

}  // namespace route::net
