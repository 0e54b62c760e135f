#include <iostream>

#include "app/cli/cli.hpp"
#include "app/log/log_setup.hpp"
#include "app/serve.hpp"

int main(int argc, char** argv)
{
    route::set_up_logging({});  // standard output belongs to what commands answer
    return route::cli::run(
        argc, argv, std::cin, std::cout, std::cerr,
        [&](const route::ServeOptions& options) { return route::serve(options, argv[0]); });
}
