#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

namespace route::net {

/// The bytes that requests and connections of all loops hold: in all, and by the client key or address they
/// are held for. Any thread, no lock.
class BufferedBytes
{
  public:
    /// Where the bytes of one key or address are counted. Two may share a place in one row, hardly in both.
    struct Share
    {
        std::uint32_t first = 0;
        std::uint32_t second = 0;
    };

    BufferedBytes();

    Share share_of(std::string_view owner) const;

    std::uint64_t all() const { return all_.load(std::memory_order_relaxed); }
    std::uint64_t of(Share share) const;

    void add(Share share, std::uint64_t bytes);
    void subtract(Share share, std::uint64_t bytes);

    /// The same for what is nobody's in particular.
    std::uint64_t add(std::uint64_t bytes)
    {
        return all_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    }
    void subtract(std::uint64_t bytes) { all_.fetch_sub(bytes, std::memory_order_relaxed); }

  private:
    static constexpr std::size_t places = 4096;

    std::uint64_t seed_;
    std::atomic<std::uint64_t> all_{0};
    std::array<std::atomic<std::uint64_t>, places> first_{};
    std::array<std::atomic<std::uint64_t>, places> second_{};
};

/// Bytes at most, of all and of one owner.
struct BufferLimits
{
    std::uint64_t all = 0;
    std::uint64_t share = 0;
};

/// What one request or connection holds of them.
class BufferAccount
{
  public:
    explicit BufferAccount(BufferedBytes& buffered) : buffered_{buffered} {}
    BufferAccount(const BufferAccount&) = delete;
    BufferAccount& operator=(const BufferAccount&) = delete;
    ~BufferAccount() { release(); }

    /// Whose bytes they are from now on. Nothing is held yet.
    void open(std::string_view owner, BufferLimits limits);

    /// Holds `bytes` from now on, instead of what it did.
    void hold(std::uint64_t bytes);

    /// Whether it may hold `bytes`, at the moment.
    bool fits(std::uint64_t bytes) const;

    std::uint64_t held() const { return held_; }
    void release() { hold(0); }

  private:
    BufferedBytes& buffered_;
    BufferedBytes::Share share_;
    BufferLimits limits_;
    std::uint64_t held_ = 0;
};

/// A client's address as an owner: of IPv6 the network, since one client has as many addresses in it as it
/// wants (RFC 6177).
std::string owner_of_address(std::string_view address);

}  // namespace route::net
