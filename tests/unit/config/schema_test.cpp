// The JSON Schemas and the loaders know the same keys: asked of the loaders themselves, which name
// the keys that they know when they meet one that they do not.
#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "config/loader.h"
#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"
#include "tests/support/vectors.h"
#include "verifier/policy.h"

using namespace attestd;
using attestd::test::ContainsSubstring;
using attestd::test::TempDir;
using nlohmann::json;

namespace {

constexpr std::string_view kBogus = "no-such-key";
using Keys = std::set<std::string>;

json read_json(const char* name) {
    const std::filesystem::path path = std::filesystem::path(ATTESTD_SOURCE_ROOT) / "config" / name;
    return json::parse(test::load_text(path), nullptr, /*allow_exceptions=*/true,
                       /*ignore_comments=*/true);
}

// "...; known are: a, b, c" -> {a, b, c}
Keys keys_named_by(const Error& error) {
    REQUIRE(errc_name(error.code) == errc_name(Errc::unknown_key));
    const auto at = error.detail.find("known are: ");
    REQUIRE(at != std::string::npos);
    std::istringstream rest(error.detail.substr(at + 11));
    Keys keys;
    for (std::string key; std::getline(rest, key, ',');)
        keys.insert(key.substr(key.find_first_not_of(' ')));
    keys.erase(std::string(kBogus));
    return keys;
}

Keys keys_of_schema(const json& schema, const char* pointer) {
    Keys keys;
    for (const auto& [key, value] : schema.at(json::json_pointer(pointer)).at("properties").items())
        keys.insert(key);
    return keys;
}

json full_config(const TempDir& dir) {
    return json{
        {"verifier", {{"type", "local"}, {"policy", (dir / "policy.json").string()}}},
        {"platform", {{"type", "auto"}}},
        {"sources",
         {{"other", {{"type", "store"}}},
          {"broker",
           {{"type", "kbs"}, {"url", "https://kbs.example"}, {"discover_token_signer", true}}},
          {"vault",
           {{"type", "vault"}, {"url", "https://v.example"}, {"role", "r"}, {"token_file", "/t"}}},
          {"credentials", {{"type", "credential"}}},
          {"sealed", {{"type", "sealed"}, {"trusted_kids", {"kbs:///a/b/c"}}, {"kbs", "broker"}}},
          {"store",
           {{"type", "store"}, {"remote_slot", {{"source", "other"}, {"resource", "key"}}}}}}},
        {"workloads", {{"app", {{"match", {{{"uid", 1}}}}}}}},
        {"secrets",
         {{"a", {{"source", "store"}, {"allow", {"app"}}, {"require", json::object()}}}}},
        {"secrets_dir", {{"path", (dir / "secrets.d").string()}, {"prefixes", json::object()}}},
        {"listeners", {{{"name", "default"}, {"path", "/s"}}}},
        {"audit", json::object()},
        {"hand_over", {{"policy", (dir / "policy.json").string()}}},
        {"identity", json::object()},
        {"limits",
         {{"requests", json::object()}, {"quotes", json::object()}, {"failures", json::object()}}}};
}

json full_policy() {
    const json any = "any";
    json tdx;
    for (const char* key : {"mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3", "mrseam", "mrconfigid",
                            "mrowner", "mrownerconfig"})
        tdx[key] = any;
    json snp;
    for (const char* key :
         {"measurement", "host_data", "id_key_digest", "author_key_digest", "csp_ids"})
        snp[key] = any;
    snp["min_tcb"] = {{"Milan", {{"all", json::object()}}}};
    for (json* tee : {&tdx, &snp}) (*tee)["azure"] = {{"pcrs", {{"0", any}}}};
    json event_log;
    for (const char* key : {"secure_boot", "images", "command_line", "boot_commands"})
        event_log[key] = any;
    return json{{"tdx", tdx},
                {"snp", snp},
                {"sgx", {{"mrenclave", any}, {"mrsigner", any}}},
                {"event_log", event_log}};
}

}  // namespace

