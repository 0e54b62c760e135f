#include "core/net/transport/local_server.hpp"

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "core/net/waiting/insist.hpp"
#include "core/text.hpp"

namespace route::net {

namespace {

constexpr auto owners_patience = std::chrono::milliseconds{500};
constexpr auto interval = std::chrono::seconds{1};
constexpr std::uint32_t most_head = 8u << 10;

LocalReply refusal(unsigned status, std::string_view reason)
{
    return {status, boost::json::serialize(boost::json::object{{"error", reason}})};
}

/// What to answer to a request that cannot be read; nothing when nobody waits for an answer.
std::optional<LocalReply> refusal_of(error_code error)
{
    if (error == http::error::body_limit)
        return refusal(413, "the request is too large");
    if (error == http::error::end_of_stream || error == http::error::partial_message ||
        error.category() != make_error_code(http::error::bad_method).category())
        return std::nullopt;
    return refusal(400, "the request cannot be read");
}

}  // namespace

/// A request that a handler is at.
struct LocalServer::Asked
{
    explicit Asked(asio::io_context& io) : ready{io.get_executor(), TimePoint::max()} {}

    std::stop_source stop;
    Timer ready;      ///< cancelled when `reply` is there
    LocalReply made;  ///< the handler's, of its thread until `reply` is there
    std::optional<LocalReply> reply;
};

/// A connection that stop() closes.
class LocalServer::Open
{
  public:
    Open(LocalServer& server, LocalStream& stream) : server_{server}, stream_{stream}
    {
        server_.open_.insert(&stream_);
    }
    ~Open() { server_.open_.erase(&stream_); }
    Open(const Open&) = delete;
    Open& operator=(const Open&) = delete;

  private:
    LocalServer& server_;
    LocalStream& stream_;
};

/// One more, as long as it lives.
class LocalServer::Counted
{
  public:
    explicit Counted(int& count) : count_{count} { ++count_; }
    ~Counted() { --count_; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;

  private:
    int& count_;
};

/// One who waits for a handler, as long as that takes.
class LocalServer::Waiting
{
  public:
    Waiting(LocalServer& server, Asked& asked) : server_{server}, asked_{asked}
    {
        server_.asked_.insert(&asked_);
    }
    ~Waiting() { server_.asked_.erase(&asked_); }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

