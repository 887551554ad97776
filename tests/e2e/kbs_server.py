"""A key broker for tests, written from `spec/kbs.md` sections 2 to 6 alone, that lies when it is told to.

    with kbs_server.KbsServer() as server:                 # an HTTPS server; see pcs_server for its TLS
        broker = server.broker("plain")                    # one broker of many, each below its own prefix
        broker.url                                         # https://localhost:PORT/plain
        broker.resources["default/db/password"] = b"..."
        broker.lie("wrong-nonce")                          # from now on; see kbs_lies
        broker.calls                                       # ["auth", "attest", "resource/default/db/password"]
        broker.complaints                                  # what the client did against the protocol: must be empty
        server.signer_public, server.signer_ca             # PEM files: who signs tokens

It checks what the hardware signed: the report data within the quote's bytes, the event log against the
registers, and an SNP report put together again from its members, with its signature.
"""
import base64
import hashlib
import hmac
import json
import os
import threading
import time
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import serialization

import pcs_server
from kbs_evidence import CHECKS
from kbs_jose import Signer, canonical, compact, ear_claims, encrypt
from kbs_lies import ERRORS, LIES
from pcs_server import Answer

HASHES = {"sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}


class Refused(Exception):
    """an error of the broker's: its name and its detail"""

    def __init__(self, name, detail, status=401, headers=None):
        super().__init__(name)
        self.answer = Answer(status, headers or {}, compact({"type": ERRORS + name, "detail": detail}))


class Broker:
    """One broker below a prefix of the server. Handles one request at a time, beside other brokers."""

    def __init__(self, server, name):
        self.lock = threading.Lock()
        self.server, self.name, self.url = server, name, server.url(f"/{name}")
        self.resources = {"default/db/password": b"from the broker"}
        self.plugins = {}  # "nebula-ca/credential?name=a" -> bytes
        self.version = "0.4.0"
        self.session_life, self.token_life = 300, 300
        self.calls, self.sessions, self.complaints, self.jwks, self.requests = [], {}, [], [], []
        self.faults, self.fixed = {}, {}
        self.cookie_line = lambda value: f"kbs-session-id={value}; Expires=Thu, 01 Jan 2099 00:00:00 GMT"
        self.nonce = lambda: base64.b64encode(os.urandom(32)).decode()
        self.challenge_extra = ""
        self.change_claims = self.change_jwe = lambda value: None
        self.make_token = lambda broker, claims: server.signer.sign(claims)
        self.encrypt_to = False
        self.token_type = self.secret_type = "application/json"
        self.refuses_evidence = self.denies = False
        self.on_auth = lambda: None

    def lie(self, name):
        LIES[name](self)

    def count(self, endpoint):
        return sum(call.split("/")[0] == endpoint for call in self.calls)

    # what happens to a request: (fault, answer), as pcs_server has it

    def handle(self, request):
        with self.lock:
            return self.handle_alone(request)

    def handle_alone(self, request):
        target = request.target.split("/kbs/v0/", 1)[1]
        endpoint = target.split("/")[0] if target.split("/")[0] in ("auth", "attest") else "resource"
        self.calls.append(target)
        self.requests.append(request)
        if request.headers.get("content-type") != "application/json":
            self.complaints.append(f"{target}: content type {request.headers.get('content-type')}")
        if endpoint in self.fixed:
            return None, self.fixed[endpoint]
        try:
            step = {"auth": self.auth, "attest": self.attest}.get(endpoint, lambda r: self.read(r, target))
            answer = step(request)
        except Refused as error:
            answer = error.answer
        return self.faults.get(endpoint), answer

    def auth(self, request):
        body = json.loads(request.body)
        if request.method != "POST" or set(body) != {"version", "tee", "extra-params"}:
            self.complaints.append(f"auth: {request.method} {sorted(body)}")
        if body["version"] != self.version:
            raise Refused("AttestationError", "Attestation error: RCAR handshake Auth failed: KBS Client Protocol "
                          f"Version Mismatch: expect ={self.version} while the request is {body['version']}")
        self.on_auth()
        session = {"nonce": self.nonce(), "until": time.monotonic() + self.session_life, "tee": body["tee"],
                   "extra": body["extra-params"], "token": None}
        value = uuid.uuid4().hex
        self.sessions[value] = session
        headers = {"Content-Type": "application/json"}
        if line := self.cookie_line(value):
            headers["Set-Cookie"] = line
        challenge = {"nonce": session["nonce"], "extra-params": self.challenge_extra}
        if session["nonce"] is None:
            del challenge["nonce"]
        return Answer(200, headers, compact(challenge))

    def session_of(self, request):
        for part in request.headers.get("cookie", "").split("; "):
            name, _, value = part.partition("=")
            session = self.sessions.get(value) if name == "kbs-session-id" else None
            if session and time.monotonic() < session["until"]:
                return value, session
        return None, None

    def attest(self, request):
        value, session = self.session_of(request)
        if session is None:
            raise Refused("AttestationError", "Attestation error: RCAR handshake Attest failed: the session is not "
                          "there or has expired")
        if session["token"] is None:
            self.judge(json.loads(request.body), session)
        answer = compact({"token": session["token"]})
        return Answer(200, {"Content-Type": self.token_type, "Set-Cookie": f"kbs-session-id={value}"}, answer)

    def judge(self, body, session):
        algorithm = "sha384"
        if isinstance(self.challenge_extra, dict):
            algorithm = self.challenge_extra.get("selected-hash-algorithm", algorithm).lower()
        if self.version == "0.2.0":
            if set(body) != {"tee-pubkey", "tee-evidence"}:
                self.complaints.append(f"attest: {sorted(body)}")
            runtime = {"nonce": session["nonce"], "tee-pubkey": body["tee-pubkey"]}
            bound, evidence = runtime, body["tee-evidence"]
        else:
            if set(body) != {"init-data", "runtime-data", "tee-evidence"}:
                self.complaints.append(f"attest: {sorted(body)}")
            runtime = body["runtime-data"]
            additional = body["tee-evidence"]["additional_evidence"]
            bound = {**runtime, "additional-evidence": additional}
            evidence = body["tee-evidence"]["primary_evidence"]
            session["init-data"] = body["init-data"]
        if runtime["nonce"] != session["nonce"]:
            raise Refused("AttestationError", "Attestation error: RCAR handshake Attest failed: nonce")
        digest = HASHES[algorithm](canonical(bound)).digest()
        try:
            if self.refuses_evidence:
                raise ValueError("told to")
            CHECKS[session["tee"]](evidence, digest.ljust(64, b"\0"))
        except Exception as why:  # whatever is wrong with hostile evidence
            if not self.refuses_evidence:
                self.complaints.append(f"evidence: {why!r}")
            raise Refused("AttestationError", "Attestation error: RCAR handshake Attest failed") from why
        if runtime["tee-pubkey"] in self.jwks:
            self.complaints.append("a key was used in two handshakes")
        self.jwks.append(runtime["tee-pubkey"])
        session["jwk"] = runtime["tee-pubkey"]
        claims = ear_claims(json.loads(json.dumps(bound)), int(time.time()), self.token_life)
        self.change_claims(claims)
        session["token"] = self.make_token(self, claims)
        session["token-until"] = time.monotonic() + self.token_life

    def authorised(self, request):
        _, session = self.session_of(request)
        if session and session["token"]:
            if time.monotonic() >= session["token-until"]:
                raise Refused("TokenVerifierError", "Token verifier error: ExpiredSignature")
            return session
        bearer = request.headers.get("authorization", "")
        for session in self.sessions.values():
            if session["token"] and hmac.compare_digest(bearer, f"Bearer {session['token']}"):
                if time.monotonic() >= session["token-until"]:
                    raise Refused("TokenVerifierError", "Token verifier error: ExpiredSignature")
                return session
        raise Refused("TokenNotFound", "Attestation Token not found")

    def read(self, request, target):
        if request.method != "GET" or request.body:
            self.complaints.append(f"read: {request.method}")
        session = self.authorised(request)
        if self.denies:
            raise Refused("PolicyDeny", "Access denied by policy")
        plugin, _, rest = target.partition("/")
        held = self.resources.get(rest) if plugin == "resource" else self.plugins.get(target)
        if plugin != "resource" and plugin not in {name.split("/")[0] for name in self.plugins}:
            raise Refused("PluginNotFound", f"Plugin {plugin} not found", status=404)
        if held is None:
            raise Refused("PluginInternalError", "Plugin internal error: No such file or directory (os error 2)")
        jwk = self.encrypt_to() if self.encrypt_to else session["jwk"]
        if jwk is None:
            return Answer(200, {"Content-Type": "text/xml"}, held)
        jwe = encrypt(jwk, held)
        self.change_jwe(jwe)
        return Answer(200, {"Content-Type": self.secret_type}, compact(jwe))


class KbsServer(pcs_server.PcsServer):
    def __init__(self):
        super().__init__()
        authority = pcs_server.Authority(self.folder / "token-ca", "token CA")
        certificate, key = authority.issue("signer")
        chain = [x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(serialization.Encoding.DER)
                 for path in (certificate, authority.certificate)]
        self.signer = Signer(serialization.load_pem_private_key(key.read_bytes(), None), chain)
        self.signer_ca, self.signer_certificate = authority.certificate, certificate
        self.signer_public = self.folder / "signer-public.pem"
        self.signer_public.write_bytes(self.signer.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
        self.signer_jwks = self.folder / "signer.jwks"
        self.signer_jwks.write_bytes(compact({"keys": [{**self.signer.jwk, "kid": "1", "use": "sig"}]}))
        self.brokers = {}

    def broker(self, name):
        made = self.brokers[name] = Broker(self, name)
        return made

    def note(self, request):
        with self.lock:
            self.requests.append(request)
            broker = self.brokers.get(request.target.split("/")[1])
            if broker is None or "/kbs/v0/" not in request.target:
                return self.faults.get(request.target), self.answers.get(request.target, Answer(404, {}, b""))
        return broker.handle(request)
