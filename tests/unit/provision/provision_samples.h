// A request and secrets that the cases of provisioning share.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "agent/provision/package.h"
#include "quote/base/base64url.h"
#include "quote/base/encoding.h"
#include "tests/support/catch.h"

namespace attestd::test {

inline ProvisionId id_of(std::uint8_t byte) {
    ProvisionId id{};
    id.fill(byte);
    return id;
}

inline const JosePrivateKey& sample_key() {
    static const JosePrivateKey key = JosePrivateKey::generate(JoseKeyKind::p256).value();
    return key;
}

inline Time at(std::int64_t seconds) { return Time{std::chrono::seconds{seconds}}; }

inline ProvisionBody sample_body() {
    return {id_of(1),          id_of(2),          "db-7",
            at(1'800'000'000), at(1'800'003'600), sample_key().public_key()};
}

inline Evidence sample_evidence() {
    Evidence out{};
    out.tee = Tee::snp;
    out.quote = Bytes{1, 2, 3};
    out.endorsements = {Bytes{4}, Bytes{5, 6}};
    out.event_log = Bytes{7};
    out.service_manifest = Bytes{8};
    return out;
}

inline NewSecret new_secret(std::string_view name, std::string_view value,
                            std::uint64_t version = 0) {
    return {SecretName::parse(name).value(), Secret::copy_of(as_bytes(value)).value(), version};
}

inline std::string value_of(const NewSecret& secret) {
    return secret.value.expose([](ByteView bytes) { return std::string(as_text(bytes)); });
}

}  // namespace attestd::test
