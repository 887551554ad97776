#include "tests/emulator/fuse/tsm_report.h"

#include <cerrno>
#include <charconv>

namespace attestd::devsim {

namespace {

// Of the list of all services, of the vTPM, and what the latter says of itself.
constexpr ByteArray<16> kServices{0xbb, 0x9e, 0x84, 0x63, 0x92, 0x3d, 0x70, 0x46,
                                  0xa1, 0xff, 0x58, 0xf9, 0xc9, 0x4b, 0x87, 0xbb};
constexpr ByteArray<16> kVtpm{0xeb, 0xf1, 0x76, 0xc4, 0x23, 0x01, 0xa5, 0x45,
                              0x96, 0x41, 0xb4, 0xe7, 0xdd, 0xe5, 0xbf, 0xe3};
constexpr std::string_view kVtpmManifest = "endorsement key of an emulated vTPM";

void append_u32(Bytes& out, std::size_t value) {
    for (unsigned shift = 0; shift < 32; shift += 8)
        out.push_back(static_cast<std::uint8_t>(value >> shift));
}

}  // namespace

Bytes svsm_manifest() {
    constexpr std::size_t kHeadLen = 48;  // of the list with one entry
    Bytes out = to_bytes(kServices);
    append_u32(out, kHeadLen + kVtpmManifest.size());
    append_u32(out, 1);
    out.insert(out.end(), kVtpm.begin(), kVtpm.end());
    append_u32(out, kHeadLen);
    append_u32(out, kVtpmManifest.size());
    out.insert(out.end(), kVtpmManifest.begin(), kVtpmManifest.end());
    return out;
}

const std::vector<TsmAttribute>& tsm_attributes(Tee tee, bool has_svsm) {
    static const std::vector<TsmAttribute> tdx{{"inblob", 0200, true, false},
                                               {"outblob", 0444, true, false},
                                               {"generation", 0444, false, false},
                                               {"provider", 0444, false, false}};
    static const std::vector<TsmAttribute> snp = [] {
        std::vector<TsmAttribute> out = tdx;
        out.push_back({"auxblob", 0444, true, true});
        out.push_back({"privlevel", 0200, false, true});
        out.push_back({"privlevel_floor", 0444, false, true});
        return out;
    }();
    static const std::vector<TsmAttribute> under_svsm = [] {
        std::vector<TsmAttribute> out = snp;
        out.push_back({"manifestblob", 0444, true, true});
        for (const char* name : {"service_provider", "service_guid", "service_manifest_version"})
            out.push_back({name, 0200, false, true});
        return out;
    }();
    if (tee == Tee::tdx) return tdx;
    return has_svsm ? under_svsm : snp;
}

int read_tsm_text(const TsmReport& report, const std::string& name, const std::string& provider,
                  std::string& out) {
    if (name == "generation") {
        out = std::to_string(report.generation) + '\n';
    } else if (name == "provider") {
        out = provider + '\n';
    } else if (name == "privlevel_floor") {
        out = "0\n";  // the emulated guest runs at VMPL 0
    } else {
        return EACCES;
    }
    return 0;
}

int write_tsm_text(TsmReport& report, const std::string& name, ByteView text) {
    std::string_view digits = as_text(text);
    if (digits.ends_with('\n')) digits.remove_suffix(1);
    if (name.starts_with("service_")) {
        if (name == "service_provider") report.service_provider = std::string(digits);
        ++report.generation;
        report.made.reset();
        return 0;
    }
    if (name != "privlevel") return EACCES;
    std::uint32_t level = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), level);
    if (error != std::errc() || end != digits.data() + digits.size() || level > kMaxPrivlevel)
        return EINVAL;
    report.privlevel = level;
    ++report.generation;
    report.made.reset();
    return 0;
}

}  // namespace attestd::devsim
