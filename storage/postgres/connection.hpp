#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "storage/postgres/pqxx.hpp"
#include "storage/postgres/watchdog.hpp"
#include "storage/repository.hpp"
#include "storage/schema_identity.hpp"

namespace route::storage {

struct PostgresOptions
{
    using Milliseconds = std::chrono::milliseconds;

    /// As the configuration has it: libpq's own syntax, several hosts included
    /// (postgresql.org/docs/current/libpq-connect.html).
    std::string url;
    /// Longest a transaction may take, the answer of a server that is frozen or gone included; 0: no bound.
    /// Connecting has the URL's connect_timeout, else three seconds a host.
    Milliseconds operation_timeout{0};
    /// The same while the schema is made or migrated, which another router may be doing.
    Milliseconds migration_timeout{10'000};
    /// False: a database without the tables is `unavailable`; older ones are migrated all the same.
    bool make = true;
    /// Set by the first connection; one to another database than that is `unavailable`. May be null.
    std::shared_ptr<SchemaIdentity> identity = {};
};

/// Somebody else has what was wanted, and the connection is as good as before.
class LockNotAvailable : public StorageError
{
  public:
    using StorageError::StorageError;
};

/// What libpqxx reported, as a StorageError in one line, without the values of columns; `unique` is the kind
/// of a violated unique key.
StorageError storage_error(const std::exception& error, StorageError::Kind unique);

/// The parameters for libpq: the URL's, and for what it leaves open what a router wants. Throws StorageError.
std::string connection_parameters(const std::string& url);

/// One connection and what bounds its waits. One thread at a time. After an `unavailable` it is of no use any
/// more: make another.
class PostgresConnection
{
  public:
    /// Connects. Throws StorageError.
    explicit PostgresConnection(const std::string& url);
    ~PostgresConnection();

    /// Runs `function(pqxx::work&)` in a transaction and commits it, all within `bound` (0: no bound), on the
    /// server's side too. What goes wrong comes out as a StorageError.
    template <class F>
    auto transact(std::chrono::milliseconds bound, F&& function,
                  StorageError::Kind unique = StorageError::Kind::rejected)
    {
        const Bounded bounded{*this, bound};
        try {
            pqxx::work work{get()};
            begin(work, bound);
            if constexpr (std::is_void_v<decltype(function(work))>) {
                std::forward<F>(function)(work);
                work.commit();
            } else {
                auto result = std::forward<F>(function)(work);
                work.commit();
                return result;
            }
        } catch (const StorageError&) {
            throw;
        } catch (const std::exception& error) {
            fail(error, bound, unique);
        }
    }

    /// Begins to listen for notifications. Throws StorageError.
    std::unique_ptr<Listener> listen(const std::string& channel, std::chrono::milliseconds bound);
    /// Ends the connection without a word. Before a listener goes: it would take its leave and wait for the
    /// answer.
    void abandon() { watchdog_.bite(); }
    /// Takes in what has come, without waiting. Throws StorageError when the connection has ended.
    void take_notifications();
    int socket();

    /// Whether the server is not the one that was connected to: a pooler is in between, and what a session is
    /// given (LISTEN) may be lost with the transaction.
    bool pooled() const { return pooled_; }

    pqxx::connection& get() { return connection_->get(); }

  private:
    class Bounded
    {
      public:
        Bounded(PostgresConnection& connection, std::chrono::milliseconds bound) : connection_{connection}
        {
            if (bound.count() > 0)
                connection_.watchdog_.arm(bound);
        }
        ~Bounded() { connection_.watchdog_.disarm(); }
        Bounded(const Bounded&) = delete;
        Bounded& operator=(const Bounded&) = delete;

      private:
        PostgresConnection& connection_;
    };

    void begin(pqxx::work& work, std::chrono::milliseconds bound);
    [[noreturn]] void fail(const std::exception& error, std::chrono::milliseconds bound,
                           StorageError::Kind unique);

    std::unique_ptr<QuietConnection> connection_;
    Watchdog watchdog_;
    bool pooled_ = false;
};

}  // namespace route::storage
