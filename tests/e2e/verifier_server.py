"""What verifiers on the network have in common, for tests: an HTTPS server, signed tokens, key sets, and lies.

    with verifier_server.VerifierServer() as server:       # see pcs_server for its TLS
        service = server.add(ita_server.Ita, "ita")        # one of several, each below its own prefix
        service.lie("expired")                             # from now on; behave() ends it
        service.calls, service.complaints                  # what was asked; what was against the protocol
        service.keys_url, server.keys_ca, service.jwks_file

Written from `spec/remote-verifiers.md` alone. Lies that all kinds can tell are TOKEN_LIES and ANSWER_LIES here.
"""
import base64
import datetime
import hmac
import json
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

import pcs_server
from kbs_jose import b64u, compact
from pcs_server import Answer

HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384()}


class TokenKey:
    """A key with certificates that lead to an authority"""

    def __init__(self, kid, kind="RSA", authority=None):
        self.kid, self.kind = kid, kind
        self.key = rsa.generate_private_key(65537, 2048) if kind == "RSA" else ec.generate_private_key(ec.SECP256R1())
        self.chain = [certificate(kid, self.key, *authority), authority[0]] if authority else []

    def jwk(self):
        numbers = self.key.public_key().public_numbers()
        out = {"kid": self.kid, "use": "sig", "kty": self.kind}
        if self.kind == "RSA":
            out |= {"n": b64u(numbers.n.to_bytes(256, "big")), "e": b64u(numbers.e.to_bytes(3, "big"))}
        else:
            out |= {"crv": "P-256", "alg": "ES256", "x": b64u(numbers.x.to_bytes(32, "big")),
                    "y": b64u(numbers.y.to_bytes(32, "big"))}
        if self.chain:
            out["x5c"] = [base64.b64encode(c.public_bytes(serialization.Encoding.DER)).decode() for c in self.chain]
        return out

    def public_pem(self):
        return self.key.public_key().public_bytes(serialization.Encoding.PEM,
                                                  serialization.PublicFormat.SubjectPublicKeyInfo)

    def sign(self, header, payload):
        """a compact token; the signature is as header["alg"] says, or as this key can"""
        signed = b64u(compact(header)) + "." + b64u(payload)
        digest = HASHES.get(header["alg"][2:], hashes.SHA256())
        if self.kind == "EC":
            r, s = utils.decode_dss_signature(self.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
            return signed + "." + b64u(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
        pad = padding.PKCS1v15()
        if header["alg"].startswith("PS"):
            pad = padding.PSS(padding.MGF1(digest), digest.digest_size)
        return signed + "." + b64u(self.key.sign(signed.encode(), pad, digest))


def certificate(name, key, issuer=None, issuer_key=None, is_authority=None, crl_url=None):
    """of `key`, by `issuer`; an authority without one"""
    now = datetime.datetime.now(datetime.timezone.utc)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    is_authority = issuer is None if is_authority is None else is_authority
    made = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer.subject if issuer else subject)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True))
    if crl_url:
        where = x509.DistributionPoint([x509.UniformResourceIdentifier(crl_url)], None, None, None)
        made = made.add_extension(x509.CRLDistributionPoints([where]), critical=False)
    return made.sign(issuer_key or key, hashes.SHA256())


def revocation_list(issuer, key, revoked=(), hours=1):
    """of `issuer`, signed by `key`, which ends in so many hours: DER"""
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (x509.CertificateRevocationListBuilder().issuer_name(issuer.subject)
            .last_update(now - datetime.timedelta(hours=2)).next_update(now + datetime.timedelta(hours=hours)))
    for serial in revoked:
        made = made.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build())
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def new_authority(name):
    key = ec.generate_private_key(ec.SECP256R1())
    return certificate(name, key), key


class Refused(Exception):
    """an answer that is an error of the service's"""

    def __init__(self, answer):
        super().__init__(answer.status)
        self.answer = answer


