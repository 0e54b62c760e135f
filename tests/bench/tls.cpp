// TLS as Connection drives it (OpenSSL on the descriptor) beside boost::asio::ssl::stream, in one run:
// private memory of an idle connection that has been used, CPU of a round trip of 1 KB each way over
// loopback. One end is measured, each time in a process of its own; the other end is a process that blocks.
// The two take turns; medians are printed. Usage: bench_tls [ROUNDS [CONNECTIONS [ROUND_TRIPS]]]

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <vector>

#include "core/net/transport/connection.hpp"

namespace {

using namespace route::net;

constexpr std::size_t message_bytes = 1024;
constexpr int used_before = 20;  ///< connections that are open already when counting begins

[[noreturn]] void die(const char* what)
{
    std::perror(what);
    std::exit(1);
}

void require(bool holds, const char* what)
{
    if (!holds)
        die(what);
}

struct Role
{
    const char* name;
    bool server;
};

SSL_CTX* make_context(bool server)
{
    auto* context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (!server)
        return context;
    auto* key = EVP_EC_gen("P-256");
    auto* certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_set_pubkey(certificate, key);
    X509_sign(certificate, key, EVP_sha256());
    require(SSL_CTX_use_certificate(context, certificate) == 1 && SSL_CTX_use_PrivateKey(context, key) == 1,
            "certificate");
    X509_free(certificate);
    EVP_PKEY_free(key);
    return context;
}

SSL* make_session(SSL_CTX* context, bool server)
{
    auto* ssl = SSL_new(context);
    if (server)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    return ssl;
}

/// Sends back one message; false at the end.
bool echo(SSL* ssl)
{
    char message[message_bytes];
    std::size_t received = 0;
    while (received < sizeof message) {
        const int count = SSL_read(ssl, message + received, static_cast<int>(sizeof message - received));
        if (count <= 0)
            return false;
        received += static_cast<std::size_t>(count);
    }
    return SSL_write(ssl, message, sizeof message) == sizeof message;
}

/// The other end: `count` connections one after the other, one message on each, then all that come on the
/// last.
void be_peer(const sockaddr_in& address, bool server, int count)
{
    auto* context = make_context(server);
    SSL* ssl = nullptr;
    for (int i = 0; i < count; ++i) {
        const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
        const int on = 1;
        ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        require(::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
                "connect");
        ssl = make_session(context, server);
        SSL_set_fd(ssl, socket);
        require(SSL_do_handshake(ssl) == 1 && echo(ssl), "peer");
    }
    while (echo(ssl)) {
    }
    std::_Exit(0);
}

/// The two that are compared: `Line` is a connection, `exchange()` one message there and back.
struct Ours
{
    explicit Ours(Role role) : server{role.server}, context{make_context(role.server)} {}

    using Line = std::unique_ptr<Connection>;

    awaitable<Line> open(int socket)
    {
        auto line = std::make_unique<Connection>(poller, socket);
        line->start_tls(make_session(context, server));
        const auto error = co_await shake_hands(*line);
        require(!error, "handshake");
        co_return line;
    }

    awaitable<void> exchange(Line& line)
    {
        auto request = part({message.data(), message.size()});
        const std::span<iovec> parts{&request, 1};
        const auto error = co_await write_all(*line, parts);
        require(!error, "write");
        for (std::size_t received = 0; received < message.size();) {
            const auto read = line->read_some(message.data(), message.size() - received);
            received += read.bytes;
            if (read.must_wait()) {
                auto readable = line->readable();
                co_await std::move(readable);
            } else {
                require(!read.error, "read");
            }
        }
    }

    static void wait(Line& line)
    {
        line->async_wait_readable([](error_code) {});
    }

    bool server;
    SSL_CTX* context;
    asio::io_context io{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO};
    Poller poller{io.get_executor()};
    std::vector<char> message = std::vector<char>(message_bytes, 'x');
};

struct Asios
{
    explicit Asios(Role role) : server{role.server}, context{make_context(role.server)} {}

    using Socket = asio::basic_stream_socket<tcp, Executor>;
    using Line = std::unique_ptr<asio::ssl::stream<Socket>>;

    awaitable<Line> open(int socket)
    {
        Socket taken{io.get_executor(), tcp::v4(), socket};
        auto line = std::make_unique<asio::ssl::stream<Socket>>(std::move(taken), context);
        auto shaken = line->async_handshake(
            server ? asio::ssl::stream_base::server : asio::ssl::stream_base::client, no_throw);
        const auto [error] = co_await std::move(shaken);
        require(!error, "handshake");
        co_return line;
    }

    awaitable<void> exchange(Line& line)
    {
        auto write = asio::async_write(*line, asio::buffer(message), no_throw);
        const auto written = co_await std::move(write);
        require(!std::get<0>(written), "write");
        auto read = asio::async_read(*line, asio::buffer(message), no_throw);
        const auto received = co_await std::move(read);
        require(!std::get<0>(received), "read");
    }

    /// Without a buffer, which a read would own.
    static void wait(Line& line)
    {
        line->next_layer().async_wait(tcp::socket::wait_read, [](error_code) {});
    }

