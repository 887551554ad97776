// TPMS_ATTEST and TPMT_SIGNATURE: each field in its place, sizes bounded, nothing behind.
#include "quote/azure/tpm_quote.h"

#include <nlohmann/json.hpp>

#include "quote/base/digest.h"
#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/support/forge/azure_forge.h"
#include "tests/support/mutations.h"
#include "tests/support/vectors.h"

namespace attestd::tpm_quote_test {
namespace {

using forge::VtpmQuoteSpec;

VtpmQuoteSpec sound() {
    VtpmQuoteSpec spec;
    spec.nonce = to_bytes(as_bytes("challenge"));
    return spec;
}

}  // namespace

TEST_CASE("TPM quote: each field is read from its place", "[quote][azure]") {
    VtpmQuoteSpec spec = sound();
    spec.banks.push_back({0x000c, {0x01, 0x02, 0x03, 0x04}});
    const Bytes bytes = forge::attest_bytes(spec);
    const auto quote = parse_tpm_quote(bytes);
    REQUIRE_OK(quote);
    CHECK(quote->qualified_signer.size() == 34);
    CHECK(as_text(quote->extra_data) == "challenge");
    CHECK(quote->clock == 123456789);
    CHECK(quote->reset_count == 3);
    CHECK(quote->restart_count == 0);
    CHECK(quote->clock_safe);
    CHECK(quote->firmware_version == 0x2020031200120003);
    REQUIRE(quote->selections.size() == 2);
    CHECK(quote->selections[0].hash == kTpmAlgSha256);
    CHECK(to_hex(quote->selections[0].mask) == "ffffff");
    CHECK(quote->selections[1].hash == 0x000c);
    CHECK(to_hex(quote->selections[1].mask) == "01020304");
    CHECK(quote->pcr_digest.size() == 32);
}

TEST_CASE("TPM quote: what is no quote, or oversized, is refused by name", "[quote][azure]") {
    struct Row {
        const char* name;
        void (*spoil)(VtpmQuoteSpec&);
        Errc want;
    };
    const auto row = GENERATE(values<Row>({
        {"another magic", [](VtpmQuoteSpec& s) { s.magic = 0x47435446; }, Errc::bad_value},
        {"a certification", [](VtpmQuoteSpec& s) { s.type = 0x8017; }, Errc::unsupported_type},
        {"a byte behind", [](VtpmQuoteSpec& s) { s.trailing = {0}; }, Errc::trailing_bytes},
        {"a nonce of 67 bytes", [](VtpmQuoteSpec& s) { s.nonce.assign(67, 1); }, Errc::too_large},
        {"a nonce of 65535 bytes", [](VtpmQuoteSpec& s) { s.nonce.assign(65535, 1); },
         Errc::too_large},
        {"17 banks", [](VtpmQuoteSpec& s) { s.banks.resize(17); }, Errc::too_large},
        {"a mask of 5 bytes", [](VtpmQuoteSpec& s) { s.banks[0].mask.resize(5); }, Errc::too_large},
        {"a digest of 65 bytes", [](VtpmQuoteSpec& s) { s.digest = Bytes(65); }, Errc::too_large},
    }));
    INFO(row.name);
    VtpmQuoteSpec spec = sound();
    row.spoil(spec);
    REQUIRE_ERRC(row.want, parse_tpm_quote(forge::attest_bytes(spec)));
}

TEST_CASE("TPM quote: the clock's flag is 0 or 1", "[quote][azure]") {
    Bytes bytes = forge::attest_bytes(sound());
    const std::size_t safe_at = 4 + 2 + 36 + 11 + 16;
    REQUIRE(bytes.at(safe_at) == 1);
    bytes[safe_at] = 2;
    REQUIRE_ERRC(Errc::bad_value, parse_tpm_quote(bytes));
}

TEST_CASE("TPM quote: cut short or longer it is refused, whatever its lengths say",
          "[quote][azure]") {
    const Bytes bytes = forge::attest_bytes(sound());
    std::size_t accepted = 0;
    const auto count = [&](ByteView mutant, std::size_t) {
        accepted += parse_tpm_quote(mutant).has_value() ? 1 : 0;
    };
    test::for_each_truncation(bytes, count);
    test::for_each_extra_byte(bytes, count);
    // Name, nonce, number of banks, mask, digest.
    for (const test::ByteRange field :
         std::initializer_list<test::ByteRange>{{6, 2}, {42, 2}, {78, 4}, {84, 1}, {88, 2}})
        test::for_each_length_value(bytes, field, test::ByteOrder::big, count);
    CHECK(accepted == 0);
}

TEST_CASE("TPM signature: a bare block, or a TPMT_SIGNATURE of RSASSA with SHA-256",
          "[quote][azure]") {
    const Bytes block(256, 0x5a);
    CHECK(equal(parse_tpm_signature(block).value(), block));
    CHECK(equal(parse_tpm_signature(forge::tpmt_signature(block)).value(), block));
    CHECK(equal(parse_tpm_signature(forge::tpmt_signature(Bytes(384, 1))).value(), Bytes(384, 1)));
    REQUIRE_ERRC(Errc::unsupported_type,
                 parse_tpm_signature(forge::tpmt_signature(block, 0x0016)));  // RSAPSS
    REQUIRE_ERRC(Errc::unsupported_type,
                 parse_tpm_signature(forge::tpmt_signature(block, 0x0014, 0x0004)));  // SHA-1
    REQUIRE_ERRC(Errc::bad_length, parse_tpm_signature(Bytes{}));
    REQUIRE_ERRC(Errc::bad_length, parse_tpm_signature(Bytes(255, 1)));
    REQUIRE_ERRC(Errc::bad_length, parse_tpm_signature(Bytes(519, 1)));
    Bytes longer = forge::tpmt_signature(block);
    longer.push_back(0);
    REQUIRE_ERRC(Errc::trailing_bytes, parse_tpm_signature(longer));
    Bytes shorter = forge::tpmt_signature(Bytes(257, 1));
    shorter.pop_back();
    REQUIRE_ERRC(Errc::truncated, parse_tpm_signature(shorter));
}

TEST_CASE("TPM quote: every recorded quote reads as recorded", "[quote][azure]") {
    NEED_VECTORS(dir, "snp/hcl");
    std::size_t compared = 0;
    for (const auto& folder : std::filesystem::directory_iterator(dir)) {
        if (!std::filesystem::exists(folder.path() / "tpm-quote.json")) continue;
        INFO(folder.path());
        const auto want = nlohmann::json::parse(test::load_text(folder.path() / "expected.json"));
        const auto file = nlohmann::json::parse(test::load_text(folder.path() / "tpm-quote.json"));
        const Bytes message = from_hex(file["message"].get<std::string>(), "message").value();
        const auto quote = parse_tpm_quote(message);
        REQUIRE_OK(quote);
        CHECK(to_hex(quote->extra_data) == want["tpm_quote_nonce_hex"].get<std::string>());
        REQUIRE(quote->selections.size() == 1);
        CHECK(quote->selections[0].hash == kTpmAlgSha256);
        CHECK(to_hex(quote->selections[0].mask) == "ffffff");
        Bytes values;
        for (const auto& pcr : file["pcrs_sha256"]) {
            const Bytes value = from_hex(pcr.get<std::string>(), "pcr").value();
            values.insert(values.end(), value.begin(), value.end());
        }
        CHECK(equal(quote->pcr_digest, sha256(values)) == want["pcr_digest_ok"].get<bool>());
        ++compared;
    }
    CHECK(compared == 3);
}

}  // namespace attestd::tpm_quote_test
