// The upstream of the benchmark: one thread, fixed replies, as little work of its own as possible.
//   /v1/chat/completions          1 KB of JSON
//   /v1/chat/completions?fast     a stream of 100 events of 150 bytes, as fast as they go
//   /v1/chat/completions?paced    the same, one event every 5 ms
//   /v1/chat/completions?hold     one event, then silence until the peer leaves

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace {

constexpr int events_of_a_stream = 100;
constexpr int event_bytes = 150;
constexpr unsigned pace_milliseconds = 5;

[[noreturn]] void die(const char* what)
{
    std::perror(what);
    std::exit(1);
}

std::string padded(std::string_view before, std::string_view after, std::size_t size)
{
    std::string text{before};
    text.append(size - before.size() - after.size(), 'x');
    text += after;
    return text;
}

std::string json_reply()
{
    const auto body = padded(
        R"({"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{"index":0,"message":{"role":"assistant","content":")",
        R"("},"finish_reason":"stop"}],"usage":{"prompt_tokens":400,"completion_tokens":200,"total_tokens":600}})",
        1024);
    return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-ratelimit-remaining-requests: 9999\r\n"
           "openai-processing-ms: 5\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string chunk(std::string_view data)
{
    std::array<char, 16> size{};
    const auto end = std::to_chars(size.data(), size.data() + size.size(), data.size(), 16).ptr;
    return std::string{size.data(), end} + "\r\n" + std::string{data} + "\r\n";
}

const std::string whole_reply = json_reply();
const std::string stream_head =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const std::string stream_event = chunk(padded(
    R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":")",
    "\"}}]}\n\n", event_bytes));
const std::string stream_end = chunk("data: [DONE]\n\n") + "0\r\n\r\n";

struct Peer
{
    int fd;
    std::string received;
    std::string unsent;
    int events_left = 0;  ///< of a paced stream
};

/// The length of a request's body; our peers always send one as Content-Length or none at all.
std::size_t content_length(std::string_view head)
{
    constexpr std::string_view name = "content-length:";
    const auto found = std::search(head.begin(), head.end(), name.begin(), name.end(),
                                   [](char a, char b) { return (a | 0x20) == b || a == b; });
    if (found == head.end())
        return 0;
    auto digits = head.substr(static_cast<std::size_t>(found - head.begin()) + name.size());
    digits.remove_prefix(std::min(digits.find_first_not_of(' '), digits.size()));
    std::size_t length = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), length);
    return length;
}

class FixedUpstream
{
  public:
    explicit FixedUpstream(std::uint16_t port);
    [[noreturn]] void run();

  private:
    void accept_all();
    void read_from(Peer& peer);
    void answer(Peer& peer, std::string_view head);
    void send(Peer& peer, std::string_view bytes);
    void send_rest(Peer& peer);
    void tick();
    void watch(int fd, std::uint32_t events, int operation) const;
    void forget(int fd);

    int listener_;
    int epoll_ = ::epoll_create1(0);
    int timer_ = ::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    std::uint64_t ticks_ = 0;
    std::unordered_map<int, std::unique_ptr<Peer>> peers_;
};

FixedUpstream::FixedUpstream(std::uint16_t port)
    : listener_{::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)}
{
    const int on = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 8192) != 0)
        die("listen");
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    watch(listener_, EPOLLIN, EPOLL_CTL_ADD);

    itimerspec every_millisecond{};
    every_millisecond.it_interval.tv_nsec = every_millisecond.it_value.tv_nsec = 1'000'000;
    ::timerfd_settime(timer_, 0, &every_millisecond, nullptr);
    watch(timer_, EPOLLIN, EPOLL_CTL_ADD);
    std::printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    std::fflush(stdout);
}

void FixedUpstream::watch(int fd, std::uint32_t events, int operation) const
{
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    if (::epoll_ctl(epoll_, operation, fd, &event) != 0)
        die("epoll_ctl");
}

void FixedUpstream::forget(int fd)
{
    peers_.erase(fd);
    ::close(fd);
}

void FixedUpstream::accept_all()
{
    for (int fd; (fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
        const int on = 1;
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        peers_.emplace(fd, std::make_unique<Peer>(Peer{.fd = fd, .received = {}, .unsent = {}}));
        watch(fd, EPOLLIN, EPOLL_CTL_ADD);
    }
}

void FixedUpstream::read_from(Peer& peer)
{
    static std::array<char, 65536> scratch;
    const auto count = ::recv(peer.fd, scratch.data(), scratch.size(), 0);
    if (count <= 0)
        return forget(peer.fd);
    peer.received.append(scratch.data(), static_cast<std::size_t>(count));
    for (;;) {
        const auto head_end = peer.received.find("\r\n\r\n");
        if (head_end == std::string::npos)
            return;
        const auto head = std::string_view{peer.received}.substr(0, head_end + 4);
        const auto request_bytes = head.size() + content_length(head);
        if (peer.received.size() < request_bytes)
            return;
        answer(peer, head);
        peer.received.erase(0, request_bytes);
    }
}

void FixedUpstream::answer(Peer& peer, std::string_view head)
{
    const auto target = head.substr(0, head.find("\r\n"));
    if (target.find("?fast") != std::string_view::npos) {
        send(peer, stream_head);
        for (int event = 0; event < events_of_a_stream; ++event)
            send(peer, stream_event);
        send(peer, stream_end);
    } else if (target.find("?paced") != std::string_view::npos) {
        send(peer, stream_head);
        peer.events_left = events_of_a_stream;
    } else if (target.find("?hold") != std::string_view::npos) {
        send(peer, stream_head);
        send(peer, stream_event);
    } else {
        send(peer, whole_reply);
    }
}

void FixedUpstream::send(Peer& peer, std::string_view bytes)
{
    if (peer.unsent.empty()) {
        const auto count = ::send(peer.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        bytes.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
        if (bytes.empty())
            return;
        watch(peer.fd, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    }
    peer.unsent += bytes;
}

void FixedUpstream::send_rest(Peer& peer)
{
    const auto count = ::send(peer.fd, peer.unsent.data(), peer.unsent.size(), MSG_NOSIGNAL);
    peer.unsent.erase(0, static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    if (peer.unsent.empty())
        watch(peer.fd, EPOLLIN, EPOLL_CTL_MOD);
}

/// Every millisecond, one of the five groups into which the paced streams fall: they do not all speak at
/// once.
void FixedUpstream::tick()
{
    std::uint64_t missed = 0;
    if (::read(timer_, &missed, sizeof missed) != sizeof missed)
        return;
    for (; missed > 0; --missed, ++ticks_) {
        for (auto& [fd, peer] : peers_) {
            if (peer->events_left == 0 ||
                static_cast<unsigned>(fd) % pace_milliseconds != ticks_ % pace_milliseconds)
                continue;
            send(*peer, stream_event);
            if (--peer->events_left == 0)
                send(*peer, stream_end);
        }
    }
}

void FixedUpstream::run()
{
    std::vector<epoll_event> events(1024);
    for (;;) {
        const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
        for (int at = 0; at < count; ++at) {
            const auto& event = events[static_cast<std::size_t>(at)];
            if (event.data.fd == listener_) {
                accept_all();
            } else if (event.data.fd == timer_) {
                tick();
            } else if (const auto found = peers_.find(event.data.fd); found != peers_.end()) {
                if (event.events & EPOLLOUT)
                    send_rest(*found->second);
                if (event.events & ~static_cast<std::uint32_t>(EPOLLOUT))
                    read_from(*found->second);
            }
        }
    }
}

}  // namespace

int main(int argc, char** argv)
{
    FixedUpstream{static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 0)}.run();
}
