#include "tests/emulator/fuse/tsm_report.h"

#include <cerrno>
#include <charconv>

namespace attestd::devsim {

const std::vector<TsmAttribute>& tsm_attributes(Tee tee) {
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
    return tee == Tee::snp ? snp : tdx;
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
    if (name != "privlevel") return EACCES;
    std::string_view digits = as_text(text);
    if (digits.ends_with('\n')) digits.remove_suffix(1);
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