TEST_CASE("attestd.schema.json names exactly the keys that the loader knows", "[config][schema]") {
    struct Row {
        const char* place;    // in the configuration
        const char* pointer;  // in the schema
    };
    const auto row = GENERATE(
        values<Row>({{"", ""},
                     {"/platform", "/properties/platform/oneOf/0"},
                     {"/verifier", "/properties/verifier/oneOf/0"},
                     {"/sources/store", "/$defs/store_source"},
                     {"/sources/store/remote_slot", "/$defs/store_source/properties/remote_slot"},
                     {"/sources/broker", "/$defs/kbs_source"},
                     {"/sources/vault", "/$defs/vault_source"},
                     {"/sources/credentials", "/$defs/credential_source"},
                     {"/sources/sealed", "/$defs/sealed_source"},
                     {"/workloads/app", "/$defs/workload"},
                     {"/workloads/app/match/0", "/$defs/match"},
                     {"/secrets/a", "/$defs/secret"},
                     {"/secrets/a/require", "/$defs/require"},
                     {"/secrets_dir", "/properties/secrets_dir"},
                     {"/listeners/0", "/$defs/listener"},
                     {"/audit", "/properties/audit"},
                     {"/hand_over", "/properties/hand_over"},
                     {"/identity", "/properties/identity"},
                     {"/limits", "/properties/limits"},
                     {"/limits/requests", "/properties/limits/properties/requests"},
                     {"/limits/quotes", "/properties/limits/properties/quotes"},
                     {"/limits/failures", "/properties/limits/properties/failures"}}));
    INFO(row.place);
    const TempDir dir;
    dir.write("policy.json", std::string_view("{}"));
    dir.write("secrets.d/README", std::string_view(""));
    json config = full_config(dir);
    REQUIRE_OK(load_config(dir.write("attestd.json", config.dump())));
    config[json::json_pointer(row.place)][std::string(kBogus)] = 1;
    const auto refused = load_config(dir.write("attestd.json", config.dump()));
    REQUIRE_FALSE(refused.has_value());
    CHECK(keys_named_by(refused.error()) ==
          keys_of_schema(read_json("attestd.schema.json"), row.pointer));
}

TEST_CASE("attestd.schema.json: each type of platform takes its own keys", "[config][schema]") {
    struct Row {
        const char* pointer;
        json platform;
    };
    const auto row = GENERATE(values<Row>(
        {{"/properties/platform/oneOf/1",
          {{"type", "configfs_tsm"}, {"privlevel", 1}, {"service", {{"provider", "svsm"}}}}},
         {"/properties/platform/oneOf/2", {{"type", "sev_guest"}, {"vmpl", 1}}},
         {"/properties/platform/oneOf/3",
          {{"type", "tdx_guest"}, {"quote_service", "vsock://2:4050"}}},
         {"/properties/platform/oneOf/4", {{"type", "azure_vtpm"}, {"socket", "/s"}}},
         {"/properties/platform/oneOf/5", {{"type", "external"}, {"socket", "/s"}}}}));
    INFO(row.pointer);
    const TempDir dir;
    dir.write("policy.json", std::string_view("{}"));
    json config = full_config(dir);
    config.erase("secrets_dir");
    config["platform"] = row.platform;
    REQUIRE_OK(load_config(dir.write("attestd.json", config.dump())));
    config["platform"][std::string(kBogus)] = 1;
    const auto refused = load_config(dir.write("attestd.json", config.dump()));
    REQUIRE_FALSE(refused.has_value());
    CHECK(keys_named_by(refused.error()) ==
          keys_of_schema(read_json("attestd.schema.json"), row.pointer));
}

