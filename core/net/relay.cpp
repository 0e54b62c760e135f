#include "core/net/relay.hpp"

namespace route::net {

Relay::Relay(EventLoop& loop, Client& client, ReplyWriter& writer, Attempt& attempt, Clock::duration idle)
    : client_{client}, writer_{writer}, attempt_{attempt}, idle_{idle}, silence_{loop.deadlines, *this}
{
}

void Relay::on_expired()
{
    silent_ = true;
    attempt_.connection().cancel_read();
}

awaitable<RelayEnd> Relay::run()
{
    RelayEnd end;
    bool last = attempt_.complete();
    if (!last)
        client_.watch(&attempt_.connection());
    auto payload = attempt_.pending();
    for (;;) {
        auto written = writer_.write(payload, last);
        attempt_.drop_pending();
        if (last) {
            silence_.cancel();
            client_.watch(nullptr);
            attempt_.release();
        }
        if (written == ReplyWriter::Written::waiting) {
            silence_.cancel();
            written = co_await writer_.drain();
        }
        end.client_left = written == ReplyWriter::Written::gone;
        end.end_sent = !end.client_left && attempt_.recorder().progress().stream.end;
        if (end.client_left || last)
            break;
        do {
            silence_.expire_at(Clock::now() + idle_);
            auto step = attempt_.read();
            while (step == HttpClient::Step::wait) {
                const auto begin = Clock::now();
                auto readable = attempt_.readable();
                co_await std::move(readable);
                waited_ += Clock::now() - begin;
                end.client_left = client_.has_left();
                if (silent_)
                    end.broke_off = attempt_.failed(Cause::timeout);
                if (end.client_left || silent_)
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
