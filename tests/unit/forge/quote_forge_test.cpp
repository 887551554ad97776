// Forged quotes: signatures, binding and lengths, one by one.
#include "tests/support/forge/quote_forge.h"

#include "quote/base/digest.h"
#include "quote/base/encoding.h"
#include "quote/base/public_key.h"
#include "tests/support/catch.h"
#include "tests/support/forge/writer.h"
#include "tests/unit/forge/openssl_reader.h"

namespace attestd::quote_forge_test {
using namespace attestd::forge;
using namespace attestd::test;
namespace {

const Time kNow = make_time(2026, 11, 22, 8, 0, 0, "now").value();

const IntelHierarchy& hierarchy() {
    static const IntelHierarchy intel(shared_intel_keys(), IntelValidity::around(kNow));
    return intel;
}

bool signed_by_point(ByteView point, ByteView message, ByteView rs) {
    const auto key = PublicKey::from_point(KeyKind::p256, point);
    return key && key->verify_raw(message, rs.first(32), rs.last(32));
}

struct Kind {
    const char* name;
    QuoteSpec spec;
    std::size_t signed_len;
};

std::vector<Kind> kinds() {
    return {{"sgx v3", sgx_v3(), 48 + 384},
            {"sgx v4", sgx_v4(), 48 + 384},
            {"sgx v5", sgx_v5(), 54 + 384},
            {"tdx v4", tdx_v4(), 48 + 584},
            {"tdx v5 1.0", tdx_v5(BodyType::td10), 54 + 584},
            {"tdx v5 1.5", tdx_v5(BodyType::td15), 54 + 648},
            {"tdx v5 1.5ex", tdx_v5(BodyType::td15ex), 54 + 885}};
}

TEST_CASE("quote forge: both signatures and the binding of every kind are right", "[forge]") {
    const Kind kind = GENERATE(from_range(kinds()));
    INFO(kind.name);
    const Bytes leaf = hierarchy().pck({});
    const QuoteParts parts = make_parts(kind.spec, hierarchy(), leaf);
    CHECK(parts.signed_part.size() == kind.signed_len);
    CHECK(signed_by_point(parts.attestation_key, parts.signed_part, parts.signature));
    REQUIRE(parts.qe_report.size() == 384);
    CHECK(verifies(leaf, EVP_sha256(), parts.qe_report,
                   der_signature(ByteView(parts.qe_report_signature).first(32),
                                 ByteView(parts.qe_report_signature).last(32))));
    const Sha256 binding = sha256({parts.attestation_key, parts.auth_data});
    CHECK(equal(ByteView(parts.qe_report).subspan(320, 32), binding));
    CHECK(all_zero(ByteView(parts.qe_report).subspan(352, 32)));
}

TEST_CASE("quote forge: lengths in an assembled quote add up", "[forge]") {
    const Kind kind = GENERATE(from_range(kinds()));
    INFO(kind.name);
    const Bytes leaf = hierarchy().pck({});
    const QuoteParts parts = make_parts(kind.spec, hierarchy(), leaf);
    const Bytes quote = assemble(parts);
    const auto u32 = [&](std::size_t at) {
        return quote[at] | quote[at + 1] << 8 | quote[at + 2] << 16 | quote[at + 3] << 24;
    };
    CHECK(u32(kind.signed_len) == static_cast<int>(quote.size() - kind.signed_len - 4));
    if (parts.version >= 4) {
        CHECK(quote[kind.signed_len + 4 + 128] == 6);
        CHECK(u32(kind.signed_len + 4 + 130) ==
              static_cast<int>(quote.size() - kind.signed_len - 4 - 134));
    }
    CHECK(quote.back() == 0);  // the NUL after the PEM chain
}

TEST_CASE("quote forge: the smallest version 3 quote has 1020 bytes", "[forge]") {
    QuoteParts parts = make_parts(sgx_v3(), hierarchy(), {});
    parts.auth_data.clear();
    parts.certification_data.clear();
    CHECK(assemble(parts).size() == 1020);
}

TEST_CASE("quote forge: a changed part is consistent again once signed again", "[forge]") {
    const IntelHierarchy& intel = hierarchy();
    QuoteParts parts = make_parts(tdx_v4(), intel, intel.pck({}));
    parts.signed_part[12] ^= 1;  // vendor id
    CHECK_FALSE(signed_by_point(parts.attestation_key, parts.signed_part, parts.signature));
    parts.sign(intel.keys.attestation);
    CHECK(signed_by_point(parts.attestation_key, parts.signed_part, parts.signature));
    parts.auth_data.assign(100, 0xab);
    parts.rebind_qe();
    parts.sign_qe(intel.keys.pck);
    CHECK(signed_by_point(intel.keys.pck.point(), parts.qe_report, parts.qe_report_signature));
    CHECK(equal(ByteView(parts.qe_report).subspan(320, 32),
                sha256({parts.attestation_key, parts.auth_data})));
}

TEST_CASE("quote forge: wrong lengths are written as asked", "[forge]") {
    QuoteParts parts = make_parts(tdx_v4(), hierarchy(), {});
    parts.signature_data_len = 0xffffffff;
    parts.outer_type = 5;
    parts.padding.assign(70, 0);
    const Bytes quote = assemble(parts);
    CHECK(to_hex(ByteView(quote).subspan(632, 4)) == "ffffffff");
    CHECK(quote[636 + 128] == 5);
    CHECK(all_zero(ByteView(quote).last(70)));
}

TEST_CASE("quote forge: a TD body's fields stand at the offsets of the specification", "[forge]") {
    TdBody body;
    body.mrtd.fill(0xd1);
    body.rtmr[3].fill(0xd2);
    body.report_data.fill(0xd3);
    body.mrservicetd.fill(0xd4);
    body.cur_servtd_attr = 0x0102030405060708;
    const Bytes bytes = body_bytes(body, BodyType::td15ex);
    REQUIRE(bytes.size() == 885);
    CHECK(equal(ByteView(bytes).subspan(136, 48), body.mrtd));
    CHECK(equal(ByteView(bytes).subspan(472, 48), body.rtmr[3]));
    CHECK(equal(ByteView(bytes).subspan(520, 64), body.report_data));
    CHECK(equal(ByteView(bytes).subspan(600, 48), body.mrservicetd));
    CHECK(to_hex(ByteView(bytes).subspan(877)) == "0807060504030201");
    CHECK(to_hex(ByteView(bytes).subspan(120, 16)) == "0000001000000000e702060000000000");
}

TEST_CASE("quote forge: PPID certification data have the lengths of their types", "[forge]") {
    CHECK(ppid_data(1, {}).size() == 36);
    CHECK(ppid_data(2, {}).size() == 276);
    CHECK(ppid_data(3, {}).size() == 404);
}

}  // namespace
}  // namespace attestd::quote_forge_test
