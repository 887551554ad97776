"""The lies of a key broker in tests: each changes a kbs_server.Broker, from now on."""
import hmac
import json

from cryptography.hazmat.primitives.asymmetric import ec

import pcs_server
from kbs_jose import Signer, b64u, compact, from_b64u
from pcs_server import Answer

ERRORS = "https://github.com/confidential-containers/kbs/errors/"


def edit(**how):
    def lie(broker):
        for name, value in how.items():
            setattr(broker, name, value)
    return lie


def at(endpoint, fault, **how):
    return lambda broker: broker.faults.__setitem__(endpoint, (pcs_server.FAULTS[fault], how))


def says(endpoint, status, name=None, detail="", headers=None, body=None):
    """`endpoint` answers so"""
    if body is None:
        body = compact({"type": ERRORS + name, "detail": detail})
    return lambda broker: broker.fixed.__setitem__(endpoint, Answer(status, headers or {}, body))


def in_claims(change):
    return edit(change_claims=change)


def in_jwe(change):
    return edit(change_jwe=change)


def with_runtime(**how):
    return lambda claims: claims["submods"]["cpu0"]["ear.veraison.annotated-evidence"]["runtime_data_claims"].update(how)


def with_status(status, submod="cpu0"):
    def change(claims):
        claims["submods"].setdefault(submod, json.loads(json.dumps(claims["submods"]["cpu0"])))
        claims["submods"][submod]["ear.status"] = status
    return change


def without(*path):
    def change(claims):
        for step in path[:-1]:
            claims = claims[step]
        del claims[path[-1]]
    return change


def alg_none(broker, claims):
    return b64u(compact({"alg": "none", "typ": "JWT"})) + "." + b64u(compact(claims)) + "."


def hmac_with_public_key(broker, claims):
    signed = b64u(compact({"alg": "HS256", "typ": "JWT"})) + "." + b64u(compact(claims))
    secret = broker.server.signer_public.read_bytes()
    return signed + "." + b64u(hmac.new(secret, signed.encode(), "sha256").digest())


def rs256_over_ec(broker, claims):
    return broker.server.signer.sign(claims, {**broker.server.signer.header(), "alg": "RS256"})


def by_stranger(broker, claims):
    return Signer(ec.generate_private_key(ec.SECP256R1())).sign(claims)


def by_stranger_with_our_chain(broker, claims):
    stranger = Signer(ec.generate_private_key(ec.SECP256R1()))
    header = stranger.header()
    header["jwk"]["x5c"] = broker.server.signer.jwk["x5c"]
    return stranger.sign(claims, header)


def with_crit(broker, claims):
    return broker.server.signer.sign(claims, {**broker.server.signer.header(), "crit": ["b64"], "b64": True})


def cut_token(broker, claims):
    return broker.server.signer.sign(claims)[:-6]


def no_token(broker, claims):
    return "not a token"


def other_key_jwk():
    return Signer(ec.generate_private_key(ec.SECP256R1())).jwk | {"alg": "ECDH-ES+A256KW"}


def flipped(name):
    def change(jwe):
        raw = bytearray(from_b64u(jwe[name]))
        raw[0] ^= 1
        jwe[name] = b64u(bytes(raw))
    return change


def cut(name, keep):
    return lambda jwe: jwe.__setitem__(name, b64u(from_b64u(jwe[name])[:keep]))


def header_edit(**how):
    def change(jwe):
        header = json.loads(from_b64u(jwe["protected"]))
        jwe["protected"] = b64u(compact({**header, **how}))
    return change


