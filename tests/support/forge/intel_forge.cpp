#include "tests/support/forge/intel_forge.h"

#include <fmt/format.h>

#include "tests/support/forge/writer.h"

namespace attestd::forge {
namespace {

constexpr std::string_view kRootName = "Intel SGX Root CA";
constexpr std::string_view kTcbSigningName = "Intel SGX TCB Signing";
constexpr std::string_view kPckName = "Intel SGX PCK Certificate";
constexpr std::string_view kRootCrlUrl =
    "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der";

std::string_view pck_ca_name(PckCa ca) {
    return ca == PckCa::platform ? "Intel SGX PCK Platform CA" : "Intel SGX PCK Processor CA";
}

std::string pck_crl_url(PckCa ca) {
    return fmt::format(
        "https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca={}&encoding=der",
        ca == PckCa::platform ? "platform" : "processor");
}

// The members of a PCK hierarchy, in the order in which the genuine certificates carry them.
Extensions genuine_extensions(const SigningKey& issuer, std::string_view crl_url,
                              const SigningKey& subject, KeyUsage usage,
                              const BasicConstraints& constraints) {
    return {authority_key_id(issuer), crl_distribution_point(crl_url), subject_key_id(subject),
            key_usage(usage), basic_constraints(constraints)};
}

Bytes pair(std::string_view suffix, Bytes value) {
    return der::sequence(
        {der::oid(fmt::format("{}.{}", kSgxExtensionOid, suffix)), std::move(value)});
}

Bytes tcb_pairs(const PckFields& fields) {
    std::vector<Bytes> pairs;
    for (std::size_t i = 0; i < fields.components.size(); ++i) {
        pairs.push_back(pair(fmt::format("2.{}", i + 1), der::integer(fields.components[i])));
    }
    pairs.push_back(pair("2.17", der::integer(fields.pcesvn)));
    pairs.push_back(pair("2.18", der::octet_string(fields.cpusvn.value_or(fields.components))));
    return der::sequence(pairs);
}

Bytes configuration_pairs(const PckConfiguration& configuration) {
    const auto flag = [](bool on) { return der::boolean(on ? der::Bool::yes : der::Bool::no); };
    return der::sequence({pair("7.1", flag(configuration.dynamic_platform)),
                          pair("7.2", flag(configuration.cached_keys)),
                          pair("7.3", flag(configuration.smt_enabled))});
}

Bytes key_id_serial(const SigningKey& key) { return to_bytes(key.key_id()); }

}  // namespace

PckFields processor_fields() {
    PckFields fields;
    fields.sgx_type = 0;
    fields.platform_instance_id.reset();
    fields.configuration.reset();
    return fields;
}

std::vector<Bytes> sgx_extension_pairs(const PckFields& fields) {
    std::vector<Bytes> pairs{
        pair("1", der::octet_string(fields.ppid)),   pair("2", tcb_pairs(fields)),
        pair("3", der::octet_string(fields.pceid)),  pair("4", der::octet_string(fields.fmspc)),
        pair("5", der::enumerated(fields.sgx_type)),
    };
    if (fields.platform_instance_id) {
        pairs.push_back(pair("6", der::octet_string(*fields.platform_instance_id)));
    }
    if (fields.configuration)
        pairs.push_back(pair("7", configuration_pairs(*fields.configuration)));
    return pairs;
}

Extension sgx_extension(const std::vector<Bytes>& pairs) {
    return {std::string(kSgxExtensionOid), /*critical=*/false, der::sequence(pairs)};
}

Name intel_name(std::string_view common_name) {
    return {{std::string(oid::kCommonName), std::string(common_name)},
            {std::string(oid::kOrganization), "Intel Corporation"},
            {std::string(oid::kLocality), "Santa Clara"},
            {std::string(oid::kState), "CA"},
            {std::string(oid::kCountry), "US", der::Tag::printable_string}};
}

Result<IntelKeys> IntelKeys::load_or_create(const Fd& dir) {
    const auto key = [&](const char* name) {
        return SigningKey::load_or_create(dir, name, KeyKind::p256);
    };
    ATTESTD_TRY(auto root, key("intel-root.key.pem"));
    ATTESTD_TRY(auto pck_ca, key("intel-pck-ca.key.pem"));
    ATTESTD_TRY(auto tcb_signing, key("intel-tcb-signing.key.pem"));
    ATTESTD_TRY(auto pck, key("intel-pck.key.pem"));
    ATTESTD_TRY(auto attestation, key("intel-attestation.key.pem"));
    return IntelKeys{std::move(root), std::move(pck_ca), std::move(tcb_signing), std::move(pck),
                     std::move(attestation)};
}

const IntelKeys& shared_intel_keys() {
    static const IntelKeys keys;
    return keys;
}

IntelValidity IntelValidity::around(Time now) {
    using std::chrono::years;
    return {.root = {now - years(8), now + years(23)},
            .authorities = {now - years(5), now + years(10)},
            .pck = {now - years(1), now + years(6)}};
}

IntelHierarchy::IntelHierarchy(IntelKeys keys_in, const IntelValidity& validity_in, PckCa ca_in)
    : keys(std::move(keys_in)),
      validity(validity_in),
      ca(ca_in),
      root(issue(root_spec(), root_issuer())),
      pck_ca(issue(pck_ca_spec(), root_issuer())),
      tcb_signing(issue(tcb_signing_spec(), root_issuer())) {}

Issuer IntelHierarchy::root_issuer() const { return {intel_name(kRootName), keys.root}; }

Issuer IntelHierarchy::pck_issuer() const { return {intel_name(pck_ca_name(ca)), keys.pck_ca}; }

CertificateSpec IntelHierarchy::root_spec() const {
    return {.serial = key_id_serial(keys.root),
            .subject = intel_name(kRootName),
            .validity = validity.root,
            .spki = keys.root.spki(),
            .extensions = genuine_extensions(keys.root, kRootCrlUrl, keys.root, kCertAndCrlSign,
                                             {.ca = true, .path_len = 1}),
            .inner_algorithm = {}};
}

CertificateSpec IntelHierarchy::pck_ca_spec() const {
    return {.serial = key_id_serial(keys.pck_ca),
            .subject = intel_name(pck_ca_name(ca)),
            .validity = validity.authorities,
            .spki = keys.pck_ca.spki(),
            .extensions = genuine_extensions(keys.root, kRootCrlUrl, keys.pck_ca, kCertAndCrlSign,
                                             {.ca = true, .path_len = 0}),
            .inner_algorithm = {}};
}

CertificateSpec IntelHierarchy::tcb_signing_spec() const {
    return {.serial = key_id_serial(keys.tcb_signing),
            .subject = intel_name(kTcbSigningName),
            .validity = validity.authorities,
            .spki = keys.tcb_signing.spki(),
            .extensions = genuine_extensions(keys.root, kRootCrlUrl, keys.tcb_signing,
                                             kSignAndNonRepudiation, {}),
            .inner_algorithm = {}};
}

CertificateSpec IntelHierarchy::pck_spec(const PckFields& fields) const {
    Extension sgx = sgx_extension(sgx_extension_pairs(fields));
    CertificateSpec spec{.serial = serial_of(concat({sgx.value, keys.pck.point()})),
                         .subject = intel_name(kPckName),
                         .validity = validity.pck,
                         .spki = keys.pck.spki(),
                         .extensions = genuine_extensions(keys.pck_ca, pck_crl_url(ca), keys.pck,
                                                          kSignAndNonRepudiation, {}),
                         .inner_algorithm = {}};
    spec.extensions.push_back(std::move(sgx));
    return spec;
}

Bytes IntelHierarchy::pck(const PckFields& fields) const {
    return issue(pck_spec(fields), pck_issuer());
}

CrlSpec IntelHierarchy::root_crl_spec(Window window) const { return crl_spec(window, keys.root); }

CrlSpec IntelHierarchy::pck_crl_spec(Window window) const { return crl_spec(window, keys.pck_ca); }

std::string IntelHierarchy::pck_chain(ByteView leaf) const {
    return certificate_pem(leaf) + pck_crl_issuer_chain();
}

std::string IntelHierarchy::pck_crl_issuer_chain() const {
    return certificate_pem(pck_ca) + certificate_pem(root);
}

std::string IntelHierarchy::tcb_signing_chain() const {
    return certificate_pem(tcb_signing) + certificate_pem(root);
}

}  // namespace attestd::forge
