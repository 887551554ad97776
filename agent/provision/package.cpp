#include "agent/provision/package.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "quote/base/base64url.h"

namespace attestd {
namespace {

constexpr std::string_view kPackageType = "attestd-provision-package-1";
constexpr std::int64_t kPackageVersion = 1;
constexpr JsonLimits kManifestLimits{.max_len = 128 * 1024, .max_depth = 4};
constexpr std::size_t kLenLen = 4;  // of the number before the manifest

Result<void> check_secrets(std::span<const NewSecret> secrets) {
    if (secrets.empty()) return fail(Errc::bad_value, "a package holds at least one secret");
    std::set<SecretName> seen;
    std::size_t total = 0;
    for (const NewSecret& secret : secrets) {
        if (!seen.insert(secret.name).second)
            return fail(Errc::bad_value, secret.name.text() + ": is there twice");
        if (secret.value.empty())
            return fail(Errc::bad_value, secret.name.text() + ": an empty secret is not stored");
        if (secret.value.size() > kMaxSecretLen) {
            return fail(Errc::secret_too_large,
                        fmt::format("{}: {} bytes, at most {} are stored", secret.name.text(),
                                    secret.value.size(), kMaxSecretLen));
        }
        total += secret.value.size();
    }
    if (secrets.size() <= kMaxPackageSecrets && total <= kMaxPackageValuesLen) return {};
    return fail(Errc::too_large,
                fmt::format("{} secrets of {} bytes in all; one package takes {} and {}: use "
                            "several requests",
                            secrets.size(), total, kMaxPackageSecrets, kMaxPackageValuesLen));
}

std::string write_manifest(PackageNames names, std::span<const NewSecret> secrets) {
    nlohmann::ordered_json out;
    out["attestd_provision"] = kPackageVersion;
    out["names"] = names == PackageNames::policy ? "policy" : "store";
    out["secrets"] = nlohmann::ordered_json::array();
    for (const NewSecret& secret : secrets) {
        out["secrets"].push_back({{"name", secret.name.text()},
                                  {"len", secret.value.size()},
                                  {"version", secret.min_version}});
    }
    return out.dump();
}

void copy_to(std::span<std::uint8_t>& to, ByteView from) {
    std::copy(from.begin(), from.end(), to.begin());
    to = to.subspan(from.size());
}

Result<Secret> write_plaintext(PackageNames names, std::span<const NewSecret> secrets) {
    const std::string manifest = write_manifest(names, secrets);
    std::size_t len = kLenLen + manifest.size();
    for (const NewSecret& secret : secrets) len += secret.value.size();
    ATTESTD_TRY(Secret out, Secret::zeroed(len));
    out.fill([&](std::span<std::uint8_t> to) {
        for (std::size_t i = 0; i < kLenLen; ++i)
            to[i] = static_cast<std::uint8_t>(manifest.size() >> (8 * (kLenLen - 1 - i)));
        to = to.subspan(kLenLen);
        copy_to(to, as_bytes(manifest));
        for (const NewSecret& secret : secrets) {
            secret.value.expose([&](ByteView value) { copy_to(to, value); });
        }
    });
    return out;
}

// A secret as the manifest has it, and its value taken from the front of `values`.
Result<NewSecret> take_secret(const JsonValue& item, ByteView& values) {
    constexpr auto kMaxVersion = std::numeric_limits<std::int64_t>::max();
    ATTESTD_TRY(JsonObject in, item.object());
    ATTESTD_TRY(const JsonValue name_value, in.required("name"));
    ATTESTD_TRY(const std::string name_text, name_value.text());
    ATTESTD_TRY(SecretName name, SecretName::parse(name_text));
    ATTESTD_TRY(const JsonValue len_value, in.required("len"));
    ATTESTD_TRY(const std::int64_t len, len_value.integer(1, std::int64_t{kMaxSecretLen}));
    ATTESTD_TRY(const JsonValue version_value, in.required("version"));
    ATTESTD_TRY(const std::int64_t version, version_value.integer(0, kMaxVersion));
    ATTESTD_CHECK(in.finish());
    const auto value_len = static_cast<std::size_t>(len);
    if (value_len > values.size())
        return item.fail_here(Errc::truncated, "the values end before this one");
    ATTESTD_TRY(Secret value, Secret::copy_of(values.first(value_len)));
    values = values.subspan(value_len);
    return NewSecret{std::move(name), std::move(value), static_cast<std::uint64_t>(version)};
}

Result<PackageNames> names_from(JsonObject& manifest) {
    ATTESTD_TRY(const JsonValue value, manifest.required("names"));
    ATTESTD_TRY(const std::string text, value.text());
    if (text == "policy") return PackageNames::policy;
    if (text == "store") return PackageNames::store;
    return value.fail_here(Errc::bad_value, "\"policy\" or \"store\" is expected");
}

Result<Package> parse_plaintext(ByteView plaintext) {
    if (plaintext.size() < kLenLen) return fail(Errc::truncated, "package: no manifest");
    std::size_t len = 0;
    for (const std::uint8_t byte : plaintext.first(kLenLen)) len = (len << 8) | byte;
    plaintext = plaintext.subspan(kLenLen);
    if (len > plaintext.size()) return fail(Errc::truncated, "package: the manifest is cut off");
    ATTESTD_TRY(const JsonDocument document,
                JsonDocument::parse(as_text(plaintext.first(len)), "package", kManifestLimits));
    ByteView values = plaintext.subspan(len);
    ATTESTD_TRY(JsonObject manifest, document.root().object());
    ATTESTD_TRY(const JsonValue version, manifest.required("attestd_provision"));
    ATTESTD_CHECK(version.integer(kPackageVersion, kPackageVersion));
    Package out;
    ATTESTD_TRY(out.names, names_from(manifest));
    ATTESTD_TRY(const JsonValue list, manifest.required("secrets"));
    ATTESTD_TRY(const auto items, list.array(kMaxPackageSecrets));
    ATTESTD_CHECK(manifest.finish());
    for (const JsonValue& item : items) {
        ATTESTD_TRY(NewSecret secret, take_secret(item, values));
        out.secrets.push_back(std::move(secret));
    }
    if (!values.empty()) return fail(Errc::trailing_bytes, "package: bytes follow the last value");
    ATTESTD_CHECK(check_secrets(out.secrets));
    return out;
}

Result<ProvisionId> id_from(const Bytes& party, std::string_view what) {
    ProvisionId id{};
    if (party.size() != id.size()) {
        return fail(Errc::bad_length, fmt::format("package: `{}` has {} bytes where {} belong",
                                                  what, party.size(), id.size()));
    }
    std::copy(party.begin(), party.end(), id.begin());
    return id;
}

}  // namespace

Result<std::string> seal_package(const ProvisionBody& request, PackageNames names,
                                 std::span<const NewSecret> secrets) {
    ATTESTD_CHECK(check_secrets(secrets));
    ATTESTD_TRY(const Secret plaintext, write_plaintext(names, secrets));
    const JweParameters parameters{.typ = std::string(kPackageType),
                                   .cty = {},
                                   .kid = to_base64url(request.key.thumbprint()),
                                   .apu = to_bytes(request.instance),
                                   .apv = to_bytes(request.id)};
    return encrypt_jwe(request.key, parameters, plaintext, JweForm::flattened);
}

Result<SealedPackage> parse_package(std::string_view text, std::string name) {
    ATTESTD_TRY(Jwe message, Jwe::parse(text, std::move(name), kMaxProvisionLen));
    const JweParameters& parameters = message.parameters();
    if (parameters.typ != kPackageType || !parameters.cty.empty()) {
        return fail(Errc::unsupported_type,
                    fmt::format("this is no provisioning package: `typ` is not {}", kPackageType));
    }
    ATTESTD_TRY(const ProvisionId id, id_from(parameters.apv, "apv"));
    ATTESTD_TRY(const ProvisionId instance, id_from(parameters.apu, "apu"));
    return SealedPackage{std::move(message), id, instance};
}

Result<Package> open_package(const SealedPackage& sealed, const JosePrivateKey& key) {
    if (sealed.message.parameters().kid != to_base64url(key.public_key().thumbprint()))
        return fail(Errc::jwe_undecrypted, "the package names another key than the request's");
    ATTESTD_TRY(const Secret plaintext, sealed.message.decrypt(key));
    return plaintext.expose(parse_plaintext);
}

}  // namespace attestd