TEST_CASE("attestd.schema.json: each type of verifier takes its own keys", "[config][schema]") {
    struct Row {
        const char* pointer;
        json verifier;
    };
    const json remote{{"url", "https://v"}, {"token_keys_url", "https://v/certs"}};
    const auto with = [&](json more) {
        more.update(remote);
        return more;
    };
    const auto row = GENERATE_COPY(values<Row>(
        {{"/properties/verifier/oneOf/1", {{"type", "external"}, {"socket", "/s"}}},
         {"/properties/verifier/oneOf/2",
          with({{"type", "ita"}, {"issuer", "i"}, {"api_key_file", "/k"}})},
         {"/properties/verifier/oneOf/3", with({{"type", "maa"}})},
         {"/properties/verifier/oneOf/4", with({{"type", "veraison"}})},
         {"/properties/verifier/oneOf/5",
          {{"type", "kbs"}, {"url", "https://k"}, {"tee", "snp"}, {"discover_token_signer", true}}},
         {"/properties/verifier/oneOf/6",
          {{"type", "coco_as"}, {"url", "https://as"}, {"discover_token_signer", true}}}}));
    INFO(row.pointer);
    const TempDir dir;
    dir.write("policy.json", std::string_view("{}"));
    json config = full_config(dir);
    config.erase("secrets_dir");
    config["verifier"] = row.verifier;
    REQUIRE_OK(load_config(dir.write("attestd.json", config.dump())));
    config["verifier"][std::string(kBogus)] = 1;
    const auto refused = load_config(dir.write("attestd.json", config.dump()));
    REQUIRE_FALSE(refused.has_value());
    CHECK(keys_named_by(refused.error()) ==
          keys_of_schema(read_json("attestd.schema.json"), row.pointer));
}

TEST_CASE("appraisal.schema.json names exactly the keys that the policy's parser knows",
          "[config][schema]") {
    struct Row {
        const char* place;
        const char* pointer;
    };
    const auto row = GENERATE(values<Row>({{"", ""},
                                           {"/tdx", "/$defs/tdx"},
                                           {"/snp", "/$defs/snp"},
                                           {"/sgx", "/$defs/sgx"},
                                           {"/event_log", "/$defs/event_log"},
                                           {"/snp/min_tcb/Milan", "/$defs/product_minimum"},
                                           {"/snp/azure", "/$defs/azure"},
                                           {"/tdx/azure", "/$defs/azure"},
                                           {"/tdx/azure/pcrs", "/$defs/pcrs"},
                                           {"/snp/min_tcb/Milan/all", "/$defs/minimum"}}));
    INFO(row.place);
    json policy = full_policy();
    REQUIRE_OK(parse_appraisal_policy(policy.dump(), "policy", PolicyStrictness::strict));
    policy[json::json_pointer(row.place)][std::string(kBogus)] = 1;
    const auto refused = parse_appraisal_policy(policy.dump(), "policy", PolicyStrictness::strict);
    REQUIRE_FALSE(refused.has_value());
    CHECK(keys_named_by(refused.error()) ==
          keys_of_schema(read_json("appraisal.schema.json"), row.pointer));
}

TEST_CASE("the appraisal samples are policies that the daemon takes", "[config][schema]") {
    const char* const name = GENERATE("appraisal-tdx.json", "appraisal-snp.json");
    INFO(name);
    const auto path = std::filesystem::path(ATTESTD_SOURCE_ROOT) / "config" / name;
    REQUIRE_OK(parse_appraisal_policy(test::load_text(path), name, PolicyStrictness::strict));
}

TEST_CASE("the sample configuration loads once its appraisal policy is there", "[config][schema]") {
    const TempDir dir;
    std::string text =
        test::load_text(std::filesystem::path(ATTESTD_SOURCE_ROOT) / "config/attestd.json");
    const std::string installed = "/etc/attestd/appraisal.json";
    const auto at = text.find(installed);
    REQUIRE(at != std::string::npos);
    text.replace(at, installed.size(),
                 dir.write("appraisal.json", std::string_view("{}")).string());
    const auto config = load_config(dir.write("attestd.json", text));
    REQUIRE_OK(config);
    CHECK(config->secrets.size() == 2);
    CHECK(config->listeners.size() == 4);
}
