#include "app/cli/commands.hpp"
#include "app/config/config_values.hpp"

namespace route::cli {

void add_serve(Commands& commands, const std::function<int(const ServeOptions&)>& serve)
{
    auto& session = commands.session();
    auto& command = commands.add("serve", "Serves (the default command)",
                                 [&session, serve] { return serve(session.options); });
    const auto listen_address = [](const std::string& text) {
        const auto address = parse_listen(text);
        return address.has_error() ? "expected " + address.error().reason : std::string{};
    };
    command.add_option("--addr", session.options.listen, "Where to listen; wins over server.listen")
        ->type_name("HOST:PORT")
        ->check(listen_address);
    command.add_flag("--handover", session.options.handover,
                     "Start although another router listens there, which is to drain");
    command.add_flag("--noauth", session.options.noauth, "Accept requests without a client key");
}

}  // namespace route::cli
