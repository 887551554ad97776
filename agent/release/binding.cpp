#include "agent/release/binding.h"

#include <fmt/format.h>

#include "agent/release/judgement.h"
#include "quote/base/encoding.h"

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
    }
    return fail(Errc::binding_mismatch, "config_binding: unknown");
}

}  // namespace attestd
