// attestctl measure: the launch digest to expect, computed from what the guest is launched with.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>
#include <optional>

#include "agent/cli/command.h"
#include "agent/cli/output.h"
#include "agent/cli/policy_writer.h"
#include "quote/amd/launch_digest.h"
#include "quote/base/encoding.h"
#include "quote/base/fd.h"

namespace attestd::cli {
namespace {

constexpr std::size_t kMaxImageLen = std::size_t{1} << 30;

struct MeasureOptions {
    std::string ovmf, kernel, initrd, append, vcpu_type, vmm_type = "qemu", svsm, vars_file;
    std::uint32_t vcpus = 1;
    std::optional<std::uint32_t> vcpu_sig;
    std::uint64_t guest_features = 1, vars_size = 0;
    std::uint16_t svsm_fcw = 0;
    bool json = false, policy = false;
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

// Options that mean nothing, or something else than meant, without another.
Outcome<int> check_options(const MeasureOptions& options) {
    const bool kernel = !options.kernel.empty(), svsm = !options.svsm.empty();
    const bool vars = options.vars_size != 0 || !options.vars_file.empty();
    const struct {
        bool wrong;
        const char* why;
    } rules[] = {
        {!kernel && !(options.initrd.empty() && options.append.empty()),
         "--initrd and --append go with --kernel"},
        {!svsm && (vars || options.svsm_fcw != 0),
         "--vars-size, --vars-file and --svsm-fcw go with --svsm"},
        {svsm && !vars,
         "--svsm: give --vars-size or --vars-file, the firmware's variable store above the SVSM"},
    };
    for (const auto& rule : rules) {
        if (rule.wrong) return wrong_usage({Errc::bad_usage, rule.why});
    }
    return exit_status::done;
}

Outcome<Firmware> firmware_of(ByteView image, const std::string& path) {
    auto firmware = parse_firmware(image);
    if (firmware) return *std::move(firmware);
    return wrong_usage({firmware.error().code, path + ": " + firmware.error().detail});
}

// The files that a measurement is made of; what is not given is empty.
struct Images {
    Bytes ovmf, kernel, initrd, svsm, vars;
};
Outcome<Images> read_images(const MeasureOptions& options) {
    Images out;
    ATTESTD_TRY(out.ovmf, read_image(options.ovmf));
    ATTESTD_TRY(out.kernel, read_image(options.kernel));
    ATTESTD_TRY(out.initrd, read_image(options.initrd));
    ATTESTD_TRY(out.svsm, read_image(options.svsm));
    ATTESTD_TRY(out.vars, read_image(options.vars_file));
    return out;
}

Outcome<LaunchParameters> parameters_of(const MeasureOptions& options, const Images& images) {
    const auto vmm = vmm_from_name(options.vmm_type);
    if (!vmm) return wrong_usage({Errc::bad_usage, "--vmm-type: known are qemu, ec2 and gce"});
    LaunchParameters out;
    ATTESTD_TRY(out.vcpu_signature, signature_of(options));
    ATTESTD_TRY(out.firmware, firmware_of(images.ovmf, options.ovmf));
    if (!options.kernel.empty())
        out.kernel = DirectKernel{images.kernel, images.initrd, options.append};
    if (!options.svsm.empty()) {
        Svsm& svsm = out.svsm.emplace();
        ATTESTD_TRY(svsm.image, firmware_of(images.svsm, options.svsm));
        svsm.variable_store_len =
            options.vars_file.empty() ? options.vars_size : images.vars.size();
        svsm.fcw = options.svsm_fcw;
    }
    out.num_vcpus = options.vcpus;
    out.guest_features = options.guest_features;
    out.vmm = *vmm;
    return out;
}

// What went into the measurement, in words, one line each.
void note_inputs(PolicyWriter& out, const MeasureOptions& options) {
    const auto file = [&](std::string_view what, const std::string& path) {
        if (!path.empty()) out.note(fmt::format("  {} {}", what, printable(path)));
    };
    out.note(fmt::format(
        "Launch digest by attestctl measure snp, for {} vCPUs of {} under {}:", options.vcpus,
        options.vcpu_sig ? fmt::format("signature 0x{:x}", *options.vcpu_sig)
                         : printable(options.vcpu_type),
        options.vmm_type));
    file("firmware", options.ovmf);
    file("SVSM", options.svsm);
    file("kernel", options.kernel);
    file("initial ram disk", options.initrd);
    if (!options.append.empty()) out.note("  command line " + printable(options.append));
}

// A whole policy file but for what no image tells: those members stand there as comments, so that
// nobody accepts any value by pasting.
std::string policy_text(const MeasureOptions& options, const Sha384& digest) {
    PolicyWriter out;
    out.note("The daemon demands these too. No image tells them: remove the // before a line, and");
    out.note("put reference values in place of \"any\" where there are some.");
    for (const std::string_view key :
         {"min_tcb", "csp_ids", "host_data", "id_key_digest", "author_key_digest"})
        out.note(fmt::format("\"{}\": \"any\",", key));
    note_inputs(out, options);
    out.pin("Several values may stand here: other numbers of vCPUs, the version before an update.",
            "measurement", digest);
    return fmt::format("{{\n  \"snp\": {{\n{}  }}\n}}\n", out.text());
}

Outcome<int> run_measure(const MeasureOptions& options) {
    ATTESTD_CHECK(check_options(options));
    ATTESTD_TRY(const Images images, read_images(options));
    ATTESTD_TRY(const LaunchParameters parameters, parameters_of(options, images));
    const auto digest = launch_digest(parameters);
    if (!digest) return wrong_usage(digest.error());
    const std::string hex = to_hex(*digest);
    ATTESTD_CHECK(print(options.policy ? policy_text(options, *digest)
                        : options.json ? fmt::format("{{\"measurement\":\"{}\"}}\n", hex)
                                       : hex + "\n"));
    return exit_status::done;
}

void add_svsm_options(CLI::App& snp, MeasureOptions& options) {
    snp.add_option("--svsm", options.svsm,
                   "an SVSM's image: QEMU puts it below the firmware's variable store");
    auto* const size =
        snp.add_option("--vars-size", options.vars_size, "length of the variable store, in bytes");
    snp.add_option("--vars-file", options.vars_file, "or the variable store itself")
        ->excludes(size);
    snp.add_option("--svsm-fcw", options.svsm_fcw,
                   "x87 control word of the vCPUs: 0 in the published calculator, 0x37f is QEMU's "
                   "own; which one hardware has is not known")
        ->capture_default_str();
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
                                       "QEMU's model: EPYC-v4, EPYC-Rome, EPYC-Milan, EPYC-Genoa, "
                                       "EPYC-Turin, with or without a version");
    snp->add_option("--vcpu-sig", options->vcpu_sig, "or CPUID(1).EAX of the model")
        ->excludes(type);
    snp->add_option("--vmm-type", options->vmm_type, "qemu, ec2 or gce")->capture_default_str();
    snp->add_option("--kernel", options->kernel, "a kernel that the hypervisor loads directly");
    snp->add_option("--initrd", options->initrd, "its initial ram disk");
    snp->add_option("--append", options->append, "its command line");
    snp->add_option("--guest-features", options->guest_features, "SEV_FEATURES of the guest")
        ->capture_default_str();
    add_svsm_options(*snp, *options);
    auto* const json = snp->add_flag("--json", options->json, "as JSON");
    snp->add_flag("--policy", options->policy,
                  "as an appraisal policy that pins it, to be completed")
        ->excludes(json);
    snp->callback([options, &chosen] { chosen = [options] { return run_measure(*options); }; });
}

}  // namespace attestd::cli