class Service:
    """One service below a prefix of the server. Kinds give `steps`, `lies`, `algorithm` and `key_kind`."""

    algorithm, key_kind, lies = "RS256", "RSA", {}

    def __init__(self, server, name):
        self.lock = threading.Lock()
        self.server, self.name, self.url = server, name, server.url(f"/{name}")
        self.keys_url = self.url + "/certs"
        self.key, self.spare = self.new_key("key-1"), self.new_key("key-2")
        self.calls, self.complaints, self.requests, self.tokens = [], [], [], []
        self.behave()

    def new_key(self, kid):
        return TokenKey(kid, self.key_kind, self.server.authority)

    def behave(self):
        self.faults, self.fixed = {}, {}
        self.published, self.signer = [self.key], self.key
        self.change_claims = self.change_payload = lambda value: value
        self.make_token = lambda service, payload: service.signer.sign(service.header(), payload)
        self.issuer, self.token_life = self.url, 300
        self.keys_headers = {}

    def lie(self, name):
        self.behave()
        {**TOKEN_LIES, **self.lies}[name](self)

    def jwks_file(self):
        path = self.server.folder / f"{self.name}.jwks"
        path.write_bytes(compact({"keys": [self.key.jwk()]}))
        return path

    def header(self):
        return {"alg": self.algorithm, "kid": self.signer.kid, "typ": "JWT", "jku": self.keys_url}

    def token(self, claims):
        claims = json.loads(json.dumps(claims))
        self.change_claims(claims)
        self.tokens.append(self.make_token(self, self.change_payload(compact(claims))))
        return self.tokens[-1]

    def times(self):
        now = int(time.time())
        return {"iss": self.issuer, "iat": now, "nbf": now, "exp": now + self.token_life, "jti": "1"}

    # what happens to a request: (fault, answer), as pcs_server has it

    def handle(self, request):
        with self.lock:
            target = request.target.split(f"/{self.name}", 1)[1]
            self.requests.append(request)
            if target == "/certs":
                step, handler = "certs", self.certs
            else:
                step, handler = self.step_of(request, target)
            self.calls.append(step)
            if step in self.fixed:
                return None, self.fixed[step]
            try:
                answer = handler(request)
            except Refused as error:
                answer = error.answer
            return self.faults.get(step), answer

    def certs(self, request):
        if request.method != "GET" or "x-api-key" in request.headers or "authorization" in request.headers:
            self.complain("certs: what is no business of the key set's")
        return Answer(200, {"Content-Type": "application/json", **self.keys_headers},
                      compact({"keys": [key.jwk() for key in self.published]}))

    def complain(self, what):
        self.complaints.append(what)

    def json_body(self, request, members):
        if request.headers.get("content-type") != "application/json":
            self.complain(f"content type {request.headers.get('content-type')}")
        if request.headers.get("accept") != "application/json":
            self.complain(f"accept {request.headers.get('accept')}")
        body = json.loads(request.body)
        if not set(body) <= set(members):
            self.complain(f"members {sorted(body)}")
        return body


class VerifierServer(pcs_server.PcsServer):
    def __init__(self):
        super().__init__()
        self.authority = new_authority("token authority")
        self.keys_ca = self.folder / "token-authority.pem"
        self.keys_ca.write_bytes(self.authority[0].public_bytes(serialization.Encoding.PEM))
        self.strangers_ca = self.folder / "stranger.pem"
        self.strangers_ca.write_bytes(new_authority("stranger")[0].public_bytes(serialization.Encoding.PEM))
        self.services = {}

    def add(self, kind, name):
        made = self.services[name] = kind(self, name)
        return made

    def note(self, request):
        service = self.services.get(request.target.split("/")[1])
        return service.handle(request) if service else super().note(request)


# --- lies

def edit(**how):
    def lie(service):
        for name, value in how.items():
            setattr(service, name, value)
    return lie


def at(step, fault, **how):
    return lambda service: service.faults.__setitem__(step, (pcs_server.FAULTS[fault], how))


