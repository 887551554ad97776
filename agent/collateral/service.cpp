#include "agent/collateral/service.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "quote/base/encoding.h"
#include "quote/base/percent.h"
#include "quote/base/text_form.h"
#include "quote/x509/certificate.h"
#include "quote/x509/crl.h"
#include "quote/x509/pem.h"
#include "verifier/signed_json.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxDocumentLen = std::size_t{1} << 20;
constexpr std::size_t kMaxChainLen = 16384;

// Which set of documents; the two ways of saying it exclude each other.
std::string set_query(const ServiceAddresses& s) {
    if (s.evaluation_data_number)
        return fmt::format("tcbEvaluationDataNumber={}", *s.evaluation_data_number);
    return s.update == TcbUpdate::early ? "update=early" : "update=standard";
}

// -- addresses --

// A PCCS knows the platform by its quoting enclave; Intel's service by the encrypted PPID alone.
std::string url_of(const ServiceAddresses& s, const PckCertificateId& id) {
    const bool pccs = s.root_crl.empty();
    const std::string qe_id = pccs ? fmt::format("&qeid={}", to_hex(id.qe_id)) : std::string();
    return fmt::format(
        "{}/sgx/certification/v4/pckcert?encrypted_ppid={}&cpusvn={}&pcesvn={}&pceid={}{}", s.pcs,
        to_hex(id.encrypted_ppid), to_hex(id.cpu_svn), to_hex(id.pce_svn), to_hex(id.pce_id),
        qe_id);
}

std::string url_of(const ServiceAddresses& s, const TcbInfoId& id) {
    return fmt::format("{}/{}/certification/v4/tcb?fmspc={}&{}", s.pcs, id.tdx ? "tdx" : "sgx",
                       to_hex(id.fmspc), set_query(s));
}

std::string url_of(const ServiceAddresses& s, const QeIdentityId& id) {
    return fmt::format("{}/{}/certification/v4/qe/identity?{}", s.pcs, id.tdx ? "tdx" : "sgx",
                       set_query(s));
}

std::string url_of(const ServiceAddresses& s, const PckCrlId& id) {
    return fmt::format("{}/sgx/certification/v4/pckcrl?ca={}&encoding=der", s.pcs,
                       id.ca == PckCa::platform ? "platform" : "processor");
}

std::string url_of(const ServiceAddresses& s, const RootCrlId&) {
    return s.root_crl.empty() ? s.pcs + "/sgx/certification/v4/rootcacrl" : s.root_crl;
}

std::string url_of(const ServiceAddresses& s, const AmdIssuersId& id) {
    return fmt::format("{}/{}/v1/{}/cert_chain", s.kds, id.vlek ? "vlek" : "vcek",
                       product_name(id.product));
}

std::string url_of(const ServiceAddresses& s, const AmdCrlId& id) {
    return fmt::format("{}/{}/v1/{}/crl", s.kds, id.vlek ? "vlek" : "vcek",
                       product_name(id.product));
}

std::string url_of(const ServiceAddresses& s, const VcekId& id) {
    const std::string fmc = id.tcb.fmc ? fmt::format("fmcSPL={:02}&", *id.tcb.fmc) : std::string();
    return fmt::format("{}/vcek/v1/{}/{}?{}blSPL={:02}&teeSPL={:02}&snpSPL={:02}&ucodeSPL={:02}",
                       s.kds, product_name(id.product), to_hex(id.hw_id), fmc, id.tcb.bootloader,
                       id.tcb.tee, id.tcb.snp, id.tcb.microcode);
}

// -- answers --

// A service's own words, cut and in printable ASCII.
std::string quoted(std::string_view text) {
    constexpr std::size_t kMaxLen = 120;
    std::string out;
    for (const char c : text.substr(0, kMaxLen)) out += c >= ' ' && c <= '~' ? c : '?';
    return out;
}

std::chrono::seconds retry_after(const FetchResponse& response) {
    constexpr std::chrono::seconds kUsual{30};
    return parse_retry_after(response.header("retry-after")).value_or(kUsual);
}

ServiceFailure throttled(const std::string& detail, std::chrono::seconds wait) {
    return {
        {Errc::collateral_throttled, fmt::format("{}: asks to wait {} s", detail, wait.count())},
        wait};
}

// PCCS's own statuses beside HTTP's.
std::string_view words_of(unsigned status) {
    switch (status) {
        case 400:
            return "it finds the request wrong";
        case 401:
        case 403:
            return "it wants credentials";
        case 460:
            return "PCCS: the data of the platform are damaged";
        case 461:
            return "PCCS: the platform is not known to it";
        case 462:
            return "PCCS: certificates are not available for the platform";
        case 502:
            return "the service behind it cannot be reached";
        default:
            return "not an endorsement";
    }
}

ServiceFailure failure_of(const FetchResponse& response, const std::string& url) {
    std::string detail = fmt::format("GET {}: status {}", url, response.status);
    for (const std::string_view name : {"error-code", "error-message"}) {
        const auto value = response.header(name);
        if (!value.empty()) detail += fmt::format(", {}", quoted(value));
    }
    switch (response.status) {
        case 404:
            return {
                {Errc::collateral_not_found, detail + ": the service has none for these values"},
                std::nullopt};
        case 410:
            return {{Errc::collateral_gone, detail + ": no longer served; ask for a newer one"},
                    std::nullopt};
        case 429:
            return throttled(detail, retry_after(response));
        case 503:
            if (response.header("retry-after").empty()) break;
            return throttled(detail, retry_after(response));
        default:
            break;
    }
    return {{Errc::collateral_service, fmt::format("{}: {}", detail, words_of(response.status))},
            std::nullopt};
}

