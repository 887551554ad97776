// The machine that this program runs on: what a program's factories hand to platforms.
//
// The product has one definition, host.cpp: the running kernel, the running processor. Programs
// that are built for tests and never installed (attestd-test, attestctl-test) are linked with
// another one in its place, which is the only way to another root.
#pragma once

#include <string>
#include <string_view>

#include "quote/platform/cpuid.h"
#include "quote/platform/system.h"

namespace attestd {

/// Lives as long as the program.
[[nodiscard]] System& host_system();
[[nodiscard]] Cpuid host_cpuid();
/// Where what the kernel shows at `path` lies for this process.
[[nodiscard]] std::string host_path(std::string_view path);

}  // namespace attestd
