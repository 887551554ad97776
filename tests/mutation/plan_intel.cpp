// Quotes, and the endorsements of Intel's that are DER.
#include <algorithm>
#include <stdexcept>

#include "quote/intel/quote.h"
#include "quote/x509/certificate.h"
#include "quote/x509/pem.h"
#include "tests/mutation/plan.h"

namespace attestd::mutation {
namespace {

ByteRange range_in_quote(ByteView whole, ByteView part) {
    return {static_cast<std::size_t>(part.data() - whole.data()), part.size()};
}

// Where the bytes of a DER range stand in its PEM block: 64 characters to a line.
ByteRange in_pem(std::size_t body_at, ByteRange der) {
    const auto at = [&](std::size_t character) { return body_at + character + character / 64; };
    const std::size_t first = der.at * 8 / 6, last = ((der.at + der.len) * 8 - 1) / 6;
    return {at(first), at(last) - at(first) + 1};
}

// The reasons for a flip in a certificate of the PCK chain. Each check comes before the next:
// form, names, constraints, then the signature, which covers the rest.
void add_certificate(Plan& plan, std::string_view pem, std::size_t at, std::string_view what,
                     Place place) {
    const std::size_t end = pem.find("-----END", at);
    const std::size_t next = std::min(pem.find("-----BEGIN", end), pem.size());
    const std::string block(pem.substr(at, next - at));
    const auto parsed = parse_pem(block, PemStyle::exact);
    const auto certificate = parsed ? Certificate::parse(parsed->at(0).der)
                                    : Result<Certificate>(tl::make_unexpected(parsed.error()));
    if (!certificate) throw std::runtime_error("a chain of a genuine quote does not parse");
    const ByteView der = certificate->der();
    const std::size_t body_at = at + block.find('\n') + 1;
    const auto add = [&](std::string_view part, ByteView view, Reasons reasons) {
        reasons.push_back(Errc::chain_malformed);
        plan.regions.push_back({std::string(what) + ' ' + std::string(part),
                                in_pem(body_at, range_in_quote(der, view)), std::move(reasons)});
    };
    // Dashes, labels, line ends: one form only.
    plan.regions.push_back(
        {std::string(what) + " PEM", {at, block.size()}, {Errc::chain_malformed}});
    add("whole", der, {Errc::chain_signature});
    add("issuer", certificate->issuer().der, {Errc::chain_name, Errc::chain_signature});
    add("subject", certificate->subject().der, {Errc::chain_name});
    for (const CertificateExtension& extension : certificate->extensions()) {
        // From the identifier to the value: what it becomes may be critical and not known.
        const auto from = static_cast<std::size_t>(extension.oid.data() - der.data());
        const auto to =
            static_cast<std::size_t>(extension.value.data() - der.data()) + extension.value.size();
        add("extension", der.subspan(from, to - from),
            {Errc::chain_constraints, Errc::chain_signature});
    }
    if (place == Place::root) add("key", certificate->spki(), {Errc::chain_untrusted_root});
}

}  // namespace

Plan plan_quote(ByteView quote) {
    const auto parsed = parse_intel_quote(quote);
    if (!parsed) throw std::runtime_error("a genuine quote does not parse");
    Plan plan;
    const std::uint16_t version = parsed->quote.header.version;
    const auto add = [&](std::string name, ByteRange range, Reasons reasons) {
        plan.regions.push_back({std::move(name), range, std::move(reasons)});
    };
    const std::size_t signed_len = parsed->signed_part.size();
    add("version, key type, TEE type", {0, 8}, {Errc::quote_malformed});
    add("SVNs", {8, 4}, {Errc::quote_signature});
    add("vendor id", {12, 16}, {Errc::qe_vendor});
    add("user data", {28, 20}, {Errc::quote_signature});
    if (version == 5) add("body descriptor", {48, 6}, {Errc::quote_malformed});
    const std::size_t body = version == 5 ? 54 : 48;
    add("body", {body, signed_len - body}, {Errc::quote_signature});
    add("signature data length", {signed_len, 4}, {Errc::quote_malformed});
    const auto field = [&](std::size_t at, std::size_t len) {
        plan.lengths.push_back({{at, len}, ByteOrder::little});
    };
    field(signed_len, 4);
    if (version == 5) field(50, 4);
    add("signature", range_in_quote(quote, parsed->signature), {Errc::quote_signature});
    add("attestation key", range_in_quote(quote, parsed->attestation_key),
        {Errc::qe_report_binding});
    const ByteRange qe_report = range_in_quote(quote, parsed->qe_report_bytes);
    if (version >= 4) {
        add("outer certification data", {qe_report.at - 6, 6}, {Errc::quote_malformed});
        field(qe_report.at - 4, 4);
    }
    add("QE report", qe_report, {Errc::qe_report_signature});
    add("QE report signature", range_in_quote(quote, parsed->qe_report_signature),
        {Errc::qe_report_signature});
    const ByteRange auth = range_in_quote(quote, parsed->qe_auth_data);
    const ByteRange chain = range_in_quote(quote, parsed->cert_data);
    add("authentication data length", {auth.at - 2, 2}, {Errc::quote_malformed});
    field(auth.at - 2, 2);
    add("authentication data", auth, {Errc::qe_report_binding});
    // As types 1 to 4 it is no chain, and none is given.
    add("certification data type", {chain.at - 6, 2}, {Errc::quote_malformed, Errc::chain_missing});
    add("certification data length", {chain.at - 4, 4}, {Errc::quote_malformed});
    field(chain.at - 4, 4);
    const std::string_view pem = parsed->pck_chain();
    if (pem.size() < parsed->cert_data.size())
        add("closing NUL", {chain.at + pem.size(), 1}, {Errc::chain_malformed});
    Plan certificates;
    std::size_t at = 0;
    for (const auto& [what, place] :
         {std::pair{"PCK certificate", Place::leaf}, std::pair{"intermediate", Place::intermediate},
          std::pair{"root", Place::root}}) {
        add_certificate(certificates, pem, at, what, place);
        at = pem.find("-----BEGIN", at + 1);
    }
    for (Region& region : certificates.regions) {
        region.range.at += chain.at;
        plan.regions.push_back(std::move(region));
    }
    if (parsed->consumed < quote.size()) {
        add("padding", {parsed->consumed, quote.size() - parsed->consumed},
            {Errc::quote_malformed});
        plan.whole_from = parsed->consumed;
    }
    plan.form = {Errc::quote_malformed};
    plan.tail = Tail::zeros;
    return plan;
}

Plan plan_intel_crl(ByteView der) {
    Plan plan;
    // A list whose issuer's name is another's is not looked at further: the list needed is absent.
    plan.regions = {{"list",
                     {0, der.size()},
                     parse_reasons() | Reasons{Errc::crl_signature, Errc::crl_issuer,
                                               Errc::crl_missing, Errc::chain_algorithm}}};
    plan.form = parse_reasons();
    return plan;
}

Plan plan_tcb_signer(ByteView der) {
    Plan plan;
    // Under another name it is no signer: the document's chain is absent.
    plan.regions = {{"certificate",
                     {0, der.size()},
                     parse_reasons() | Reasons{Errc::tcb_info_chain, Errc::chain_missing,
                                               Errc::chain_algorithm}}};
    plan.form = parse_reasons();
    return plan;
}

}  // namespace attestd::mutation
