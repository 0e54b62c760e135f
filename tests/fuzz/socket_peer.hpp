#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace route::fuzz {

/// The far end of a connection of the router: a socket pair stands for the network. Never blocks.
class SocketPeer
{
  public:
    SocketPeer();
    SocketPeer(const SocketPeer&) = delete;
    SocketPeer& operator=(const SocketPeer&) = delete;
    ~SocketPeer();

    /// The router's end, for the caller to own.
    int take_near_end() { return std::exchange(near_, -1); }

    /// What the router does not make room for is not sent; sent() says what was.
    void send(std::string_view bytes);

    /// Takes in what has come; whether anything has.
    bool receive();

    void half_close();
    void close();

    const std::string& received() const { return received_; }
    const std::string& sent() const { return sent_; }

    /// The router has ended the connection.
    bool ended() const { return ended_; }

  private:
    int near_ = -1;
    int far_ = -1;
    std::string received_;
    std::string sent_;
    bool ended_ = false;
};

}  // namespace route::fuzz
