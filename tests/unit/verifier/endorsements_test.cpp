// Endorsements: each piece is known by what it is, in any order; what is damaged is named or kept
// as damaged.
#include "verifier/endorsements.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/support/vectors.h"
#include "tests/unit/verifier/setting.h"

namespace attestd {
namespace {

using test::intel;
using test::IntelCase;
using test::outcome;
using test::Setting;
using test::SnpCase;

Bytes text(std::string_view s) { return to_bytes(as_bytes(s)); }

struct Counts {
    std::size_t certificates, crls, tcb_infos, qe_identities;
    friend bool operator==(const Counts&, const Counts&) = default;
};

Counts counts(const Endorsements& e) {
    return {e.certificates().size(), e.crls().size(), e.tcb_infos().size(),
            e.qe_identities().size()};
}

Counts counts_of(const Bytes& bytes) {
    Endorsements endorsements;
    REQUIRE_OK(endorsements.add(bytes, "given"));
    return counts(endorsements);
}

TEST_CASE("endorsements: each form of each kind is recognised", "[verifier][endorsements]") {
    const IntelCase c;
    const forge::Collateral collateral = c.signed_collateral();
    const Bytes certificate = intel().root, crl = collateral.root_ca_crl;
    CHECK(counts_of(certificate) == Counts{1, 0, 0, 0});
    CHECK(counts_of(text(to_hex(certificate))) == Counts{1, 0, 0, 0});
    CHECK(counts_of(text(to_base64(certificate) + "\n")) == Counts{1, 0, 0, 0});
    CHECK(counts_of(text(intel().pck_chain(intel().pck({})))) == Counts{3, 0, 0, 0});
    CHECK(counts_of(text("a note\r\n" + forge::certificate_pem(certificate))) ==
          Counts{1, 0, 0, 0});
    CHECK(counts_of(crl) == Counts{0, 1, 0, 0});
    CHECK(counts_of(text(to_hex(crl))) == Counts{0, 1, 0, 0});
    CHECK(counts_of(text(forge::to_pem("X509 CRL", crl) + forge::certificate_pem(certificate))) ==
          Counts{1, 1, 0, 0});
    CHECK(counts_of(text(forge::to_json(collateral))) == Counts{0, 2, 1, 1});
    const std::vector<Bytes> parts = test::taken_apart(collateral, intel());
    CHECK(counts_of(parts[0]) == Counts{0, 0, 1, 0});
    CHECK(counts_of(parts[1]) == Counts{0, 0, 0, 1});
    CHECK(counts_of(text("  \n" + std::string(as_text(parts[1])) + "\n")) == Counts{0, 0, 0, 1});
    const SnpCase snp;
    const std::vector<Bytes> chain = snp.endorsements();
    const Bytes table =
        forge::certificate_table({{forge::guid::kVcek, chain[0]},
                                  {forge::guid::kAsk, text(forge::certificate_pem(chain[1]))}},
                                 8192);
    CHECK(counts_of(table) == Counts{2, 0, 0, 0});
    Bytes extended = snp.report();
    extended.insert(extended.end(), table.begin(), table.end());
    CHECK(counts_of(extended) == Counts{2, 0, 0, 0});
}

// A host that gives no certificates hands over zeros (`spec/snp.md` section 8).
TEST_CASE("endorsements: an all-zero table is an empty one, bare and behind its report",
          "[verifier][endorsements]") {
    CHECK(counts_of(Bytes(4096)) == Counts{0, 0, 0, 0});
    Bytes extended = SnpCase().report();
    extended.resize(extended.size() + 4096);
    CHECK(counts_of(extended) == Counts{0, 0, 0, 0});
}

TEST_CASE("endorsements: the order in which TDX's are given does not matter",
          "[verifier][endorsements]") {
    const IntelCase c;
    Setting setting = c.setting();
    std::vector<Bytes> parts = test::taken_apart(c.signed_collateral(), intel());
    for (int i = 0; i < 7; ++i) {
        std::rotate(parts.begin(), parts.begin() + 1, parts.end());
        setting.endorsements = parts;
        CHECK(outcome(setting) == "accepted");
        std::reverse(setting.endorsements.begin(), setting.endorsements.end());
        CHECK(outcome(setting) == "accepted");
    }
}

TEST_CASE("endorsements: the order in which SNP's are given does not matter",
          "[verifier][endorsements]") {
    SnpCase c;
    c.crl = forge::crl_spec(test::fresh(), c.amd().keys().ark);
    Setting setting = c.setting();
    std::sort(setting.endorsements.begin(), setting.endorsements.end());
    do {
        CHECK(outcome(setting) == "accepted");
    } while (std::next_permutation(setting.endorsements.begin(), setting.endorsements.end()));
}

// Intel changes the certificate of its signer now and then; a folder may hold both.
TEST_CASE("endorsements: documents given apart find their signer among several, in any order",
          "[verifier][endorsements]") {
    const IntelCase c;
    Setting setting = c.setting();
    setting.endorsements = test::taken_apart(c.signed_collateral(), intel());
    forge::CertificateSpec old = intel().tcb_signing_spec();
    old.spki = forge::SigningKey(KeyKind::p256).spki();
    forge::CertificateSpec expired = intel().tcb_signing_spec();
    expired.validity.until = test::now() - std::chrono::seconds(1);
    for (const forge::CertificateSpec& other : {old, expired}) {
        setting.endorsements.push_back(forge::issue(other, intel().root_issuer()));
        CHECK(outcome(setting) == "accepted");
        std::reverse(setting.endorsements.begin(), setting.endorsements.end());
        CHECK(outcome(setting) == "accepted");
    }
}

TEST_CASE(
    "endorsements: of several documents that hold the highest evaluation number counts, then the "
    "newest",
    "[verifier][endorsements]") {
    const auto document = [](std::uint32_t number, std::chrono::minutes age, const char* status) {
        IntelCase c;
        c.collateral.tcb_info.tcb_evaluation_data_number = number;
        c.collateral.tcb_info.issue_date = test::now() - age;
        c.collateral.tcb_info.levels[0].status = status;
        return test::taken_apart(c.signed_collateral(), intel())[0];
    };
    using std::chrono::minutes;
    Setting setting = IntelCase().setting();  // number 19, an hour old, UpToDate
    setting.endorsements.push_back(intel().tcb_signing);
    setting.endorsements.push_back(document(18, minutes(1), "Revoked"));
    CHECK(outcome(setting) == "accepted");
    setting.endorsements.push_back(document(19, minutes(59), "ConfigurationNeeded"));
    CHECK(std::get<IntelTcb>(test::appraise(setting).tcb()).status == "ConfigurationNeeded");
    setting.endorsements.insert(setting.endorsements.begin(),
                                document(20, minutes(90), "SWHardeningNeeded"));
    CHECK(std::get<IntelTcb>(test::appraise(setting).tcb()).status == "SWHardeningNeeded");
}

TEST_CASE("endorsements: when none holds, the error is that of the document for this platform",
          "[verifier][endorsements]") {
    const auto document = [](void (*spoil)(forge::TcbInfo&)) {
        IntelCase c;
        spoil(c.collateral.tcb_info);
        return test::taken_apart(c.signed_collateral(), intel())[0];
    };
    const Bytes foreign = document([](auto& i) { i.fmspc[0] ^= 1; });
    const Bytes expired =
        document([](auto& i) { i.next_update = test::now() - std::chrono::seconds(1); });
    const Bytes malformed = document([](auto& i) { i.levels[0].status = "Fine"; });
    const Bytes sgx = test::taken_apart(IntelCase(forge::sgx_v3()).signed_collateral(), intel())[0];
    Bytes unsigned_one = document([](auto&) {});
    unsigned_one[unsigned_one.size() - 4] ^= 1;
    struct Row {
        std::vector<Bytes> documents;
        const char* want;
    };
    IntelCase c;
    Setting setting = c.setting();
    const std::vector<Bytes> rest = [&] {
        std::vector<Bytes> all = test::taken_apart(c.signed_collateral(), intel());
        return std::vector<Bytes>(all.begin() + 1, all.end());
    }();
    for (const Row& row :
         {Row{{foreign, expired, sgx}, "expired"}, Row{{expired, foreign}, "expired"},
          Row{{unsigned_one, malformed}, "malformed"}, Row{{malformed, unsigned_one}, "malformed"},
          Row{{malformed, foreign}, "fmspc"}, Row{{sgx, foreign}, "fmspc"}}) {
        setting.endorsements = rest;
        setting.endorsements.insert(setting.endorsements.begin(), row.documents.begin(),
                                    row.documents.end());
        CHECK(outcome(setting) == std::string("refused: tdx.tcb-info.") + row.want);
    }
}

TEST_CASE(
    "endorsements: a good list among bad ones is enough, and a revocation in any of its issuer's "
    "counts",
    "[verifier][endorsements]") {
    IntelCase c;
    Setting setting = c.setting();
    forge::CrlSpec spec = c.collateral.pck_crl;
    const auto add = [&](const forge::CrlSpec& s, const forge::Issuer& by) {
        setting.endorsements.push_back(forge::issue(s, by));
    };
    add(spec, {intel().pck_issuer().name, intel().keys.pck});  // not by its issuer's key
    spec.revoked = {{intel().pck_spec({}).serial, test::now()}};
    add(spec, {intel().pck_issuer().name, intel().keys.pck});
    spec.validity.from = test::now() + std::chrono::seconds(1);
    add(spec, intel().pck_issuer());
    CHECK(outcome(setting) == "accepted");
    // What its authority once revoked stays revoked, also on a list whose time is over.
    const auto validity = GENERATE_COPY(values<Window>(
        {test::fresh(),
         {test::fresh().from - std::chrono::hours(1), test::fresh().until},
         {test::now() - std::chrono::hours(9), test::now() - std::chrono::seconds(1)}}));
    spec.validity = validity;
    add(spec, intel().pck_issuer());
    CHECK(outcome(setting) == "refused: tdx.crl.leaf-revoked");
    std::reverse(setting.endorsements.begin(), setting.endorsements.end());
    CHECK(outcome(setting) == "refused: tdx.crl.leaf-revoked");
}

TEST_CASE("endorsements: another hierarchy's collateral beside does not get in the way",
          "[verifier][endorsements]") {
    const forge::IntelHierarchy other(forge::IntelKeys{},
                                      forge::IntelValidity::around(test::now()));
    const auto foreign =
        forge::sign_collateral(forge::tdx_collateral(other, {}, test::fresh()), other);
    Setting setting = IntelCase().setting();
    setting.endorsements.push_back(text(forge::to_json(foreign)));
    CHECK(outcome(setting) == "accepted");
    std::reverse(setting.endorsements.begin(), setting.endorsements.end());
    CHECK(outcome(setting) == "accepted");
    setting.endorsements.pop_back();
    CHECK(test::appraise(setting).verdict() == Verdict::refused);
}

TEST_CASE("endorsements: what is not recognised is refused and leaves nothing behind",
          "[verifier][endorsements]") {
    struct Row {
        const char* name;
        Bytes bytes;
        Errc want;
    };
    const SnpCase snp;
    Bytes cut = intel().root;
    cut.pop_back();
    const std::string doubled = R"({"tcbInfo":{},"tcbInfo":{},"signature":"00"})";
    const std::vector<Row> rows{
        {"nothing", {}, Errc::unknown_format},
        {"text", text("hello, this is no endorsement"), Errc::unknown_format},
        {"random bytes", Bytes(100, 0xa5), Errc::unknown_format},
        {"an SNP report alone", snp.report(), Errc::unknown_format},
        {"a certificate cut short", cut, Errc::truncated},
        {"a good and a bad PEM block",
         text(forge::certificate_pem(intel().root) + forge::certificate_pem(cut)), Errc::truncated},
        {"a private key", text(forge::to_pem("PRIVATE KEY", Bytes(9))), Errc::unknown_format},
        {"a TCB info with a doubled key", text(doubled), Errc::duplicate_key},
        {"a TCB info with a further key", text(R"({"tcbInfo":{},"signature":"00","x":1})"),
         Errc::unknown_key},
        {"other JSON", text(R"({"keys":[]})"), Errc::unknown_format},
        {"a collateral file with a doubled key", text(R"({"tcb_info":"a","tcb_info":"b"})"),
         Errc::duplicate_key},
        {"a collateral file whose member is no text", text(R"({"tcb_info":{"id":"TDX"}})"),
         Errc::wrong_type},
        {"a collateral file nested 33 deep",
         text(R"({"tcb_info":)" + std::string(33, '[') + std::string(33, ']') + "}"),
         Errc::bad_json},
        {"over 4 MiB", Bytes((4u << 20) + 1), Errc::too_large},
        {"a table with a damaged leaf",
         forge::certificate_table({{forge::guid::kAsk, intel().root}, {forge::guid::kVcek, cut}}),
         Errc::truncated},
    };
    for (const Row& row : rows) {
        INFO(row.name);
        Endorsements endorsements;
        REQUIRE_OK(endorsements.add(intel().pck_ca, "first"));
        const Sha256 digest = endorsements.digest();
        const auto added = endorsements.add(row.bytes, "given.file");
        REQUIRE_ERRC(row.want, added);
        CHECK(added.error().detail.starts_with("given.file"));
        CHECK(counts(endorsements) == Counts{1, 0, 0, 0});
        CHECK(endorsements.digest() == digest);
    }
}

TEST_CASE("endorsements: damaged issuers in a host's table are passed over",
          "[verifier][endorsements]") {
    const SnpCase c;
    const std::vector<Bytes> chain = c.endorsements();
    Setting setting = c.setting();
    setting.endorsements = {
        forge::certificate_table({{forge::guid::kVcek, chain[0]},
                                  {forge::guid::kAsk, Bytes(50, 1)},
                                  {forge::guid::kArk, text("-----BEGIN CERTIFICATE-----\nx\n")}})};
    CHECK(outcome(setting) == "undecided: snp.chain.missing");
    setting.endorsements.push_back(chain[1]);
    setting.endorsements.push_back(chain[2]);
    CHECK(outcome(setting) == "accepted");
}

// A member that is damaged is refused by the step that needs it, not by the file as a whole.
TEST_CASE("endorsements: each damaged member of a collateral file is refused by its own name",
          "[verifier][endorsements]") {
    struct Row {
        const char* key;
        const char* value;
        const char* want;
    };
    const Row row = GENERATE(values<Row>({
        {"root_ca_crl", "", "refused: tdx.crl.malformed"},
        {"root_ca_crl", "zz", "refused: tdx.crl.malformed"},
        {"pck_crl", "3000", "refused: tdx.crl.malformed"},
        {"pck_crl", "-----BEGIN X509 CRL-----\nAAAA\n", "refused: tdx.crl.malformed"},
        {"pck_crl_issuer_chain", "garbage", "refused: tdx.crl.issuer"},
        {"tcb_info", "", "refused: tdx.tcb-info.signature"},
        {"tcb_info", "{}", "refused: tdx.tcb-info.signature"},
        {"tcb_info_signature", "", "refused: tdx.tcb-info.signature"},
        {"tcb_info_signature", "zz", "refused: tdx.tcb-info.signature"},
        {"tcb_info_issuer_chain", "", "refused: tdx.tcb-info.chain"},
        {"tcb_info_issuer_chain", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
         "refused: tdx.tcb-info.chain"},
        {"qe_identity", "[]", "refused: tdx.qe-identity.signature"},
        {"qe_identity_signature", "00", "refused: tdx.qe-identity.signature"},
        {"qe_identity_issuer_chain", "\n", "refused: tdx.qe-identity.chain"},
        {"root_ca_crl", nullptr, "undecided: tdx.crl.missing"},
        {"pck_crl", nullptr, "undecided: tdx.crl.missing"},
        {"pck_crl_issuer_chain", nullptr, "accepted"},
        {"tcb_info", nullptr, "undecided: tdx.tcb-info.missing"},
        {"tcb_info_signature", nullptr, "refused: tdx.tcb-info.signature"},
        {"tcb_info_issuer_chain", nullptr, "undecided: tdx.chain.missing"},
        {"qe_identity", nullptr, "undecided: tdx.qe-identity.missing"},
        {"qe_identity_signature", nullptr, "refused: tdx.qe-identity.signature"},
    }));
    INFO(row.key << " = " << (row.value == nullptr ? "(none)" : row.value));
    const IntelCase c;
    Setting setting = c.setting();
    auto document = nlohmann::json::parse(forge::to_json(c.signed_collateral()));
    if (row.value != nullptr)
        document[row.key] = row.value;
    else
        document[row.key] = nullptr;
    setting.endorsements = {text(document.dump())};
    CHECK(outcome(setting) == row.want);
    if (row.value == nullptr) {
        document.erase(row.key);
        setting.endorsements = {text(document.dump())};
        CHECK(outcome(setting) == row.want);
    }
}

TEST_CASE("endorsements: the digest tells every set from every other", "[verifier][endorsements]") {
    const std::vector<Bytes> parts = test::taken_apart(IntelCase().signed_collateral(), intel());
    Endorsements one, two, joined;
    CHECK(one.digest() == two.digest());
    REQUIRE_OK(one.add(parts[4], "a"));
    CHECK(one.digest() != two.digest());
    REQUIRE_OK(two.add(parts[4], "another name"));
    CHECK(one.digest() == two.digest());
    REQUIRE_OK(one.add(parts[5], "b"));
    REQUIRE_OK(joined.add(text(forge::certificate_pem(parts[4]) + forge::certificate_pem(parts[5])),
                          "both"));
    CHECK(one.digest() != joined.digest());
    REQUIRE_OK(two.add(parts[6], "c"));
    CHECK(one.digest() != two.digest());
}

}  // namespace
}  // namespace attestd
