#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace route::metrics {

/// A map that is asked with string views.
struct StringHash
{
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
template <class T>
using StringMap = std::unordered_map<std::string, T, StringHash, std::equal_to<>>;

/// Text as a label's value: valid UTF-8, 128 bytes at most.
std::string label_text(std::string_view text);

/// The values of the label `model`: the first `limit` names that had a 2xx. Shared by all threads.
class ModelNames
{
  public:
    static constexpr std::size_t limit = 100;

    // Indices of labels; those of names follow.
    static constexpr std::size_t none = 0;   ///< a request without a model: ""
    static constexpr std::size_t other = 1;  ///< "other"

    /// The index of `name`, which is added when there is room.
    std::size_t add(std::string name);

    std::string label(std::size_t index) const;

    /// How many names there are; no lock.
    std::size_t size() const { return size_.load(std::memory_order_acquire); }

    /// Adds the names from the `first`th on to `into`, with their indices.
    void copy(std::size_t first, StringMap<std::size_t>& into) const;

  private:
    mutable std::mutex mutex_;
    std::vector<std::string> names_;
    std::atomic<std::size_t> size_{0};
};

/// One thread's copy of the names, so that the usual request takes no lock.
class KnownModels
{
  public:
    /// The index of a request's model. Only a success makes a name known.
    std::size_t index(ModelNames& names, const std::optional<std::string>& model, bool success);

  private:
    std::optional<std::size_t> find(std::string_view name) const;

    StringMap<std::size_t> known_;
};

}  // namespace route::metrics
