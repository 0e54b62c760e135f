#include "app/agreement.hpp"

#include <utility>

#include "storage/open.hpp"

namespace route {
namespace {

/// The same calls: storage and notify know nothing of each other.
class StoredAgreement final : public notify::Agreement
{
  public:
    explicit StoredAgreement(std::unique_ptr<storage::MessageAgreement> stored) : stored_{std::move(stored)}
    {
    }

    std::optional<Begun> begin(const std::string& key, std::chrono::milliseconds window) override
    {
        const auto begun = stored_->begin(key, window);
        if (!begun)
            return std::nullopt;
        return Begun{begun->mine, begun->left};
    }

    bool add(const std::vector<Counted>& counted) override
    {
        std::vector<storage::MessageAgreement::Counted> stored;
        stored.reserve(counted.size());
        for (const auto& each : counted)
            stored.push_back({each.key, each.count});
        return stored_->add(stored);
    }

    std::optional<bool> first_to_say(const std::string& key, std::chrono::milliseconds since) override
    {
        return stored_->first_to_say(key, since);
    }

    std::optional<std::vector<Taken>> take(const std::vector<std::string>& keys,
                                           std::chrono::milliseconds window, bool early) override
    {
        const auto stored = stored_->take(keys, window, early);
        if (!stored)
            return std::nullopt;
        std::vector<Taken> taken;
        taken.reserve(stored->size());
        for (const auto& each : *stored)
            taken.push_back({each.count, each.left});
        return taken;
    }

  private:
    std::unique_ptr<storage::MessageAgreement> stored_;
};

}  // namespace

std::function<std::unique_ptr<notify::Agreement>()> agreement_over(const StorageSettings& settings)
{
    return [settings]() -> std::unique_ptr<notify::Agreement> {
        auto stored = storage::message_agreement(settings);
        return stored ? std::make_unique<StoredAgreement>(std::move(stored)) : nullptr;
    };
}

}  // namespace route
