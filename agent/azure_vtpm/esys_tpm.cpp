#include "agent/azure_vtpm/esys_tpm.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/azure_vtpm/internal/esys.h"
#include "agent/azure_vtpm/tpm_error.h"
#include "quote/azure/hcl_blob.h"
#include "quote/platform/system.h"

namespace attestd::vtpm {
namespace {

constexpr std::uint16_t kChunk = 512;  // every TPM reads as much of an index at one time
constexpr std::size_t kSha256PcrSize = 3;
constexpr int kMaxPcrReads = 16;  // eight values come at one time; a TPM may give fewer

std::string nv_name(std::uint32_t index) { return fmt::format("NV index 0x{:08x}", index); }

template <class Sized>
ByteView view(const Sized& sized, const std::uint8_t* bytes) noexcept {
    return {bytes, sized.size};
}

// Values come in the order of their registers, those that are selected in the answer. Returns
// which.
std::uint32_t take_values(const TPML_PCR_SELECTION& which, const TPML_DIGEST& values, Pcrs& out) {
    const TPMS_PCR_SELECTION& bank = which.pcrSelections[0];
    std::uint32_t taken = 0;
    std::size_t next = 0;
    for (std::size_t pcr = 0; pcr < out.size() && next < values.count; ++pcr) {
        if (which.count != 1 || pcr / 8 >= bank.sizeofSelect) break;
        if ((bank.pcrSelect[pcr / 8] >> pcr % 8 & 1) == 0) continue;
        const TPM2B_DIGEST& value = values.digests[next++];
        if (value.size != sizeof(Sha256)) break;
        std::copy_n(std::begin(value.buffer), sizeof(Sha256), out.at(pcr).begin());
        taken |= 1U << pcr;
    }
    return taken;
}

// Which authorisation reads an index: the owner's, as a paravisor leaves it, or its own.
struct NvIndex {
    std::size_t len;
    TPMA_NV attributes;
};

}  // namespace

Result<std::unique_ptr<Esys>> Esys::open(Fd tpm, Deadline deadline) {
    std::unique_ptr<Esys> out(new Esys(std::move(tpm), deadline));
    ATTESTD_CHECK(out->check(::Esys_Initialize(&out->context_, out->tcti_.get(), nullptr),
                             "Esys_Initialize"));
    return out;
}

Result<void> Esys::check(TSS2_RC code, std::string_view step) const {
    if (code == TSS2_RC_SUCCESS) return {};
    if (tcti_.timed_out()) {
        return fail(Errc::timed_out,
                    fmt::format("{}: the TPM did not answer by the deadline", step));
    }
    if (tcti_.error() != 0) {
        return fail(Errc::vtpm_failed, fmt::format("{}: the TPM's driver failed: {}", step,
                                                   errno_words(tcti_.error())));
    }
    return tl::make_unexpected(tpm_error(step, code));
}

TPML_PCR_SELECTION pcr_selection(std::uint32_t mask) noexcept {
    TPML_PCR_SELECTION out{};
    out.count = 1;
    TPMS_PCR_SELECTION& bank = out.pcrSelections[0];
    bank.hash = TPM2_ALG_SHA256;
    bank.sizeofSelect = kSha256PcrSize;
    for (std::size_t i = 0; i < kSha256PcrSize; ++i)
        bank.pcrSelect[i] = static_cast<BYTE>(mask >> (8 * i));
    return out;
}

struct EsysTpm::Impl {
    std::unique_ptr<Esys> esys;

    // Empty `to` when the TPM has no such index.
    Result<void> find_nv(std::uint32_t index, Known& to) const {
        const TSS2_RC code = ::Esys_TR_FromTPMPublic(esys->get(), index, ESYS_TR_NONE, ESYS_TR_NONE,
                                                     ESYS_TR_NONE, to.out());
        if (is_absent(code)) {
            to.forget();
            return {};
        }
        return esys->check(code, nv_name(index));
    }

    Result<NvIndex> look_at(std::uint32_t index, const Known& nv) const {
        TPM2B_NV_PUBLIC* found = nullptr;
        const TSS2_RC code = ::Esys_NV_ReadPublic(esys->get(), nv.get(), ESYS_TR_NONE, ESYS_TR_NONE,
                                                  ESYS_TR_NONE, &found, nullptr);
        const EsysOwned<TPM2B_NV_PUBLIC> owner(found);
        ATTESTD_CHECK(esys->check(code, "TPM2_NV_ReadPublic of " + nv_name(index)));
        return NvIndex{found->nvPublic.dataSize, found->nvPublic.attributes};
    }

