"""Microsoft Azure Attestation for tests: `spec/remote-verifiers.md` sections 2.1 to 2.5, SevSnpVm and TdxVm."""
import base64
import hashlib
import json
import warnings

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from ita_server import td_claims
from kbs_jose import compact
from pcs_server import Answer
from verifier_server import Refused, Service, answer_lies, claims_are, claims_lack, edit, says

VERSION = "2025-06-01"
POLICY_HASH = "wm9mHlvTU82e8UqoOy1Yj1FBRSNkfe99-69IYDq9eWs"
SNP = {"launchmeasurement": (0x90, 48), "hostdata": (0xc0, 32), "idkeydigest": (0xe0, 48),
       "authorkeydigest": (0x110, 48), "familyId": (0x10, 16), "imageId": (0x20, 16), "reportid": (0x140, 32),
       "reportdata": (0x50, 64)}


def padded(text):
    if len(text) % 4:
        raise ValueError("base64url without padding")
    return base64.b64decode(text, b"-_", validate=True)


def refused(code, message, status=400):
    return Refused(Answer(status, {"x-ms-error-code": code}, compact({"error": {"code": code, "message": message}})))


class Maa(Service):
    def behave(self):
        super().behave()
        self.algorithm = "RS256"

    def step_of(self, request, target):
        steps = {f"/attest/SevSnpVm?api-version={VERSION}": self.snp, f"/attest/TdxVm?api-version={VERSION}": self.tdx}
        if request.method == "POST" and target in steps:
            return "attest", steps[target]
        self.complain(f"{request.method} {target}")
        return target, lambda r: Answer(404, {}, b"")

    def times(self):
        out = super().times()
        return {**out, "exp": out["iat"] + 28800, "x-ms-ver": "1.0", "x-ms-policy-hash": POLICY_HASH}

    def runtime(self, body, report_data):
        given = body["runtimeData"]
        data = padded(given["data"])
        if set(given) != {"data", "dataType"} or given["dataType"] != "JSON":
            self.complain(f"runtime data {sorted(given)}")
        if report_data != hashlib.sha256(data).digest() + bytes(32):
            self.complain("report data")
            raise refused("InvalidParameter", "report data")
        return json.loads(data)

    def answer(self, claims):
        return Answer(200, {"Content-Type": "application/json"}, compact({"token": self.token(claims)}))

    def snp(self, request):
        body = self.json_body(request, ("report", "runtimeData"))
        outer = json.loads(padded(body["report"]))
        if set(outer) != {"SnpReport", "VcekCertChain"}:
            self.complain(f"report {sorted(outer)}")
        report = padded(outer["SnpReport"])
        runtime = self.runtime(body, report[0x50:0x90])
        self.check_signature(report, padded(outer["VcekCertChain"]))
        debug = bool(int.from_bytes(report[8:16], "little") >> 19 & 1)
        if debug:
            raise refused("PolicyEvaluationError", "Policy evaluation failed: debug", 401)
        named = {f"x-ms-sevsnpvm-{name}": report[at:at + n].hex() for name, (at, n) in SNP.items()}
        return self.answer({**self.times(), **named, "x-ms-attestation-type": "sevsnpvm",
                            "x-ms-compliance-status": "azure-compliant-cvm", "x-ms-runtime": runtime,
                            "x-ms-sevsnpvm-guestsvn": int.from_bytes(report[4:8], "little"),
                            "x-ms-sevsnpvm-vmpl": int.from_bytes(report[0x30:0x34], "little"),
                            "x-ms-sevsnpvm-is-debuggable": debug, "x-ms-sevsnpvm-migration-allowed": False})

    def check_signature(self, report, pem):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # AMD's leaves have the serial number 0
            chain = x509.load_pem_x509_certificates(pem)
            key = chain[0].public_key()
        if len(chain) != 3 or chain[2].subject != chain[2].issuer or chain[1].issuer != chain[2].subject:
            self.complain(f"the chain is not VCEK, ASK, ARK: {[c.subject.rfc4514_string() for c in chain]}")
        r, s = (int.from_bytes(report[at:at + 72], "little") for at in (0x2a0, 0x2e8))
        key.verify(utils.encode_dss_signature(r, s), report[:0x2a0], ec.ECDSA(hashes.SHA384()))

    def tdx(self, request):
        body = self.json_body(request, ("quote", "runtimeData"))
        quote = padded(body["quote"])
        claims = td_claims(quote)
        runtime = self.runtime(body, bytes.fromhex(claims["tdx_report_data"]))
        return self.answer({**self.times(), **claims, "eat_profile": "https://aka.ms/maa-eat-profile-tdxvm",
                            "x-ms-attestation-type": "tdxvm", "x-ms-runtime": runtime, "dbgstat": "disabled",
                            "attester_tcb_status": "UpToDate", "x-ms-compliance-status": "azure-compliant-cvm"})


