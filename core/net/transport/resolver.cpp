#include "core/net/transport/resolver.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <utility>

namespace route::net {

namespace {

void answer_waiters(Resolver::Lookup& lookup, NameDirectory::Answer answer)
{
    lookup.answer = std::move(answer);
    lookup.done = true;
    for (auto* wakeup : std::exchange(lookup.waiters, {}))
        wakeup->notify();
}

Resolver::Question answered(NameDirectory::Answer answer)
{
    auto lookup = std::make_shared<Resolver::Lookup>();
    answer_waiters(*lookup, std::move(answer));
    return lookup;
}

}  // namespace

Resolver::Question Resolver::ask(const std::string& host)
{
    error_code not_an_address;
    const auto address = asio::ip::make_address(host, not_an_address);
    if (!not_an_address)
        return answered({{}, {address}, TimePoint::max()});
    const auto now = Clock::now();
    auto& known = known_[host];
    if (known && known->done && now < known->answer.good_until)
        return known;
    if (known && !known->done && now < known->asked_at + directory_.limits().patience)
        return known;
    auto lookup = std::make_shared<Lookup>();
    lookup->asked_at = now;
    // An answer that comes when everybody has stopped waiting is for those who ask next.
    auto deliver = [lookup, executor = io_.get_executor()](const NameDirectory::Answer& answer) {
        asio::post(executor, [lookup, answer] { answer_waiters(*lookup, answer); });
    };
    if (auto answer = directory_.ask(host, asker_, std::move(deliver)))
        lookup = answered(*std::move(answer));
    known = lookup;
    return lookup;
}

void Resolver::forget(Lookup& lookup, Wakeup& wakeup)
{
    std::erase(lookup.waiters, &wakeup);
}

}  // namespace route::net
