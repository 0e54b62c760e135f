#include "tests/net/transport/tls_stage.hpp"

#include <utility>

#include "tests/support/scripted_names.hpp"

namespace route::test {

net::FoundAddresses at_loopback(const std::string&)
{
    return found("127.0.0.1");
}

Settings trusting(const CertificateAuthority& authority, Settings settings)
{
    settings.upstream.ca_file = authority.file();
    return settings;
}

void ask_first_by_tls(Stage& stage, const std::string& host)
{
    stage.change([&](auto& definitions) {
        definitions[0].endpoint = "https://" + host + ":" + std::to_string(stage.first().port()) + "/v1";
    });
}

void first_speaks_tls(Stage& stage, Certificate certificate, const std::string& host, int newest)
{
    stage.first().speak_tls(std::make_shared<const TlsServer>(std::move(certificate), newest));
    ask_first_by_tls(stage, host);
}

}  // namespace route::test
