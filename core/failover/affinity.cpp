#include "core/failover/affinity.hpp"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

namespace route {
namespace {

/// Uniform in (0, 1), of both together, and the same on every machine.
double draw(std::string_view session, std::string_view upstream)
{
    std::string text;
    text.reserve(session.size() + upstream.size() + 1);
    text.append(session).append(1, '\0').append(upstream);
    std::array<unsigned char, SHA256_DIGEST_LENGTH> hash{};
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), hash.data());
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < sizeof bits; ++i)
        bits = bits << 8 | hash[i];
    constexpr int kept = 53;  // of a double
    return (static_cast<double>(bits >> (64 - kept)) + 0.5) / static_cast<double>(std::uint64_t{1} << kept);
}

}  // namespace

void order_by_session(std::span<const Upstream*> upstreams, std::string_view session)
{
    struct Scored
    {
        double score;  ///< highest first: an exponential draw of its weight, negated
        const Upstream* upstream;
    };
    std::vector<Scored> all;
    all.reserve(upstreams.size());
    for (const auto* upstream : upstreams) {
        const auto drawn = std::log(draw(session, upstream->name));  // below 0
        // Of weight 0 behind all of weight 1 and more, in an order of their own.
        constexpr double behind_all = 1e6;
        all.push_back({upstream->weight > 0 ? drawn / upstream->weight : drawn - behind_all, upstream});
    }
    std::sort(all.begin(), all.end(), [](const Scored& a, const Scored& b) { return a.score > b.score; });
    std::transform(all.begin(), all.end(), upstreams.begin(), [](const Scored& one) { return one.upstream; });
}

}  // namespace route
