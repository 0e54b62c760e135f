#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <set>
#include <thread>

#include "app/cli/commands.hpp"
#include "app/cli/json.hpp"
#include "app/cli/number_option.hpp"
#include "app/cli/record_options.hpp"
#include "app/cli/record_text.hpp"

namespace route::cli {
namespace {

struct TailOptions : RecordOptions
{
    bool no_follow = false;
};

RunningTable tail_table()
{
    auto titles = record_titles();
    titles.emplace_back("?ERROR");
    // What is usual, of ids, outcomes, keys, addresses, models, names of upstreams and times.
    return RunningTable{titles, {6, 24, 6, 14, 8, 13, 16, 12, 9, 6, 8, 0}};
}

/// Prints records as they come.
class Printer
{
  public:
    Printer(Session& session, const TailOptions& options) : session_{session}, options_{options} {}

    void print(const storage::StoredRecord& stored)
    {
        if (options_.json) {
            print_json(session_.out, record_json(stored, options_.bodies));
            return;
        }
        auto cells = record_cells(stored);
        cells.push_back(stored.record.error);
        table_.print_row(session_.out, std::move(cells), tone_of(stored.record));
    }

  private:
    Session& session_;
    const TailOptions& options_;
    RunningTable table_ = tail_table();
};

/// The last ones, oldest first.
std::vector<storage::StoredRecord> last_records(Session& session, const storage::RecordFilter& filter)
{
    std::vector<storage::StoredRecord> found;
    session.database().for_each_record(filter, [&](const storage::StoredRecord& stored) {
        found.push_back(stored);
        return true;
    });
    std::reverse(found.begin(), found.end());
    return found;
}

/// Which records were shown. A record's id is taken before its transaction ends, and transactions of several
/// routers end in any order: for some seconds after an id was first seen, lesser ones may still appear.
class Shown
{
  public:
    explicit Shown(std::int64_t newest) : settled_{newest} {}

    /// All that is not shown yet has an id above it.
    std::int64_t settled() const { return settled_; }

    /// False when it was before.
    bool add(std::int64_t id) { return ids_.insert(id).second; }

    /// To be called before each look, with the newest id of all: what was there `settling` ago is settled.
    void settle(std::chrono::steady_clock::time_point now, std::int64_t newest)
    {
        looks_.push_back({now, newest});
        while (looks_.front().at + settling <= now) {
            settled_ = looks_.front().newest;
            looks_.pop_front();
        }
        ids_.erase(ids_.begin(), ids_.upper_bound(settled_));
    }

  private:
    /// More than a transaction of the record writer may take.
    static constexpr std::chrono::seconds settling{3};

    struct Look
    {
        std::chrono::steady_clock::time_point at;
        std::int64_t newest;
    };

    std::int64_t settled_;
    std::set<std::int64_t> ids_;  ///< above settled_
    std::deque<Look> looks_;
};

int tail(Session& session, const TailOptions& options)
{
    auto filter = record_filter(options);
    filter.bodies = options.json && options.bodies;
    Printer printer{session, options};
    Shown shown{session.database().newest_record_id()};
    for (const auto& stored : last_records(session, filter)) {
        printer.print(stored);
        shown.add(stored.id);
    }
    filter.limit = 0;
    filter.newest_first = false;
    while (!options.no_follow && session.out.flush()) {
        std::this_thread::sleep_for(std::chrono::milliseconds{500});
        shown.settle(std::chrono::steady_clock::now(), session.database().newest_record_id());
        filter.after_id = shown.settled();
        session.database().for_each_record(filter, [&](const storage::StoredRecord& stored) {
            if (shown.add(stored.id))
                printer.print(stored);
            return session.out.good();
        });
    }
    return 0;
}

}  // namespace

void add_record_tail(Commands& record)
{
    auto& session = record.session();
    const auto options = std::make_shared<TailOptions>();
    options->limit = 10;
    auto& command = record.add("tail", "Shows the last records and follows new ones until interrupted",
                               [&session, options] { return tail(session, *options); });
    declare_filters(command, *options);
    add_limit(command, options->limit, "How many to begin with; default 10");
    command.add_flag("--no-follow", options->no_follow, "Only the last ones");
    command.add_flag("--json", options->json, "As JSON lines");
    declare_bodies(command, *options);
}

}  // namespace route::cli
