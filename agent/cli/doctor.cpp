// attestctl doctor: what this machine is, how evidence would be had from it, and what mends what is
// missing. Needs no daemon; run as the daemon's user it says what the daemon would see.
#include <fmt/format.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "agent/cli/command.h"
#include "agent/cli/diagnosis.h"
#include "agent/cli/output.h"
#include "quote/platform/host.h"

namespace attestd::cli {
namespace {

#ifdef ATTESTD_HAS_AZURE_VTPM
constexpr AzureVtpm kAzureVtpm = AzureVtpm::built;
#else
constexpr AzureVtpm kAzureVtpm = AzureVtpm::left_out;
#endif

struct DoctorOptions {
    bool json = false;
};

std::string machine_text(const Diagnosis& diagnosis) {
    if (diagnosis.detection.tee == Tee::tdx) return "an Intel TDX guest";
    if (diagnosis.detection.tee == Tee::snp) return "an AMD SEV-SNP guest";
    if (diagnosis.detection.contradictory) return "not clear: the signals contradict each other";
    if (diagnosis.has_paravisor) return "a confidential VM under a paravisor";
    return "an ordinary machine: nothing here says that it is a confidential VM";
}

std::string text_of(const Diagnosis& diagnosis) {
    std::string out =
        fmt::format("This is {}. Looked as uid {}.\n", machine_text(diagnosis), ::geteuid());
    for (const Check& check : diagnosis.checks) {
        out += fmt::format("{:>8}  {:<36} {}\n", check_state_name(check.state),
                           printable(check.name), printable(check.found));
        if (!check.mend.empty()) out += fmt::format("{:>8}  mend: {}\n", "", printable(check.mend));
    }
    if (!diagnosis.is_confidential()) {
        out +=
            "There is no evidence to be had here. attestctl inspect and verify work all the "
            "same; tests use a plug-in's socket, attestd-plugin(7).\n";
    }
    return out;
}

std::string json_of(const Diagnosis& diagnosis) {
    const Detection& found = diagnosis.detection;
    nlohmann::ordered_json out;
    out["confidential"] = diagnosis.is_confidential();
    out["tee"] = found.tee ? nlohmann::ordered_json(tee_name(*found.tee)) : nullptr;
    out["interface"] = found.use == GuestInterface::none
                           ? nlohmann::ordered_json(nullptr)
                           : nlohmann::ordered_json(interface_name(found.use));
    out["why"] = found.why;
    out["uid"] = ::geteuid();
    out["checks"] = nlohmann::ordered_json::array();
    for (const Check& check : diagnosis.checks) {
        nlohmann::ordered_json one;
        one["name"] = check.name;
        one["state"] = check_state_name(check.state);
        one["found"] = check.found;
        if (!check.mend.empty()) one["mend"] = check.mend;
        out["checks"].push_back(std::move(one));
    }
    return out.dump(-1, ' ', /*ensure_ascii=*/true,
                    nlohmann::ordered_json::error_handler_t::replace) +
           "\n";
}

Outcome<int> run_doctor(const DoctorOptions& options) {
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    const Diagnosis diagnosis = diagnose(host_system(), host_cpuid(), now, kAzureVtpm);
    ATTESTD_CHECK(print(options.json ? json_of(diagnosis) : text_of(diagnosis)));
    if (!diagnosis.is_confidential()) return exit_status::unreachable;
    return diagnosis.is_good() ? exit_status::done : exit_status::refused;
}

}  // namespace

void add_doctor_command(CLI::App& app, Action& chosen) {
    const auto options = std::make_shared<DoctorOptions>();
    CLI::App* const command = app.add_subcommand(
        "doctor",
        "Say what this machine is, how evidence would be had from it, and what is missing. Exit "
        "status: 0 all is there, 1 something is missing, 3 no confidential VM");
    command->add_flag("--json", options->json, "as JSON");
    command->callback([options, &chosen] { chosen = [options] { return run_doctor(*options); }; });
}

}  // namespace attestd::cli
