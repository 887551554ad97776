#include "tests/emulator/tdx_machine.h"

#include <fmt/format.h>

#include <algorithm>

#include "quote/base/digest.h"
#include "quote/base/encoding.h"
#include "tests/support/forge/case_forge.h"
#include "tests/support/forge/collateral_forge.h"
#include "tests/support/forge/tdreport_forge.h"

namespace attestd::devsim {
namespace {

constexpr std::uint64_t kDebugAttribute = 1;
constexpr unsigned kTdxFileMode = 0644;
constexpr std::uint32_t kEvEventTag = 6;
constexpr std::size_t kLogAreaLen = 65536;
constexpr std::string_view kCommandLine =
    "kernel_cmdline: /vmlinuz root=/dev/vda1 ro console=ttyS0";

// Levels against the document of tdx_tcb_info(): met exactly, met at the second level, below all.
struct TcbState {
    std::uint8_t lowered;  ///< how far below the current SVNs the platform's are
    std::uint16_t pcesvn;
    ByteArray<16> tee_tcb_svn;
};

std::optional<TcbState> tcb_named(std::string_view name) {
    if (name == "current") return TcbState{0, forge::PckFields{}.pcesvn, {5, 1, 3}};
    if (name == "outdated") return TcbState{1, 11, {2, 1, 2}};
    if (name == "unsupported") return TcbState{0xff, 1, {0, 1, 0}};
    return std::nullopt;
}

forge::PckFields at_tcb(forge::PckFields machine, const TcbState& tcb) {
    for (std::uint8_t& svn : machine.components) {
        svn = static_cast<std::uint8_t>(svn > tcb.lowered ? svn - tcb.lowered : 0);
    }
    machine.pcesvn = tcb.pcesvn;
    return machine;
}

// The identity of one machine among all that were ever emulated.
forge::PckFields identity_of(ByteView chip_secret) {
    forge::PckFields fields;
    const ByteArray<32> ppid = chip_hmac(chip_secret, "ppid", {});
    const ByteArray<32> instance = chip_hmac(chip_secret, "platform instance id", {});
    std::copy_n(ppid.begin(), fields.ppid.size(), fields.ppid.begin());
    std::copy_n(instance.begin(), fields.platform_instance_id->size(),
                fields.platform_instance_id->begin());
    return fields;
}

}  // namespace

Result<std::unique_ptr<Machine>> TdxMachine::create(const Options& options, const Fd& dir) {
    ATTESTD_TRY(const Bytes chip_secret, load_or_create_chip_secret(dir));
    ATTESTD_TRY(auto keys, forge::IntelKeys::load_or_create(dir));
    const forge::PckFields machine = identity_of(chip_secret);
    forge::IntelHierarchy intel(std::move(keys), forge::IntelValidity::around(options.now));
    const auto collateral = forge::to_json(forge::sign_collateral(
        forge::tdx_collateral(intel, machine, forge::fresh_window(options.now)), intel));
    ATTESTD_CHECK(replace_file(dir, "root.der", intel.root, kTdxFileMode));
    ATTESTD_CHECK(replace_file(dir, "collateral.json", as_bytes(collateral), kTdxFileMode));
    std::unique_ptr<TdxMachine> made(new TdxMachine(std::move(intel), machine));
    made->collateral_ = to_bytes(as_bytes(collateral));
    made->set_debug(options.debug);
    made->has_fixed_log_ = options.fixed_log;
    return made;
}

TdxMachine::TdxMachine(forge::IntelHierarchy intel, const forge::PckFields& machine)
    : intel_(std::move(intel)),
      identity_(machine),
      quote_(forge::tdx_v4()),
      events_(forge::boot_events(kCommandLine)) {
    body_.rtmr = forge::replay(events_);
    set_tcb("current");
}

Result<Bytes> TdxMachine::derive_key(const DerivedKeyRequest& request) const {
    static_cast<void>(request);
    return fail(Errc::platform_unsupported, "TDX has no keys derived from the launch measurement");
}

bool TdxMachine::debug() const noexcept { return (body_.td_attributes & kDebugAttribute) != 0; }

std::vector<std::pair<std::string, std::string>> TdxMachine::registers() const {
    std::vector<std::pair<std::string, std::string>> out{{"measurement", to_hex(body_.mrtd)},
                                                         {"mrconfigid", to_hex(body_.mrconfigid)}};
    for (std::size_t i = 0; i < body_.rtmr.size(); ++i) {
        out.emplace_back(fmt::format("rtmr{}", i), to_hex(body_.rtmr[i]));
    }
    return out;
}

Result<Bytes> TdxMachine::tdreport(const ReportData& report_data) const {
    return forge::tdreport(body_, report_data);
}

Bytes TdxMachine::boot_log() const { return forge::event_log(events_, kLogAreaLen); }

Result<void> TdxMachine::extend(std::size_t rtmr, const ByteArray<48>& digest) {
    ByteArray<48>& value = body_.rtmr.at(rtmr);
    value = sha384({ByteView(value), ByteView(digest)});
    if (has_fixed_log_) return {};
    events_.push_back({static_cast<std::uint32_t>(rtmr + 1), kEvEventTag,
                       to_bytes(as_bytes("extended through sysfs")), digest});
    return {};
}

MachineEvidence TdxMachine::sign(const ReportData& report_data, std::uint32_t /*vmpl*/) const {
    forge::QuoteSpec spec = quote_;
    forge::TdBody body = body_;
    body.report_data = report_data;
    spec.body = body;
    return {forge::forge_quote(spec, intel_, pck_), {collateral_}, forge::event_log(events_)};
}

Result<void> TdxMachine::check(const Control& control) const {
    if (control.host_data) return fail(Errc::bad_value, "a TDX guest has no host_data");
    if (control.tcb && !tcb_named(*control.tcb)) {
        return fail(Errc::bad_value, "tcb is \"current\", \"outdated\" or \"unsupported\"");
    }
    return {};
}

Result<void> TdxMachine::set(const Control& control) {
    if (control.debug) set_debug(*control.debug);
    body_.mrtd = control.measurement.value_or(body_.mrtd);
    body_.mrconfigid = control.mrconfigid.value_or(body_.mrconfigid);
    for (std::size_t i = 0; i < body_.rtmr.size(); ++i) {
        body_.rtmr[i] = control.rtmr[i].value_or(body_.rtmr[i]);
    }
    if (control.tcb) set_tcb(*control.tcb);
    return {};
}

void TdxMachine::set_debug(bool debug) noexcept {
    body_.td_attributes = (body_.td_attributes & ~kDebugAttribute) | (debug ? kDebugAttribute : 0);
}

void TdxMachine::set_tcb(const std::string& name) {
    const TcbState state = tcb_named(name).value();
    const forge::PckFields machine = at_tcb(identity_, state);
    tcb_ = name;
    pck_ = intel_.pck(machine);
    quote_.qe.report.cpusvn = machine.components;
    body_.tee_tcb_svn = state.tee_tcb_svn;
}

}  // namespace attestd::devsim
