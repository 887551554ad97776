// Certificate revocation lists, beside what OpenSSL says about the same bytes.
#include "quote/x509/crl.h"

#include <algorithm>

#include "quote/x509/certificate.h"
#include "tests/fuzz/appraisal.h"
#include "tests/fuzz/openssl_peer.h"
#include "tests/support/forge/intel_forge.h"

namespace attestd::fuzz::crl {
namespace {

struct Setting {
    forge::IntelHierarchy intel{forge::shared_intel_keys(),
                                forge::IntelValidity::around(forged_at())};
    PublicKey root_key = must(must(Certificate::parse(intel.root)).key());
    Bytes empty = list({});
    Bytes full = list({{{0x01}, forged_at(), {}}, {Bytes(20, 0x7f), forged_at(), 1}});

    [[nodiscard]] Bytes list(std::vector<forge::RevokedCertificate> revoked) const {
        forge::CrlSpec spec = intel.root_crl_spec(forge::fresh_window(forged_at()));
        spec.revoked = std::move(revoked);
        return forge::issue(spec, intel.root_issuer());
    }
};
const Setting& setting() {
    static const Setting made;
    return made;
}

void run(ByteView input) {
    const auto parsed = Crl::parse(input);
    if (!parsed) return;
    reached();
    holds(equal(parsed->der(), input), "a list keeps its bytes");
    const OpensslCrl theirs(decoded<d2i_X509_CRL>(input));
    holds(theirs != nullptr, "OpenSSL decodes what we decode");
    const int num_theirs = sk_X509_REVOKED_num(X509_CRL_get_REVOKED(theirs.get()));
    holds(static_cast<std::size_t>(std::max(num_theirs, 0)) == parsed->revoked_serials().size(),
          "as many entries");
    for (const ByteView serial : parsed->revoked_serials()) {
        holds(lies_in(serial, parsed->der()), "a serial is part of the list");
        holds(parsed->revokes(serial), "a list revokes what it names");
    }
    if (parsed->signed_by(setting().root_key)) {
        // The signature's own encoding is all that may differ.
        const auto& genuine = parsed->revoked_serials().empty() ? setting().empty : setting().full;
        const Crl original = must(Crl::parse(genuine));
        holds(original.validity().from == parsed->validity().from &&
                  original.validity().until == parsed->validity().until &&
                  original.issuer().same_as(parsed->issuer()) &&
                  std::equal(original.revoked_serials().begin(), original.revoked_serials().end(),
                             parsed->revoked_serials().begin(), parsed->revoked_serials().end(),
                             [](ByteView a, ByteView b) { return equal(a, b); }),
              "what the root did not sign is not signed by it");
    }
}

Seeds seeds() { return {{"empty", setting().empty}, {"full", setting().full}}; }

const bool kAdded = add({.name = "crl",
                         .run = run,
                         .seeds = seeds,
                         .words = {"\x02\x01", "\x17\x0d"},
                         .mutations = 3000});

}  // namespace
}  // namespace attestd::fuzz::crl
