// The protocol between attestd and attestd-inspect: strict both ways.
#include "agent/inspect/message.h"

#include "tests/support/catch.h"

using namespace attestd;
using namespace attestd::inspect;

namespace {

Answer full_answer() {
    Answer out{Outcome::done, {}};
    Facts& facts = out.facts;
    facts.start_time = 77;
    facts.exe = {0x10300000001, 42, 1, 1234, 1'700'000'000'123'456'789};
    facts.namespaces = {1, 2, 3, 4, 5};
    facts.digest_state = DigestState::done;
    facts.sha256 = Sha256{1, 2, 3};
    facts.verity = Sha256{9};
    facts.path = "/usr/bin/app";
    return out;
}

}  // namespace

TEST_CASE("inspect request: what was written is read again", "[inspect][message]") {
    for (int bits = 0; bits < 16; ++bits) {
        const Wanted wanted{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0};
        const Request request{wanted, 4001};
        const auto read = parse_request(encode_request(request));
        REQUIRE_OK(read);
        CHECK(*read == request);
    }
}

TEST_CASE("inspect request: anything else is refused with its reason", "[inspect][message]") {
    const auto good = encode_request(Request{{true, false, false, false}, 1000});
    Bytes bytes(good.begin(), good.end());
    SECTION("too short, at every length") {
        for (std::size_t len = 0; len < bytes.size(); ++len)
            REQUIRE_ERRC(Errc::truncated, parse_request(ByteView(bytes).first(len)));
    }
    SECTION("too long") {
        bytes.push_back(0);
        REQUIRE_ERRC(Errc::trailing_bytes, parse_request(bytes));
    }
    SECTION("another protocol") {
        bytes[0] ^= 1;
        REQUIRE_ERRC(Errc::bad_value, parse_request(bytes));
    }
    SECTION("a wish that nobody defined") {
        bytes[4] |= 0x10;
        REQUIRE_ERRC(Errc::bad_value, parse_request(bytes));
    }
    SECTION("reserved bytes in use") {
        bytes[6] = 1;
        REQUIRE_ERRC(Errc::reserved_not_zero, parse_request(bytes));
    }
}

TEST_CASE("inspect answer: what was written is read again", "[inspect][message]") {
    const Answer full = full_answer();
    const Bytes bytes = encode_answer(full);
    const auto read = parse_answer(bytes);
    REQUIRE_OK(read);
    CHECK(*read == full);

    Answer longest = full;
    longest.facts.path = "/" + std::string(kMaxPathLen - 1, 'x');
    const Bytes most = encode_answer(longest);
    CHECK(most.size() == kMaxAnswerLen);
    REQUIRE_OK(parse_answer(most));

    for (const Outcome outcome :
         {Outcome::exited, Outcome::changed, Outcome::foreign, Outcome::failed}) {
        const auto short_one = parse_answer(encode_answer(Answer{outcome, {}}));
        REQUIRE_OK(short_one);
        CHECK(short_one->outcome == outcome);
    }
}

TEST_CASE("inspect answer: a hostile inspector is refused with the reason", "[inspect][message]") {
    const Bytes good = encode_answer(full_answer());
    SECTION("every truncation") {
        for (std::size_t len = 0; len < good.size(); ++len)
            REQUIRE_FALSE(parse_answer(ByteView(good).first(len)).has_value());
    }
    SECTION("one byte more") {
        Bytes bytes = good;
        bytes.push_back(0);
        REQUIRE_ERRC(Errc::trailing_bytes, parse_answer(bytes));
    }
    SECTION("facts behind a refusal") {
        Bytes bytes = good;
        bytes[4] = static_cast<std::uint8_t>(Outcome::exited);
        REQUIRE_ERRC(Errc::trailing_bytes, parse_answer(bytes));
    }
    struct Row {
        const char* what;
        std::size_t at;
        std::uint8_t value;
        Errc want;
    };
    const auto row = GENERATE(values<Row>({
        {"another protocol", 0, 0, Errc::bad_value},
        {"an outcome that nobody defined", 4, 5, Errc::bad_value},
        {"a reserved byte in use", 5, 1, Errc::reserved_not_zero},
        {"a digest that nobody defined", 6, 7, Errc::bad_value},
        {"no digest, but its bytes", 6, 2, Errc::bad_value},
        {"no verity digest, but its bytes", 6, 1, Errc::reserved_not_zero},
        {"a state that nobody defined", 7, 9, Errc::bad_value},
        {"a state that contradicts the digest", 7, 2, Errc::bad_value},
        {"a path that is longer than the message", 160, 13, Errc::truncated},
        {"a path that is longer than any", 161, 0x10, Errc::too_large},
        {"a path that is not absolute", 162, 'x', Errc::bad_value},
        {"a path with an end within", 165, 0, Errc::bad_value},
    }));
    INFO(row.what);
    Bytes bytes = good;
    bytes.at(row.at) = row.value;
    REQUIRE_ERRC(row.want, parse_answer(bytes));
}

TEST_CASE("inspect answer: no flipped bit makes another answer of it unnoticed but in its facts",
          "[inspect][message]") {
    const Bytes good = encode_answer(full_answer());
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
        Bytes bytes = good;
        bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
        const auto read = parse_answer(bytes);
        if (!read) continue;
        INFO(bit);
        CHECK(encode_answer(*read) == bytes);  // one message, one meaning
    }
}
