"""The tokens and encrypted answers of a key broker, for tests: `spec/kbs.md` sections 4.3 and 6.1."""
import base64
import hashlib
import json
import os
import struct

from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CURVES = {"P-256": (ec.SECP256R1, 32), "P-521": (ec.SECP521R1, 66)}


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_b64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def canonical(value):
    """RFC 8785, for objects that hold texts alone"""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


# --- the answer's encryption (section 4.3)

def concat_kdf(z, algorithm):
    name = algorithm.encode()
    info = struct.pack(">I", len(name)) + name + bytes(4) + bytes(4) + struct.pack(">I", 256)
    return hashlib.sha256(struct.pack(">I", 1) + z + info).digest()


def encrypt(jwk, plaintext):
    """a flattened JWE, as a dict"""
    content_key, iv = os.urandom(32), os.urandom(12)
    header = {"alg": jwk["alg"], "enc": "A256GCM"}
    if jwk["kty"] == "EC":
        if set(jwk) != {"kty", "crv", "alg", "x", "y"} or jwk["alg"] != "ECDH-ES+A256KW":
            raise ValueError("JWK")
        curve, length = CURVES[jwk["crv"]]
        x, y = from_b64u(jwk["x"]), from_b64u(jwk["y"])
        if len(x) != length or len(y) != length:
            raise ValueError("coordinates")
        theirs = ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), curve()).public_key()
        ours = ec.generate_private_key(curve())
        point = ours.public_key().public_numbers()
        header["epk"] = {"crv": jwk["crv"], "kty": "EC", "x": b64u(point.x.to_bytes(length, "big")),
                         "y": b64u(point.y.to_bytes(length, "big"))}
        wrapped = keywrap.aes_key_wrap(concat_kdf(ours.exchange(ec.ECDH(), theirs), jwk["alg"]), content_key)
    else:
        if set(jwk) != {"kty", "alg", "n", "e"} or jwk["alg"] != "RSA-OAEP-256":
            raise ValueError("JWK")
        e, n = (int.from_bytes(from_b64u(jwk[name]), "big") for name in ("e", "n"))
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        wrapped = rsa.RSAPublicNumbers(e, n).public_key().encrypt(content_key, oaep)
    protected = b64u(compact(header))
    sealed = AESGCM(content_key).encrypt(iv, plaintext, protected.encode())
    return {"protected": protected, "encrypted_key": b64u(wrapped), "iv": b64u(iv),
            "ciphertext": b64u(sealed[:-16]), "tag": b64u(sealed[-16:])}


# --- tokens (section 6.1)

class Signer:
    def __init__(self, key, chain=()):
        self.key, self.chain = key, chain

    @property
    def jwk(self):
        numbers = self.key.public_key().public_numbers()
        jwk = {"kty": "EC", "crv": "P-256", "alg": "ES256", "x": b64u(numbers.x.to_bytes(32, "big")),
               "y": b64u(numbers.y.to_bytes(32, "big"))}
        if self.chain:
            jwk["x5c"] = [base64.b64encode(c).decode() for c in self.chain]
        return jwk

    def header(self):
        return {"alg": "ES256", "typ": "JWT", "jwk": self.jwk}

    def sign(self, claims, header=None):
        signed = b64u(compact(header or self.header())) + "." + b64u(compact(claims))
        r, s = utils.decode_dss_signature(self.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return signed + "." + b64u(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def ear_claims(runtime, now, life):
    vector = {"instance-identity": 0, "configuration": 2, "executables": 3, "file-system": 0, "hardware": 2,
              "runtime-opaque": 0, "storage-opaque": 0, "sourced-data": 0}
    return {
        "eat_profile": "tag:github.com,2024:confidential-containers/Trustee", "iat": now, "exp": now + life,
        "iss": "CoCo-Attestation-Service",
        "ear.verifier-id": {"developer": "https://confidentialcontainers.org", "build": "attestation-service 0.21.0"},
        "submods": {"cpu0": {
            "ear.status": "affirming", "ear.trustworthiness-vector": vector, "ear.appraisal-policy-id": "default",
            "ear.veraison.annotated-evidence": {"report_data": "", "runtime_data_claims": runtime,
                                                "init_data": "", "init_data_claims": None}}}}
