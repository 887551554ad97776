#include "agent/release/binding.h"

#include <fmt/format.h>

#include "agent/release/judgement.h"
#include "quote/base/encoding.h"
#include "quote/boot/boot_facts.h"

namespace attestd {
namespace {

Result<void> compare_field(std::string_view field, const AttestationResult& result,
                           ByteView digest) {
    const ClaimInfo& claim = all_claims()[claim_index(field).value()];
    const ClaimView found = claim_of(result, claim);
    const auto* const bytes = std::get_if<ByteView>(&found);
    if (bytes != nullptr && equal(*bytes, digest)) return {};
    return fail(
        Errc::binding_mismatch,
        fmt::format("config_binding: {} is {}, the configuration's digest is {}; launch the "
                    "machine with the latter, or put the configuration back",
                    field, claim_text(claim, found), to_hex(digest)));
}

// Events of boot facts are those whose replay gave the registers of verified evidence.
Result<void> find_measured(const AttestationResult& result, const Sha256& digest) {
    if (result.boot() == nullptr) {
        return fail(Errc::binding_mismatch,
                    "config_binding: no event log explains RTMR3 of this evidence; it takes a TDX "
                    "guest with a boot log (\"attestctl doctor\") and the local verifier");
    }
    const auto last = last_config(result.boot()->runtime_events);
    if (last == to_hex(digest)) return {};
    return fail(
        Errc::binding_mismatch,
        fmt::format("config_binding: the last configuration that rtmr3 was extended with is "
                    "{}, this one is {}; it is measured at the start and at each reload, "
                    "and newer evidence will show it",
                    last.value_or("none"), to_hex(digest)));
}

}  // namespace

Result<void> check_binding(const Config& config, const AttestationResult& result) {
    switch (config.config_binding) {
        case ConfigBinding::none:
        case ConfigBinding::image:
            return {};
        case ConfigBinding::hostdata:
            return compare_field("host_data", result, config.digest);
        case ConfigBinding::mrconfigid:
            return compare_field("mrconfigid", result, config.digest_sha384);
        case ConfigBinding::rtmr3:
            return find_measured(result, config.digest);
    }
    return fail(Errc::binding_mismatch, "config_binding: unknown");
}

}  // namespace attestd
