// Appraisal policies, in both strictnesses.
#include "tests/fuzz/target.h"
#include "verifier/policy.h"

namespace attestd::fuzz::policy {
namespace {

void run(ByteView input) {
    const auto strict = parse_appraisal_policy(as_text(input), "policy", PolicyStrictness::strict);
    const auto lenient =
        parse_appraisal_policy(as_text(input), "policy", PolicyStrictness::lenient);
    holds(lenient.has_value() || !strict.has_value(),
          "who passes the strict reading passes the other");
    if (!lenient) return;
    holds(lenient->digest == to_bytes(sha256(input)), "a policy is known by its bytes");
    for (const std::string& status : lenient->tdx.tcb.allowed_tcb_statuses)
        holds(status != "Revoked", "no policy allows what is revoked");
    if (!strict) return;
    reached();
    holds(strict->digest == lenient->digest, "both read the same file");
    const auto& tdx = strict->tdx;
    holds(!strict->names_tdx || tdx.mrtd.kind != ReferenceValues<48>::Kind::unpinned,
          "a strict policy leaves no reference value out");
}

Seeds seeds() {
    const std::string zeros(96, '0');
    const std::string any48 =
        R"("any", "mrconfigid": "any", "mrowner": "any", "mrownerconfig": "any")";
    return {
        seed("tdx", R"({"tdx": {"mrtd": [")" + zeros +
                        R"("], "rtmr0": "any", "rtmr1": "any", "rtmr2": "any",
 "rtmr3": "any", "mrseam": )" +
                        any48 +
                        R"(, "allowed_tcb_statuses": ["UpToDate", "OutOfDate"], "grace_days": 7,
 "allowed_advisories": ["INTEL-SA-00001"]}})"),
        seed("snp", R"(// a comment
{"snp": {"measurement": [")" +
                        zeros +
                        R"("], "min_tcb": {"Milan": {"all": {"bootloader": 4, "tee": 0, "snp": 22,
 "microcode": 213}}}, "host_data": "any", "id_key_digest": "any", "author_key_digest": "any", "allow_vlek": false,
 "vmpl": [0, 1], "platform_info_required": "0x1"}})"),
        seed(
            "event-log",
            R"({"sgx": {"mrenclave": "any", "mrsigner": "any"}, "event_log": {"secure_boot": true,
 "images": [")" +
                zeros +
                R"("], "command_line": ["ro"], "boot_commands": "any", "runtime_events": ["a b"]}})"),
        seed(
            "azure",
            R"({"tdx": {"mrtd": "any", "rtmr0": "any", "rtmr1": "any", "rtmr2": "any", "rtmr3": "any",
 "mrseam": )" + any48 +
                R"(, "azure": {"require_secure_boot": true, "pcrs": {"7": [")" +
                zeros.substr(0, 64) + R"("]}}}})"),
        seed(
            "sgx",
            R"({"sgx": {"mrenclave": "any", "mrsigner": "any", "isvprodid": 1, "min_isvsvn": 2}})")};
}

const bool kAdded = add({.name = "policy",
                         .run = run,
                         .seeds = seeds,
                         .words = {"\"tdx\":",
                                   "\"snp\":",
                                   "\"sgx\":",
                                   "\"event_log\":",
                                   "\"azure\":",
                                   "\"any\"",
                                   "\"mrtd\":",
                                   "\"rtmr0\":",
                                   "\"measurement\":",
                                   "\"min_tcb\":",
                                   "\"Milan\":",
                                   "\"all\":",
                                   "\"vmpl\":",
                                   "\"csp_ids\":",
                                   "\"allow_vcek\":",
                                   "\"grace_days\":",
                                   "\"require_crl\":",
                                   "\"pcrs\":",
                                   "\"secure_boot\":",
                                   "\"boot_commands\":",
                                   "\"Revoked\"",
                                   "true",
                                   "null",
                                   "0x",
                                   "//",
                                   "/*"},
                         .mutations = 3000});

}  // namespace
}  // namespace attestd::fuzz::policy
