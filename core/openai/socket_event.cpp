#include "core/openai/socket_event.hpp"

#include <algorithm>
#include <array>
#include <boost/json/basic_parser_impl.hpp>
#include <cstdint>
#include <initializer_list>

#include "core/openai/error_words.hpp"
#include "core/openai/request_facts.hpp"

namespace route {
namespace {

using boost::json::string_view;
using boost::system::error_code;

constexpr std::size_t most_of_fact = 256;

bool is_one_of(std::string_view type, std::initializer_list<std::string_view> types)
{
    return std::find(types.begin(), types.end(), type) != types.end();
}

/// The objects whose members are facts.
enum class Section : std::uint8_t
{
    other,
    root,
    response,
    session,
    error,
    details,  ///< of a status
};

Section section_of(Section above, std::string_view key)
{
    if (above == Section::root && key == "response")
        return Section::response;
    if (above == Section::root && key == "session")
        return Section::session;
    if (above == Section::response && key == "status_details")
        return Section::details;
    const bool has_error = above == Section::root || above == Section::response || above == Section::details;
    return has_error && key == "error" ? Section::error : Section::other;
}

struct Fact
{
    Section section;
    std::string_view key;
    std::string SocketEventFacts::* place;
    std::size_t most = most_of_fact;
};

constexpr std::array known_facts{
    Fact{Section::root, "type", &SocketEventFacts::type},
    Fact{Section::root, "event_id", &SocketEventFacts::event_id},
    Fact{Section::root, "response_id", &SocketEventFacts::response_id},
    Fact{Section::root, "model", &SocketEventFacts::model, max_model_name},
    Fact{Section::root, "message", &SocketEventFacts::error_message, most_error_text},
    Fact{Section::root, "code", &SocketEventFacts::error_code},
    Fact{Section::response, "id", &SocketEventFacts::response_id},
    Fact{Section::response, "status", &SocketEventFacts::status},
    Fact{Section::response, "model", &SocketEventFacts::reply_model, max_model_name},
    Fact{Section::session, "model", &SocketEventFacts::session_model, max_model_name},
    Fact{Section::error, "event_id", &SocketEventFacts::error_event_id},
    Fact{Section::error, "message", &SocketEventFacts::error_message, most_error_text},
    Fact{Section::error, "code", &SocketEventFacts::error_code},
    Fact{Section::error, "type", &SocketEventFacts::error_type},
    Fact{Section::details, "reason", &SocketEventFacts::reason},
};

/// Follows the JSON; what comes later of the same name counts.
class FactsHandler
{
  public:
    static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

    SocketEventFacts facts;

    void clear()
    {
        facts.clear();
        depth_ = 0;
        forget_member();
    }

    bool on_document_begin(error_code&) { return true; }
    bool on_document_end(error_code&) { return true; }
    bool on_object_begin(error_code&)
    {
        auto section = Section::root;
        if (depth_ > 0)
            section = depth_ <= sections_.size() ? section_of(sections_[depth_ - 1], key_) : Section::other;
        return enter(section);
    }
    bool on_object_end(std::size_t, error_code&) { return leave(); }
    bool on_array_begin(error_code&) { return enter(Section::other); }
    bool on_array_end(std::size_t, error_code&) { return leave(); }

    bool on_key_part(string_view piece, std::size_t, error_code&)
    {
        key_.append(piece.data(), std::min(piece.size(), most_of_fact - std::min(most_of_fact, key_.size())));
        return true;
    }
    bool on_key(string_view piece, std::size_t size, error_code& error)
    {
        on_key_part(piece, size, error);
        const auto section = depth_ <= sections_.size() ? sections_[depth_ - 1] : Section::other;
        fact_ = nullptr;
        if (section == Section::other)
            return true;
        for (const auto& known : known_facts)
            if (known.section == section && known.key == key_)
                fact_ = &known;
        if (fact_ != nullptr)
            (facts.*fact_->place).clear();
        return true;
    }

