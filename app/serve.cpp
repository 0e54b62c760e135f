#include "app/serve.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <filesystem>
#include <future>

#include "app/agreement.hpp"
#include "app/channels.hpp"
#include "app/config/config_values.hpp"
#include "app/config/message_line.hpp"
#include "app/configured_table.hpp"
#include "app/descriptor_limit.hpp"
#include "app/first_start.hpp"
#include "app/host_name.hpp"
#include "app/live_routing.hpp"
#include "app/log/log_setup.hpp"
#include "app/router_control.hpp"
#include "app/shell_text.hpp"
#include "app/signals.hpp"
#include "core/counted.hpp"
#include "core/net/server.hpp"
#include "core/text.hpp"
#include "metrics/metrics.hpp"
#include "notify/network_http.hpp"
#include "notify/notifier.hpp"
#include "storage/maker_lookup.hpp"
#include "storage/open.hpp"

namespace route {

namespace {

constexpr auto flush_bound = std::chrono::seconds{10};
constexpr auto hasty_flush_bound = std::chrono::seconds{1};
constexpr auto messages_bound = std::chrono::seconds{3};
constexpr auto parting = std::chrono::milliseconds{500};  ///< for the outbox, when a signal ends a flush
constexpr auto log_bound = std::chrono::seconds{1};       ///< whoever reads the log may not
constexpr auto poll = std::chrono::milliseconds{20};

/// How long records stay: nobody is to find out by a full disk.
std::string retention_line(const RecordSettings& records)
{
    const auto how_long = [](const std::optional<Seconds>& age) {
        return age ? "for " + format_duration(*age) : std::string{"for ever"};
    };
    auto line = fmt::format("records are kept {} (records.retention)", how_long(records.retention));
    if (records.body_retention)
        line += fmt::format(", their bodies {} (records.body_retention)", how_long(records.body_retention));
    return line;
}

bool ends(int signal)
{
    return signal == SIGTERM || signal == SIGINT;
}

std::string to_text(const net::tcp::endpoint& endpoint)
{
    const auto host = endpoint.address().is_v6() ? "[" + endpoint.address().to_string() + "]"
                                                 : endpoint.address().to_string();
    return fmt::format("{}:{}", host, endpoint.port());
}

/// The parts of the running program and how they hang together; they are taken down in the opposite order.
class Program
{
  public:
    Program(Configuration configuration, ServeOptions options, std::string program);

    /// Says why not on failure.
    Result<void> start();
    void reload();
    /// Lets requests finish and writes the records; a second signal or `server.drain` ends the former, a
    /// signal ends the latter.
    void drain(Signals& signals);

  private:
    Invalid refusal(const ConfigError& error) const;
    void take_down(bool hasty);
    storage::WriterHooks writer_hooks();
    Result<void> start_notifier();
    void set_channels(std::vector<notify::ChannelPtr> channels, const NotifySettings& settings);
    metrics::Gauges gauges();
    net::Readiness readiness() const;
    void start_control();
    std::uint64_t in_flight() const { return static_cast<std::uint64_t>(services_->in_flight.load()); }
    void say_what_is_next() const;

