#include "core/http/message_inflater.hpp"

#include <algorithm>
#include <limits>

namespace route {

MessageInflater::~MessageInflater()
{
    if (usable_)
        inflateEnd(&stream_);
}

void MessageInflater::begin_message(bool alone)
{
    if (alone)
        usable_ = usable_ && inflateReset(&stream_) == Z_OK;
    at_beginning_ = true;
    more_ = false;
}

bool MessageInflater::step(std::string_view& bytes, std::size_t room, std::string_view& produced)
{
    const auto size = std::min<std::size_t>(bytes.size(), std::numeric_limits<uInt>::max());
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(size);
    stream_.next_out = reinterpret_cast<Bytef*>(room_.data());
    stream_.avail_out = static_cast<uInt>(std::min(room, room_.size()));
    const auto free = stream_.avail_out;
    int result = Z_OK;
    for (;;) {
        const auto left = stream_.avail_in;
        result = inflate(&stream_, Z_NO_FLUSH);
        at_beginning_ = at_beginning_ && stream_.avail_in == left;
        more_ = stream_.avail_out == 0;
        if (result != Z_STREAM_END)
            break;
        // Behind a last block others follow, and refer to what came before it (RFC 7692 7.2.3.4).
        at_beginning_ = true;
        more_ = false;
        result = inflateResetKeep(&stream_);
        if (result != Z_OK || stream_.avail_in == 0 || stream_.avail_out == 0)
            break;
    }
    bytes.remove_prefix(size - stream_.avail_in);
    produced = {room_.data(), free - stream_.avail_out};
    return result == Z_OK || result == Z_BUF_ERROR;  // the latter: all was used up
}

}  // namespace route
