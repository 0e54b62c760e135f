#include "metrics/model_label.hpp"

#include <algorithm>

#include "core/text.hpp"

namespace route::metrics {

namespace {
constexpr std::size_t longest_label = 128;
constexpr std::size_t first_name = 2;
}  // namespace

std::string label_text(std::string_view text)
{
    // Cut twice: cleaning may lengthen, and there is no need to clean what is cut away.
    const auto clean = clean_utf8(std::string{text.substr(0, longest_label + 4)});
    return std::string{cut_utf8(clean, longest_label)};
}

std::size_t ModelNames::add(std::string name)
{
    const std::lock_guard lock{mutex_};
    const auto found = std::find(names_.begin(), names_.end(), name);
    const auto index = first_name + static_cast<std::size_t>(found - names_.begin());
    if (found != names_.end())
        return index;
    if (names_.size() == limit)
        return other;
    names_.push_back(std::move(name));
    size_.store(names_.size(), std::memory_order_release);
    return index;
}

std::string ModelNames::label(std::size_t index) const
{
    if (index == none)
        return "";
    if (index == other)
        return "other";
    const std::lock_guard lock{mutex_};
    return names_.at(index - first_name);
}

void ModelNames::copy(std::size_t first, StringMap<std::size_t>& into) const
{
    const std::lock_guard lock{mutex_};
    for (auto i = first; i < names_.size(); ++i)
        into.emplace(names_[i], first_name + i);
}

std::optional<std::size_t> KnownModels::find(std::string_view name) const
{
    const auto found = known_.find(name);
    return found == known_.end() ? std::nullopt : std::optional{found->second};
}

std::size_t KnownModels::index(ModelNames& names, const std::optional<std::string>& model, bool success)
{
    if (!model || model->empty())
        return ModelNames::none;
    if (const auto found = find(*model))
        return *found;
    const auto name = label_text(*model);
    if (known_.size() < names.size())
        names.copy(known_.size(), known_);
    if (const auto found = find(name))
        return *found;
    if (!success || names.size() == ModelNames::limit)
        return ModelNames::other;
    return names.add(name);  // and copied here when it is next asked for
}

}  // namespace route::metrics
