// The cooldowns of one upstream: its own, and those of models for which it says 429.
#include "core/failover/cooldown.hpp"

#include <functional>

namespace route {

namespace {

/// 0 stands for none.
std::uint64_t name_of(std::string_view model)
{
    return std::hash<std::string_view>{}(model) | 1U;
}

bool in_order(CooldownState::Standing standing)
{
    return standing == CooldownState::Standing::up || standing == CooldownState::Standing::due;
}

}  // namespace

std::optional<std::size_t> Cooldown::place_of(std::string_view model) const
{
    const auto used = used_.load(std::memory_order_acquire);
    if (used == 0 || model.empty())
        return std::nullopt;
    const auto name = name_of(model);
    for (std::size_t i = 0; i < used; ++i)
        if (models_[i].name.load(std::memory_order_relaxed) == name)
            return i;
    return std::nullopt;
}

const CooldownState* Cooldown::of_model(std::string_view model) const
{
    const auto place = place_of(model);
    return place ? &models_[*place].state : nullptr;
}

CooldownState* Cooldown::find(std::string_view model)
{
    const auto place = place_of(model);
    return place ? &models_[*place].state : nullptr;
}

/// The state that a 429 for `model` concerns.
CooldownState& Cooldown::find_or_add(std::string_view model, TimePoint now)
{
    if (model.empty())
        return whole_;
    if (auto* const known = find(model))
        return *known;
    auto used = used_.load(std::memory_order_relaxed);
    while (used < most_models && !used_.compare_exchange_weak(used, used + 1, std::memory_order_acq_rel)) {
    }
    if (used < most_models) {
        models_[used].name.store(name_of(model), std::memory_order_relaxed);
        return models_[used].state;
    }
    for (const auto replaced : {Standing::up, Standing::due})
        for (auto& each : models_) {
            auto name = each.name.load(std::memory_order_relaxed);
            if (each.state.standing(now) != replaced ||
                !each.name.compare_exchange_strong(name, name_of(model)))
                continue;
            each.state.reset();
            return each.state;
        }
    return whole_;
}

std::optional<Cooldown::Begun> Cooldown::failed(std::string_view model, bool rate_limited, TimePoint now,
                                                const FailedTry& failure, const CooldownRule& rule)
{
    auto& state = rate_limited ? find_or_add(model, now) : whole_;
    const auto start = state.failed(now, failure, rule);
    if (!start)
        return std::nullopt;
    return Begun{*start, &state != &whole_};
}

Cooldown::Ends Cooldown::answered(std::string_view model)
{
    Ends ends{whole_.answered(), std::nullopt};
    if (auto* const state = find(model))
        ends.model = state->answered();
    return ends;
}

Cooldown::Ends Cooldown::succeeded(std::string_view model)
{
    Ends ends{whole_.succeeded(), std::nullopt};
    if (auto* const state = find(model))
        ends.model = state->succeeded();
    return ends;
}

std::optional<CooldownTurn> Cooldown::take_turn(std::string_view model, TimePoint now)
{
    const std::array<CooldownState*, 2> states{&whole_, find(model)};
    std::array<CooldownState*, 2> probed{};
    for (std::size_t i = 0; i < states.size() && states[i] != nullptr; ++i) {
        const auto admission = states[i]->admit(now);
        if (admission == CooldownState::Admission::probe)
            probed[i] = states[i];
        if (admission != CooldownState::Admission::refused)
            continue;
        CooldownTurn{probed}.end();
        return std::nullopt;
    }
    return CooldownTurn{probed};
}

bool Cooldown::has_turn(std::string_view model, TimePoint now) const
{
    if (!in_order(whole_.standing(now)))
        return false;
    const auto* const state = of_model(model);
    return state == nullptr || in_order(state->standing(now));
}

}  // namespace route
