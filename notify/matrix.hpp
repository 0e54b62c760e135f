#pragma once

#include "notify/channel.hpp"

namespace route::notify {

/// A room of Matrix, by the client-server API v3. Each message is sent under a transaction id of its own, so
/// that the homeserver knows one that is repeated. A room may be named by its id (`!…`) or an alias (`#…`).
/// One that is encrypted is refused: what a plain client sends there is marked as untrusted, or not shown at
/// all. https://spec.matrix.org/v1.9/client-server-api/
class Matrix final : public Channel
{
  public:
    Matrix(WebUrl homeserver, std::string room, std::string token)
        : homeserver_{std::move(homeserver)}, room_{std::move(room)}, token_{std::move(token)}
    {
    }

    std::string_view name() const override { return "matrix"; }
    net::awaitable<Delivery> deliver(const Message& message, Http& http, SystemTime now) override;

  private:
    HttpRequest request(std::string_view method, std::string_view path) const;
    net::awaitable<Delivery> find_room(Http& http, SystemTime now);
    net::awaitable<Delivery> check_room(Http& http, SystemTime now);

    WebUrl homeserver_;
    std::string room_;  ///< as configured
    std::string token_;
    std::string room_id_;  ///< once known
};

/// `https://matrix.org`, a room id or alias.
bool valid_matrix_room(std::string_view room);

/// The message as HTML: what it says, and nothing of it as markup.
std::string matrix_html(const Message& message);

/// What a reply says: `errcode`, and with M_LIMIT_EXCEEDED how long to wait (`retry_after_ms`, Retry-After).
Delivery judge_matrix(const HttpReply& reply, SystemTime now);

/// What took messages for v0.3.0: a URL that takes a POST of `{"message":"m.text","body":…}`.
class MatrixApi final : public Channel
{
  public:
    explicit MatrixApi(WebUrl url) : url_{std::move(url)} {}

    std::string_view name() const override { return "matrix_api"; }
    net::awaitable<Delivery> deliver(const Message& message, Http& http, SystemTime now) override;

  private:
    WebUrl url_;
};

}  // namespace route::notify
