#include "agent/store/vtpm_slot.h"

#include <openssl/rand.h>

#include "agent/store/internal/bytes.h"
#include "quote/base/ossl.h"
#include "quote/base/reader.h"

namespace attestd {
namespace {

bool is_selection(std::uint32_t pcrs) noexcept { return pcrs != 0 && (pcrs & ~kAllVtpmPcrs) == 0; }

Bytes write_vtpm_params(const VtpmKeyRequest& request) {
    Bytes out;
    out.reserve(sizeof request.pcrs + request.context.size());
    store::append_le<std::uint32_t>(out, request.pcrs);
    for (const std::uint8_t byte : request.context) out.push_back(byte);
    return out;
}

Result<VtpmKeyRequest> read_vtpm_params(ByteView params) {
    Reader in(params);
    VtpmKeyRequest request;
    ATTESTD_TRY(request.pcrs, in.u32le("PCRs"));
    ATTESTD_TRY(request.context, in.array<32>("context"));
    ATTESTD_CHECK(in.finish("vtpm slot"));
    return request;
}

}  // namespace

Result<VtpmKeyRequest> parse_vtpm_slot_params(ByteView params) {
    auto request = read_vtpm_params(params);
    if (!request) return fail(Errc::store_corrupt, request.error().detail);
    // The slot lies on the host's disk: a key that is bound to nothing is not asked for.
    if (!is_selection(request->pcrs))
        return fail(Errc::store_corrupt, "its PCRs are none of PCR 0 to 23");
    return request;
}

Result<NewSlotKey> VtpmSlotKey::make() {
    if (!is_selection(pcrs_)) return fail(Errc::store_slot, "vtpm slot: choose among PCR 0 to 23");
    VtpmKeyRequest request{pcrs_, {}};
    if (RAND_bytes(request.context.data(), static_cast<int>(request.context.size())) != 1)
        return fail_crypto("RAND_bytes");
    const Deadline deadline = std::chrono::steady_clock::now() + patience_;
    ATTESTD_TRY(Secret key, platform_.derive_vtpm_key(request, deadline));
    return NewSlotKey{write_vtpm_params(request), std::move(key)};
}

Result<Secret> VtpmSlotKey::recover(ByteView params) {
    ATTESTD_TRY(const VtpmKeyRequest request, parse_vtpm_slot_params(params));
    return platform_.derive_vtpm_key(request, std::chrono::steady_clock::now() + patience_);
}

}  // namespace attestd
