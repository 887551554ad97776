#include "agent/store/snp_slot.h"

#include <fmt/format.h>

#include "agent/store/internal/bytes.h"
#include "quote/base/reader.h"

namespace attestd {
namespace {

// GUEST_FIELD_SELECT (SNP firmware ABI, MSG_KEY_REQ). Bit 6, LAUNCH_MIT_VECTOR, needs a longer
// request than the kernel passes on.
constexpr std::uint64_t kPolicy = 1U << 0;
constexpr std::uint64_t kMeasurement = 1U << 3;
constexpr std::uint64_t kKnownFields = 0x3f;
constexpr std::uint32_t kMaxVmpl = 3;

std::string_view fault_of(const DerivedKeyRequest& request) noexcept {
    if ((request.guest_field_select & kPolicy) == 0) return "POLICY is not among the guest fields";
    if ((request.guest_field_select & kMeasurement) == 0)
        return "MEASUREMENT is not among the guest fields";
    if ((request.guest_field_select & ~kKnownFields) != 0)
        return "an unknown guest field is selected";
    if (request.vmpl > kMaxVmpl) return "VMPL is above 3";
    return {};
}

Bytes write_params(const DerivedKeyRequest& request) {
    Bytes out;
    store::append_le<std::uint64_t>(out, request.guest_field_select);
    store::append_le<std::uint32_t>(out, request.vmpl);
    store::append_le<std::uint32_t>(out, request.guest_svn);
    store::append_le<std::uint64_t>(out, request.tcb_version);
    return out;
}

Result<DerivedKeyRequest> read_snp_params(ByteView params) {
    Reader in(params);
    DerivedKeyRequest request;
    ATTESTD_TRY(request.guest_field_select, in.u64le("guest fields"));
    ATTESTD_TRY(request.vmpl, in.u32le("VMPL"));
    ATTESTD_TRY(request.guest_svn, in.u32le("guest SVN"));
    ATTESTD_TRY(request.tcb_version, in.u64le("TCB version"));
    ATTESTD_CHECK(in.finish("snp slot"));
    return request;
}

}  // namespace

Result<DerivedKeyRequest> parse_snp_slot_params(ByteView params) {
    auto request = read_snp_params(params);
    if (!request) return fail(Errc::store_corrupt, request.error().detail);
    // The slot lies on the host's disk: a request for a key that other guests could have is not
    // made.
    if (const auto fault = fault_of(*request); !fault.empty()) {
        return fail(Errc::store_corrupt, std::string(fault));
    }
    return request;
}

Result<NewSlotKey> SnpSlotKey::make() {
    if (const auto fault = fault_of(request_); !fault.empty()) {
        return fail(Errc::store_slot, fmt::format("snp slot: {}", fault));
    }
    const Deadline deadline = std::chrono::steady_clock::now() + patience_;
    ATTESTD_TRY(Secret key, platform_.derive_key(request_, deadline));
    return NewSlotKey{write_params(request_), std::move(key)};
}

Result<Secret> SnpSlotKey::recover(ByteView params) {
    ATTESTD_TRY(const DerivedKeyRequest request, parse_snp_slot_params(params));
    return platform_.derive_key(request, std::chrono::steady_clock::now() + patience_);
}

}  // namespace attestd
