// What is asked of the services, and what is made of their answers.
#include "agent/collateral/service.h"

#include <fmt/format.h>

#include <cctype>
#include <nlohmann/json.hpp>

#include "quote/base/encoding.h"
#include "quote/base/percent.h"
#include "quote/x509/pem.h"
#include "tests/support/vectors.h"
#include "tests/unit/collateral/fake_services.h"

namespace attestd::service_test {
namespace {

using test::FakeServices;
using test::Machine;

constexpr Time kNow{std::chrono::seconds(1'790'000'000)};

Fetcher::Deadline soon() { return std::chrono::steady_clock::now() + std::chrono::seconds(5); }

const EndorsementId kTcb = TcbInfoId{true, {0x70, 0xc0, 0x6f, 0, 0, 0}};

TEST_CASE("service: each endorsement has its address at Intel's and AMD's services",
          "[collateral]") {
    ByteArray<64> chip{};
    chip[0] = 0xab;
    const Bytes long_id(chip.begin(), chip.end());
    const Bytes short_id(chip.begin(), chip.begin() + 8);
    struct Row {
        EndorsementId id;
        std::string want;
    };
    const std::vector<Row> rows{
        {kTcb, "https://pcs.test/tdx/certification/v4/tcb?fmspc=70c06f000000&update=standard"},
        {TcbInfoId{false, {0, 0x80, 0x6f, 5, 0, 0}},
         "https://pcs.test/sgx/certification/v4/tcb?fmspc=00806f050000&update=standard"},
        {QeIdentityId{true}, "https://pcs.test/tdx/certification/v4/qe/identity?update=standard"},
        {QeIdentityId{false}, "https://pcs.test/sgx/certification/v4/qe/identity?update=standard"},
        {PckCrlId{PckCa::platform},
         "https://pcs.test/sgx/certification/v4/pckcrl?ca=platform&encoding=der"},
        {PckCrlId{PckCa::processor},
         "https://pcs.test/sgx/certification/v4/pckcrl?ca=processor&encoding=der"},
        {RootCrlId{}, "https://pcs.test/IntelSGXRootCA.der"},
        {AmdIssuersId{Product::milan, false}, "https://kds.test/vcek/v1/Milan/cert_chain"},
        {AmdIssuersId{Product::turin, true}, "https://kds.test/vlek/v1/Turin/cert_chain"},
        {AmdCrlId{Product::genoa, false}, "https://kds.test/vcek/v1/Genoa/crl"},
        {AmdCrlId{Product::genoa, true}, "https://kds.test/vlek/v1/Genoa/crl"},
        {VcekId{Product::milan, long_id, {std::nullopt, 3, 0, 8, 115}},
         "https://kds.test/vcek/v1/Milan/" + to_hex(long_id) +
             "?blSPL=03&teeSPL=00&snpSPL=08&ucodeSPL=115"},
        // Turin: eight bytes of the chip's id, and the FMC.
        {VcekId{Product::turin, short_id, {1, 1, 1, 4, 81}},
         "https://kds.test/vcek/v1/Turin/ab00000000000000"
         "?fmcSPL=01&blSPL=01&teeSPL=01&snpSPL=04&ucodeSPL=81"}};
    for (const Row& row : rows) {
        CHECK(endorsement_url(test::test_addresses(), row.id) == row.want);
    }
}

TEST_CASE("service: a PCCS serves the root's list itself; early documents are asked for by name",
          "[collateral]") {
    ServiceAddresses services = test::test_addresses();
    services.use_pccs("https://localhost:8081");
    services.update = TcbUpdate::early;
    CHECK(endorsement_url(services, RootCrlId{}) ==
          "https://localhost:8081/sgx/certification/v4/rootcacrl");
    CHECK(endorsement_url(services, QeIdentityId{true}) ==
          "https://localhost:8081/tdx/certification/v4/qe/identity?update=early");
}

TEST_CASE("service: a certain set of TCB documents is asked for by its number alone",
          "[collateral]") {
    ServiceAddresses services = test::test_addresses();
    services.update = TcbUpdate::early;
    services.evaluation_data_number = 17;
    CHECK(endorsement_url(services, kTcb) ==
          "https://pcs.test/tdx/certification/v4/"
          "tcb?fmspc=70c06f000000&tcbEvaluationDataNumber=17");
    CHECK(endorsement_url(services, QeIdentityId{false}) ==
          "https://pcs.test/sgx/certification/v4/qe/identity?tcbEvaluationDataNumber=17");
}

// What Intel's service answered on 2025-05-27, with the header put back as it was sent.
TEST_CASE("service: Intel's own answers become endorsements of production grade", "[collateral]") {
    struct Row {
        const char *file, *member;
        EndorsementId id;
        const char* key;
        std::uint32_t number;
    };
    const auto row = GENERATE(
        values<Row>({{"tdx_tcb_info_eval17", "tcb_info_json",
                      TcbInfoId{true, {0, 0x80, 0x6f, 5, 0, 0}}, "intel-tcb-tdx-00806f050000", 17},
                     {"sgx_qve_identity", "enclave_identity_json", QeIdentityId{false},
                      "intel-enclave-qve", 17},
                     {"sgx_qae_identity", "enclave_identity_json", QeIdentityId{false},
                      "intel-enclave-qae", 17}}));
    NEED_VECTORS(folder, "tdx/pcs");
    const auto wrapped =
        nlohmann::json::parse(test::load_text(folder / (std::string(row.file) + ".json")));
    std::string chain;
    for (const char c : wrapped["issuer_chain"].get<std::string>())
        chain += std::isalnum(static_cast<unsigned char>(c)) != 0
                     ? std::string(1, c)
                     : fmt::format("%{:02X}", static_cast<unsigned char>(c));
    const std::string body = wrapped[row.member].get<std::string>();
    FakeServices services;
    services.answers[endorsement_url(test::test_addresses(), row.id)] = {
        200,
        {{"tcb-info-issuer-chain", chain}, {"sgx-enclave-identity-issuer-chain", chain}},
        Bytes(body.begin(), body.end())};
    const auto bytes = ask_service(services, test::test_addresses(), row.id, soon());
    REQUIRE(bytes.has_value());
    Endorsements item;
    REQUIRE_OK(item.add(*bytes, "answer"));
    const Time then = parse_rfc3339("2025-06-01T00:00:00Z", "").value();
    const auto checked = check_endorsements(item, {}, TrustAnchors(), then);
    REQUIRE(checked.size() == 1);
    REQUIRE_OK(checked[0]);
    CHECK(checked[0]->grade == Grade::production);
    CHECK(checked[0]->dated);
    CHECK(checked[0]->key == row.key);
    CHECK(checked[0]->evaluation_data_number == row.number);
    const auto late = check_endorsements(item, {}, TrustAnchors(),
                                         parse_rfc3339("2025-07-01T00:00:00Z", "").value());
    CHECK_FALSE(late[0].has_value());
}

TEST_CASE("service: a 503 that names no time to wait is a failure, not a wish for fewer requests",
          "[collateral]") {
    FakeServices services;
    services.special["/tcb?"] = {503, {}, {}};
    const auto asked = ask_service(services, test::test_addresses(), kTcb, soon());
    REQUIRE_FALSE(asked.has_value());
    CHECK(errc_name(asked.error().error.code) == "collateral.service");
    CHECK_FALSE(asked.error().retry_after.has_value());
}

TEST_CASE("service: a status has an error of its own, with the service's words", "[collateral]") {
    struct Row {
        unsigned status;
        Errc want;
        std::optional<std::chrono::seconds> retry;
    };
    using std::chrono::seconds;
    const auto row = GENERATE(values<Row>({{404, Errc::collateral_not_found, {}},
                                           {410, Errc::collateral_gone, {}},
                                           {429, Errc::collateral_throttled, seconds(17)},
                                           {503, Errc::collateral_throttled, seconds(17)},
                                           {400, Errc::collateral_service, {}},
                                           {401, Errc::collateral_service, {}},
                                           {460, Errc::collateral_service, {}},
                                           {461, Errc::collateral_service, {}},
                                           {500, Errc::collateral_service, {}},
                                           {502, Errc::collateral_service, {}},
                                           {204, Errc::collateral_service, {}}}));
    FakeServices services;
    services.special["/tcb?"] = {
        row.status, {{"retry-after", "17"}, {"error-message", "no \x1b[31m data"}}, {}};
    const auto asked = ask_service(services, test::test_addresses(), kTcb, soon());
    REQUIRE_FALSE(asked.has_value());
    CAPTURE(row.status, asked.error().error.detail);
    CHECK(errc_name(asked.error().error.code) == errc_name(row.want));
    CHECK(asked.error().retry_after == row.retry);
    CHECK(asked.error().error.detail.find("no ?[31m data") != std::string::npos);
    CHECK(asked.error().error.detail.find("/tcb?fmspc=70c06f000000") != std::string::npos);
}

TEST_CASE("service: a Retry-After that is no number of seconds counts as half a minute",
          "[collateral]") {
    const auto* const text = GENERATE("", "soon", "-5", "Wed, 21 Oct 2026 07:28:00 GMT");
    FakeServices services;
    services.special["/tcb?"] = {429, {{"retry-after", text}}, {}};
    const auto asked = ask_service(services, test::test_addresses(), kTcb, soon());
    REQUIRE_FALSE(asked.has_value());
    CHECK(asked.error().retry_after == std::chrono::seconds(30));
}

TEST_CASE("service: what cannot be reached keeps its name", "[collateral]") {
    const auto code = GENERATE(Errc::fetch_unreachable, Errc::fetch_tls, Errc::fetch_timed_out,
                               Errc::fetch_too_large, Errc::fetch_truncated, Errc::fetch_redirected,
                               Errc::fetch_protocol, Errc::fetch_denied, Errc::fetch_process);
    FakeServices services;
    services.down = code;
    const auto asked = ask_service(services, test::test_addresses(), kTcb, soon());
    REQUIRE_FALSE(asked.has_value());
    CHECK(errc_name(asked.error().error.code) == errc_name(code));
}

TEST_CASE("service: answers become endorsements that verify", "[collateral]") {
    const auto* const kind = GENERATE("tdx-v4", "sgx-v3");
    const Machine machine(kind, kNow);
    FakeServices services;
    machine.serve(services, "current");
    const bool tdx = machine.kind.starts_with("tdx");
    const std::vector<EndorsementId> ids{TcbInfoId{tdx, {0x70, 0xc0, 0x6f, 0, 0, 0}},
                                         QeIdentityId{tdx}, PckCrlId{PckCa::platform}, RootCrlId{}};
    Endorsements all;
    for (const EndorsementId& id : ids) {
        const auto bytes = ask_service(services, test::test_addresses(), id, soon());
        INFO((bytes ? std::string() : to_string(bytes.error().error)));
        REQUIRE(bytes.has_value());
        REQUIRE_OK(all.add(*bytes, endorsement_file(id)));
    }
    std::vector<std::string> keys;
    for (const auto& checked : check_endorsements(all, {}, machine.anchors, kNow)) {
        REQUIRE_OK(checked);
        keys.push_back(checked->key);
        CHECK(checked->grade == Grade::test);
    }
    std::sort(keys.begin(), keys.end());
    std::vector<std::string> want;
    for (const EndorsementId& id : ids) want.push_back(endorsement_key(id));
    std::sort(want.begin(), want.end());
    CHECK(keys == want);
}

TEST_CASE("service: a revocation list is taken as DER, PEM or hexadecimal", "[collateral]") {
    const Machine machine("tdx-v4", kNow);
    FakeServices services;
    machine.serve(services, "current");
    const std::string url = std::string(test::kPcs) + "/IntelSGXRootCA.der";
    const Bytes der = services.answers[url].body;
    const std::string pem = attestd::to_pem("X509 CRL", der), hex = to_hex(der);
    for (const Bytes& body : {der, Bytes(pem.begin(), pem.end()), Bytes(hex.begin(), hex.end())}) {
        services.answers[url].body = body;
        const auto bytes = ask_service(services, test::test_addresses(), RootCrlId{}, soon());
        REQUIRE(bytes.has_value());
        CHECK(as_text(*bytes) == pem);
    }
}

TEST_CASE("service: an answer in another form is refused as the service's", "[collateral]") {
    const Machine machine("tdx-v4", kNow);
    FakeServices services;
    machine.serve(services, "current");
    struct Row {
        std::string name, part;
        EndorsementId id;
        std::function<void(FetchResponse&)> spoil;
    };
    const auto body = [](std::string text) {
        return [text](FetchResponse& r) { r.body = Bytes(text.begin(), text.end()); };
    };
    const std::vector<Row> rows{
        {"no chain header", "/tcb?", kTcb, [](FetchResponse& r) { r.headers.clear(); }},
        {"half a percent escape", "/tcb?", kTcb,
         [](FetchResponse& r) { r.headers[0].second += "%2"; }},
        {"a chain that is too long", "/tcb?", kTcb,
         [](FetchResponse& r) { r.headers[0].second = std::string(20000, 'a'); }},
        {"no JSON", "/tcb?", kTcb, body("<html>sign in</html>")},
        {"the other document", "/tcb?", kTcb, body(R"({"enclaveIdentity":{},"signature":"00"})")},
        {"a third member", "/tcb?", kTcb, body(R"({"tcbInfo":{},"signature":"00","more":1})")},
        {"nothing", "/tcb?", kTcb, body("")},
        {"no list", "/pckcrl?", PckCrlId{PckCa::platform}, body("0011")},
        {"no root list", "/IntelSGXRootCA.der", RootCrlId{}, body("garbage")},
        {"no certificates", "/cert_chain", AmdIssuersId{Product::milan, false}, body("none")},
        {"no AMD list", "/vcek/v1/Milan/crl", AmdCrlId{Product::milan, false}, body("none")}};
    for (const Row& row : rows) {
        FakeServices spoilt = services;
        FetchResponse answer{200, {}, {}};
        for (const auto& [url, response] : services.answers) {
            if (url.find(row.part) != std::string::npos) answer = response;
        }
        row.spoil(answer);
        spoilt.special[row.part] = answer;
        const auto asked = ask_service(spoilt, test::test_addresses(), row.id, soon());
        CAPTURE(row.name);
        REQUIRE_FALSE(asked.has_value());
        CHECK(errc_name(asked.error().error.code) == errc_name(Errc::collateral_service));
    }
}

TEST_CASE("percent-decoding leaves a plus sign alone and refuses half an escape",
          "[collateral][pitfall-22]") {
    CHECK(percent_decode("a%2Bb+c%20%0A", "h").value() == "a+b+c \n");
    CHECK(percent_decode("", "h").value().empty());
    for (const char* const bad : {"%", "%2", "abc%", "%zz", "%2g"}) {
        REQUIRE_ERRC(Errc::bad_encoding, percent_decode(bad, "h"));
    }
}

}  // namespace
}  // namespace attestd::service_test
