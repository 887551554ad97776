#include "agent/credential/address.h"

#include <algorithm>

#include "config/secret_name.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxRandomDigits = 16;  // of 64 bits, written without leading zeros
constexpr std::string_view kUnitMark = "/unit/";

tl::unexpected<Error> fail_address(std::string_view why) {
    return fail(Errc::credential_refused, "address: " + std::string(why));
}

bool is_random_number(std::string_view text) noexcept {
    return !text.empty() && text.size() <= kMaxRandomDigits &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// Printable ASCII: what both of systemd's names consist of.
bool is_plain(std::string_view text) noexcept {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

Result<CredentialAddress> parse_credential_address(ByteView sun_path) {
    if (sun_path.empty() || sun_path[0] != 0)
        return fail_address("is not the abstract one that systemd binds");
    std::string_view text = as_text(sun_path).substr(1);
    const auto mark = text.find(kUnitMark);
    if (mark == text.npos) return fail_address("lacks /unit/");
    if (!is_random_number(text.substr(0, mark)))
        return fail_address("does not begin with a hexadecimal number");
    text.remove_prefix(mark + kUnitMark.size());
    const auto slash = text.find('/');
    if (slash == text.npos) return fail_address("lacks the credential's id");
    CredentialAddress out{std::string(text.substr(0, slash)), std::string(text.substr(slash + 1))};
    if (!is_plain(out.unit)) return fail_address("does not name a unit");
    if (!is_plain(out.id) || out.id.find('/') != std::string::npos)
        return fail_address("does not name a credential");
    return out;
}

Result<std::string> secret_of_credential(std::string_view id) {
    std::string name(id);
    std::replace(name.begin(), name.end(), '+', '/');
    if (const auto good = SecretName::parse(name); !good)
        return fail(Errc::credential_refused, "id: " + good.error().detail);
    return name;
}

}  // namespace attestd
