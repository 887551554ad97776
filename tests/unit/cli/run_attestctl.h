// Runs the real attestctl and takes down what it writes and how it ends.
#pragma once

#include <string>
#include <vector>

namespace attestd::test {

struct CliRun {
    int status;  ///< exit status; -1 when it did not exit by itself
    std::string out, err;
};

/// Runs attestctl with `args`, and `input` as its standard input.
[[nodiscard]] CliRun attestctl(const std::vector<std::string>& args, const std::string& input = "");

}  // namespace attestd::test
