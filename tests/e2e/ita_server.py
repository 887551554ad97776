"""Intel Trust Authority for tests: `spec/remote-verifiers.md` section 1, version 2 of the interface, TDX."""
import base64
import hashlib
import json
import os
import struct
import time

from cryptography.hazmat.primitives.asymmetric import ec

import pcs_server
from kbs_jose import compact
from pcs_server import Answer
from verifier_server import (Refused, Service, TokenKey, answer_lies, certificate, claims_are, claims_lack, edit,
                             revocation_list, says)

API_KEY = "an-api-key-of-the-tests"
POLICY = "8f6e1c7a-0000-4000-8000-000000000001"

# member: offset and length in a quote of version 4
BODY = {"tdx_tee_tcb_svn": (48, 16), "tdx_mrseam": (64, 48), "tdx_mrsignerseam": (112, 48),
        "tdx_seam_attributes": (160, 8), "tdx_td_attributes": (168, 8), "tdx_xfam": (176, 8), "tdx_mrtd": (184, 48),
        "tdx_mrconfigid": (232, 48), "tdx_mrowner": (280, 48), "tdx_mrownerconfig": (328, 48),
        "tdx_rtmr0": (376, 48), "tdx_rtmr1": (424, 48), "tdx_rtmr2": (472, 48), "tdx_rtmr3": (520, 48),
        "tdx_report_data": (568, 64)}


def td_claims(quote):
    """what a TD quote states, by the names that Intel's and Microsoft's services share"""
    if struct.unpack_from("<H", quote)[0] != 4:
        raise ValueError("quote version")
    return {name: quote[at:at + length].hex() for name, (at, length) in BODY.items()}


def b64(data):
    return base64.b64encode(data).decode()


class Ita(Service):
    algorithm = "PS384"
    ca_list, root_list = "/crl/ca.der", "/crl/root.der"

    def new_key(self, kid):
        """with leaf, signing CA and root, of which two name revocation lists (section 1.6)"""
        root, root_key = self.server.authority
        if not hasattr(self, "signing"):
            key = ec.generate_private_key(ec.SECP256R1())
            self.signing = certificate("Trust Authority Signing CA", key, root, root_key, is_authority=True,
                                       crl_url=self.url + self.root_list), key
        signing, signing_key = self.signing
        out = TokenKey(kid)
        out.chain = [certificate(kid, out.key, signing, signing_key, crl_url=self.url + self.ca_list), signing, root]
        return out

    def crl_of_ca(self, request):
        return Answer(200, {"Content-Type": "application/pkix-crl"},
                      revocation_list(*self.signing, self.revoked, self.list_hours))

    def crl_of_root(self, request):
        return Answer(200, {}, revocation_list(*self.server.authority, self.revoked))

    def behave(self):
        super().behave()
        self.revoked, self.list_hours = [], 1
        self.issuer = "https://portal.trustauthority.example"
        self.nonces = getattr(self, "nonces", {})
        self.matched = None  # policies, whatever was asked for
        self.status = "UpToDate"

    def step_of(self, request, target):
        steps = {("GET", self.ca_list): ("crl-ca", self.crl_of_ca), ("GET", self.root_list): ("crl-root", self.crl_of_root),
                 ("GET", "/appraisal/v2/nonce"): ("nonce", self.nonce),
                 ("POST", "/appraisal/v2/attest"): ("attest", self.attest)}
        return steps.get((request.method, target), (f"{request.method} {target}", self.unknown))

    def unknown(self, request):
        self.complain(f"{request.method} {request.target}")
        return Answer(404, {}, b"")

    def check_key(self, request):
        if request.headers.get("x-api-key") != API_KEY:
            raise Refused(Answer(401, {"trace-id": "1"}, b'{"error":"Unauthorized"}'))

    def nonce(self, request):
        self.check_key(request)
        if request.headers.get("accept") != "application/json":
            self.complain("nonce: accept")
        nonce = {"val": b64(os.urandom(32)), "iat": b64(str(time.time()).encode()), "signature": b64(os.urandom(48))}
        self.nonces[nonce["val"]] = nonce
        return Answer(200, {"Content-Type": "application/json", "request-id": "1"}, compact(nonce))

    def attest(self, request):
        self.check_key(request)
        body = self.json_body(request, ("tdx", "policy_ids", "policy_must_match", "token_signing_alg"))
        tdx = body["tdx"]
        if set(tdx) != {"quote", "runtime_data", "verifier_nonce"}:
            self.complain(f"tdx: {sorted(tdx)}")
        nonce = self.nonces.pop(tdx["verifier_nonce"]["val"], None)
        if nonce != tdx["verifier_nonce"]:
            self.complain("a nonce that is not ours, or was used")
            raise Refused(Answer(400, {}, b'{"error":"invalid verifier nonce"}'))
        quote, data = base64.b64decode(tdx["quote"], validate=True), base64.b64decode(tdx["runtime_data"], validate=True)
        claims = td_claims(quote)
        bound = base64.b64decode(nonce["val"]) + base64.b64decode(nonce["iat"]) + data
        if hashlib.sha512(bound).hexdigest() != claims["tdx_report_data"]:
            self.complain("report data")
            raise Refused(Answer(400, {}, b'{"error":"report data mismatch"}'))
        policies = body.get("policy_ids", []) if self.matched is None else self.matched
        if body.get("policy_ids") and body.get("policy_must_match") is not True:
            self.complain("policies that need not match")
        claims |= {"attester_type": "TDX", "attester_tcb_status": self.status, "attester_held_data": b64(data),
                   "attester_runtime_data": json.loads(data), "verifier_nonce": nonce,
                   "tdx_is_debuggable": bool(quote[168] & 1), "tdx_td_attributes_debug": bool(quote[168] & 1),
                   "tdx_seamsvn": 3, "tdx_collateral": {"quotehash": hashlib.sha256(quote).hexdigest()},
                   "policy_ids_matched": [{"id": p, "version": "v1", "hash": "aGFzaA=="} for p in policies]}
        token = self.token({**self.times(), "ver": "2.0.0", "tdx": claims, "dbgstat": "disabled"})
        return Answer(200, {"Content-Type": "application/json"}, compact({"token": token}))


