// Reports, AMD's certificates and lists, and certificate tables.
#include <algorithm>
#include <stdexcept>

#include "quote/amd/cert_table.h"
#include "quote/amd/snp_report.h"
#include "quote/x509/certificate.h"
#include "tests/mutation/plan.h"

namespace attestd::mutation {
namespace {

ByteRange range_in_report(ByteView whole, ByteView part) {
    return {static_cast<std::size_t>(part.data() - whole.data()), part.size()};
}

}  // namespace

const Reasons& parse_reasons() {
    static const Reasons all{
        Errc::truncated,        Errc::trailing_bytes,      Errc::too_large,
        Errc::bad_length,       Errc::bad_value,           Errc::reserved_not_zero,
        Errc::unsupported_type, Errc::unsupported_version, Errc::bad_encoding,
        Errc::bad_der,          Errc::unknown_format,      Errc::chain_algorithm};
    return all;
}

const Reasons& chain_reasons() {
    static const Reasons all{Errc::chain_name, Errc::chain_constraints, Errc::chain_signature,
                             Errc::chain_extension};
    return all;
}

Reasons operator|(Reasons a, const Reasons& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

Plan plan_report(ByteView bytes) {
    const auto parsed = parse_snp_report(bytes);
    if (!parsed) throw std::runtime_error("a genuine report does not parse");
    Plan plan;
    const auto add = [&](std::string name, std::size_t at, std::size_t len, Reasons reasons) {
        plan.regions.push_back({std::move(name), {at, len}, std::move(reasons)});
    };
    // All that is signed, and what is refused before the signature is looked at: reserved bits and
    // what the leaf is chosen and judged by.
    add("signed part", 0, 0x2a0, {Errc::report_signature});
    // Another version has other reserved bytes and names a product, or none; 0x20003 and the like
    // begin an SGX quote.
    add("VERSION", 0x000, 4,
        {Errc::report_malformed, Errc::quote_malformed, Errc::product_unknown,
         Errc::product_mismatch});
    add("POLICY", 0x008, 8, {Errc::report_malformed});
    add("VMPL", 0x030, 4, {Errc::report_malformed});
    add("SIGNATURE_ALGO", 0x034, 4, {Errc::report_malformed});
    // As another kind of key it needs another kind of leaf than the one given.
    add("key information", 0x048, 4,
        {Errc::report_malformed, Errc::report_unsigned, Errc::leaf_kind});
    add("reserved", 0x04c, 4, {Errc::report_malformed});
    add("REPORTED_TCB", 0x180, 8, {Errc::leaf_tcb});
    add("CPUID", 0x188, 3, {Errc::product_unknown, Errc::product_mismatch, Errc::report_malformed});
    add("reserved", 0x18b, 21, {Errc::report_malformed});
    add("CHIP_ID", 0x1a0, 64, {Errc::leaf_chip});
    add("reserved", 0x1eb, 1, {Errc::report_malformed});
    add("reserved", 0x1ef, 1, {Errc::report_malformed});
    add("mitigation vectors, reserved before version 5", 0x1f8, 16, {Errc::report_malformed});
    add("reserved", 0x208, 152, {Errc::report_malformed});
    // r and s, of 72 bytes each, that are 48 and zeros; the rest is zeros.
    add("signature", 0x2a0, 512, {Errc::report_malformed});
    add("r", 0x2a0, 48, {Errc::report_signature});
    add("s", 0x2e8, 48, {Errc::report_signature});
    plan.form = {Errc::report_malformed, Errc::quote_malformed};
    return plan;
}

Plan plan_amd_certificate(ByteView der, Place place) {
    const auto certificate = Certificate::parse(der);
    if (!certificate) throw std::runtime_error("a genuine certificate does not parse");
    const ByteView own = certificate->der();
    Plan plan;
    const auto add = [&](std::string name, ByteView part, Reasons reasons) {
        plan.regions.push_back({std::move(name), range_in_report(own, part), std::move(reasons)});
    };
    plan.regions.push_back({"whole", {0, der.size()}, parse_reasons() | chain_reasons()});
    // Under another name it is not the one that is looked for: that one is absent.
    const Errc absent = place == Place::leaf ? Errc::leaf_missing : Errc::chain_missing;
    add("subject", certificate->subject().der, {absent});
    add("issuer", certificate->issuer().der, {Errc::chain_missing, Errc::product_mismatch});
    if (place == Place::root) add("key", certificate->spki(), {Errc::chain_untrusted_root});
    if (place == Place::leaf) {
        // The vendor's extensions choose the leaf and are compared with the report.
        for (const CertificateExtension& extension : certificate->extensions()) {
            const auto from = static_cast<std::size_t>(extension.oid.data() - own.data());
            const auto to = static_cast<std::size_t>(extension.value.data() - own.data()) +
                            extension.value.size();
            add("extension", own.subspan(from, to - from),
                {Errc::leaf_kind, Errc::leaf_missing, Errc::product_mismatch,
                 Errc::product_unknown});
        }
    }
    plan.form = parse_reasons();
    return plan;
}

Plan plan_amd_crl(ByteView der) {
    Plan plan;
    plan.regions = {{"list",
                     {0, der.size()},
                     parse_reasons() | Reasons{Errc::crl_signature, Errc::crl_missing}}};
    plan.form = parse_reasons();
    return plan;
}

Plan plan_table(ByteView table) {
    const auto entries = parse_cert_table(table);
    if (!entries) throw std::runtime_error("a genuine table does not parse");
    constexpr std::size_t kEntryLen = 24;
    Plan plan;
    // An entry under another GUID, or an issuer that does not parse, is as good as absent.
    const Reasons entry_reasons =
        parse_reasons() | Reasons{Errc::leaf_missing, Errc::chain_missing};
    const std::size_t header_len = kEntryLen * (entries->size() + 1);
    plan.regions = {{"header", {0, header_len}, entry_reasons}};
    std::vector<bool> used(table.size(), false);
    std::fill_n(used.begin(), header_len, true);
    std::size_t end = header_len;
    for (std::size_t i = 0; i < entries->size(); ++i) {
        const CertTableEntry& entry = entries->at(i);
        const ByteRange range = range_in_report(table, entry.data);
        plan.lengths.push_back({{kEntryLen * i + 16, 4}, ByteOrder::little});
        plan.lengths.push_back({{kEntryLen * i + 20, 4}, ByteOrder::little});
        end = std::max(end, range.at + range.len);
        if (entry.kind == CertTableEntryKind::other) continue;
        std::fill_n(used.begin() + static_cast<std::ptrdiff_t>(range.at), range.len, true);
        const Place place = entry.kind == CertTableEntryKind::ask   ? Place::intermediate
                            : entry.kind == CertTableEntryKind::ark ? Place::root
                                                                    : Place::leaf;
        Plan certificate = plan_amd_certificate(entry.data, place);
        for (Region& region : certificate.regions) {
            region.range.at += range.at;
            if (place != Place::leaf) region.reasons.push_back(Errc::chain_missing);
            plan.regions.push_back(std::move(region));
        }
    }
    for (std::size_t bit = 0; bit < 8 * table.size(); ++bit) {
        if (!used[bit / 8]) plan.unsigned_bits[bit] = "in no entry that is used";
    }
    plan.form = entry_reasons | chain_reasons();
    plan.whole_from = end;
    plan.tail = Tail::anything;
    return plan;
}

}  // namespace attestd::mutation
