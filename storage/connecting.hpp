#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "storage/any_repository.hpp"

namespace route::storage {

/// The database could not be opened for an operation: that says nothing of the operation.
class NotOpened : public StorageError
{
  public:
    explicit NotOpened(const std::string& why) : StorageError{Kind::unavailable, why} {}
};

/// Others were at work with the connection for as long as could be waited: nothing is wrong with the
/// database.
class NotItsTurn final : public NotOpened
{
  public:
    using NotOpened::NotOpened;
};

/// Opens the database; throws StorageError, within a few seconds.
using Connector = std::function<std::unique_ptr<RecordStore>()>;

/// One try to open the database, on a thread of its own: a host that does not answer takes long, and records
/// wait a second at most.
class Connecting
{
  public:
    /// `when_done` is called on that thread.
    Connecting(Connector connector, std::function<void()> when_done)
        : thread_{[this, connect = std::move(connector), tell = std::move(when_done)] {
              try {
                  store_ = connect();
              } catch (...) {
                  error_ = std::current_exception();
              }
              done_ = true;
              tell();
          }}
    {
    }

    bool done() const { return done_; }

    /// Once it is done: the database, or what was thrown.
    std::unique_ptr<RecordStore> result()
    {
        thread_.join();
        if (error_)
            std::rethrow_exception(error_);
        return std::move(store_);
    }

  private:
    std::unique_ptr<RecordStore> store_;
    std::exception_ptr error_;
    std::atomic<bool> done_{false};
    std::jthread thread_;  // last: it uses the others
};

}  // namespace route::storage
