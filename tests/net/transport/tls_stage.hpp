#pragma once

#include "tests/net/stage.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/tls_server.hpp"

namespace route::test {

/// Every name is this machine.
net::FoundAddresses at_loopback(const std::string& host);

/// `settings` with the authority as the only one that is trusted.
Settings trusting(const CertificateAuthority& authority, Settings settings = patient_settings());

/// The first upstream is asked for as `https://HOST:PORT/v1`.
void ask_first_by_tls(Stage& stage, const std::string& host = "upstream.test");

/// The same, and it speaks TLS.
void first_speaks_tls(Stage& stage, Certificate certificate, const std::string& host = "upstream.test",
                      int newest = TLS1_3_VERSION);

}  // namespace route::test
