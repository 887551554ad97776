#include "agent/kbs/runtime_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "quote/base/digest.h"
#include "quote/base/lower_case.h"

namespace attestd::kbs {
namespace {

// Members sorted by their (ASCII) names, no blanks, the shortest escapes: for objects that hold
// nothing but texts this is RFC 8785.
std::string canonical(const nlohmann::json& value) { return value.dump(); }

constexpr std::array<std::string_view, 3> kOfferedHashes{"sha384", "sha256", "sha512"};

}  // namespace

std::span<const std::string_view> offered_hashes(bool is_azure) noexcept {
    return std::span(kOfferedHashes).first(is_azure ? 1 : kOfferedHashes.size());
}

Result<HashName> chosen_hash(const JsonValue& extra_params,
                             std::span<const std::string_view> offered) {
    if (!extra_params.is_object()) return HashName::sha384;
    ATTESTD_TRY(JsonObject in, extra_params.object());
    const auto chosen = in.optional("selected-hash-algorithm");
    if (!chosen) return HashName::sha384;
    if (!chosen->is_text())
        return chosen->fail_here(Errc::kbs_protocol, "the broker's hash algorithm is no text");
    ATTESTD_TRY(const std::string text, chosen->text());
    const std::string name = lower_case(text);
    if (std::find(offered.begin(), offered.end(), name) == offered.end()) {
        return chosen->fail_here(
            Errc::kbs_protocol,
            fmt::format("the broker chose a hash algorithm that was not offered: {} were",
                        fmt::join(offered, ", ")));
    }
    if (name == "sha256") return HashName::sha256;
    return name == "sha512" ? HashName::sha512 : HashName::sha384;
}

std::string device_text(const std::string& nonce, const nlohmann::json& public_jwk) {
    nlohmann::json out = nlohmann::json::object();
    out["nonce"] = nonce;
    out["tee-pubkey"] = public_jwk;
    return canonical(out);
}

std::string primary_text(const std::string& nonce, const nlohmann::json& public_jwk,
                         const std::string& additional) {
    nlohmann::json out = nlohmann::json::object();
    out["additional-evidence"] = additional;
    out["nonce"] = nonce;
    out["tee-pubkey"] = public_jwk;
    return canonical(out);
}

Bytes digest_of(std::string_view text, HashName hash) {
    switch (hash) {
        case HashName::sha256:
            return to_bytes(sha256(as_bytes(text)));
        case HashName::sha512:
            return to_bytes(sha512(as_bytes(text)));
        case HashName::sha384:
            break;
    }
    return to_bytes(sha384(as_bytes(text)));
}

ReportData report_data_of(ByteView digest) {
    ReportData out{};
    std::copy(digest.begin(), digest.end(), out.begin());
    return out;
}

}  // namespace attestd::kbs
