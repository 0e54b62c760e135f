#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "app/config/config_file.hpp"
#include "app/routing_view.hpp"
#include "core/net/loop/routing_table.hpp"
#include "storage/change_feed.hpp"

namespace route {

/// Makes routing tables out of configuration and database whenever one of them changes, and hands each to
/// `publish`. Any thread.
class LiveRouting
{
  public:
    using Publish = std::function<void(const net::RoutingTablePtr&)>;

    /// `environment_counts`: the upstream of the environment serves while there is no other, for the database
    /// does not hold it. Refused
    /// when a key or file the settings name cannot be read; located() says where.
    static ConfigResult<std::unique_ptr<LiveRouting>> make(Settings settings, storage::UpstreamsAndKeys known,
                                                           bool environment_counts);

    /// From now on new tables go there.
    void publish_to(Publish publish);

    net::RoutingTablePtr current() const;

    /// What the database says now.
    void set_known(const storage::UpstreamsAndKeys& known);

    /// What the configuration file says now, and the files it names; refused as by make(), and then nothing
    /// changes.
    ConfigResult<void> set_settings(const Settings& settings);

    /// Name of each upstream in use and whether it is up: not in cooldown.
    std::vector<std::pair<std::string, bool>> upstream_states() const;

    /// All upstreams as this router sees them, those it does not use with the reason.
    RoutingView view() const;

    /// What it knows of the database, as digest_of() says it.
    std::string known_digest() const;

    /// Keeps why an upstream is in cooldown. Locks: not on an event loop.
    void note_cooldown(const CooldownStart& start);

  private:
    /// Certificates, and the authorities those of upstreams are verified with. Reading the latter anew makes
    /// new connections: those verified with the old ones are not used again.
    enum class Files
    {
        keep,
        read,
    };
    /// What is known of an upstream whatever becomes of its definition.
    struct Lasting
    {
        std::shared_ptr<Cooldown> cooldown = std::make_shared<Cooldown>();
        std::shared_ptr<InFlight> in_flight = std::make_shared<InFlight>();
        std::shared_ptr<ContentTime> content_time = std::make_shared<ContentTime>();
    };
    LiveRouting(Settings settings, storage::UpstreamsAndKeys known, bool environment_counts);
    ConfigResult<net::RoutingTablePtr> make_table(Files files);
    void add_upstreams(net::RoutingTable& table);
    bool rests_now(const CooldownStart& start) const;
    void warn_of_short_keys();
    void warn_once(const std::string& warning);

    mutable std::mutex mutex_;
    Settings settings_;
    storage::UpstreamsAndKeys known_;
    bool environment_counts_;
    bool told_environment_ = false;
    std::map<std::string, Lasting> lasting_;  ///< by upstream
    std::set<std::string> warnings_;
    std::vector<ViewedUpstream> viewed_;
    std::map<std::string, Rest> rests_;
    std::map<std::string, std::map<std::string, Rest>> model_rests_;  ///< by upstream and model
    net::RoutingTablePtr current_;
    Publish publish_;
};

}  // namespace route