// The chain in the first of these headers that is there, as PEM.
Result<std::string> chain_of(const FetchResponse& response,
                             std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) {
        const std::string_view value = response.header(name);
        if (value.empty()) continue;
        if (value.size() > kMaxChainLen)
            return fail(Errc::too_large, fmt::format("header {}: over 16 KiB", name));
        return percent_decode(value, name);
    }
    return fail(Errc::missing_key, fmt::format("the answer has no header {}", *names.begin()));
}

// One document of collateral JSON; `prefix` as there: "tcb_info".
Result<Bytes> document_file(const FetchResponse& response, std::string_view body_key,
                            const std::string& prefix, std::string chain) {
    if (response.body.size() > kMaxDocumentLen) return fail(Errc::too_large, "over 1 MiB");
    ATTESTD_TRY(const SignedJsonParts parts, split_signed_json(as_text(response.body), body_key));
    const nlohmann::ordered_json file{{prefix, parts.body},
                                      {prefix + "_signature", parts.signature},
                                      {prefix + "_issuer_chain", std::move(chain)}};
    // Bytes that are not UTF-8 would be replaced, and their signature would not hold: fine.
    const std::string text =
        file.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
    return Bytes(text.begin(), text.end());
}

// A list in whatever form it came, as PEM, with `chain` behind it.
Result<Bytes> crl_file(ByteView body, const std::string& chain) {
    Bytes der;
    if (looks_like_pem(body)) {
        ATTESTD_TRY(auto blocks, parse_pem(as_text(body), PemStyle::file));
        if (blocks.size() != 1 || blocks[0].label != "X509 CRL")
            return fail(Errc::bad_encoding, "not one PEM revocation list");
        der = std::move(blocks[0].der);
    } else {
        der = decode_text_form(body);
    }
    ATTESTD_CHECK(Crl::parse(der));
    const std::string text = to_pem("X509 CRL", der) + chain;
    return Bytes(text.begin(), text.end());
}

Result<Bytes> file_of(const FetchResponse& r, const PckCertificateId&) {
    ATTESTD_TRY(const std::string chain, chain_of(r, {"sgx-pck-certificate-issuer-chain"}));
    ATTESTD_TRY(const auto blocks, parse_pem(as_text(r.body), PemStyle::file));
    if (blocks.size() != 1 || blocks[0].label != "CERTIFICATE")
        return fail(Errc::bad_encoding, "not one PEM certificate");
    const std::string text = to_pem("CERTIFICATE", blocks[0].der) + chain;
    return Bytes(text.begin(), text.end());
}
Result<Bytes> file_of(const FetchResponse& r, const TcbInfoId&) {
    ATTESTD_TRY(std::string chain,
                chain_of(r, {"tcb-info-issuer-chain", "sgx-tcb-info-issuer-chain"}));
    return document_file(r, "tcbInfo", "tcb_info", std::move(chain));
}
Result<Bytes> file_of(const FetchResponse& r, const QeIdentityId&) {
    ATTESTD_TRY(std::string chain, chain_of(r, {"sgx-enclave-identity-issuer-chain"}));
    return document_file(r, "enclaveIdentity", "qe_identity", std::move(chain));
}
Result<Bytes> file_of(const FetchResponse& r, const PckCrlId&) {
    ATTESTD_TRY(const std::string chain, chain_of(r, {"sgx-pck-crl-issuer-chain"}));
    return crl_file(r.body, chain);
}
Result<Bytes> file_of(const FetchResponse& r, const RootCrlId&) { return crl_file(r.body, {}); }
Result<Bytes> file_of(const FetchResponse& r, const AmdIssuersId&) {
    ATTESTD_TRY(const auto blocks, parse_pem(as_text(r.body), PemStyle::file));
    std::string text;
    for (const PemBlock& block : blocks) text += to_pem(block.label, block.der);
    return Bytes(text.begin(), text.end());
}
Result<Bytes> file_of(const FetchResponse& r, const VcekId&) {
    ATTESTD_CHECK(Certificate::parse(r.body));
    return r.body;
}
Result<Bytes> file_of(const FetchResponse& r, const AmdCrlId&) {
    ATTESTD_CHECK(Crl::parse(r.body));
    return r.body;
}

}  // namespace

std::string endorsement_url(const ServiceAddresses& services, const EndorsementId& id) {
    return std::visit([&](const auto& which) { return url_of(services, which); }, id);
}

tl::expected<Bytes, ServiceFailure> ask_service(Fetcher& fetcher, const ServiceAddresses& services,
                                                const EndorsementId& id,
                                                Fetcher::Deadline deadline) {
    FetchRequest request;
    request.url = endorsement_url(services, id);
    auto response = fetcher.fetch(request, deadline);
    if (!response) {
        return tl::make_unexpected(ServiceFailure{std::move(response).error(), std::nullopt});
    }
    if (response->status != 200) return tl::make_unexpected(failure_of(*response, request.url));
    auto file = std::visit([&](const auto& which) { return file_of(*response, which); }, id);
    if (file) return *std::move(file);
    return tl::make_unexpected(ServiceFailure{
        {Errc::collateral_service, fmt::format("GET {}: {}: {}", request.url, endorsement_words(id),
                                               to_string(file.error()))},
        std::nullopt});
}

}  // namespace attestd
