// Pages about evidence: nothing that evidence says becomes markup, and nothing of it is left out.
#include "agent/cli/html/html.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "agent/cli/explain.h"
#include "agent/cli/html/byte_map.h"
#include "agent/cli/html/chain_model.h"
#include "agent/cli/html/page.h"
#include "agent/cli/html/style.h"
#include "quote/base/digest.h"
#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/support/forge/amd_forge.h"
#include "tests/support/forge/case_forge.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/cli/run_attestctl.h"
#include "tests/unit/verifier/setting.h"

using namespace attestd;
using namespace attestd::cli;
using attestd::test::attestctl;
using attestd::test::CliRun;
using attestd::test::ContainsSubstring;
using attestd::test::TempDir;
using Json = nlohmann::ordered_json;

namespace {

constexpr std::string_view kHostile =
    "</title></style><script>alert(1)</script><img src=x onerror=alert(1)>\"'><a "
    "href='javascript:alert(1)'>&lt;\x1b[31m\n\xe2\x80\xae\xff";

// What may follow a '<' in a page of ours: names of elements with the names of their attributes.
using Elements = std::map<std::string, std::set<std::string>>;

// Everything between '<' and '>' outside the style sheet. A '<' of another's would be among it.
Elements elements_of(const std::string& page) {
    Elements out;
    const auto style_at = page.find("<style>"), style_end = page.find("</style>");
    REQUIRE(style_at != std::string::npos);
    const std::string rest = page.substr(0, style_at) + page.substr(style_end + 8);
    const std::regex tag("<([^<>]*)>"), name("^/?!?([A-Za-z0-9]+)"),
        attribute(R"re(\s([^\s="]+)(="[^"]*")?)re");
    for (std::sregex_iterator it(rest.begin(), rest.end(), tag), end; it != end; ++it) {
        const std::string inside = (*it)[1];
        std::smatch found;
        REQUIRE(std::regex_search(inside, found, name));
        auto& attributes = out[found[1]];
        for (std::sregex_iterator a(inside.begin(), inside.end(), attribute); a != end; ++a)
            attributes.insert((*a)[1]);
    }
    // No '<' but those of elements.
    REQUIRE(std::distance(std::sregex_iterator(rest.begin(), rest.end(), tag),
                          std::sregex_iterator()) == std::count(rest.begin(), rest.end(), '<'));
    return out;
}

const std::set<std::string> kElements{
    "DOCTYPE", "html", "head", "meta", "title", "body", "header", "main",   "footer",
    "section", "div",  "span", "p",    "h1",    "h2",   "h3",     "strong", "code",
    "ol",      "ul",   "li",   "dl",   "dt",    "dd",   "table",  "tbody",  "thead",
    "tr",      "th",   "td",   "svg",  "rect",  "path"};
const std::set<std::string> kAttributes{"html",
                                        "lang",
                                        "charset",
                                        "http-equiv",
                                        "content",
                                        "name",
                                        "class",
                                        "id",
                                        "scope",
                                        "viewBox",
                                        "preserveAspectRatio",
                                        "role",
                                        "aria-label",
                                        "aria-hidden",
                                        "x",
                                        "y",
                                        "width",
                                        "height",
                                        "d"};

void check_is_ours(const std::string& page) {
    for (const auto& [element, attributes] : elements_of(page)) {
        INFO(element);
        CHECK(kElements.contains(element));
        for (const std::string& attribute : attributes) {
            INFO(attribute);
            CHECK(kAttributes.contains(attribute));
        }
    }
    CHECK(std::all_of(page.begin(), page.end(),
                      [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); }));
    for (const char* outside : {"http://", "https://", "url(", "@import"})
        CHECK_THAT(page, !ContainsSubstring(outside));
}

Inspection hostile_inspection() {
    const std::string text(kHostile);
    const Json record{{text, text}};
    return {text,
            {{text, text}, {"mrtd", text}, {"list", {text, 1}}, {"records", {record, record}}},
            {{text, record},
             {"part", {{"format", text}, {"fields", {{text, text}}}, {text, {{text, {record}}}}}},
             {"mixed", {record, {{text, {{text, text}}}}}}}};
}

