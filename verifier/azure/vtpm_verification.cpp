#include "verifier/azure/vtpm_verification.h"

#include <fmt/format.h>

#include "quote/azure/tpm_quote.h"
#include "quote/base/encoding.h"

namespace attestd {
namespace {

constexpr ByteArray<3> kAllPcrs{0xff, 0xff, 0xff};

Result<void> check_nonce(const TpmQuote& quote, std::optional<ByteView> expected) {
    if (!expected || equal_constant_time(quote.extra_data, *expected)) return {};
    return fail(Errc::vtpm_nonce,
                fmt::format("the vTPM's quote carries the nonce {}, another one is expected: old "
                            "evidence, or made for somebody else",
                            to_hex(quote.extra_data)));
}

// The digest alone would not do: values of other registers can have it as well.
Result<void> check_selection(const TpmQuote& quote) {
    const PcrSelection wanted{kTpmAlgSha256, kAllPcrs};
    if (quote.selections.size() == 1 && quote.selections[0] == wanted) return {};
    std::string have;
    for (const PcrSelection& bank : quote.selections)
        have += fmt::format(" 0x{:04x}:{}", bank.hash, to_hex(bank.mask));
    return fail(Errc::vtpm_selection,
                fmt::format("the vTPM's quote covers{}, expected is 0x000b:ffffff alone: PCR 0 to "
                            "23 of the SHA-256 bank",
                            have.empty() ? " nothing" : have));
}

Result<void> check_digest(const TpmQuote& quote, const VtpmQuote& given) {
    Bytes values;
    for (const Sha256& pcr : given.pcrs) values.insert(values.end(), pcr.begin(), pcr.end());
    if (equal(sha256(values), quote.pcr_digest)) return {};
    return fail(Errc::vtpm_digest,
                fmt::format("the given PCR values have the digest {}, the vTPM quoted {}",
                            to_hex(sha256(values)), to_hex(quote.pcr_digest)));
}

tl::unexpected<Error> malformed(const Error& why) {
    return fail(Errc::vtpm_malformed, to_string(why));
}

}  // namespace

Result<VtpmClaims> verify_vtpm_quote(const VtpmQuote& given, const Pkcs1Key& bound_key,
                                     std::optional<ByteView> expected_nonce) {
    const auto quote = parse_tpm_quote(given.message);
    if (!quote) return malformed(quote.error());
    const auto signature = parse_tpm_signature(given.signature);
    if (!signature) return malformed(signature.error());
    ATTESTD_CHECK(check_nonce(*quote, expected_nonce));
    ATTESTD_CHECK(check_selection(*quote));
    ATTESTD_CHECK(check_digest(*quote, given));
    if (!bound_key.verify(given.message, *signature)) {
        return fail(Errc::vtpm_signature,
                    "the vTPM's quote is not signed by HCLAkPub of the paravisor's runtime data");
    }
    return VtpmClaims{to_bytes(quote->extra_data), given.pcrs,           quote->clock,
                      quote->reset_count,          quote->restart_count, quote->firmware_version};
}

}  // namespace attestd
