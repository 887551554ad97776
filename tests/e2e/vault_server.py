"""HashiCorp Vault for tests, written from `spec/remote-verifiers.md` section 6.1 alone, that lies when it is told to.

    with vault_server.VaultServer() as server:             # an HTTPS server; see pcs_server for its TLS
        vault = server.vault("plain")                      # one Vault of many, each below its own prefix
        vault.url                                          # https://localhost:PORT/plain
        vault.put("kv", "db", {"password": "x"})           # a new version of a KV version 2 secret
        vault.lie("sealed")                                # from now on; see LIES
        vault.calls                                        # ["POST auth/jwt/login", "GET kv/data/db", ...]
        vault.complaints                                   # what the client did against the protocol: must be empty

A login takes any JWT of `server.jwt()`, unless `vault.takes` says otherwise. Only the standard library is used.
"""
import base64
import hashlib
import hmac
import json
import os
import threading
import time
import uuid

import pcs_server
from pcs_server import Answer

JSON = {"Content-Type": "application/json"}


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Refused(Exception):
    """an error of Vault's: its status and its words"""

    def __init__(self, status, *words, headers=None, body=None):
        super().__init__(status)
        self.answer = Answer(status, {**JSON, **(headers or {})}, compact(body or {"errors": list(words)}))


class Vault:
    """One Vault below a prefix of the server. Handles one request at a time, beside other Vaults."""

    def __init__(self, server, name):
        self.lock = threading.Lock()
        self.server, self.name, self.url = server, name, server.url(f"/{name}")
        self.namespace, self.mount, self.role = "", "jwt", "app"
        self.kv = {"kv": {"db": [self.version({"password": "from vault", "user": "app", "n": 7})]}}
        self.plain = {}        # "database/creds/app" -> a function that makes its data
        self.ciphertexts = {}  # ("transit", "key", "vault:v1:...") -> (bytes, context)
        self.denied, self.broken = set(), set()  # places that are refused with 403, or fail with 500
        self.takes = server.is_ours
        self.token_life, self.max_life, self.lease_life, self.renewable, self.num_uses = 3600, None, 60, True, 0
        self.tokens, self.leases, self.revoked = {}, {}, []
        self.calls, self.complaints = [], []
        self.faults, self.fixed = {}, {}     # by "login", "read", "decrypt", "renew", "revoke", "look_up"
        self.change = {}                     # of the same: changes the body of a good answer

    def lie(self, name):
        LIES[name](self)

    def count(self, call):
        return sum(each.startswith(call) for each in self.calls)

    @staticmethod
    def version(data):
        return {"data": data, "deletion_time": "", "destroyed": False}

    def put(self, mount, path, data):
        self.kv.setdefault(mount, {}).setdefault(path, []).append(self.version(data))

    # what happens to a request: (fault, answer), as pcs_server has it

    def handle(self, request):
        with self.lock:
            return self.handle_alone(request)

    def handle_alone(self, request):
        path = request.target.split("/v1/", 1)[1]
        self.calls.append(f"{request.method} {path}")
        step = self.step_of(request, path)
        self.check_form(request, step, path)
        if step in self.fixed:
            return None, self.fixed[step]
        try:
            body = getattr(self, step)(request, path)
        except Refused as error:
            return self.faults.get(step), error.answer
        if body is None:
            return self.faults.get(step), Answer(204, {}, b"")
        envelope = {"request_id": str(uuid.uuid4()), "lease_id": "", "renewable": False, "lease_duration": 0,
                    "data": None, "wrap_info": None, "warnings": None, "auth": None, **body}
        if step in self.change:
            self.change[step](envelope)
        return self.faults.get(step), Answer(200, JSON, compact(envelope))

    def step_of(self, request, path):
        if path == f"auth/{self.mount}/login":
            return "login"
        if path == "auth/token/revoke-self":
            return "revoke"
        if path in ("auth/token/renew-self", "sys/leases/renew"):
            return "renew"
        if path == "auth/token/lookup-self":
            return "look_up"
        return "decrypt" if request.method == "POST" else "read"

    def check_form(self, request, step, path):
        if request.headers.get("x-vault-request") != "true":
            self.complaints.append(f"{path}: no X-Vault-Request")
        if (step == "login") == ("x-vault-token" in request.headers):
            self.complaints.append(f"{path}: X-Vault-Token {'at the login' if step == 'login' else 'is missing'}")
        if request.body and request.headers.get("content-type") != "application/json":
            self.complaints.append(f"{path}: content type {request.headers.get('content-type')}")
        wanted = f"{self.namespace}/" if self.namespace else None
        if request.headers.get("x-vault-namespace") != wanted:
            self.complaints.append(f"{path}: namespace {request.headers.get('x-vault-namespace')}")

    def login(self, request, path):
        body = json.loads(request.body)
        if set(body) != {"role", "jwt"} or request.method != "POST":
            self.complaints.append(f"login: {request.method} {sorted(body)}")
        if body["role"] != self.role:
            raise Refused(400, f'role "{body["role"]}" could not be found')
        if not self.takes(body["jwt"]):
            raise Refused(400, "error validating token: invalid signature")
        token = "hvs." + uuid.uuid4().hex
        now = time.monotonic()
        self.tokens[token] = {"until": now + self.token_life, "born": now, "uses": self.num_uses}
        return {"auth": self.auth(token)}

    def auth(self, token):
        left = self.tokens[token]["until"] - time.monotonic()
        return {"client_token": token, "accessor": uuid.uuid4().hex, "policies": ["default"], "token_policies": [],
                "metadata": {"role": self.role}, "lease_duration": round(left), "renewable": self.renewable,
                "entity_id": "", "token_type": "service", "num_uses": self.num_uses}

    def token_of(self, request):
        token = request.headers.get("x-vault-token", "")
        held = self.tokens.get(token)
        if held is None or time.monotonic() >= held["until"]:
            raise Refused(403, "permission denied")
        if held["uses"]:
            held["uses"] -= 1
            if not held["uses"]:
                self.drop(token)
        return token

    def drop(self, token):
        """a token goes with its leases"""
        del self.tokens[token]
        self.leases = {name: lease for name, lease in self.leases.items() if lease["token"] != token}

    def look_up(self, request, path):
        self.token_of(request)
        return {"data": {"policies": ["app"]}}

    def renew(self, request, path):
        token = self.token_of(request)
        now, body = time.monotonic(), json.loads(request.body)
        if path == "sys/leases/renew":
            lease = self.leases.get(body["lease_id"])
            if lease is None or lease["token"] != token or now >= lease["until"]:
                raise Refused(400, "lease not found")
            lease["until"] = now + self.lease_life
            return {"lease_id": body["lease_id"], "renewable": True, "lease_duration": self.lease_life}
        if not self.renewable:
            raise Refused(400, "lease is not renewable")
        held = self.tokens[token]
        held["until"] = now + int(body["increment"].rstrip("s"))
        if self.max_life is not None:
            held["until"] = min(held["until"], held["born"] + self.max_life)
        return {"auth": self.auth(token)}

    def revoke(self, request, path):
        token = self.token_of(request)
        self.drop(token)
        self.revoked.append(token)

    def read(self, request, path):
        token = self.token_of(request)
        place, _, query = path.partition("?")
        if place in self.denied:
            raise Refused(403, "1 error occurred: permission denied")
        if place in self.broken:
            raise Refused(500, "1 error occurred: the backend is down")
        if place in self.plain:
            if token not in self.tokens:
                raise Refused(400, "Secret cannot be returned; token had one use left")
            lease = f"{place}/{uuid.uuid4().hex}"
            self.leases[lease] = {"token": token, "until": time.monotonic() + self.lease_life}
            return {"lease_id": lease, "renewable": True, "lease_duration": self.lease_life, "data": self.plain[place]()}
        mount, _, rest = place.partition("/data/")
        versions = self.kv.get(mount, {}).get(rest)
        number = int(query.partition("version=")[2] or len(versions or []))
        if not versions or not 1 <= number <= len(versions):
            raise Refused(404)
        one = versions[number - 1]
        metadata = {"created_time": "2026-01-01T00:00:00Z", "custom_metadata": None, "version": number,
                    "deletion_time": one["deletion_time"], "destroyed": one["destroyed"]}
        if one["destroyed"] or one["deletion_time"]:
            raise Refused(404, body={"data": {"data": None, "metadata": metadata}})
        return {"data": {"data": one["data"], "metadata": metadata}}

    def decrypt(self, request, path):
        self.token_of(request)
        body = json.loads(request.body)
        mount, _, key = path.partition("/decrypt/")
        held = self.ciphertexts.get((mount, key, body.get("ciphertext")))
        if held is None or held[1] != body.get("context"):
            raise Refused(400, "cipher: message authentication failed")
        return {"data": {"plaintext": base64.b64encode(held[0]).decode()}}


