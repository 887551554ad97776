// attestctl measure: the launch digest to expect, computed from what the guest is launched with.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>
#include <optional>

#include "agent/cli/command.h"
#include "agent/cli/output.h"
#include "quote/amd/launch_digest.h"
#include "quote/base/encoding.h"
#include "quote/base/fd.h"

namespace attestd::cli {
namespace {

constexpr std::size_t kMaxImageLen = std::size_t{1} << 30;

struct MeasureOptions {
    std::string ovmf, kernel, initrd, append, vcpu_type, vmm_type = "qemu";
    std::uint32_t vcpus = 1;
    std::optional<std::uint32_t> vcpu_sig;
    std::uint64_t guest_features = 1;
    bool json = false;
};

Outcome<Bytes> read_image(const std::string& path) {
    if (path.empty()) return Bytes{};
    auto bytes = read_file(path, kMaxImageLen);
    if (!bytes) return wrong_usage(std::move(bytes).error());
    return *std::move(bytes);
}

Outcome<std::uint32_t> signature_of(const MeasureOptions& options) {
    if (options.vcpu_sig) return *options.vcpu_sig;
    if (options.vcpu_type.empty())
        return wrong_usage({Errc::bad_usage, "give --vcpu-type or --vcpu-sig"});
    const auto known = vcpu_signature(options.vcpu_type);
    if (known) return *known;
    return wrong_usage(
        {Errc::bad_usage,
         fmt::format("--vcpu-type {}: not known here; give --vcpu-sig, CPUID(1).EAX of the "
                     "model",
                     options.vcpu_type)});
}

Outcome<int> run_measure(const MeasureOptions& options) {
    const auto vmm = vmm_from_name(options.vmm_type);
    if (!vmm) return wrong_usage({Errc::bad_usage, "--vmm-type: known are qemu, ec2 and gce"});
    if (options.kernel.empty() && !(options.initrd.empty() && options.append.empty())) {
        return wrong_usage({Errc::bad_usage, "--initrd and --append go with --kernel"});
    }
    ATTESTD_TRY(const std::uint32_t signature, signature_of(options));
    ATTESTD_TRY(const Bytes image, read_image(options.ovmf));
    ATTESTD_TRY(const Bytes kernel, read_image(options.kernel));
    ATTESTD_TRY(const Bytes initrd, read_image(options.initrd));
    auto firmware = parse_firmware(image);
    if (!firmware)
        return wrong_usage({firmware.error().code, options.ovmf + ": " + firmware.error().detail});
    LaunchParameters parameters;
    parameters.firmware = *std::move(firmware);
    if (!options.kernel.empty()) parameters.kernel = DirectKernel{kernel, initrd, options.append};
    parameters.num_vcpus = options.vcpus;
    parameters.vcpu_signature = signature;
    parameters.guest_features = options.guest_features;
    parameters.vmm = *vmm;
    const auto digest = launch_digest(parameters);
    if (!digest) return wrong_usage(digest.error());
    const std::string hex = to_hex(*digest);
    ATTESTD_CHECK(
        print(options.json ? fmt::format("{{\"measurement\":\"{}\"}}\n", hex) : hex + "\n"));
    return exit_status::done;
}

}  // namespace

void add_measure_command(CLI::App& app, Action& chosen) {
    const auto options = std::make_shared<MeasureOptions>();
    CLI::App* const measure =
        app.add_subcommand("measure", "Compute the launch digest that a guest will have");
    measure->require_subcommand(1);
    CLI::App* const snp = measure->add_subcommand("snp", "MEASUREMENT of an SEV-SNP guest");
    snp->add_option("--ovmf", options->ovmf, "the guest's firmware")->required();
    snp->add_option("--vcpus", options->vcpus, "number of vCPUs")->required();
    auto* const type = snp->add_option("--vcpu-type", options->vcpu_type,
                                       "QEMU's model: EPYC-v4, EPYC-Milan, EPYC-Genoa, ...");
    snp->add_option("--vcpu-sig", options->vcpu_sig, "or CPUID(1).EAX of the model")
        ->excludes(type);
    snp->add_option("--vmm-type", options->vmm_type, "qemu, ec2 or gce")->capture_default_str();
    snp->add_option("--kernel", options->kernel, "a kernel that the hypervisor loads directly");
    snp->add_option("--initrd", options->initrd, "its initial ram disk");
    snp->add_option("--append", options->append, "its command line");
    snp->add_option("--guest-features", options->guest_features, "SEV_FEATURES of the guest")
        ->capture_default_str();
    snp->add_flag("--json", options->json, "as JSON");
    snp->callback([options, &chosen] { chosen = [options] { return run_measure(*options); }; });
}

}  // namespace attestd::cli
