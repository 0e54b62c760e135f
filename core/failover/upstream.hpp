#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/failover/content_time.hpp"
#include "core/failover/cooldown.hpp"
#include "core/failover/endpoint.hpp"
#include "core/failover/in_flight.hpp"
#include "core/failover/pool_key.hpp"
#include "core/result.hpp"

namespace route {

using Seconds = std::chrono::duration<double>;

/// An upstream as it is stored and as people write it (table `openai_upstreams`, `[[upstreams]]`, the command
/// line).
struct UpstreamDefinition
{
    std::int64_t id = 0;  ///< row id; 0 for one of the configuration file or the environment
    std::string name;     ///< "" in a row that has none: effective_name() then
    std::string sk;       ///< the key, or `env:NAME`, `file:PATH`, `asis`
    std::string endpoint = "https://api.openai.com/v1";
    int priority = 0;  ///< lower first
    int weight =
        1;  ///< share within equal priority, but for the order by priority; 0: after all others of it
    std::optional<Seconds> timeout;
    std::optional<Seconds> stream_timeout;
    std::vector<std::string> allow;
    std::vector<std::string> deny;
    std::map<std::string, std::string> rename;  ///< model asked for -> model sent
    std::string proxy;  ///< the URL of one, `env:NAME`, `file:PATH`, `direct`; "" for the general one
    bool enabled = true;
    std::optional<int> retries;                    ///< in place of `failover.retries`
    std::optional<Seconds> first_content_timeout;  ///< of `timeouts.first_content`; 0: no limit
    std::optional<Seconds> hedge_after;            ///< of `failover.hedge_after`; 0: never
    int max_in_flight = 0;  ///< requests at once; over it the upstream is tried last; 0: no limit
    /// Name -> value in place of the client's, which may be a reference as `sk` is; "": the client's is
    /// withheld.
    std::map<std::string, std::string> headers;
    std::map<std::string, std::string> set;  ///< top-level member of a JSON body -> its JSON
    std::vector<std::string> unset;          ///< members that are taken away
    std::string key_header;                  ///< where its key goes; "": where the client put its own
    /// The JSON columns of a row that hold something else than the JSON they should: what they hold. The
    /// upstream cannot be used until they are set.
    std::map<std::string, std::string> unreadable;

    bool operator==(const UpstreamDefinition&) const = default;
};

/// The name, or `upstream-ID` for a row without one.
std::string effective_name(const UpstreamDefinition& definition);

/// `[A-Za-z0-9._-]{1,64}`, not all digits (a number means an id on the command line).
bool valid_upstream_name(std::string_view name);

/// Whether `text` matches `pattern`, in which `*` stands for any run of characters.
bool matches_pattern(std::string_view pattern, std::string_view text);

/// `deny` wins; an empty `allow` allows all. Entries are held against the model; those that begin with '/'
/// also against `path` (the request's, "/v1/files"), and without a model they alone count: an `allow` list
/// without such an entry then allows nothing. `model_cut`: `model` is the beginning of a longer name. `deny`
/// then holds when some name that begins so matches, `allow` when all of them do: nothing is reached by being
/// long.
bool allows(const std::vector<std::string>& allow, const std::vector<std::string>& deny,
            const std::optional<std::string>& model, std::string_view path, bool model_cut = false);

/// Gives the value behind `env:NAME` / `file:PATH` (one trailing newline dropped), or why it may or can not
/// be read. Plain values come back unchanged.
using SecretResolver = std::function<Result<std::string>(std::string_view reference)>;

/// A header of an upstream's own.
struct UpstreamHeader
{
    std::string name;
    std::string value;  ///< resolved; "": the client's is withheld
    bool secret = false;
};

/// An upstream ready for use: immutable, shared by all event loops. Everything a request needs is computed
/// here.
struct Upstream
{
    std::int64_t id = 0;
    std::string name;
    std::string endpoint_url;  ///< as written, for the record
    Endpoint endpoint;
    std::string key;    ///< resolved; empty when `asis`
    bool asis = false;  ///< passes the client's own Authorization on
    int priority = 0;
    int weight = 1;
    std::optional<Seconds> timeout;
    std::optional<Seconds> stream_timeout;
    std::vector<std::string> allow;
    std::vector<std::string> deny;
    std::map<std::string, std::string> rename;
    std::optional<int> retries;
    std::optional<Seconds> first_content_timeout;
    std::optional<Seconds> hedge_after;
    int max_in_flight = 0;
    std::vector<UpstreamHeader> headers;
    std::map<std::string, std::string> set;
    std::vector<std::string> unset;
    std::string key_header;
    std::string proxy;                   ///< its own setting, resolved
    std::optional<ProxyEndpoint> via;    ///< what its connections lead through; decided when it joins a table
    std::string proxy_authorization;     ///< for that
    PoolKey pool_key;                    ///< of its connections; given when it joins a routing table
    std::shared_ptr<Cooldown> cooldown;  ///< one per upstream and process: outlives the snapshots
    std::shared_ptr<InFlight> in_flight;        ///< likewise
    std::shared_ptr<ContentTime> content_time;  ///< likewise
};

/// What it is asked for when a client asks for `model`.
const std::string& sent_model(const Upstream& upstream, const std::string& model);

/// Whether a header value, as it stands in a definition, is for nobody to see: for its name, or as it is a
/// reference.
bool is_secret_header(std::string_view name, std::string_view value);

/// Checks and resolves a definition. The reason of a refusal names the field and what was expected, never the
/// key. A timeout of 0 is none, as in rows of v0.3.0. Whether it is enabled is the caller's question. Without
/// a `cooldown` it gets one of its own.
Result<Upstream> make_upstream(const UpstreamDefinition& definition, const SecretResolver& resolve,
                               std::shared_ptr<Cooldown> cooldown);

/// `sk-a…9xYz`; a key shorter than 16 characters, or not printable: `…`. References (`env:`, `file:`, `asis`)
/// are shown as they are.
std::string mask_key(std::string_view key);

}  // namespace route
