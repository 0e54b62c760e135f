#pragma once

#include <memory>

#include "storage/change_poller.hpp"
#include "storage/postgres/postgres_repository.hpp"

namespace route::storage {

struct PostgresIntervals
{
    std::chrono::milliseconds listening{5'000};
    std::chrono::milliseconds polling{400};
    std::chrono::milliseconds retry{500};  ///< while the database is away
};

/// LISTENs on a connection of its own and re-reads both tables when something comes, and now and then: a
/// trigger can be switched off, and a connection can die without a word. Through a pooler, where a LISTEN
/// would get lost, it reads them several times a second.
class PostgresChanges final : public ChangeSource
{
  public:
    explicit PostgresChanges(PostgresOptions options, PostgresIntervals intervals = {});
    ~PostgresChanges() override;

    std::optional<UpstreamsAndKeys> look() override;
    void close() override;
    void wait(int stop) override;

  private:
    PostgresOptions options_;
    PostgresIntervals intervals_;
    std::unique_ptr<PostgresRepository> repository_;
    std::unique_ptr<Listener> listener_;  ///< on the repository's connection; null when that is pooled
};

}  // namespace route::storage
