// Policy files: every key, what each complaint says, and what the daemon demands beyond (`strict`).
#include "verifier/policy.h"

#include "quote/base/digest.h"
#include "quote/base/encoding.h"
#include "tests/support/catch.h"

namespace attestd {
namespace {

using test::ContainsSubstring;
constexpr auto kLenient = PolicyStrictness::lenient;
constexpr auto kStrict = PolicyStrictness::strict;

Result<AppraisalPolicy> parse(std::string_view text, PolicyStrictness strictness = kLenient) {
    return parse_appraisal_policy(text, "policy.json", strictness);
}

std::string hex_of(std::size_t len, char digit) { return '"' + std::string(2 * len, digit) + '"'; }

TEST_CASE("policy: every TDX key reaches its place", "[verifier][policy]") {
    const std::string value = hex_of(48, 'a');
    const auto policy = parse(R"({ // comments are allowed
      "$schema": "x", "tdx": {
        "allowed_tcb_statuses": ["UpToDate", "TDRelaunchAdvised"], "allowed_advisories": ["INTEL-SA-1"], "grace_days": 30,
        "min_tcb_evaluation_data_number": 17, "allow_debug": true, "allow_migratable": true, "require_sept_ve_disable": false,
        "xfam": "0x602e7", "td_attributes": "0x10000000", "td_attributes_mask": "0x7fffffff",
        "mrtd": [)" + value + R"(], "rtmr0": "any", "rtmr1": [], "rtmr2": [)" +
                                  value + "," + value + R"(], "rtmr3": "any",
        "mrseam": "any", "mrconfigid": "any", "mrowner": [)" +
                                  value + R"(], "mrownerconfig": "any", "mrservicetd": [)" + value +
                                  R"(],
        "ppid": [)" + hex_of(16, 'b') +
                                  R"(], "platform_instance_id": "any" } })",
                              kStrict);
    REQUIRE_OK(policy);
    const TdxPolicy& tdx = policy->tdx;
    CHECK(tdx.tcb.allowed_tcb_statuses ==
          std::vector<std::string>{"UpToDate", "TDRelaunchAdvised"});
    CHECK(tdx.tcb.allowed_advisories == std::vector<std::string>{"INTEL-SA-1"});
    CHECK(tdx.tcb.grace_days == 30);
    CHECK(tdx.tcb.min_tcb_evaluation_data_number == 17);
    CHECK(tdx.allow_debug);
    CHECK(tdx.allow_migratable);
    CHECK_FALSE(tdx.require_sept_ve_disable);
    CHECK(tdx.xfam == 0x602e7);
    CHECK(tdx.td_attributes == 0x10000000);
    CHECK(tdx.td_attributes_mask == 0x7fffffff);
    using Kind = ReferenceValues<48>::Kind;
    CHECK(tdx.mrtd.kind == Kind::listed);
    CHECK(to_hex(tdx.mrtd.values.at(0)) == std::string(96, 'a'));
    CHECK(tdx.rtmr[0].kind == Kind::any);
    CHECK(tdx.rtmr[1].kind == Kind::listed);
    CHECK_FALSE(tdx.rtmr[1].allows(ByteArray<48>{}));  // an empty list accepts nothing
    CHECK(tdx.rtmr[2].values.size() == 2);
    CHECK(tdx.mrowner.kind == Kind::listed);
    CHECK(tdx.mrservicetd.kind == Kind::listed);
    CHECK(to_hex(tdx.ppid.values.at(0)) == std::string(32, 'b'));
    CHECK(tdx.platform_instance_id.kind == ReferenceValues<16>::Kind::any);
    CHECK(policy->names_tdx);
    CHECK_FALSE(policy->names_snp);
    CHECK_FALSE(policy->names_sgx);
}

TEST_CASE("policy: every SNP key reaches its place", "[verifier][policy]") {
    const auto policy = parse(R"({ "snp": {
        "allow_debug": true, "allow_migration_agent": true, "allow_smt": false, "allow_masked_chip_id": true, "allow_provisional": false,
        "require_crl": true, "require_id_block": true, "require_single_socket": true, "require_cxl_off": true, "require_aes_256_xts": true,
        "require_rapl_dis": true, "require_ciphertext_hiding": true, "require_page_swap_disable": true, "allow_vcek": false, "allow_vlek": true,
        "min_abi_major": 1, "min_abi_minor": 31, "min_guest_svn": 4294967295, "platform_info_required": "0x20", "platform_info_forbidden": "0x1",
        "mit_vector": "0x3f", "min_version": [1, 55, 29], "vmpl": [0, 3],
        "min_tcb": {"Milan": {"all": {"bootloader": 4, "tee": 1, "snp": 27, "microcode": 220}, "launch": {"snp": 20}}, "Turin": {"all": {"fmc": 1}}},
        "csp_ids": ["CN=a"], "products": ["Milan", "Turin"],
        "measurement": [)" + hex_of(48, '1') +
                                  R"(], "host_data": [)" + hex_of(32, '2') +
                                  R"(], "id_key_digest": [)" + hex_of(48, '3') + R"(],
        "author_key_digest": "any", "family_id": [)" +
                                  hex_of(16, '4') + R"(], "image_id": "any", "chip_id": [)" +
                                  hex_of(64, '5') + R"(],
        "denied_chip_ids": [)" + hex_of(64, '6') +
                                  "] } }",
                              kStrict);
    REQUIRE_OK(policy);
    const SnpPolicy& snp = policy->snp;
    CHECK((snp.allow_debug && snp.allow_migration_agent && !snp.allow_smt &&
           snp.allow_masked_chip_id && !snp.allow_provisional));
    CHECK((snp.require_crl && snp.require_id_block && snp.require_single_socket &&
           snp.require_cxl_off && snp.require_aes_256_xts));
    CHECK((snp.require_rapl_dis && snp.require_ciphertext_hiding && snp.require_page_swap_disable &&
           !snp.allow_vcek && snp.allow_vlek));
    CHECK(snp.min_abi_major == 1);
    CHECK(snp.min_abi_minor == 31);
    CHECK(snp.min_guest_svn == UINT32_MAX);
    CHECK(snp.platform_info_required == 0x20);
    CHECK(snp.platform_info_forbidden == 1);
    CHECK(snp.mit_vector == 0x3f);
    CHECK(snp.min_version == std::array<std::uint8_t, 3>{1, 55, 29});
    CHECK(snp.vmpl == std::vector<std::uint32_t>{0, 3});
    REQUIRE(snp.min_tcb);
    CHECK(snp.min_tcb->size() == 2);
    CHECK(snp.min_tcb->at("Milan").committed.snp == 27);
    CHECK(snp.min_tcb->at("Milan").current.microcode == 220);
    CHECK(snp.min_tcb->at("Milan").launch.snp == 20);
    CHECK(snp.min_tcb->at("Milan").launch.bootloader == 0);
    CHECK(snp.min_tcb->at("Turin").launch.fmc == 1);
    CHECK(snp.csp_ids == std::vector<std::string>{"CN=a"});
    CHECK(snp.products == std::vector<std::string>{"Milan", "Turin"});
    CHECK(to_hex(snp.measurement.values.at(0)) == std::string(96, '1'));
    CHECK(to_hex(snp.host_data.values.at(0)) == std::string(64, '2'));
    CHECK(to_hex(snp.id_key_digest.values.at(0)) == std::string(96, '3'));
    CHECK(to_hex(snp.family_id.values.at(0)) == std::string(32, '4'));
    CHECK(to_hex(snp.chip_id.values.at(0)) == std::string(128, '5'));
    CHECK(to_hex(snp.denied_chip_ids.at(0)) == std::string(128, '6'));
}

TEST_CASE("policy: every SGX key reaches its place", "[verifier][policy]") {
    const auto policy = parse(
        R"({"sgx": {"allowed_tcb_statuses": [], "allow_debug": true, "mrenclave": [)" +
            hex_of(32, 'c') + R"(], "mrsigner": "any", "isvprodid": 65535, "min_isvsvn": 7}})",
        kStrict);
    REQUIRE_OK(policy);
    CHECK(policy->sgx.tcb.allowed_tcb_statuses.empty());
    CHECK(policy->sgx.allow_debug);
    CHECK(to_hex(policy->sgx.mrenclave.values.at(0)) == std::string(64, 'c'));
    CHECK(policy->sgx.isvprodid == 65535);
    CHECK(policy->sgx.min_isvsvn == 7);
}

TEST_CASE("policy: what a file leaves out keeps the baseline's strictness", "[verifier][policy]") {
    const auto policy = parse(R"({"tdx": {}, "snp": {}, "sgx": {}})");
    REQUIRE_OK(policy);
    CHECK(policy->tdx.tcb.allowed_tcb_statuses == std::vector<std::string>{"UpToDate"});
    CHECK_FALSE(policy->tdx.allow_debug);
    CHECK(policy->tdx.require_sept_ve_disable);
    CHECK(policy->tdx.mrtd.kind == ReferenceValues<48>::Kind::unpinned);
    CHECK(policy->snp.vmpl == std::vector<std::uint32_t>{0});
    CHECK_FALSE(policy->snp.allow_migration_agent);
    CHECK_FALSE(policy->snp.min_tcb);
    CHECK_FALSE(policy->sgx.allow_debug);
}

TEST_CASE("policy: its digest is that of the file", "[verifier][policy]") {
    const std::string text = R"({"tdx": {}})";
    const Sha256 want = sha256(as_bytes(text));
    CHECK(equal(parse(text)->digest, want));
}

TEST_CASE("policy: each mistake is refused, with its line and what was expected",
          "[verifier][policy]") {
    struct Row {
        const char* text;
        Errc want;
        const char* says;
    };
    const Row row = GENERATE(values<Row>({
        {"{}", Errc::bad_config, "accepts nothing"},
        {"[]", Errc::wrong_type, "an object is expected"},
        {"{\n\"tdx\": {\n\"mr_td\": []}}", Errc::unknown_key, "policy.json:3"},
        {"{\"tdx\": {},\n\"xyz\": {}}", Errc::unknown_key, "policy.json:2"},
        {"{\"sgx\": {\n\"mr_signer\": \"any\"}}", Errc::unknown_key, "policy.json:2"},
        {"{\"tdx\": {}, \"event_log\": {\n\"image\": []}}", Errc::unknown_key, "policy.json:2"},
        {"{\"tdx\": {}, \"event_log\": {\"boot_commands\": \"all\"}}", Errc::bad_config, "\"any\""},
        {"{\"tdx\": {\"mrtd\": \"any\",\n\"mrtd\": \"any\"}}", Errc::duplicate_key,
         "policy.json:2"},
        {"{\"tdx\": {\n\"allow_debug\": 1}}", Errc::wrong_type, "policy.json:2: tdx.allow_debug"},
        {"{\"tdx\": {\"mrtd\": \"all\"}}", Errc::bad_config, "\"any\""},
        {"{\"tdx\": {\"mrtd\": {}}}", Errc::bad_config, "\"any\""},
        {"{\"tdx\": {\"mrtd\": [\"any\"]}}", Errc::bad_encoding, "tdx.mrtd"},
        {"{\"tdx\": {\"mrtd\": [\"00\"]}}", Errc::bad_encoding, "96"},
        {"{\"tdx\": {\"mrtd\": [7]}}", Errc::wrong_type, "tdx.mrtd"},
        {"{\"tdx\": {\"allowed_tcb_statuses\": [\"Revoked\"]}}", Errc::bad_config,
         "Revoked can never be allowed"},
        {"{\"sgx\": {\"allowed_tcb_statuses\": [\"Revoked\"]}}", Errc::bad_config,
         "Revoked can never be allowed"},
        {"{\"tdx\": {\"allowed_tcb_statuses\": [\"uptodate\"]}}", Errc::bad_config,
         "not a TCB status"},
        {"{\"tdx\": {\"allowed_tcb_statuses\": \"UpToDate\"}}", Errc::wrong_type,
         "allowed_tcb_statuses"},
        {"{\"tdx\": {\"allowed_advisories\": [\"\"]}}", Errc::bad_config, "empty"},
        {"{\"tdx\": {\"grace_days\": -1}}", Errc::bad_value, "grace_days"},
        {"{\"tdx\": {\"grace_days\": 3651}}", Errc::bad_value, "grace_days"},
        {"{\"tdx\": {\"xfam\": 7}}", Errc::wrong_type, "xfam"},
        {"{\"tdx\": {\"xfam\": \"e7\"}}", Errc::bad_config, "0x1f"},
        {"{\"tdx\": {\"xfam\": \"0x\"}}", Errc::bad_config, "0x1f"},
        {"{\"tdx\": {\"xfam\": \"0x10000000000000000\"}}", Errc::bad_config, "64 bits"},
        {"{\"tdx\": {\"xfam\": \"0xfg\"}}", Errc::bad_encoding, "xfam"},
        {"{\"tdx\": {\"td_attributes_mask\": \"0x1\"}}", Errc::bad_config, "td_attributes"},
        {"{\"snp\": {\"products\": [\"Venice\"]}}", Errc::bad_config, "Milan, Genoa and Turin"},
        {"{\"snp\": {\"products\": []}}", Errc::bad_config, "products"},
        {"{\"snp\": {\"vmpl\": [4]}}", Errc::bad_value, "vmpl"},
        {"{\"snp\": {\"vmpl\": 0}}", Errc::wrong_type, "vmpl"},
        {"{\"snp\": {\"min_version\": [1, 55]}}", Errc::bad_config, "[major, minor, build]"},
        {"{\"snp\": {\"min_version\": [1, 55, 256]}}", Errc::bad_value, "min_version"},
        {"{\"snp\": {\"min_guest_svn\": 4294967296}}", Errc::bad_value, "min_guest_svn"},
        {"{\"snp\": {\"min_tcb\": {\"Venice\": {\"all\": {}}}}}", Errc::bad_config, "Venice"},
        {"{\"snp\": {\"min_tcb\": {\"Milan\": {}}}}", Errc::missing_key, "all"},
        {"{\"snp\": {\"min_tcb\": {\"Milan\": {\"all\": {\"ucode\": 1}}}}}", Errc::unknown_key,
         "ucode"},
        {"{\"snp\": {\"min_tcb\": {\"Milan\": {\"all\": {\"snp\": 256}}}}}", Errc::bad_value,
         "snp"},
        {"{\"snp\": {\"min_tcb\": \"none\"}}", Errc::bad_config, "\"any\""},
        {"{\"snp\": {\"csp_ids\": \"all\"}}", Errc::bad_config, "\"any\""},
        {"{\"snp\": {\"denied_chip_ids\": \"any\"}}", Errc::wrong_type, "denied_chip_ids"},
        {"{\"sgx\": {\"isvprodid\": 65536}}", Errc::bad_value, "isvprodid"},
    }));
    INFO(row.text);
    const auto policy = parse(row.text);
    REQUIRE_ERRC(row.want, policy);
    CHECK_THAT(policy.error().detail, ContainsSubstring(row.says));
    CHECK_THAT(policy.error().detail, ContainsSubstring("policy.json:"));
}

TEST_CASE("policy: the daemon demands each reference value in so many words",
          "[verifier][policy]") {
    struct Row {
        const char* section;
        std::vector<std::string> keys;
    };
    const Row row = GENERATE(values<Row>({
        {"tdx",
         {"mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3", "mrseam", "mrconfigid", "mrowner",
          "mrownerconfig"}},
        {"snp",
         {"min_tcb", "csp_ids", "measurement", "host_data", "id_key_digest", "author_key_digest"}},
        {"sgx", {"mrenclave", "mrsigner"}},
    }));
    const auto text = [&](const std::string& without) {
        std::string out = std::string("{\"") + row.section + "\": {";
        for (const std::string& key : row.keys) {
            if (key != without) out += '"' + key + "\": \"any\",";
        }
        out.back() = '}';
        return out + '}';
    };
    REQUIRE_OK(parse(text(""), kStrict));
    for (const std::string& key : row.keys) {
        const auto policy = parse(text(key), kStrict);
        INFO(key);
        REQUIRE_ERRC(Errc::bad_config, policy);
        CHECK_THAT(policy.error().detail, ContainsSubstring('"' + key + "\" is missing"));
        REQUIRE_OK(parse(text(key), kLenient));
    }
}

TEST_CASE("policy: without VLEKs the daemon needs no CSP ids", "[verifier][policy]") {
    REQUIRE_OK(parse(
        R"({"snp": {"allow_vlek": false, "min_tcb": "any", "measurement": "any", "host_data": "any", "id_key_digest": "any",
                         "author_key_digest": "any"}})",
        kStrict));
}

}  // namespace
}  // namespace attestd