def snp(**members):
    return claims_are(**{f"x-ms-sevsnpvm-{name.replace('_', '-')}": value for name, value in members.items()})


ENDS = {
    "other-runtime": (claims_are("x-ms-runtime", **{"attestd-session": "00" * 32}), ("refused", "snp.stated.token.nonce")),
    "no-runtime": (claims_lack("x-ms-runtime"), ("refused", "snp.stated.token.malformed")),
    "other-report-data": (snp(reportdata="00" * 64), ("refused", "snp.stated.token.evidence")),
    "of-another-machine": (snp(reportid="ab" * 32), ("refused", "x-ms-sevsnpvm-reportid is")),
    "other-measurement": (snp(launchmeasurement="ab" * 48), ("refused", "snp.stated.token.evidence")),
    "no-measurement": (claims_lack("x-ms-sevsnpvm-launchmeasurement"), ("refused", "does not say")),
    "other-vmpl": (snp(vmpl=3), ("refused", "snp.stated.token.evidence")),
    "of-tdx": (claims_are(**{"x-ms-attestation-type": "tdxvm"}), ("refused", "x-ms-attestation-type")),
    "issuer-with-a-slash": (lambda service: edit(issuer=service.url + "/")(service),
                            ("refused", "snp.stated.token.issuer")),
    "no-issuer": (claims_lack("iss"), ("refused", "snp.stated.token.malformed")),
    "no-end": (claims_lack("exp"), ("refused", "snp.stated.token.malformed")),
    "debuggable": (snp(is_debuggable=True), ("refused", "snp.stated.policy.debug")),
    "debug-unsaid": (claims_lack("x-ms-sevsnpvm-is-debuggable"), ("refused", "snp.stated.policy.debug")),
    "migratable": (snp(migration_allowed=True), ("refused", "snp.stated.policy.migration")),
    "migration-unsaid": (claims_lack("x-ms-sevsnpvm-migration-allowed"), ("refused", "snp.stated.policy.migration")),
    "not-compliant": (claims_are(**{"x-ms-compliance-status": "azure-signed-uvm"}), ("refused", "snp.stated.compliance")),
    "compliance-unsaid": (claims_lack("x-ms-compliance-status"), ("refused", "snp.stated.compliance")),
    "other-policy": (claims_are(**{"x-ms-policy-hash": "AAAA"}), ("refused", "x-ms-policy-hash")),
    "signed-by-ps256": (edit(algorithm="PS256"), ("refused", "snp.stated.token.algorithm")),
    "policy-refusal": (says("attest", 401, b'{"error":{"code":"PolicyEvaluationError","message":"no"}}'),
                       ("refused", "PolicyEvaluationError: no")),
    **answer_lies(None, "attest"),
}
Maa.lies = {name: lie for name, (lie, _) in ENDS.items()}
Maa.ends = {name: end for name, (_, end) in ENDS.items()}
