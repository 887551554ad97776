#include "tests/support/forge/azure_forge.h"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/rsa.h>

#include <algorithm>

#include "quote/base/base64url.h"
#include "tests/support/forge/signing_key.h"
#include "tests/support/forge/writer.h"

namespace attestd::forge {
namespace {

void expect(bool done, const char* what) {
    if (!done) throw ForgeError(fail_crypto(what).value().detail);
}

EvpPkey generate(unsigned bits, unsigned exponent) {
    const EvpPkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
    const std::unique_ptr<BIGNUM, Free<BN_free>> e(BN_new());
    expect(ctx && e && BN_set_word(e.get(), exponent) == 1 &&
               EVP_PKEY_keygen_init(ctx.get()) == 1 &&
               EVP_PKEY_CTX_set_rsa_keygen_bits(ctx.get(), static_cast<int>(bits)) == 1 &&
               EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx.get(), e.get()) == 1,
           "preparing an RSA key");
    EVP_PKEY* key = nullptr;
    expect(EVP_PKEY_generate(ctx.get(), &key) == 1, "generating an RSA key");
    return EvpPkey(key);
}

EvpPkey public_key(ByteView modulus) {
    const EvpPkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
    // As OpenSSL takes numbers in parameters: least significant byte first.
    Bytes n(modulus.rbegin(), modulus.rend());
    std::uint32_t e = 65537;
    OSSL_PARAM params[] = {OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, n.data(), n.size()),
                           OSSL_PARAM_construct_uint32(OSSL_PKEY_PARAM_RSA_E, &e),
                           OSSL_PARAM_construct_end()};
    EVP_PKEY* key = nullptr;
    expect(ctx && EVP_PKEY_fromdata_init(ctx.get()) == 1 &&
               EVP_PKEY_fromdata(ctx.get(), &key, EVP_PKEY_PUBLIC_KEY, params) == 1,
           "reading a TPM's key");
    return EvpPkey(key);
}

Bytes number(const EVP_PKEY* key, const char* name) {
    BIGNUM* bn = nullptr;
    expect(EVP_PKEY_get_bn_param(key, name, &bn) == 1, "reading an RSA key");
    const std::unique_ptr<BIGNUM, Free<BN_free>> owner(bn);
    Bytes out(static_cast<std::size_t>(BN_num_bytes(bn)));
    BN_bn2bin(bn, out.data());
    return out;
}

Bytes signed_with(EVP_PKEY* key, int padding, const EVP_MD* digest, ByteView input) {
    const EvpPkeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
    expect(ctx && EVP_PKEY_sign_init(ctx.get()) == 1 &&
               EVP_PKEY_CTX_set_rsa_padding(ctx.get(), padding) == 1,
           "signing");
    if (digest != nullptr) expect(EVP_PKEY_CTX_set_signature_md(ctx.get(), digest) == 1, "signing");
    std::size_t len = 0;
    expect(EVP_PKEY_sign(ctx.get(), nullptr, &len, input.data(), input.size()) == 1, "signing");
    Bytes out(len);
    expect(EVP_PKEY_sign(ctx.get(), out.data(), &len, input.data(), input.size()) == 1, "signing");
    out.resize(len);
    return out;
}

// Most significant byte first, as TPMs write.
template <std::unsigned_integral T>
void be(Writer& out, T value) {
    for (std::size_t i = sizeof(T); i-- > 0;) out.u8(static_cast<std::uint8_t>(value >> (8 * i)));
}

void sized(Writer& out, ByteView bytes) {
    be(out, static_cast<std::uint16_t>(bytes.size()));
    out.bytes(bytes);
}

std::string json_bool(bool value) { return value ? "true" : "false"; }

std::string key_json(std::string_view kid, std::string_view op, const VtpmKey& key) {
    return fmt::format(R"({{"kid":"{}","key_ops":["{}"],"kty":"RSA","e":"{}","n":"{}"}})", kid, op,
                       to_base64url(key.exponent()), to_base64url(key.modulus()));
}

}  // namespace

VtpmKey::VtpmKey(unsigned bits, unsigned exponent) : key_(generate(bits, exponent)) {}

VtpmKey VtpmKey::of_tpm(ByteView modulus) { return VtpmKey(public_key(modulus)); }

Bytes VtpmKey::modulus() const { return number(key_.get(), OSSL_PKEY_PARAM_RSA_N); }
Bytes VtpmKey::exponent() const { return number(key_.get(), OSSL_PKEY_PARAM_RSA_E); }

Bytes VtpmKey::sign(ByteView message) const {
    return signed_with(key_.get(), RSA_PKCS1_PADDING, EVP_sha256(), sha256(message));
}

Bytes VtpmKey::sign_pss(ByteView message) const {
    return signed_with(key_.get(), RSA_PKCS1_PSS_PADDING, EVP_sha256(), sha256(message));
}

Bytes VtpmKey::sign_block(ByteView block) const {
    return signed_with(key_.get(), RSA_NO_PADDING, nullptr, block);
}