struct ForgedEvidence {
    explicit ForgedEvidence(std::string_view kind) : files(*forge::forge_case(kind, test::now())) {
        const bool is_amd = kind.starts_with("snp");
        bytes = forge::content_of(files, is_amd ? "report.bin" : "quote.bin");
        for (const auto& file : files) {
            if (file.content == bytes || file.name == "table.bin") continue;
            REQUIRE_OK(endorsements.add(file.content, file.name));
        }
        REQUIRE_OK(anchors.add_certificate(forge::content_of(files, "root.der")));
    }
    AttestationResult judged(bool anchored = true) const {
        LocalVerifier verifier(anchored ? anchors : TrustAnchors());
        return verifier.appraise(bytes, endorsements, {}, {}, test::now());
    }
    Inspection shown() const { return *inspect_bytes(bytes, endorsements); }

    std::vector<forge::CaseFile> files;
    Bytes bytes;
    Endorsements endorsements;
    TrustAnchors anchors;
};

void collect_names(const Json& value, std::set<std::string>& out) {
    for (const auto& [name, member] : value.items()) {
        if (!value.is_array()) out.insert(name);
        if (member.is_structured()) collect_names(member, out);
    }
}

const ChainLink& link_called(const std::vector<ChainLink>& chain, std::string_view title) {
    const auto it = std::find_if(chain.begin(), chain.end(),
                                 [&](const ChainLink& link) { return link.title == title; });
    REQUIRE(it != chain.end());
    return *it;
}

}  // namespace

TEST_CASE("html: text becomes text: markup, quotes, control and direction characters", "[cli]") {
    struct Row {
        const char *text, *escaped;
    };
    auto row = GENERATE(values<Row>({{"a b", "a b"},
                                     {"<b>", "&lt;b&gt;"},
                                     {"&lt;", "&amp;lt;"},
                                     {"\"x' y", "&quot;x&#39; y"},
                                     {"\n\t\x1b", "\\x0a\\x09\\x1b"},
                                     {"\xc3\xa9", "\\xc3\\xa9"},
                                     {"\xe2\x80\xae", "\\xe2\\x80\\xae"},
                                     {"\x7f", "\\x7f"}}));
    CHECK(escape_html(row.text) == row.escaped);
    CHECK(escape_html(std::string_view("a\0b", 3)) == "a\\x00b");
}

TEST_CASE("html: a page about hostile names, values and files holds our elements alone", "[cli]") {
    const Inspection hostile = hostile_inspection();
    const ForgedEvidence tdx("tdx-v4");
    const AttestationResult refused = tdx.judged(/*anchored=*/false);
    for (const AttestationResult* result :
         {static_cast<const AttestationResult*>(nullptr), &refused}) {
        const std::string page = html_page(
            {std::string(kHostile), as_bytes(kHostile), hostile, &tdx.endorsements, result});
        check_is_ours(page);
        CHECK_THAT(page, ContainsSubstring("&lt;script&gt;alert(1)&lt;/script&gt;"));
        CHECK_THAT(page, !ContainsSubstring("<script"));
    }
}

TEST_CASE("html: a certificate with a hostile name is shown, and no more", "[cli]") {
    const forge::AmdHierarchy amd(forge::Product::milan, forge::shared_amd_keys(),
                                  forge::AmdValidity::around(test::now()));
    auto spec = amd.vcek_spec(forge::default_chip_id(forge::Product::milan),
                              forge::SnpTcb::typical(forge::Product::milan));
    const std::string name = "<script>alert('CN')</script>";
    forge::common_name(spec.subject) = name;
    const Bytes der = forge::issue(spec, amd.ask_issuer());
    const auto shown = inspect_bytes(der, {});
    REQUIRE_OK(shown);
    const std::string page = html_page({"leaf.der", der, *shown, nullptr, nullptr});
    check_is_ours(page);
    CHECK_THAT(page, ContainsSubstring("&lt;script&gt;alert(&#39;CN&#39;)&lt;/script&gt;"));
}

