#include "verifier/intel/enclave_identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "quote/base/reader.h"
#include "verifier/internal/intel_json.h"

namespace attestd {
namespace {

constexpr std::array<std::string_view, 4> kIds{"QE", "TD_QE", "QVE", "QAE"};
constexpr JsonLimits kLimits{std::size_t{1} << 20, 32};

Result<EnclaveIdentity> parse(std::string_view text) {
    ATTESTD_TRY(const JsonDocument document,
                JsonDocument::parse(text, "enclave identity", kLimits));
    ATTESTD_TRY(JsonObject object, document.root().object());
    EnclaveIdentity out{};
    ATTESTD_TRY(const JsonValue version, object.required("version"));
    ATTESTD_TRY(const std::int64_t number, version.integer(0, 255));
    if (number != 2)
        return version.fail_here(Errc::qe_identity_version,
                                 fmt::format("version {}, only 2 is known here", number));
    ATTESTD_TRY(const JsonValue id, object.required("id"));
    ATTESTD_TRY(out.id, id.text());
    if (std::find(kIds.begin(), kIds.end(), out.id) == kIds.end())
        return id.fail_here(Errc::bad_value, "is no enclave of Intel's");
    ATTESTD_TRY(out.validity, validity_members(object));
    ATTESTD_TRY(const JsonValue evaluation, object.required("tcbEvaluationDataNumber"));
    ATTESTD_TRY(const std::int64_t evaluation_number, evaluation.integer(0, INT32_MAX));
    out.evaluation_data_number = static_cast<std::uint32_t>(evaluation_number);
    ATTESTD_TRY(out.misc_select, hex_member<4>(object, "miscselect"));
    ATTESTD_TRY(out.misc_select_mask, hex_member<4>(object, "miscselectMask"));
    ATTESTD_TRY(out.attributes, hex_member<16>(object, "attributes"));
    ATTESTD_TRY(out.attributes_mask, hex_member<16>(object, "attributesMask"));
    ATTESTD_TRY(out.mr_signer, hex_member<32>(object, "mrsigner"));
    ATTESTD_TRY(out.isv_prod_id, u16_member(object, "isvprodid"));
    ATTESTD_TRY(out.levels, isv_levels_member(object));
    return out;
}

template <std::size_t N>
bool equal_under(const ByteArray<N>& value, const ByteArray<N>& want,
                 const ByteArray<N>& mask) noexcept {
    for (std::size_t i = 0; i < N; ++i) {
        if ((value[i] & mask[i]) != (want[i] & mask[i])) return false;
    }
    return true;
}

}  // namespace

Result<EnclaveIdentity> parse_enclave_identity(std::string_view text) {
    auto identity = parse(text);
    if (identity || identity.error().code == Errc::qe_identity_version) return identity;
    return fail(Errc::qe_identity_malformed, identity.error().detail);
}

Result<void> match_enclave(const EnclaveReport& report, const EnclaveIdentity& identity) {
    const auto mismatch = [&](std::string_view field) {
        return fail(
            Errc::qe_report_mismatch,
            fmt::format("{} of the quoting enclave differs from identity {}", field, identity.id));
    };
    const auto misc_select = load_le<std::uint32_t>(identity.misc_select);
    const auto misc_mask = load_le<std::uint32_t>(identity.misc_select_mask);
    if ((report.misc_select & misc_mask) != (misc_select & misc_mask))
        return mismatch("MISCSELECT");
    if (!equal_under(report.attributes, identity.attributes, identity.attributes_mask))
        return mismatch("ATTRIBUTES");
    if (report.mr_signer != identity.mr_signer) return mismatch("MRSIGNER");
    if (report.isv_prod_id != identity.isv_prod_id) return mismatch("ISVPRODID");
    // Whatever the mask says: a quoting enclave that can be debugged vouches for nothing.
    if (report.debug())
        return fail(Errc::qe_report_mismatch, "the quoting enclave is in debug mode");
    return {};
}

}  // namespace attestd
