#include "core/net/resolver.hpp"

#include <netdb.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/error_category.hpp>

namespace route::net {

namespace {

class NameCategory final : public boost::system::error_category
{
  public:
    const char* name() const noexcept override { return "getaddrinfo"; }
    std::string message(int value) const override { return gai_strerror(value); }
};

const NameCategory name_category;

struct Answer
{
    error_code error;
    Addresses addresses;
};

Answer ask_system(const std::string& host)
{
    Answer answer;
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* found = nullptr;
    auto code = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
    if (code != 0) {
        // Loopback is no address to AI_ADDRCONFIG: a machine without a network still has localhost.
        hints.ai_flags = 0;
        code = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
    }
    if (code != 0) {
        answer.error = error_code{code, name_category};
        return answer;
    }
    for (auto* each = found; each != nullptr; each = each->ai_next) {
        if (each->ai_family == AF_INET) {
            const auto* address = reinterpret_cast<const sockaddr_in*>(each->ai_addr);
            answer.addresses.emplace_back(asio::ip::address_v4{ntohl(address->sin_addr.s_addr)});
        } else if (each->ai_family == AF_INET6) {
            const auto* address = reinterpret_cast<const sockaddr_in6*>(each->ai_addr);
            asio::ip::address_v6::bytes_type bytes;
            std::copy_n(address->sin6_addr.s6_addr, bytes.size(), bytes.begin());
            answer.addresses.emplace_back(asio::ip::address_v6{bytes, address->sin6_scope_id});
        }
    }
    ::freeaddrinfo(found);
    return answer;
}

}  // namespace

Resolver::Question Resolver::ask(const std::string& host)
{
    error_code not_an_address;
    const auto address = asio::ip::make_address(host, not_an_address);
    if (!not_an_address) {
        auto answered = std::make_shared<Lookup>();
        answered->done = true;
        answered->addresses.push_back(address);
        return answered;
    }
    auto& known = known_[host];
    if (known && (!known->done || known->good_until > Clock::now()))
        return known;
    known = std::make_shared<Lookup>();
    look_up(host, known);
    return known;
}

void Resolver::look_up(const std::string& host, const Question& question)
{
    // The loop stays alive for the answer; the answer finds the question even when everybody has stopped
    // waiting.
    auto work = asio::make_work_guard(io_);
    asio::post(pool_, [host, question, work = std::move(work), executor = io_.get_executor()]() mutable {
        auto answer = ask_system(host);
        asio::post(executor, [question = std::move(question), answer = std::move(answer)]() mutable {
            question->done = true;
            question->error = answer.error;
            question->addresses = std::move(answer.addresses);
            question->good_until = Clock::now() + (answer.error ? failure_lifetime : lifetime);
            const auto waiters = std::exchange(question->waiters, {});
            for (auto* signal : waiters)
                signal->notify();
        });
        work.reset();
    });
}

void Resolver::forget(Lookup& lookup, Signal& signal)
{
    std::erase(lookup.waiters, &signal);
}

}  // namespace route::net