def says(step, status, body=b"", headers=None):
    """`step` answers so"""
    return lambda service: service.fixed.__setitem__(step, Answer(status, headers or {}, body))


def claims(change):
    return edit(change_claims=change)


def claims_are(*path, **members):
    """members of the claims, or of an object below them, become these"""
    def change(all_claims):
        for step in path:
            all_claims = all_claims[step]
        all_claims.update(members)
    return claims(change)


def claims_lack(*path):
    def change(all_claims):
        for step in path[:-1]:
            all_claims = all_claims[step]
        del all_claims[path[-1]]
    return claims(change)


def header_is(**members):
    return edit(make_token=lambda service, payload: service.signer.sign({**service.header(), **members}, payload))


def alg_none(service, payload):
    return b64u(compact({**service.header(), "alg": "none"})) + "." + b64u(payload) + "."


def hmac_with_public_key(service, payload):
    signed = b64u(compact({**service.header(), "alg": "HS256"})) + "." + b64u(payload)
    return signed + "." + b64u(hmac.new(service.key.public_pem(), signed.encode(), "sha256").digest())


def stranger(service, kid):
    return TokenKey(kid, service.key_kind, new_authority("stranger"))


def stranger_signs(**how):
    """another's key, by a `kid` that is published or not; its own key in the header where `how` names a member"""
    def lie(service):
        key = stranger(service, how.get("kid", "key-1"))
        extra = {}
        if how.get("member") == "jwk":
            extra["jwk"] = key.jwk()
        if how.get("member") == "x5c":
            extra["x5c"] = key.jwk()["x5c"]
        if how.get("member") == "jku":
            service.server.serve("/evil/certs", compact({"keys": [key.jwk()]}))
            extra["jku"] = service.server.url("/evil/certs")
        service.make_token = lambda s, payload: key.sign({**s.header(), "kid": key.kid, **extra}, payload)
    return lie


def rotated_away(service):
    """signs by a key that is published no more"""
    service.published, service.signer = [service.spare], service.key


def later(seconds):
    def change(all_claims):
        for name in all_claims.keys() & {"iat", "nbf", "exp"}:
            all_claims[name] += seconds
    return claims(change)


TOKEN_LIES = {
    "alg-none": edit(make_token=alg_none),
    "key-confusion": edit(make_token=hmac_with_public_key),
    "stranger-by-our-kid": stranger_signs(),
    "stranger-with-jwk": stranger_signs(member="jwk"),
    "stranger-with-x5c": stranger_signs(member="x5c"),
    "stranger-with-jku": stranger_signs(member="jku", kid="evil"),
    "unknown-kid": stranger_signs(kid="key-9"),
    "critical-header": header_is(crit=["b64"], b64=True),
    "wrong-type": header_is(typ="application/secevent+jwt"),
    "expired": claims(lambda all_claims: all_claims.update(iat=all_claims["iat"] - 100, exp=all_claims["iat"] - 1)),
    "from-the-future": later(3600),
    "no-iat": claims_lack("iat"),
    "lives-for-days": claims(lambda all_claims: all_claims.update(exp=all_claims["iat"] + 100000)),
    "claim-twice": edit(change_payload=lambda payload: payload[:-1] + b',"iat":1}'),
    "no-claims": edit(change_payload=lambda payload: b"[]"),
    "huge-token": claims_are(filler="x" * 300000),
    "cut-token": edit(make_token=lambda service, payload: service.signer.sign(service.header(), payload)[:-8]),
    "no-token": edit(make_token=lambda service, payload: "not a token"),
}

KEY_IS_YOUNG = "is less than a minute old"  # what is said of a key set that may lack a key for that reason alone

