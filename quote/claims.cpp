#include "quote/claims.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "quote/base/encoding.h"

namespace attestd {
namespace {

using Form = ClaimForm;

const TdReport* td_of(const IntelQuote& quote) { return std::get_if<TdReport>(&quote.body); }

// Bytes of the TD report's body: a member, or a member that newer bodies have.
template <auto Member>
ClaimView td(const IntelQuote& quote) {
    const TdReport* const body = td_of(quote);
    if (body == nullptr) return {};
    return ByteView(body->*Member);
}
template <auto Member>
ClaimView td_newer(const IntelQuote& quote) {
    const TdReport* const body = td_of(quote);
    if (body == nullptr || !(body->*Member)) return {};
    return ByteView(*(body->*Member));
}
template <auto Member>
ClaimView td_ex(const IntelQuote& quote) {
    const TdReport* const body = td_of(quote);
    if (body == nullptr || !body->ex) return {};
    return ByteView((*body->ex).*Member);
}
ClaimView td_vm_id(const IntelQuote& quote) {
    const TdReport* const body = td_of(quote);
    if (body == nullptr || !body->ex) return {};
    return std::uint64_t{body->ex->vm_id};
}
template <std::size_t N>
ClaimView td_rtmr(const IntelQuote& quote) {
    const TdReport* const body = td_of(quote);
    if (body == nullptr) return {};
    return ByteView(body->rtmr.at(N));
}
template <auto Member>
ClaimView header_number(const IntelQuote& quote) {
    return std::uint64_t{quote.header.*Member};
}
template <auto Member>
ClaimView header_bytes(const IntelQuote& quote) {
    return ByteView(quote.header.*Member);
}

template <auto Member>
ClaimView snp_bytes(const SnpReport& report) {
    return ByteView(report.*Member);
}
template <auto Member>
ClaimView snp_number(const SnpReport& report) {
    return std::uint64_t{report.*Member};
}
template <auto Member>
ClaimView snp_flag(const SnpReport& report) {
    return report.*Member;
}
template <auto Bit>
ClaimView snp_policy_flag(const SnpReport& report) {
    return (report.policy.*Bit)();
}
ClaimView snp_policy(const SnpReport& report) { return report.policy.bits; }
// Members that a report has from a version on.
template <auto Member, std::uint32_t Version>
ClaimView snp_since(const SnpReport& report) {
    if (report.version < Version) return {};
    return std::uint64_t{report.*Member};
}
ClaimView snp_signing_key(const SnpReport& report) {
    return std::string(signing_key_name(report.signing_key));
}
ClaimView snp_product(const SnpReport& report) {
    if (!report.product) return {};
    return std::string(product_name(*report.product));
}
template <auto Member>
ClaimView snp_version(const SnpReport& report) {
    const SnpVersion& v = report.*Member;
    return fmt::format("{}.{}.{}", v.major, v.minor, v.build);
}
// One component of one of the four TCBs; without a known product they cannot be taken apart.
template <auto Tcb, auto Component>
ClaimView snp_tcb(const SnpReport& report) {
    if (!report.product) return {};
    return std::uint64_t{decode_tcb(*report.product, report.*Tcb).*Component};
}
template <auto Tcb>
ClaimView snp_tcb_fmc(const SnpReport& report) {
    if (!report.product) return {};
    const auto fmc = decode_tcb(*report.product, report.*Tcb).fmc;
    return fmc ? ClaimView(std::uint64_t{*fmc}) : ClaimView();
}

constexpr auto kNone = nullptr;
using Td = TdReport;
using Ex = TdReportEx;
using Qh = QuoteHeader;
using Snp = SnpReport;
using Gp = SnpGuestPolicy;
using Tcb = TcbVersion;

// clang-format off: a table
constexpr ClaimInfo kClaims[] = {
    {"version", Form::number, 0, header_number<&Qh::version>, snp_number<&Snp::version>},
    {"att_key_type", Form::number, 0, header_number<&Qh::att_key_type>, kNone},
    {"tee_type", Form::word, 0, header_number<&Qh::tee_type>, kNone},
    {"qe_svn", Form::number, 0, header_number<&Qh::qe_svn>, kNone},
    {"pce_svn", Form::number, 0, header_number<&Qh::pce_svn>, kNone},
    {"qe_vendor_id", Form::bytes, 16, header_bytes<&Qh::qe_vendor_id>, kNone},
    {"user_data", Form::bytes, 20, header_bytes<&Qh::user_data>, kNone},
    {"tee_tcb_svn", Form::bytes, 16, td<&Td::tee_tcb_svn>, kNone},
    {"mrseam", Form::bytes, 48, td<&Td::mr_seam>, kNone},
    {"mrsignerseam", Form::bytes, 48, td<&Td::mr_signer_seam>, kNone},
    {"seam_attributes", Form::bytes, 8, td<&Td::seam_attributes>, kNone},
    {"td_attributes", Form::bytes, 8, td<&Td::td_attributes>, kNone},
    {"xfam", Form::bytes, 8, td<&Td::xfam>, kNone},
    {"mrtd", Form::bytes, 48, td<&Td::mr_td>, kNone},
    {"mrconfigid", Form::bytes, 48, td<&Td::mr_config_id>, kNone},
    {"mrowner", Form::bytes, 48, td<&Td::mr_owner>, kNone},
    {"mrownerconfig", Form::bytes, 48, td<&Td::mr_owner_config>, kNone},
    {"rtmr0", Form::bytes, 48, td_rtmr<0>, kNone},
    {"rtmr1", Form::bytes, 48, td_rtmr<1>, kNone},
    {"rtmr2", Form::bytes, 48, td_rtmr<2>, kNone},
    {"rtmr3", Form::bytes, 48, td_rtmr<3>, kNone},
    {"tee_tcb_svn2", Form::bytes, 16, td_newer<&Td::tee_tcb_svn2>, kNone},
    {"mrservicetd", Form::bytes, 48, td_newer<&Td::mr_service_td>, kNone},
    {"vm_id", Form::number, 0, td_vm_id, kNone},
    {"td_id", Form::bytes, 32, td_ex<&Ex::td_id>, kNone},
    {"devinfo", Form::bytes, 48, td_ex<&Ex::dev_info>, kNone},
    {"init_servtd_hash", Form::bytes, 48, td_ex<&Ex::init_servtd_hash>, kNone},
    {"init_servtd_attr", Form::bytes, 8, td_ex<&Ex::init_servtd_attr>, kNone},
    {"init_cpusvn", Form::bytes, 16, td_ex<&Ex::init_cpu_svn>, kNone},
    {"init_tee_tcb_svn", Form::bytes, 16, td_ex<&Ex::init_tee_tcb_svn>, kNone},
    {"init_tee_fmspc", Form::bytes, 12, td_ex<&Ex::init_tee_fmspc>, kNone},
    {"cur_servtd_hash", Form::bytes, 48, td_ex<&Ex::cur_servtd_hash>, kNone},
    {"cur_servtd_attr", Form::bytes, 8, td_ex<&Ex::cur_servtd_attr>, kNone},

    {"guest_svn", Form::number, 0, kNone, snp_number<&Snp::guest_svn>},
    {"policy", Form::word, 0, kNone, snp_policy},
    {"policy_debug", Form::flag, 0, kNone, snp_policy_flag<&Gp::debug>},
    {"policy_smt", Form::flag, 0, kNone, snp_policy_flag<&Gp::smt>},
    {"policy_migrate_ma", Form::flag, 0, kNone, snp_policy_flag<&Gp::migrate_ma>},
    {"vmpl", Form::number, 0, kNone, snp_number<&Snp::vmpl>},
    {"signature_algo", Form::number, 0, kNone, snp_number<&Snp::signature_algo>},
    {"platform_info", Form::word, 0, kNone, snp_number<&Snp::platform_info>},
    {"author_key_en", Form::flag, 0, kNone, snp_flag<&Snp::author_key_en>},
    {"mask_chip_key", Form::flag, 0, kNone, snp_flag<&Snp::mask_chip_key>},
    {"signing_key", Form::text, 0, kNone, snp_signing_key},
    {"product", Form::text, 0, kNone, snp_product},
    {"measurement", Form::bytes, 48, kNone, snp_bytes<&Snp::measurement>},
    {"host_data", Form::bytes, 32, kNone, snp_bytes<&Snp::host_data>},
    {"id_key_digest", Form::bytes, 48, kNone, snp_bytes<&Snp::id_key_digest>},
    {"author_key_digest", Form::bytes, 48, kNone, snp_bytes<&Snp::author_key_digest>},
    {"report_id", Form::bytes, 32, kNone, snp_bytes<&Snp::report_id>},
    {"report_id_ma", Form::bytes, 32, kNone, snp_bytes<&Snp::report_id_ma>},
    {"family_id", Form::bytes, 16, kNone, snp_bytes<&Snp::family_id>},
    {"image_id", Form::bytes, 16, kNone, snp_bytes<&Snp::image_id>},
    {"chip_id", Form::bytes, 64, kNone, snp_bytes<&Snp::chip_id>},
    {"current_tcb.fmc", Form::number, 0, kNone, snp_tcb_fmc<&Snp::current_tcb>},
    {"current_tcb.bootloader", Form::number, 0, kNone,
     snp_tcb<&Snp::current_tcb, &Tcb::bootloader>},
    {"current_tcb.tee", Form::number, 0, kNone, snp_tcb<&Snp::current_tcb, &Tcb::tee>},
    {"current_tcb.snp", Form::number, 0, kNone, snp_tcb<&Snp::current_tcb, &Tcb::snp>},
    {"current_tcb.microcode", Form::number, 0, kNone, snp_tcb<&Snp::current_tcb, &Tcb::microcode>},
    {"reported_tcb.fmc", Form::number, 0, kNone, snp_tcb_fmc<&Snp::reported_tcb>},
    {"reported_tcb.bootloader", Form::number, 0, kNone,
     snp_tcb<&Snp::reported_tcb, &Tcb::bootloader>},
    {"reported_tcb.tee", Form::number, 0, kNone, snp_tcb<&Snp::reported_tcb, &Tcb::tee>},
    {"reported_tcb.snp", Form::number, 0, kNone, snp_tcb<&Snp::reported_tcb, &Tcb::snp>},
    {"reported_tcb.microcode", Form::number, 0, kNone,
     snp_tcb<&Snp::reported_tcb, &Tcb::microcode>},
    {"committed_tcb.fmc", Form::number, 0, kNone, snp_tcb_fmc<&Snp::committed_tcb>},
    {"committed_tcb.bootloader", Form::number, 0, kNone,
     snp_tcb<&Snp::committed_tcb, &Tcb::bootloader>},
    {"committed_tcb.tee", Form::number, 0, kNone, snp_tcb<&Snp::committed_tcb, &Tcb::tee>},
    {"committed_tcb.snp", Form::number, 0, kNone, snp_tcb<&Snp::committed_tcb, &Tcb::snp>},
    {"committed_tcb.microcode", Form::number, 0, kNone,
     snp_tcb<&Snp::committed_tcb, &Tcb::microcode>},
    {"launch_tcb.fmc", Form::number, 0, kNone, snp_tcb_fmc<&Snp::launch_tcb>},
    {"launch_tcb.bootloader", Form::number, 0, kNone, snp_tcb<&Snp::launch_tcb, &Tcb::bootloader>},
    {"launch_tcb.tee", Form::number, 0, kNone, snp_tcb<&Snp::launch_tcb, &Tcb::tee>},
    {"launch_tcb.snp", Form::number, 0, kNone, snp_tcb<&Snp::launch_tcb, &Tcb::snp>},
    {"launch_tcb.microcode", Form::number, 0, kNone, snp_tcb<&Snp::launch_tcb, &Tcb::microcode>},
    {"current_version", Form::text, 0, kNone, snp_version<&Snp::current_version>},
    {"committed_version", Form::text, 0, kNone, snp_version<&Snp::committed_version>},
    {"cpuid_family", Form::word, 2, kNone, snp_since<&Snp::cpuid_family, 3>},
    {"cpuid_model", Form::word, 2, kNone, snp_since<&Snp::cpuid_model, 3>},
    {"cpuid_stepping", Form::number, 0, kNone, snp_since<&Snp::cpuid_stepping, 3>},
    {"launch_mit_vector", Form::word, 0, kNone, snp_since<&Snp::launch_mit_vector, 5>},
    {"current_mit_vector", Form::word, 0, kNone, snp_since<&Snp::current_mit_vector, 5>},
};
// clang-format on

Result<ClaimValue> parse_word(std::string_view text) {
    std::uint64_t value = 0;
    const bool prefixed = text.starts_with("0x");
    if (prefixed) text.remove_prefix(2);
    const char* const end = text.data() + text.size();
    const auto [after, error] = std::from_chars(text.data(), end, value, 16);
    if (prefixed && error == std::errc() && after == end) return ClaimValue(value);
    return fail(Errc::bad_value, "a hexadecimal number such as \"0x1f\" is expected");
}

}  // namespace

std::span<const ClaimInfo> all_claims() noexcept { return kClaims; }

std::optional<std::size_t> claim_index(std::string_view name) noexcept {
    const auto* const found = std::find_if(std::begin(kClaims), std::end(kClaims),
                                           [&](const ClaimInfo& c) { return c.name == name; });
    if (found == std::end(kClaims)) return std::nullopt;
    return static_cast<std::size_t>(found - std::begin(kClaims));
}

Result<ClaimValue> parse_claim_text(const ClaimInfo& claim, std::string_view text) {
    if (claim.form == ClaimForm::word) return parse_word(text);
    if (claim.form == ClaimForm::text && !text.empty()) return ClaimValue(std::string(text));
    if (claim.form == ClaimForm::bytes) {
        auto bytes = from_hex(text, claim.name);
        if (bytes && bytes->size() == claim.len) return ClaimValue(*std::move(bytes));
        return fail(Errc::bad_value,
                    fmt::format("{} bytes in hexadecimal are expected", claim.len));
    }
    return fail(Errc::bad_value, "a text is no value of this claim");
}

bool equal(const ClaimView& claim, const ClaimValue& value) noexcept {
    if (const auto* bytes = std::get_if<Bytes>(&value)) {
        const auto* view = std::get_if<ByteView>(&claim);
        return view != nullptr &&
               std::equal(view->begin(), view->end(), bytes->begin(), bytes->end());
    }
    const auto same = [&](auto* wanted) {
        using T = std::remove_cvref_t<decltype(*wanted)>;
        const auto* stated = std::get_if<T>(&claim);
        return wanted != nullptr && stated != nullptr && *stated == *wanted;
    };
    return same(std::get_if<std::uint64_t>(&value)) || same(std::get_if<bool>(&value)) ||
           same(std::get_if<std::string>(&value));
}

std::string claim_text(const ClaimInfo& claim, const ClaimView& view) {
    if (const auto* bytes = std::get_if<ByteView>(&view)) return to_hex(*bytes);
    if (const auto* text = std::get_if<std::string>(&view)) return *text;
    if (const auto* flag = std::get_if<bool>(&view)) return *flag ? "true" : "false";
    const auto* number = std::get_if<std::uint64_t>(&view);
    if (number == nullptr) return "not stated";
    if (claim.form == ClaimForm::number) return fmt::format("{}", *number);
    return fmt::format("0x{:0{}x}", *number, claim.len);
}

}  // namespace attestd
