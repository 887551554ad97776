#include "verifier/intel/quote_verification.h"

#include "verifier/intel/tcb_evaluation.h"

namespace attestd {

Result<PublicKey> attestation_key_of(const ParsedQuote& quote) {
    auto key = PublicKey::from_point(KeyKind::p256, quote.attestation_key);
    if (!key) return fail(Errc::quote_signature, "attestation key: " + key.error().detail);
    return key;
}

Result<void> verify_quote_signature(const ParsedQuote& quote, const PublicKey& attestation_key) {
    const ByteView r = quote.signature.first(32), s = quote.signature.subspan(32);
    if (attestation_key.verify_raw(quote.signed_part, r, s)) return {};
    return fail(Errc::quote_signature, "the quote is not signed by its attestation key");
}

Result<void> verify_tdx_module(const IntelQuote& quote, const TcbInfo& info) {
    const auto* const td = std::get_if<TdReport>(&quote.body);
    if (td == nullptr) return {};
    ATTESTD_CHECK(match_tdx_module(*td, td->tee_tcb_svn, info));
    if (td->tee_tcb_svn2) return match_tdx_module(*td, *td->tee_tcb_svn2, info);
    return {};
}

}  // namespace attestd
