#include "core/net/transport/local_server.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>

#include "tests/support/catch.hpp"

namespace route::net {

namespace {

namespace fs = std::filesystem;
constexpr auto patience = std::chrono::seconds{30};

/// A directory that goes with its object.
class Directory
{
  public:
    Directory()
    {
        std::string name = (fs::temp_directory_path() / "local-server-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr)
            throw std::runtime_error{"no temporary directory"};
        path_ = name;
    }
    ~Directory()
    {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    std::string operator/(const std::string& name) const { return (path_ / name).string(); }

  private:
    fs::path path_;
};

/// Repeats what was asked.
LocalReply echo(const LocalRequest& request, const std::stop_token&)
{
    return {200, request.method + " " + request.target + " " + request.body};
}

std::string asked(const std::string& path, const LocalRequest& request = {"GET", "/x"})
{
    const auto reply = ask_local(path, request, patience);
    return reply ? std::to_string(reply->status) + " " + reply->body : reply.error().reason;
}

/// A socket as a process that was killed leaves it.
void leave_socket(const std::string& path)
{
    const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    ::close(socket);
}

/// A connection that sends `text` and gives what comes back, to its end.
std::string answer_to(const std::string& path, const std::string& text)
{
    asio::io_context io;
    asio::local::stream_protocol::socket socket{io};
    socket.connect(asio::local::stream_protocol::endpoint{path});
    error_code error;
    asio::write(socket, asio::buffer(text), error);  // it may answer before all is sent
    std::string answer;
    asio::read(socket, asio::dynamic_buffer(answer), error);
    return answer;
}

/// What a handler that takes long sees.
class Slow
{
  public:
    LocalReply handle(const std::stop_token& stop)
    {
        begun_.set_value();
        std::mutex mutex;
        std::condition_variable_any never;
        std::unique_lock lock{mutex};
        never.wait(lock, stop, [] { return false; });
        ended_.set_value();
        return {200, "late"};
    }

    std::future<void> begun() { return begun_.get_future(); }
    std::future<void> ended() { return ended_.get_future(); }

  private:
    std::promise<void> begun_;
    std::promise<void> ended_;
};

}  // namespace

TEST_CASE("requests over the socket are answered, and the socket goes with its server")
{
    const Directory directory;
    const auto path = directory / "a.socket";
    {
        LocalServer server{path, echo};
        server.start();
        CHECK(server.listening());
        CHECK(asked(path) == "200 GET /x ");
        CHECK(asked(path, {"POST", "/y", R"({"a":1})"}) == R"(200 POST /y {"a":1})");
    }
    CHECK_FALSE(fs::exists(fs::symlink_status(path)));
    CHECK(asked(path) == "there is no socket " + path);
}

TEST_CASE("nobody but the owner may connect, whatever the umask")
{
    const Directory directory;
    const auto path = directory / "a.socket";
    const auto before = ::umask(0);
    LocalServer server{path, echo};
    server.start();
    ::umask(before);
    struct stat made = {};
    REQUIRE(::stat(path.c_str(), &made) == 0);
    CHECK((made.st_mode & 07777) == 0600);
}

TEST_CASE("the socket of a dead process is replaced")
{
    const Directory directory;
    const auto path = directory / "a.socket";
    leave_socket(path);
    CHECK(asked(path) == path + ": nobody answers there");
    LocalServer server{path, echo};
    server.start();
    CHECK(asked(path) == "200 GET /x ");
}

TEST_CASE("the socket of a live process is left alone")
{
    const Directory directory;
    const auto path = directory / "a.socket";
    LocalServer first{path, echo};
    first.start();
    {
        LocalServer second{path, [](const auto&, const auto&) { return LocalReply{200, "second"}; }};
        second.start();
        CHECK_FALSE(second.listening());
        CHECK(asked(path) == "200 GET /x ");
    }
    CHECK(asked(path) == "200 GET /x ");
}

TEST_CASE("of a process that is leaving the name can be taken, and it does not take it along")
{
    const Directory directory;
    const auto path = directory / "a.socket";
    LocalServer first{path, echo};
    first.start();
    first.leave();
    CHECK(asked(path) == "200 GET /x ");
    LocalServer second{path, [](const auto&, const auto&) { return LocalReply{200, "second"}; }};
    second.start();
    CHECK(second.listening());
    CHECK(asked(path) == "200 second");
    first.stop();
    CHECK(asked(path) == "200 second");
}

TEST_CASE("a file that is no socket is not removed")
{
    const Directory directory;
    const auto path = directory / "a.socket";
    std::ofstream{path} << "kept";
    {
        LocalServer server{path, echo};
        server.start();
        CHECK_FALSE(server.listening());
    }
    CHECK(fs::file_size(path) == 4);
}

TEST_CASE("without its directory there is no socket")
{
    const Directory directory;
    const auto path = directory / "missing/a.socket";
    LocalServer server{path, echo};
    server.start();
    CHECK_FALSE(server.listening());
    CHECK_THAT(asked(path), ContainsSubstring("No such file or directory"));
}

TEST_CASE("a path longer than a socket's address can be")
{
    const Directory directory;
    const auto deep = directory / (std::string(100, 'd') + "/" + std::string(100, 'e'));
    fs::create_directories(deep);
    const auto path = deep + "/a.socket";
    LocalServer server{path, echo};
    server.start();
    CHECK(fs::is_socket(path));
    CHECK(asked(path) == "200 GET /x ");
    LocalServer unnamed{deep + "/" + std::string(100, 'f'), echo};
    unnamed.start();
    CHECK_FALSE(unnamed.listening());
}

TEST_CASE("what is no request is refused")
{
    const Directory directory;
    const auto path = directory / "a.socket";
    LocalServer server{path, echo};
    server.start();
    CHECK_THAT(answer_to(path, "nonsense\r\n\r\n"), ContainsSubstring("HTTP/1.1 400 "));
    const auto large = std::to_string(LocalServer::most_body + 1);
    CHECK_THAT(answer_to(path, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + large + "\r\n\r\n"),
               ContainsSubstring("HTTP/1.1 413 "));
    CHECK_THAT(answer_to(path, "GET / HTTP/1.1\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n"),
               ContainsSubstring("HTTP/1.1 400 "));
    CHECK(asked(path, {"POST", "/", std::string(LocalServer::most_body, 'b')}).size() >
          LocalServer::most_body);
}

TEST_CASE("what a handler throws is the answer")
{
    const Directory directory;
    const auto path = directory / "a.socket";
    LocalServer server{path, [](const auto&, const auto&) -> LocalReply { throw std::runtime_error{"why"}; }};
    server.start();
    CHECK(asked(path) == R"(500 {"error":"why"})");
}

TEST_CASE("what a handler throws that is no exception does not end the program")
{
    const Directory directory;
    const auto path = directory / "a.socket";
    LocalServer server{path, [](const auto&, const auto&) -> LocalReply { throw 1; }};
    server.start();
    CHECK(asked(path) == R"(500 {"error":"unknown"})");
    CHECK(asked(path, {"GET", "/owner"}).starts_with("200"));
}

TEST_CASE("stopping does not wait for those who are asked")
{
    const Directory directory;
    const auto path = directory / "a.socket";
    Slow slow;
    LocalServer server{path, [&](const auto&, const auto& stop) { return slow.handle(stop); }};
    server.start();
    auto answer = std::async(std::launch::async, [&] { return asked(path); });
    slow.begun().wait();
    server.stop();
    CHECK_THAT(answer.get(), ContainsSubstring("answers there, but not as a router does"));
}

TEST_CASE("what was asked for by somebody who has gone is stopped")
{
    const Directory directory;
    const auto path = directory / "a.socket";
    Slow slow;
    LocalServer server{path, [&](const auto&, const auto& stop) { return slow.handle(stop); }};
    server.start();
    auto ended = slow.ended();
    {
        asio::io_context io;
        asio::local::stream_protocol::socket socket{io};
        socket.connect(asio::local::stream_protocol::endpoint{path});
        asio::write(socket, asio::buffer(std::string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n"}));
        slow.begun().wait();
    }
    CHECK(ended.wait_for(patience) == std::future_status::ready);
}

TEST_CASE("a process that does not answer is not waited for longer than that")
{
    const Directory directory;
    const auto path = directory / "a.socket";
    asio::io_context io;
    asio::local::stream_protocol::acceptor silent{io, asio::local::stream_protocol::endpoint{path}};
    const auto reply = ask_local(path, {"GET", "/x"}, std::chrono::milliseconds{50});
    REQUIRE_FALSE(reply.has_value());
    CHECK(reply.error().reason ==
          path + ": process " + std::to_string(::getpid()) + " does not answer there");
    LocalServer server{path, echo};
    server.start();
    CHECK_FALSE(server.listening());
}

}  // namespace route::net
