#include "agent/cli/html/page.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/cli/html/byte_map.h"
#include "agent/cli/html/chain_model.h"
#include "agent/cli/html/field_tables.h"
#include "agent/cli/html/style.h"
#include "agent/cli/output.h"
#include "quote/base/digest.h"
#include "quote/base/encoding.h"
#include "verifier/claims_json.h"

namespace attestd::cli {
namespace {

using Json = nlohmann::ordered_json;

Markup class_of(Severity severity) {
    if (severity == Severity::error) return "bad";
    if (severity == Severity::warning) return "warn";
    return "calm";
}

Markup class_of(LinkState state) {
    switch (state) {
        case LinkState::verified:
            return "ok";
        case LinkState::warned:
        case LinkState::undecided:
            return "warn";
        case LinkState::refused:
            return "bad";
        case LinkState::shown:
        case LinkState::offered:
        case LinkState::missing:
        case LinkState::neutral:
            break;
    }
    return "calm";
}

// A word for each colour: the page says the same in grey.
Markup word_of(LinkState state) {
    switch (state) {
        case LinkState::shown:
            return "not verified";
        case LinkState::offered:
            return "offered, not used";
        case LinkState::missing:
            return "not given";
        case LinkState::verified:
            return "verified";
        case LinkState::warned:
            return "warning";
        case LinkState::neutral:
            return "no finding";
        case LinkState::undecided:
            return "absent";
        case LinkState::refused:
            break;
    }
    return "refused";
}

void put_head(Html& out, const PageInput& input) {
    const Markup style = page_style();
    const std::string digest = to_base64(sha256(as_bytes(style.text())));
    out.put(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
        "'sha256-");
    out.text(digest).put(
        "'; base-uri 'none'; form-action 'none'\">"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
        "<meta name=\"referrer\" content=\"no-referrer\">");
    out.element("<title>", input.shown.format, " &middot; ")
        .text(input.file)
        .put("</title><style>");
    out.put(style).put("</style></head>");
}

void put_fact(Html& out, std::string_view name, std::string_view value) {
    out.element("<dt>", name, "</dt>").element("<dd>", value, "</dd>");
}

std::size_t count(const AttestationResult& result, Severity severity) {
    return static_cast<std::size_t>(
        std::count_if(result.findings().begin(), result.findings().end(),
                      [&](const Finding& f) { return f.severity == severity; }));
}

std::string tally(const AttestationResult& result) {
    const auto some = [&](Severity severity, std::string_view one) {
        const std::size_t n = count(result, severity);
        return fmt::format("{} {}{}", n, one, n == 1 ? "" : "s");
    };
    return fmt::format("{}, {}", some(Severity::error, "error"),
                       some(Severity::warning, "warning"));
}

void put_verdict_words(Html& out, const AttestationResult& result) {
    switch (result.verdict()) {
        case Verdict::accepted:
            out.put(
                "<div class=\"verdict ok\"><strong>Accepted</strong>"
                "Every check was made, and passed.");
            return;
        case Verdict::undecided:
            out.put(
                "<div class=\"verdict warn\"><strong>Undecided</strong>"
                "An endorsement is absent, and nothing else is wrong.");
            return;
        case Verdict::refused:
            break;
    }
    out.put(
        "<div class=\"verdict bad\"><strong>Refused</strong>"
        "At least one check failed: the findings of severity error say which.");
}

void put_verdict(Html& out, const AttestationResult* result) {
    if (result == nullptr) {
        out.put(
            "<div class=\"verdict calm\"><strong>Decoded, not verified</strong>"
            "This page shows what the file says. Nothing on it was checked.</div>");
        return;
    }
    put_verdict_words(out, *result);
    if (result->grade() == Grade::test && result->verdict() == Verdict::accepted) {
        out.put(
            "<p><span class=\"badge warn\">test grade</span> It rests on a trust anchor that was "
            "added, not on a vendor's key.</p>");
    }
    out.put("<dl>");
    put_fact(out, "judged as of", to_rfc3339(result->verified_at()));
    if (result->valid_until()) {
        put_fact(out, "valid until", to_rfc3339(*result->valid_until()));
        put_fact(out, "grade", grade_name(result->grade()));
    }
    put_fact(out, "findings", tally(*result));
    out.put("</dl></div>");
}

void put_hits(Html& out, const std::vector<const Finding*>& findings) {
    if (findings.empty()) return;
    out.put("<ul class=\"hits\">");
    for (const Finding* finding : findings) {
        out.put("<li class=\"").put(class_of(finding->severity)).put("\"><span class=\"badge\">");
        out.text(severity_name(finding->severity)).put("</span>");
        out.element("<span class=\"id\">", finding->id, "</span></li>");
    }
    out.put("</ul>");
}

// A card's inside: of a link, and of what stands beside one.
template <class Link>
void put_card(Html& out, const Link& link) {
    out.put("<span class=\"badge\">").put(word_of(link.state));
    out.element("</span><h3>", link.title, "</h3>");
    if (!link.meaning.empty()) out.element("<p>", link.meaning, "</p>");
    if (!link.facts.empty()) {
        out.put("<dl class=\"facts\">");
        for (const auto& [name, value] : link.facts) put_fact(out, name, value);
        out.put("</dl>");
    }
    put_hits(out, link.findings);
}

void put_link(Html& out, const ChainLink& link) {
    out.put("<li>").put(link.sides.empty() ? Markup("<div class=\"link\">")
                                           : Markup("<div class=\"link has-asides\">"));
    out.put("<div class=\"card ").put(class_of(link.state)).put("\">");
    put_card(out, link);
    out.put("</div>");
    if (!link.sides.empty()) out.put("<div class=\"asides\">");
    for (const SideLink& beside : link.sides) {
        out.put("<div class=\"card aside ").put(class_of(beside.state)).put("\">");
        put_card(out, beside);
        out.put("</div>");
    }
    if (!link.sides.empty()) out.put("</div>");
    out.put("</div>");
    if (!link.verb.empty()) {
        out.put(
            "<p class=\"verb\"><svg class=\"arrow\" viewBox=\"0 0 14 34\" aria-hidden=\"true\">"
            "<path d=\"M7 0V32M2 26l5 6 5-6\"/></svg>");
        out.text(link.verb).put("</p>");
    }
    out.put("</li>");
}

void put_chain(Html& out, const std::vector<ChainLink>& chain) {
    if (chain.empty()) return;
    out.put(
        "<section id=\"chain\"><h2>Chain of trust</h2><p class=\"lead\">Each link rests on the one "
        "above it. Beside a link stands what may take it back.</p><ol class=\"chain\">");
    for (const ChainLink& link : chain) put_link(out, link);
    out.put("</ol></section>");
}

void put_findings(Html& out, const AttestationResult& result) {
    out.put("<section id=\"findings\"><h2>Findings</h2>");
    if (result.findings().empty()) {
        out.put("<p class=\"lead\">None.</p></section>");
        return;
    }
    out.put(
        "<p class=\"lead\">An error refuses. A warning does not, and should be looked at.</p>"
        "<ul class=\"findings\">");
    for (const Severity severity : {Severity::error, Severity::warning, Severity::info}) {
        for (const Finding& finding : result.findings()) {
            if (finding.severity != severity) continue;
            out.put("<li class=\"").put(class_of(severity)).put("\"><span class=\"badge\">");
            out.text(severity_name(severity)).put("</span>");
            out.element("<span class=\"id\">", finding.id, "</span>");
            out.element("<p>", finding.detail, "</p></li>");
        }
    }
    out.put("</ul></section>");
}

void put_body(Html& out, const PageInput& input) {
    out.put("<main>");
    put_chain(out, chain_of(input.shown, input.endorsements, input.result));
    if (input.result != nullptr) {
        const Json judged = to_json(*input.result);
        put_findings(out, *input.result);
        put_fields(out, "State of the platform", judged["tcb"]);
        put_fields(out, "Claims", judged["claims"]);
        put_fields(out, "Signature and certificates", input.shown.more);
    } else {
        put_fields(out, "Fields", input.shown.fields);
        put_fields(out, "What goes with them", input.shown.more);
    }
    put_byte_map(out, byte_map_of(input.bytes), input.bytes);
    out.put("</main>");
}

}  // namespace

std::string html_page(const PageInput& input) {
    Html out;
    put_head(out, input);
    out.put("<body><header class=\"top\"><p class=\"kind\">attestation evidence</p>");
    out.element("<h1>", input.shown.format, "</h1>");
    out.element("<p class=\"file\">", input.file, "</p><p class=\"muted\">");
    out.number(input.bytes.size()).put(" bytes, SHA-256 ");
    out.element("<code class=\"file\">", to_hex(sha256(input.bytes)), "</code></p>");
    put_verdict(out, input.result);
    out.put("</header>");
    put_body(out, input);
    out.put(
        "<footer><p>Written by attestctl. What is not printable ASCII is shown as \\xNN. Findings, "
        "fields and error codes: attestctl(1), attestd-api(7).</p></footer></body></html>\n");
    return out.str();
}

Result<void> write_page(const std::string& path, const PageInput& input) {
    constexpr unsigned kPageMode = 0644;
    const std::string page = html_page(input);
    if (path == "-") return print(page);
    return write_file(path, as_bytes(page), kPageMode);
}

}  // namespace attestd::cli