TEST_CASE("html: the page's policy allows its own style sheet by digest, and nothing else",
          "[cli]") {
    const ForgedEvidence snp("snp-milan-v3");
    const AttestationResult result = snp.judged();
    const std::string page =
        html_page({"report.bin", snp.bytes, snp.shown(), &snp.endorsements, &result});
    const auto from = page.find("<style>") + 7;
    const std::string style = page.substr(from, page.find("</style>") - from);
    CHECK(style == page_style().text());
    CHECK_THAT(page, ContainsSubstring("content=\"default-src 'none'; style-src 'sha256-" +
                                       to_base64(sha256(as_bytes(style))) +
                                       "'; base-uri 'none'; form-action 'none'\""));
    check_is_ours(page);
}

TEST_CASE("html: the byte map is gapless, and its fields hold what the decoder says", "[cli]") {
    const std::string kind = GENERATE(from_range(forge::case_kinds()));
    const ForgedEvidence evidence(kind);
    const Inspection shown = evidence.shown();
    const auto map = byte_map_of(evidence.bytes);
    REQUIRE(!map.empty());
    std::size_t at = 0, compared = 0;
    for (const ByteRange& range : map) {
        INFO(kind << ": " << range.name);
        CHECK(range.offset == at);
        at += range.len;
        const Json& fields = range.name.starts_with("qe_report.")
                                 ? shown.more["signature"]["qe_report"]
                                 : shown.fields;
        const std::string name = range.name.substr(range.name.starts_with("qe_report.") ? 10 : 0);
        const auto it = fields.find(name);
        const bool is_bytes =
            it != fields.end() && it->is_string() && it->get<std::string>().size() == 2 * range.len;
        if (!is_bytes) continue;
        CHECK(it->get<std::string>() ==
              to_hex(ByteView(evidence.bytes).subspan(range.offset, range.len)));
        ++compared;
    }
    CHECK(at == evidence.bytes.size());
    CHECK(compared >= 8);
}

TEST_CASE("html: padding behind a quote is on the byte map", "[cli]") {
    Bytes bytes = ForgedEvidence("tdx-v4").bytes;
    bytes.resize(bytes.size() + 100);
    const auto map = byte_map_of(bytes);
    REQUIRE(!map.empty());
    CHECK(map.back().name == "padding");
    CHECK(map.back().len == 100);
    bytes.back() = 1;
    CHECK(byte_map_of(bytes).empty());
}

TEST_CASE("explain: every field of evidence and its certificates has a meaning", "[cli]") {
    const std::string kind = GENERATE(from_range(forge::case_kinds()));
    const ForgedEvidence evidence(kind);
    std::set<std::string> names;
    for (const auto& file : evidence.files) {
        const auto shown = inspect_bytes(file.content, evidence.endorsements);
        REQUIRE_OK(shown);
        collect_names(shown->fields, names);
        collect_names(shown->more, names);
    }
    for (const std::string& name : names) {
        INFO(kind << ": " << name);
        CHECK((!meaning_of(name).empty() || name.starts_with("TDX_")));
    }
}

TEST_CASE("html: every field of evidence stands on its page with its meaning", "[cli]") {
    const ForgedEvidence evidence(GENERATE("tdx-v5-td15ex", "snp-turin-v5", "sgx-v3"));
    const Inspection shown = evidence.shown();
    const std::string page = html_page({"f", evidence.bytes, shown, nullptr, nullptr});
    for (const auto& [name, value] : shown.fields.items()) {
        INFO(name);
        CHECK_THAT(page,
                   ContainsSubstring((value.is_object() ? "<h3>" : "<th scope=\"row\">") + name));
        CHECK_THAT(page, ContainsSubstring(escape_html(meaning_of(name))));
    }
}

TEST_CASE("html: a chain that is accepted is verified link by link", "[cli]") {
    const ForgedEvidence evidence(GENERATE("tdx-v4", "snp-milan-v3", "snp-milan-v5-vlek"));
    const AttestationResult result = evidence.judged();
    REQUIRE(result.verdict() == Verdict::accepted);
    const auto chain = chain_of(evidence.shown(), &evidence.endorsements, &result);
    REQUIRE(chain.size() >= 5);
    for (const ChainLink& link : chain) {
        INFO(link.title);
        CHECK(link.state == (link.title == "Appraisal" ? LinkState::warned : LinkState::verified));
        CHECK((!link.facts.empty() || link.title == "Appraisal"));
        for (const SideLink& beside : link.sides) CHECK(beside.state == LinkState::verified);
    }
}

