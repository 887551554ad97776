// OpenSSL's own view of what was forged: the second reader that keeps the forge honest.
#pragma once

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <string>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/ossl.h"
#include "quote/base/time.h"

namespace attestd::test {

using X509Ptr = std::unique_ptr<X509, Free<X509_free>>;
using X509CrlPtr = std::unique_ptr<X509_CRL, Free<X509_CRL_free>>;

/// Null when OpenSSL cannot read all of it, or would write it otherwise.
[[nodiscard]] X509Ptr read_certificate(ByteView der);
[[nodiscard]] X509CrlPtr read_crl(ByteView der);

struct ChainCheck {
    Bytes leaf;
    std::vector<Bytes> intermediates;
    Bytes root;
    std::vector<Bytes> crls;  ///< checked for every certificate of the chain when given
    Time at;
};

/// "ok", or what X509_verify_cert objects to.
[[nodiscard]] std::string verify_chain(const ChainCheck& chain);

/// Whether OpenSSL finds `signature` (DER) to be the certificate key's over SHA-256 or SHA-384 of
/// it.
[[nodiscard]] bool verifies(ByteView certificate_der, const EVP_MD* digest, ByteView message,
                            ByteView signature);

/// r then s as a DER signature, by OpenSSL's encoder.
[[nodiscard]] Bytes der_signature(ByteView r, ByteView s);

/// The text of one part of the subject, by NID.
[[nodiscard]] std::string subject_part(const X509* certificate, int nid);

}  // namespace attestd::test
