#include "verifier/endorsements.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "quote/amd/cert_table.h"
#include "quote/amd/snp_report.h"
#include "quote/base/encoding.h"
#include "quote/base/json.h"
#include "quote/base/text_form.h"
#include "quote/x509/der.h"
#include "quote/x509/pem.h"
#include "verifier/signed_json.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxEndorsementLen = std::size_t{4} << 20;
constexpr JsonLimits kCollateralLimits{kMaxEndorsementLen, 32};

// A list is told from a certificate by the first element inside: [0] version, or a bare INTEGER.
bool is_crl(ByteView der) {
    DerReader outer(der);
    auto list = outer.sequence("");
    if (!list) return false;
    auto tbs = list->sequence("");
    return tbs && tbs->peek() == der::kInteger;
}

Result<std::vector<Certificate>> parse_chain(std::string_view pem) {
    ATTESTD_TRY(const auto blocks, parse_pem(pem, PemStyle::exact));
    std::vector<Certificate> chain;
    for (const PemBlock& block : blocks) {
        if (block.label != "CERTIFICATE")
            return fail(Errc::chain_malformed, "the chain holds a " + block.label);
        ATTESTD_TRY(auto certificate, Certificate::parse(block.der));
        chain.push_back(std::move(certificate));
    }
    return chain;
}

// A list as collateral files carry it: hexadecimal or base64 DER, or PEM.
Result<Crl> parse_crl_text(std::string_view text) {
    if (!looks_like_pem(as_bytes(text))) return Crl::parse(decode_text_form(as_bytes(text)));
    ATTESTD_TRY(const auto blocks, parse_pem(text, PemStyle::exact));
    if (blocks.size() != 1 || blocks[0].label != "X509 CRL")
        return fail(Errc::bad_encoding, "not one PEM revocation list");
    return Crl::parse(blocks[0].der);
}

// Members of the one-file collateral; all are text.
class CollateralFile {
 public:
    explicit CollateralFile(JsonObject object) : object_(std::move(object)) {}

    Result<std::optional<std::string>> text(std::string_view key) {
        const auto value = object_.optional(key);
        if (!value || value->is_null()) return std::nullopt;
        ATTESTD_TRY(auto text, value->text());
        return text;
    }

    // `prefix` is "tcb_info" or "qe_identity".
    Result<std::optional<SignedDocument>> document(std::string_view prefix) {
        ATTESTD_TRY(auto body, text(prefix));
        ATTESTD_TRY(const auto signature, text(fmt::format("{}_signature", prefix)));
        ATTESTD_TRY(const auto chain, text(fmt::format("{}_issuer_chain", prefix)));
        if (!body) return std::nullopt;
        SignedDocument out{
            *std::move(body), fail(Errc::bad_encoding, "the signature is absent"), {}};
        if (signature) out.signature = from_hex(*signature, fmt::format("{}_signature", prefix));
        if (chain) out.chain = parse_chain(*chain);
        return out;
    }

 private:
    JsonObject object_;
};

// Revocation lists and PCK certificates of the file.
struct CollateralChains {
    std::vector<GivenCrl> crls;
    std::vector<Certificate> certificates;
};

Result<CollateralChains> collateral_chains(CollateralFile& file) {
    CollateralChains out;
    ATTESTD_TRY(const auto root_crl, file.text("root_ca_crl"));
    if (root_crl) out.crls.push_back({parse_crl_text(*root_crl), CrlRole::root});
    ATTESTD_TRY(const auto pck_crl, file.text("pck_crl"));
    ATTESTD_TRY(const auto crl_chain, file.text("pck_crl_issuer_chain"));
    if (pck_crl) {
        out.crls.push_back({parse_crl_text(*pck_crl), CrlRole::pck});
        if (crl_chain) out.crls.back().chain = parse_chain(*crl_chain);
    }
    // Some tools put the platform's own chain beside the rest, for quotes that do not carry it.
    ATTESTD_TRY(const auto pck_chain, file.text("pck_certificate_chain"));
    if (pck_chain) {
        ATTESTD_TRY(out.certificates, parse_chain(*pck_chain));
    }
    return out;
}

}  // namespace

