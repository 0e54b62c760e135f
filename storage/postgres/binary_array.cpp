#include "storage/postgres/binary_array.hpp"

#include "storage/request_ids.hpp"

namespace route::storage {

namespace {

constexpr std::size_t header = 5 * sizeof(std::uint32_t);

unsigned digit(char c)
{
    if (c >= '0' && c <= '9')
        return static_cast<unsigned>(c - '0');
    return static_cast<unsigned>((c | 0x20) - 'a' + 10);
}

}  // namespace

BinaryArray::BinaryArray(Element element) : element_{element}
{
    clear();
}

void BinaryArray::text(std::string_view value)
{
    big_endian(value.size(), 4);
    bytes_.append(value);
    ++size_;
}

void BinaryArray::number(std::int64_t value)
{
    big_endian(8, 4);
    big_endian(static_cast<std::uint64_t>(value), 8);
    ++size_;
}

void BinaryArray::boolean(bool value)
{
    big_endian(1, 4);
    big_endian(value ? 1 : 0, 1);
    ++size_;
}

void BinaryArray::time(SystemTime value)
{
    // Microseconds since 2000-01-01 UTC.
    constexpr std::chrono::sys_days epoch{std::chrono::year{2000} / 1 / 1};
    number(std::chrono::floor<std::chrono::microseconds>(value - epoch).count());
}

bool BinaryArray::uuid(std::string_view value)
{
    if (!is_uuid(value))
        return false;
    big_endian(16, 4);
    for (std::size_t i = 0; i < value.size();) {
        if (value[i] == '-') {
            ++i;
            continue;
        }
        bytes_ += static_cast<char>(digit(value[i]) << 4 | digit(value[i + 1]));
        i += 2;
    }
    ++size_;
    return true;
}

void BinaryArray::null()
{
    big_endian(0xffffffffu, 4);
    has_null_ = true;
    ++size_;
}

std::string_view BinaryArray::bytes()
{
    std::string elements;
    elements.swap(bytes_);
    big_endian(1, 4);  // dimensions
    big_endian(has_null_ ? 1 : 0, 4);
    big_endian(static_cast<std::uint64_t>(element_), 4);
    big_endian(size_, 4);
    big_endian(1, 4);  // the index of the first
    elements.replace(0, header, bytes_);
    bytes_.swap(elements);
    return bytes_;
}

void BinaryArray::clear()
{
    bytes_.assign(header, '\0');
    size_ = 0;
    has_null_ = false;
}

void BinaryArray::big_endian(std::uint64_t value, int bytes)
{
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
        bytes_ += static_cast<char>(value >> shift & 0xff);
}

}  // namespace route::storage
