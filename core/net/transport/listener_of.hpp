#pragma once

#include <cstdint>
#include <string>

namespace route::net {

/// The process that listens on a TCP port of this machine, as far as this one may know (proc(5)): "NAME
/// (process 123)", or empty. Reads files: not for an event loop.
std::string listener_of(std::uint16_t port);

}  // namespace route::net
