#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <pqxx/pqxx>
#include <string>
#include <string_view>
#include <vector>

namespace route::storage {

// What differs between libpqxx 6 (Debian 12) and 7 (Debian 13), and nothing else.

/// The parameters of a statement, $1, $2, …: first the texts, then the binaries.
class Parameters
{
  public:
    Parameters& text(std::string value)
    {
        texts_.emplace_back(std::move(value));
        return *this;
    }

    /// NULL when there is none.
    Parameters& text(std::optional<std::string> value)
    {
        texts_.push_back(std::move(value));
        return *this;
    }

    /// In PostgreSQL's binary format. `bytes` must live until it is executed.
    Parameters& binary(std::string_view bytes)
    {
        binaries_.push_back(bytes);
        return *this;
    }

    /// The placeholder of the text that was added last.
    std::string last() const { return "$" + std::to_string(texts_.size()); }

    pqxx::result execute(pqxx::transaction_base& transaction, const std::string& sql) const
    {
#if PQXX_VERSION_MAJOR < 7
        std::vector<const char*> texts;
        texts.reserve(texts_.size());
        for (const auto& text : texts_)
            texts.push_back(text ? text->c_str() : nullptr);
        std::vector<pqxx::binarystring> binaries;
        binaries.reserve(binaries_.size());
        for (const auto& bytes : binaries_)
            binaries.emplace_back(bytes.data(), bytes.size());
        return transaction.exec_params(sql, pqxx::prepare::make_dynamic_params(texts),
                                       pqxx::prepare::make_dynamic_params(binaries));
#else
        pqxx::params all;
        for (const auto& text : texts_)
            all.append(text);
        for (const auto& bytes : binaries_)
            all.append(pqxx::bytes_view{reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()});
        return transaction.exec(sql, all);
#endif
    }

  private:
    std::vector<std::optional<std::string>> texts_;
    std::vector<std::string_view> binaries_;
};

/// Connects, and never again behind the caller's back; what the server notices is not printed, and its errors
/// come without their details, which tell values of columns, keys among them.
class QuietConnection
{
  public:
    explicit QuietConnection(const std::string& parameters) : connection_{parameters}
    {
#if PQXX_VERSION_MAJOR < 7
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
        connection_.inhibit_reactivation(true);
#pragma GCC diagnostic pop
        quiet_ = std::make_unique<pqxx::quiet_errorhandler>(connection_);
        connection_.set_verbosity(pqxx::connection_base::terse);
#else
        connection_.set_notice_handler([](pqxx::zview) noexcept {});
        connection_.set_verbosity(pqxx::error_verbosity::terse);
#endif
    }

    pqxx::connection& get() { return connection_; }

  private:
    pqxx::connection connection_;
#if PQXX_VERSION_MAJOR < 7
    std::unique_ptr<pqxx::quiet_errorhandler> quiet_;  // before the connection it belongs to
#endif
};

/// LISTENs on a channel and remembers whether something came; comes in with get_notifs().
class Listener
{
  public:
    Listener(pqxx::connection& connection, const std::string& channel)
#if PQXX_VERSION_MAJOR < 7
        : receiver_{connection, channel, *this}
    {
    }
#else
    {
        connection.listen(channel, [this](pqxx::notification) { notified_ = true; });
    }
#endif
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    bool take_notified() { return std::exchange(notified_, false); }

  private:
#if PQXX_VERSION_MAJOR < 7
    class Receiver final : public pqxx::notification_receiver
    {
      public:
        Receiver(pqxx::connection& connection, const std::string& channel, Listener& listener)
            : pqxx::notification_receiver{connection, channel}, listener_{listener}
        {
        }
        void operator()(const std::string&, int) override { listener_.notified_ = true; }

      private:
        Listener& listener_;
    };
#endif

    bool notified_ = false;
#if PQXX_VERSION_MAJOR < 7
    Receiver receiver_;
#endif
};

}  // namespace route::storage
