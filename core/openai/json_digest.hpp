#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace route {

/// A JSON object of any size, given piece by piece, reduced to the members that replies are read from, so
/// that it can be read like a small one. Lone surrogates in it are mended, bytes that are no UTF-8 stay. Flat
/// memory: it keeps about `max_text` bytes of strings, and what lies behind that as far as it is small, so
/// that neither token counts nor a finish reason are lost.
class JsonDigest
{
  public:
    explicit JsonDigest(std::size_t max_text);
    ~JsonDigest();
    JsonDigest(JsonDigest&&) noexcept;
    JsonDigest& operator=(JsonDigest&&) noexcept;

    void write(std::string_view piece);

    /// Whether it was one object, whole, with nothing but blanks behind it.
    bool whole() const;
    /// Whether something that replies are read from had no room.
    bool cut() const;

    /// The digest, a JSON object even where what it was made from broke off; "" when that was no object. To
    /// be called once, at the end.
    std::string take();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace route
