#include "agent/store/remote_slot.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/store/internal/bytes.h"
#include "agent/store/internal/crypto.h"
#include "config/secret_name.h"
#include "quote/base/reader.h"

namespace attestd {
namespace {

constexpr std::string_view kRemoteInfo = "attestd store remote slot v1";

struct RemoteParams {
    store::Salt salt;
    std::string source, resource;
};

// Salt, then each name with its length (two bytes, little-endian).
Bytes write_remote_params(const RemoteParams& params) {
    Bytes out(params.salt.begin(), params.salt.end());
    for (const std::string* const name : {&params.source, &params.resource}) {
        store::append_le<std::uint16_t>(out, static_cast<std::uint16_t>(name->size()));
        store::append(out, as_bytes(*name));
    }
    return out;
}

Result<std::string> read_name(Reader& in, std::string_view what) {
    ATTESTD_TRY(const std::uint16_t len, in.u16le(what));
    ATTESTD_TRY(const ByteView bytes, in.bytes(len, what));
    ATTESTD_TRY(const SecretName name, SecretName::parse(as_text(bytes)));
    return name.text();
}

Result<RemoteParams> read_remote_params(ByteView params) {
    Reader in(params);
    RemoteParams out;
    ATTESTD_TRY(out.salt, in.array<store::kSaltLen>("salt"));
    ATTESTD_TRY(out.source, read_name(in, "source"));
    ATTESTD_TRY(out.resource, read_name(in, "resource"));
    ATTESTD_CHECK(in.finish("remote slot"));
    return out;
}

Result<RemoteParams> parse_remote_params(ByteView params) {
    auto out = read_remote_params(params);
    if (!out) return fail(Errc::store_corrupt, out.error().detail);
    return out;
}

}  // namespace

Result<RemoteSlotKey> RemoteSlotKey::from_secret(const Secret& secret, std::string source,
                                                 std::string resource) {
    if (secret.size() < kMinRemoteSecretLen) {
        return fail(
            Errc::store_slot,
            fmt::format("remote slot: secret {} of source {} has {} bytes; a key of at least "
                        "{} random bytes is expected",
                        resource, source, secret.size(), kMinRemoteSecretLen));
    }
    ATTESTD_TRY(Secret own, secret.clone());
    return RemoteSlotKey(std::move(own), std::move(source), std::move(resource));
}

Result<NewSlotKey> RemoteSlotKey::make() {
    ATTESTD_TRY(const store::Salt salt, store::random_salt());
    ATTESTD_TRY(Secret key, store::hkdf(secret_, salt, kRemoteInfo, store::kKeyLen));
    return NewSlotKey{write_remote_params({salt, source_, resource_}), std::move(key)};
}

Result<Secret> RemoteSlotKey::recover(ByteView params) {
    ATTESTD_TRY(const RemoteParams made, parse_remote_params(params));
    if (made.source != source_ || made.resource != resource_) {
        return fail(Errc::store_slot,
                    fmt::format("made from secret {} of source {}, configuration names {} of {}",
                                made.resource, made.source, resource_, source_));
    }
    return store::hkdf(secret_, made.salt, kRemoteInfo, store::kKeyLen);
}

Result<std::string> describe_remote_params(ByteView params) {
    ATTESTD_TRY(const RemoteParams made, parse_remote_params(params));
    return fmt::format("secret {} of source {}", made.resource, made.source);
}

}  // namespace attestd
