// Certificates in DER and PEM, beside what OpenSSL says about the same bytes.
#include "quote/x509/certificate.h"

#include "quote/x509/pem.h"
#include "tests/fuzz/appraisal.h"
#include "tests/fuzz/openssl_peer.h"
#include "tests/support/forge/intel_forge.h"

namespace attestd::fuzz::certificate {
namespace {

struct Setting {
    forge::IntelHierarchy intel{forge::shared_intel_keys(),
                                forge::IntelValidity::around(forged_at())};
    Bytes pck = intel.pck({});
    PublicKey root_key = must(must(Certificate::parse(intel.root)).key());
    std::vector<Bytes> signed_by_root;  // what it signs

    Setting() {
        for (const Bytes* der : {&intel.root, &intel.pck_ca, &intel.tcb_signing})
            signed_by_root.push_back(to_bytes(must(Certificate::parse(*der)).tbs()));
    }
};
const Setting& setting() {
    static const Setting made;
    return made;
}

bool same_integer(const ASN1_INTEGER* theirs, ByteView ours) {
    const std::unique_ptr<BIGNUM, Free<BN_free>> number(ASN1_INTEGER_to_BN(theirs, nullptr));
    Bytes bytes(static_cast<std::size_t>(BN_num_bytes(number.get())));
    BN_bn2bin(number.get(), bytes.data());
    return equal(bytes, ours) || (bytes.empty() && all_zero(ours));
}

void check_beside_openssl(const Certificate& ours, ByteView der) {
    const OpensslCertificate theirs(decoded<d2i_X509>(der));
    holds(theirs != nullptr, "OpenSSL decodes what we decode");
    holds(same_integer(X509_get0_serialNumber(theirs.get()), ours.serial()), "the same serial");
    holds(static_cast<std::size_t>(X509_get_ext_count(theirs.get())) == ours.extensions().size(),
          "as many extensions");
    const auto seconds = [](const ASN1_TIME* time) {
        std::tm parts{};
        holds(ASN1_TIME_to_tm(time, &parts) == 1, "OpenSSL reads the time too");
        return Time(std::chrono::seconds(::timegm(&parts)));
    };
    holds(seconds(X509_get0_notBefore(theirs.get())) == ours.validity().from, "the same notBefore");
    holds(seconds(X509_get0_notAfter(theirs.get())) == ours.validity().until, "the same notAfter");
}

void check_der(ByteView der) {
    const auto parsed = Certificate::parse(der);
    if (!parsed) return;
    reached();
    holds(equal(parsed->der(), der), "a certificate keeps its bytes");
    holds(lies_in(parsed->tbs(), parsed->der()), "the signed part is part of it");
    if (parsed->key()) check_beside_openssl(*parsed, der);  // the key is decoded when asked for
    if (!parsed->signed_by(setting().root_key)) return;
    const auto& genuine = setting().signed_by_root;
    holds(std::any_of(genuine.begin(), genuine.end(),
                      [&](const Bytes& tbs) { return equal(tbs, parsed->tbs()); }),
          "what the root did not sign is not signed by it");
}

void check_pem(std::string_view text) {
    const auto blocks = parse_pem(text, PemStyle::exact);
    const auto lenient = parse_pem(text, PemStyle::file);
    if (!blocks) return;
    holds(lenient.has_value() && lenient->size() == blocks->size(),
          "the lenient form has them all");
    std::string again;
    for (const PemBlock& block : *blocks) {
        again += to_pem(block.label, block.der);
        check_der(block.der);
    }
    const auto reparsed = must(parse_pem(again, PemStyle::exact));
    for (std::size_t i = 0; i < reparsed.size(); ++i)
        holds(reparsed[i].der == (*blocks)[i].der && reparsed[i].label == (*blocks)[i].label,
              "a block is written again");
}

void run(ByteView input) {
    check_der(input);
    check_pem(as_text(input));
}

Seeds seeds() {
    const auto& intel = setting().intel;
    return {{"root", intel.root},
            {"ca", intel.pck_ca},
            {"signer", intel.tcb_signing},
            {"pck", setting().pck},
            seed("chain", intel.pck_chain(setting().pck)),
            seed("issuers", intel.tcb_signing_chain())};
}

const bool kAdded =
    add({.name = "certificate",
         .run = run,
         .seeds = seeds,
         .words = {"-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n", "X509 CRL",
                   "\x30\x82", "\x06\x03\x55\x04\x03", "\x17\x0d", "\x18\x0f"},
         .mutations = 2000});

}  // namespace
}  // namespace attestd::fuzz::certificate