# lie: (outcome, what the session's last error says). A key that the set does not have is an outage until the set is a
# minute old, and a refusal when it was just fetched.
TOKEN_LIES_END = {
    "alg-none": ("refused", "stated.token.algorithm"),
    "key-confusion": ("refused", "stated.token.algorithm"),
    "stranger-by-our-kid": ("refused", "stated.token.signature"),
    "stranger-with-jwk": ("refused", "stated.token.signature"),
    "stranger-with-x5c": ("refused", "stated.token.signature"),
    "stranger-with-jku": (("refused", "unreachable"), 'the key set has no key "evil"'),
    "unknown-kid": (("refused", "unreachable"), 'the key set has no key "key-9"'),
    "critical-header": ("refused", "stated.token.malformed"),
    "wrong-type": ("refused", "stated.token.malformed"),
    "expired": ("refused", "stated.token.expired"),
    "from-the-future": ("refused", "stated.token.expired"),
    "no-iat": ("refused", "stated.token.malformed"),
    "lives-for-days": ("refused", "stated.token.malformed"),
    "claim-twice": ("refused", "stated.token.malformed"),
    "no-claims": ("refused", "stated.token.malformed"),
    "huge-token": ("refused", "over 256 KiB"),
    "cut-token": ("refused", "stated.token."),
    "no-token": ("refused", "stated.token.malformed"),
}


def answer_lies(ask, attest):
    """what the two steps of a kind can answer in place of an answer, and how each ends"""
    lies = {
        "ask-500": (says(ask, 500, b"oops"), ("unreachable", "remote-verifier.failed: ")),
        "ask-404": (says(ask, 404, b"<h1>nothing\x07 here</h1>"), ("unreachable", "nothing\\u0007 here")),
        "ask-garbage": (says(ask, 200, b"{]"), ("unreachable", "remote-verifier.protocol: ")),
        "ask-redirected": (at(ask, "redirect", to="https://evil.example/"), ("unreachable", "fetch.redirected: ")),
        "ask-never": (at(ask, "never"), ("unreachable", "fetch.timed-out: ")),
        "ask-endless": (at(ask, "endless"), ("unreachable", "fetch.too-large: ")),
    } if ask else {}
    return {**lies, **{
        "attest-503": (says(attest, 503, b"later"), ("unreachable", "remote-verifier.failed: ")),
        "attest-401": (says(attest, 401, b'{"error":"bad key"}'), ("unreachable", "remote-verifier.unauthorized: ")),
        "attest-403": (says(attest, 403, b'{"error":"not you"}'), ("unreachable", "not you")),
        "attest-429": (says(attest, 429, b'{"error":"slow down"}', {"Retry-After": "1"}),
                       ("unreachable", "remote-verifier.throttled: ")),
        "attest-400": (says(attest, 400, b'{"error":"bad \\u0007quote"}'),
                       ("refused", "stated.remote-verifier.refused: ")),
        "attest-empty": (says(attest, 200, b""), ("unreachable", "remote-verifier.protocol: ")),
        "attest-html": (says(attest, 200, b"<html>hello</html>"), ("unreachable", "remote-verifier.protocol: ")),
        "attest-redirected": (at(attest, "redirect", to="/elsewhere", status=307), ("unreachable", "fetch.redirected: ")),
        "attest-truncated": (at(attest, "truncated"), ("unreachable", "fetch.truncated: ")),
        "attest-409": (says(attest, 409, b'{"error":"in the way"}'), ("unreachable", "remote-verifier.protocol: ")),
        "attest-drip": (at(attest, "drip"), ("unreachable", "fetch.timed-out: ")),
        "attest-never": (at(attest, "never"), ("unreachable", "fetch.timed-out: ")),
    }}


KEY_SET_LIES = {  # of those whose keys are fetched
    "certs-500": (says("certs", 500, b"oops"), ("unreachable", "remote-verifier.failed: ")),
    "certs-garbage": (says("certs", 200, b"keys"), ("unreachable", "remote-verifier.protocol: ")),
    "certs-none": (says("certs", 200, b'{"keys":[]}'), (("refused", "unreachable"), 'the key set has no key "key-1"')),
    "certs-redirected": (at("certs", "redirect", to="https://evil.example/certs"), ("unreachable", "fetch.redirected: ")),
    "rotated-away": (rotated_away, (("refused", "unreachable"), 'the key set has no key "key-1"')),
}
