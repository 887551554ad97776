#include "agent/remote/signer_crls.h"

#include <fmt/format.h>

#include "agent/log.h"
#include "agent/remote/service.h"

namespace attestd::remote {
namespace {

constexpr std::size_t kMaxKeptLists = 16;  // a key set's own are two or three

}  // namespace

// A list that is kept and no good any more (its end, another key of the issuer) is fetched again.
Result<SignerCrl> SignerCrls::list_at(const std::string& address, const X509& issuer, Time now,
                                      Fetcher::Deadline deadline) {
    const auto found = kept_.find(address);
    if (found != kept_.end() && found->second.check(issuer, now)) return found->second;
    FetchRequest request;
    request.url = address;
    request.headers.emplace_back("Accept", "application/pkix-crl, */*");
    const auto answer = fetcher_->fetch(request, deadline);
    const auto is_there = answer ? check_status(*answer, {200}, Asked::other, "revocation list")
                                 : Result<void>(tl::make_unexpected(answer.error()));
    if (!is_there) return fail(Errc::crl_missing, to_string(is_there.error()));
    ATTESTD_TRY(SignerCrl list, SignerCrl::parse(answer->body));
    ATTESTD_CHECK(list.check(issuer, now));
    if (kept_.size() >= kMaxKeptLists) kept_.clear();
    kept_.insert_or_assign(address, list);
    return list;
}

Result<void> SignerCrls::check_one(const X509& certificate, const X509& issuer, Time now,
                                   Fetcher::Deadline deadline, Errc if_revoked) {
    const std::string name = signer_name(certificate);
    Error missing{Errc::crl_missing, "it names none"};
    for (const std::string& address : crl_addresses(certificate)) {
        const auto list = list_at(address, issuer, now, deadline);
        if (list) {
            if (!list->revokes(certificate)) return {};
            return fail(if_revoked,
                        fmt::format("the token's signer: {} was revoked by its issuer", name));
        }
        if (list.error().code != Errc::crl_missing) {
            return fail(list.error().code,
                        fmt::format("{} ({})", list.error().detail, escaped(address, 200)));
        }
        missing.detail = fmt::format("{} ({})", list.error().detail, escaped(address, 200));
    }
    return fail(Errc::crl_missing,
                fmt::format("the revocation list for {}: {}; attestd-fetch's configuration must "
                            "list its host; \"crl\": \"soft\" does without",
                            name, missing.detail));
}

Result<Findings> SignerCrls::check(const SignerChain& chain, Time now, Fetcher::Deadline deadline) {
    Findings out;
    const auto& certificates = chain.certificates();
    for (std::size_t i = 0; i + 1 < certificates.size(); ++i) {
        const Errc if_revoked = i == 0 ? Errc::leaf_revoked : Errc::intermediate_revoked;
        const auto checked =
            check_one(*certificates[i], *certificates[i + 1], now, deadline, if_revoked);
        if (checked) continue;
        if (checked.error().code != Errc::crl_missing || rule_ == CrlRule::require)
            return tl::make_unexpected(checked.error());
        out.push_back(
            {std::string(errc_name(Errc::crl_missing)), Severity::warning, checked.error().detail});
    }
    return out;
}

}  // namespace attestd::remote
