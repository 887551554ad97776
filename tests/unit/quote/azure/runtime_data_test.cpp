// Runtime data: unknown members are tolerated, wrong types and forms are not.
#include "quote/azure/runtime_data.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "quote/azure/hcl_blob.h"
#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/support/forge/azure_forge.h"
#include "tests/support/vectors.h"

namespace attestd::runtime_data_test {
namespace {

using forge::RuntimeSpec;

Result<RuntimeData> parse(const std::string& json) { return parse_runtime_data(as_bytes(json)); }

// The sound JSON with the first `from` in it replaced.
std::string replaced(const std::string& from, const std::string& to) {
    std::string json = forge::runtime_json({});
    const auto at = json.find(from);
    REQUIRE(at != std::string::npos);
    return json.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("runtime data: keys, configuration and user data are read", "[quote][azure]") {
    RuntimeSpec spec;
    spec.console_enabled = true;
    spec.user_data = "982F5C6E" + std::string(120, '0');
    spec.more_vm_json =
        R"(,"root-cert-thumbprint":"6nZZ","tpm-persisted":false,"current-time":1678652405)";
    const auto data = parse(forge::runtime_json(spec));
    REQUIRE_OK(data);
    CHECK(data->attestation_key.kid == "HCLAkPub");
    CHECK(data->attestation_key.key_ops == std::vector<std::string>{"sign"});
    CHECK(data->attestation_key.modulus == spec.key.modulus());
    CHECK(data->attestation_key.exponent == Bytes{1, 0, 1});
    REQUIRE(data->endorsement_key);
    CHECK(data->endorsement_key->modulus == forge::other_vtpm_key().modulus());
    CHECK(data->vm.console_enabled);
    CHECK(data->vm.secure_boot);
    CHECK(data->vm.tpm_enabled);
    CHECK(data->vm.vm_unique_id == spec.vm_unique_id);
    CHECK(data->vm.root_cert_thumbprint == "6nZZ");
    CHECK(data->vm.tpm_persisted == false);
    CHECK(data->vm.current_time == 1678652405);
    CHECK(to_hex(*data->user_data).substr(0, 10) == "982f5c6e00");
}

TEST_CASE("runtime data: members that Microsoft may add are tolerated", "[quote][azure]") {
    RuntimeSpec spec;
    spec.more_json = R"(,"new":{"deep":[1,2.5,null]})";
    spec.more_vm_json = R"(,"another":"text")";
    spec.more_keys_json = R"(,{"kid":"HCLNewKey","kty":"EC","crv":"P-384"})";
    REQUIRE_OK(parse(forge::runtime_json(spec)));
    spec.user_data.reset();
    const auto without = parse(forge::runtime_json(spec));
    REQUIRE_OK(without);
    CHECK_FALSE(without->user_data.has_value());
}

TEST_CASE("runtime data: wrong types and forms are refused by name", "[quote][azure]") {
    struct Row {
        const char *name, *from, *to;
        Errc want;
    };
    const auto row = GENERATE(values<Row>({
        {"no keys", R"("keys")", R"("kees")", Errc::missing_key},
        {"keys as an object", R"("keys":[)", R"("keys":{},"old":[)", Errc::wrong_type},
        {"no attestation key", "HCLAkPub", "HCLXkPub", Errc::missing_key},
        {"two attestation keys", "HCLEkPub", "HCLAkPub", Errc::duplicate_key},
        {"a key without a name", R"("kid")", R"("kud")", Errc::missing_key},
        {"an elliptic curve", R"("kty":"RSA")", R"("kty":"EC")", Errc::unsupported_type},
        {"key_ops as text", R"("key_ops":["sign"])", R"("key_ops":"sign")", Errc::wrong_type},
        {"a padded exponent", R"("e":"AQAB")", R"("e":"AQAB====")", Errc::bad_encoding},
        {"an exponent with a leading zero", R"("e":"AQAB")", R"("e":"AAEAAQ")", Errc::bad_value},
        {"an empty exponent", R"("e":"AQAB")", R"("e":"")", Errc::bad_value},
        {"an exponent as a number", R"("e":"AQAB")", R"("e":65537)", Errc::wrong_type},
        {"no configuration", "vm-configuration", "vm-config", Errc::missing_key},
        {"secure-boot as text", R"("secure-boot":true)", R"("secure-boot":"true")",
         Errc::wrong_type},
        {"secure-boot as a number", R"("secure-boot":true)", R"("secure-boot":1)",
         Errc::wrong_type},
        {"no secure-boot", R"("secure-boot":true,)", "", Errc::missing_key},
        {"secure-boot twice", R"("secure-boot":true)", R"("secure-boot":false,"secure-boot":true)",
         Errc::duplicate_key},
        {"no console-enabled", R"("console-enabled":false,)", "", Errc::missing_key},
        {"no vmUniqueId", "vmUniqueId", "vmuniqueid", Errc::missing_key},
        {"a VM id as a number", R"("vmUniqueId":")", R"("vmUniqueId":7,"old":")", Errc::wrong_type},
        {"user-data as null", R"("user-data":")", R"("user-data":null,"old":")", Errc::wrong_type},
        {"user-data too short by a byte", R"("user-data":"00)", R"("user-data":")",
         Errc::bad_encoding},
        {"user-data longer than the field", R"("user-data":")", R"("user-data":"00)",
         Errc::bad_encoding},
        {"user-data that is no hexadecimal", R"("user-data":"0)", R"("user-data":"g)",
         Errc::bad_encoding},
    }));
    INFO(row.name);
    REQUIRE_ERRC(row.want, parse(replaced(row.from, row.to)));
}

TEST_CASE("runtime data: an optional member of the wrong type is refused", "[quote][azure]") {
    const auto more = GENERATE(as<std::string>{}, R"(,"root-cert-thumbprint":1)",
                               R"(,"tpm-persisted":"no")", R"(,"current-time":"now")");
    RuntimeSpec spec;
    spec.more_vm_json = more;
    INFO(more);
    REQUIRE_ERRC(Errc::wrong_type, parse(forge::runtime_json(spec)));
}

TEST_CASE("runtime data: what is no JSON object is refused", "[quote][azure]") {
    REQUIRE_ERRC(Errc::bad_json, parse(""));
    REQUIRE_ERRC(Errc::bad_json, parse("{"));
    REQUIRE_ERRC(Errc::wrong_type, parse("[]"));
    REQUIRE_ERRC(Errc::bad_json, parse(forge::runtime_json({}) + "x"));
    REQUIRE_ERRC(Errc::bad_json, parse(forge::runtime_json({}) + std::string(1, '\0')));
}

TEST_CASE("runtime data: a key's thumbprint is RFC 7638's", "[quote][azure]") {
    HclKey key;
    key.exponent = {1, 0, 1};
    key.modulus = {0xd2, 0xfc, 0x7b};
    // SHA-256, computed apart from this code, of {"e":"AQAB","kty":"RSA","n":"0vx7"}
    CHECK(to_hex(key.thumbprint()) ==
          "8d3111b789d46e37c63d274072c75889901f9da5b0bc9085e502df46fdeb732c");
}

TEST_CASE("runtime data: every recorded blob's is read", "[quote][azure]") {
    NEED_VECTORS(dir, "snp/hcl");
    for (const auto& folder : std::filesystem::directory_iterator(dir)) {
        INFO(folder.path());
        const auto want = nlohmann::json::parse(test::load_text(folder.path() / "expected.json"));
        const Bytes bytes = test::load_file(folder.path() / "hcl.bin");
        const auto blob = parse_hcl_blob(bytes);
        REQUIRE_OK(blob);
        const auto data = parse_runtime_data(blob->runtime_data);
        REQUIRE_OK(data);
        std::vector<std::string> kids{data->attestation_key.kid};
        if (data->endorsement_key) kids.push_back(data->endorsement_key->kid);
        CHECK(kids == want["jwk_kids"].get<std::vector<std::string>>());
        const auto keys = want["json_keys"].get<std::vector<std::string>>();
        CHECK(data->user_data.has_value() ==
              (std::find(keys.begin(), keys.end(), "user-data") != keys.end()));
        CHECK(data->attestation_key.modulus.size() == 256);
        CHECK_FALSE(data->vm.vm_unique_id.empty());
    }
}

}  // namespace attestd::runtime_data_test
