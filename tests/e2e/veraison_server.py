"""Veraison's challenge-response API for tests: `spec/remote-verifiers.md` section 3, SEV-SNP by tsm-report."""
import base64
import json
import time
import urllib.parse
import uuid

from kbs_jose import b64u, compact, from_b64u
from pcs_server import Answer
from verifier_server import Refused, Service, answer_lies, claims, claims_are, claims_lack, edit, says

SESSION = "application/vnd.veraison.challenge-response-session+json"
TSM = "application/vnd.veraison.tsm-report+json"
API = "/challenge-response/v1/"
VECTOR = {"instance-identity": 2, "configuration": 2, "executables": 2, "hardware": 2}


def problem(status, title, detail=""):
    body = compact({"type": "about:blank", "title": title, "status": status, "detail": detail})
    return Refused(Answer(status, {"Content-Type": "application/problem+json"}, body))


class Veraison(Service):
    algorithm, key_kind = "ES256", "EC"

    def behave(self):
        super().behave()
        self.sessions = getattr(self, "sessions", {})
        self.accept = [TSM, "application/vnd.veraison.cmw+json"]
        self.location = lambda name: f"session/{name}"
        self.echo = lambda nonce: nonce
        self.num_processing = 0
        self.end = "complete"

    def step_of(self, request, target):
        if request.headers.get("accept") != SESSION:
            self.complain(f"accept {request.headers.get('accept')}")
        if request.method == "POST" and target.startswith(API + "newSession?"):
            return "new", self.new
        if target.startswith(API + "session/"):
            return {"POST": ("evidence", self.evidence), "GET": ("poll", self.poll),
                    "DELETE": ("delete", self.delete)}[request.method]
        self.complain(f"{request.method} {target}")
        return target, lambda r: Answer(404, {}, b"")

    def new(self, request):
        query = urllib.parse.parse_qs(request.target.split("?", 1)[1], strict_parsing=True)
        if set(query) != {"nonce"} or request.body:
            self.complain(f"newSession: {query}")
        nonce = from_b64u(query["nonce"][0])
        if not 8 <= len(nonce) <= 64:
            raise problem(400, "Bad Request", "nonce")
        name = str(uuid.uuid4())
        self.sessions[name] = {"nonce": nonce, "status": "waiting", "left": self.num_processing}
        body = {"status": "waiting", "nonce": self.echo(b64u(nonce)), "expiry": "2099-01-01T00:00:00.25Z",
                "accept": self.accept}
        return Answer(201, {"Content-Type": SESSION, "Location": self.location(name)}, compact(body))

    def session(self, request):
        session = self.sessions.get(request.target.rsplit("/", 1)[1])
        if session is None:
            raise problem(404, "Not Found", "no such session")
        return session

    def evidence(self, request):
        session = self.session(request)
        if session["status"] != "waiting":
            self.complain("evidence twice")
        if request.headers.get("content-type") != TSM:
            raise problem(415, "Unsupported Media Type")
        body = json.loads(request.body)
        if set(body) != {"provider", "outblob", "auxblob"} or body["provider"] != "sev_guest":
            self.complain(f"evidence: {sorted(body)}")
        report, table = from_b64u(body["outblob"]), from_b64u(body["auxblob"])
        if len(report) != 1184 or report[0x50:0x90] != session["nonce"]:
            self.complain("report data")
        if b"\x8d\x75\xda\x63" not in table[:512] and b"\x63\xda\x75\x8d" not in table[:512]:
            self.complain("no VCEK in the table")
        session |= {"status": "processing", "report": report, "body": request.body}
        return self.progress(session, 202)

    def poll(self, request):
        return self.progress(self.session(request), 200)

    def progress(self, session, status):
        if session["left"]:
            session["left"] -= 1
            return Answer(status, {"Content-Type": SESSION}, compact({"status": "processing", "nonce": "x"}))
        session["status"] = self.end
        body = {"status": self.end, "evidence": {"type": TSM, "value": base64.b64encode(session["body"]).decode()}}
        if self.end == "complete":
            body["result"] = self.token(self.ear(session))
        return Answer(200, {"Content-Type": SESSION}, compact(body))

    def ear(self, session):
        return {"eat_profile": "tag:github.com,2023:veraison/ear", "iat": int(time.time()),
                "ear.verifier-id": {"developer": "https://veraison-project.org", "build": "vts 0.0.1"},
                "eat_nonce": base64.urlsafe_b64encode(session["nonce"]).decode(),
                "ear.raw-evidence": b64u(session["body"]),
                "submods": {"SEVSNP": {"ear.status": "affirming", "ear.trustworthiness-vector": dict(VECTOR),
                                       "ear.appraisal-policy-id": "policy:SEVSNP"}}}

    def delete(self, request):
        self.session(request)
        del self.sessions[request.target.rsplit("/", 1)[1]]
        return Answer(204, {}, b"")


