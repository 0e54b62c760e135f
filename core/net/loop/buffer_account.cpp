#include "core/net/loop/buffer_account.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <functional>
#include <random>

namespace route::net {

namespace {

std::uint64_t random_seed()
{
    std::random_device device;
    return (std::uint64_t{device()} << 32) | device();
}

/// Spreads what std::hash leaves as it is (the finalizer of MurmurHash3).
std::uint64_t mixed(std::uint64_t value)
{
    value ^= value >> 33;
    value *= 0xff51afd7ed558ccdULL;
    value ^= value >> 33;
    value *= 0xc4ceb9fe1a85ec53ULL;
    return value ^ (value >> 33);
}

}  // namespace

BufferedBytes::BufferedBytes() : seed_{random_seed()}
{
}

BufferedBytes::Share BufferedBytes::share_of(std::string_view owner) const
{
    const auto hash = mixed(std::hash<std::string_view>{}(owner) ^ seed_);
    return {static_cast<std::uint32_t>(hash % places), static_cast<std::uint32_t>((hash >> 32) % places)};
}

std::uint64_t BufferedBytes::of(Share share) const
{
    return std::min(first_[share.first].load(std::memory_order_relaxed),
                    second_[share.second].load(std::memory_order_relaxed));
}

void BufferedBytes::add(Share share, std::uint64_t bytes)
{
    add(bytes);
    first_[share.first].fetch_add(bytes, std::memory_order_relaxed);
    second_[share.second].fetch_add(bytes, std::memory_order_relaxed);
}

void BufferedBytes::subtract(Share share, std::uint64_t bytes)
{
    subtract(bytes);
    first_[share.first].fetch_sub(bytes, std::memory_order_relaxed);
    second_[share.second].fetch_sub(bytes, std::memory_order_relaxed);
}

void BufferAccount::open(std::string_view owner, BufferLimits limits)
{
    share_ = buffered_.share_of(owner);
    limits_ = limits;
}

void BufferAccount::hold(std::uint64_t bytes)
{
    if (bytes < held_)
        buffered_.subtract(share_, held_ - bytes);
    else if (bytes > held_)
        buffered_.add(share_, bytes - held_);
    held_ = bytes;
}

bool BufferAccount::fits(std::uint64_t bytes) const
{
    const auto more = bytes - std::min(bytes, held_);
    return buffered_.all() + more <= limits_.all && buffered_.of(share_) + more <= limits_.share;
}

std::string owner_of_address(std::string_view address)
{
    boost::system::error_code error;
    const auto parsed = boost::asio::ip::make_address(std::string{address}, error);
    if (error || !parsed.is_v6() || parsed.to_v6().is_v4_mapped())
        return std::string{address};
    constexpr unsigned short network = 64;
    return boost::asio::ip::network_v6{parsed.to_v6(), network}.network().to_string();
}

}  // namespace route::net