LIES = {
    # tokens
    "wrong-nonce": in_claims(with_runtime(nonce="another")),
    "other-key": in_claims(lambda claims: with_runtime(**{"tee-pubkey": other_key_jwk()})(claims)),
    "expired": in_claims(lambda claims: claims.update(exp=claims["iat"] - 1)),
    "from-the-future": in_claims(lambda claims: claims.update(iat=claims["iat"] + 3600, exp=claims["exp"] + 3600)),
    "contraindicated": in_claims(with_status("contraindicated")),
    "status-none": in_claims(with_status("none")),
    "status-unknown": in_claims(with_status("splendid")),
    "warning": in_claims(with_status("warning")),
    "bad-gpu": in_claims(with_status("contraindicated", "gpu0")),
    "no-status": in_claims(without("submods", "cpu0", "ear.status")),
    "no-submods": in_claims(without("submods")),
    "no-runtime-data": in_claims(without("submods", "cpu0", "ear.veraison.annotated-evidence", "runtime_data_claims")),
    "no-exp": in_claims(without("exp")),
    "alg-none": edit(make_token=alg_none),
    "key-confusion": edit(make_token=hmac_with_public_key),
    "algorithm-confusion": edit(make_token=rs256_over_ec),
    "strangers-token": edit(make_token=by_stranger),
    "strangers-token-our-chain": edit(make_token=by_stranger_with_our_chain),
    "critical-header": edit(make_token=with_crit),
    "cut-token": edit(make_token=cut_token),
    "no-token": edit(make_token=no_token),
    # encryption
    "truncated-jwe": in_jwe(cut("ciphertext", 3)),
    "short-tag": in_jwe(cut("tag", 12)),
    "changed-tag": in_jwe(flipped("tag")),
    "changed-key": in_jwe(flipped("encrypted_key")),
    "changed-iv": in_jwe(flipped("iv")),
    "changed-aad": in_jwe(header_edit(kid="x")),
    "added-aad": in_jwe(lambda jwe: jwe.update(aad=b64u(b"more"))),
    "rsa1-5": in_jwe(header_edit(alg="RSA1_5")),
    "zipped": in_jwe(header_edit(zip="DEF")),
    "to-another-key": edit(encrypt_to=other_key_jwk),
    "plain-secret": edit(encrypt_to=lambda: None),
    # answers
    "huge-challenge": at("auth", "endless"),
    "huge-token": at("attest", "endless"),
    "huge-secret": at("resource", "endless"),
    "slow-challenge": at("auth", "drip"),
    "slow-token": at("attest", "drip"),
    "slow-secret": at("resource", "drip"),
    "no-answer": at("auth", "never"),
    "truncated-secret": at("resource", "truncated"),
    "redirected-auth": at("auth", "redirect", to="https://evil.example/"),
    "redirected-read": at("resource", "redirect", to="/elsewhere", status=307),
    "html-auth": says("auth", 200, body=b"<html>hello</html>", headers={"Content-Type": "text/html"}),
    "html-token": edit(token_type="text/html"),
    "html-secret": edit(secret_type="text/html; charset=utf-8"),
    "empty-auth": says("auth", 200, body=b""),
    "no-cookie": edit(cookie_line=lambda value: None),
    "bad-cookie": edit(cookie_line=lambda value: "kbs-session-id=a b; Expires=0"),
    "no-nonce": edit(nonce=lambda: None),
    "empty-nonce": edit(nonce=lambda: ""),
    "huge-nonce": edit(nonce=lambda: "x" * 20000),
    "sm3": edit(challenge_extra={"selected-hash-algorithm": "sm3"}),
    "hash-number": edit(challenge_extra={"selected-hash-algorithm": 384}),
    # errors, by name and by status
    "version": edit(version="0.3.0"),
    "refused": edit(refuses_evidence=True),
    "denied": edit(denies=True),
    "unknown-name": says("resource", 401, "SomethingNew", "what is this"),
    "token-not-found": says("resource", 401, "TokenNotFound", "no token"),
    "jwe-error": says("resource", 401, "JweError", "cannot encrypt"),
    "policy-engine": says("resource", 401, "PolicyEngineError", "rego"),
    "page-401": says("resource", 401, body=b"<h1>who\x07 are you</h1>" + b"x" * 500),
    "page-403": says("resource", 403, body=b"forbidden by proxy"),
    "page-404": says("auth", 404, body=b"nothing here"),
    "page-409": says("attest", 409, body=b"conflict"),
    "plugin-404": says("resource", 404, "PluginNotFound", "no such plug-in"),
    "throttled": says("resource", 429, body=b"slow down", headers={"Retry-After": "30"}),
    "error-500": says("auth", 500, body=b"oops"),
    "error-503": says("resource", 503, body=b"later"),
}