def submod(**members):
    return claims_are("submods", "SEVSNP", **members)


def second(**members):
    return claims(lambda c: c["submods"].update(GPU={**c["submods"]["SEVSNP"], **members}))


NOT = ("refused", "snp.stated.token.not-affirming")
ENDS = {
    "wrong-nonce": (claims_are(eat_nonce=b64u(bytes(64))), ("refused", "snp.stated.token.nonce")),
    "two-nonces": (claims(lambda c: c.update(eat_nonce=[c["eat_nonce"], b64u(bytes(64))])),
                   ("refused", "snp.stated.token.nonce")),
    "no-nonce": (claims_lack("eat_nonce"), ("refused", "snp.stated.token.nonce")),
    "other-evidence": (claims_are(**{"ear.raw-evidence": b64u(b"another report")}),
                       ("refused", "snp.stated.token.evidence: ear.raw-evidence")),
    "odd-evidence": (claims_are(**{"ear.raw-evidence": 7}), ("refused", "snp.stated.token.evidence")),
    "other-profile": (claims_are(eat_profile="tag:example.com,2020:x"), ("refused", "eat_profile")),
    "ended": (claims_are(exp=1000), ("refused", "snp.stated.token.expired")),
    "old": (claims_are(iat=1000), ("refused", "snp.stated.expired")),
    "warning": (submod(**{"ear.status": "warning"}), NOT),
    "warning-by-number": (submod(**{"ear.status": 32}), NOT),
    "contraindicated": (submod(**{"ear.status": "contraindicated"}), NOT),
    "no-verdict": (submod(**{"ear.status": "none"}), NOT),
    "unknown-status": (submod(**{"ear.status": "splendid"}), NOT),
    "unknown-number": (submod(**{"ear.status": 7}), NOT),
    "vector-is-worse": (submod(**{"ear.trustworthiness-vector": {**VECTOR, "hardware": 97}}), NOT),
    "vector-warns": (submod(**{"ear.trustworthiness-vector": {**VECTOR, "configuration": 36}}), NOT),
    "vector-text": (submod(**{"ear.trustworthiness-vector": {**VECTOR, "hardware": "2"}}), NOT),
    "bad-second": (second(**{"ear.status": "contraindicated"}), ("refused", 'ear.status of GPU')),
    "no-status": (claims_lack("submods", "SEVSNP", "ear.status"), ("refused", "snp.stated.token.malformed")),
    "no-submods": (claims_lack("submods"), ("refused", "snp.stated.token.malformed")),
    "empty-submods": (claims_are(submods={}), ("refused", "snp.stated.token.malformed")),
    "other-policy": (submod(**{"ear.appraisal-policy-id": "policy:lax"}), ("refused", "ear.appraisal-policy-id")),
    "other-session-nonce": (edit(echo=lambda nonce: b64u(bytes(64))), ("unreachable", "remote-verifier.protocol: ")),
    "takes-no-snp": (edit(accept=["application/psa-attestation-token"]), ("unreachable", "does not take")),
    "elsewhere": (edit(location=lambda name: "https://evil.example/x"), ("unreachable", "names no session")),
    "odd-session": (edit(location=lambda name: "session/../../x"), ("unreachable", "names no session")),
    "failed": (edit(end="failed"), ("refused", "snp.stated.remote-verifier.refused")),
    "odd-end": (edit(end="splendid"), ("unreachable", "none of its own")),
    "for-ever": (edit(num_processing=10 ** 9), ("unreachable", "still")),
    "no-result": (says("evidence", 200, b'{"status":"complete"}'), ("unreachable", "remote-verifier.protocol: ")),
    "unsupported": (says("evidence", 415, b'{"title":"Unsupported Media Type"}', {"Accept": "a/b"}),
                    ("unreachable", "Unsupported Media Type")),
    **answer_lies("new", "evidence"),
}
Veraison.lies = {name: lie for name, (lie, _) in ENDS.items()}
Veraison.ends = {name: end for name, (_, end) in ENDS.items()}