    bool server;
    asio::ssl::context context;
    asio::io_context io{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO};
    std::vector<char> message = std::vector<char>(message_bytes, 'x');
};

double private_bytes()
{
    std::ifstream file{"/proc/self/smaps_rollup"};
    double kilobytes = 0;
    for (std::string name; file >> name;)
        if (name == "Private_Clean:" || name == "Private_Dirty:") {
            double size = 0;
            file >> size;
            kilobytes += size;
        }
    return kilobytes * 1024;
}

double cpu_seconds()
{
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Figures
{
    double bytes = 0;         ///< private, of an idle connection
    double handshake_us = 0;  ///< CPU, with one round trip
    double exchange_us = 0;   ///< CPU of a round trip
};

template <class Variant>
awaitable<void> measure_all(Variant& variant, int listener, int connections, int round_trips, Figures& found)
{
    std::vector<typename Variant::Line> lines;
    lines.reserve(static_cast<std::size_t>(used_before + connections));
    double before = 0;
    double begun = 0;
    for (int i = 0; i < used_before + connections; ++i) {
        if (i == used_before) {
            before = private_bytes();
            begun = cpu_seconds();
        }
        const int socket = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        require(socket >= 0, "accept4");
        auto line = co_await variant.open(socket);
        co_await variant.exchange(line);
        if (i + 1 < used_before + connections)
            Variant::wait(line);
        lines.push_back(std::move(line));
    }
    found.handshake_us = (cpu_seconds() - begun) / connections * 1e6;
    found.bytes = (private_bytes() - before) / connections;
    begun = cpu_seconds();
    for (int i = 0; i < round_trips; ++i)
        co_await variant.exchange(lines.back());
    found.exchange_us = (cpu_seconds() - begun) / round_trips * 1e6;
}

template <class Variant>
Figures measure(Role role, int connections, int round_trips)
{
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // what it accepts inherits it
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    require(::bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                ::listen(listener, 16) == 0 &&
                ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0,
            "listen");
    const auto peer = ::fork();
    if (peer == 0)
        be_peer(address, !role.server, used_before + connections);
    Figures found;
    bool done = false;
    Variant variant{role};
    auto work = measure_all(variant, listener, connections, round_trips, found);
    asio::co_spawn(variant.io.get_executor(), std::move(work), [&](const std::exception_ptr& thrown) {
        require(!thrown, "measuring");
        done = true;
    });
    while (!done)
        variant.io.run_one();
    ::kill(peer, SIGTERM);
    ::waitpid(peer, nullptr, 0);
    return found;
}

/// In a process of its own, so that each finds the same heap.
template <class Variant>
Figures measure_apart(Role role, int connections, int round_trips)
{
    int pipe[2];
    require(::pipe(pipe) == 0, "pipe");
    const auto child = ::fork();
    if (child == 0) {
        const auto found = measure<Variant>(role, connections, round_trips);
        require(::write(pipe[1], &found, sizeof found) == sizeof found, "write");
        std::_Exit(0);
    }
    ::close(pipe[1]);
    Figures found;
    require(::read(pipe[0], &found, sizeof found) == sizeof found, "a measurement failed");
    ::close(pipe[0]);
    ::waitpid(child, nullptr, 0);
    return found;
}

void print(const char* figure, const char* role, std::vector<Figures>& ours, std::vector<Figures>& asios,
           double Figures::* value)
{
    const auto median = [value](std::vector<Figures>& all) {
        std::ranges::sort(all, {}, value);
        return all[all.size() / 2].*value;
    };
    const auto of_ours = median(ours);
    const auto of_asio = median(asios);
    std::printf("| %s, %s | %.1f (%.1f to %.1f) | %.1f (%.1f to %.1f) | %.2f |\n", figure, role, of_ours,
                ours.front().*value, ours.back().*value, of_asio, asios.front().*value, asios.back().*value,
                of_ours / of_asio);
}

}  // namespace

int main(int count, char** arguments)
{
    const auto argument = [&](int number, int otherwise) {
        return count > number ? std::atoi(arguments[number]) : otherwise;
    };
    const int rounds = argument(1, 7);
    const int connections = argument(2, 500);
    const int round_trips = argument(3, 20000);
    std::printf("%d rounds, %d connections, %d round trips: median (least to most)\n\n", rounds, connections,
                round_trips);
    std::printf("| figure | Connection | ssl::stream | ratio |\n|---|---|---|---|\n");
    for (const auto role : {Role{"as client", false}, Role{"as server", true}}) {
        std::vector<Figures> ours;
        std::vector<Figures> asios;
        for (int i = 0; i < rounds; ++i) {
            ours.push_back(measure_apart<Ours>(role, connections, round_trips));
            asios.push_back(measure_apart<Asios>(role, connections, round_trips));
        }
        print("private bytes of an idle connection", role.name, ours, asios, &Figures::bytes);
        print("CPU of a handshake and a round trip, µs", role.name, ours, asios, &Figures::handshake_us);
        print("CPU of a round trip, µs", role.name, ours, asios, &Figures::exchange_us);
    }
    return 0;
}