  private:
    LocalServer& server_;
    Asked& asked_;
};

LocalServer::LocalServer(std::string path, Handler handler)
    : path_{std::move(path)},
      handler_{std::move(handler)},
      acceptor_{io_.get_executor()},
      again_{io_.get_executor()},
      pause_{io_.get_executor()}
{
}

LocalServer::~LocalServer()
{
    stop();
}

void LocalServer::start()
{
    asio::co_spawn(io_.get_executor(), claim_once(), asio::detached);
    io_.run();
    io_.restart();
    if (acceptor_.is_open())
        asio::co_spawn(io_.get_executor(), accept_all(), asio::detached);
    asio::co_spawn(io_.get_executor(), keep_name(), asio::detached);
    thread_ = std::thread{[this] { run(); }};
}

/// What one of its coroutines throws, memory that is short above all, ends neither the others nor the
/// program.
void LocalServer::run() noexcept
{
    for (;;) {
        try {
            io_.run();
            return;
        } catch (const std::exception& error) {
            spdlog::error("commands on this machine: {}", error.what());
        }
    }
}

void LocalServer::leave()
{
    leaving_ = true;
}

void LocalServer::stop()
{
    leaving_ = true;
    asio::post(io_, [this] {
        stopping_ = true;
        give_up_name();
        again_.cancel();
        pause_.cancel();
        for (auto* asked : asked_)
            asked->stop.request_stop();
        for (auto* stream : open_)
            stream->close();
    });
    if (thread_.joinable())
        thread_.join();
    pool_.join();
}

awaitable<void> LocalServer::claim_once()
{
    auto claiming = claim();
    co_await std::move(claiming);
}

awaitable<void> LocalServer::keep_name()
{
    while (!stopping_) {
        again_.expires_after(interval);
        auto passed = again_.async_wait(as_result);
        co_await std::move(passed);
        if (stopping_ || leaving_ || (has_name() && accepting_))
            continue;
        try {
            auto looking = look_after_name();
            co_await std::move(looking);
        } catch (const std::exception& error) {
            complain(error.what());
        }
    }
}

/// Somebody removed the socket, or nobody accepts any more.
awaitable<void> LocalServer::look_after_name()
{
    error_code ignored;
    acceptor_.close(ignored);
    own_.reset();
    listening_ = false;
    auto claiming = claim();
    co_await std::move(claiming);
    if (acceptor_.is_open() && !stopping_)
        asio::co_spawn(io_.get_executor(), accept_all(), asio::detached);
}

awaitable<void> LocalServer::claim()
{
    const auto name = LocalName::open(path_);
    if (!name) {
        complain(name.error().reason);
        co_return;
    }
    if (!name->lock())
        co_return;
    const auto there = name->look();
    if (there && !S_ISSOCK(there->st_mode)) {
        complain(path_ + " is there and no socket");
        co_return;
    }
    if (there) {
        auto asking = ask_owner(*name);
        const auto owner = co_await std::move(asking);
        if (stopping_)
            co_return;
        if (owner == Owner::alive) {
            complain(owner_process_ > 0
                         ? path_ + " is that of another router, process " + std::to_string(owner_process_)
                         : path_ + " is that of another process");
            co_return;
        }
        if (!name->remove()) {
            complain(path_ + ": " + std::generic_category().message(errno));
            co_return;
        }
    }
    bind(*name);
}

/// Asks for the name's owner whether it needs it.
awaitable<LocalServer::Owner> LocalServer::ask_owner(const LocalName& name)
{
    owner_process_ = 0;
    LocalStream stream{io_.get_executor()};
    const Open open{*this, stream};
    stream.expires_after(owners_patience);
    auto connecting = stream.async_connect(name.endpoint(), as_result);
    const auto [refused] = co_await std::move(connecting);
    if (refused == asio::error::connection_refused || refused == asio::error::not_found)
        co_return Owner::dead;
    if (refused)
        co_return Owner::alive;
    const LocalRequest request{"GET", "/owner"};
    LocalReply reply;
    auto asking = ask(stream, request, reply);
    const auto error = co_await std::move(asking);
    if (error)
        co_return Owner::alive;
    error_code no_json;
    const auto value = boost::json::parse(reply.body, no_json);
    const auto* object = no_json ? nullptr : value.if_object();
    if (object == nullptr)
        co_return Owner::alive;
    if (const auto* process = object->if_contains("process"); process != nullptr && process->is_int64())
        owner_process_ = static_cast<int>(process->get_int64());
    const auto* leaving = object->if_contains("leaving");
    if (leaving != nullptr && leaving->is_bool() && leaving->get_bool())
        co_return Owner::leaving;
    co_return Owner::alive;
}

void LocalServer::bind(const LocalName& name)
{
    error_code error;
    acceptor_.open(asio::local::stream_protocol{}, error);
    // What bind(2) makes has the mode of the socket, umask aside: there is no moment in which others may
    // connect.
    if (!error && ::fchmod(acceptor_.native_handle(), S_IRUSR | S_IWUSR) != 0)
        error = error_code{errno, boost::system::system_category()};
    if (!error)
        acceptor_.bind(name.endpoint(), error);
    if (!error)
        acceptor_.listen(asio::socket_base::max_listen_connections, error);
    const auto made = error ? std::nullopt : name.look();
    if (error || !made) {
        error_code ignored;
        acceptor_.close(ignored);
        complain(path_ + ": " + error.message());
        return;
    }
    own_ = {made->st_dev, made->st_ino};
    listening_ = true;
    if (!std::exchange(complaint_, {}).empty())
        spdlog::info("commands on this machine are answered at {}", escape_for_log(path_, 1024));
}

bool LocalServer::has_name() const
{
    if (!own_)
        return false;
    const auto name = LocalName::open(path_);
    const auto there = name ? name->look() : std::nullopt;
    return there && std::pair{there->st_dev, there->st_ino} == *own_;
}

/// Nobody takes it meanwhile: those who would, lock the directory as well.
void LocalServer::give_up_name()
{
    error_code ignored;
    listening_ = false;
    if (own_) {
        const auto name = LocalName::open(path_);
        if (name && name->lock() && has_name())
            name->remove();
        own_.reset();
    }
    acceptor_.close(ignored);
}

void LocalServer::complain(const std::string& reason)
{
    if (std::exchange(complaint_, reason) != reason)
        spdlog::warn(
            "`status`, `explain`, `upstream test` and `record replay` on this machine do not reach this "
            "router: {}",
            escape_for_log(reason, 1024));
}

awaitable<void> LocalServer::accept_all()
{
    const Counted accepting{accepting_};
    while (acceptor_.is_open()) {
        auto accepted = acceptor_.async_accept(as_result);
        auto [error, socket] = co_await std::move(accepted);
        if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor)
            break;
        if (!error && connections_ < most_connections) {
            asio::co_spawn(io_.get_executor(), serve(std::move(socket)), asio::detached);
        } else if (error) {  // out of descriptors
            pause_.expires_after(std::chrono::milliseconds{100});
            auto passed = pause_.async_wait(as_result);
            co_await std::move(passed);
        }
    }
}

awaitable<void> LocalServer::serve(Socket socket)
{
    const Counted counted{connections_};
    LocalStream stream{std::move(socket)};
    const Open open{*this, stream};
    stream.expires_after(request_time);
    boost::beast::flat_buffer buffer;
    http::request_parser<http::string_body> parser;
    parser.header_limit(most_head);
    parser.body_limit(most_body);
    auto reading = http::async_read(stream, buffer, parser, as_result);
    const auto [not_read, read] = co_await std::move(reading);
    std::optional<LocalReply> reply;
    if (not_read) {
        reply = refusal_of(not_read);
    } else {
        auto& message = parser.get();
        LocalRequest request{std::string{message.method_string()}, std::string{message.target()},
                             std::move(message.body())};
        auto answering = answer(stream, std::move(request));
        reply = co_await std::move(answering);
    }
    if (reply && !stopping_) {
        http::response<http::string_body> message{static_cast<http::status>(reply->status), 11};
        message.set(http::field::content_type, "application/json");
        message.keep_alive(false);
        message.body() = std::move(reply->body);
        message.prepare_payload();
        stream.expires_after(request_time);
        auto writing = http::async_write(stream, message, as_result);
        co_await std::move(writing);
    }
}

awaitable<LocalReply> LocalServer::answer(LocalStream& stream, LocalRequest request)
{
    const auto asked = std::make_shared<Asked>(io_);
    const Waiting waiting{*this, *asked};
    const auto socket = stream.socket().native_handle();
    const auto watch = [asked, socket](error_code error) {
        char byte = 0;
        if (!error && !asked->reply && ::recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
            asked->stop.request_stop();
    };
    stream.socket().async_wait(asio::socket_base::wait_read, watch);
    asio::post(pool_, [this, asked, request = std::move(request)] {
        asked->made = handle(request, asked->stop.get_token());
        const auto tell = [asked] {
            asked->reply = std::move(asked->made);
            asked->ready.cancel();
        };
        insist([&] { asio::post(io_, tell); });
    });
    while (!asked->reply) {
        auto ready = asked->ready.async_wait(as_result);
        co_await std::move(ready);
    }
    error_code ignored;
    stream.socket().cancel(ignored);
    co_return std::move(*asked->reply);
}

LocalReply LocalServer::handle(const LocalRequest& request, const std::stop_token& stop) const noexcept
{
    try {
        try {
            return request.target == "/owner" ? LocalReply{200, owner_text()} : handler_(request, stop);
        } catch (const std::exception& error) {
            return refusal(500, error.what());
        } catch (...) {
            return refusal(500, "unknown");
        }
    } catch (...) {
        return {500, {}};  // there is no memory to say why
    }
}

std::string LocalServer::owner_text() const
{
    return boost::json::serialize(boost::json::object{{"process", ::getpid()}, {"leaving", leaving_.load()}});
}

}  // namespace route::net
