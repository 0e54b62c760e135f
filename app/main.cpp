#include <iostream>

#include "app/cli/cli.hpp"
#include "app/serve.hpp"

int main(int argc, char** argv)
{
    return route::cli::run(
        argc, argv, std::cin, std::cout, std::cerr,
        [&](const route::ServeOptions& options) { return route::serve(options, argv[0]); });
}
