#include <fmt/format.h>

#include "storage/conflicts.hpp"
#include "storage/postgres/migrations.hpp"
#include "storage/postgres/postgres_repository.hpp"
#include "storage/upstream_columns.hpp"

namespace route::storage {

namespace {

using Kind = StorageError::Kind;

template <class T>
T value_or(const pqxx::field& field, T otherwise)
{
    return field.is_null() ? std::move(otherwise) : field.as<T>();
}

/// NULL and, as in v0.3.0, 0 mean the default.
std::optional<Seconds> seconds_of(const pqxx::field& field)
{
    if (field.is_null() || !(field.as<double>() > 0))
        return {};
    return Seconds{field.as<double>()};
}

std::optional<Seconds> seconds_or_zero(const pqxx::field& field)
{
    return field.is_null() ? std::nullopt : std::optional{Seconds{field.as<double>()}};
}

UpstreamDefinition read_upstream(const pqxx::row& row)
{
    UpstreamDefinition definition;
    definition.id = row[0].as<std::int64_t>();
    definition.name = value_or(row[1], std::string{});
    definition.sk = value_or(row[2], std::string{});
    definition.endpoint = value_or(row[3], definition.endpoint);
    definition.priority = value_or(row[4], 0);
    definition.weight = value_or(row[5], 1);
    definition.timeout = seconds_of(row[6]);
    definition.stream_timeout = seconds_of(row[7]);
    read_json_column(definition, "allow", value_or(row[8], std::string{}));
    read_json_column(definition, "deny", value_or(row[9], std::string{}));
    read_json_column(definition, "rename", value_or(row[10], std::string{}));
    definition.proxy = value_or(row[11], std::string{});
    definition.enabled = value_or(row[12], true);
    if (!row[13].is_null())
        definition.retries = row[13].as<int>();
    definition.first_content_timeout = seconds_or_zero(row[14]);
    definition.hedge_after = seconds_or_zero(row[15]);
    definition.max_in_flight = value_or(row[16], 0);
    read_json_column(definition, "headers", value_or(row[17], std::string{}));
    read_json_column(definition, "set", value_or(row[18], std::string{}));
    read_json_column(definition, "unset", value_or(row[19], std::string{}));
    definition.key_header = value_or(row[20], std::string{});
    return definition;
}

std::optional<std::string> text_of(const std::optional<Seconds>& seconds)
{
    return seconds ? std::optional{fmt::format("{}", seconds->count())} : std::nullopt;
}

Parameters columns_of(const UpstreamDefinition& definition)
{
    Parameters columns;
    columns.text(definition.name.empty() ? std::nullopt : std::optional{definition.name});
    columns.text(definition.sk).text(definition.endpoint);
    columns.text(std::to_string(definition.priority)).text(std::to_string(definition.weight));
    columns.text(text_of(definition.timeout)).text(text_of(definition.stream_timeout));
    columns.text(json_column(definition, "allow")).text(json_column(definition, "deny"));
    columns.text(json_column(definition, "rename")).text(definition.proxy);
    columns.text(std::string{definition.enabled ? "true" : "false"});
    columns.text(definition.retries ? std::optional{std::to_string(*definition.retries)} : std::nullopt);
    columns.text(text_of(definition.first_content_timeout)).text(text_of(definition.hedge_after));
    columns.text(std::to_string(definition.max_in_flight)).text(json_column(definition, "headers"));
    columns.text(json_column(definition, "set")).text(json_column(definition, "unset"));
    columns.text(definition.key_header);
    return columns;
}

std::int64_t add_row(pqxx::transaction_base& transaction, const UpstreamDefinition& definition)
{
    const auto added =
        columns_of(definition)
            .execute(transaction,
                     "INSERT INTO openai_upstreams (name, sk, endpoint, priority, weight, timeout,"
                     " stream_timeout, allow, deny, rename, proxy, enabled, retries, first_content_timeout,"
                     " hedge_after, max_in_flight, headers, \"set\", unset, key_header)"
                     " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,"
                     " $18, $19, $20) RETURNING id");
    return added[0][0].as<std::int64_t>();
}

/// False when the row is not there or `condition` does not hold for it.
bool update_row(pqxx::transaction_base& transaction, const UpstreamDefinition& definition,
                const char* condition)
{
    const auto updated =
        columns_of(definition)
            .text(std::to_string(definition.id))
            .execute(
                transaction,
                fmt::format(
                    "UPDATE openai_upstreams SET name = $1, sk = $2, endpoint = $3, priority = $4,"
                    " weight = $5, timeout = $6, stream_timeout = $7, allow = $8, deny = $9, rename = $10,"
                    " proxy = $11, enabled = $12, retries = $13, first_content_timeout = $14,"
                    " hedge_after = $15, max_in_flight = $16, headers = $17, \"set\" = $18, unset = $19,"
                    " key_header = $20, updated_at = now(), deleted_at = NULL WHERE id = $21 AND {}",
                    condition));
    return updated.affected_rows() > 0;
}

/// Removed ones count.
bool has_had_upstream(pqxx::transaction_base& transaction)
{
    return transaction.exec("SELECT EXISTS (SELECT 1 FROM openai_upstreams)")[0][0].as<bool>();
}

/// Says which of the two unique keys is taken.
template <class F>
auto naming_conflicts(const UpstreamDefinition& definition, F&& function)
{
    try {
        return std::forward<F>(function)();
    } catch (const pqxx::unique_violation& error) {
        if (std::string_view{error.what()}.find("openai_upstreams_name") != std::string_view::npos)
            throw upstream_name_taken(definition.name);
        throw upstream_taken();
    }
}

}  // namespace

std::vector<UpstreamDefinition> PostgresRepository::upstreams()
{
    return transact([&](pqxx::work& work) {
        std::vector<UpstreamDefinition> found;
        for (const auto& row : work.exec("SELECT id, name, sk, endpoint, priority, weight, timeout, "
                                         "stream_timeout, allow, deny, rename,"
                                         " proxy, enabled, retries, first_content_timeout, hedge_after,"
                                         " max_in_flight, headers, \"set\", unset, key_header FROM "
                                         "openai_upstreams WHERE deleted_at IS NULL"
                                         " ORDER BY coalesce(priority, 0), id"))
            found.push_back(read_upstream(row));
        return found;
    });
}

bool PostgresRepository::ever_had_upstream()
{
    return transact([](pqxx::work& work) { return has_had_upstream(work); });
}

bool PostgresRepository::add_first_upstream(const UpstreamDefinition& definition)
{
    return transact([&](pqxx::work& work) {
        // Looked at without the lock first: a start with upstreams does not depend on it.
        if (has_had_upstream(work))
            return false;
        postgres::lock_schema(work);
        if (has_had_upstream(work))
            return false;
        add_row(work, definition);
        return true;
    });
}

std::int64_t PostgresRepository::add_upstream(const UpstreamDefinition& definition)
{
    return transact([&](pqxx::work& work) {
        return naming_conflicts(definition, [&] { return add_row(work, definition); });
    });
}

bool PostgresRepository::update_upstream(const UpstreamDefinition& definition)
{
    return transact([&](pqxx::work& work) {
        return naming_conflicts(definition,
                                [&] { return update_row(work, definition, "deleted_at IS NULL"); });
    });
}

std::vector<std::int64_t> PostgresRepository::write_upstreams(
    const std::vector<UpstreamDefinition>& definitions)
{
    return transact([&](pqxx::work& work) {
        // They may exchange names or keys: to the unique indexes none of them is there until it is written.
        constexpr auto hidden = "deleted_at = '-infinity'";
        for (const auto& definition : definitions) {
            const auto hide = Parameters{}
                                  .text(std::to_string(definition.id))
                                  .execute(work, fmt::format("UPDATE openai_upstreams SET {} WHERE id = $1"
                                                             " AND deleted_at IS NULL",
                                                             hidden));
            if (hide.affected_rows() == 0 && definition.id != 0)
                throw upstream_gone(definition.id);
        }
        std::vector<std::int64_t> ids;
        ids.reserve(definitions.size());
        for (const auto& definition : definitions)
            ids.push_back(naming_conflicts(definition, [&] {
                if (definition.id == 0)
                    return add_row(work, definition);
                update_row(work, definition, hidden);
                return definition.id;
            }));
        return ids;
    });
}

bool PostgresRepository::remove_upstream(std::int64_t id)
{
    return transact([&](pqxx::work& work) {
        return Parameters{}
                   .text(std::to_string(id))
                   .execute(
                       work,
                       "UPDATE openai_upstreams SET sk = '', proxy = '', headers = NULL, deleted_at = now()"
                       " WHERE id = $1 AND deleted_at IS NULL")
                   .affected_rows() > 0;
    });
}

}  // namespace route::storage