    bool on_string_part(string_view piece, std::size_t, error_code&)
    {
        if (fact_ == nullptr)
            return true;
        auto& fact = facts.*fact_->place;
        fact.append(piece.data(), std::min(piece.size(), fact_->most - std::min(fact_->most, fact.size())));
        return true;
    }
    bool on_string(string_view piece, std::size_t size, error_code& error)
    {
        on_string_part(piece, size, error);
        const bool enough = fact_ != nullptr && fact_->place == &SocketEventFacts::type &&
                            is_sound(facts.type) && facts.type.starts_with("input");
        forget_member();
        if (enough)
            error = make_error_code(boost::json::error::incomplete);
        return !enough;
    }

    bool on_number_part(string_view, error_code&) { return true; }
    bool on_int64(std::int64_t, string_view, error_code&) { return forget_member(); }
    bool on_uint64(std::uint64_t, string_view, error_code&) { return forget_member(); }
    bool on_double(double, string_view, error_code&) { return forget_member(); }
    bool on_bool(bool, error_code&) { return forget_member(); }
    bool on_null(error_code&) { return forget_member(); }
    bool on_comment_part(string_view, error_code&) { return true; }
    bool on_comment(string_view, error_code&) { return true; }

  private:
    bool enter(Section section)
    {
        if (depth_ < sections_.size())
            sections_[depth_] = section;
        ++depth_;
        return forget_member();
    }
    bool leave()
    {
        --depth_;
        return forget_member();
    }
    bool forget_member()
    {
        key_.clear();
        fact_ = nullptr;
        return true;
    }

    std::array<Section, 4> sections_{};  ///< of the first levels; nothing counts in deeper ones
    std::size_t depth_ = 0;
    std::string key_;
    const Fact* fact_ = nullptr;
};

boost::json::parse_options any_text()
{
    boost::json::parse_options options;
    options.max_depth = 256;
    options.allow_invalid_utf8 = true;
    return options;
}

/// Whether what counts may stand anywhere in a message of this type.
bool is_read_whole(std::string_view type)
{
    return asks_for_response(type) || ends_response(type) || type == "session.update";
}

}  // namespace

void SocketEventFacts::clear()
{
    for (auto* fact : {&type, &event_id, &model, &response_id, &status, &reply_model, &session_model,
                       &error_event_id, &error_message, &error_code, &error_type, &reason})
        fact->clear();
}

std::string SocketEventFacts::error_words() const
{
    for (const auto* said : {&error_message, &error_code, &error_type, &reason})
        if (!said->empty())
            return route::error_words("text/plain", *said);
    return {};
}

struct SocketEventReader::State
{
    boost::json::basic_parser<FactsHandler> parser{any_text()};
    std::size_t read = 0;
    bool ended = false;

    void parse(std::string_view piece)
    {
        error_code error;
        const auto taken = parser.write_some(true, piece.data(), piece.size(), error);
        ended = error || taken < piece.size() || parser.done();
    }
};

SocketEventReader::SocketEventReader() : state_{std::make_unique<State>()}
{
}
SocketEventReader::~SocketEventReader() = default;
SocketEventReader::SocketEventReader(SocketEventReader&&) noexcept = default;
SocketEventReader& SocketEventReader::operator=(SocketEventReader&&) noexcept = default;

void SocketEventReader::begin()
{
    state_->parser.reset();
    state_->parser.handler().clear();
    state_->read = 0;
    state_->ended = false;
}

void SocketEventReader::write(std::string_view piece)
{
    while (!piece.empty() && !state_->ended) {
        if (state_->read >= beginning && !is_read_whole(facts().type))
            return;
        const auto left = state_->read < beginning ? beginning - state_->read : piece.size();
        const auto taken = piece.substr(0, left);
        state_->read += taken.size();
        piece.remove_prefix(taken.size());
        state_->parse(taken);
    }
}

const SocketEventFacts& SocketEventReader::facts() const
{
    return state_->parser.handler().facts;
}

bool is_sound(std::string_view type)
{
    return is_one_of(type,
                     {"input_audio_buffer.append", "response.output_audio.delta", "response.audio.delta"});
}

bool ends_response(std::string_view type)
{
    return is_one_of(type, {"response.done", "response.completed", "response.incomplete", "response.failed",
                            "response.cancelled"});
}

bool begins_response(std::string_view type)
{
    return is_one_of(type, {"response.created", "response.in_progress", "response.queued"});
}

bool asks_for_response(std::string_view type)
{
    return is_one_of(type, {"response.create", "response.append"});
}

}  // namespace route
