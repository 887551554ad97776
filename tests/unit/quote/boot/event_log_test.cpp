// Event logs: the recorded ones replay to their recorded registers, and nothing malformed is taken
// for one.
#include "quote/boot/event_log.h"

#include <nlohmann/json.hpp>

#include "quote/base/encoding.h"
#include "quote/boot/event_text.h"
#include "tests/support/catch.h"
#include "tests/support/mutations.h"
#include "tests/support/vectors.h"

namespace attestd {
namespace {

void append_u32(Bytes& out, std::uint32_t value) {
    for (int i = 0; i < 4; ++i) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}
void append_u16(Bytes& out, std::uint16_t value) {
    out.push_back(static_cast<std::uint8_t>(value));
    out.push_back(static_cast<std::uint8_t>(value >> 8));
}
void append(Bytes& out, ByteView bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

// Record 0 with these algorithms.
Bytes header(std::initializer_list<std::pair<std::uint16_t, std::uint16_t>> algorithms) {
    Bytes body;
    append(body, as_bytes(std::string_view("Spec ID Event03\0", 16)));
    append_u32(body, 0);
    append(body, ByteArray<4>{0, 2, 0, 2});
    append_u32(body, static_cast<std::uint32_t>(algorithms.size()));
    for (const auto& [id, len] : algorithms) {
        append_u16(body, id);
        append_u16(body, len);
    }
    body.push_back(0);
    Bytes out;
    append_u32(out, 1);
    append_u32(out, kEvNoAction);
    append(out, ByteArray<20>{});
    append_u32(out, static_cast<std::uint32_t>(body.size()));
    append(out, body);
    return out;
}

Bytes cc_header() { return header({{kAlgSha384, 48}}); }

void append_event(Bytes& log, std::uint32_t reg, std::uint32_t type, ByteView digest,
                  ByteView data) {
    append_u32(log, reg);
    append_u32(log, type);
    append_u32(log, 1);
    append_u16(log, kAlgSha384);
    append(log, digest);
    append_u32(log, static_cast<std::uint32_t>(data.size()));
    append(log, data);
}

Errc error_of(const Bytes& log) {
    const auto parsed = parse_event_log(log);
    REQUIRE_FALSE(parsed);
    return parsed.error().code;
}

}  // namespace

TEST_CASE("event log: every recorded log replays to its recorded registers", "[quote][eventlog]") {
    NEED_VECTORS(dir, "eventlog");
    const auto manifest = nlohmann::json::parse(test::load_text(dir / "manifest.json"));
    std::size_t replayed = 0;
    for (const auto& entry : manifest["files"]) {
        if (!entry.contains("replay_sha384")) continue;
        const std::string file = entry["file"];
        INFO(file);
        const Bytes bytes = test::load_file(dir / file);
        const auto log = parse_event_log(bytes);
        REQUIRE(log);
        CHECK(log->bytes_used == entry["bytes_used"].get<std::size_t>());
        CHECK(log->events.size() == entry["events_after_header"].get<std::size_t>());
        const auto registers = replay_sha384(*log);
        REQUIRE(registers);
        for (const auto& [key, want] : entry["replay_sha384"].items()) {
            const std::string name = key.starts_with("rtmr") ? key : "pcr" + key;
            REQUIRE(registers->contains(name));
            CHECK(to_hex(registers->at(name)) == want.get<std::string>());
        }
        ++replayed;
    }
    CHECK(replayed == 9);
}

TEST_CASE("event log: a log without SHA-384 digests is refused, never replayed to zeros",
          "[quote][eventlog]") {
    const Bytes bytes = header({{kAlgSm3, 32}});
    const auto log = parse_event_log(bytes);
    REQUIRE(log);
    const auto registers = replay_sha384(*log);
    REQUIRE_FALSE(registers);
    CHECK(registers.error().code == Errc::unsupported_type);
}

TEST_CASE("event log: EV_NO_ACTION and MRTD are never extended", "[quote][eventlog]") {
    Bytes bytes = cc_header();
    append_event(bytes, 1, kEvNoAction, Sha384{1}, {});
    append_event(bytes, 0, 4, Sha384{2}, {});
    const auto log = parse_event_log(bytes);
    REQUIRE(log);
    const auto registers = replay_sha384(*log);
    REQUIRE(registers);
    REQUIRE(registers->size() == 4);
    for (const auto& [name, value] : *registers) CHECK(all_zero(value));
}

TEST_CASE("event log: it ends at its padding, and what follows padding is refused",
          "[quote][eventlog]") {
    Bytes bytes = cc_header();
    append_event(bytes, 2, 4, Sha384{1}, ByteArray<4>{});
    const std::size_t used = bytes.size();
    for (const std::uint8_t fill : {std::uint8_t{0x00}, std::uint8_t{0xff}}) {
        Bytes padded = bytes;
        padded.resize(used + 100, fill);
        const auto log = parse_event_log(padded);
        REQUIRE(log);
        CHECK(log->bytes_used == used);
        padded.back() = 0x01;
        CHECK_FALSE(parse_event_log(padded));
    }
}

TEST_CASE("event log: malformed logs are refused for their own reason", "[quote][eventlog]") {
    SECTION("an algorithm with a digest of another length") {
        CHECK(error_of(header({{kAlgSha384, 32}})) == Errc::unsupported_type);
    }
    SECTION("an algorithm twice") {
        CHECK(error_of(header({{kAlgSha384, 48}, {kAlgSha384, 48}})) == Errc::bad_value);
    }
    SECTION("no algorithm") { CHECK(error_of(header({})) == Errc::bad_length); }
    SECTION("a register that a TD does not have") {
        Bytes log = cc_header();
        append_event(log, 5, 4, Sha384{1}, {});
        CHECK(error_of(log) == Errc::bad_value);
    }
    SECTION("a digest of an algorithm that record 0 does not declare") {
        Bytes log = header({{kAlgSha512, 64}});
        append_event(log, 1, 4, Sha384{1}, {});
        CHECK(error_of(log) == Errc::bad_value);
    }
    SECTION("not a specification event") {
        Bytes log = cc_header();
        log[4] = 4;
        CHECK(error_of(log) == Errc::bad_value);
    }
}

TEST_CASE("event log: every truncation of a log is refused or ends at an event",
          "[quote][eventlog]") {
    Bytes bytes = cc_header();
    append_event(bytes, 1, 4, Sha384{1}, as_bytes("first"));
    const std::size_t first_end = bytes.size();
    append_event(bytes, 2, 4, Sha384{2}, as_bytes("second"));
    test::for_each_truncation(bytes, [&](ByteView cut, std::size_t len) {
        INFO(len);
        const bool at_boundary = len == cc_header().size() || len == first_end;
        CHECK(parse_event_log(cut).has_value() == at_boundary);
    });
}

TEST_CASE("event text: data is verified only when the digest is recomputed from it",
          "[quote][eventlog]") {
    const std::string_view command = "grub_cmd: linux /vmlinuz";
    Bytes bytes = cc_header();
    append_event(bytes, 1, 4, sha384(as_bytes("data")), as_bytes("data"));
    append_event(bytes, 3, 0xd, sha384(as_bytes("linux /vmlinuz")), as_bytes(command));
    append_event(bytes, 3, 0xd, sha384(as_bytes("linux /other")), as_bytes(command));
    append_event(bytes, 1, kEvNoAction, Sha384{}, as_bytes("note"));
    const auto log = parse_event_log(bytes);
    REQUIRE(log);
    REQUIRE(log->events.size() == 4);
    CHECK(data_trust(log->events[0]) == DataTrust::verified);
    CHECK(data_trust(log->events[1]) == DataTrust::verified);
    CHECK(data_trust(log->events[2]) == DataTrust::not_verified);
    CHECK(data_trust(log->events[3]) == DataTrust::not_extended);
    CHECK(event_text(log->events[1]) == command);
}

TEST_CASE("event text: bytes that steer a terminal are shown as hexadecimal", "[quote][eventlog]") {
    Bytes bytes = cc_header();
    append_event(bytes, 1, 4, Sha384{}, as_bytes("\x1b[2J"));
    const auto log = parse_event_log(bytes);
    REQUIRE(log);
    CHECK(event_text(log->events.at(0)) == "1b5b324a");
}

}  // namespace attestd