    Result<void> define_user_data(Known& nv) const {
        TPM2B_NV_PUBLIC wanted{};
        wanted.nvPublic.nvIndex = kDataIndex;
        wanted.nvPublic.nameAlg = TPM2_ALG_SHA256;
        wanted.nvPublic.attributes = TPMA_NV_OWNERWRITE | TPMA_NV_OWNERREAD;
        wanted.nvPublic.dataSize = sizeof(ReportData);
        const TPM2B_AUTH empty{};
        return esys->check(
            ::Esys_NV_DefineSpace(esys->get(), ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                  ESYS_TR_NONE, &empty, &wanted, nv.out()),
            "TPM2_NV_DefineSpace of " + nv_name(kDataIndex));
    }

    Result<void> undefine(Known& nv) const {
        ATTESTD_CHECK(
            esys->check(::Esys_NV_UndefineSpace(esys->get(), ESYS_TR_RH_OWNER, nv.get(),
                                                ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE),
                        "TPM2_NV_UndefineSpace of " + nv_name(kDataIndex)));
        nv.forget();
        return {};
    }
};

EsysTpm::EsysTpm(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EsysTpm::~EsysTpm() = default;

Result<std::unique_ptr<EsysTpm>> EsysTpm::open(Fd tpm, Deadline deadline) {
    auto impl = std::make_unique<Impl>();
    ATTESTD_TRY(impl->esys, Esys::open(std::move(tpm), deadline));
    return std::unique_ptr<EsysTpm>(new EsysTpm(std::move(impl)));
}

Result<Bytes> EsysTpm::read_blob() {
    const Esys& esys = *impl_->esys;
    Known nv(esys);
    ATTESTD_CHECK(impl_->find_nv(kBlobIndex, nv));
    if (nv.get() == ESYS_TR_NONE) {
        return fail(Errc::vtpm_failed,
                    nv_name(kBlobIndex) +
                        " is not there: this is no vTPM of an Azure confidential VM, or its "
                        "paravisor has not set it up");
    }
    ATTESTD_TRY(const NvIndex index, impl_->look_at(kBlobIndex, nv));
    if (index.len > kMaxHclBlobLen)
        return fail(Errc::vtpm_failed, fmt::format("{}: {} bytes are no paravisor's blob",
                                                   nv_name(kBlobIndex), index.len));
    const ESYS_TR reader =
        (index.attributes & TPMA_NV_OWNERREAD) != 0 ? ESYS_TR_RH_OWNER : nv.get();
    Bytes out;
    while (out.size() < index.len) {
        const auto want =
            static_cast<std::uint16_t>(std::min<std::size_t>(kChunk, index.len - out.size()));
        TPM2B_MAX_NV_BUFFER* part = nullptr;
        const TSS2_RC code =
            ::Esys_NV_Read(esys.get(), reader, nv.get(), ESYS_TR_PASSWORD, ESYS_TR_NONE,
                           ESYS_TR_NONE, want, static_cast<std::uint16_t>(out.size()), &part);
        const EsysOwned<TPM2B_MAX_NV_BUFFER> owner(part);
        ATTESTD_CHECK(esys.check(code, "TPM2_NV_Read of " + nv_name(kBlobIndex)));
        if (part->size != want)
            return fail(Errc::vtpm_failed, nv_name(kBlobIndex) + ": the TPM gave too little of it");
        const ByteView bytes = view(*part, part->buffer);
        out.insert(out.end(), bytes.begin(), bytes.end());
    }
    return out;
}

Result<void> EsysTpm::write_user_data(const ReportData& data) {
    const Esys& esys = *impl_->esys;
    Known nv(esys);
    ATTESTD_CHECK(impl_->find_nv(kDataIndex, nv));
    if (nv.get() != ESYS_TR_NONE) {
        ATTESTD_TRY(const NvIndex index, impl_->look_at(kDataIndex, nv));
        if (index.len != data.size()) ATTESTD_CHECK(impl_->undefine(nv));
    }
    if (nv.get() == ESYS_TR_NONE) ATTESTD_CHECK(impl_->define_user_data(nv));
    TPM2B_MAX_NV_BUFFER buffer{};
    buffer.size = static_cast<std::uint16_t>(data.size());
    std::copy(data.begin(), data.end(), std::begin(buffer.buffer));
    return esys.check(::Esys_NV_Write(esys.get(), ESYS_TR_RH_OWNER, nv.get(), ESYS_TR_PASSWORD,
                                      ESYS_TR_NONE, ESYS_TR_NONE, &buffer, 0),
                      "TPM2_NV_Write of " + nv_name(kDataIndex));
}

Result<Pcrs> EsysTpm::read_pcrs() {
    const Esys& esys = *impl_->esys;
    Pcrs out{};
    std::uint32_t missing = kAllVtpmPcrs;
    for (int reads = 0; missing != 0 && reads < kMaxPcrReads; ++reads) {
        const TPML_PCR_SELECTION wanted = pcr_selection(missing);
        TPML_PCR_SELECTION* which = nullptr;
        TPML_DIGEST* values = nullptr;
        const TSS2_RC code = ::Esys_PCR_Read(esys.get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                             &wanted, nullptr, &which, &values);
        const EsysOwned<TPML_PCR_SELECTION> which_owner(which);
        const EsysOwned<TPML_DIGEST> values_owner(values);
        ATTESTD_CHECK(esys.check(code, "TPM2_PCR_Read"));
        const std::uint32_t got = take_values(*which, *values, out) & missing;
        if (got == 0) break;
        missing &= ~got;
    }
    if (missing == 0) return out;
    return fail(Errc::vtpm_failed,
                fmt::format("TPM2_PCR_Read: the TPM has no PCR {} in its SHA-256 bank; "
                            "tpm2_pcrallocate sha256:all, and a reboot, makes it",
                            pcr_list(missing)));
}

Result<Tpm::Signed> EsysTpm::quote(ByteView nonce) {
    const Esys& esys = *impl_->esys;
    Known key(esys);
    const std::string step = fmt::format("TPM2_Quote by the key 0x{:08x}", kAttestationKey);
    const TSS2_RC found = ::Esys_TR_FromTPMPublic(esys.get(), kAttestationKey, ESYS_TR_NONE,
                                                  ESYS_TR_NONE, ESYS_TR_NONE, key.out());
    ATTESTD_CHECK(esys.check(found, step));
    TPM2B_DATA qualifying{};
    if (nonce.size() > sizeof qualifying.buffer) return fail(Errc::too_large, "the nonce");
    qualifying.size = static_cast<std::uint16_t>(nonce.size());
    std::copy(nonce.begin(), nonce.end(), std::begin(qualifying.buffer));
    TPMT_SIG_SCHEME scheme{};
    scheme.scheme = TPM2_ALG_RSASSA;
    scheme.details.rsassa.hashAlg = TPM2_ALG_SHA256;
    const TPML_PCR_SELECTION all = pcr_selection(kAllVtpmPcrs);
    TPM2B_ATTEST* message = nullptr;
    TPMT_SIGNATURE* signature = nullptr;
    const TSS2_RC code =
        ::Esys_Quote(esys.get(), key.get(), ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                     &qualifying, &scheme, &all, &message, &signature);
    const EsysOwned<TPM2B_ATTEST> message_owner(message);
    const EsysOwned<TPMT_SIGNATURE> signature_owner(signature);
    ATTESTD_CHECK(esys.check(code, step));
    // The answer says which member of the union it filled.
    if (signature->sigAlg != TPM2_ALG_RSASSA) {
        return fail(Errc::vtpm_failed, fmt::format("{}: the signature is of algorithm 0x{:04x}, "
                                                   "RSASSA was asked for",
                                                   step, signature->sigAlg));
    }
    const TPM2B_PUBLIC_KEY_RSA& block = signature->signature.rsassa.sig;
    return Signed{to_bytes(view(*message, message->attestationData)),
                  to_bytes(view(block, block.buffer))};
}

Result<Secret> EsysTpm::derive_key(const VtpmKeyRequest& request) {
    return vtpm::derive_key(*impl_->esys, request);
}

}  // namespace attestd::vtpm
