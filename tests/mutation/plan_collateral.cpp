// Intel's documents: the one-file collateral and the service's own form.
#include <algorithm>
#include <array>
#include <stdexcept>

#include "tests/mutation/plan.h"

namespace attestd::mutation {
namespace {

// A member of a flat JSON object, as ranges of the raw text between the quotes.
struct Member {
    std::string_view key, value;  // the value of anything but text is empty
    std::size_t key_at, value_at;
};

// Strings alone are looked for: a key is one that a colon follows.
std::vector<Member> members_of(std::string_view text) {
    std::vector<std::pair<std::size_t, std::size_t>> strings;
    for (std::size_t at = text.find('"'); at != text.npos; at = text.find('"', at)) {
        const std::size_t start = ++at;
        while (text[at] != '"') at += text[at] == '\\' ? 2 : 1;
        strings.emplace_back(start, at++);
    }
    std::vector<Member> out;
    for (std::size_t i = 0; i + 1 < strings.size(); i += 2) {
        const auto [k, k_end] = strings[i];
        const auto [v, v_end] = strings[i + 1];
        out.push_back({text.substr(k, k_end - k), text.substr(v, v_end - v), k, v});
    }
    return out;
}

// Upper and lower case of a hexadecimal digit mean the same.
void allow_case_of_hex(Plan& plan, std::string_view value, std::size_t at) {
    constexpr std::size_t kCaseBit = 5;
    for (std::size_t i = 0; i < value.size(); ++i) {
        const char c = value[i];
        if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
            plan.unsigned_bits[8 * (at + i) + kCaseBit] = "case of a hexadecimal digit";
    }
}

struct Rule {
    std::string_view key;
    Reasons value;    // beyond those of reading JSON
    Reasons renamed;  // when the key is spoilt: the member is as good as absent
    enum class Form : std::uint8_t { text, hex, optional_text } form;
};

const std::vector<Rule>& rules() {
    using Form = Rule::Form;
    static const std::vector<Rule> all{
        {"tcb_info", {Errc::tcb_info_signature}, {Errc::tcb_info_missing}, Form::text},
        {"tcb_info_signature", {Errc::tcb_info_signature}, {Errc::tcb_info_signature}, Form::hex},
        {"tcb_info_issuer_chain", {Errc::tcb_info_chain}, {Errc::chain_missing}, Form::text},
        {"qe_identity", {Errc::qe_identity_signature}, {Errc::qe_identity_missing}, Form::text},
        {"qe_identity_signature",
         {Errc::qe_identity_signature},
         {Errc::qe_identity_signature},
         Form::hex},
        {"qe_identity_issuer_chain", {Errc::qe_identity_chain}, {Errc::chain_missing}, Form::text},
        {"root_ca_crl",
         {Errc::crl_malformed, Errc::crl_issuer, Errc::crl_signature},
         {Errc::crl_missing},
         Form::hex},
        {"pck_crl",
         {Errc::crl_malformed, Errc::crl_issuer, Errc::crl_signature},
         {Errc::crl_missing},
         Form::hex},
        {"pck_crl_issuer_chain", {Errc::crl_issuer}, {}, Form::optional_text}};
    return all;
}

const Rule& rule_of(std::string_view key) {
    const auto& all = rules();
    const auto it =
        std::find_if(all.begin(), all.end(), [&](const Rule& r) { return r.key == key; });
    if (it == all.end()) throw std::runtime_error("collateral has an unknown member");
    return *it;
}

const Reasons kJson{Errc::bad_json,      Errc::bad_encoding, Errc::wrong_type,    Errc::missing_key,
                    Errc::duplicate_key, Errc::unknown_key,  Errc::unknown_format};

}  // namespace

Plan plan_collateral(ByteView json) {
    const std::string_view text = as_text(json);
    Plan plan;
    plan.regions.push_back({"JSON", {0, json.size()}, kJson});
    for (const Member& member : members_of(text)) {
        const Rule& rule = rule_of(member.key);
        const std::string name(member.key);
        plan.regions.push_back({name, {member.value_at, member.value.size()}, rule.value});
        plan.regions.push_back({name + " (key)", {member.key_at, member.key.size()}, rule.renamed});
        if (rule.form == Rule::Form::hex) allow_case_of_hex(plan, member.value, member.value_at);
        if (rule.form != Rule::Form::optional_text) continue;
        for (std::size_t i = 0; i < member.key.size(); ++i) {
            for (std::size_t bit = 0; bit < 7; ++bit) {  // bit 7 would be no UTF-8
                const char c = static_cast<char>(member.key[i] ^ (1 << bit));
                if (c >= 0x20 && c != '"' && c != '\\')
                    plan.unsigned_bits[8 * (member.key_at + i) + bit] =
                        "the name of a member that may be left out";
            }
        }
    }
    plan.form = kJson;
    plan.whole_from = text.rfind('}') + 1;
    return plan;
}

Plan plan_document(ByteView json, std::string_view key) {
    const std::string_view text = as_text(json);
    const bool tcb_info = key == "tcbInfo";
    const Errc wrong = tcb_info ? Errc::tcb_info_signature : Errc::qe_identity_signature;
    Plan plan;
    // The outermost braces and keys are read before anything is verified.
    plan.regions.push_back({"document", {0, json.size()}, kJson | Reasons{wrong}});
    constexpr std::string_view kSignature = "\"signature\":\"";
    const std::size_t at = text.rfind(kSignature) + kSignature.size();
    allow_case_of_hex(plan, text.substr(at, 128), at);
    plan.form = kJson;
    plan.whole_from = text.rfind('}') + 1;
    return plan;
}

}  // namespace attestd::mutation
