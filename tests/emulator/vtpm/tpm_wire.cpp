#include "tests/emulator/vtpm/tpm_wire.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace attestd::devsim {
namespace {

constexpr std::uint16_t kNoSessions = 0x8001, kSessions = 0x8002;
constexpr std::uint32_t kOwner = 0x40000001, kPassword = 0x40000009;
constexpr std::uint16_t kSha256Algorithm = 0x000b;
constexpr std::size_t kHeaderLen = 10, kModulusLen = 256;

template <class T>
T load_be(ByteView bytes, std::size_t at) {
    T out = 0;
    for (const std::uint8_t byte : bytes.subspan(at, sizeof(T)))
        out = static_cast<T>(out << 8 | byte);
    return out;
}

template <class T>
void append_be(Bytes& out, T value) {
    for (std::size_t i = sizeof(T); i-- > 0;)
        out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

void append_bytes(Bytes& out, ByteView bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

// The header, whose length is put in, and what follows it.
Bytes command(std::uint16_t tag, std::uint32_t code, ByteView rest) {
    Bytes out;
    append_be(out, tag);
    append_be(out, static_cast<std::uint32_t>(kHeaderLen + rest.size()));
    append_be(out, code);
    append_bytes(out, rest);
    return out;
}

// TPMS_AUTH_COMMAND of an empty password, behind its length.
void append_empty_password(Bytes& out) {
    append_be(out, std::uint32_t{9});
    append_be(out, kPassword);
    append_be(out, std::uint16_t{0});
    out.push_back(0);
    append_be(out, std::uint16_t{0});
}

Result<void> read_exactly(int fd, std::span<std::uint8_t> into) {
    while (!into.empty()) {
        const ssize_t n = ::read(fd, into.data(), into.size());
        if (n == 0) return fail(Errc::unavailable, "the connection ended");
        if (n < 0 && errno != EINTR) return fail_errno(errno, "a TPM's connection");
        if (n > 0) into = into.subspan(static_cast<std::size_t>(n));
    }
    return {};
}

// Where the parameters of a command with two handles and sessions begin.
std::size_t parameters_at(ByteView message) {
    constexpr std::size_t kAuthLenAt = kHeaderLen + 8;
    return kAuthLenAt + 4 + load_be<std::uint32_t>(message, kAuthLenAt);
}

bool is_of(ByteView message, std::uint32_t code, std::uint32_t index) {
    constexpr std::size_t kIndexAt = kHeaderLen + 4;
    return message.size() > kIndexAt + 8 && code_of(message) == code &&
           load_be<std::uint32_t>(message, kIndexAt) == index;
}

}  // namespace

Result<Bytes> read_tpm_message(int fd) {
    Bytes out(kHeaderLen);
    if (!read_exactly(fd, out)) return Bytes{};
    const std::size_t len = load_be<std::uint32_t>(out, 2);
    if (len < kHeaderLen || len > kMaxTpmMessageLen)
        return fail(Errc::bad_length, fmt::format("a TPM message of {} bytes", len));
    out.resize(len);
    ATTESTD_CHECK(read_exactly(fd, std::span(out).subspan(kHeaderLen)));
    return out;
}

Result<void> write_tpm_message(int fd, ByteView message) {
    while (!message.empty()) {
        const ssize_t n = ::send(fd, message.data(), message.size(), MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) return fail_errno(errno, "a TPM's connection");
        if (n > 0) message = message.subspan(static_cast<std::size_t>(n));
    }
    return {};
}

std::uint32_t code_of(ByteView message) { return load_be<std::uint32_t>(message, 6); }

Bytes answer_of(std::uint32_t code) { return command(kNoSessions, code, {}); }

std::optional<Bytes> nv_write_of(ByteView message, std::uint32_t index) {
    if (!is_of(message, tpm_cc::kNvWrite, index)) return std::nullopt;
    const std::size_t at = parameters_at(message);
    return to_bytes(message.subspan(at + 2, load_be<std::uint16_t>(message, at)));
}

std::optional<std::uint16_t> nv_read_of(ByteView message, std::uint32_t index) {
    if (!is_of(message, tpm_cc::kNvRead, index)) return std::nullopt;
    return load_be<std::uint16_t>(message, parameters_at(message) + 2);
}

std::size_t quote_nonce_len(ByteView message) {
    constexpr std::size_t kAuthLenAt = kHeaderLen + 4;  // behind the one handle
    if (code_of(message) != tpm_cc::kQuote) return 0;
    const std::size_t auth_len = load_be<std::uint32_t>(message, kAuthLenAt);
    return load_be<std::uint16_t>(message, kAuthLenAt + 4 + auth_len);
}

Bytes nv_write(std::uint32_t index, ByteView data, std::uint16_t offset) {
    Bytes rest;
    append_be(rest, kOwner);
    append_be(rest, index);
    append_empty_password(rest);
    append_be(rest, static_cast<std::uint16_t>(data.size()));
    append_bytes(rest, data);
    append_be(rest, offset);
    return command(kSessions, tpm_cc::kNvWrite, rest);
}

Bytes pcr_extend(std::uint32_t pcr, const ByteArray<32>& digest) {
    Bytes rest;
    append_be(rest, pcr);
    append_empty_password(rest);
    append_be(rest, std::uint32_t{1});
    append_be(rest, kSha256Algorithm);
    append_bytes(rest, digest);
    return command(kSessions, tpm_cc::kPcrExtend, rest);
}

Bytes read_public(std::uint32_t handle) {
    Bytes rest;
    append_be(rest, handle);
    return command(kNoSessions, tpm_cc::kReadPublic, rest);
}

// TPM2B_PUBLIC of an RSA key ends with its modulus.
Result<Bytes> modulus_of(ByteView answer) {
    if (code_of(answer) != 0)
        return fail(Errc::not_found, fmt::format("TPM2_ReadPublic: 0x{:x}", code_of(answer)));
    const std::size_t len = load_be<std::uint16_t>(answer, kHeaderLen);
    const ByteView area = answer.subspan(kHeaderLen + 2, len);
    if (area.size() < kModulusLen) return fail(Errc::bad_length, "TPM2_ReadPublic: no RSA key");
    return to_bytes(area.last(kModulusLen));
}

}  // namespace attestd::devsim
