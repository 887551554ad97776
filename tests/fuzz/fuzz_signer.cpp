// Who signs tokens, as services publish it: key sets with chains, and lists of revoked
// certificates.
#include <nlohmann/json.hpp>

#include "agent/remote/token_keys.h"
#include "quote/base/base64url.h"
#include "quote/base/encoding.h"
#include "quote/x509/pem.h"
#include "tests/fuzz/openssl_peer.h"
#include "tests/fuzz/target.h"
#include "tests/support/forge/x509_forge.h"

namespace attestd::fuzz::signers {
namespace {

using namespace attestd::remote;
using nlohmann::json;

constexpr Time kNow{std::chrono::seconds(1'800'000'000)};
const Window kLife{kNow - std::chrono::hours(1), kNow + std::chrono::hours(1)};
const Bytes kLeafSerial{11};
constexpr std::size_t kMaxInput = 16384;

forge::Name named(const std::string& text) {
    return {{std::string(forge::oid::kCommonName), text}};
}

Bytes certificate(const Bytes& serial, const forge::Name& subject, const forge::SigningKey& key,
                  forge::Extensions extensions, const forge::Issuer& issuer) {
    forge::CertificateSpec spec;
    spec.serial = serial;
    spec.subject = subject;
    spec.validity = kLife;
    spec.spki = key.spki();
    spec.extensions = std::move(extensions);
    return forge::issue(spec, issuer);
}

// A root, a leaf of it whose list the root keeps, and somebody else with a root of his own.
struct Setting {
    forge::Issuer root{named("Root CA"), forge::SigningKey(KeyKind::p256)};
    forge::Issuer other{named("Root CA"), forge::SigningKey(KeyKind::p256)};
    forge::SigningKey leaf_key{KeyKind::p256}, stranger{KeyKind::p256};
    Bytes root_der = authority(root), other_der = authority(other);
    Bytes leaf_der = leaf(leaf_key, root);
    Bytes empty = list({}), full = list({kLeafSerial});
    std::string by_leaf = token_by(leaf_key), by_stranger = token_by(stranger);
    SignerCertificate root_x509 = parse_signer_certificate(root_der);
    SignerCertificate leaf_x509 = parse_signer_certificate(leaf_der);

    static Bytes authority(const forge::Issuer& who) {
        return certificate({1}, who.name, who.key,
                           {forge::basic_constraints({.ca = true, .path_len = {}})}, who);
    }
    static Bytes leaf(const forge::SigningKey& key, const forge::Issuer& issuer) {
        return certificate(kLeafSerial, named("Leaf"), key,
                           {forge::crl_distribution_point("https://crl.example/")}, issuer);
    }
    Bytes list(const std::vector<Bytes>& revoked) const {
        forge::CrlSpec spec = forge::crl_spec(kLife, root.key);
        for (const Bytes& serial : revoked) spec.revoked.push_back({serial, kNow, 1});
        return forge::issue(spec, root);
    }
    static std::string token_by(const forge::SigningKey& key) {
        const std::string text = to_base64url(as_bytes(R"({"alg":"ES256","kid":"1"})")) + '.' +
                                 to_base64url(as_bytes("{}"));
        return text + '.' + to_base64url(key.sign_raw(as_bytes(text)));
    }
    static json entry(const forge::SigningKey& key, const std::vector<Bytes>& chain) {
        const Bytes point = key.point();
        json out{{"kid", "1"},
                 {"kty", "EC"},
                 {"crv", "P-256"},
                 {"x", to_base64url(ByteView(point).first(32))},
                 {"y", to_base64url(ByteView(point).last(32))}};
        for (const Bytes& der : chain) out["x5c"].push_back(to_base64(der));
        return out;
    }
};
const Setting& setting() {
    static const Setting made;
    return made;
}

// --- key sets

class Network final : public Fetcher {
 public:
    Bytes set;

    Result<FetchResponse> fetch(const FetchRequest& request, Deadline) override {
        FetchResponse out;
        out.status = 200;
        out.body = request.url == "https://keys.example" ? set : setting().empty;
        return out;
    }
};

bool is_believed(const Bytes& set, const std::string& token, KeySetEntries entries, CrlRule crl) {
    const auto network = std::make_shared<Network>();
    network->set = set;
    RemoteVerifierConfig config;
    config.token_keys_url = "https://keys.example";
    config.crl = crl;
    if (entries == KeySetEntries::chains) {
        config.signer_root = sha256(setting().root_der);
    } else {
        config.token_signer =
            LoadedFile{"/root.pem", to_bytes(as_bytes(forge::certificate_pem(setting().root_der)))};
    }
    auto keys = must(TokenKeys::make(
        config, network, [] { return BootTime(std::chrono::hours(1)); }, entries));
    const auto result = keys.verify(must(Jws::parse(token)), kNow,
                                    std::chrono::steady_clock::now() + std::chrono::minutes(1));
    if (!result)
        for (const char c : result.error().detail) holds(c >= ' ' && c <= '~', "words are escaped");
    return result.has_value();
}

void run_keys(ByteView input) {
    if (input.size() > kMaxInput) return;
    const Bytes set = to_bytes(input);
    const Setting& s = setting();
    for (const KeySetEntries entries : {KeySetEntries::keys, KeySetEntries::chains}) {
        holds(!is_believed(set, s.by_stranger, entries, CrlRule::soft),
              "whom the pinned root did not certify signs nothing");
        const bool strict = is_believed(set, s.by_leaf, entries, CrlRule::require);
        if (strict) reached();
        holds(!strict || is_believed(set, s.by_leaf, entries, CrlRule::soft),
              "what the strict rule takes, the soft one does");
    }
}

Seeds key_seeds() {
    const Setting& s = setting();
    const auto set = [](const json& entry) { return json{{"keys", {entry}}}.dump(); };
    const json mixed{
        {"keys",
         {Setting::entry(s.stranger, {Setting::leaf(s.stranger, s.other), s.other_der}),
          Setting::entry(s.leaf_key, {s.leaf_der, s.root_der})}}};
    return {seed("chain", set(Setting::entry(s.leaf_key, {s.leaf_der, s.root_der}))),
            seed("turned", set(Setting::entry(s.leaf_key, {s.root_der, s.leaf_der}))),
            seed("leaf", set(Setting::entry(s.leaf_key, {s.leaf_der}))),
            seed("another-key", set(Setting::entry(s.stranger, {s.leaf_der, s.root_der}))),
            seed("other", set(Setting::entry(s.stranger,
                                             {Setting::leaf(s.stranger, s.other), s.other_der}))),
            seed("mixed", mixed.dump()),
            seed("bare", set(Setting::entry(s.stranger, {})))};
}

// --- lists

// What is signed, as OpenSSL writes it again.
Bytes signed_part(ByteView bytes) {
    const auto blocks = parse_pem(as_text(bytes), PemStyle::file);
    const Bytes der = blocks ? blocks->front().der : to_bytes(bytes);
    const OpensslCrl list(decoded<d2i_X509_CRL>(der));
    holds(list != nullptr, "what was read once is read again");
    unsigned char* out = nullptr;
    const int len = i2d_re_X509_CRL_tbs(list.get(), &out);
    holds(len > 0, "a list is written again");
    const Bytes made(out, out + len);
    OPENSSL_free(out);
    return made;
}

void run_list(ByteView input) {
    if (input.size() > kMaxInput) return;
    const auto list = SignerCrl::parse(input);
    if (!list) return;
    reached();
    const Setting& s = setting();
    const bool revokes = list->revokes(*s.leaf_x509);
    if (!list->check(*s.root_x509, kNow)) return;
    holds(signed_part(input) == signed_part(revokes ? s.full : s.empty),
          "a list that is believed says what its issuer said");
    holds(!list->check(*s.leaf_x509, kNow), "a list is one issuer's");
    holds(!list->check(*s.root_x509, kLife.until), "and ends when it says");
}

Seeds list_seeds() {
    return {{"empty", setting().empty},
            {"full", setting().full},
            seed("pem", forge::to_pem("X509 CRL", setting().full))};
}

const bool kKeys =
    add({"signer-keys",
         run_keys,
         key_seeds,
         {"\"keys\":[", "\"x5c\":[", "\"kid\":\"1\"", "\"kty\":\"EC\"", "\"alg\":\"ES256\"",
          "\"use\":\"enc\"", "\"x\":", "\"y\":", "\"crv\":\"P-256\"", "{}", "null"},
         600});
const bool kList = add({"signer-crl", run_list, list_seeds, {"-----BEGIN X509 CRL-----"}, 4000});

}  // namespace
}  // namespace attestd::fuzz::signers
