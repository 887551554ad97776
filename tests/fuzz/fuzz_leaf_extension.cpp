// The vendors' extensions of leaf certificates: Intel's of a PCK certificate, AMD's of VCEK and
// VLEK. The input is the content of the certificate's list of extensions, in DER.
#include "quote/amd/leaf_extension.h"
#include "quote/intel/pck_extension.h"
#include "tests/fuzz/appraisal.h"
#include "tests/support/forge/amd_forge.h"
#include "tests/support/forge/intel_forge.h"

namespace attestd::fuzz::leaf_extension {
namespace {

namespace der = forge::der;

struct Setting {
    forge::Issuer issuer{forge::intel_name("fuzz"), forge::SigningKey(KeyKind::p256)};
    Bytes algorithm = der::sequence({der::oid("1.2.840.10045.4.3.2")});
    Bytes name, validity, spki = issuer.key.spki();

    Setting() {
        const Bytes text = der::text(der::Tag::utf8_string, "fuzz");
        name = der::sequence(
            {der::set_of_one(der::sequence({der::oid(forge::oid::kCommonName), text}))});
        validity = der::sequence({der::time(forged_at()), der::time(forged_at())});
    }
};
const Setting& setting() {
    static const Setting made;
    return made;
}

// A certificate around the extensions; nobody looks at its signature.
Bytes certificate_with(ByteView extensions) {
    const Setting& s = setting();
    const Bytes list = der::element(der::Tag::sequence, extensions);
    const Bytes tbs =
        der::sequence({der::constructed(0, der::integer(2)), der::integer(1), s.algorithm, s.name,
                       s.validity, s.name, s.spki, der::constructed(3, list)});
    return der::sequence({tbs, s.algorithm, der::bit_string(Bytes(70, 1))});
}

Bytes content_of(const forge::Extensions& extensions) {
    Bytes out;
    for (const forge::Extension& one : extensions) {
        std::vector<Bytes> members{der::oid(one.oid)};
        if (one.critical) members.push_back(der::boolean(der::Bool::yes));
        members.push_back(der::octet_string(one.value));
        const Bytes whole = der::sequence(members);
        out.insert(out.end(), whole.begin(), whole.end());
    }
    return out;
}

forge::PckFields fields_again(const PckExtension& pck) {
    forge::PckFields out;
    out.ppid = pck.ppid;
    out.components = pck.tcb_components;
    out.pcesvn = pck.pce_svn;
    out.cpusvn = pck.cpu_svn;
    out.pceid = pck.pce_id;
    out.fmspc = pck.fmspc;
    out.sgx_type = static_cast<std::uint8_t>(pck.sgx_type);
    out.platform_instance_id = pck.platform_instance_id;
    out.configuration.reset();
    if (pck.dynamic_platform && pck.cached_keys && pck.smt_enabled)
        out.configuration = {*pck.dynamic_platform, *pck.cached_keys, *pck.smt_enabled};
    return out;
}

bool same(const PckExtension& a, const PckExtension& b) {
    return a.ppid == b.ppid && a.tcb_components == b.tcb_components && a.pce_svn == b.pce_svn &&
           a.cpu_svn == b.cpu_svn && a.pce_id == b.pce_id && a.fmspc == b.fmspc &&
           a.sgx_type == b.sgx_type && a.platform_instance_id == b.platform_instance_id;
}

void check_pck(const Certificate& certificate) {
    const auto pck = parse_pck_extension(certificate);
    if (!pck || !*pck) return;
    reached();
    const auto pairs = forge::sgx_extension_pairs(fields_again(**pck));
    const Bytes again = certificate_with(content_of({forge::sgx_extension(pairs)}));
    const auto reparsed = must(parse_pck_extension(must(Certificate::parse(again))));
    holds(reparsed && same(*reparsed, **pck), "what a PCK certificate says is written again");
}

void check_amd(const Certificate& certificate) {
    const auto amd = parse_amd_leaf_extension(certificate);
    if (!amd || !*amd) return;
    reached();
    const AmdLeafExtension& leaf = **amd;
    holds(leaf.is_vcek() == leaf.csp_id.empty(), "VCEK or VLEK, never both");
    holds(lies_in(leaf.hw_id, certificate.der()), "the hardware id is part of it");
    holds(leaf.product_text.starts_with(product_name(leaf.product)),
          "the product is the one named");
    holds(!leaf.is_vcek() || leaf.hw_id.size() == 64 || leaf.hw_id.size() == 8,
          "a hardware id has one of two lengths");
}

void run(ByteView input) {
    const Bytes whole = certificate_with(input);
    const auto parsed = Certificate::parse(whole);
    if (!parsed) return;
    check_pck(*parsed);
    check_amd(*parsed);
}

Seeds seeds() {
    using namespace forge;
    const IntelHierarchy platform(shared_intel_keys(), IntelValidity::around(forged_at()));
    const AmdHierarchy milan(forge::Product::milan, shared_amd_keys(),
                             AmdValidity::around(forged_at()));
    const AmdHierarchy turin(forge::Product::turin, shared_amd_keys(),
                             AmdValidity::around(forged_at()));
    const auto vcek = [](const AmdHierarchy& amd) {
        return content_of(
            amd.vcek_spec(default_chip_id(amd.product()), SnpTcb::typical(amd.product()))
                .extensions);
    };
    return {
        {"pck", content_of({sgx_extension(sgx_extension_pairs({}))})},
        {"pck-processor", content_of({sgx_extension(sgx_extension_pairs(processor_fields()))})},
        {"pck-all", content_of(platform.pck_spec({}).extensions)},
        {"vcek-milan", vcek(milan)},
        {"vcek-turin", vcek(turin)},
        {"vlek",
         content_of(
             milan.vlek_spec("CN=cc.example.com", SnpTcb::typical(milan.product())).extensions)}};
}

const bool kAdded = add({.name = "leaf-extension",
                         .run = run,
                         .seeds = seeds,
                         .words = {"\x02\x01\x01", "\x04\x10", "\x0a\x01\x01", "\x16\x05Milan"},
                         .mutations = 3000});

}  // namespace
}  // namespace attestd::fuzz::leaf_extension
