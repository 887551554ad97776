#include "agent/inspect/message.h"

#include <array>

#include "quote/base/reader.h"

namespace attestd::inspect {
namespace {

constexpr std::uint32_t kRequestMagic = 0x31515049;  // "IPQ1"
constexpr std::uint32_t kAnswerMagic = 0x31415049;   // "IPA1"
constexpr std::uint8_t kWantsSha256 = 1, kWantsVerity = 2, kWantsPath = 4, kWantsUnlinked = 8;
constexpr std::uint8_t kHasSha256 = 1, kHasVerity = 2;
constexpr std::uint8_t kLastOutcome = static_cast<std::uint8_t>(Outcome::failed);
constexpr std::uint8_t kLastState = static_cast<std::uint8_t>(DigestState::timed_out);

template <class T>
void append_number(Bytes& out, T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i)
        out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

void append_bytes(Bytes& out, ByteView bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

Result<void> check_magic(Reader& in, std::uint32_t magic) {
    ATTESTD_TRY(const std::uint32_t found, in.u32le("magic"));
    if (found == magic) return {};
    return fail(Errc::bad_value, "this is no message of attestd-inspect's protocol");
}

Result<std::uint8_t> flags(Reader& in, std::uint8_t known, std::string_view what) {
    ATTESTD_TRY(const std::uint8_t value, in.u8(what));
    if ((value & ~known) == 0) return value;
    return in.fail_here(Errc::bad_value, what, "a bit that nobody defined");
}

// An absent digest is zeros: an answer reads the same only if it is the same.
Result<std::optional<Sha256>> digest(Reader& in, bool present, std::string_view what) {
    if (present) return in.array<Sha256().size()>(what);
    ATTESTD_CHECK(in.zeros(Sha256().size(), what));
    return std::nullopt;
}

Result<Facts> parse_facts(Reader& in) {
    Facts out;
    ATTESTD_TRY(const std::uint8_t present, flags(in, kHasSha256 | kHasVerity, "present"));
    ATTESTD_TRY(const std::uint8_t state, in.u8("digest state"));
    if (state > kLastState)
        return in.fail_here(Errc::bad_value, "digest state", "none that is known");
    out.digest_state = static_cast<DigestState>(state);
    for (std::uint64_t* const number :
         {&out.start_time, &out.exe.device, &out.exe.inode, &out.exe.num_links, &out.exe.len,
          &out.exe.ctime_ns, &out.namespaces.pid, &out.namespaces.user, &out.namespaces.mnt,
          &out.namespaces.cgroup, &out.namespaces.net}) {
        ATTESTD_TRY(*number, in.u64le("a fact"));
    }
    const bool has_sha256 = (present & kHasSha256) != 0;
    if (has_sha256 != (out.digest_state == DigestState::done))
        return in.fail_here(Errc::bad_value, "digest state", "contradicts the digest");
    ATTESTD_TRY(out.sha256, digest(in, has_sha256, "SHA-256"));
    ATTESTD_TRY(out.verity, digest(in, (present & kHasVerity) != 0, "verity digest"));
    ATTESTD_TRY(const std::uint16_t path_len, in.u16le("length of the path"));
    if (path_len > kMaxPathLen) return in.fail_here(Errc::too_large, "path", "longer than a path");
    ATTESTD_TRY(const ByteView path, in.bytes(path_len, "path"));
    out.path = as_text(path);
    if (out.path.find('\0') != std::string::npos || (!out.path.empty() && out.path[0] != '/'))
        return in.fail_here(Errc::bad_value, "path", "not absolute");
    return out;
}

}  // namespace

std::string_view digest_state_name(DigestState state) noexcept {
    constexpr std::array<std::string_view, kLastState + 1> kNames{
        "",           "",         "unlinked", "too-large", "not-a-file", "user-storage",
        "unreadable", "modified", "timed-out"};
    return kNames.at(static_cast<std::size_t>(state));
}

ByteArray<kRequestLen> encode_request(const Request& request) noexcept {
    Bytes bytes;
    const Wanted& wanted = request.wanted;
    append_number(bytes, kRequestMagic);
    append_number(bytes, static_cast<std::uint8_t>((wanted.sha256 ? kWantsSha256 : 0) |
                                                   (wanted.verity ? kWantsVerity : 0) |
                                                   (wanted.path ? kWantsPath : 0) |
                                                   (wanted.unlinked ? kWantsUnlinked : 0)));
    bytes.insert(bytes.end(), 3, 0);
    append_number(bytes, std::uint32_t{request.uid});
    ByteArray<kRequestLen> out{};
    std::copy(bytes.begin(), bytes.end(), out.begin());
    return out;
}

Result<Request> parse_request(ByteView bytes) {
    Reader in(bytes);
    ATTESTD_CHECK(check_magic(in, kRequestMagic));
    ATTESTD_TRY(const std::uint8_t bits,
                flags(in, kWantsSha256 | kWantsVerity | kWantsPath | kWantsUnlinked, "wanted"));
    ATTESTD_CHECK(in.zeros(3, "reserved"));
    ATTESTD_TRY(const std::uint32_t uid, in.u32le("uid"));
    ATTESTD_CHECK(in.finish("request"));
    const Wanted wanted{(bits & kWantsSha256) != 0, (bits & kWantsVerity) != 0,
                        (bits & kWantsPath) != 0, (bits & kWantsUnlinked) != 0};
    return Request{wanted, uid};
}

Bytes encode_answer(const Answer& answer) {
    Bytes out;
    append_number(out, kAnswerMagic);
    append_number(out, static_cast<std::uint8_t>(answer.outcome));
    append_number(out, std::uint8_t{0});
    if (answer.outcome != Outcome::done) return out;
    const Facts& facts = answer.facts;
    append_number(out, static_cast<std::uint8_t>((facts.sha256 ? kHasSha256 : 0) |
                                                 (facts.verity ? kHasVerity : 0)));
    append_number(out, static_cast<std::uint8_t>(facts.digest_state));
    for (const std::uint64_t number :
         {facts.start_time, facts.exe.device, facts.exe.inode, facts.exe.num_links, facts.exe.len,
          facts.exe.ctime_ns, facts.namespaces.pid, facts.namespaces.user, facts.namespaces.mnt,
          facts.namespaces.cgroup, facts.namespaces.net}) {
        append_number(out, number);
    }
    append_bytes(out, facts.sha256.value_or(Sha256{}));
    append_bytes(out, facts.verity.value_or(Sha256{}));
    const std::string_view path = std::string_view(facts.path).substr(0, kMaxPathLen);
    append_number(out, static_cast<std::uint16_t>(path.size()));
    append_bytes(out, as_bytes(path));
    return out;
}

Result<Answer> parse_answer(ByteView bytes) {
    Reader in(bytes);
    ATTESTD_CHECK(check_magic(in, kAnswerMagic));
    ATTESTD_TRY(const std::uint8_t outcome, in.u8("outcome"));
    if (outcome > kLastOutcome)
        return in.fail_here(Errc::bad_value, "outcome", "none that is known");
    ATTESTD_CHECK(in.zeros(1, "reserved"));
    Answer out{static_cast<Outcome>(outcome), {}};
    if (out.outcome == Outcome::done) {
        ATTESTD_TRY(out.facts, parse_facts(in));
    }
    ATTESTD_CHECK(in.finish("answer"));
    return out;
}

}  // namespace attestd::inspect
