#include "agent/cli/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "agent/cli/output.h"
#include "quote/base/encoding.h"
#include "quote/base/reader.h"

namespace attestd::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Meaning {
    std::string_view field, text;
};

constexpr auto kMeanings = std::to_array<Meaning>({
    {"tee_tcb_svn", "SVNs of the TDX module and microcode when the TD was launched"},
    {"tee_tcb_svn2", "the same now, after updates under the running TD"},
    {"mrseam", "measurement of the TDX module"},
    {"mrsignerseam", "signer of the TDX module; zero is Intel"},
    {"seam_attributes", "attributes of the TDX module; zero for a production module"},
    {"td_attributes", "what the host may do with the TD"},
    {"xfam", "processor features that the TD may use"},
    {"mrtd", "measurement of the TD's initial memory: its firmware"},
    {"mrconfigid", "configuration that the host named at launch"},
    {"mrowner", "owner that the host named at launch"},
    {"mrownerconfig", "owner's configuration that the host named at launch"},
    {"rtmr0", "run-time register: virtual firmware and its configuration"},
    {"rtmr1", "run-time register: boot loader and kernel"},
    {"rtmr2", "run-time register: kernel command line, initrd, applications"},
    {"rtmr3", "run-time register: left to the running system"},
    {"mrservicetd", "service TDs bound to this one; zero is none"},
    {"report_data", "64 bytes that the guest chose: a nonce or a key's digest"},
    {"qe_vendor_id", "maker of the quoting enclave"},
    {"attestation_key", "the quoting enclave's key for quotes, X then Y"},
    {"qe_auth_data", "bound to the attestation key by the quoting enclave"},
    {"mrenclave", "measurement of the enclave's initial contents"},
    {"mrsigner", "digest of the key that signed the enclave"},
    {"isvprodid", "product number that the signer gave"},
    {"isvsvn", "security version that the signer gave"},
    {"cpusvn", "security version of the processor"},
    {"measurement", "launch digest: firmware, and kernel with command line where it hashes them"},
    {"host_data", "32 bytes that the host set at launch"},
    {"policy", "what the host may do with the guest"},
    {"platform_info", "state of the machine around the guest"},
    {"vmpl", "privilege level the report was asked for at; 0 is the highest"},
    {"guest_svn", "security version from the ID block"},
    {"family_id", "from the ID block: trust it as far as the ID key"},
    {"image_id", "from the ID block: trust it as far as the ID key"},
    {"id_key_digest", "key that signed the ID block; zero without one"},
    {"author_key_digest", "key that signed the ID key"},
    {"report_id", "random, constant for the life of the guest"},
    {"report_id_ma", "migration agent; all ff is none"},
    {"chip_id", "the processor; zero when masked"},
    {"signing_key", "VCEK is the chip's key, VLEK the cloud provider's"},
    {"reported_tcb", "TCB that the signing key is derived from"},
    {"committed_tcb", "TCB below which the host cannot roll back"},
    {"current_tcb", "TCB that runs now"},
    {"launch_tcb", "TCB that ran when the guest was launched"},
    {"fmspc", "family, model, stepping and platform type: selects the TCB info"},
    {"ppid", "identifies the processor package"},
    {"pceid", "identifies the provisioning enclave"},
    {"pcesvn", "security version of the provisioning enclave"},
    {"hwid", "the chip that this key was issued for"},
    {"csp_id", "the provider that this key was issued to"},
    {"tcb_evaluation_data_number", "grows with each TCB recovery event"},
    {"ak_thumbprint", "key that signs the vTPM's quotes (RFC 7638)"},
    {"user_data", "64 bytes that the guest gave the paravisor; zeros when it gave none"},
    {"secure_boot", "whether the VM's firmware checks what it boots"},
    {"console_enabled", "whether the host has a console of the VM"},
    {"nonce", "what the vTPM was asked to sign with the quote"},
    {"pcrs", "boot and operating system, as the vTPM recorded them (SHA-256)"},
    {"binding_ok", "the report's data is the hash of the runtime data"},
    {"consumed", "bytes of the quote"},
    {"padding", "zero bytes that follow it"},
});

struct Flag {
    unsigned bit;
    std::string_view name;
};

constexpr auto kTdAttributes = std::to_array<Flag>({{0, "DEBUG"},
                                                    {4, "HGS_PLUS_PROF"},
                                                    {5, "PERF_PROF"},
                                                    {6, "PMT_PROF"},
                                                    {16, "ICSSD"},
                                                    {17, "SERVTD_EXT"},
                                                    {27, "LASS"},
                                                    {28, "SEPT_VE_DISABLE"},
                                                    {29, "MIGRATABLE"},
                                                    {30, "PKS"},
                                                    {31, "KL"},
                                                    {62, "TPA"},
                                                    {63, "PERFMON"}});
