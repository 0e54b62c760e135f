#include "notify/web_url.hpp"

#include <boost/url/encode.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>
#include <boost/url/url_view.hpp>

namespace route::notify {

namespace urls = boost::urls;

Result<WebUrl> parse_web_url(std::string_view text)
{
    const auto parsed = urls::parse_uri(boost::core::string_view{text.data(), text.size()});
    if (!parsed || !parsed->has_authority())
        return Invalid{"expected a URL such as https://HOST/PATH"};
    if (parsed->has_fragment())
        return Invalid{"expected a URL without fragment"};

    WebUrl url;
    if (parsed->has_userinfo()) {
        url.user_info = parsed->user();
        url.user_info.append(1, ':').append(parsed->password());
    }
    // The rules of host, port and path are those of an upstream's endpoint.
    const std::string_view path = parsed->encoded_path();
    auto bare = std::string{text.substr(0, text.find('?'))};
    if (const auto begin = bare.find("://") + 3; parsed->has_userinfo())
        bare.erase(begin, bare.find('@', begin) + 1 - begin);
    auto endpoint = parse_endpoint(bare);
    if (!endpoint)
        return endpoint.error();
    url.endpoint = *std::move(endpoint);
    url.endpoint.base_path = path.empty() ? "/" : path;
    if (parsed->has_query()) {
        const std::string_view query = parsed->encoded_query();
        url.query.append(1, '?').append(query);
    }
    return url;
}

WebUrl below(const WebUrl& base, std::string_view path)
{
    WebUrl url = base;
    auto& whole = url.endpoint.base_path;
    whole.resize(whole.find_last_not_of('/') + 1);
    whole += path;
    url.query.clear();
    url.secret = false;
    return url;
}

std::string shown(const WebUrl& url)
{
    return url.endpoint.origin + (url.secret ? "/…" : url.endpoint.base_path + url.query);
}

std::string path_segment(std::string_view text)
{
    return urls::encode(boost::core::string_view{text.data(), text.size()}, urls::unreserved_chars);
}

}  // namespace route::notify
