// SNP policy, rule by rule (`spec/snp.md` section 11), on evidence that is verified in full.
#include "tests/support/catch.h"
#include "tests/unit/verifier/setting.h"

namespace attestd {
namespace {

using forge::Product;
using forge::ReportKey;
using test::outcome;
using test::Setting;
using test::SnpCase;

struct Rule {
    const char* name;
    void (*evidence)(SnpCase&);
    void (*policy)(SnpPolicy&);
    const char*
        want;  ///< the finding under `policy`; without the change of the evidence it is accepted
};

constexpr auto kNothing = [](SnpPolicy&) {};

TEST_CASE("SNP policy: each rule refuses what it is about, and nothing else",
          "[verifier][snp][policy]") {
    const Rule rule = GENERATE(values<Rule>({
        {"debug", [](auto& c) { c.fields.policy |= 1u << 19; }, kNothing, "policy.debug"},
        {"migration agent allowed", [](auto& c) { c.fields.policy |= 1u << 18; }, kNothing,
         "policy.migrate-ma"},
        {"migration agent there", [](auto& c) { c.fields.report_id_ma[31] = 0; }, kNothing,
         "policy.report-id-ma"},
        {"ABI below", [](auto& c) { c.fields.policy |= 0x011e; },
         [](auto& p) {
             p.min_abi_major = 1;
             p.min_abi_minor = 31;
         },
         "policy.min-abi"},
        {"platform bit lacks", [](auto& c) { c.fields.platform_info = 0x05; },
         [](auto& p) { p.platform_info_required = 0x20; }, "policy.platform-info"},
        {"platform bit set", [](auto& c) { c.fields.platform_info = 0x27; },
         [](auto& p) { p.platform_info_forbidden = 0x02; }, "policy.platform-info"},
        {"CURRENT version below",
         [](auto& c) {
             c.fields.current_version.build = 28;
             c.fields.committed_version.build = 28;
         },
         [](auto& p) {
             p.min_version = {1, 55, 29};
         },
         "policy.min-version"},
        {"COMMITTED version below", [](auto& c) { c.fields.committed_version.build = 28; },
         [](auto& p) {
             p.min_version = {1, 55, 29};
         },
         "policy.min-version"},
        {"mitigation missing now", [](auto& c) { c.fields.current_mit_vector = 0x3e; },
         [](auto& p) { p.mit_vector = 1; }, "policy.mit-vector"},
        {"mitigation missing at launch", [](auto& c) { c.fields.launch_mit_vector = 0x3e; },
         [](auto& p) { p.mit_vector = 1; }, "policy.mit-vector"},
        {"provisional firmware", [](auto& c) { c.fields.current_version.build = 30; },
         [](auto& p) { p.allow_provisional = false; }, "policy.provisional"},
        {"provisional TCB", [](auto& c) { ++c.fields.current_tcb[6]; },
         [](auto& p) { p.allow_provisional = false; }, "policy.provisional"},
        {"GUEST_SVN below", [](auto& c) { c.fields.guest_svn = 4; },
         [](auto& p) { p.min_guest_svn = 0; }, nullptr},
        {"host data", [](auto& c) { c.fields.host_data[0] = 1; },
         [](auto& p) {
             p.host_data = {ReferenceValues<32>::Kind::listed, {ByteArray<32>{}}};
         },
         "host-data.mismatch"},
        {"id key digest", [](auto& c) { c.fields.id_key_digest[0] = 1; },
         [](auto& p) {
             p.id_key_digest = {ReferenceValues<48>::Kind::listed, {ByteArray<48>{}}};
         },
         "id-key-digest.mismatch"},
        {"family id", [](auto& c) { c.fields.family_id[0] = 1; },
         [](auto& p) {
             p.family_id = {ReferenceValues<16>::Kind::listed, {ByteArray<16>{}}};
         },
         "family-id.mismatch"},
        {"image id", [](auto& c) { c.fields.image_id[15] = 1; },
         [](auto& p) {
             p.image_id = {ReferenceValues<16>::Kind::listed, {ByteArray<16>{}}};
         },
         "image-id.mismatch"},
    }));
    INFO(rule.name);
    SnpCase plain(Product::milan, 5), spoilt(Product::milan, 5);
    if (std::string_view(rule.name) == "ABI below") plain.fields.policy |= 0x011f;
    rule.evidence(spoilt);
    Setting setting = plain.setting();
    rule.policy(setting.policy.snp);
    CHECK(outcome(setting) == "accepted");
    setting.evidence = spoilt.report();
    CHECK(outcome(setting) ==
          (rule.want == nullptr ? "accepted" : std::string("refused: snp.") + rule.want));
}

TEST_CASE("SNP policy: the guest policy bits that can be demanded, each for itself",
          "[verifier][snp][policy]") {
    struct Row {
        unsigned bit;
        bool must_be;
        bool SnpPolicy::*demand;
        const char* want;
    };
    const Row row = GENERATE(values<Row>({
        {20, true, &SnpPolicy::require_single_socket, "policy.single-socket"},
        {21, false, &SnpPolicy::require_cxl_off, "policy.cxl"},
        {22, true, &SnpPolicy::require_aes_256_xts, "policy.aes-256-xts"},
        {23, true, &SnpPolicy::require_rapl_dis, "policy.rapl-dis"},
        {24, true, &SnpPolicy::require_ciphertext_hiding, "policy.ciphertext-hiding"},
        {25, true, &SnpPolicy::require_page_swap_disable, "policy.page-swap-disable"},
    }));
    for (const bool set : {false, true}) {
        SnpCase c;
        if (set) c.fields.policy |= std::uint64_t{1} << row.bit;
        Setting setting = c.setting();
        CHECK(outcome(setting) == "accepted");
        setting.policy.snp.*row.demand = true;
        CHECK(outcome(setting) ==
              (set == row.must_be ? "accepted" : std::string("refused: snp.") + row.want));
    }
}

TEST_CASE("SNP policy: SMT is refused when the guest allows it or the host has it on",
          "[verifier][snp][policy]") {
    SnpCase c;
    Setting setting = c.setting();
    setting.policy.snp.allow_smt = false;
    CHECK(outcome(setting) == "refused: snp.policy.smt");
    c.fields.policy = 0x20000;
    setting.evidence = c.report();
    CHECK(outcome(setting) == "refused: snp.policy.smt");  // PLATFORM_INFO bit 0
    c.fields.platform_info = 0x24;
    setting.evidence = c.report();
    CHECK(outcome(setting) == "accepted");
}

TEST_CASE("SNP policy: mitigations cannot be shown by reports before version 5",
          "[verifier][snp][policy]") {
    Setting setting = SnpCase(Product::milan, 3).setting();
    setting.policy.snp.mit_vector = 1;
    CHECK(outcome(setting) == "refused: snp.policy.mit-vector");
}

TEST_CASE("SNP policy: debug and migration pass only where they are allowed in so many words",
          "[verifier][snp][policy]") {
    SnpCase c;
    c.fields.policy |= 1u << 18 | 1u << 19;
    c.fields.report_id_ma = {};
    Setting setting = c.setting();
    CHECK(outcome(setting) ==
          "refused: snp.policy.debug snp.policy.migrate-ma snp.policy.report-id-ma");
    setting.policy.snp.allow_debug = setting.policy.snp.allow_migration_agent = true;
    CHECK(outcome(setting) == "accepted");
}

TEST_CASE("SNP policy: minimums hold for each component of each of the four TCBs",
          "[verifier][snp][policy]") {
    const auto product = GENERATE(Product::milan, Product::turin);
    using Component = std::uint8_t TcbMinimum::*;
    using Which = TcbMinimum SnpMinimumTcb::*;
    std::vector<std::pair<Component, std::uint8_t forge::SnpTcb::*>> components{
        {&TcbMinimum::bootloader, &forge::SnpTcb::bootloader},
        {&TcbMinimum::tee, &forge::SnpTcb::tee},
        {&TcbMinimum::snp, &forge::SnpTcb::snp},
        {&TcbMinimum::microcode, &forge::SnpTcb::microcode}};
    if (product == Product::turin) components.emplace_back(&TcbMinimum::fmc, &forge::SnpTcb::fmc);
    const std::vector<std::pair<Which, const char*>> tcbs{{&SnpMinimumTcb::reported, "reported"},
                                                          {&SnpMinimumTcb::committed, "committed"},
                                                          {&SnpMinimumTcb::current, "current"},
                                                          {&SnpMinimumTcb::launch, "launch"}};
    const forge::SnpTcb have = forge::SnpTcb::typical(product);
    Setting setting = SnpCase(product).setting();
    for (const auto& [component, forged] : components) {
        for (const auto& [which, name] : tcbs) {
            SnpMinimumTcb minimum;
            minimum.*which.*component = have.*forged;
            setting.policy.snp.min_tcb = {{std::string(forge::product_name(product)), minimum}};
            CHECK(outcome(setting) == "accepted");
            ++(minimum.*which.*component);
            setting.policy.snp.min_tcb = {{std::string(forge::product_name(product)), minimum}};
            CHECK(outcome(setting) == std::string("refused: snp.min-tcb.") + name);
        }
    }
}

TEST_CASE("SNP policy: a product without a minimum is refused when others have one",
          "[verifier][snp][policy]") {
    Setting setting = SnpCase().setting();
    setting.policy.snp.min_tcb.emplace();
    CHECK(outcome(setting) == "refused: snp.min-tcb.product");
    setting.policy.snp.min_tcb->emplace("Turin", SnpMinimumTcb{});
    CHECK(outcome(setting) == "refused: snp.min-tcb.product");
    setting.policy.snp.any_min_tcb = true;
    CHECK(outcome(setting) == "accepted");
}

TEST_CASE("SNP policy: products, kinds of keys and providers are lists",
          "[verifier][snp][policy]") {
    Setting setting = SnpCase().setting();
    setting.policy.snp.products = {"Turin", "Genoa"};
    CHECK(outcome(setting) == "refused: snp.policy.product");
    setting.policy.snp.products.push_back("Milan");
    CHECK(outcome(setting) == "accepted");
    setting.policy.snp.allow_vcek = false;
    CHECK(outcome(setting) == "refused: snp.policy.key-kind");
    setting = SnpCase(Product::milan, 3, ReportKey::vlek).setting();
    setting.policy.snp.csp_ids.emplace();
    CHECK(outcome(setting) == "refused: snp.csp-id.mismatch");
    setting.policy.snp.csp_ids = {"CN=other", std::string(test::kCspId)};
    CHECK(outcome(setting) == "accepted");
    setting.policy.snp.csp_ids = {
        std::string(test::kCspId.substr(3))};  // "CN=" is part of the value
    CHECK(outcome(setting) == "refused: snp.csp-id.mismatch");
    setting.policy.snp.any_csp_id = true;
    CHECK(outcome(setting) == "accepted");
    setting.policy.snp.allow_vlek = false;
    CHECK(outcome(setting) == "refused: snp.policy.key-kind");
}

TEST_CASE("SNP policy: ID blocks, author keys and guest SVN", "[verifier][snp][policy]") {
    SnpCase c;
    Setting setting = c.setting();
    setting.policy.snp.require_id_block = true;
    CHECK(outcome(setting) == "refused: snp.policy.id-block");
    c.fields.id_key_digest[0] = 7;
    setting.evidence = c.report();
    CHECK(outcome(setting) == "accepted");
    setting.policy.snp.min_guest_svn = 1;
    CHECK(outcome(setting) == "refused: snp.guest-svn.too-low");
    c.fields.guest_svn = 1;
    setting.evidence = c.report();
    CHECK(outcome(setting) == "accepted");
    // A pinned author key counts only with AUTHOR_KEY_EN.
    c.fields.author_key_digest[0] = 9;
    setting.evidence = c.report();
    setting.policy.snp.author_key_digest = {ReferenceValues<48>::Kind::listed,
                                            {c.fields.author_key_digest}};
    CHECK(outcome(setting) == "refused: snp.policy.author-key");
    c.fields.key_info |= 1;
    setting.evidence = c.report();
    CHECK(outcome(setting) == "accepted");
}

TEST_CASE("SNP policy: chips can be listed and denied", "[verifier][snp][policy]") {
    SnpCase c;
    Setting setting = c.setting();
    setting.policy.snp.chip_id.kind = ReferenceValues<64>::Kind::listed;
    CHECK(outcome(setting) == "refused: snp.chip-id.mismatch");
    setting.policy.snp.chip_id.values = {c.fields.chip_id};
    CHECK(outcome(setting) == "accepted");
    setting.policy.snp.denied_chip_ids = {c.fields.chip_id};
    CHECK(outcome(setting) == "refused: snp.chip-id.denied");
}

TEST_CASE("Intel policy: pins of machines, attributes and enclaves", "[verifier][tdx][policy]") {
    test::IntelCase c;
    Setting setting = c.setting();
    auto& tdx = setting.policy.tdx;
    tdx.xfam = 0x602e7;
    tdx.td_attributes = 0x10000000;
    CHECK(outcome(setting) == "accepted");
    tdx.xfam = 0x602e6;
    CHECK(outcome(setting) == "refused: tdx.policy.xfam-pin");
    tdx.xfam.reset();
    tdx.td_attributes = 0x90000000;
    CHECK(outcome(setting) == "refused: tdx.policy.td-attributes");
    tdx.td_attributes_mask = 0x7fffffff;
    CHECK(outcome(setting) == "accepted");
    tdx.ppid = {ReferenceValues<16>::Kind::listed, {c.machine.ppid}};
    tdx.platform_instance_id = {ReferenceValues<16>::Kind::listed,
                                {*c.machine.platform_instance_id}};
    CHECK(outcome(setting) == "accepted");
    tdx.ppid.values[0][0] ^= 1;
    tdx.platform_instance_id.values.clear();
    CHECK(outcome(setting) == "refused: tdx.ppid.mismatch tdx.platform-instance-id.mismatch");

    setting = test::IntelCase(forge::sgx_v3()).setting();
    auto& sgx = setting.policy.sgx;
    sgx.mrenclave = {ReferenceValues<32>::Kind::listed,
                     {forge::EnclaveReport::default_mrenclave()}};
    sgx.mrsigner = {ReferenceValues<32>::Kind::listed, {forge::EnclaveReport::default_mrsigner()}};
    sgx.isvprodid = 1;
    sgx.min_isvsvn = 4;
    CHECK(outcome(setting) == "accepted");
    sgx.mrenclave.values.clear();
    sgx.mrsigner.values[0][0] ^= 1;
    sgx.isvprodid = 2;
    sgx.min_isvsvn = 5;
    CHECK(outcome(setting) ==
          "refused: sgx.mrenclave.mismatch sgx.mrsigner.mismatch sgx.isvprodid.mismatch "
          "sgx.isvsvn.too-low");
}

// A machine under the processor CA has no platform instance id: it is none of those listed.
TEST_CASE("Intel policy: a listed platform instance id is not matched by none",
          "[verifier][tdx][policy]") {
    test::IntelCase c;
    c.machine.platform_instance_id.reset();
    c.machine.configuration.reset();
    Setting setting = c.setting();
    CHECK(outcome(setting) == "accepted");
    setting.policy.tdx.platform_instance_id = {ReferenceValues<16>::Kind::listed,
                                               {ByteArray<16>{}}};
    CHECK(outcome(setting) == "refused: tdx.platform-instance-id.mismatch");
}

// The three statements of an ID block, and the two keys that could vouch for it.
TEST_CASE("SNP policy: what an ID block states is warned about while no key of it is pinned",
          "[verifier][snp][policy]") {
    struct Row {
        const char* id;
        void (*rely)(SnpPolicy&);
    };
    const Row row = GENERATE(values<Row>({
        {"snp.family-id.unauthenticated",
         [](auto& p) {
             p.family_id = {ReferenceValues<16>::Kind::listed, {ByteArray<16>{7}}};
         }},
        {"snp.image-id.unauthenticated",
         [](auto& p) {
             p.image_id = {ReferenceValues<16>::Kind::listed, {ByteArray<16>{8}}};
         }},
        {"snp.guest-svn.unauthenticated", [](auto& p) { p.min_guest_svn = 1; }},
    }));
    INFO(row.id);
    SnpCase c;
    c.fields.family_id = {7};
    c.fields.image_id = {8};
    c.fields.guest_svn = 1;
    c.fields.id_key_digest = {9};
    c.fields.author_key_digest = {10};
    c.fields.key_info |= 1;  // AUTHOR_KEY_EN
    Setting setting = c.setting();
    CHECK_FALSE(test::has_finding(test::appraise(setting), row.id));
    row.rely(setting.policy.snp);
    const AttestationResult result = test::appraise(setting);
    CHECK(test::outcome_of(result) == "accepted");
    CHECK(test::has_finding(result, row.id));
    Setting by_id_key = setting, by_author = setting, by_anyone = setting;
    by_id_key.policy.snp.id_key_digest = {ReferenceValues<48>::Kind::listed, {ByteArray<48>{9}}};
    by_author.policy.snp.author_key_digest = {ReferenceValues<48>::Kind::listed,
                                              {ByteArray<48>{10}}};
    by_anyone.policy.snp.id_key_digest.kind = ReferenceValues<48>::Kind::any;
    CHECK_FALSE(test::has_finding(test::appraise(by_id_key), row.id));
    CHECK_FALSE(test::has_finding(test::appraise(by_author), row.id));
    CHECK(test::has_finding(test::appraise(by_anyone), row.id));
}

}  // namespace
}  // namespace attestd
