// PEM: one text for given bytes where evidence carries it, a person's file elsewhere.
#include "quote/x509/pem.h"

#include <numeric>

#include "tests/support/catch.h"
#include "tests/support/mutations.h"

namespace attestd {
namespace {

Bytes counting(std::size_t len) {
    Bytes out(len);
    std::iota(out.begin(), out.end(), std::uint8_t{1});
    return out;
}

const std::string kTwo = to_pem("CERTIFICATE", counting(100)) + to_pem("X509 CRL", counting(48));

std::string replaced(std::string text, std::string_view from, std::string_view to) {
    const auto at = text.find(from);
    REQUIRE(at != text.npos);
    return text.replace(at, from.size(), to);
}

TEST_CASE("PEM: what to_pem writes is read in both styles", "[quote][pem]") {
    const auto style = GENERATE(PemStyle::exact, PemStyle::file);
    const std::size_t len = GENERATE(1U, 47U, 48U, 49U, 96U, 1000U);
    const auto blocks = parse_pem(to_pem("CERTIFICATE", counting(len)), style);
    REQUIRE_OK(blocks);
    REQUIRE(blocks->size() == 1);
    CHECK(blocks->at(0).label == "CERTIFICATE");
    CHECK(blocks->at(0).der == counting(len));
}

TEST_CASE("PEM: labels and order of blocks are kept, and the last newline may lack",
          "[quote][pem]") {
    const auto blocks =
        parse_pem(std::string_view(kTwo).substr(0, kTwo.size() - 1), PemStyle::exact);
    REQUIRE_OK(blocks);
    REQUIRE(blocks->size() == 2);
    CHECK(blocks->at(1).label == "X509 CRL");
    CHECK(blocks->at(1).der == counting(48));
}

TEST_CASE("PEM: lines of 76 characters are read when all are", "[quote][pem]") {
    std::string digits = to_pem("X", counting(100));
    digits = digits.substr(digits.find('\n') + 1);
    digits = digits.substr(0, digits.find("-----END"));
    std::erase(digits, '\n');
    const std::string text = "-----BEGIN X-----\n" + digits.substr(0, 76) + "\n" +
                             digits.substr(76) + "\n-----END X-----\n";
    REQUIRE_OK(parse_pem(text, PemStyle::exact));
    const std::string mixed = "-----BEGIN X-----\n" + digits.substr(0, 64) + "\n" +
                              digits.substr(64) + "\n-----END X-----\n";
    REQUIRE(digits.substr(64).size() > 64);
    REQUIRE_ERRC(Errc::bad_encoding, parse_pem(mixed, PemStyle::exact));
}

TEST_CASE("PEM: evidence's form allows nothing beside the blocks", "[quote][pem]") {
    struct Row {
        const char* name;
        std::string text;
        bool as_file;  ///< whether a person's file may look like this
    };
    const std::vector<Row> rows{
        {"empty text", "", false},
        {"text before", "subject: A\n" + kTwo, true},
        {"text between", replaced(kTwo, "-----BEGIN X509", "note\n-----BEGIN X509"), true},
        {"an empty line at the end", kTwo + "\n", true},
        {"a byte after", kTwo + "x", true},
        {"carriage returns", replaced(kTwo, "-----\n", "-----\r\n"), true},
        {"blank before BEGIN, which is then no BEGIN",
         replaced(kTwo, "-----BEGIN CERT", " -----BEGIN CERT"), true},
        {"blank at the end of a line", replaced(kTwo, "\n-----END CERT", " \n-----END CERT"),
         false},
        {"an empty line in a block", replaced(kTwo, "\n-----END CERT", "\n\n-----END CERT"), false},
        {"another label at the end", replaced(kTwo, "-----END CERT", "-----END XERT"), false},
        {"END cut short", replaced(kTwo, "-----END CERTIFICATE-----", "-----END CERTIFICATE----"),
         false},
        {"END missing", kTwo.substr(0, kTwo.find("-----END")), false},
        {"no padding", replaced(kTwo, "=\n-----END CERT", "\n-----END CERT"), false},
        {"a header", replaced(kTwo, "CERTIFICATE-----\n", "CERTIFICATE-----\nProc-Type: 4\n\n"),
         false},
        {"a line of 63", replaced(kTwo, "AQID", "AQI"), false},
        {"a line of 65", replaced(kTwo, "AQID", "AQIDA"), false},
    };
    for (const Row& row : rows) {
        INFO(row.name);
        REQUIRE_ERRC(Errc::bad_encoding, parse_pem(row.text, PemStyle::exact));
        if (row.as_file)
            REQUIRE_OK(parse_pem(row.text, PemStyle::file));
        else
            REQUIRE_ERRC(Errc::bad_encoding, parse_pem(row.text, PemStyle::file));
    }
}

// Labels reach error texts and JSON.
TEST_CASE("PEM: a label that is not printable ASCII is refused", "[quote][pem]") {
    const std::string label = GENERATE(as<std::string>{}, "CERT\x1b[2J", "CERT\xff", "CERT\tX");
    const auto style = GENERATE(PemStyle::exact, PemStyle::file);
    REQUIRE_ERRC(Errc::bad_encoding, parse_pem(to_pem(label, counting(9)), style));
}

TEST_CASE("PEM: over 64 blocks are refused", "[quote][pem]") {
    std::string text;
    for (int i = 0; i < 64; ++i) text += to_pem("X", counting(3));
    CHECK(parse_pem(text, PemStyle::exact).value().size() == 64);
    text += to_pem("X", counting(3));
    REQUIRE_ERRC(Errc::bad_encoding, parse_pem(text, PemStyle::exact));
}

TEST_CASE("PEM: no single flipped bit stands for the same blocks", "[quote][pem]") {
    const auto original = parse_pem(kTwo, PemStyle::exact);
    REQUIRE_OK(original);
    std::size_t same = 0, read = 0;
    test::for_each_bit_flip(as_bytes(kTwo), [&](ByteView mutant, std::size_t) {
        const auto blocks = parse_pem(as_text(mutant), PemStyle::exact);
        if (!blocks) return;
        ++read;
        const bool equal_blocks = std::equal(
            blocks->begin(), blocks->end(), original->begin(), original->end(),
            [](const auto& a, const auto& b) { return a.label == b.label && a.der == b.der; });
        if (equal_blocks) ++same;
    });
    CHECK(same == 0);
    CHECK(read > 100);  // flips inside the base64 do read, as other bytes
}

}  // namespace
}  // namespace attestd
