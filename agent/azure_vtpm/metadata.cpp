#include "agent/azure_vtpm/metadata.h"

#include <fmt/format.h>

#include "quote/base/base64url.h"
#include "quote/base/json.h"
#include "quote/intel/quote.h"
#include "quote/intel/tdreport.h"
#include "quote/x509/pem.h"

namespace attestd::vtpm {
namespace {

constexpr std::string_view kCertificationUrl =
    "http://169.254.169.254/metadata/THIM/amd/certification";
constexpr std::string_view kTdQuoteUrl = "http://169.254.169.254/acc/tdquote";
constexpr JsonLimits kAnswerLimits{std::size_t{1} << 18, 8};
constexpr std::size_t kMaxIssuers = 4;
constexpr unsigned kOk = 200;

FetchRequest metadata_request(std::string_view url) {
    FetchRequest out;
    out.url = url;
    out.headers = {{"Metadata", "true"}};
    return out;
}

tl::unexpected<Error> nonsense(std::string_view url, const Error& why) {
    return fail(Errc::fetch_protocol, fmt::format("{}: {}", url, why.detail));
}

Result<Bytes> answer_of(Fetcher& fetcher, const FetchRequest& request, Deadline deadline) {
    ATTESTD_TRY(FetchResponse response, fetcher.fetch(request, deadline));
    if (response.status == kOk) return std::move(response.body);
    return fail(Errc::fetch_protocol, fmt::format("{}: status {}", request.url, response.status));
}

Result<std::vector<PemBlock>> certificates_in(JsonObject& in, std::string_view key) {
    ATTESTD_TRY(const JsonValue value, in.required(key));
    ATTESTD_TRY(const std::string text, value.text());
    ATTESTD_TRY(auto blocks, parse_pem(text, PemStyle::file));
    for (const PemBlock& block : blocks) {
        if (block.label != "CERTIFICATE")
            return value.fail_here(Errc::bad_value, "holds something else than certificates");
    }
    return blocks;
}

// Members beside these two may be there: "tcbm", "cacheControl".
Result<SnpEndorsements> parse_certification(ByteView body) {
    ATTESTD_TRY(const JsonDocument document,
                JsonDocument::parse(as_text(body), "answer", kAnswerLimits));
    ATTESTD_TRY(JsonObject in, document.root().object());
    ATTESTD_TRY(auto vcek, certificates_in(in, "vcekCert"));
    ATTESTD_TRY(auto chain, certificates_in(in, "certificateChain"));
    if (vcek.size() != 1) return fail(Errc::bad_value, "vcekCert: one certificate is expected");
    if (chain.size() > kMaxIssuers) return fail(Errc::too_large, "certificateChain: too many");
    SnpEndorsements out{std::move(vcek.front().der), {}};
    for (PemBlock& block : chain) out.issuers.push_back(std::move(block.der));
    return out;
}

Result<Bytes> parse_td_quote_answer(ByteView body) {
    ATTESTD_TRY(const JsonDocument document,
                JsonDocument::parse(as_text(body), "answer", kAnswerLimits));
    ATTESTD_TRY(JsonObject in, document.root().object());
    ATTESTD_TRY(const JsonValue value, in.required("quote"));
    ATTESTD_TRY(std::string text, value.text());
    while (text.ends_with('=')) text.pop_back();  // seen with padding and without
    return from_base64url(text, value.where());
}

// That the quote is one, and of the same report data: a mistake of the service is named here. A lie
// is the verifier's to find.
Result<void> check_td_quote(ByteView quote, ByteView td_report) {
    ATTESTD_TRY(const LocalTdReport asked, parse_tdreport(td_report));
    ATTESTD_TRY(const ParsedQuote parsed, parse_intel_quote(quote));
    if (!parsed.quote.is_tdx()) return fail(Errc::unsupported_type, "the quote is no TD's");
    if (parsed.quote.report_data() == asked.mac.report_data) return {};
    return fail(Errc::platform_wrong_echo, "the quote is of another TDREPORT than was sent");
}

}  // namespace

Result<SnpEndorsements> Metadata::snp_endorsements(Deadline deadline) {
    ATTESTD_TRY(const Bytes body,
                answer_of(fetcher_, metadata_request(kCertificationUrl), deadline));
    auto out = parse_certification(body);
    if (!out) return nonsense(kCertificationUrl, out.error());
    return out;
}

Result<Bytes> Metadata::td_quote(ByteView td_report, Deadline deadline) {
    FetchRequest request = metadata_request(kTdQuoteUrl);
    request.method = "POST";
    request.content_type = "application/json";
    const std::string body = fmt::format(R"({{"report":"{}"}})", to_base64url(td_report));
    request.body = to_bytes(as_bytes(body));
    ATTESTD_TRY(const Bytes answer, answer_of(fetcher_, request, deadline));
    auto quote = parse_td_quote_answer(answer);
    if (!quote) return nonsense(kTdQuoteUrl, quote.error());
    if (const auto good = check_td_quote(*quote, td_report); !good) {
        if (good.error().code == Errc::platform_wrong_echo)
            return tl::make_unexpected(good.error());
        return nonsense(kTdQuoteUrl, good.error());
    }
    return quote;
}

}  // namespace attestd::vtpm
