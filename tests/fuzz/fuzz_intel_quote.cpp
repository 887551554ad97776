// TDX and SGX quotes of versions 3, 4 and 5: parsing, writing again, verification.
#include <nlohmann/json.hpp>

#include "quote/base/reader.h"
#include "quote/intel/quote.h"
#include "tests/fuzz/appraisal.h"
#include "tests/support/forge/quote_forge.h"
#include "verifier/claims_json.h"

namespace attestd::fuzz::intel_quote {
namespace {

std::uint64_t word(const ByteArray<8>& bytes) { return load_le<std::uint64_t>(bytes); }

// The body again, from its fields alone.
Bytes written(const TdReport& td) {
    forge::TdBody out;
    out.tee_tcb_svn = td.tee_tcb_svn;
    out.mrseam = td.mr_seam;
    out.mrsignerseam = td.mr_signer_seam;
    out.seam_attributes = word(td.seam_attributes);
    out.td_attributes = word(td.td_attributes);
    out.xfam = word(td.xfam);
    out.mrtd = td.mr_td;
    out.mrconfigid = td.mr_config_id;
    out.mrowner = td.mr_owner;
    out.mrownerconfig = td.mr_owner_config;
    out.rtmr = td.rtmr;
    out.report_data = td.report_data;
    if (!td.tee_tcb_svn2) return body_bytes(out, forge::BodyType::td10);
    out.tee_tcb_svn2 = *td.tee_tcb_svn2;
    out.mrservicetd = td.mr_service_td.value();
    if (!td.ex) return body_bytes(out, forge::BodyType::td15);
    const TdReportEx& ex = *td.ex;
    out.vmid = ex.vm_id;
    out.td_id = ex.td_id;
    out.devinfo = ex.dev_info;
    out.init_servtd_hash = ex.init_servtd_hash;
    out.init_servtd_attr = word(ex.init_servtd_attr);
    out.init_cpusvn = ex.init_cpu_svn;
    out.init_tee_tcb_svn = ex.init_tee_tcb_svn;
    out.init_tee_fmspc = ex.init_tee_fmspc;
    out.cur_servtd_hash = ex.cur_servtd_hash;
    out.cur_servtd_attr = word(ex.cur_servtd_attr);
    return body_bytes(out, forge::BodyType::td15ex);
}

void check_fields(const ParsedQuote& parsed) {
    const QuoteHeader& h = parsed.quote.header;
    const Bytes header = forge::header_bytes(
        {h.version, h.att_key_type, h.tee_type, h.qe_svn, h.pce_svn, h.qe_vendor_id, h.user_data});
    holds(equal(parsed.signed_part.first(header.size()), header), "the header is written again");
    if (const auto* td = std::get_if<TdReport>(&parsed.quote.body)) {
        const Bytes body = written(*td);
        holds(equal(parsed.signed_part.last(body.size()), body), "the body is written again");
    }
    holds(!fields_of(parsed.quote).dump().empty(), "the fields are printed");
}

void check_parts(const ParsedQuote& parsed, ByteView input) {
    forge::QuoteParts parts;
    parts.version = parsed.quote.header.version;
    parts.signed_part = to_bytes(parsed.signed_part);
    parts.signature = to_bytes(parsed.signature);
    parts.attestation_key = to_bytes(parsed.attestation_key);
    parts.qe_report = to_bytes(parsed.qe_report_bytes);
    parts.qe_report_signature = to_bytes(parsed.qe_report_signature);
    parts.auth_data = to_bytes(parsed.qe_auth_data);
    parts.certification_type = parsed.cert_data_type;
    parts.certification_data = to_bytes(parsed.cert_data);
    holds(equal(assemble(parts), input.first(parsed.consumed)), "a quote is its parts");
    holds(all_zero(input.subspan(parsed.consumed)), "only padding follows");
    holds(lies_in(as_bytes(parsed.pck_chain()), parsed.cert_data), "the chain is part of it");
}

struct Cases {
    ForgedCase sgx3{"sgx-v3"}, sgx4{"sgx-v4"}, sgx5{"sgx-v5"}, tdx4{"tdx-v4"}, tdx5{"tdx-v5-td10"},
        tdx15{"tdx-v5-td15"}, tdx15ex{"tdx-v5-td15ex"};
    std::vector<ForgedCase*> all{&sgx3, &sgx4, &sgx5, &tdx4, &tdx5, &tdx15, &tdx15ex};
};
Cases& cases() {
    static Cases made;
    return made;
}

bool is_genuine(const ParsedQuote& parsed) {
    for (const ForgedCase* one : cases().all) {
        const ParsedQuote genuine = must(parse_intel_quote(one->evidence()));
        if (equal(parsed.signed_part, genuine.signed_part) &&
            equal(parsed.attestation_key, genuine.attestation_key) &&
            equal(parsed.qe_report_bytes, genuine.qe_report_bytes))
            return true;
    }
    return false;
}

void run(ByteView input) {
    const auto parsed = parse_intel_quote(input);
    if (parsed) {
        reached();
        holds(looks_like_intel_quote(input), "what parses is recognised");
        check_fields(*parsed);
        check_parts(*parsed, input);
    }
    ForgedCase& judge = parsed && !parsed->quote.is_tdx() ? cases().sgx4 : cases().tdx4;
    const AttestationResult result = judge.appraise(input);
    look_at(result);
    if (result.verdict() == Verdict::accepted)
        holds(parsed && is_genuine(*parsed), "what was not signed is not verified");
}

Seeds seeds() {
    Seeds out;
    for (const ForgedCase* one : cases().all) {
        out.push_back({std::to_string(out.size()), one->evidence()});
    }
    Bytes padded = cases().tdx4.evidence();
    padded.resize(padded.size() + 100);
    out.push_back({"padded", padded});
    return out;
}

const bool kAdded = add({.name = "intel-quote", .run = run, .seeds = seeds});

}  // namespace
}  // namespace attestd::fuzz::intel_quote