Bytes VtpmKey::pkcs1_block(ByteView message) const {
    static constexpr std::array<std::uint8_t, 19> kDigestInfo{
        // RFC 8017 section 9.2, note 1
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
        0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
    const Sha256 digest = sha256(message);
    Bytes block(modulus().size(), 0xff);
    block[0] = 0;
    block[1] = 1;
    const std::size_t info_at = block.size() - kDigestInfo.size() - digest.size();
    block[info_at - 1] = 0;
    const auto rest = std::span(block).subspan(info_at);
    std::copy(kDigestInfo.begin(), kDigestInfo.end(), rest.begin());
    std::copy(digest.begin(), digest.end(), rest.subspan(kDigestInfo.size()).begin());
    return block;
}

const VtpmKey& shared_vtpm_key() {
    static const VtpmKey key;
    return key;
}

const VtpmKey& other_vtpm_key() {
    static const VtpmKey key;
    return key;
}

std::string runtime_json(const RuntimeSpec& spec) {
    const std::string user_data =
        spec.user_data ? fmt::format(R"(,"user-data":"{}")", *spec.user_data) : "";
    const std::string ek =
        spec.endorsement_key ? ',' + key_json("HCLEkPub", "encrypt", other_vtpm_key()) : "";
    return fmt::format(
        R"({{"keys":[{}{}{}],"vm-configuration":{{"console-enabled":{},"secure-boot":{},)"
        R"("tpm-enabled":{},"vmUniqueId":"{}"{}}}{}{}}})",
        key_json("HCLAkPub", "sign", spec.key), ek, spec.more_keys_json,
        json_bool(spec.console_enabled), json_bool(spec.secure_boot), json_bool(spec.tpm_enabled),
        spec.vm_unique_id, spec.more_vm_json, user_data, spec.more_json);
}

ByteArray<64> bound_report_data(std::string_view runtime, std::uint32_t hash) {
    ByteArray<64> out{};
    const auto put = [&](const auto& digest) {
        std::copy(digest.begin(), digest.end(), out.begin());
    };
    if (hash == 1) put(sha256(as_bytes(runtime)));
    if (hash == 2) put(sha384(as_bytes(runtime)));
    if (hash == 3) put(sha512(as_bytes(runtime)));
    return out;
}

Bytes hcl_blob(const HclSpec& spec) {
    const auto variable_len = static_cast<std::uint32_t>(spec.runtime.size());
    const std::uint32_t data_len = 20 + variable_len;
    Writer out;
    out.bytes(as_bytes("HCLA")).u32(spec.version);
    out.u32(spec.report_size.value_or(0x4c0 + data_len)).u32(spec.request_type).u32(spec.status);
    out.zeros(12).bytes(spec.hardware_report).zeros_to(0x4c0);
    out.u32(spec.data_size.value_or(data_len)).u32(spec.data_version).u32(spec.report_type);
    out.u32(spec.hash).u32(spec.variable_data_size.value_or(variable_len));
    out.bytes(as_bytes(spec.runtime)).zeros_to(spec.blob_len);
    return std::move(out).take();
}

Bytes tdreport_bytes(const TdBody& body, std::uint8_t version) {
    Writer tcb;  // TEE_TCB_INFO, 239 bytes
    tcb.u64(0x301ff).bytes(body.tee_tcb_svn).bytes(body.mrseam).bytes(body.mrsignerseam);
    tcb.u64(body.seam_attributes);
    if (version > 0) tcb.bytes(body.tee_tcb_svn2);
    tcb.zeros_to(239);
    Writer info;  // TDINFO, 512 bytes
    info.u64(body.td_attributes).u64(body.xfam).bytes(body.mrtd).bytes(body.mrconfigid);
    info.bytes(body.mrowner).bytes(body.mrownerconfig);
    for (const ByteArray<48>& rtmr : body.rtmr) info.bytes(rtmr);
    if (version > 0) info.bytes(body.mrservicetd);
    info.zeros_to(512);
    const Bytes tcb_info = std::move(tcb).take(), td_info = std::move(info).take();
    Writer out;
    out.u8(0x81).u8(0).u8(version).u8(0).zeros(12).bytes(body.init_cpusvn);
    out.bytes(sha384(tcb_info)).bytes(sha384(td_info)).bytes(body.report_data).zeros(32);
    out.bytes(sha256(as_bytes("attestd synthetic MAC"))).bytes(tcb_info).zeros_to(512);
    out.bytes(td_info);
    return std::move(out).take();
}

std::array<Sha256, 24> VtpmQuoteSpec::default_pcrs() {
    std::array<Sha256, 24> out{};
    for (std::size_t i = 0; i < out.size(); ++i)
        out.at(i) = sha256(as_bytes(fmt::format("attestd synthetic PCR {}", i)));
    return out;
}

Bytes attest_bytes(const VtpmQuoteSpec& spec) {
    Bytes values;
    for (const Sha256& pcr : spec.pcrs) values.insert(values.end(), pcr.begin(), pcr.end());
    const Sha256 digest = sha256(values);
    Writer out;
    be(out, spec.magic);
    be(out, spec.type);
    sized(out, concat({Bytes{0x00, 0x0b}, sha256(as_bytes("attestd synthetic name"))}));
    sized(out, spec.nonce);
    be(out, std::uint64_t{123456789});           // clock
    be(out, std::uint32_t{3});                   // resets
    be(out, std::uint32_t{0});                   // restarts
    out.u8(1);                                   // safe
    be(out, std::uint64_t{0x2020031200120003});  // firmware
    be(out, static_cast<std::uint32_t>(spec.banks.size()));
    for (const VtpmQuoteSpec::Bank& bank : spec.banks) {
        be(out, bank.hash);
        out.u8(static_cast<std::uint8_t>(bank.mask.size())).bytes(bank.mask);
    }
    sized(out, spec.digest.value_or(to_bytes(digest)));
    out.bytes(spec.trailing);
    return std::move(out).take();
}

Bytes tpmt_signature(ByteView block, std::uint16_t algorithm, std::uint16_t hash) {
    Writer out;
    be(out, algorithm);
    be(out, hash);
    sized(out, block);
    return std::move(out).take();
}

}  // namespace attestd::forge
