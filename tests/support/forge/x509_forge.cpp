#include "tests/support/forge/x509_forge.h"

#include <fmt/format.h>

#include <algorithm>

#include "quote/base/digest.h"
#include "quote/base/encoding.h"

namespace attestd::forge {
namespace {

constexpr std::string_view kSha384 = "2.16.840.1.101.3.4.2.2";
constexpr std::string_view kMgf1 = "1.2.840.113549.1.1.8";
constexpr std::string_view kRsaPss = "1.2.840.113549.1.1.10";
constexpr std::string_view kPkcs1Sha384 = "1.2.840.113549.1.1.12";
constexpr std::string_view kEcdsaSha256 = "1.2.840.10045.4.3.2";
constexpr std::string_view kEcdsaSha384 = "1.2.840.10045.4.3.3";
constexpr std::size_t kSerialLen = 20;
constexpr std::size_t kPemLineLen = 64;

// RSASSA-PSS-params (RFC 4055 section 3.1): digest and MGF1 SHA-384, salt length 48.
Bytes pss_parameters(Signature signature) {
    const Bytes digest = der::sequence({der::oid(kSha384), der::null()});
    std::vector<Bytes> members{
        der::constructed(0, digest),
        der::constructed(1, der::sequence({der::oid(kMgf1), digest})),
        der::constructed(2, der::integer(48)),
    };
    if (signature == Signature::rsa_pss_sha384_trailer) {
        members.push_back(der::constructed(3, der::integer(1)));
    }
    return der::sequence(members);
}

Bytes algorithm_identifier(Signature signature) {
    switch (signature) {
        case Signature::ecdsa_sha256:
            return der::sequence({der::oid(kEcdsaSha256)});
        case Signature::ecdsa_sha384:
            return der::sequence({der::oid(kEcdsaSha384)});
        case Signature::rsa_pkcs1_sha384:
            return der::sequence({der::oid(kPkcs1Sha384), der::null()});
        case Signature::rsa_pss_sha384:
        case Signature::rsa_pss_sha384_trailer:
            break;
    }
    return der::sequence({der::oid(kRsaPss), pss_parameters(signature)});
}

Bytes name_der(const Name& name) {
    std::vector<Bytes> parts;
    for (const NameAttribute& attribute : name) {
        parts.push_back(der::set_of_one(der::sequence(
            {der::oid(attribute.oid), der::text(attribute.string_type, attribute.text)})));
    }
    return der::sequence(parts);
}

Bytes extensions_der(const Extensions& extensions) {
    std::vector<Bytes> parts;
    for (const Extension& extension : extensions) {
        std::vector<Bytes> members{der::oid(extension.oid)};
        if (extension.critical) members.push_back(der::boolean(der::Bool::yes));
        members.push_back(der::octet_string(extension.value));
        parts.push_back(der::sequence(members));
    }
    return der::sequence(parts);
}

Bytes revoked_der(const RevokedCertificate& entry) {
    std::vector<Bytes> members{der::integer(ByteView(entry.serial)), der::time(entry.when)};
    if (entry.reason) {
        members.push_back(extensions_der(
            {{std::string(oid::kCrlReason), /*critical=*/false, der::enumerated(*entry.reason)}}));
    }
    return der::sequence(members);
}

}  // namespace

Extension key_usage(KeyUsage usage) {
    const Bytes bits{usage.bits};
    return {std::string(oid::kKeyUsage), /*critical=*/true,
            der::bit_string(bits, usage.unused_bits)};
}

Extension basic_constraints(const BasicConstraints& constraints) {
    std::vector<Bytes> members;
    if (constraints.ca) members.push_back(der::boolean(der::Bool::yes));
    if (constraints.path_len) members.push_back(der::integer(*constraints.path_len));
    return {std::string(oid::kBasicConstraints), /*critical=*/true, der::sequence(members)};
}

Extension subject_key_id(const SigningKey& key) {
    return {std::string(oid::kSubjectKeyId), /*critical=*/false, der::octet_string(key.key_id())};
}

Extension authority_key_id(const SigningKey& issuer) {
    return {std::string(oid::kAuthorityKeyId), /*critical=*/false,
            der::sequence({der::primitive(0, issuer.key_id())})};
}

Extension crl_distribution_point(std::string_view url) {
    const Bytes uri = der::primitive(6, as_bytes(url));
    const Bytes full_name = der::constructed(0, der::constructed(0, uri));
    return {std::string(oid::kCrlDistributionPoints), /*critical=*/false,
            der::sequence({der::sequence({full_name})})};
}

Extension& find_extension(Extensions& extensions, std::string_view oid) {
    const auto at = std::find_if(extensions.begin(), extensions.end(),
                                 [&](const Extension& e) { return e.oid == oid; });
    if (at == extensions.end()) throw ForgeError(fmt::format("no extension {}", oid));
    return *at;
}

void remove_extension(Extensions& extensions, std::string_view oid) {
    std::erase_if(extensions, [&](const Extension& e) { return e.oid == oid; });
}

std::string& common_name(Name& name) {
    const auto at = std::find_if(name.begin(), name.end(), [](const NameAttribute& attribute) {
        return attribute.oid == oid::kCommonName;
    });
    if (at == name.end()) throw ForgeError("the name has no common name");
    return at->text;
}

Bytes serial_of(ByteView seed) {
    const Sha256 digest = sha256(seed);
    Bytes serial(digest.begin(), digest.begin() + kSerialLen);
    serial[0] = static_cast<std::uint8_t>((serial[0] & 0x7f) | 0x40);  // positive, always 20 bytes
    return serial;
}

CrlSpec crl_spec(Window validity, const SigningKey& issuer) {
    return {validity,
            {},
            {{std::string(oid::kCrlNumber), /*critical=*/false, der::integer(1)},
             authority_key_id(issuer)}};
}

Bytes to_be_signed(const CertificateSpec& spec, const Issuer& issuer) {
    std::vector<Bytes> members;
    if (spec.version != 0) members.push_back(der::constructed(0, der::integer(spec.version)));
    members.push_back(der::integer(ByteView(spec.serial)));
    members.push_back(algorithm_identifier(spec.inner_algorithm.value_or(issuer.signature)));
    members.push_back(name_der(issuer.name));
    members.push_back(
        der::sequence({der::time(spec.validity.from), der::time(spec.validity.until)}));
    members.push_back(name_der(spec.subject));
    members.push_back(spec.spki);
    if (!spec.extensions.empty()) {
        members.push_back(der::constructed(3, extensions_der(spec.extensions)));
    }
    return der::sequence(members);
}

Bytes to_be_signed(const CrlSpec& spec, const Issuer& issuer) {
    std::vector<Bytes> members{der::integer(1), algorithm_identifier(issuer.signature),
                               name_der(issuer.name), der::time(spec.validity.from)};
    if (spec.validity.until != Time::max()) members.push_back(der::time(spec.validity.until));
    std::vector<Bytes> entries;
    for (const RevokedCertificate& entry : spec.revoked) entries.push_back(revoked_der(entry));
    // RFC 5280 section 5.1.2.6: the list is absent, not empty, when nothing is revoked.
    if (!entries.empty()) members.push_back(der::sequence(entries));
    if (!spec.extensions.empty()) {
        members.push_back(der::constructed(0, extensions_der(spec.extensions)));
    }
    return der::sequence(members);
}

Bytes sign_der(ByteView tbs, const Issuer& issuer) {
    return der::sequence({to_bytes(tbs), algorithm_identifier(issuer.signature),
                          der::bit_string(issuer.key.sign(issuer.signature, tbs))});
}

Bytes issue(const CertificateSpec& spec, const Issuer& issuer) {
    return sign_der(to_be_signed(spec, issuer), issuer);
}

Bytes issue(const CrlSpec& spec, const Issuer& issuer) {
    return sign_der(to_be_signed(spec, issuer), issuer);
}

std::string to_pem(std::string_view label, ByteView der) {
    const std::string base64 = to_base64(der);
    std::string out = fmt::format("-----BEGIN {}-----\n", label);
    for (std::size_t at = 0; at < base64.size(); at += kPemLineLen) {
        out += base64.substr(at, kPemLineLen);
        out += '\n';
    }
    return out + fmt::format("-----END {}-----\n", label);
}

std::string certificate_pem(ByteView der) { return to_pem("CERTIFICATE", der); }

}  // namespace attestd::forge
