// The command line of attestd-inspect.
#include "agent/inspect/options.h"

#include <vector>

#include "tests/support/catch.h"

using namespace attestd;
using namespace attestd::inspect;

namespace {

Result<Options> parse_args(std::vector<std::string_view> args) { return parse_options(args); }

}  // namespace

TEST_CASE("attestd-inspect: without options, systemd passes the socket", "[inspect][options]") {
    const auto options = parse_args({});
    REQUIRE_OK(options);
    CHECK(options->mode == Mode::systemd);
    CHECK(options->max_len == std::uint64_t{256} << 20);
}

TEST_CASE("attestd-inspect: options mean what they say", "[inspect][options]") {
    const auto options = parse_args({"--listen", "/run/x", "--client", "998", "--max-mib", "16"});
    REQUIRE_OK(options);
    CHECK(options->mode == Mode::listen);
    CHECK(options->listen_path == "/run/x");
    CHECK(options->client == 998U);
    CHECK(options->max_len == std::uint64_t{16} << 20);
    CHECK(parse_args({"--help"})->mode == Mode::help);
    CHECK(parse_args({"--version"})->mode == Mode::version);
}

TEST_CASE("attestd-inspect: wrong usage is refused", "[inspect][options]") {
    const auto args = GENERATE(values<std::vector<std::string_view>>({
        {"--lisden", "/x"},
        {"--listen"},
        {"--listen", ""},
        {"--listen", "/x", "--client", "root"},
        {"--listen", "/x", "--client", "4294967295"},
        {"--listen", "/x", "--client", "-1"},
        {"--client", "1"},
        {"--max-mib", "0"},
        {"--max-mib", "65537"},
        {"extra"},
    }));
    REQUIRE_ERRC(Errc::bad_usage, parse_args(args));
}