# --- lies: each changes a Vault, from now on

def at(step, fault, **how):
    return lambda vault: vault.faults.__setitem__(step, (pcs_server.FAULTS[fault], how))


def says(step, status, *words, headers=None, body=None):
    body = compact({"errors": list(words)}) if body is None else body
    return lambda vault: vault.fixed.__setitem__(step, Answer(status, {**JSON, **(headers or {})}, body))


def changes(step, change):
    return lambda vault: vault.change.__setitem__(step, change)


def stored(**how):
    return lambda vault: vault.kv["kv"]["db"][0].update(how)


HTML = {"Content-Type": "text/html"}
WRAPPED = {"token": "hvs.wrapping", "ttl": 300, "creation_time": "2026-01-01T00:00:00Z"}
LIES = {
    "login-refused": says("login", 400, "error validating claims: claim does not match"),
    "login-outside": says("login", 403, "permission denied"),
    "login-no-method": says("login", 404, "no handler for route"),
    "login-html": says("login", 200, headers=HTML, body=b"<html>welcome</html>"),
    "login-no-auth": changes("login", lambda envelope: envelope.update(auth=None)),
    "login-no-token": changes("login", lambda envelope: envelope["auth"].pop("client_token")),
    "login-bad-token": changes("login", lambda envelope: envelope["auth"].update(client_token="a\r\nX-Evil: b")),
    "login-wrapped": changes("login", lambda envelope: envelope.update(wrap_info=WRAPPED)),
    "login-truncated-json": says("login", 200, body=b'{"auth":{"client_token":"hvs.x"'),
    "login-sealed": says("login", 503, "Vault is sealed"),
    "login-throttled": says("login", 429, "slow down", headers={"Retry-After": "60"}),
    "login-redirected": at("login", "redirect", to="https://evil.example/v1/auth/jwt/login"),
    "login-slow": at("login", "drip"),
    "denied": says("read", 403, "1 error occurred: permission denied"),
    "missing": says("read", 404),
    "deleted": stored(deletion_time="2026-02-02T00:00:00Z"),
    "destroyed": stored(destroyed=True),
    "deleted-with-200": changes("read", lambda e: (e["data"].update(data=None),
                                                   e["data"]["metadata"].update(deletion_time="2026-02-02T00:00:00Z"))),
    "other-version": changes("read", lambda envelope: envelope["data"]["metadata"].update(version=2)),
    "no-metadata": changes("read", lambda envelope: envelope["data"].pop("metadata")),
    "no-data": changes("read", lambda envelope: envelope.update(data=None)),
    "wrapped": changes("read", lambda envelope: envelope.update(wrap_info=WRAPPED, data=None)),
    "html": says("read", 200, headers=HTML, body=b"<html>a page</html>"),
    "no-type": says("read", 200, headers={"Content-Type": "text/plain"}, body=b"{}"),
    "html-403": says("read", 403, headers=HTML, body=b"<html>forbidden by a proxy</html>"),
    "html-404": says("read", 404, headers=HTML, body=b"<html>nothing here</html>"),
    "truncated-json": says("read", 200, body=b'{"data":{"data":{"password":"from va'),
    "two-names": says("read", 200, body=b'{"data":{"data":{"password":"from vault","password":"x"},'
                                        b'"metadata":{"version":1}}}'),
    "deep": says("read", 200, body=b"[" * 5000),
    "no-field": stored(data={"other": "from vault"}),
    "number": stored(data={"password": 4711}),
    "empty": stored(data={"password": ""}),
    "no-content": says("read", 204, body=b""),
    "huge": at("read", "endless"),
    "slow": at("read", "drip"),
    "never": at("read", "never"),
    "truncated": at("read", "truncated"),
    "redirected": at("read", "redirect", to="/elsewhere", status=307),
    "garbage": at("read", "garbage"),
    "sealed": says("read", 503, "Vault is sealed"),
    "throttled": says("read", 429, "rate limit exceeded", headers={"Retry-After": "60"}),
    "standby": says("read", 473, "performance standby"),
    "disaster-standby": says("read", 472),
    "not-yet-replicated": says("read", 412, "required index state not present"),
    "method": says("read", 405, "unsupported operation"),
    "error-500": says("read", 500, "internal error"),
    "error-502": says("read", 502, "the plug-in failed"),
}


class VaultServer(pcs_server.PcsServer):
    def __init__(self):
        super().__init__()
        self.key, self.vaults = os.urandom(32), {}

    def vault(self, name):
        self.vaults[name] = Vault(self, name)
        return self.vaults[name]

    def note(self, request):
        vault = self.vaults.get(request.target.split("/")[1])
        if vault is None or "/v1/" not in request.target:
            return None, Answer(404, {}, b"no such Vault")
        return vault.handle(request)

    def jwt(self, life=600):
        claims = {"iss": "https://verifier.example", "aud": "vault", "exp": int(time.time()) + life, "jti": uuid.uuid4().hex}
        signed = b64u(compact({"alg": "HS256", "typ": "JWT"})) + "." + b64u(compact(claims))
        return signed + "." + self.signature(signed)

    def signature(self, signed):
        return b64u(hmac.new(self.key, signed.encode(), hashlib.sha256).digest())

    def is_ours(self, jwt):
        signed, _, signature = jwt.rpartition(".")
        return hmac.compare_digest(signature, self.signature(signed))
