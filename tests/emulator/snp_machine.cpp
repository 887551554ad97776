#include "tests/emulator/snp_machine.h"

#include <fcntl.h>

#include <algorithm>

#include "quote/base/encoding.h"
#include "tests/support/forge/case_forge.h"
#include "tests/support/forge/writer.h"

namespace attestd::devsim {
namespace {

constexpr std::uint64_t kDebugPolicy = std::uint64_t{1} << 19;
constexpr unsigned kSnpFileMode = 0644;
constexpr std::uint32_t kMaxVmpl = 3;

// GUEST_FIELD_SELECT (`spec/snp.md` section 8).
constexpr std::uint64_t kSelectPolicy = 1, kSelectImageId = 2, kSelectFamilyId = 4,
                        kSelectMeasurement = 8, kSelectGuestSvn = 16, kSelectTcbVersion = 32;
constexpr std::uint64_t kSelectAll = 0x3f;

tl::unexpected<Error> refused(std::string_view why) {
    return fail(Errc::platform_failed, "firmware status 0x16: " + std::string(why));
}

bool at_most(const ByteArray<8>& tcb, const ByteArray<8>& limit) {
    return std::equal(tcb.begin(), tcb.end(), limit.begin(),
                      [](std::uint8_t component, std::uint8_t most) { return component <= most; });
}

ByteArray<8> le_bytes(std::uint64_t value) {
    ByteArray<8> out{};
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = static_cast<std::uint8_t>((value >> (8 * i)) & 0xff);
    }
    return out;
}

}  // namespace

Result<std::unique_ptr<Machine>> SnpMachine::create(const Options& options, const Fd& dir) {
    ATTESTD_TRY(Bytes chip_secret, load_or_create_chip_secret(dir));
    ATTESTD_TRY(auto keys, forge::AmdKeys::load_or_create(dir));
    ATTESTD_TRY(Fd own_dir, open_at(dir, ".", O_RDONLY | O_DIRECTORY));
    forge::AmdHierarchy amd(options.product, std::move(keys),
                            forge::AmdValidity::around(options.now));
    const Bytes crl = amd.crl(forge::fresh_window(options.now));
    std::unique_ptr<SnpMachine> made(
        new SnpMachine(std::move(amd), std::move(chip_secret), std::move(own_dir)));
    ATTESTD_CHECK(replace_file(dir, "root.der", made->ark_, kSnpFileMode));
    ATTESTD_CHECK(replace_file(dir, "ask.der", made->ask_, kSnpFileMode));
    ATTESTD_CHECK(replace_file(dir, "crl.der", crl, kSnpFileMode));
    ATTESTD_CHECK(made->set_tcb(made->fields_.reported_tcb));
    made->set_debug(options.debug);
    return made;
}

SnpMachine::SnpMachine(forge::AmdHierarchy amd, Bytes chip_secret, Fd dir)
    : amd_(std::move(amd)),
      chip_secret_(std::move(chip_secret)),
      dir_(std::move(dir)),
      fields_(forge::snp_fields(amd_.product(), amd_.product() == forge::Product::turin ? 5 : 3)),
      ark_(amd_.ark()),
      ask_(amd_.ask()) {
    const ByteArray<32> low = chip_hmac(chip_secret_, "chip id", Bytes{0});
    const ByteArray<32> high = chip_hmac(chip_secret_, "chip id", Bytes{1});
    const Bytes id = forge::concat({low, high});
    fields_.chip_id = {};
    std::copy_n(id.begin(), forge::hwid_len(amd_.product()), fields_.chip_id.begin());
}

