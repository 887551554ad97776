#include "tests/emulator/machine.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>

#include "tests/emulator/snp_machine.h"
#include "tests/emulator/tdx_machine.h"
#include "tests/support/forge/writer.h"

namespace attestd::devsim {
namespace {

constexpr std::size_t kChipSecretLen = 32;
constexpr unsigned kSecretFileMode = 0600;
constexpr const char* kChipSecretFile = "chip.secret";

constexpr std::array<std::pair<Fault, std::string_view>, 5> kFaults{
    {{Fault::none, "none"},
     {Fault::timeout, "timeout"},
     {Fault::error, "error"},
     {Fault::garbage, "garbage"},
     {Fault::wrong_report_data, "wrong_report_data"}}};

}  // namespace

std::string_view fault_name(Fault fault) noexcept {
    return std::find_if(kFaults.begin(), kFaults.end(), [&](auto& f) { return f.first == fault; })
        ->second;
}

std::optional<Fault> fault_named(std::string_view name) noexcept {
    for (const auto& [fault, text] : kFaults) {
        if (text == name) return fault;
    }
    return std::nullopt;
}

Result<std::unique_ptr<Machine>> Machine::create(const Options& options, const Fd& dir) {
    if (options.tee == Tee::tdx) return TdxMachine::create(options, dir);
    return SnpMachine::create(options, dir);
}

Result<Bytes> Machine::tdreport(const ReportData& /*report_data*/) const {
    return fail(Errc::platform_unsupported, "only a TDX guest has a TDREPORT");
}

Result<void> Machine::extend(std::size_t /*rtmr*/, const ByteArray<48>& /*digest*/) {
    return fail(Errc::platform_unsupported, "only a TDX guest has registers to extend");
}

Result<MachineEvidence> Machine::evidence(ReportData report_data, std::uint32_t vmpl) const {
    if (fault_ == Fault::error) return fail(Errc::platform_failed, "told to fail");
    if (fault_ == Fault::wrong_report_data) report_data[0] ^= 0xff;
    MachineEvidence out = sign(report_data, vmpl);
    if (!endorsements_) out.endorsements.clear();
    return out;
}

Result<void> Machine::apply(const Control& control) {
    ATTESTD_CHECK(check(control));
    ATTESTD_CHECK(set(control));
    fault_ = control.fault.value_or(fault_);
    delay_ = control.delay.value_or(delay_);
    endorsements_ = control.endorsements.value_or(endorsements_);
    device_ = control.device.value_or(device_);
    return {};
}

Result<Bytes> load_or_create_chip_secret(const Fd& dir) {
    const auto fd = open_at(dir, kChipSecretFile, O_RDONLY);
    if (fd) {
        ATTESTD_TRY(Bytes secret, read_all(*fd, kChipSecretLen, kChipSecretFile));
        if (secret.size() != kChipSecretLen) {
            return fail(Errc::bad_length, std::string(kChipSecretFile) + ": is not 32 bytes long");
        }
        return secret;
    }
    if (fd.error().code != Errc::not_found) return tl::make_unexpected(fd.error());
    Bytes secret(kChipSecretLen);
    if (RAND_bytes(secret.data(), static_cast<int>(secret.size())) != 1) {
        return fail_crypto("random bytes");
    }
    secret[0] = 0;  // it lies beside certificates, and must not look like one
    ATTESTD_CHECK(replace_file(dir, kChipSecretFile, secret, kSecretFileMode));
    return secret;
}

ByteArray<32> chip_hmac(ByteView chip_secret, std::string_view context, ByteView data) {
    const Bytes separator{0};
    const Bytes message = forge::concat({as_bytes(context), separator, data});
    ByteArray<32> out{};
    std::size_t len = 0;
    const unsigned char* const made =
        EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, chip_secret.data(),
                  chip_secret.size(), message.data(), message.size(), out.data(), out.size(), &len);
    if (made == nullptr || len != out.size()) throw forge::ForgeError("HMAC failed");
    return out;
}

}  // namespace attestd::devsim
