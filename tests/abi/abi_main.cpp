// abi-conformance [--root DIR] tdx|snp [failing|slow]: makes the calls that attestd relies on, and
// those whose failure it must understand, and prints what each gave. The same program runs on the
// emulation and on a real kernel; what differs is listed in differences.txt and compared exactly.
//
// It needs root, and a machine whose interfaces nobody else uses meanwhile.
#include <cstdio>
#include <string>
#include <vector>

#include "tests/abi/calls.h"

namespace attestd::abi {
namespace {

int usage() {
    std::fputs("usage: abi-conformance [--root DIR] tdx|snp [failing|slow]\n", stderr);
    return 2;
}

int run(std::vector<std::string> words) {
    Machine machine{};
    if (words.size() >= 2 && words[0] == "--root") {
        machine.root = words[1];
        words.erase(words.begin(), words.begin() + 2);
    }
    if (words.empty() || words.size() > 2 || (words[0] != "tdx" && words[0] != "snp"))
        return usage();
    machine.guest = words[0] == "tdx" ? Guest::tdx : Guest::snp;
    if (words.size() == 2 && words[1] == "failing") {
        failing(machine);
    } else if (words.size() == 2 && words[1] == "slow") {
        slow(machine);
    } else if (words.size() == 2) {
        return usage();
    } else {
        for (const auto list : {names_and_modes, opening, committing, reading, options, removing,
                                ownership, device_calls}) {
            list(machine);
        }
    }
    return 0;
}

}  // namespace
}  // namespace attestd::abi

int main(int argc, char** argv) { return attestd::abi::run({argv + 1, argv + argc}); }
