// attestd-fuzz: every target as a libFuzzer program. The name that it is called by chooses:
// scripts/fuzz makes a link `fuzz-<target>` for each.
//
//   fuzz-TARGET --write-seeds DIR     writes the seeds into DIR, and DIR.dict where there are words
//   fuzz-TARGET [libFuzzer's options and files]
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/fuzz/fixed_random.h"
#include "tests/fuzz/seed_files.h"
#include "tests/fuzz/target.h"

using namespace attestd;
using namespace attestd::fuzz;

namespace {

const Target* g_target = nullptr;

const Target* target_called(std::string_view path) {
    const std::string_view name = path.substr(path.rfind('/') + 1);
    constexpr std::string_view kPrefix = "fuzz-";
    return name.starts_with(kPrefix) ? find_target(name.substr(kPrefix.size())) : nullptr;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
    g_target = target_called((*argv)[0]);
    if (g_target == nullptr) {
        std::fprintf(stderr, "attestd-fuzz: call it by a name fuzz-TARGET\n");
        std::exit(2);
    }
    use_fixed_random();
    const Seeds seeds = g_target->seeds();
    if (*argc == 3 && std::strcmp((*argv)[1], "--write-seeds") == 0) {
        write_seeds(*g_target, seeds, (*argv)[2]);
        std::exit(0);
    }
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    restart_fixed_random(kInputRandomLen);
    g_target->run(ByteView(data, size));
    return 0;
}