constexpr auto kSnpPolicy = std::to_array<Flag>({{16, "SMT"},
                                                 {18, "MIGRATE_MA"},
                                                 {19, "DEBUG"},
                                                 {20, "SINGLE_SOCKET"},
                                                 {21, "CXL_ALLOW"},
                                                 {22, "MEM_AES_256_XTS"},
                                                 {23, "RAPL_DIS"},
                                                 {24, "CIPHERTEXT_HIDING_DRAM"},
                                                 {25, "PAGE_SWAP_DISABLE"}});
constexpr auto kPlatformInfo = std::to_array<Flag>({{0, "SMT_EN"},
                                                    {1, "TSME_EN"},
                                                    {2, "ECC_EN"},
                                                    {3, "RAPL_DIS"},
                                                    {4, "CIPHERTEXT_HIDING_DRAM_EN"},
                                                    {5, "ALIAS_CHECK_COMPLETE"},
                                                    {7, "TIO_EN"}});

template <std::size_t N>
std::string names(std::uint64_t bits, const std::array<Flag, N>& flags) {
    std::string out;
    for (const Flag& flag : flags) {
        if ((bits >> flag.bit & 1) == 0) continue;
        out += fmt::format("{}{}", out.empty() ? "" : ", ", flag.name);
    }
    return out.empty() ? "none set" : out;
}

std::uint64_t number_of(std::string_view value) {
    std::uint64_t out = 0;
    const bool prefixed = value.starts_with("0x");
    if (!prefixed) {  // bytes in memory order
        const auto bytes = array_from_hex<8>(value, "");
        return bytes ? load_le<std::uint64_t>(*bytes) : 0;
    }
    for (const char c : value.substr(2)) {
        out = out << 4 | static_cast<std::uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return out;
}

class Renderer {
 public:
    explicit Renderer(Colour colour) : colour_(colour) {}

    void members(const Json& value, int depth) {
        for (const auto& [key, member] : value.items())
            node(value.is_array() ? fmt::format("[{}]", key) : key, member, depth);
    }

    std::string out;

 private:
    std::string paint(std::string_view code, std::string_view text) const {
        if (colour_ == Colour::off || text.empty()) return std::string(text);
        return fmt::format("\033[{}m{}\033[0m", code, text);
    }

    static bool is_flat(const Json& value) {
        return value.is_array() && std::all_of(value.begin(), value.end(),
                                               [](const Json& e) { return !e.is_structured(); });
    }

    static std::string scalar(const Json& value) {
        if (value.is_null()) return "-";
        if (!is_flat(value))
            return printable(value.is_string() ? value.get<std::string>() : value.dump());
        std::string joined;
        for (const Json& element : value) joined += (joined.empty() ? "" : " ") + scalar(element);
        return joined.empty() ? "none" : joined;
    }

    void node(const std::string& key, const Json& value, int depth) {
        const std::string indent(static_cast<std::size_t>(2 * depth), ' ');
        const std::string_view meaning = meaning_of(key);
        const std::string note = meaning.empty() ? "" : paint("2", fmt::format("  {}", meaning));
        if (value.is_structured() && !is_flat(value)) {
            out += fmt::format("{}{}{}\n", indent, paint("1", printable(key)), note);
            members(value, depth + 1);
            return;
        }
        const std::string text = scalar(value);
        const bool wide = text.size() > 64;  // long values get a line of their own below
        out += fmt::format("{}{}{}", indent, paint("36", fmt::format("{:<18}", printable(key))),
                           wide ? "" : " " + text);
        const std::string flags = value.is_string() ? flags_of(key, text) : "";
        if (!flags.empty()) out += paint("33", fmt::format(" ({})", flags));
        out += note + "\n";
        if (wide) out += fmt::format("{}  {}\n", indent, text);
    }

    Colour colour_;
};

}  // namespace

std::string_view meaning_of(std::string_view field) noexcept {
    const auto it = std::find_if(kMeanings.begin(), kMeanings.end(),
                                 [&](const Meaning& m) { return m.field == field; });
    return it == kMeanings.end() ? std::string_view{} : it->text;
}

std::string flags_of(std::string_view field, std::string_view value) {
    if (field == "td_attributes") return names(number_of(value), kTdAttributes);
    if (field == "policy") return names(number_of(value), kSnpPolicy);
    if (field == "platform_info") return names(number_of(value), kPlatformInfo);
    return "";
}

Colour output_colour() {
    return output_is_terminal() && std::getenv("NO_COLOR") == nullptr ? Colour::on : Colour::off;
}

std::string render_tree(const Json& value, Colour colour) {
    Renderer renderer(colour);
    renderer.members(value, 1);
    return std::move(renderer.out);
}

}  // namespace attestd::cli
