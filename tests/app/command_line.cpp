#include "tests/app/command_line.hpp"

#include <sstream>

#include "app/cli/cli.hpp"
#include "tests/support/catch.hpp"

namespace route::tests {

CommandLine::CommandLine()
{
    configure("");
}

Outcome CommandLine::run(const std::vector<std::string>& arguments, const std::string& input)
{
    std::vector<const char*> argv{"openai-api-route"};
    for (const auto& argument : arguments)
        argv.push_back(argument.c_str());
    std::istringstream in{input};
    std::ostringstream out;
    std::ostringstream err;
    const int code =
        cli::run(static_cast<int>(argv.size()), argv.data(), in, out, err, [&](const ServeOptions& options) {
            served = options;
            return serve_code;
        });
    return {code, out.str(), err.str()};
}

Outcome CommandLine::operator()(std::vector<std::string> arguments, const std::string& input)
{
    arguments.insert(arguments.begin(), {"--config", config_path(), "--database", database_path()});
    return run(arguments, input);
}

std::string CommandLine::ok(std::vector<std::string> arguments, const std::string& input)
{
    const auto done = (*this)(std::move(arguments), input);
    INFO(done.err);
    CHECK(done.code == 0);
    CHECK(done.err.empty());
    return done.out;
}

storage::SqliteRepository CommandLine::database() const
{
    storage::SqliteOptions options;
    options.path = database_path();
    return storage::SqliteRepository{options};
}

}  // namespace route::tests