def tier(status):
    return edit(status=status)


ENDS = {
    "wrong-nonce": (claims_are("tdx", "verifier_nonce", val=b64(bytes(32))), ("refused", "tdx.stated.token.nonce")),
    "no-nonce": (claims_lack("tdx", "verifier_nonce"), ("refused", "tdx.stated.token.malformed")),
    "other-held-data": (claims_are("tdx", attester_held_data=b64(b"{}")), ("refused", "tdx.stated.token.nonce")),
    "other-runtime-data": (claims_are("tdx", attester_runtime_data={"attestd-session": "00" * 32}),
                           ("refused", "tdx.stated.token.nonce")),
    "other-report-data": (claims_are("tdx", tdx_report_data="00" * 64), ("refused", "tdx.stated.token.evidence")),
    "short-report-data": (claims_are("tdx", tdx_report_data="00"), ("refused", "tdx.stated.token.evidence")),
    "of-another-machine": (claims_are("tdx", tdx_mrtd="ab" * 48), ("refused", "tdx_mrtd is")),
    "other-register": (claims_are("tdx", tdx_rtmr3="ab" * 48), ("refused", "tdx.stated.token.evidence")),
    "other-attributes": (claims_are("tdx", tdx_td_attributes="01" * 8), ("refused", "tdx.stated.token.evidence")),
    "no-measurement": (claims_lack("tdx", "tdx_mrtd"), ("refused", "does not say tdx_mrtd")),
    "of-sgx": (claims_are("tdx", attester_type="SGX"), ("refused", "attester_type")),
    "other-issuer": (edit(issuer="https://portal.trustauthority.example/"), ("refused", "tdx.stated.token.issuer")),
    "no-end": (claims_lack("exp"), ("refused", "tdx.stated.token.malformed")),
    "debuggable": (claims_are("tdx", tdx_is_debuggable=True), ("refused", "tdx.stated.policy.debug")),
    "debug-attribute": (claims_are("tdx", tdx_td_attributes_debug=True), ("refused", "tdx.stated.policy.debug")),
    "debug-text": (claims_are("tdx", tdx_is_debuggable="false"), ("refused", "tdx.stated.policy.debug")),
    "out-of-date": (tier("OutOfDate"), ("refused", 'attester_tcb_status is "OutOfDate"')),
    "revoked": (tier("Revoked"), ("refused", "tdx.stated.tcb.status")),
    "middle-tier": (tier("SWHardeningNeeded"), ("refused", "accept_warning")),
    "unknown-tier": (tier("Splendid"), ("refused", "tdx.stated.tcb.status")),
    "no-tier": (claims_lack("tdx", "attester_tcb_status"), ("refused", "tdx.stated.tcb.status")),
    "policy-unmatched": (edit(matched=["8f6e1c7a-0000-4000-8000-00000000000f"]),
                         ("refused", "tdx.stated.policy.unmatched")),
    "nonce-unknown-member": (says("nonce", 200, b'{"val":"AA==","iat":"AA==","signature":"AA==","x":1}'),
                             ("unreachable", "remote-verifier.protocol: ")),
    "nonce-no-base64": (says("nonce", 200, b'{"val":"!","iat":"AA==","signature":"AA=="}'),
                        ("unreachable", "remote-verifier.protocol: ")),
    "nonce-huge": (says("nonce", 200, b'{"val":"' + b"A" * 8000 + b'","iat":"AA==","signature":"AA=="}'),
                   ("unreachable", "remote-verifier.protocol: ")),
    **answer_lies("nonce", "attest"),
}


