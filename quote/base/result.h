// Result<T>: the one way in which a function of this project says that it failed.
//
// An Error holds a stable code, which tests and clients rely on, and a detail for a person. The
// only header that names tl::expected; it becomes std::expected by editing one line.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "quote/base/errc.h"

namespace attestd {

struct Error {
    Errc code;
    std::string detail;  ///< names the offending thing and what would mend it; never a secret
};

template <class T>
using Result = tl::expected<T, Error>;

[[nodiscard]] inline tl::unexpected<Error> fail(Errc code, std::string detail) {
    return tl::make_unexpected(Error{code, std::move(detail)});
}

/// The same error with `where: ` put before its detail.
[[nodiscard]] tl::unexpected<Error> fail_in(std::string_view where, const Error& inner);

/// "parse.truncated: header.version at byte 0: ..." for logs and command lines.
[[nodiscard]] std::string to_string(const Error& error);

}  // namespace attestd

#define ATTESTD_CONCAT_(a, b) a##b
#define ATTESTD_CONCAT(a, b) ATTESTD_CONCAT_(a, b)
#define ATTESTD_TRY_ASSIGN_(tmp, decl, ...)                         \
    auto tmp = (__VA_ARGS__);                                       \
    if (!tmp) return ::tl::make_unexpected(std::move(tmp).error()); \
    decl = *std::move(tmp)
/// `ATTESTD_TRY(auto x, f());` declares x from the value of f(), or returns f()'s error.
#define ATTESTD_TRY(decl, ...) \
    ATTESTD_TRY_ASSIGN_(ATTESTD_CONCAT(try_, __LINE__), decl, __VA_ARGS__)
/// `ATTESTD_CHECK(f());` for a Result<void> or a value that is not needed: returns f()'s error.
#define ATTESTD_CHECK(...)                    \
    if (auto check_ = (__VA_ARGS__); !check_) \
    return ::tl::make_unexpected(std::move(check_).error())
/// The same inside a coroutine.
#define ATTESTD_CO_CHECK(...)                 \
    if (auto check_ = (__VA_ARGS__); !check_) \
    co_return ::tl::make_unexpected(std::move(check_).error())
