// Catch2, version 2 or 3, and skipping in words.
//
// Tests include this header and no other of Catch2's. What the two versions name differently has
// one name here: `test::Approx`, `test::ContainsSubstring`.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
namespace attestd::test {
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;
}  // namespace attestd::test
#else
#include <catch2/catch.hpp>
namespace attestd::test {
using Catch::Detail::Approx;
inline auto ContainsSubstring(const std::string& part) { return Catch::Matchers::Contains(part); }
}  // namespace attestd::test
#endif

#include <string>

#include "quote/base/result.h"

namespace attestd::test {

/// Says "SKIPPED: why" and counts the running test case as skipped unless something in it fails.
void note_skip(const std::string& why);

}  // namespace attestd::test

/// Ends the test case here, counted as skipped: for what this machine does not have. Only in the
/// body of a TEST_CASE. A skip is seen in the summary of `scripts/test`; it is never silently
/// green.
#define ATTESTD_SKIP(why)                \
    do {                                 \
        ::attestd::test::note_skip(why); \
        SUCCEED("skipped");              \
        return;                          \
    } while (false)

/// Demands that a Result holds a value, and shows its error when it does not.
#define REQUIRE_OK(...)                                                          \
    do {                                                                         \
        const auto& result_ = (__VA_ARGS__);                                     \
        INFO((result_ ? std::string() : ::attestd::to_string(result_.error()))); \
        REQUIRE(result_.has_value());                                            \
    } while (false)

/// Demands that a Result is the error `code`: refusing for the wrong reason fails.
#define REQUIRE_ERRC(code_, ...)                                                            \
    do {                                                                                    \
        const auto& result_ = (__VA_ARGS__);                                                \
        REQUIRE_FALSE(result_.has_value());                                                 \
        INFO(::attestd::to_string(result_.error()));                                        \
        REQUIRE(::attestd::errc_name(result_.error().code) == ::attestd::errc_name(code_)); \
    } while (false)