TEST_CASE("html: an error stands at its link, and no other link is called verified", "[cli]") {
    const ForgedEvidence tdx("tdx-v4");
    const AttestationResult refused = tdx.judged(/*anchored=*/false);
    const auto chain = chain_of(tdx.shown(), &tdx.endorsements, &refused);
    const ChainLink& root = link_called(chain, "Intel SGX Root CA");
    CHECK(root.state == LinkState::refused);
    REQUIRE(root.findings.size() == 1);
    CHECK(root.findings[0]->id == "tdx.chain.untrusted-root");
    for (const ChainLink& link : chain) CHECK(link.state != LinkState::verified);
}

TEST_CASE("html: an absent endorsement is absent at its link", "[cli]") {
    const ForgedEvidence snp("snp-milan-v3");
    LocalVerifier verifier(snp.anchors);
    const AttestationResult result = verifier.appraise(snp.bytes, {}, {}, {}, test::now());
    REQUIRE(result.verdict() == Verdict::undecided);
    const auto chain = chain_of(*inspect_bytes(snp.bytes, {}), nullptr, &result);
    CHECK(link_called(chain, "VCEK certificate").state == LinkState::undecided);
    CHECK(link_called(chain, "AMD Root Key (ARK)").state == LinkState::missing);
}

TEST_CASE("html: of a chain with a gap, the certificate that is not there is absent", "[cli]") {
    const ForgedEvidence snp("snp-milan-v3");
    Endorsements leaf_alone;
    REQUIRE_OK(leaf_alone.add(forge::content_of(snp.files, "leaf.der"), "leaf.der"));
    LocalVerifier verifier(snp.anchors);
    const AttestationResult result = verifier.appraise(snp.bytes, leaf_alone, {}, {}, test::now());
    REQUIRE(test::has_finding(result, "snp.chain.missing"));
    const auto chain = chain_of(*inspect_bytes(snp.bytes, leaf_alone), &leaf_alone, &result);
    CHECK(link_called(chain, "AMD SEV Key (ASK)").state == LinkState::undecided);
    CHECK(link_called(chain, "VCEK certificate").state == LinkState::offered);
}

TEST_CASE("html: decoded evidence is called not verified, link by link", "[cli]") {
    const ForgedEvidence tdx("tdx-v4");
    for (const ChainLink& link : chain_of(tdx.shown(), nullptr, nullptr))
        CHECK(link.state == LinkState::shown);
}

TEST_CASE("attestctl: --html writes a page, and verify's status stays the verdict's", "[cli]") {
    const ForgedEvidence tdx("tdx-v4");
    const TempDir dir;
    for (const auto& file : tdx.files) dir.write(file.name, file.content);
    const auto path = [&](const char* name) { return (dir / name).string(); };
    const std::vector<std::string> verify{"verify",         path("quote.bin"),
                                          "--endorsements", path("collateral.json"),
                                          "--at",           to_rfc3339(test::now())};
    const auto with = [&](std::vector<std::string> more) {
        more.insert(more.begin(), verify.begin(), verify.end());
        return attestctl(more);
    };
    CHECK(with({"--html", path("page.html")}).status == 1);
    const CliRun accepted = with({"--trust-anchor", path("root.der"), "--html", "-"});
    CHECK(accepted.status == 0);
    CHECK_THAT(accepted.out, ContainsSubstring("<strong>Accepted</strong>"));
    check_is_ours(accepted.out);
    const CliRun inspected = attestctl({"inspect", path("quote.bin"), "--html", "-"});
    CHECK(inspected.status == 0);
    CHECK_THAT(inspected.out, ContainsSubstring("Decoded, not verified"));
    CHECK(with({"--html", "-", "--json"}).status == 2);
    CHECK(attestctl({"inspect", path("quote.bin"), "--html", path("no/such/folder/x")}).status !=
          0);
}
