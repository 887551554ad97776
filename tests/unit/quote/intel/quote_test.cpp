// Intel quotes: sizes, types and padding (`spec/tdx.md` section 3.3, pitfalls 9, 18, 19, 23, 35).
#include "quote/intel/quote.h"

#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/support/forge/quote_forge.h"
#include "tests/support/mutations.h"
#include "tests/support/vectors.h"

namespace attestd::quote_test {
namespace {

using test::ByteRange;
using test::ContainsSubstring;

const Time kNow = make_time(2026, 11, 22, 8, 0, 0, "now").value();

const forge::IntelHierarchy& intel() {
    static const forge::IntelHierarchy made(forge::shared_intel_keys(),
                                            forge::IntelValidity::around(kNow));
    return made;
}

forge::QuoteParts parts_of(const forge::QuoteSpec& spec) {
    return forge::make_parts(spec, intel(), intel().pck({}));
}

std::vector<forge::QuoteSpec> all_specs() {
    return {forge::sgx_v3(),
            forge::sgx_v4(),
            forge::sgx_v5(),
            forge::tdx_v4(),
            forge::tdx_v5(forge::BodyType::td10),
            forge::tdx_v5(forge::BodyType::td15),
            forge::tdx_v5(forge::BodyType::td15ex)};
}

// Where the numbers stand on which the shape of a quote depends.
struct Places {
    explicit Places(const forge::QuoteParts& parts) {
        const bool outer = parts.version >= 4;
        sig_len = parts.signed_part.size();
        outer_type = sig_len + 4 + 128;
        qe_report = outer_type + (outer ? 6 : 0);
        auth_len = qe_report + 384 + 64;
        cert_type = auth_len + 2 + parts.auth_data.size();
        structure = {{0, 8}, {sig_len, 4}, {auth_len, 2}, {cert_type, 6}};
        if (outer) structure.push_back({outer_type, 6});
        if (parts.version == 5) structure.push_back({48, 6});
    }
    bool is_structure(std::size_t byte) const {
        return std::any_of(structure.begin(), structure.end(),
                           [&](const ByteRange& r) { return r.contains(byte); });
    }
    std::size_t sig_len, outer_type, qe_report, auth_len, cert_type;
    std::vector<ByteRange> structure;
};

TEST_CASE("quote: each prefix of each kind is truncated", "[quote][intel]") {
    for (const forge::QuoteSpec& spec : all_specs()) {
        const Bytes quote = forge::assemble(parts_of(spec));
        REQUIRE_OK(parse_intel_quote(quote));
        std::size_t other = 0;
        test::for_each_truncation(quote, [&](ByteView mutant, std::size_t) {
            const auto parsed = parse_intel_quote(mutant);
            other += !parsed && parsed.error().code == Errc::truncated ? 0 : 1;
        });
        CHECK(other == 0);
    }
}

TEST_CASE("quote: a flipped bit is refused exactly where the shape depends on it",
          "[quote][intel]") {
    for (const forge::QuoteSpec& spec : all_specs()) {
        const forge::QuoteParts parts = parts_of(spec);
        const Bytes quote = forge::assemble(parts);
        const Places places(parts);
        std::vector<std::size_t> wrong;
        test::for_each_bit_flip(quote, [&](ByteView mutant, std::size_t bit) {
            // The certification data's type stays one that exists when it becomes 1 or 4.
            const bool still_a_type =
                bit / 8 == places.cert_type && (mutant[bit / 8] == 1 || mutant[bit / 8] == 4);
            const bool want = !places.is_structure(bit / 8) || still_a_type;
            if (parse_intel_quote(mutant).has_value() != want) wrong.push_back(bit);
        });
        INFO(parse_intel_quote(quote)->quote.format());
        CHECK(wrong == std::vector<std::size_t>{});
    }
}

TEST_CASE("quote: no length field may be anything but what it is", "[quote][intel]") {
    for (const forge::QuoteSpec& spec : all_specs()) {
        forge::QuoteParts parts = parts_of(spec);
        parts.padding.assign(GENERATE(0U, 70U), 0);
        const Bytes quote = forge::assemble(parts);
        const Places places(parts);
        std::vector<ByteRange> fields{
            {places.sig_len, 4}, {places.auth_len, 2}, {places.cert_type + 2, 4}};
        if (parts.version >= 4) fields.push_back({places.outer_type + 2, 4});
        if (parts.version == 5) fields.push_back({50, 4});
        for (const ByteRange& field : fields) {
            std::size_t accepted = 0, tried = 0;
            test::for_each_length_value(quote, field, test::ByteOrder::little,
                                        [&](ByteView mutant, std::size_t) {
                                            ++tried;
                                            accepted += parse_intel_quote(mutant) ? 1 : 0;
                                        });
            INFO("field at " << field.at);
            CHECK(tried >= 4);
            CHECK(accepted == 0);
        }
    }
}

TEST_CASE("quote: each defect of the shape has its own error", "[quote][intel]") {
    struct Row {
        const char* name;
        forge::QuoteSpec (*spec)();
        void (*spoil)(forge::QuoteParts&);
        Errc want;
    };
    const auto v4 = [] { return forge::tdx_v4(); };
    const auto v5 = [] { return forge::tdx_v5(forge::BodyType::td15); };
    const Row row = GENERATE_COPY(values<Row>({
        {"version 0", v4, [](auto& p) { p.signed_part[0] = 0; }, Errc::unsupported_version},
        {"version 2", v4, [](auto& p) { p.signed_part[0] = 2; }, Errc::unsupported_version},
        {"version 6", v4, [](auto& p) { p.signed_part[0] = 6; }, Errc::unsupported_version},
        {"version 260", v4, [](auto& p) { p.signed_part[1] = 1; }, Errc::unsupported_version},
        {"ECDSA P-384 attestation key", v4, [](auto& p) { p.signed_part[2] = 3; }, Errc::unsupported_type},
        {"attestation key type 0", v4, [](auto& p) { p.signed_part[2] = 0; }, Errc::unsupported_type},
        {"TEE type 0x80", v4, [](auto& p) { p.signed_part[4] = 0x80; }, Errc::unsupported_type},
        {"TEE type 0x10081", v4, [](auto& p) { p.signed_part[6] = 1; }, Errc::unsupported_type},
        {"version 3 of a TD", forge::sgx_v3, [](auto& p) { p.signed_part[4] = 0x81; }, Errc::unsupported_type},
        {"body type 0", v5, [](auto& p) { p.signed_part[48] = 0; }, Errc::unsupported_type},
        {"body type 5", v5, [](auto& p) { p.signed_part[48] = 5; }, Errc::unsupported_type},
        {"body type 0x103", v5, [](auto& p) { p.signed_part[49] = 1; }, Errc::unsupported_type},
        {"an enclave's body for a TD", v5, [](auto& p) { p.signed_part[48] = 1; }, Errc::unsupported_type},
        {"a TD's body for an enclave", forge::sgx_v5, [](auto& p) { p.signed_part[48] = 2; }, Errc::unsupported_type},
        {"a body of another type's size", v5, [](auto& p) { p.signed_part[48] = 2; }, Errc::bad_length},
        {"a body size of 0", v5, [](auto& p) { p.signed_part[50] = p.signed_part[51] = 0; }, Errc::bad_length},
        {"a body size of 4 GiB less one", v5,
         [](auto& p) { std::fill_n(p.signed_part.begin() + 50, 4, std::uint8_t{0xff}); }, Errc::bad_length},
        {"signature data of no bytes", v4, [](auto& p) { p.signature_data_len = 0; }, Errc::truncated},
        {"signature data of one byte", v4, [](auto& p) { p.signature_data_len = 1; }, Errc::truncated},
        {"signature data of 4 GiB less one", v4, [](auto& p) { p.signature_data_len = UINT32_MAX; }, Errc::truncated},
        {"signature data one longer than its parts", v4,
         [](auto& p) {
             p.signature_data_len = static_cast<std::uint32_t>(forge::assemble(p).size() - p.signed_part.size() - 4 + 1);
             p.padding = {0};
         },
         Errc::trailing_bytes},
        {"outer certification type 5", v4, [](auto& p) { p.outer_type = 5; }, Errc::unsupported_type},
        {"outer certification type 7", v4, [](auto& p) { p.outer_type = 7; }, Errc::unsupported_type},
        {"outer length 0", v4, [](auto& p) { p.outer_len = 0; }, Errc::trailing_bytes},
        {"outer length 4 GiB less one", v4, [](auto& p) { p.outer_len = UINT32_MAX; }, Errc::truncated},
        {"authentication data of 65535 bytes", v4, [](auto& p) { p.auth_data_len = 0xffff; }, Errc::truncated},
        {"certification data of 0 bytes", v4, [](auto& p) { p.certification_data_len = 0; }, Errc::trailing_bytes},
        {"certification data of 16 KiB", v4, [](auto& p) { p.certification_data_len = 16384; }, Errc::truncated},
        {"a PCK chain over 16 KiB", v4, [](auto& p) { p.certification_data_len = 16385; }, Errc::too_large},
        {"certification data of 4 GiB less one", v4,
         [](auto& p) {
             p.certification_type = 3;
             p.certification_data_len = UINT32_MAX;
         },
         Errc::truncated},
        {"certification type 0", v4, [](auto& p) { p.certification_type = 0; }, Errc::unsupported_type},
        {"certification type 6 inside", v4, [](auto& p) { p.certification_type = 6; }, Errc::unsupported_type},
        {"a platform manifest", v4, [](auto& p) { p.certification_type = 7; }, Errc::unsupported_type},
        {"a platform manifest in version 3", forge::sgx_v3, [](auto& p) { p.certification_type = 7; }, Errc::unsupported_type},
        {"a byte 0x01 after the quote", v4, [](auto& p) { p.padding = {1}; }, Errc::trailing_bytes},
        {"zeros, then a byte", v4, [](auto& p) { p.padding.assign(70, 0); p.padding.back() = 0x80; }, Errc::trailing_bytes},
        {"over 64 KiB", v4, [](auto& p) { p.padding.assign(65536, 0); }, Errc::too_large},
    }));
    INFO(row.name);
    forge::QuoteParts parts = parts_of(row.spec());
    row.spoil(parts);
    REQUIRE_ERRC(row.want, parse_intel_quote(forge::assemble(parts)));
}

TEST_CASE("quote: exactly 64 KiB with its padding is read", "[quote][intel]") {
    forge::QuoteParts parts = parts_of(forge::tdx_v4());
    parts.padding.assign(kMaxQuoteLen - forge::assemble(parts).size(), 0);
    REQUIRE_OK(parse_intel_quote(forge::assemble(parts)));
}

TEST_CASE("quote: authentication data of any length is read", "[quote][intel]") {
    forge::QuoteSpec spec = GENERATE(from_range(all_specs()));
    spec.qe.auth_data.assign(GENERATE(0U, 1U, 64U, 1000U), 0x5a);
    const Bytes quote = forge::forge_quote(spec, intel(), intel().pck({}));
    const auto parsed = parse_intel_quote(quote);
    REQUIRE_OK(parsed);
    CHECK(equal(parsed->qe_auth_data, spec.qe.auth_data));
}

TEST_CASE("quote: certification data of types 1 to 4 is kept and is no chain", "[quote][intel]") {
    const auto type = GENERATE(as<std::uint16_t>{}, 1, 2, 3, 4);
    forge::QuoteParts parts = parts_of(GENERATE(from_range(all_specs())));
    parts.certification_type = type;
    parts.certification_data = type == 4 ? intel().pck({}) : forge::ppid_data(type, {});
    const Bytes quote = forge::assemble(parts);
    const auto parsed = parse_intel_quote(quote);
    REQUIRE_OK(parsed);
    CHECK(parsed->cert_data_type == type);
    CHECK(equal(parsed->cert_data, parts.certification_data));
    CHECK(parsed->pck_chain().empty());
}

TEST_CASE("quote: the NUL that may close the chain is no part of it, a second one is",
          "[quote][intel]") {
    forge::QuoteParts parts = parts_of(forge::tdx_v4());
    const std::string chain(
        as_text(ByteView(parts.certification_data).first(parts.certification_data.size() - 1)));
    Bytes quote = forge::assemble(parts);
    CHECK(parse_intel_quote(quote)->pck_chain() == chain);
    parts.certification_data.pop_back();
    quote = forge::assemble(parts);
    CHECK(parse_intel_quote(quote)->pck_chain() == chain);
    parts.certification_data.insert(parts.certification_data.end(), 2, 0);
    quote = forge::assemble(parts);
    CHECK(parse_intel_quote(quote)->pck_chain().size() == chain.size() + 1);
}

TEST_CASE("quote: the ranges that verification uses lie where the format puts them",
          "[quote][intel]") {
    for (const forge::QuoteSpec& spec : all_specs()) {
        const forge::QuoteParts parts = parts_of(spec);
        const Bytes quote = forge::assemble(parts);
        const Places places(parts);
        const auto parsed = parse_intel_quote(quote);
        REQUIRE_OK(parsed);
        CHECK(parsed->signed_part.data() == quote.data());
        CHECK(equal(parsed->signed_part, parts.signed_part));
        CHECK(parsed->signature.data() == quote.data() + places.sig_len + 4);
        CHECK(equal(parsed->attestation_key, parts.attestation_key));
        CHECK(parsed->qe_report_bytes.data() == quote.data() + places.qe_report);
        CHECK(equal(parsed->qe_report_signature, parts.qe_report_signature));
        CHECK(parsed->platform_part.data() == parsed->attestation_key.data());
        CHECK(parsed->platform_part.data() + parsed->platform_part.size() ==
              quote.data() + quote.size());
    }
}

TEST_CASE("quote: errors name the field and its offset", "[quote][intel]") {
    forge::QuoteParts parts = parts_of(forge::tdx_v4());
    parts.auth_data_len = 0xffff;
    CHECK_THAT(parse_intel_quote(forge::assemble(parts)).error().detail,
               ContainsSubstring("qe_auth_data at byte 1220"));
    parts = parts_of(forge::tdx_v5(forge::BodyType::td15));
    parts.signed_part[48] = 9;
    CHECK_THAT(parse_intel_quote(forge::assemble(parts)).error().detail,
               ContainsSubstring("body_descriptor.type at byte 48"));
}

TEST_CASE("quote: recorded ones parse as the manifest says", "[quote][intel]") {
    NEED_VECTORS(dir, "tdx/parse");
    struct Row {
        const char* file;
        std::size_t consumed;  ///< 0: refused
        std::uint16_t cert_type;
    };
    const Row row = GENERATE(values<Row>({{"v4-padded-70.bin", 4936, 5},
                                          {"v4-padded-3065.bin", 4935, 5},
                                          {"v4-trailing-text.bin", 0, 0},
                                          {"v4-c0806f.bin", 4936, 5},
                                          {"v3-encrypted-ppid.bin", 1456, 3},
                                          {"v3-corrupted.bin", 4578, 5},
                                          {"v3-good-of-corrupted.bin", 4578, 5},
                                          {"qvl-sample-v4-test-root.bin", 3696, 5}}));
    INFO(row.file);
    const Bytes quote = test::load_file(dir / row.file);
    const auto parsed = parse_intel_quote(quote);
    if (row.consumed == 0)
        REQUIRE_ERRC(Errc::trailing_bytes, parsed);
    else {
        REQUIRE_OK(parsed);
        CHECK(parsed->consumed == row.consumed);
        CHECK(parsed->cert_data_type == row.cert_type);
    }
}

TEST_CASE("quote: only the first bytes make something look like one", "[quote][intel]") {
    const Bytes quote = forge::forge_quote(forge::tdx_v4(), intel(), intel().pck({}));
    CHECK(looks_like_intel_quote(quote));
    CHECK(looks_like_intel_quote(ByteView(quote).first(48)));
    CHECK_FALSE(looks_like_intel_quote(ByteView(quote).first(47)));
    CHECK_FALSE(looks_like_intel_quote(Bytes(1184)));
}

}  // namespace
}  // namespace attestd::quote_test