Result<Bytes> SnpMachine::derive_key(const DerivedKeyRequest& request) const {
    const ByteArray<8> tcb = le_bytes(request.tcb_version);
    if (fault() == Fault::error) return fail(Errc::platform_failed, "told to fail");
    if ((request.guest_field_select & ~kSelectAll) != 0) return refused("unknown field selected");
    if (request.vmpl < fields_.vmpl || request.vmpl > kMaxVmpl) return refused("VMPL");
    if (request.guest_svn > fields_.guest_svn) return refused("GUEST_SVN above the guest's");
    if (!at_most(tcb, fields_.committed_tcb)) return refused("TCB_VERSION above COMMITTED_TCB");
    const auto selected = [&](std::uint64_t bit) {
        return (request.guest_field_select & bit) != 0;
    };
    forge::Writer in;
    // The root is the VCEK, which is another one for each reported TCB.
    in.bytes(fields_.reported_tcb).u64(request.guest_field_select).u32(request.vmpl);
    if (selected(kSelectPolicy)) in.u64(fields_.policy);
    if (selected(kSelectImageId)) in.bytes(fields_.image_id);
    if (selected(kSelectFamilyId)) in.bytes(fields_.family_id);
    if (selected(kSelectMeasurement)) in.bytes(fields_.measurement);
    if (selected(kSelectGuestSvn)) in.u32(request.guest_svn);
    if (selected(kSelectTcbVersion)) in.bytes(tcb);
    const ByteArray<32> key = chip_hmac(chip_secret_, "derived key", std::move(in).take());
    return to_bytes(key);
}

bool SnpMachine::debug() const noexcept { return (fields_.policy & kDebugPolicy) != 0; }

std::string SnpMachine::tcb() const { return to_hex(fields_.reported_tcb); }

std::vector<std::pair<std::string, std::string>> SnpMachine::registers() const {
    return {{"measurement", to_hex(fields_.measurement)},
            {"host_data", to_hex(fields_.host_data)},
            {"chip_id", to_hex(fields_.chip_id)}};
}

MachineEvidence SnpMachine::sign(const ReportData& report_data, std::uint32_t vmpl) const {
    forge::SnpFields fields = fields_;
    fields.vmpl = vmpl;
    fields.report_data = report_data;
    const Bytes table = forge::certificate_table(
        {{forge::guid::kVcek, vcek_}, {forge::guid::kAsk, ask_}, {forge::guid::kArk, ark_}});
    return {forge::forge_report(fields, amd_.keys().vcek), {table}, {}};
}

Result<void> SnpMachine::check(const Control& control) const {
    const bool rtmr = std::any_of(control.rtmr.begin(), control.rtmr.end(),
                                  [](const auto& value) { return value.has_value(); });
    if (rtmr || control.mrconfigid) {
        return fail(Errc::bad_value, "an SNP guest has neither rtmr0..3 nor mrconfigid");
    }
    if (control.tcb && !tcb_named(*control.tcb)) {
        return fail(Errc::bad_value, "tcb is \"current\", \"outdated\" or 16 hex digits");
    }
    return {};
}

Result<void> SnpMachine::set(const Control& control) {
    // First what can fail: a half-applied change would be worse than none.
    if (control.tcb) ATTESTD_CHECK(set_tcb(tcb_named(*control.tcb).value()));
    if (control.debug) set_debug(*control.debug);
    fields_.measurement = control.measurement.value_or(fields_.measurement);
    fields_.host_data = control.host_data.value_or(fields_.host_data);
    return {};
}

void SnpMachine::set_debug(bool debug) noexcept {
    fields_.policy = (fields_.policy & ~kDebugPolicy) | (debug ? kDebugPolicy : 0);
}

Result<void> SnpMachine::set_tcb(const ByteArray<8>& tcb) {
    const forge::SnpTcb components = forge::tcb_from_bytes(tcb, amd_.product());
    Bytes vcek = amd_.vcek(fields_.chip_id, components);
    ATTESTD_CHECK(replace_file(dir_, "vcek.der", vcek, kSnpFileMode));
    vcek_ = std::move(vcek);
    fields_.set_tcbs(components, amd_.product());
    return {};
}

std::optional<ByteArray<8>> SnpMachine::tcb_named(const std::string& name) const {
    const forge::Product product = amd_.product();
    if (name == "current") return tcb_bytes(forge::SnpTcb::typical(product), product);
    if (name == "outdated") return tcb_bytes(forge::SnpTcb::outdated(product), product);
    const auto bytes = array_from_hex<8>(name, "tcb");
    return bytes ? std::optional(*bytes) : std::nullopt;
}

}  // namespace attestd::devsim
