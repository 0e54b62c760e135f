// The cooldowns of one upstream (SPEC 5.12): its own, and those of models for which it says 429.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/failover/cooldown_state.hpp"
#include "core/record.hpp"

namespace route {

/// What started a cooldown, for those who tell of it.
struct CooldownStart
{
    std::string upstream;                             ///< its name
    int failures = 0;                                 ///< so many in a row; 0: a Retry-After
    AttemptOutcome outcome = AttemptOutcome::status;  ///< of the last attempt
    std::optional<unsigned> status = {};
    std::string error = {};  ///< of the last attempt, without keys
    std::chrono::duration<double> length{};
    std::string model = {};  ///< as the client called it; "": for all models
};

/// An upstream that answers again.
struct CooldownEnd
{
    std::string upstream;           ///< its name
    std::chrono::seconds length{};  ///< in cooldown
    std::chrono::seconds ago{};     ///< from its start to now: longer, when it was not asked at once
    std::string model = {};         ///< that it was in cooldown for; "": for all
};

/// The right to try an upstream now; where it is the one that probes after a cooldown, until end() or its own
/// end. Not longer than the Cooldown.
class CooldownTurn
{
  public:
    CooldownTurn() = default;
    explicit CooldownTurn(std::array<CooldownState*, 2> probed) : probed_{probed} {}
    CooldownTurn(CooldownTurn&& other) noexcept : probed_{std::exchange(other.probed_, {})} {}
    CooldownTurn& operator=(CooldownTurn&& other) noexcept
    {
        std::swap(probed_, other.probed_);
        return *this;
    }
    ~CooldownTurn() { end(); }

    /// Its verdict is noted: others need not wait for it.
    void end()
    {
        for (auto*& state : probed_)
            if (auto* const probed = std::exchange(state, nullptr))
                probed->release();
    }
    bool probes() const { return probed_[0] != nullptr || probed_[1] != nullptr; }

  private:
    std::array<CooldownState*, 2> probed_{};
};

/// When an upstream is tried last: one state for all of it, and one for each model that it said 429 for. Any
/// thread; no lock. Models are known by a hash, `most_models` of them: one more takes the place of one that
/// does not rest, and where all rest, what concerns it concerns the upstream. `model` is the client's name
/// for it, "" when there is none.
class Cooldown
{
  public:
    using TimePoint = CooldownState::TimePoint;
    using Duration = CooldownState::Duration;
    using Standing = CooldownState::Standing;
    using Away = CooldownState::Away;

    static constexpr std::size_t most_models = 64;

    struct Begun : CooldownState::Begun
    {
        bool of_model = false;  ///< others do not rest
    };

    struct Ends
    {
        std::optional<Away> upstream;
        std::optional<Away> model;
    };

    /// Counts a failed try that counts. `rate_limited`: by a 429, which concerns the model.
    std::optional<Begun> failed(std::string_view model, bool rate_limited, TimePoint now,
                                const FailedTry& failure, const CooldownRule& rule);

    /// A reply is sent to the client, and one was whole: for the upstream and the model.
    Ends answered(std::string_view model);
    Ends succeeded(std::string_view model);

    /// The right to try it now; none while it rests or another request probes: then it is tried last.
    std::optional<CooldownTurn> take_turn(std::string_view model, TimePoint now);
    /// Whether take_turn() would give it.
    bool has_turn(std::string_view model, TimePoint now) const;

    /// Of the upstream as a whole.
    const CooldownState& whole() const { return whole_; }
    bool active(TimePoint now) const { return whole_.resting(now); }
    /// Of the model; null when it never was in cooldown for itself.
    const CooldownState* of_model(std::string_view model) const;

  private:
    struct ModelState
    {
        std::atomic<std::uint64_t> name{0};
        CooldownState state;
    };

    std::optional<std::size_t> place_of(std::string_view model) const;
    CooldownState* find(std::string_view model);
    CooldownState& find_or_add(std::string_view model, TimePoint now);

    CooldownState whole_;
    std::atomic<std::size_t> used_{0};  ///< of models_
    std::array<ModelState, most_models> models_;
};

}  // namespace route
