#include "tests/support/fake_upstream.hpp"

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <set>
#include <utility>

#include "tests/support/asio.hpp"
#include "tests/support/fake_peer.hpp"
#include "tests/support/turns.hpp"

namespace route::test {

namespace http = boost::beast::http;

namespace {

using PeerPtr = FakePeerPtr;

}  // namespace

struct FakeUpstream::State
{
    explicit State(asio::io_context& io) : acceptor{io, any_loopback_port}
    {
        // Small buffers in the kernel: a script that does not read is felt by the router soon.
        acceptor.set_option(asio::socket_base::receive_buffer_size{256 << 10});
    }

    tcp::acceptor acceptor;
    std::shared_ptr<const TlsServer> tls;
    std::vector<Script> scripts;
    std::size_t scripts_played = 0;
    std::vector<PeerPtr> peers;
    std::vector<ReceivedRequest> requests;
    std::set<std::string, std::less<>> reached;
    std::set<std::string, std::less<>> released;
};

namespace {

using StatePtr = std::shared_ptr<FakeUpstream::State>;

/// Takes the next request out of what was received, when it is all there; `head_only`: looks whether its head
/// is.
bool take_request(FakeUpstream::State& state, FakePeer& peer, bool head_only)
{
    if (!peer.parser) {
        peer.parser.emplace();
        peer.parser->eager(true);
        peer.parser->header_limit(1 << 20);
        peer.parser->body_limit(boost::none);
        peer.request_begin = peer.parsed;
    }
    auto& parser = *peer.parser;
    error_code error;
    while (peer.parsed < peer.received.size() && !error && !parser.is_done()) {
        const auto rest = std::string_view{peer.received}.substr(peer.parsed);
        peer.parsed += parser.put(asio::buffer(rest), error);
    }
    if (head_only || !parser.is_done()) {
        return head_only && parser.is_header_done();
    }
    const std::string raw = peer.received.substr(peer.request_begin, peer.parsed - peer.request_begin);
    state.requests.push_back(ReceivedRequest{peer.number, raw, parser.release()});
    peer.parser.reset();
    return true;
}

asio::awaitable<bool> read_request(StatePtr state, PeerPtr peer, bool head_only)
{
    bool taken = take_request(*state, *peer, head_only);
    while (!taken && !peer->ended) {
        co_await next_change(peer);
        taken = take_request(*state, *peer, head_only);
    }
    co_return taken;
}

asio::awaitable<bool> read_some(PeerPtr peer, std::size_t count)
{
    const std::size_t goal = peer->received.size() + count;
    bool open = true;
    while (open && peer->received.size() < goal) {
        open = co_await read_once(peer, goal - peer->received.size());
    }
    co_return open;
}

asio::awaitable<bool> send(PeerPtr peer, Step step)
{
    step.cuts.push_back(step.text.size());
    for (std::size_t round = 0; round < step.count; ++round) {
        std::size_t begin = 0;
        for (const std::size_t end : step.cuts) {
            if (begin > 0) {
                co_await let_others_run();
            }
            const bool sent = co_await write(peer, std::string_view{step.text}.substr(begin, end - begin));
            if (!sent) {
                co_return false;
            }
            begin = end;
        }
    }
    co_return true;
}

asio::awaitable<bool> hold(StatePtr state, PeerPtr peer, std::string gate)
{
    state->reached.insert(gate);
    while (!state->released.contains(gate) && !peer->ended) {
        co_await next_change(peer);
    }
    co_return !peer->ended;
}

asio::awaitable<bool> wait_for_close(PeerPtr peer)
{
    while (!peer->ended) {
        co_await next_change(peer);
    }
    co_return true;
}

asio::awaitable<bool> pause(PeerPtr peer, std::chrono::milliseconds time)
{
    asio::steady_timer timer{peer->socket.get_executor(), time};
    co_await timer.async_wait(to_tuple);
    co_return true;
}

/// Reading begins with the first step that does not need the peer's bytes to stay where they are.
void start_reading(const PeerPtr& peer, Step::Kind kind)
{
    if (!peer->reading && kind != Step::Kind::read_some && kind != Step::Kind::pause) {
        peer->reading = true;
        asio::co_spawn(peer->socket.get_executor(), read_on(peer), asio::detached);
    }
}

/// False when the connection ended under the step.
asio::awaitable<bool> perform(StatePtr state, PeerPtr peer, Step step)
{
    start_reading(peer, step.kind);
    switch (step.kind) {
        case Step::Kind::read_head:
            co_return co_await read_request(state, peer, true);
        case Step::Kind::read_request:
            co_return co_await read_request(state, peer, false);
        case Step::Kind::read_some:
            co_return co_await read_some(peer, step.count);
        case Step::Kind::send:
            co_return co_await send(peer, step);
        case Step::Kind::hold:
            co_return co_await hold(state, peer, step.text);
        case Step::Kind::pause:
            co_return co_await pause(peer, step.time);
        case Step::Kind::wait_for_close:
            co_return co_await wait_for_close(peer);
        case Step::Kind::ticket:
            co_return co_await write_ticket(peer);
        case Step::Kind::half_close:
            co_await say_goodbye(peer);
            half_close(*peer);
            co_return true;
        case Step::Kind::cut:
            half_close(*peer);
            co_return true;
        case Step::Kind::close:
            co_await say_goodbye(peer);
            close(*peer, false);
            co_return false;
        case Step::Kind::reset:
            close(*peer, true);
            co_return false;
        case Step::Kind::again:
            co_return true;
    }
    co_return false;
}

asio::awaitable<void> serve(StatePtr state, PeerPtr peer, Script script)
{
    bool open = true;
    if (peer->tls) {
        open = co_await shake_hands(peer);
    }
    std::size_t next = 0;
    while (open && next < script.size()) {
        Step current = script[next];
        next = current.kind == Step::Kind::again ? 0 : next + 1;
        open = co_await perform(state, peer, std::move(current));
    }
    start_reading(peer, Step::Kind::wait_for_close);
}

asio::awaitable<void> accept_on(StatePtr state)
{
    while (state->acceptor.is_open()) {
        auto [error, socket] = co_await state->acceptor.async_accept(to_tuple);
        if (error) {
            co_return;
        }
        error_code ignored;
        socket.set_option(tcp::no_delay{true}, ignored);
        socket.set_option(asio::socket_base::send_buffer_size{64 << 10}, ignored);
        auto peer = std::make_shared<FakePeer>(std::move(socket), state->peers.size());
        if (state->tls) {
            peer->tls = std::make_unique<TlsSession>(*state->tls);
        }
        state->peers.push_back(peer);
        const std::size_t index = std::min(state->scripts_played++, state->scripts.size() - 1);
        asio::co_spawn(state->acceptor.get_executor(), serve(state, peer, state->scripts[index]),
                       asio::detached);
    }
}

}  // namespace

std::string ReceivedRequest::header(std::string_view name) const
{
    return std::string{message[name]};
}

FakeUpstream::FakeUpstream(asio::io_context& io, Script every_connection)
    : FakeUpstream{io, std::vector<Script>(1, std::move(every_connection))}
{
}

FakeUpstream::FakeUpstream(asio::io_context& io, std::vector<Script> by_connection)
    : state_{std::make_shared<State>(io)}
{
    state_->scripts = std::move(by_connection);
    asio::co_spawn(io, accept_on(state_), asio::detached);
}

FakeUpstream::~FakeUpstream()
{
    error_code ignored;
    state_->acceptor.close(ignored);
    for (const auto& peer : state_->peers) {
        peer->ended = true;
        close(*peer, false);
    }
}

std::uint16_t FakeUpstream::port() const
{
    return state_->acceptor.local_endpoint().port();
}

void FakeUpstream::play(Script every_connection)
{
    play(std::vector<Script>(1, std::move(every_connection)));
}

void FakeUpstream::play(std::vector<Script> by_connection)
{
    state_->scripts = std::move(by_connection);
    state_->scripts_played = 0;
}

void FakeUpstream::speak_tls(std::shared_ptr<const TlsServer> server)
{
    state_->tls = std::move(server);
}

const TlsSession& FakeUpstream::tls(std::size_t connection) const
{
    return *state_->peers.at(connection)->tls;
}

const std::vector<ReceivedRequest>& FakeUpstream::requests() const
{
    return state_->requests;
}

std::size_t FakeUpstream::connections() const
{
    return state_->peers.size();
}

bool FakeUpstream::closed_by_peer(std::size_t connection) const
{
    return connection < state_->peers.size() && state_->peers[connection]->closed_by_peer;
}

const std::string& FakeUpstream::received(std::size_t connection) const
{
    return state_->peers.at(connection)->received;
}

bool FakeUpstream::reached(std::string_view gate) const
{
    return state_->reached.contains(gate);
}

void FakeUpstream::release(const std::string& gate)
{
    state_->released.insert(gate);
    for (const auto& peer : state_->peers) {
        peer->notify();
    }
}

std::uint64_t FakeUpstream::sent_bytes() const
{
    std::uint64_t sent = 0;
    for (const auto& peer : state_->peers) {
        sent += peer->sent;
    }
    return sent;
}

}  // namespace route::test