# --- the signer's chain: lies on a daemon's first look, since lists and key sets are kept

def revoke(index):
    return lambda service: setattr(service, "revoked", [service.key.chain[index].serial_number])


def lists_of(issuer, key):
    """the signing CA's list is by another issuer, or by another key of this name"""
    def lie(service):
        named = issuer(service)
        service.fixed["crl-ca"] = Answer(200, {}, revocation_list(named, key(service)))
    return lie


def chain_is(change):
    """another chain beside the same key in the key set"""
    def lie(service):
        published = TokenKey(service.key.kid)
        published.key, published.chain = service.key.key, change(service, list(service.key.chain))
        service.published = [published]
    return lie


def without_address(service, chain):
    signing, key = service.signing
    return [certificate("key-1", service.key.key, signing, key), *chain[1:]]


def two_roots(service, chain):
    return [*chain, certificate("Another Root CA", ec.generate_private_key(ec.SECP256R1()))]


def another_leaf(service, chain):
    signing, key = service.signing
    return [certificate("key-1", service.spare.key, signing, key, crl_url=service.url + service.ca_list), *chain[1:]]


CRL_LIES = {
    "leaf revoked": (revoke(0), ("refused", "stated.crl.leaf-revoked: ")),
    "CA revoked": (revoke(1), ("refused", "stated.crl.intermediate-revoked: ")),
    "list expired": (edit(list_hours=-1), ("refused", "stated.crl.expired: ")),
    "list by another key": (lists_of(lambda s: s.signing[0], lambda s: s.server.authority[1]),
                            ("refused", "stated.crl.signature: ")),
    "list of another issuer": (lists_of(lambda s: s.server.authority[0], lambda s: s.server.authority[1]),
                               ("refused", "stated.crl.issuer: ")),
    "no list": (says("crl-ca", 404, b"gone"), ("unreachable", "crl.missing: ")),
    "list is HTML": (says("crl-ca", 200, b"<html>"), ("refused", "stated.crl.malformed: ")),
    "list redirected": (lambda s: s.faults.__setitem__("crl-root", (pcs_server.FAULTS["redirect"], {"to": "/x"})),
                        ("unreachable", "fetch.redirected")),
    "no address": (chain_is(without_address), ("unreachable", "it names none")),
    "no certificates": (chain_is(lambda service, chain: []), ("refused", "stated.token.untrusted")),
    "no root": (chain_is(lambda service, chain: chain[:2]), ("refused", "holds no root")),
    "two roots": (chain_is(two_roots), ("refused", "more than one root")),
    "eleven certificates": (chain_is(lambda service, chain: chain + [chain[1]] * 8),
                            ("refused", "1 to 10 certificates")),
    "another leaf": (chain_is(another_leaf), ("refused", "another key than its certificate's")),
}
Ita.lies = {name: lie for name, (lie, _) in ENDS.items()}
Ita.ends = {name: end for name, (_, end) in ENDS.items()}
