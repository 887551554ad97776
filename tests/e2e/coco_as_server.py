"""Trustee's restful attestation service for tests: `spec/kbs.md` section 6.3, its tokens section 6.1."""
import base64
import hashlib
import json
import time

import pcs_server
from kbs_evidence import CHECKS
from kbs_jose import canonical, ear_claims, from_b64u
from pcs_server import Answer
from verifier_server import Refused, Service, answer_lies, at, claims, claims_are, claims_lack, edit, says

HASHES = {"sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}
REQUEST = {"tee", "evidence", "runtime_data", "runtime_data_hash_algorithm", "init_data"}
TEXT = {"Content-Type": "text/plain; charset=utf-8"}
ANNOTATED = ("submods", "cpu0", "ear.veraison.annotated-evidence")


def stated_of(tee, evidence):
    """what Trustee says of evidence, in part"""
    if tee == "snp":
        report = evidence["attestation_report"]
        return {"measurement": bytes(report["measurement"]).hex(), "chip_id": bytes(report["chip_id"]).hex(),
                "policy_debug_allowed": False}
    quote = base64.b64decode(evidence["quote"])
    return {"quote": {"body": {"mr_td": quote[184:232].hex(), "rtmr_0": quote[376:424].hex(),
                               "mr_config_id": quote[232:280].hex(), "xfam": quote[176:184].hex()}}}


class CocoAs(Service):
    algorithm, key_kind = "ES256", "EC"

    def behave(self):
        super().behave()
        self.issuer = "CoCo-Attestation-Service"
        self.keys_url = self.url + "/.well-known/jwks.json"
        self.answer_headers, self.change_body = TEXT, lambda token: token
        self.init_data = None
        self.policies = getattr(self, "policies", ["default"])

    def header(self):
        """no `kid`: the key itself, with certificates that lead to the server's authority"""
        return {"alg": self.algorithm, "typ": "JWT", "jwk": {k: v for k, v in self.signer.jwk().items() if k != "kid"}}

    def step_of(self, request, target):
        if request.method == "GET" and target == "/.well-known/jwks.json":
            return "certs", self.certs
        if request.method == "POST" and target == "/attestation":
            return "attest", self.attest
        self.complain(f"{request.method} {target}")
        return target, lambda r: Answer(404, {}, b"")

    def attest(self, request):
        if request.headers.get("content-type") != "application/json":
            self.complain(f"content type {request.headers.get('content-type')}")
        body = json.loads(request.body)
        if set(body) != {"verification_requests", "policy_ids"} or len(body["verification_requests"]) != 1:
            self.complain(f"members {sorted(body)}")
        if body["policy_ids"] != self.policies:
            self.complain(f"policies {body['policy_ids']}")
        asked, = body["verification_requests"]
        if not set(asked) <= REQUEST or set(asked.get("runtime_data", ())) != {"structured"}:
            self.complain(f"request {sorted(asked)}")  # runtime data is optional, and attestd always sends it
        if asked.get("init_data") != self.init_data:
            self.complain(f"init data {asked.get('init_data')}")
        runtime, tee = asked["runtime_data"]["structured"], asked["tee"]
        digest = HASHES[asked["runtime_data_hash_algorithm"]](canonical(runtime)).digest()
        report_data = digest + bytes(64 - len(digest))
        evidence = json.loads(from_b64u(asked["evidence"]))
        try:
            CHECKS[tee](evidence, report_data)
        except ValueError as error:
            self.complain(f"evidence: {error}")
            raise Refused(Answer(400, TEXT, b"verify TEE evidence failed")) from error
        out = ear_claims(runtime, int(time.time()), self.token_life)
        out["iss"] = self.issuer
        annotated = out["submods"]["cpu0"]["ear.veraison.annotated-evidence"]
        annotated |= {"report_data": report_data.hex(), tee: stated_of(tee, evidence)}
        return Answer(200, self.answer_headers, self.change_body(self.token(out)).encode())


def drips(service):
    service.faults["attest"] = (pcs_server.FAULTS["drip"], {})


def status_is(name, value="contraindicated"):
    def change(all_claims):
        all_claims["submods"].setdefault(name, {})["ear.status"] = value
    return claims(change)


ENDS = {
    "wrong-nonce": (claims_are(*ANNOTATED, "runtime_data_claims", nonce="00" * 32),
                    ("refused", "stated.token.nonce")),
    "no-nonce": (claims_lack(*ANNOTATED, "runtime_data_claims", "nonce"), ("refused", "stated.token.malformed")),
    "no-runtime-data": (claims_are(*ANNOTATED, runtime_data_claims=None), ("refused", "stated.token.malformed")),
    "runtime-data-left-out": (claims_lack(*ANNOTATED, "runtime_data_claims"), ("refused", "stated.token.malformed")),
    "other-key-bound": (claims_are(*ANNOTATED, "runtime_data_claims", **{"tee-pubkey": {"kty": "EC"}}),
                        ("refused", "stated.token.key")),
    "more-bound": (claims_are(*ANNOTATED, "runtime_data_claims", more="x"), ("refused", "stated.token.nonce")),
    "other-report-data": (claims_are(*ANNOTATED, report_data="00" * 64), ("refused", "stated.token.evidence")),
    "no-report-data": (claims_lack(*ANNOTATED, "report_data"), ("refused", "stated.token.malformed")),
    "of-another-machine": (claims_are(*ANNOTATED, "snp", measurement="ab" * 48), ("refused", "measurement is")),
    "of-no-machine": (claims_lack(*ANNOTATED, "snp"), ("refused", "stated.token.malformed")),
    "debug-machine": (claims_are(*ANNOTATED, "snp", policy_debug_allowed=True), ("refused", "stated.token.evidence")),
    "contraindicated": (status_is("cpu0"), ("refused", "stated.token.not-affirming")),
    "status-none": (status_is("cpu0", "none"), ("refused", "stated.token.not-affirming")),
    "warning": (status_is("cpu0", "warning"), ("refused", "stated.token.not-affirming")),
    "bad-gpu": (status_is("gpu0"), ("refused", "ear.status of gpu0")),
    "bad-vector": (claims_are("submods", "cpu0", "ear.trustworthiness-vector", hardware=97),
                   ("refused", "stated.token.not-affirming")),
    "no-status": (claims_lack("submods", "cpu0", "ear.status"), ("refused", "stated.token.malformed")),
    "no-submods": (claims_lack("submods"), ("refused", "stated.token.malformed")),
    "other-policy": (claims_are("submods", "cpu0", **{"ear.appraisal-policy-id": "lax"}),
                     ("refused", "ear.appraisal-policy-id is")),
    "other-profile": (claims_are(eat_profile="tag:github.com,2023:veraison/ear"),
                      ("refused", "stated.token.malformed: eat_profile")),
    "other-issuer": (edit(issuer="CoCo"), ("refused", "stated.token.issuer")),
    "no-end": (claims_lack("exp"), ("refused", "stated.token.malformed")),
    "as-html": (edit(answer_headers={"Content-Type": "text/html"}), ("unreachable", "remote-verifier.protocol: ")),
    "as-json": (edit(change_body=lambda token: json.dumps({"token": token})),
                ("unreachable", "remote-verifier.protocol: ")),
    "evidence-refused": (says("attest", 400, b"verify TEE evidence \x07failed"),
                         ("refused", "stated.remote-verifier.refused: ")),
    "endless": (at("attest", "endless"), ("unreachable", "fetch.too-large: ")),
    "drip": (drips, ("unreachable", "fetch.timed-out: ")),
    **{name: lie for name, lie in answer_lies(None, "attest").items() if name not in ("attest-400",)},
}
CocoAs.lies = {name: lie for name, (lie, _) in ENDS.items()}
CocoAs.ends = {name: end for name, (_, end) in ENDS.items()}
