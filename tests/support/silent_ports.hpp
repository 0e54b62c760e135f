#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <vector>

namespace route::test {

/// A port that refuses connections: bound, so that nobody else gets it, and not listening.
class RefusingPort
{
  public:
    explicit RefusingPort(boost::asio::io_context& io);
    std::uint16_t port() const;

  private:
    boost::asio::ip::tcp::socket socket_;
};

/// A port that leaves connection requests unanswered: its backlog is full.
class UnansweringPort
{
  public:
    explicit UnansweringPort(boost::asio::io_context& io);
    std::uint16_t port() const;

  private:
    boost::asio::ip::tcp::acceptor acceptor_;
    std::vector<boost::asio::ip::tcp::socket> waiting_;
};

}  // namespace route::test
