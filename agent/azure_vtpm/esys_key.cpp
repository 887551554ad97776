// A key that a TPM gives only while chosen PCRs hold certain values (TCG TPM 2.0 Library, part 1,
// sections 19.7 and 24.5, part 3, sections 15.5 and 23.7).
//
// A primary HMAC key of the endorsement hierarchy. Its template carries the policy "PCRs hold these
// values" and allows nothing else, so that the key of other values is another key, and the key of
// these can be used with these alone. What comes out is its HMAC over the request's context. It
// crosses the way to the TPM encrypted, by a session whose salt was encrypted to a key of this TPM.
#include <algorithm>

#include "agent/azure_vtpm/internal/esys.h"
#include "agent/azure_vtpm/tpm_error.h"
#include "quote/base/digest.h"

namespace attestd::vtpm {
namespace {

constexpr std::string_view kLabel("attestd vtpm slot v1\0", 21);
constexpr int kMaxTries = 3;  // when a PCR changes between policy and use
constexpr std::uint16_t kAesBits = 128;

constexpr TPMT_SYM_DEF session_cipher() noexcept {
    TPMT_SYM_DEF out{};
    out.algorithm = TPM2_ALG_AES;
    out.keyBits.aes = kAesBits;
    out.mode.aes = TPM2_ALG_CFB;
    return out;
}

Result<void> create_primary(const Esys& esys, ESYS_TR hierarchy, const TPM2B_PUBLIC& wanted,
                            std::string_view step, Flushed& to) {
    const TPM2B_SENSITIVE_CREATE sensitive{};
    const TPM2B_DATA outside{};
    const TPML_PCR_SELECTION none{};
    TPM2B_PUBLIC* made = nullptr;
    TPM2B_CREATION_DATA* data = nullptr;
    TPM2B_DIGEST* hash = nullptr;
    TPMT_TK_CREATION* ticket = nullptr;
    const TSS2_RC code = ::Esys_CreatePrimary(esys.get(), hierarchy, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                              ESYS_TR_NONE, &sensitive, &wanted, &outside, &none,
                                              to.out(), &made, &data, &hash, &ticket);
    const EsysOwned<TPM2B_PUBLIC> made_owner(made);
    const EsysOwned<TPM2B_CREATION_DATA> data_owner(data);
    const EsysOwned<TPM2B_DIGEST> hash_owner(hash);
    const EsysOwned<TPMT_TK_CREATION> ticket_owner(ticket);
    return esys.check(code, step);
}

// A key that is there to encrypt a session's salt to; of the null hierarchy, gone after use.
Result<void> make_salt_key(const Esys& esys, Flushed& to) {
    TPM2B_PUBLIC wanted{};
    TPMT_PUBLIC& area = wanted.publicArea;
    area.type = TPM2_ALG_ECC;
    area.nameAlg = TPM2_ALG_SHA256;
    area.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                            TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                            TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;
    TPMS_ECC_PARMS& ecc = area.parameters.eccDetail;
    ecc.symmetric.algorithm = TPM2_ALG_AES;
    ecc.symmetric.keyBits.aes = kAesBits;
    ecc.symmetric.mode.aes = TPM2_ALG_CFB;
    ecc.scheme.scheme = TPM2_ALG_NULL;
    ecc.curveID = TPM2_ECC_NIST_P256;
    ecc.kdf.scheme = TPM2_ALG_NULL;
    return create_primary(esys, ESYS_TR_RH_NULL, wanted, "TPM2_CreatePrimary of the salt's key",
                          to);
}

// A session that has stated what the PCRs hold now.
Result<void> state_pcrs(const Esys& esys, ESYS_TR salt_key, TPM2_SE kind, std::uint32_t pcrs,
                        Flushed& session) {
    const TPMT_SYM_DEF cipher = session_cipher();
    ATTESTD_CHECK(
        esys.check(::Esys_StartAuthSession(esys.get(), salt_key, ESYS_TR_NONE, ESYS_TR_NONE,
                                           ESYS_TR_NONE, ESYS_TR_NONE, nullptr, kind, &cipher,
                                           TPM2_ALG_SHA256, session.out()),
                   "TPM2_StartAuthSession"));
    const TPM2B_DIGEST as_they_are{};
    const TPML_PCR_SELECTION selection = pcr_selection(pcrs);
    return esys.check(::Esys_PolicyPCR(esys.get(), session.get(), ESYS_TR_NONE, ESYS_TR_NONE,
                                       ESYS_TR_NONE, &as_they_are, &selection),
                      "TPM2_PolicyPCR");
}

Result<TPM2B_DIGEST> policy_of(const Esys& esys, std::uint32_t pcrs) {
    Flushed trial(esys);
    ATTESTD_CHECK(state_pcrs(esys, ESYS_TR_NONE, TPM2_SE_TRIAL, pcrs, trial));
    TPM2B_DIGEST* digest = nullptr;
    const TSS2_RC code = ::Esys_PolicyGetDigest(esys.get(), trial.get(), ESYS_TR_NONE, ESYS_TR_NONE,
                                                ESYS_TR_NONE, &digest);
    const EsysOwned<TPM2B_DIGEST> owner(digest);
    ATTESTD_CHECK(esys.check(code, "TPM2_PolicyGetDigest"));
    return *digest;
}

Result<void> make_hmac_key(const Esys& esys, const TPM2B_DIGEST& policy, Flushed& to) {
    TPM2B_PUBLIC wanted{};
    TPMT_PUBLIC& area = wanted.publicArea;
    area.type = TPM2_ALG_KEYEDHASH;
    area.nameAlg = TPM2_ALG_SHA256;
    // Without USERWITHAUTH: by its policy alone, whatever its authorisation value.
    area.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                            TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_ADMINWITHPOLICY |
                            TPMA_OBJECT_NODA | TPMA_OBJECT_SIGN_ENCRYPT;
    area.authPolicy = policy;
    area.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_HMAC;
    area.parameters.keyedHashDetail.scheme.details.hmac.hashAlg = TPM2_ALG_SHA256;
    return create_primary(esys, ESYS_TR_RH_ENDORSEMENT, wanted,
                          "TPM2_CreatePrimary of the derived key", to);
}

Result<Secret> take_digest(TPM2B_DIGEST& digest) {
    const std::span<std::uint8_t> bytes(std::begin(digest.buffer), digest.size);
    auto out = Secret::copy_of(bytes);
    wipe_bytes(bytes);
    if (out && out->size() != sizeof(Sha256))
        return fail(Errc::vtpm_failed, "TPM2_HMAC: the TPM gave no 32 bytes");
    return out;
}

struct Derived {
    TSS2_RC code = TSS2_RC_SUCCESS;  // of TPM2_HMAC
    Secret key;
};

Result<Derived> derive_once(const Esys& esys, ESYS_TR salt_key, const VtpmKeyRequest& request) {
    ATTESTD_TRY(const TPM2B_DIGEST policy, policy_of(esys, request.pcrs));
    Flushed key(esys), session(esys);
    ATTESTD_CHECK(make_hmac_key(esys, policy, key));
    ATTESTD_CHECK(state_pcrs(esys, salt_key, TPM2_SE_POLICY, request.pcrs, session));
    constexpr TPMA_SESSION kEncrypted =
        TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT | TPMA_SESSION_CONTINUESESSION;
    ATTESTD_CHECK(
        esys.check(::Esys_TRSess_SetAttributes(esys.get(), session.get(), kEncrypted, 0xff),
                   "Esys_TRSess_SetAttributes"));
    TPM2B_MAX_BUFFER input{};
    auto* const end = std::copy(kLabel.begin(), kLabel.end(), std::begin(input.buffer));
    std::copy(request.context.begin(), request.context.end(), end);
    input.size = static_cast<std::uint16_t>(kLabel.size() + request.context.size());
    TPM2B_DIGEST* digest = nullptr;
    Derived out;
    out.code = ::Esys_HMAC(esys.get(), key.get(), session.get(), ESYS_TR_NONE, ESYS_TR_NONE, &input,
                           TPM2_ALG_SHA256, &digest);
    const EsysOwned<TPM2B_DIGEST> owner(digest);
    if (out.code != TSS2_RC_SUCCESS) return out;
    ATTESTD_TRY(out.key, take_digest(*digest));
    return out;
}

}  // namespace

Result<Secret> derive_key(const Esys& esys, const VtpmKeyRequest& request) {
    Flushed salt_key(esys);
    ATTESTD_CHECK(make_salt_key(esys, salt_key));
    TSS2_RC code = TSS2_RC_SUCCESS;
    for (int tries = 0; tries < kMaxTries; ++tries) {
        ATTESTD_TRY(Derived got, derive_once(esys, salt_key.get(), request));
        if (got.code == TSS2_RC_SUCCESS) return std::move(got.key);
        code = got.code;
        if (!is_changed_pcr(code)) break;
    }
    ATTESTD_CHECK(esys.check(code, "TPM2_HMAC with the derived key"));
    return fail(Errc::internal, "a TPM's success was taken for a failure");
}

}  // namespace attestd::vtpm
