#include "tests/fuzz/socket_peer.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "tests/fuzz/input.hpp"

namespace route::fuzz {

SocketPeer::SocketPeer()
{
    int ends[2] = {-1, -1};
    require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0,
            "there are file descriptors left");
    near_ = ends[0];
    far_ = ends[1];
}

SocketPeer::~SocketPeer()
{
    close();
    if (near_ >= 0)
        ::close(near_);
}

void SocketPeer::send(std::string_view bytes)
{
    while (far_ >= 0 && !bytes.empty()) {
        const auto taken = ::send(far_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (taken <= 0)
            return;
        sent_ += bytes.substr(0, static_cast<std::size_t>(taken));
        bytes.remove_prefix(static_cast<std::size_t>(taken));
    }
}

bool SocketPeer::receive()
{
    std::array<char, 4096> piece;
    bool any = false;
    while (far_ >= 0 && !ended_) {
        const auto taken = ::recv(far_, piece.data(), piece.size(), 0);
        if (taken < 0 && errno == EAGAIN)
            break;
        any = true;
        ended_ = taken <= 0;
        if (taken > 0)
            received_.append(piece.data(), static_cast<std::size_t>(taken));
    }
    return any;
}

void SocketPeer::half_close()
{
    if (far_ >= 0)
        ::shutdown(far_, SHUT_WR);
}

void SocketPeer::close()
{
    if (far_ >= 0)
        ::close(std::exchange(far_, -1));
}

}  // namespace route::fuzz
