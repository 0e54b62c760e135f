#include "app/cli/session.hpp"

#include "app/config/message_line.hpp"
#include "storage/open.hpp"

namespace route::cli {

void fail(const std::string& message)
{
    throw CommandError{1, message};
}

void fail(const ConfigErrors& errors)
{
    throw CommandError{1, describe(errors)};
}

void wrong_usage(const std::string& message)
{
    throw CommandError{2, message};
}

const Configuration& Session::configuration()
{
    if (!configuration_) {
        auto loaded = load_configuration(options);
        if (loaded.has_error())
            fail(loaded.error());
        configuration_ = *std::move(loaded);
    }
    return *configuration_;
}

bool Session::has_database()
{
    return configuration().settings.storage.backend != Backend::none;
}

storage::AnyRepository& Session::database()
{
    return open(false);
}

storage::AnyRepository& Session::database_to_begin()
{
    return open(true);
}

storage::AnyRepository& Session::open(bool make)
{
    if (!has_database())
        fail(R"(this needs a database, and storage.backend is "none": name one with --database)");
    if (!database_)
        database_ = storage::open_repository(configuration().settings.storage, make);
    return *database_;
}

void Session::warn(const std::string& message)
{
    err << "openai-api-route: warning: " << message_line(message) << '\n';
}

std::string Session::read_secret()
{
    constexpr std::size_t longest = 64u << 10;
    std::string secret;
    for (char c = 0; secret.size() <= longest && in.get(c);)
        secret.push_back(c);
    if (secret.ends_with('\n'))
        secret.pop_back();
    if (secret.ends_with('\r'))
        secret.pop_back();
    if (secret.empty())
        fail("no secret on standard input");
    if (secret.size() > longest || secret.find('\n') != std::string::npos)
        fail("expected one secret of one line on standard input");
    return secret;
}

}  // namespace route::cli
