// Packages: what comes out is what went in, for the right key alone; a sender who breaks the form
// is refused.
#include "agent/provision/package.h"

#include "tests/unit/provision/provision_samples.h"

using namespace attestd;
using namespace attestd::test;
using nlohmann::json;

namespace {

Result<Package> opened(const std::string& text, const JosePrivateKey& key = sample_key()) {
    ATTESTD_TRY(const SealedPackage sealed, parse_package(text, "package"));
    return open_package(sealed, key);
}

std::string sample_package() {
    const ProvisionBody body = sample_body();
    std::vector<NewSecret> secrets;
    secrets.push_back(new_secret("db/password", "first", 7));
    secrets.push_back(new_secret("other", "second"));
    const auto text = seal_package(body, PackageNames::store, secrets);
    REQUIRE_OK(text);
    return *text;
}

JweParameters sample_parameters() {
    return {.typ = "attestd-provision-package-1",
            .cty = {},
            .kid = to_base64url(sample_key().public_key().thumbprint()),
            .apu = to_bytes(id_of(2)),
            .apv = to_bytes(id_of(1))};
}

// A message of a sender of its own mind.
std::string forged(const JweParameters& parameters, const std::string& plaintext) {
    const Secret secret = Secret::copy_of(as_bytes(plaintext)).value();
    return encrypt_jwe(sample_key().public_key(), parameters, secret, JweForm::flattened).value();
}

std::string plaintext_of(const std::string& manifest, const std::string& values) {
    std::string out(4, '\0');
    out[2] = static_cast<char>(manifest.size() >> 8);
    out[3] = static_cast<char>(manifest.size() & 0xff);
    return out + manifest + values;
}

std::string manifest_with(const json& secrets) {
    return json{{"attestd_provision", 1}, {"names", "policy"}, {"secrets", secrets}}.dump();
}

json entry(const json& name, const json& len) {
    return {{"name", name}, {"len", len}, {"version", 0}};
}

}  // namespace

TEST_CASE("provision package: names, values and versions come out as they went in",
          "[agent][provision]") {
    const auto sealed = parse_package(sample_package(), "package");
    REQUIRE_OK(sealed);
    CHECK(sealed->id == id_of(1));
    CHECK(sealed->instance == id_of(2));
    const auto package = open_package(*sealed, sample_key());
    REQUIRE_OK(package);
    CHECK(package->names == PackageNames::store);
    REQUIRE(package->secrets.size() == 2);
    CHECK(package->secrets[0].name.text() == "db/password");
    CHECK(value_of(package->secrets[0]) == "first");
    CHECK(package->secrets[0].min_version == 7);
    CHECK(value_of(package->secrets[1]) == "second");
}

TEST_CASE("provision package: another key does not open it", "[agent][provision]") {
    const auto stranger = JosePrivateKey::generate(JoseKeyKind::p256);
    REQUIRE_ERRC(Errc::jwe_undecrypted, opened(sample_package(), *stranger));
}

TEST_CASE("provision package: it is bound to the request's id and the daemon's run",
          "[agent][provision]") {
    const json good = json::parse(sample_package());
    const json header = json::parse(
        as_text(from_base64url(good["protected"].get<std::string>(), "header").value()));
    for (const char* party : {"apu", "apv"}) {
        INFO(party);
        json changed_header = header;
        changed_header[party] = to_base64url(id_of(9));
        json changed = good;
        changed["protected"] = to_base64url(as_bytes(changed_header.dump()));
        REQUIRE_ERRC(Errc::jwe_undecrypted, opened(changed.dump()));
    }
}

TEST_CASE("provision package: what is not one is refused before its key is looked for",
          "[agent][provision]") {
    JweParameters parameters = sample_parameters();
    parameters.typ = "something-else";
    REQUIRE_ERRC(Errc::unsupported_type, parse_package(forged(parameters, "x"), "package"));
    parameters = sample_parameters();
    parameters.apv.pop_back();
    REQUIRE_ERRC(Errc::bad_length, parse_package(forged(parameters, "x"), "package"));
    parameters = sample_parameters();
    parameters.apu.clear();
    REQUIRE_ERRC(Errc::bad_length, parse_package(forged(parameters, "x"), "package"));
    REQUIRE_ERRC(Errc::too_large, parse_package(std::string(kMaxProvisionLen + 1, ' '), "package"));
}

