#include "tests/support/forge/amd_forge.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>

#include "quote/base/digest.h"

namespace attestd::forge {
namespace {

constexpr mode_t kKeyFolderMode = 0700;

struct Serials {
    std::uint32_t ark, ask, asvk;
};

Serials serials(Product product) {
    switch (product) {
        case Product::milan:
            return {0x10000, 0x10001, 0x10101};
        case Product::genoa:
            return {0x20000, 0x20002, 0x20101};
        case Product::turin:
            break;
    }
    return {0x30000, 0x30001, 0x30101};
}

Bytes magnitude(std::uint32_t value) {
    return {static_cast<std::uint8_t>((value >> 24) & 0xff),
            static_cast<std::uint8_t>((value >> 16) & 0xff),
            static_cast<std::uint8_t>((value >> 8) & 0xff),
            static_cast<std::uint8_t>(value & 0xff)};
}

std::string crl_url(std::string_view kind, Product product) {
    return fmt::format("https://kdsintf.amd.com/{}/v1/{}/crl", kind, product_name(product));
}

Extension amd_extension(std::string_view suffix, Bytes value) {
    return {fmt::format("{}.{}", kAmdArc, suffix), /*critical=*/false, std::move(value)};
}

// The SPLs in the order of the genuine leaves, which is not the order of their numbers.
Extensions spl_extensions(const SnpTcb& tcb, Product product) {
    const auto spl = [](std::string_view suffix, std::uint8_t value) {
        return amd_extension(suffix, der::integer(value));
    };
    if (product == Product::turin) {
        return {spl("3.9", tcb.fmc), spl("3.1", tcb.bootloader),
                spl("3.2", tcb.tee), spl("3.3", tcb.snp),
                spl("3.5", 0),       spl("3.6", 0),
                spl("3.7", 0),       spl("3.8", tcb.microcode)};
    }
    return {spl("3.1", tcb.bootloader),
            spl("3.2", tcb.tee),
            spl("3.4", 0),
            spl("3.5", 0),
            spl("3.6", 0),
            spl("3.7", 0),
            spl("3.3", tcb.snp),
            spl("3.8", tcb.microcode)};
}

}  // namespace

std::string_view product_name(Product product) noexcept {
    return product == Product::milan ? "Milan" : product == Product::genoa ? "Genoa" : "Turin";
}

SnpTcb SnpTcb::typical(Product product) {
    switch (product) {
        case Product::milan:
            return {.bootloader = 4, .tee = 0, .snp = 27, .microcode = 220};
        case Product::genoa:
            return {.bootloader = 10, .tee = 0, .snp = 25, .microcode = 84};
        case Product::turin:
            break;
    }
    return {.fmc = 1, .bootloader = 1, .tee = 1, .snp = 4, .microcode = 81};
}

SnpTcb SnpTcb::outdated(Product product) {
    SnpTcb tcb = typical(product);
    tcb.snp = static_cast<std::uint8_t>(tcb.snp - 3);
    tcb.microcode = static_cast<std::uint8_t>(tcb.microcode - 10);
    return tcb;
}

ByteArray<8> tcb_bytes(const SnpTcb& tcb, Product product) {
    if (product == Product::turin) {
        return {tcb.fmc, tcb.bootloader, tcb.tee, tcb.snp, 0, 0, 0, tcb.microcode};
    }
    return {tcb.bootloader, tcb.tee, 0, 0, 0, 0, tcb.snp, tcb.microcode};
}

SnpTcb tcb_from_bytes(const ByteArray<8>& bytes, Product product) {
    if (product == Product::turin) {
        return {.fmc = bytes[0],
                .bootloader = bytes[1],
                .tee = bytes[2],
                .snp = bytes[3],
                .microcode = bytes[7]};
    }
    return {
        .fmc = 0, .bootloader = bytes[0], .tee = bytes[1], .snp = bytes[6], .microcode = bytes[7]};
}

std::size_t hwid_len(Product product) noexcept { return product == Product::turin ? 8 : 64; }

ByteArray<64> default_chip_id(Product product) {
    const Sha512 digest =
        sha512({as_bytes("attestd synthetic chip "), as_bytes(product_name(product))});
    ByteArray<64> chip_id{};
    std::copy_n(digest.begin(), hwid_len(product), chip_id.begin());
    return chip_id;
}

Name amd_name(std::string_view common_name) {
    return {{std::string(oid::kOrganizationalUnit), "Engineering"},
            {std::string(oid::kCountry), "US", der::Tag::printable_string},
            {std::string(oid::kLocality), "Santa Clara"},
            {std::string(oid::kState), "CA"},
            {std::string(oid::kOrganization), "Advanced Micro Devices"},
            {std::string(oid::kCommonName), std::string(common_name)}};
}

Result<AmdKeys> AmdKeys::load_or_create(const Fd& dir) {
    AmdKeys keys;
    ATTESTD_TRY(keys.ark, SigningKey::load_or_create(dir, "amd-ark.key.pem", KeyKind::rsa4096));
    ATTESTD_TRY(keys.ask, SigningKey::load_or_create(dir, "amd-ask.key.pem", KeyKind::rsa4096));
    ATTESTD_TRY(keys.vcek, SigningKey::load_or_create(dir, "amd-vcek.key.pem", KeyKind::p384));
    return keys;
}

namespace {

// The keys kept in the folder that $ATTESTD_TEST_KEYS names; made there by whoever comes first,
// while the others wait.
AmdKeys kept_amd_keys(const char* folder) {
    ::mkdir(folder, kKeyFolderMode);
    const Fd dir(::open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!dir || ::flock(dir.get(), LOCK_EX) != 0)
        throw ForgeError(fmt::format("ATTESTD_TEST_KEYS: {} cannot be opened", folder));
    auto keys = AmdKeys::load_or_create(dir);
    auto asvk = SigningKey::load_or_create(dir, "amd-asvk.key.pem", KeyKind::rsa4096);
    if (!keys || !asvk) throw ForgeError(to_string(keys ? asvk.error() : keys.error()));
    keys->asvk = *std::move(asvk);
    return *std::move(keys);
}

}  // namespace

const AmdKeys& shared_amd_keys() {
    static const AmdKeys keys = [] {
        const char* const folder = std::getenv("ATTESTD_TEST_KEYS");
        return folder != nullptr ? kept_amd_keys(folder) : AmdKeys();
    }();
    return keys;
}

AmdValidity AmdValidity::around(Time now) {
    using std::chrono::days;
    using std::chrono::years;
    return {.authorities = {now - years(5), now + years(20)},
            .vcek = {now - years(1), now + years(6)},
            .vlek = {now - days(30), now + days(335)}};
}

AmdHierarchy::AmdHierarchy(Product product, AmdKeys keys, const AmdValidity& validity)
    : product_(product), keys_(std::move(keys)), validity_(validity) {}

Issuer AmdHierarchy::ark_issuer() const {
    return {amd_name(fmt::format("ARK-{}", product_name(product_))), keys_.ark,
            Signature::rsa_pss_sha384_trailer};
}

Issuer AmdHierarchy::ask_issuer() const {
    return {amd_name(fmt::format("SEV-{}", product_name(product_))), keys_.ask,
            Signature::rsa_pss_sha384};
}

Issuer AmdHierarchy::asvk_issuer() const {
    return {amd_name(fmt::format("SEV-VLEK-{}", product_name(product_))), keys_.asvk,
            Signature::rsa_pss_sha384};
}

CertificateSpec AmdHierarchy::ark_spec() const {
    return {.serial = magnitude(serials(product_).ark),
            .subject = ark_issuer().name,
            .validity = validity_.authorities,
            .spki = keys_.ark.spki(),
            .extensions = {key_usage(kCertAndCrlSign), subject_key_id(keys_.ark),
                           basic_constraints({.ca = true, .path_len = {}}),
                           crl_distribution_point(crl_url("vcek", product_))},
            .inner_algorithm = {}};
}

CertificateSpec AmdHierarchy::authority_spec(std::string_view common_name, const SigningKey& key,
                                             std::uint32_t serial) const {
    const bool vlek = serial == serials(product_).asvk;
    return {.serial = magnitude(serial),
            .subject = amd_name(common_name),
            .validity = validity_.authorities,
            .spki = key.spki(),
            .extensions = {subject_key_id(key), authority_key_id(keys_.ark),
                           basic_constraints({.ca = true, .path_len = 0}), key_usage(kCertSign),
                           crl_distribution_point(crl_url(vlek ? "vlek" : "vcek", product_))},
            .inner_algorithm = {}};
}

CertificateSpec AmdHierarchy::ask_spec() const {
    return authority_spec(fmt::format("SEV-{}", product_name(product_)), keys_.ask,
                          serials(product_).ask);
}

CertificateSpec AmdHierarchy::asvk_spec() const {
    return authority_spec(fmt::format("SEV-VLEK-{}", product_name(product_)), keys_.asvk,
                          serials(product_).asvk);
}

CertificateSpec AmdHierarchy::leaf_spec(std::string_view common_name, const SigningKey& key,
                                        Window validity, std::string_view product_text,
                                        const SnpTcb& tcb) const {
    const std::uint64_t struct_version = product_ == Product::turin ? 1 : 0;
    CertificateSpec spec{.serial = {},  // every genuine leaf has serial number 0
                         .subject = amd_name(common_name),
                         .validity = validity,
                         .spki = key.spki(),
                         .extensions = spl_extensions(tcb, product_),
                         .inner_algorithm = {}};
    spec.extensions.insert(spec.extensions.begin(),
                           {amd_extension("1", der::integer(struct_version)),
                            amd_extension("2", der::text(der::Tag::ia5_string, product_text))});
    return spec;
}

CertificateSpec AmdHierarchy::vcek_spec(const ByteArray<64>& chip_id, const SnpTcb& tcb) const {
    const std::string_view stepping = product_ == Product::milan ? "-B0" : "";
    CertificateSpec spec = leaf_spec("SEV-VCEK", keys_.vcek, validity_.vcek,
                                     fmt::format("{}{}", product_name(product_), stepping), tcb);
    // Bare bytes: no DER around them inside the OCTET STRING.
    spec.extensions.push_back(
        amd_extension("4", to_bytes(ByteView(chip_id).first(hwid_len(product_)))));
    return spec;
}

CertificateSpec AmdHierarchy::vlek_spec(std::string_view csp_id, const SnpTcb& tcb) const {
    CertificateSpec spec =
        leaf_spec("SEV-VLEK", keys_.vlek, validity_.vlek, product_name(product_), tcb);
    spec.extensions.push_back(amd_extension("5", der::text(der::Tag::ia5_string, csp_id)));
    return spec;
}

Bytes AmdHierarchy::ark() const { return issue(ark_spec(), ark_issuer()); }

Bytes AmdHierarchy::ask() const { return issue(ask_spec(), ark_issuer()); }

Bytes AmdHierarchy::asvk() const { return issue(asvk_spec(), ark_issuer()); }

Bytes AmdHierarchy::vcek(const ByteArray<64>& chip_id, const SnpTcb& tcb) const {
    return issue(vcek_spec(chip_id, tcb), ask_issuer());
}

Bytes AmdHierarchy::vlek(std::string_view csp_id, const SnpTcb& tcb) const {
    return issue(vlek_spec(csp_id, tcb), asvk_issuer());
}

Bytes AmdHierarchy::crl(Window validity, const std::vector<RevokedCertificate>& revoked) const {
    CrlSpec spec = crl_spec(validity, keys_.ark);
    spec.revoked = revoked;
    return issue(spec, ark_issuer());
}

}  // namespace attestd::forge