    Configuration configuration_;
    ServeOptions options_;
    std::string program_;
    std::string database_away_;  ///< why it could not be opened at the start; "" when it could
    std::unique_ptr<metrics::Metrics> metrics_;
    std::unique_ptr<storage::RecordWriter> writer_;
    std::unique_ptr<storage::RecordPruner> pruner_;
    std::unique_ptr<LiveRouting> routing_;
    std::unique_ptr<storage::MakerLookup> makers_;
    std::unique_ptr<net::Services> services_;
    std::unique_ptr<notify::Notifier> notifier_;
    std::unique_ptr<net::Server> server_;
    std::unique_ptr<storage::ChangeFeed> feed_;
    std::unique_ptr<RouterControl> control_;
};

Program::Program(Configuration configuration, ServeOptions options, std::string program)
    : configuration_{std::move(configuration)}, options_{std::move(options)}, program_{std::move(program)}
{
}

Result<void> Program::start()
{
    const auto& settings = configuration_.settings;
    storage::OpenedStorage opened;
    try {
        opened = storage::open_storage(settings.storage);
        if (auto made = make_what_is_missing(settings, opened); !made)
            return made;
    } catch (const storage::StorageError& error) {
        return Invalid{error.what()};
    }
    const bool environment_counts =
        settings.storage.backend == Backend::none || (!opened.repository && !opened.ever_had_upstream);
    opened.repository.reset();
    database_away_ = opened.away;
    auto routing = LiveRouting::make(settings, opened.known, environment_counts);
    if (!routing)
        return refusal(routing.error());
    routing_ = *std::move(routing);
    metrics_ = std::make_unique<metrics::Metrics>(ROUTE_VERSION, gauges());
    auto connectors = storage::connectors(settings, opened.identity);
    writer_ = std::make_unique<storage::RecordWriter>(
        std::move(connectors.records), storage::writer_options(settings, std::move(connectors.drain)),
        writer_hooks());
    pruner_ = std::make_unique<storage::RecordPruner>(std::move(connectors.pruner),
                                                      storage::pruner_options(settings));
    services_ = std::make_unique<net::Services>(*writer_);
    services_->most_clients = clients_share(raise_descriptor_limit());
    services_->node = host_name();
    if (settings.storage.backend != Backend::none) {
        makers_ = std::make_unique<storage::MakerLookup>(std::move(connectors.lookup));
        services_->find_makers = [this](const IdHashes& ids, std::chrono::steady_clock::time_point deadline) {
            return makers_->find(ids, deadline);
        };
    }
    services_->on_finished = [this](const Record& record) { metrics_->observe(record); };
    services_->on_cooldown = [this](const CooldownStart& start) {
        log_cooldown(start);
        services_->post_page([this, start] { routing_->note_cooldown(start); });
    };
    services_->on_recovered = [this](const CooldownEnd& end) {
        log_recovery(end);
        notifier_->recovered(end);
    };
    services_->metrics_text = [this] { return metrics_->text(); };
    services_->readiness = [this] { return readiness(); };
    if (auto notifier = start_notifier(); !notifier)
        return notifier;

    const auto address = listen_address(settings);
    if (!address)
        return refusal(address.error());
    const auto listening = settings.server.handover ? net::Listening::together : net::Listening::alone;
    auto server =
        net::Server::listen(*services_, routing_->current(), *address, settings.server.threads, listening);
    if (!server)
        return server.error();
    server_ = *std::move(server);
    routing_->publish_to([this](const net::RoutingTablePtr& table) { server_->set_routing(table); });
    feed_ = storage::follow(settings.storage, opened, [this](const storage::UpstreamsAndKeys& changed) {
        routing_->set_known(changed);
    });
    server_->start();
    start_control();
    say_what_is_next();
    return {};
}

Invalid Program::refusal(const ConfigError& error) const
{
    return Invalid{describe(located(error, configuration_))};
}

Result<void> Program::start_notifier()
{
    auto channels = make_channels(configuration_.settings.notify);
    if (!channels)
        return refusal(channels.error());
    notify::Notifier::Options options;
    options.node = services_->node;
    options.make_agreement = agreement_over(configuration_.settings.storage);
    options.hooks.on_result = [this](std::string_view channel, std::string_view result) {
        metrics_->notification(channel, result);
    };
    // Where they cannot be used, there is no channel.
    const auto usable = environment_proxies();
    const auto proxies = usable ? *usable : net::EnvironmentProxies{};
    options.hooks.make_http = [proxies](net::EventLoop& loop) {
        return std::make_unique<notify::NetworkHttp>(loop, proxies);
    };
    notifier_ = std::make_unique<notify::Notifier>(*services_, std::move(options));
    set_channels(*std::move(channels), configuration_.settings.notify);
    return {};
}

void Program::set_channels(std::vector<notify::ChannelPtr> channels, const NotifySettings& settings)
{
    for (const auto& channel : channels)
        metrics_->has_channel(channel->name());
    notifier_->configure(std::move(channels), std::chrono::seconds{settings.window});
}

storage::WriterHooks Program::writer_hooks()
{
    storage::WriterHooks hooks;
    hooks.on_completed = [this](const Record& record) {
        metrics_->observe_tokens(record);
        log_access(record);
        notifier_->finished(record);
    };
    hooks.on_collected = flush_access_log;
    hooks.on_written = [this](std::size_t records, Nanoseconds took) {
        metrics_->records_written(records);
        metrics_->record_write_seconds(Seconds{took}.count());
    };
    hooks.on_dropped = [this](std::size_t records) { metrics_->records_dropped(records); };
    hooks.on_rejected = [this] { metrics_->record_rejected(); };
    return hooks;
}

metrics::Gauges Program::gauges()
{
    metrics::Gauges gauges;
    gauges.requests_in_flight = [this] { return in_flight(); };
    gauges.record_queue_bytes = [this] { return writer_->queue_bytes(); };
    gauges.outbox_records = [this] { return writer_->outbox_records(); };
    // The last measure; asking the database would take its time.
    gauges.database_bytes = [this] { return pruner_->database_bytes(); };
    gauges.disk = [this]() -> std::optional<metrics::Disk> {
        const auto disk = pruner_->disk();
        return disk ? std::optional{metrics::Disk{disk->free, disk->total}} : std::nullopt;
    };
    gauges.log_lines_dropped = dropped_log_lines;
    gauges.upstreams = [this] { return routing_->upstream_states(); };
    return gauges;
}

/// For the commands on this machine.
void Program::start_control()
{
    RouterControl::Facts facts;
    facts.listen = to_text(server_->endpoint());
    facts.config = configuration_.file;
    facts.storage = configuration_.settings.storage;
    control_ = std::make_unique<RouterControl>(*routing_, *services_, gauges(), std::move(facts));
    control_->start();
}

net::Readiness Program::readiness() const
{
    if (routing_->current()->upstreams.empty())
        return {false, "no upstream is configured and enabled"};
    if (!writer_->can_keep())
        return {false, "records cannot be kept: " + writer_->degraded()};
    auto degraded = writer_->degraded();
    if (feed_ && feed_->failing())
        degraded += (degraded.empty() ? "" : "; ") +
                    std::string{"upstreams and keys cannot be read: the last known stay in force"};
    return {true, degraded.empty() ? "" : "ready; degraded: " + degraded};
}

void Program::say_what_is_next() const
{
    const auto endpoint = server_->endpoint();
    const bool tls = routing_->current()->tls_server != nullptr;
    spdlog::info("openai-api-route {} listening on {}{}", ROUTE_VERSION, to_text(endpoint),
                 tls ? " (HTTPS)" : "");
    const auto table = routing_->current();  // held: another may take its place meanwhile
    if (!table->settings.auth.enabled && !endpoint.address().is_loopback())
        spdlog::warn("authentication is off: whoever reaches {} uses the upstreams' keys", to_text(endpoint));
    if (configuration_.settings.storage.backend != Backend::none)
        spdlog::info("{}", retention_line(table->settings.records));
    if (table->settings.auth.enabled && table->keys.empty())
        spdlog::warn("there is no client key: every request is refused until `{} key add NAME` makes one",
                     program_);
    if (!table->upstreams.empty())
        return;
    if (!database_away_.empty()) {
        // There may be upstreams in it, and none can be added to it now.
        say(fmt::format(
            "\nNo upstream is known: the database cannot be used: {}\nThey are read as soon as it "
            "can.\n\n",
            message_line(database_away_)));
        return;
    }
    // Absolute, so that it works from another directory as well.
    const auto& file = configuration_.file;
    const auto config = file.empty() ? std::string{} : " --config " + shell_quoted(file);
    const bool named = file.empty() || options_.database;
    const auto& storage = configuration_.settings.storage;
    const auto place = storage.backend == Backend::postgres ? mask_url(storage.postgres) : storage.sqlite;
    const auto database = named ? " --database " + shell_quoted(place) : std::string{};
    const auto program =
        program_.find('/') == std::string::npos ? program_ : std::filesystem::absolute(program_).string();
    say(fmt::format(
        "\nNo upstream yet. Add one from another terminal; it is used within a second:\n\n"
        "    printf %s \"$OPENAI_API_KEY\" | {0} upstream add{1}{2} --name openai --sk - --endpoint "
        "https://api.openai.com/v1\n\n"
        "Then point any OpenAI client at {4}://localhost:{3}/v1\n\n",
        shell_quoted(program), config, database, endpoint.port(), tls ? "https" : "http"));
}

void Program::reload()
{
    auto loaded = load_configuration(options_);
    if (!loaded) {
        for (const auto& reason : describe(loaded.error()))
            spdlog::error("the configuration stays as it was: {}", reason);
        return;
    }
    const auto changed = restart_needed(configuration_.settings, loaded->settings);
    auto settings = loaded->settings;
    // What needs a restart stays as it is, so that the next reload names it again.
    settings.server.listen = configuration_.settings.server.listen;
    settings.server.threads = configuration_.settings.server.threads;
    settings.storage = configuration_.settings.storage;
    auto channels = make_channels(settings.notify);
    if (!channels) {
        spdlog::error("the configuration stays as it was: {}", describe(located(channels.error(), *loaded)));
        return;
    }
    if (const auto set = routing_->set_settings(settings); !set) {
        spdlog::error("the configuration stays as it was: {}", describe(located(set.error(), *loaded)));
        return;
    }
    configuration_.settings = settings;
    writer_->configure(settings.records);
    pruner_->configure(settings.records);
    set_channels(*std::move(channels), settings.notify);
    set_up_logging(settings.log);
    spdlog::info("the configuration was read again");
    for (const auto& key : changed)
        spdlog::warn("{} changed: that takes effect after a restart", key);
}

void Program::drain(Signals& signals)
{
    server_->drain();
    control_->leave();
    spdlog::info("shutting down: {} in flight", counted(in_flight(), "request"));
    const auto bound =
        std::chrono::duration_cast<std::chrono::steady_clock::duration>(configuration_.settings.server.drain);
    const auto limit = std::chrono::steady_clock::now() + bound;
    bool hasty = false;
    while (!server_->drained() && !hasty)
        hasty = ends(signals.wait(poll)) || std::chrono::steady_clock::now() >= limit;
    if (hasty)
        spdlog::warn("{} did not finish", counted(in_flight(), "request"));
    auto down = std::async(std::launch::async, [this, hasty] { take_down(hasty); });
    while (down.wait_for(std::chrono::seconds{0}) != std::future_status::ready) {
        if (!ends(signals.wait(poll)))
            continue;
        spdlog::warn("a signal ends it at once: {} bytes of records are not in the database yet",
                     writer_->queue_bytes());
        writer_->hurry();
        if (down.wait_for(parting) != std::future_status::ready) {
            flush_log(parting);
            std::_Exit(EXIT_FAILURE);
        }
    }
    down.get();
    spdlog::info("stopped");
}

/// Records first: a look-up of a name may take longer than anybody waits, as may connecting to a database
/// that is away, and nothing depends on these any more.
void Program::take_down(bool hasty)
{
    server_->stop();
    server_->join();
    writer_->stop(std::chrono::steady_clock::now() + (hasty ? hasty_flush_bound : flush_bound));
    notifier_->stop(std::chrono::steady_clock::now() + (hasty ? hasty_flush_bound : messages_bound));
    pruner_->stop();
    if (feed_)
        feed_->stop();
    services_->pages.join();
    services_->bodies.join();
    services_->lookups.join();
    control_->stop();
}

/// Until a signal ends it; says why it could not begin, in one line or several.
Result<void> serve(const ServeOptions& options, const std::string& program, Signals& signals)
{
    auto configuration = load_configuration(options);
    const auto errors = configuration ? check_for_serving(*configuration) : configuration.error();
    if (!errors.empty())
        return Invalid{fmt::format("{}", fmt::join(describe(errors), "\nopenai-api-route: "))};
    set_up_logging(configuration->settings.log);
    Program running{*std::move(configuration), options, program};
    if (auto started = running.start(); !started)
        return started;
    while (signals.wait() == SIGHUP)
        running.reload();
    running.drain(signals);
    return {};
}

/// By way of the log's thread, what is thrown as well: standard error may be a pipe that nobody reads.
bool serve_or_say_why(const ServeOptions& options, const std::string& program, Signals& signals)
{
    std::string why;
    try {
        const auto served = serve(options, program, signals);
        if (served)
            return true;
        why = served.error().reason;
    } catch (const std::exception& error) {
        why = escape_for_log(error.what(), 1024);
    }
    say("openai-api-route: " + why + "\n");
    return false;
}

}  // namespace

int serve(const ServeOptions& options, const std::string& program)
{
    std::signal(SIGPIPE, SIG_IGN);
    // Before any thread is made: all of them leave these signals to this one.
    Signals signals{SIGTERM, SIGINT, SIGHUP};
    start_log_thread();
    const auto served = serve_or_say_why(options, program, signals);
    flush_log(log_bound);
    return served ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace route