TEST_CASE("provision package: a sender who does not follow the form is refused",
          "[agent][provision]") {
    struct Row {
        const char* name;
        std::string plaintext;
        Errc want;
    };
    const json one = json::array({entry("a", 1)});
    json version_2 = json::parse(manifest_with(one));
    version_2["attestd_provision"] = 2;
    json other_names = json::parse(manifest_with(one));
    other_names["names"] = "others";
    json member = json::parse(manifest_with(one));
    member["more"] = 1;
    const std::vector<Row> rows{
        {"nothing", "", Errc::truncated},
        {"a manifest longer than all", std::string("\x00\x00\x01\x00{}", 6), Errc::truncated},
        {"a manifest longer than 32 bits hold", std::string("\xff\xff\xff\xff{}", 6),
         Errc::truncated},
        {"no JSON", plaintext_of("x", ""), Errc::bad_json},
        {"another version", plaintext_of(version_2.dump(), "x"), Errc::bad_value},
        {"names of others", plaintext_of(other_names.dump(), "x"), Errc::bad_value},
        {"a member more", plaintext_of(member.dump(), "x"), Errc::unknown_key},
        {"no secret", plaintext_of(manifest_with(json::array()), ""), Errc::bad_value},
        {"a value cut off", plaintext_of(manifest_with(json::array({entry("a", 2)})), "x"),
         Errc::truncated},
        {"bytes behind", plaintext_of(manifest_with(one), "xy"), Errc::trailing_bytes},
        {"an empty value", plaintext_of(manifest_with(json::array({entry("a", 0)})), ""),
         Errc::bad_value},
        {"a length below zero", plaintext_of(manifest_with(json::array({entry("a", -1)})), ""),
         Errc::bad_value},
        {"a name of a way out", plaintext_of(manifest_with(json::array({entry("../a", 1)})), "x"),
         Errc::bad_name},
        {"a name twice",
         plaintext_of(manifest_with(json::array({entry("a", 1), entry("a", 1)})), "xy"),
         Errc::bad_value},
    };
    for (const Row& row : rows) {
        INFO(row.name);
        REQUIRE_ERRC(row.want, opened(forged(sample_parameters(), row.plaintext)));
    }
    REQUIRE_OK(opened(forged(sample_parameters(), plaintext_of(manifest_with(one), "x"))));
}

TEST_CASE("provision package: what is over the limits is not sealed", "[agent][provision]") {
    const ProvisionBody body = sample_body();
    const auto sealed = [&](const std::vector<NewSecret>& secrets) {
        return seal_package(body, PackageNames::policy, secrets);
    };
    std::vector<NewSecret> secrets;
    REQUIRE_ERRC(Errc::bad_value, sealed(secrets));
    secrets.push_back({SecretName::parse("a").value(), Secret::random(kMaxSecretLen).value()});
    REQUIRE_OK(sealed(secrets));
    secrets.push_back({SecretName::parse("b").value(), Secret::random(1 << 18).value()});
    REQUIRE_OK(sealed(secrets));
    secrets.push_back(new_secret("c", "x"));
    REQUIRE_ERRC(Errc::too_large, sealed(secrets));
    secrets.clear();
    secrets.push_back({SecretName::parse("a").value(), Secret::random(kMaxSecretLen + 1).value()});
    REQUIRE_ERRC(Errc::secret_too_large, sealed(secrets));
    secrets.clear();
    for (std::size_t i = 0; i < kMaxPackageSecrets; ++i)
        secrets.push_back(new_secret(fmt::format("n{}", i), "x"));
    REQUIRE_OK(sealed(secrets));
    secrets.push_back(new_secret("n", "x"));
    REQUIRE_ERRC(Errc::too_large, sealed(secrets));
    secrets.clear();
    secrets.push_back(new_secret("a", "x"));
    secrets.push_back(new_secret("a", "y"));
    REQUIRE_ERRC(Errc::bad_value, sealed(secrets));
}
