#include "tests/support/silent_ports.hpp"

#include "tests/support/asio.hpp"

namespace route::test {

RefusingPort::RefusingPort(asio::io_context& io) : socket_{io, any_loopback_port}
{
}

std::uint16_t RefusingPort::port() const
{
    return socket_.local_endpoint().port();
}

UnansweringPort::UnansweringPort(asio::io_context& io) : acceptor_{io}
{
    acceptor_.open(tcp::v4());
    acceptor_.bind(any_loopback_port);
    acceptor_.listen(0);
    for (int filler = 0; filler < 4; ++filler) {
        auto& socket = waiting_.emplace_back(io, tcp::v4());
        socket.async_connect(acceptor_.local_endpoint(), [](const boost::system::error_code&) {});
    }
}

std::uint16_t UnansweringPort::port() const
{
    return acceptor_.local_endpoint().port();
}

}  // namespace route::test
