#include "agent/cli/html/chain_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "quote/base/encoding.h"
#include "quote/base/time.h"
#include "verifier/claims_json.h"
#include "verifier/used_endorsements.h"

namespace attestd::cli {
namespace {

using Json = nlohmann::ordered_json;
using Facts = std::vector<std::pair<std::string, std::string>>;

constexpr std::size_t kMaxChainLen = 4;  // climbs end here, whatever names say

std::string text_of(const Json& fields, const char* key) {
    const auto it = fields.find(key);
    if (it == fields.end() || it->is_null()) return {};
    return it->is_string() ? it->get<std::string>() : it->dump();
}

void add_fact(Facts& facts, const char* name, const Json& fields, const char* key) {
    if (std::string text = text_of(fields, key); !text.empty())
        facts.emplace_back(name, std::move(text));
}

Facts validity_facts(const Json& fields, const char* from, const char* until) {
    const std::string begin = text_of(fields, from), end = text_of(fields, until);
    if (begin.empty() || end.empty()) return {};
    return {{"valid", begin + " to " + end}};
}

// --- certificates, wherever they came from

bool is_leaf(const Inspection& certificate) {
    return certificate.format == "pck-certificate" || certificate.format == "vcek-certificate" ||
           certificate.format == "vlek-certificate";
}

void take_certificates(std::vector<Inspection>& out, const Json& list) {
    if (!list.is_array()) return;
    for (const Json& item : list) {
        if (!item.is_object() || !item.contains("fields") || !item.contains("format")) continue;
        const std::string format = text_of(item, "format");
        if (format.ends_with("certificate")) out.push_back({format, item["fields"], Json()});
    }
}

std::vector<Inspection> certificates_of(const Inspection& shown, const Endorsements* given) {
    std::vector<Inspection> out;
    if (shown.format.ends_with("certificate")) out.push_back(shown);
    for (const char* key : {"further", "certificate_table"}) {
        if (shown.more.contains(key)) take_certificates(out, shown.more[key]);
    }
    if (shown.more.contains("certification_data"))
        take_certificates(out, shown.more["certification_data"].value("chain", Json()));
    if (given == nullptr) return out;
    for (const Certificate& certificate : given->certificates()) {
        if (auto one = inspect_bytes(certificate.der(), {})) out.push_back(*std::move(one));
    }
    return out;
}

// What the links are made of. Null: not there.
struct Given {
    const Inspection& shown;
    const Endorsements* endorsements;
    const UsedEndorsements* used;
    const AttestationResult* result;
    LinkState state;  // of endorsements that are shown
};

Given given_of(const Inspection& shown, const Endorsements* endorsements,
               const AttestationResult* result) {
    const UsedEndorsements* const used = result != nullptr ? result->rests_on() : nullptr;
    const bool is_guess = result != nullptr && used == nullptr;
    return {shown, endorsements, used, result, is_guess ? LinkState::offered : LinkState::shown};
}

// Leaf, intermediate, root: by names, which say who claims to have signed, no more.
std::vector<Inspection> climb(const std::vector<Inspection>& all, std::string_view leaf_format) {
    const auto leaf = std::find_if(all.begin(), all.end(), [&](const Inspection& c) {
        return leaf_format.empty() ? is_leaf(c) : c.format == leaf_format;
    });
    std::vector<Inspection> out;
    if (leaf == all.end()) return out;
    out.push_back(*leaf);
    while (out.size() < kMaxChainLen) {
        const std::string issuer = text_of(out.back().fields, "issuer");
        if (issuer.empty() || issuer == text_of(out.back().fields, "subject")) break;
        const auto next = std::find_if(all.begin(), all.end(), [&](const Inspection& c) {
            return text_of(c.fields, "subject") == issuer && !is_leaf(c);
        });
        if (next == all.end()) break;
        out.push_back(*next);
    }
    return out;
}

std::vector<Inspection> chain_from(const Given& given, std::string_view leaf_format) {
    if (given.used == nullptr)
        return climb(certificates_of(given.shown, given.endorsements), leaf_format);
    std::vector<Inspection> out;
    for (const Certificate& certificate : given.used->chain) {
        if (auto one = inspect_bytes(certificate.der(), {})) out.push_back(*std::move(one));
    }
    return out;
}

Facts certificate_facts(const Json& fields) {
    Facts out;
    add_fact(out, "subject", fields, "subject");
    for (auto& fact : validity_facts(fields, "not_before", "not_after"))
        out.push_back(std::move(fact));
    add_fact(out, "key", fields, "key");
    add_fact(out, "key's SHA-256", fields, "spki_sha256");
    add_fact(out, "FMSPC", fields, "fmspc");
    add_fact(out, "chip", fields, "hwid");
    add_fact(out, "provider", fields, "csp_id");
    return out;
}

struct Place {
    const char *title, *meaning, *verb;
};

// The chain's certificates, root first. What is not there is a link too.
void add_certificates(std::vector<ChainLink>& out, const std::vector<Inspection>& chain,
                      LinkState state, const std::vector<Place>& places) {
    for (std::size_t i = 0; i < places.size(); ++i) {
        const std::size_t at = places.size() - 1 - i;  // in `chain`, which begins with the leaf
        ChainLink link{places[i].title, places[i].meaning, {}, places[i].verb, {}, {}, {}};
        link.state = at < chain.size() ? state : LinkState::missing;
        if (at < chain.size()) link.facts = certificate_facts(chain[at].fields);
        out.push_back(std::move(link));
    }
}

// --- what stands beside

SideLink side(const char* title, const char* meaning) { return {title, meaning, {}, {}, {}}; }

// "CN=Root, O=..." to "Root"; what has no such beginning stays.
std::string common_name(const std::string& name) {
    constexpr std::string_view kBegin = "CN=";
    if (!name.starts_with(kBegin)) return name;
    return name.substr(kBegin.size(), name.find(", ") - kBegin.size());
}

// The lists that the result rests on; else all that were given and are of an issuer in the chain.
std::vector<Json> lists_from(const Given& given, const std::vector<Inspection>& chain) {
    std::vector<Json> out;
    const auto take = [&](const Crl& crl) {
        if (auto one = inspect_bytes(crl.der(), {})) out.push_back(std::move(one->fields));
    };
    if (given.used != nullptr) {
        for (const auto& crl : given.used->crls) take(*crl);
        return out;
    }
    if (given.endorsements == nullptr) return out;
    for (const GivenCrl& list : given.endorsements->crls()) {
        if (list.crl) take(*list.crl);
    }
    std::erase_if(out, [&](const Json& list) {
        return std::none_of(chain.begin(), chain.end(), [&](const Inspection& issuer) {
            return text_of(issuer.fields, "subject") == text_of(list, "issuer");
        });
    });
    return out;
}

SideLink revocation_side(const Given& given, const std::vector<Inspection>& chain) {
    SideLink out = side("Revocation lists", "Which certificates their issuers have taken back.");
    const auto lists = lists_from(given, chain);
    out.state = lists.empty() ? LinkState::missing : given.state;
    for (const Json& list : lists) {
        out.facts.emplace_back(
            common_name(text_of(list, "issuer")),
            fmt::format("{} revoked; {} to {}", list["revoked_serials"].size(),
                        text_of(list, "this_update"), text_of(list, "next_update")));
    }
    return out;
}

std::string period(const Window& validity) {
    return to_rfc3339(validity.from) + " to " + to_rfc3339(validity.until);
}

// Adds what is common to Intel's documents.
void add_document(SideLink& out, const Window& validity, std::uint32_t evaluation_number) {
    out.facts.emplace_back("valid", period(validity));
    out.facts.emplace_back("evaluation number", fmt::format("{}", evaluation_number));
}

// Where the result does not say what it rests on, every TCB information for this model.
SideLink tcb_side(const Given& given, bool is_tdx, std::string_view fmspc) {
    SideLink out = side("TCB information", "Which states of this model's firmware are up to date.");
    const auto add = [&](const TcbInfo& info) {
        out.facts.emplace_back("FMSPC", to_hex(info.fmspc));
        add_document(out, info.validity, info.evaluation_data_number);
    };
    if (given.used != nullptr && given.used->tcb_info != nullptr) {
        add(*given.used->tcb_info);
    } else if (given.used == nullptr && given.endorsements != nullptr) {
        for (const SignedDocument& document : given.endorsements->tcb_infos()) {
            const auto info = parse_tcb_info(document.text);
            if (info && info->tdx == is_tdx && to_hex(info->fmspc) == fmspc) add(*info);
        }
    }
    out.state = out.facts.empty() ? LinkState::missing : given.state;
    return out;
}

// Where the result does not say what it rests on, every identity of an enclave that signs such
// quotes.
SideLink identity_side(const Given& given, bool is_tdx) {
    SideLink out = side("Quoting enclave's identity", "Which enclave it must be.");
    const auto add = [&](const EnclaveIdentity& identity) {
        out.facts.emplace_back("id", identity.id);
        add_document(out, identity.validity, identity.evaluation_data_number);
    };
    if (given.used != nullptr && given.used->qe_identity != nullptr) {
        add(*given.used->qe_identity);
    } else if (given.used == nullptr && given.endorsements != nullptr) {
        for (const SignedDocument& document : given.endorsements->qe_identities()) {
            const auto identity = parse_enclave_identity(document.text);
            if (identity && identity->id == (is_tdx ? "TD_QE" : "QE")) add(*identity);
        }
    }
    out.state = out.facts.empty() ? LinkState::missing : given.state;
    return out;
}

// --- the links of each vendor

ChainLink evidence_link(const char* title, const char* meaning, const Json& fields) {
    ChainLink out{title, meaning, {}, {}, {}, {}, {}};
    for (const auto& [name, key] : {std::pair{"measurement", "mrtd"},
                                    {"measurement", "mrenclave"},
                                    {"measurement", "measurement"},
                                    {"report data", "report_data"},
                                    {"product", "product"}}) {
        add_fact(out.facts, name, fields, key);
    }
    return out;
}

std::vector<ChainLink> intel_links(const Given& given) {
    std::vector<ChainLink> out;
    const Inspection& shown = given.shown;
    const bool is_tdx = shown.format.starts_with("tdx");
    const auto chain = chain_from(given, "pck-certificate");
    add_certificates(
        out, chain, given.state,
        {{"Intel SGX Root CA",
          "The key that all of this ends in. Its digest is built into the verifier.", "signs"},
         {"PCK Platform or Processor CA", "Intel's authority for keys of machines.", "signs"},
         {"PCK certificate", "The key of one machine at one state of its firmware.",
          "signs the report of"}});
    out.back().sides.push_back(revocation_side(given, chain));
    out.back().sides.push_back(
        tcb_side(given, is_tdx, chain.empty() ? "" : text_of(chain[0].fields, "fmspc")));
    ChainLink enclave{
        "Quoting enclave",
        "Intel's program on the machine. Its report vouches for the key that signs quotes.",
        {},
        "signs",
        {},
        {},
        {}};
    if (shown.more.contains("signature")) {
        const Json& report = shown.more["signature"]["qe_report"];
        add_fact(enclave.facts, "signer", report, "mrsigner");
        add_fact(enclave.facts, "version", report, "isvsvn");
        add_fact(enclave.facts, "attestation key", shown.more["signature"], "attestation_key");
    }
    enclave.sides.push_back(identity_side(given, is_tdx));
    out.push_back(std::move(enclave));
    out.push_back(evidence_link(is_tdx ? "TDX quote" : "SGX quote",
                                is_tdx ? "What the machine says about the guest: firmware, boot, "
                                         "and the bytes that the guest chose."
                                       : "What the machine says about the enclave.",
                                shown.fields));
    return out;
}

// A report of version 2 does not name its product: the leaf that signed it does.
Json report_fields(const Given& given) {
    const auto* const report =
        given.result != nullptr ? std::get_if<SnpReport>(&given.result->claims()) : nullptr;
    return report != nullptr ? fields_of(*report) : given.shown.fields;
}

std::vector<ChainLink> amd_links(const Given& given) {
    std::vector<ChainLink> out;
    const Inspection& shown = given.shown;
    const bool is_vlek = text_of(shown.fields, "signing_key") == "VLEK";
    const auto chain = chain_from(given, is_vlek ? "vlek-certificate" : "vcek-certificate");
    add_certificates(
        out, chain, given.state,
        {{"AMD Root Key (ARK)",
          "The key that all of this ends in. Its digest is built into the verifier.", "signs"},
         {is_vlek ? "SEV-VLEK intermediate" : "AMD SEV Key (ASK)",
          is_vlek ? "AMD's authority for keys of cloud providers."
                  : "AMD's authority for keys of chips.",
          "signs"},
         {is_vlek ? "VLEK certificate" : "VCEK certificate",
          is_vlek ? "A cloud provider's key at one state of the firmware."
                  : "The key of one chip at one state of its firmware.",
          "signs"}});
    out.back().sides.push_back(revocation_side(given, chain));
    out.push_back(evidence_link("SEV-SNP report",
                                "What the processor says about the guest: its launch, its policy, "
                                "and the bytes that the guest chose.",
                                report_fields(given)));
    return out;
}

std::vector<ChainLink> certificate_links(const Inspection& shown) {
    std::vector<ChainLink> out;
    auto chain = climb(certificates_of(shown, nullptr), shown.format);
    for (std::size_t i = chain.size(); i-- > 0;) {
        const bool is_last = i == 0;
        out.push_back({is_leaf(chain[i]) ? "Leaf certificate" : "Certificate",
                       "",
                       certificate_facts(chain[i].fields),
                       is_last ? "" : "issued",
                       LinkState::shown,
                       {},
                       {}});
    }
    return out;
}

bool concerns_azure(const AttestationResult& result) {
    return result.azure() != nullptr ||
           std::any_of(result.findings().begin(), result.findings().end(), [](const Finding& f) {
               return f.id.find(".hcl.") != f.id.npos || f.id.find(".vtpm.") != f.id.npos;
           });
}

void add_azure(std::vector<ChainLink>& out, const AttestationResult* result) {
    if (result == nullptr || !concerns_azure(*result)) return;
    ChainLink paravisor{"Paravisor",
                        "The layer below the guest. The report's data is the hash of what it says, "
                        "the vTPM's key among it.",
                        {},
                        "holds the key of",
                        {},
                        {},
                        {}};
    ChainLink quote{"vTPM quote", "What was booted, as PCRs, over the nonce.", {}, {}, {}, {}, {}};
    if (result->azure() != nullptr) {
        const Json claims = fields_of(*result->azure());
        add_fact(paravisor.facts, "key of the vTPM", claims, "ak_thumbprint");
        add_fact(paravisor.facts, "Secure Boot", claims["vm_configuration"], "secure_boot");
        add_fact(paravisor.facts, "console", claims["vm_configuration"], "console_enabled");
        add_fact(quote.facts, "nonce", claims, "nonce");
        add_fact(quote.facts, "PCR 4 (boot loader)", claims.value("pcrs", Json()), "4");
        add_fact(quote.facts, "PCR 7 (Secure Boot)", claims.value("pcrs", Json()), "7");
    }
    out.back().verb = "binds";
    out.push_back(std::move(paravisor));
    out.push_back(std::move(quote));
}

// --- findings to links

struct Rule {
    std::string_view step, title;  // of the id behind "<tee>."; of the link or what is beside it
};

constexpr std::string_view kAppraisal = "Appraisal";

// The first that the rest of an id begins with counts.
constexpr Rule kRules[] = {
    {"chain.untrusted-root", "Intel SGX Root CA"},
    {"chain.untrusted-root", "AMD Root Key (ARK)"},
    {"report.product", "AMD Root Key (ARK)"},
    {"crl.tcb-signer-revoked", "TCB information"},
    {"crl.leaf-revoked", "PCK certificate"},
    {"crl.leaf-revoked", "VCEK certificate"},
    {"crl.leaf-revoked", "VLEK certificate"},
    {"crl.intermediate-revoked", "PCK Platform or Processor CA"},
    {"crl.intermediate-revoked", "AMD SEV Key (ASK)"},
    {"crl.intermediate-revoked", "SEV-VLEK intermediate"},
    {"crl.", "Revocation lists"},
    {"chain.", "PCK certificate"},
    {"chain.", "VCEK certificate"},
    {"chain.", "VLEK certificate"},
    {"leaf.", "VCEK certificate"},
    {"leaf.", "VLEK certificate"},
    {"tcb-info.", "TCB information"},
    {"qe-identity.", "Quoting enclave's identity"},
    {"qe-report.", "Quoting enclave"},
    {"quote.", "TDX quote"},
    {"quote.", "SGX quote"},
    {"report.", "SEV-SNP report"},
    {"hcl.", "Paravisor"},
    {"vtpm.", "vTPM quote"},
};

LinkState worse(LinkState a, LinkState b) { return std::max(a, b); }

LinkState state_of_finding(const Finding& finding) {
    if (finding.severity == Severity::error)
        return finding.id.ends_with(".missing") ? LinkState::undecided : LinkState::refused;
    return LinkState::warned;
}

template <class Link>
void hit(Link& link, const Finding& finding) {
    link.findings.push_back(&finding);
    const LinkState now = state_of_finding(finding);
    // What is not there stays so, unless something worse is said of it.
    link.state = worse(link.state, now);
}

bool assign(std::vector<ChainLink>& links, const Finding& finding, std::string_view title) {
    for (ChainLink& link : links) {
        if (link.title == title) return hit(link, finding), true;
        for (SideLink& beside : link.sides) {
            if (beside.title == title) return hit(beside, finding), true;
        }
    }
    return false;
}

// A certificate that is absent is the one that is not there: of several, the one that is needed
// first, next to the evidence.
bool assign_to_gap(std::vector<ChainLink>& links, const Finding& finding) {
    const auto gap = std::find_if(links.rbegin(), links.rend(), [](const ChainLink& link) {
        return link.state == LinkState::missing;
    });
    if (gap == links.rend()) return false;
    hit(*gap, finding);
    return true;
}

void assign(std::vector<ChainLink>& links, const Finding& finding) {
    const std::size_t dot = finding.id.find('.');
    const std::string_view rest =
        std::string_view(finding.id).substr(dot == finding.id.npos ? 0 : dot + 1);
    if (rest == "chain.missing" && assign_to_gap(links, finding)) return;
    for (const Rule& rule : kRules) {
        if (rest.starts_with(rule.step) && assign(links, finding, rule.title)) return;
    }
    assign(links, finding, kAppraisal);
}

void judge(std::vector<ChainLink>& links, const AttestationResult& result) {
    const LinkState quiet =
        result.verdict() == Verdict::accepted ? LinkState::verified : LinkState::neutral;
    const auto set = [&](auto& link) {
        if (link.state == LinkState::shown) link.state = quiet;
    };
    for (ChainLink& link : links) {
        set(link);
        for (SideLink& beside : link.sides) set(beside);
    }
    for (const Finding& finding : result.findings()) {
        if (finding.severity != Severity::info) assign(links, finding);
    }
}

bool is_amd(std::string_view format) { return format.starts_with("snp-report"); }
bool is_intel(std::string_view format) { return format.find("-quote-v") != format.npos; }

}  // namespace

std::vector<ChainLink> chain_of(const Inspection& shown, const Endorsements* endorsements,
                                const AttestationResult* result) {
    std::vector<ChainLink> out;
    if (is_intel(shown.format))
        out = intel_links(given_of(shown, endorsements, result));
    else if (is_amd(shown.format))
        out = amd_links(given_of(shown, endorsements, result));
    else if (shown.format.ends_with("certificate"))
        out = certificate_links(shown);
    if (out.empty() || result == nullptr) return out;
    add_azure(out, result);
    out.back().verb = "is held against";
    out.push_back({std::string(kAppraisal),
                   "Policy and reference values: whether a machine that says this may be trusted.",
                   {},
                   {},
                   {},
                   {},
                   {}});
    judge(out, *result);
    return out;
}

}  // namespace attestd::cli
