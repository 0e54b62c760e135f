#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/record.hpp"

namespace route::storage {

/// A one-dimensional array in PostgreSQL's binary format, to be given to unnest(): nothing has to be escaped
/// by us and parsed by the server. (array_recv() in its src/backend/utils/adt/arrayfuncs.c.)
class BinaryArray
{
  public:
    /// Type OIDs (src/include/catalog/pg_type.dat).
    enum class Element : std::uint32_t
    {
        boolean = 16,
        bytea = 17,
        bigint = 20,
        text = 25,
        timestamptz = 1184,
        uuid = 2950
    };

    explicit BinaryArray(Element element);

    /// Also the bytes of a `bytea`.
    void text(std::string_view value);
    void number(std::int64_t value);
    void boolean(bool value);
    void time(SystemTime value);
    /// False, and nothing is added, when it is none.
    bool uuid(std::string_view value);
    void null();

    /// The array so far. Valid until it changes.
    std::string_view bytes();

    /// Empties it; keeps its memory.
    void clear();

  private:
    void big_endian(std::uint64_t value, int bytes);

    Element element_;
    std::string bytes_;
    std::uint32_t size_ = 0;
    bool has_null_ = false;
};

}  // namespace route::storage
