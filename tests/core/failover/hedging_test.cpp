#include "core/failover/hedging.hpp"

#include "tests/support/catch.hpp"

namespace route {

TEST_CASE("a second upstream is asked once a request, where it answers and nothing else")
{
    struct Row
    {
        HedgeFacts facts;
        bool may;
    };
    const Row rows[] = {
        // api, upgrade, hedged, other_left
        {{Api::chat_completions, false, false, true}, true},
        {{Api::responses, false, false, true}, true},
        {{Api::messages, false, false, true}, true},
        {{Api::chat_completions, true, false, true}, false},
        {{Api::chat_completions, false, true, true}, false},
        {{Api::chat_completions, false, false, false}, false},
        {{Api::other, false, false, true}, false},
    };
    for (const auto& row : rows) {
        CAPTURE(static_cast<int>(row.facts.api), row.facts.upgrade, row.facts.hedged, row.facts.other_left);
        CHECK(may_hedge(row.facts) == row.may);
    }
}

TEST_CASE("of two attempts who is ready first wins, and one that fails lets the other go on")
{
    using End = HedgeRace::End;
    using Verdict = HedgeRace::Verdict;
    struct Row
    {
        std::optional<End> first;
        std::optional<End> second;
        bool begun;
        Verdict verdict;
    };
    const std::optional<End> none;
    const Row rows[] = {
        {none, none, false, Verdict::open},
        {none, none, true, Verdict::open},
        {End::ready, none, false, Verdict::first_wins},
        {End::ready, none, true, Verdict::first_wins},
        {End::ready, End::failed, true, Verdict::first_wins},
        {End::failed, none, false, Verdict::both_failed},
        {End::failed, none, true, Verdict::open},
        {none, End::failed, true, Verdict::open},
        {End::failed, End::failed, true, Verdict::both_failed},
        {none, End::ready, true, Verdict::second_wins},
        {End::failed, End::ready, true, Verdict::second_wins},
        {End::client_left, none, false, Verdict::client_left},
        {End::client_left, none, true, Verdict::client_left},
        {End::client_left, End::failed, true, Verdict::client_left},
        {End::failed, End::client_left, true, Verdict::client_left},
    };
    for (const auto& row : rows) {
        CAPTURE(row.first.has_value(), row.second.has_value(), row.begun);
        CHECK(HedgeRace{row.first, row.second, row.begun}.verdict() == row.verdict);
    }
}

}  // namespace route
