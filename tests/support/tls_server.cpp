#include "tests/support/tls_server.hpp"

#include <openssl/err.h>

#include <array>
#include <stdexcept>

namespace route::test {

TlsServer::TlsServer(Certificate certificate, int newest) : context_{SSL_CTX_new(TLS_server_method())}
{
    static constexpr unsigned char id[] = "tests";
    const bool ready = context_ != nullptr && SSL_CTX_set_max_proto_version(context_, newest) == 1 &&
                       SSL_CTX_use_certificate(context_, certificate.certificate.get()) == 1 &&
                       SSL_CTX_use_PrivateKey(context_, certificate.key.get()) == 1 &&
                       SSL_CTX_set_session_id_context(context_, id, sizeof id - 1) == 1;
    if (!ready)
        throw std::runtime_error{"a TLS server"};
}

TlsServer::~TlsServer()
{
    SSL_CTX_free(context_);
}

TlsSession::TlsSession(const TlsServer& server) : ssl_{SSL_new(server.context())}
{
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(ssl_.get());
}

std::string TlsSession::receive(std::string_view bytes)
{
    BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
    std::string text;
    std::array<char, 16384> piece;
    ERR_clear_error();
    int size = 0;
    do {
        size = SSL_read(ssl_.get(), piece.data(), piece.size());
        if (size > 0)
            text.append(piece.data(), static_cast<std::size_t>(size));
    } while (size > 0);
    const auto reason = SSL_get_error(ssl_.get(), size);
    failed_ = failed_ || reason == SSL_ERROR_SSL || reason == SSL_ERROR_SYSCALL;
    if (const auto* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name))
        asked_for_ = name;
    return text;
}

void TlsSession::send(std::string_view text)
{
    ERR_clear_error();
    while (!text.empty()) {
        const int taken = SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size()));
        if (taken <= 0)
            return;
        text.remove_prefix(static_cast<std::size_t>(taken));
    }
}

void TlsSession::send_ticket()
{
    ERR_clear_error();
    SSL_new_session_ticket(ssl_.get());
    SSL_do_handshake(ssl_.get());  // writes it
}

void TlsSession::say_goodbye()
{
    ERR_clear_error();
    if (established())
        SSL_shutdown(ssl_.get());
}

std::string TlsSession::take_output()
{
    auto* output = SSL_get_wbio(ssl_.get());
    std::string bytes(BIO_ctrl_pending(output), '\0');
    BIO_read(output, bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
}

}  // namespace route::test
