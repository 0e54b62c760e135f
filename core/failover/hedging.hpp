// When a second upstream is asked beside the first, and which of the two is the client's (SPEC 5, point 7).
#pragma once

#include <optional>

#include "core/openai/api.hpp"

namespace route {

/// What a request and its tries so far say of asking a second upstream.
struct HedgeFacts
{
    Api api = Api::other;
    bool upgrade = false;     ///< it asks for a WebSocket
    bool hedged = false;      ///< two were asked at once before
    bool other_left = false;  ///< there is an upstream behind the one that is tried
};

/// Once a request, and only where it does nothing but answer: what is made at an upstream (a file, a batch)
/// would be made twice.
constexpr bool may_hedge(const HedgeFacts& facts)
{
    return answers(facts.api) && !facts.upgrade && !facts.hedged && facts.other_left;
}

/// The race of two attempts: who may be committed first wins, one that fails lets the other go on.
struct HedgeRace
{
    enum class End
    {
        ready,  ///< it may be committed, or has the last word
        failed,
        client_left,
    };
    enum class Verdict
    {
        open,
        first_wins,
        second_wins,
        both_failed,  ///< or the first did before the second was begun
        client_left,
    };

    std::optional<End> first = {};
    std::optional<End> second = {};
    bool second_begun = false;

    constexpr Verdict verdict() const
    {
        if (first == End::ready)
            return Verdict::first_wins;
        if (second == End::ready)
            return Verdict::second_wins;
        if (first == End::client_left || second == End::client_left)
            return Verdict::client_left;
        const bool failed = first == End::failed && (!second_begun || second == End::failed);
        return failed ? Verdict::both_failed : Verdict::open;
    }
};

}  // namespace route