Result<void> Endorsements::add(ByteView bytes, std::string_view name) {
    if (bytes.size() > kMaxEndorsementLen)
        return fail(Errc::too_large, fmt::format("{}: over 4 MiB", name));
    // On failure nothing stays behind of a file that was half read.
    Endorsements before = *this;
    if (auto added = add_recognised(bytes, name); !added) {
        *this = std::move(before);
        return fail_in(name, added.error());
    }
    digest_ = sha256({digest_, sha256(bytes)});
    return {};
}

Result<void> Endorsements::add_recognised(ByteView bytes, std::string_view name) {
    const std::string_view text = as_text(bytes);
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first != text.npos && text[first] == '{') return add_json(text, name);
    const Bytes decoded = decode_text_form(bytes);
    // A table may hold PEM, so it is looked for first.
    if (looks_like_cert_table(decoded)) return add_table(decoded);
    if (decoded.size() > kSnpReportLen && looks_like_snp_report(decoded)) {
        return add_table(ByteView(decoded).subspan(kSnpReportLen));
    }
    if (looks_like_pem(bytes)) return add_pem(bytes);
    if (decoded.size() > 4 && decoded[0] == der::kSequence) return add_der(decoded);
    if (!decoded.empty() && all_zero(decoded)) return {};  // the table of a host that gives nothing
    return fail(Errc::unknown_format,
                "no certificate, revocation list, certificate table or collateral is recognised");
}

Result<void> Endorsements::add_pem(ByteView bytes) {
    ATTESTD_TRY(const auto blocks, parse_pem(as_text(bytes), PemStyle::file));
    for (const PemBlock& block : blocks) {
        if (block.label != "CERTIFICATE" && block.label != "X509 CRL") {
            return fail(Errc::unknown_format, fmt::format("a PEM block \"{}\"", block.label));
        }
        ATTESTD_CHECK(add_der(block.der));
    }
    return {};
}

Result<void> Endorsements::add_der(ByteView bytes) {
    if (is_crl(bytes)) {
        ATTESTD_TRY(auto crl, Crl::parse(bytes));
        crls_.push_back({std::move(crl)});
        return {};
    }
    ATTESTD_TRY(auto certificate, Certificate::parse(bytes));
    certificates_.push_back(std::move(certificate));
    return {};
}

Result<void> Endorsements::add_table(ByteView bytes) {
    ATTESTD_TRY(const auto entries, parse_cert_table(bytes));
    for (const CertTableEntry& entry : entries) {
        if (entry.kind == CertTableEntryKind::other) continue;
        auto added = looks_like_pem(entry.data) ? add_pem(entry.data) : add_der(entry.data);
        const bool leaf =
            entry.kind == CertTableEntryKind::vcek || entry.kind == CertTableEntryKind::vlek;
        // Hosts have been seen to supply malformed issuers; those may come from elsewhere, a leaf
        // may not.
        if (!added && leaf) return fail_in(entry.guid, added.error());
    }
    return {};
}

Result<void> Endorsements::add_json(std::string_view text, std::string_view name) {
    for (const auto& [key, documents] :
         {std::pair{"tcbInfo", &tcb_infos_}, std::pair{"enclaveIdentity", &qe_identities_}}) {
        if (!json_has_outer_key(text, key)) continue;
        ATTESTD_TRY(const SignedJsonParts parts, split_signed_json(text, key));
        documents->push_back({std::string(parts.body), from_hex(parts.signature, "signature"), {}});
        return {};
    }
    if (!json_has_outer_key(text, "tcb_info") && !json_has_outer_key(text, "qe_identity")) {
        return fail(Errc::unknown_format,
                    "JSON, but neither a TCB info, an enclave identity nor a collateral file");
    }
    ATTESTD_TRY(const JsonDocument document,
                JsonDocument::parse(text, std::string(name), kCollateralLimits));
    ATTESTD_TRY(auto object, document.root().object());
    CollateralFile file(std::move(object));
    ATTESTD_TRY(auto tcb_info, file.document("tcb_info"));
    ATTESTD_TRY(auto qe_identity, file.document("qe_identity"));
    if (tcb_info) tcb_infos_.push_back(*std::move(tcb_info));
    if (qe_identity) qe_identities_.push_back(*std::move(qe_identity));
    ATTESTD_TRY(auto chains, collateral_chains(file));
    std::move(chains.crls.begin(), chains.crls.end(), std::back_inserter(crls_));
    std::move(chains.certificates.begin(), chains.certificates.end(),
              std::back_inserter(certificates_));
    return {};
}

}  // namespace attestd
