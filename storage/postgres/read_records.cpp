#include <fmt/format.h>

#include <algorithm>

#include "storage/postgres/binary_array.hpp"
#include "storage/postgres/postgres_repository.hpp"
#include "storage/postgres/record_rows.hpp"
#include "storage/request_ids.hpp"

namespace route::storage {

using namespace postgres;

namespace {

/// So many rows at once: libpq holds the answer whole, and a body may be half a megabyte.
constexpr std::size_t page_with_bodies = 100;
constexpr std::size_t page_without_bodies = 1000;

/// By request_id, which is by time; those after an id in the order in which they were stored.
std::string order(const RecordFilter& filter)
{
    if (filter.after_id > 0)
        return " ORDER BY id";
    return filter.newest_first ? " ORDER BY request_id DESC" : " ORDER BY request_id";
}

/// The first rows, up to the one with which their bodies reach `bytes`: libpq holds the answer whole.
/// (octet_length() reads no body.)
std::string page_within(std::size_t bytes, const std::string& where, const std::string& order,
                        std::size_t rows)
{
    return fmt::format(
        "SELECT {0} FROM (SELECT *, sum(own) OVER ({2} ROWS UNBOUNDED PRECEDING) - own AS held FROM"
        " (SELECT *, coalesce(octet_length(body), 0)::bigint + coalesce(octet_length(response), 0) AS own"
        " FROM records{1}{2} LIMIT {3}) page) sized WHERE held < {4}{2}",
        record_columns(true), where, order, rows, bytes);
}

}  // namespace

void PostgresRepository::for_each_record(const RecordFilter& filter,
                                         const std::function<bool(const StoredRecord&)>& visit)
{
    const auto page = filter.bodies ? page_with_bodies : page_without_bodies;
    std::optional<StoredRecord> last;
    // Page by page, each a transaction: nothing holds the server while the visitor takes its time.
    for (std::size_t visited = 0;;) {
        FilterSql conditions{filter};
        if (last)
            conditions.behind(filter, *last);
        const auto rows = filter.limit == 0 ? page : std::min(page, filter.limit - visited);
        const auto found = transact([&](pqxx::work& work) {
            return conditions.parameters().execute(
                work, fmt::format("SELECT {} FROM records{}{} LIMIT {}", record_columns(filter.bodies),
                                  conditions.where(), order(filter), rows));
        });
        for (const auto& row : found) {
            last = read_record(row);
            if (!visit(*last))
                return;
        }
        visited += static_cast<std::size_t>(found.size());
        if (static_cast<std::size_t>(found.size()) < rows || visited == filter.limit)
            return;
    }
}

std::optional<StoredRecord> PostgresRepository::find_record(const std::string& id)
{
    const auto number = record_number(id);
    if (!number && !is_uuid(id))
        return {};
    return transact([&](pqxx::work& work) -> std::optional<StoredRecord> {
        const auto rows = Parameters{}.text(id).execute(
            work, fmt::format("SELECT {} FROM records WHERE {} LIMIT 1", record_columns(true),
                              number ? "id = $1::bigint" : "request_id = $1::uuid"));
        if (rows.empty())
            return {};
        auto found = read_record(rows[0]);
        std::vector<Record> one{std::move(found.record)};
        read_attempts(work, one);
        found.record = std::move(one.front());
        return found;
    });
}

std::int64_t PostgresRepository::newest_record_id()
{
    return transact([](pqxx::work& work) {
        return work.exec("SELECT coalesce(max(id), 0) FROM records")[0][0].as<std::int64_t>();
    });
}

std::vector<MadeBy> PostgresRepository::makers_of(std::span<const IdHash> ids,
                                                  std::chrono::milliseconds bound)
{
    BinaryArray wanted{BinaryArray::Element::bytea};
    for (const auto& id : ids)
        wanted.text({reinterpret_cast<const char*>(id.data()), id.size()});
    Parameters parameters;
    parameters.binary(wanted.bytes());
    if (bound.count() == 0)
        bound = options_.operation_timeout;
    return connection_->transact(bound, [&](pqxx::work& work) {
        std::vector<MadeBy> known;
        for (const auto& row : parameters.execute(work,
                                                  "SELECT encode(id_hash, 'hex'), upstream_name FROM made_by "
                                                  "WHERE id_hash = ANY ($1::bytea[])")) {
            MadeBy made{};
            if (from_hex(row[0].c_str(), made.id)) {
                made.upstream_name = row[1].c_str();
                known.push_back(std::move(made));
            }
        }
        return known;
    });
}

std::vector<Record> PostgresRepository::records_after(const std::string& request_id, std::size_t rows,
                                                      std::size_t bytes)
{
    std::vector<Record> found;
    std::size_t held = 0;
    RecordFilter filter;
    filter.newest_first = false;
    StoredRecord position;
    position.record.request_id = request_id.empty() ? least_request_id({}) : request_id;
    transact([&](pqxx::work& work) {
        while (found.size() < rows && held < bytes) {
            FilterSql conditions{filter};
            conditions.behind(filter, position);
            const auto limit = std::min(page_with_bodies, rows - found.size());
            const auto page = conditions.parameters().execute(
                work, page_within(bytes - held, conditions.where(), order(filter), limit));
            for (const auto& row : page) {
                found.push_back(read_record(row).record);
                held += found.back().body.size() + found.back().response.size();
            }
            if (page.empty())
                break;
            position.record.request_id = found.back().request_id;
        }
        read_attempts(work, found);
        read_made_ids(work, found);
    });
    return found;
}

}  // namespace route::storage
