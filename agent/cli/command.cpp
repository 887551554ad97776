#include "agent/cli/command.h"

namespace attestd::cli {
namespace {

int usual_status(Errc code) noexcept {
    switch (code) {
        case Errc::bad_usage:
        case Errc::bad_name:
            return exit_status::usage;
        case Errc::unavailable:
        case Errc::timed_out:
            return exit_status::unreachable;
        default:
            return exit_status::refused;
    }
}

}  // namespace

Failure::Failure(Error e) : error(std::move(e)), exit_status(usual_status(error.code)) {}

}  // namespace attestd::cli
