// Endorsements of any kind, recognised by what they are, and the appraisal that rests on them.
#include "verifier/endorsements.h"

#include "tests/fuzz/appraisal.h"
#include "verifier/endorsement_check.h"

namespace attestd::fuzz::endorsements {
namespace {

ForgedCase& genuine() {
    static ForgedCase made("tdx-v4");
    return made;
}

Endorsements parsed(ByteView bytes) {
    Endorsements out;
    holds(out.add(bytes, "genuine").has_value(), "the forged collateral is taken");
    return out;
}

// Another text, or another list, than what the forged keys signed was never verified. (DER of the
// signature, names of files and blanks between members are not signed.)
bool says_the_same(const Endorsements& a, const Endorsements& b) {
    if (a.tcb_infos().size() != b.tcb_infos().size() ||
        a.qe_identities().size() != b.qe_identities().size() || a.crls().size() != b.crls().size())
        return false;
    for (std::size_t i = 0; i < a.tcb_infos().size(); ++i)
        if (a.tcb_infos()[i].text != b.tcb_infos()[i].text) return false;
    for (std::size_t i = 0; i < a.qe_identities().size(); ++i)
        if (a.qe_identities()[i].text != b.qe_identities()[i].text) return false;
    for (std::size_t i = 0; i < a.crls().size(); ++i) {
        const auto &one = a.crls()[i].crl, &other = b.crls()[i].crl;
        if (one.has_value() != other.has_value()) return false;
        if (one && (one->validity().until != other->validity().until ||
                    one->revoked_serials().size() != other->revoked_serials().size()))
            return false;
    }
    return true;
}

void run(ByteView input) {
    Endorsements given;
    const Sha256 before = given.digest();
    const auto added = given.add(input, "input");
    if (!added) {
        holds(given.digest() == before && given.certificates().empty() && given.crls().empty() &&
                  given.tcb_infos().empty() && given.qe_identities().empty(),
              "nothing is added of what is refused");
        return;
    }
    TrustAnchors anchors;
    holds(anchors.add_certificate(genuine().file("root.der")).has_value(), "the root is taken");
    for (const auto& checked : check_endorsements(given, given, anchors, forged_at()))
        holds(!checked || checked->validity.contains(forged_at()), "what is good is good today");
    const AttestationResult result = genuine().appraise_with(given);
    look_at(result);
    if (result.verdict() == Verdict::accepted) reached();
    if (result.verdict() == Verdict::accepted)
        holds(says_the_same(given, parsed(genuine().file("collateral.json"))),
              "what was not signed is not believed");
}

Seeds seeds() {
    const Bytes& json = genuine().file("collateral.json");
    const Bytes& root = genuine().file("root.der");
    return {{"collateral", json}, {"root", root}};
}

const bool kAdded =
    add({.name = "endorsements",
         .run = run,
         .seeds = seeds,
         .words = {"\"tcb_info\":", "\"qe_identity\":", "\"root_ca_crl\":", "\"pck_crl\":",
                   "\"pck_crl_issuer_chain\":", "-----BEGIN CERTIFICATE-----\\n"}});

}  // namespace
}  // namespace attestd::fuzz::endorsements
