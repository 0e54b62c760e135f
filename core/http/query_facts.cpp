#include "core/http/query_facts.hpp"

#include <algorithm>
#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>

#include "core/hex_digit.hpp"

namespace route {

std::string percent_decoded(std::string_view encoded, std::size_t most)
{
    std::string text;
    for (std::size_t i = 0; i < encoded.size() && text.size() < most; ++i) {
        const bool escape = encoded[i] == '%' && i + 2 < encoded.size();
        const int high = escape ? hex_digit(encoded[i + 1]) : -1;
        const int low = escape ? hex_digit(encoded[i + 2]) : -1;
        if (high >= 0 && low >= 0) {
            text += static_cast<char>(high * 16 + low);
            i += 2;
        } else {
            text += encoded[i] == '+' ? ' ' : encoded[i];
        }
    }
    return text;
}

Result<RequestFacts> read_query_facts(std::string_view query)
{
    constexpr std::string_view name = "model";
    RequestFacts facts;
    for (std::size_t begin = query.starts_with('?') ? 1 : 0; begin < query.size();) {
        const auto end = std::min(query.find('&', begin), query.size());
        const auto member = query.substr(begin, end - begin);
        const auto equals = begin + std::min(member.find('='), member.size());
        if (percent_decoded(query.substr(begin, equals - begin), name.size() + 1) == name) {
            if (facts.model)
                return Invalid{"the query names `model` twice"};
            facts.model_begin = std::min(equals + 1, end);
            facts.model_end = end;
            facts.model_in_query = true;
            facts.model =
                percent_decoded(query.substr(facts.model_begin, end - facts.model_begin), max_model_name + 1);
            facts.model_cut = facts.model->size() > max_model_name;
            facts.model->resize(std::min(facts.model->size(), max_model_name));
        }
        begin = end + 1;
    }
    return facts;
}

std::string rename_model_in_query(std::string_view query, const RequestFacts& facts, std::string_view model)
{
    std::string renamed{query.substr(0, facts.model_begin)};
    if (renamed.back() != '=')
        renamed += '=';
    renamed += boost::urls::encode({model.data(), model.size()}, boost::urls::unreserved_chars);
    renamed += query.substr(facts.model_end);
    return renamed;
}

}  // namespace route
