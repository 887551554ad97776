// Kept: a secret survives an outage until its stated end and no longer; a refusal ends it at once.
#include "agent/delivery/kept.h"

#include "tests/support/catch.h"

using namespace attestd;
using namespace std::chrono_literals;

namespace {

const BootTime kStart{1000s};

Result<SecretAnswer> value(std::string_view text, std::chrono::seconds keep_for = 60s) {
    SecretAnswer out;
    auto secret = Secret::copy_of(as_bytes(text));
    REQUIRE_OK(secret);
    out.value = *std::move(secret);
    out.version = "\"1\"";
    out.keep_for = keep_for;
    return out;
}

Result<SecretAnswer> unchanged(std::chrono::seconds keep_for = 60s) {
    SecretAnswer out;
    out.version = "\"1\"";
    out.keep_for = keep_for;
    return out;
}

Result<SecretAnswer> failed(Errc code) { return fail(code, "x"); }

Kept kept_with(std::string_view text, std::chrono::seconds keep_for = 60s) {
    Kept kept;
    REQUIRE(kept.answered(value(text, keep_for), kStart) == KeptChange::fresh);
    return kept;
}

}  // namespace

TEST_CASE("kept: the first value is a change, the same one again is none", "[delivery][kept]") {
    Kept kept = kept_with("a");
    REQUIRE(kept.value() != nullptr);
    CHECK(kept.until() == kStart + 60s);
    CHECK(kept.answered(value("a"), kStart + 1s) == KeptChange::none);
    CHECK(kept.answered(value("b"), kStart + 2s) == KeptChange::fresh);
    CHECK(kept.until() == kStart + 62s);
}

TEST_CASE("kept: an answer that nothing changed prolongs it", "[delivery][kept]") {
    Kept kept = kept_with("a");
    CHECK(kept.answered(unchanged(), kStart + 40s) == KeptChange::none);
    CHECK(kept.until() == kStart + 100s);
    CHECK(kept.pass(kStart + 99s) == KeptChange::none);
    CHECK(kept.pass(kStart + 100s) == KeptChange::gone);
}

TEST_CASE("kept: it is asked for at two thirds of its life", "[delivery][kept]") {
    Kept kept = kept_with("a", 30s);
    const NextAsk next = kept.next(kStart);
    CHECK(next.pause == 0ms);
    CHECK(next.known == "\"1\"");
    CHECK(next.wait == 20s);
    SECTION("which is never longer than the daemon waits") {
        CHECK(kept_with("a", 3600s).next(kStart).wait == 60s);
    }
    SECTION("nor no time at all") { CHECK(kept_with("a", 1s).next(kStart).wait == 1s); }
}

TEST_CASE("kept: what passes is survived until the stated end and no longer", "[delivery][kept]") {
    const Errc code = GENERATE(Errc::unavailable, Errc::timed_out, Errc::not_affirming,
                               Errc::store_locked, Errc::rate_limited, Errc::protocol);
    INFO(errc_name(code));
    Kept kept = kept_with("a");
    CHECK(kept.answered(failed(code), kStart + 59s) == KeptChange::none);
    REQUIRE(kept.value() != nullptr);
    REQUIRE(kept.trouble().has_value());
    CHECK(kept.trouble()->code == code);
    CHECK(kept.answered(failed(code), kStart + 60s) == KeptChange::gone);
    CHECK(kept.value() == nullptr);
    CHECK(kept.pass(kStart + 61s) == KeptChange::none);  // once
    SECTION("and comes back as a change") {
        CHECK(kept.next(kStart + 61s).known.empty());
        CHECK(kept.answered(value("a"), kStart + 62s) == KeptChange::fresh);
        CHECK_FALSE(kept.trouble().has_value());
    }
}

TEST_CASE("kept: a refusal wipes it at once", "[delivery][kept]") {
    Kept kept = kept_with("a");
    CHECK(kept.answered(failed(Errc::secret_unavailable), kStart + 1s) == KeptChange::gone);
    CHECK(kept.value() == nullptr);
    CHECK(kept.next(kStart + 1s).known.empty());
}

TEST_CASE("kept: failures are followed by growing pauses, and one success ends them",
          "[delivery][kept]") {
    Kept kept = kept_with("a", 3600s);
    const std::chrono::milliseconds want[] = {500ms, 1s, 2s, 4s, 8s, 10s, 10s};
    for (const auto pause : want) {
        kept.answered(failed(Errc::unavailable), kStart + 1s);
        CHECK(kept.next(kStart + 1s).pause == pause);
        CHECK(kept.next(kStart + 1s).wait == 0s);
    }
    kept.answered(unchanged(), kStart + 2s);
    CHECK(kept.next(kStart + 2s).pause == 0ms);
}

TEST_CASE("kept: no change of nothing is an answer that makes no sense", "[delivery][kept]") {
    Kept kept;
    CHECK(kept.answered(unchanged(), kStart) == KeptChange::none);
    REQUIRE(kept.trouble().has_value());
    CHECK(kept.trouble()->code == Errc::protocol);
    CHECK(kept.value() == nullptr);
}

TEST_CASE("kept: a value that may not be kept at all is not", "[delivery][kept]") {
    Kept kept;
    kept.answered(value("a", 0s), kStart);
    CHECK(kept.value() == nullptr);
}
