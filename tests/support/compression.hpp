#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace route::test {

enum class Format
{
    gzip,
    zlib,
    bare_deflate,
    zstd,
    brotli
};

std::string compressed(Format format, std::string_view text);

/// One compressed body in as many pieces as it is given, each of which can be read when it has come.
std::vector<std::string> compressed_pieces(Format format, const std::vector<std::string>& pieces);

}  // namespace route::test
