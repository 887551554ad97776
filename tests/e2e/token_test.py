#!/usr/bin/env python3
"""Tokens about this machine: given to the workloads that policy grants them, with their key or without, and Vault's
login by the verifier's.

usage: token_test.py BUILD-DIR [TEST...]
"""
import base64
import contextlib
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import canary_test  # noqa: E402
import kbs_rig  # noqa: E402
import remote_verifier_test  # noqa: E402
import rig  # noqa: E402
import tap  # noqa: E402
import vault_server  # noqa: E402
try:
    import maa_server  # noqa: E402
    from cryptography.exceptions import InvalidSignature  # noqa: E402
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
    from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: E402
except ImportError as missing:
    maa_server, WHY_NOT = None, missing

AUDIENCE = "https://relying.example"
JSON = {"Content-Type": "application/json"}
KBS, COCO_AS = "/aa/token?token_type=kbs", "/aa/token?token_type=coco_as"
KEY = {"export_key": True, "key_is_full_identity": True}


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def claims_of(token):
    return json.loads(decode(token.split(".")[1]))


def number(text):
    return int.from_bytes(decode(text), "big")


def key_in(token):
    evidence = claims_of(token)["submods"]["cpu0"]["ear.veraison.annotated-evidence"]
    return evidence["runtime_data_claims"]["tee-pubkey"]


def is_pair(pem, jwk):
    public = serialization.load_pem_private_key(pem.encode(), None).public_key().public_numbers()
    names = [("n", public.n), ("e", public.e)] if jwk["kty"] == "RSA" else [("x", public.x), ("y", public.y)]
    return all(number(jwk[name]) == value for name, value in names)


def with_coco(r, workload, **listener):
    """the rig's configuration with listeners of kind "coco", and these members of the workload"""
    base = r.config

    def config():
        made = base()
        for name, more in (("coco", {}), ("strict", {"coco_strict_status": True})):
            made["listeners"].append({"name": name, "path": str(r.socket(name)), "kind": "coco", **more, **listener})
        app = made["workloads"]["app"]
        app["match"] = app["match"] + [{**app["match"][0], "socket": name} for name in ("coco", "strict")]
        app.update(workload())
        return made

    r.config = config
    return r


def ask(r, listener, target):
    return rig.request(r.socket(listener), "GET", target)


def asked(r, audience=AUDIENCE, who="app"):
    return r.ask(who, "POST", "/v1/token", json.dumps({"audience": audience}), JSON)


def given(r, method):
    return [e for e in r.audit_records() if e["decision"] == "allow" and e["method"] == method]


def reloaded(r):
    r.write_config()
    answer = r.ask("admin", "POST", "/v1/admin/reload")
    assert answer.status == 200, answer.body


@contextlib.contextmanager
def broker(workload=None, **options):
    """a rig with one key broker; `workload` may be changed, and reloaded"""
    with kbs_rig.made() as r:
        granted = {} if workload is None else workload
        r.granted = granted
        with_coco(r, lambda: r.granted)
        r.broker = r.add("broker", **options)
        r.start()
        yield r


def granted(**more):
    return {"tokens": [{"from": "broker", "audience": AUDIENCE, "test": True}], **more}


def test_nothing_by_default():
    """without a grant there is no token by any way: one answer, recorded, and the broker is not even asked"""
    with broker() as r:
        for target in (KBS, COCO_AS):
            answer = ask(r, "coco", target)
            assert (answer.status, answer.code) == (404, "secret.unavailable"), answer.body
            assert ask(r, "strict", target).status == 500
        assert asked(r).code == "secret.unavailable"
        assert not r.broker.calls, r.broker.calls
        denied = [e["method"] for e in r.audit_records() if e["decision"] == "deny"]
        assert {"GET /aa/token", "POST /v1/token"} <= set(denied), denied


def test_guesses_count():
    """who asks again and again for what is not granted is locked out, as for secrets"""
    with broker() as r:
        codes = [asked(r, f"https://guess-{i}.example").status for i in range(8)]
        assert codes[0] == 404 and codes[-1] == 429, codes


def test_token_without_key():
    """a grant of the token alone gives the token alone; another audience, another workload get nothing"""
    with broker(granted()) as r:
        answer = ask(r, "coco", KBS)
        assert answer.status == 200 and set(answer.json) == {"token"}, (answer.status, answer.body)
        assert answer.headers["content-type"] == "application/octet-stream"
        own = asked(r)
        assert own.status == 200 and 200 < own.json["expires_in"] <= 300, own.body
        assert own.json["token"] == answer.json["token"], "no handshake for each"
        assert asked(r, "https://another.example").status == asked(r, who="other").status == 404
        assert ask(r, "coco", COCO_AS).status == 404  # of this verifier there is none
        assert [e["object"] for e in given(r, "token")] == ["token:broker"] * 2, given(r, "token")
        assert not given(r, "key.export") and AUDIENCE in [e.get("detail") for e in given(r, "token")]
        kbs_rig.good(r.broker)


def test_token_with_key():
    """with export_key the key leaves too: the token's own, never twice, and never the one that secrets come by"""
    for kind in (None, "p521", "rsa3072"):
        with broker(granted(**KEY), tee_key=kind) as r:
            assert r.get("app", "broker").body == kbs_rig.VALUE
            pairs = [ask(r, "coco", KBS).json for _ in range(2)]
            for pair in pairs:
                assert set(pair) == {"token", "tee_keypair"}, pair.keys()
                assert is_pair(pair["tee_keypair"], key_in(pair["token"])), pair["tee_keypair"].splitlines()[0]
                label = "RSA PRIVATE KEY" if kind == "rsa3072" else "PRIVATE KEY"
                assert pair["tee_keypair"].startswith(f"-----BEGIN {label}-----\n"), pair["tee_keypair"][:40]
            assert pairs[0]["tee_keypair"] != pairs[1]["tee_keypair"]
            assert [key_in(p["token"]) for p in pairs] == r.broker.jwks[1:], "each of a handshake of its own"
            records = given(r, "key.export")
            assert len(records) == 2 and all(e["object"] == "token:broker" for e in records), records
            text = r.audit.read_text() + r.daemon.output
            assert not any(p["token"] in text or p["tee_keypair"].splitlines()[1] in text for p in pairs)
            assert "tee_keypair" not in asked(r).body.decode()  # by that way, never
            kbs_rig.good(r.broker)


def test_nothing_stays():
    """once a token and its key are sent, no mapping of the daemon holds the key, or the token's signature"""
    canary_test.need_root()
    with broker(granted(**KEY)) as r:
        pair = ask(r, "coco", KBS).json
        assert asked(r).status == 200
        canary = canary_test.Canary()
        canary.forms = {"key": pair["tee_keypair"].splitlines()[1].encode(),
                        "token": pair["token"].split(".")[2].encode()}
        hits = canary_test.search_memory(r.daemon.child.pid, canary, b"token:broker")
        assert not hits, hits


def test_key_is_taken_back():
    """a reload that takes the grant away holds from the next request on"""
    with broker(granted(**KEY)) as r:
        assert "tee_keypair" in ask(r, "coco", KBS).json
        r.granted = granted()
        reloaded(r)
        assert set(ask(r, "coco", KBS).json) == {"token"}
        r.granted = {}
        reloaded(r)
        assert ask(r, "coco", KBS).status == 404 and asked(r).status == 404


def test_test_grade():
    """on a test-grade result nothing leaves but what is marked for tests"""
    with broker({"tokens": [{"from": "broker", "audience": AUDIENCE}], **KEY}) as r:
        assert asked(r).code == "session.not-affirming" and ask(r, "coco", KBS).status == 503
        assert not r.broker.calls, r.broker.calls


def test_not_affirming():
    """a machine that does not deserve it any more gives no token, cached or new"""
    with broker(granted(**KEY)) as r:
        assert asked(r).status == ask(r, "coco", KBS).status == 200
        r.control(debug=True)
        r.renew()
        rig.wait_until("not affirming", lambda: r.ask("app", "GET", "/v1/health").status == 503)
        assert asked(r).code == "session.not-affirming" and ask(r, "coco", KBS).status == 503
        assert ask(r, "strict", KBS).status == 500


def test_ends_while_it_is_under_way():
    """a result that ends while the broker makes a token: neither token nor key leave, and none is recorded"""
    with broker(granted(**KEY)) as r:
        def end():
            r.control(debug=True)
            r.renew()
            rig.wait_until("not affirming", lambda: r.ask("app", "GET", "/v1/health").status == 503)
        r.broker.on_auth = end
        answer = ask(r, "coco", KBS)
        assert answer.status in (502, 503) and b"PRIVATE" not in answer.body, (answer.status, answer.body)
        assert not given(r, "key.export"), given(r, "key.export")


def test_limits():
    """a token is as dear as a piece of evidence"""
    with broker(granted(**KEY)) as r:
        base = r.config
        r.config = lambda: {**base(), "limits": {**base()["limits"], "quotes": {"per_second": 1, "burst": 1}}}
        reloaded(r)
        codes = [asked(r).status for _ in range(12)]
        assert set(codes) == {200, 429}, codes
        codes = [ask(r, "strict", KBS).status for _ in range(12)]
        assert 500 in codes, codes


def test_upstream_errors():
    """what a broker gets wrong is 502, what it denies 403, where it does not answer 504; and secrets are read on"""
    with broker(granted(**KEY)) as r:
        assert r.get("app", "broker").body == kbs_rig.VALUE
        r.broker.make_token = lambda b, claims: r.server.signer.sign({**claims, "submods": []})
        for answer in (ask(r, "coco", KBS), asked(r)):
            assert answer.status == 502 and answer.code == "token.malformed", (answer.status, answer.body)
        assert ask(r, "strict", KBS).status == 500
        assert r.get("app", "broker").body == kbs_rig.VALUE, "the source's own session is another"


def test_secret_that_cannot_be_opened():
    """a broker's ciphertext that is changed, or JSON that is none, is 502 and not the caller's fault"""
    def damaged(jwe):
        jwe["tag"] = jwe["tag"][:-4] + ("AAAA" if not jwe["tag"].endswith("AAAA") else "BBBB")

    rows = [("jose.not-decrypted", damaged), ("peer.protocol", lambda jwe: jwe.pop("tag")),
            ("peer.protocol", lambda jwe: jwe.update(iv="$"))]
    with kbs_rig.made() as r:
        with_coco(r, dict)
        for i, (_, change) in enumerate(rows):
            made = r.add(f"broker{i}", resource=f"default/db/{i}")
            made.resources[f"default/db/{i}"] = b"x"
            made.change_jwe = change
        r.start()
        for i, (code, _) in enumerate(rows):
            answer = r.get("app", f"broker{i}")
            assert (answer.status, answer.code) == (502, code), (i, answer.status, answer.body)
            assert ask(r, "coco", f"/cdh/resource/default/db/{i}").status == 502
            assert ask(r, "strict", f"/cdh/resource/default/db/{i}").status == 500


def test_absent_and_denied_are_one_answer():
    """what the broker does not have, what another may have and what nobody names: one answer to the last byte"""
    with kbs_rig.made() as r:
        with_coco(r, dict)
        r.add("absent", resource="default/not/there")
        r.add_secret("foreign", "absent", "default/an/other", allow=["other"])
        r.start()
        bodies = {ask(r, "coco", f"/cdh/resource/{name}").body
                  for name in ("default/not/there", "default/an/other", "default/no/body")}
        assert len(bodies) == 1 and b'"secret.unavailable"' in bodies.pop(), bodies


# --- the verifier's own token

@contextlib.contextmanager
def maa(**config):
    if maa_server is None:
        raise tap.Skip(f"python3-cryptography is not there: {WHY_NOT}")
    with remote_verifier_test.made(lambda: maa_server.Maa, "snp", **config) as r:
        r.verifier = remote_verifier_test.maa_verifier(r)
        yield r


def test_verifiers_token():
    """the verifier's token is given to whom policy grants it; not under a name that it does not have"""
    with maa() as r:
        with_coco(r, lambda: {"tokens": [{"from": "verifier", "audience": AUDIENCE, "test": True}]})
        r.begin()
        r.wait_healthy()
        answer = asked(r)
        assert answer.status == 200 and claims_of(answer.json["token"])["iss"] == r.service.issuer, answer.body
        assert ask(r, "coco", COCO_AS).status == 404  # it is no service of Confidential Containers
        r.service.change_claims = lambda claims: claims.update(aud="https://another.example")
        r.renewed()
        assert (asked(r).status, asked(r).code) == (502, "token.audience"), asked(r).body
        r.service.change_claims = lambda claims: claims.update(aud=["x", AUDIENCE])
        r.renewed()
        assert asked(r).status == 200


def test_coco_as():
    """a key broker as the verifier: coco_as is its token's text, and no key"""
    r = remote_verifier_test.broker("snp")
    with r:
        with_coco(r, lambda: {"tokens": [{"from": "verifier", "test": True}]})
        r.begin()
        r.wait_healthy()
        answer = ask(r, "coco", COCO_AS)
        assert answer.status == 200 and claims_of(answer.body.decode())["submods"], answer.body[:200]
        assert ask(r, "coco", KBS).status == asked(r).status == 404


# --- Vault's login by the verifier's token

class VaultOfMaa(vault_server.Vault):
    """takes tokens as a role does that has jwks_url, bound_issuer, bound_audiences and bound_claims"""

    def __init__(self, server, service):
        server.is_ours = None
        super().__init__(server, "vault")
        self.service, self.bound, self.audience = service, {"x-ms-attestation-type": "sevsnpvm"}, None
        self.takes, self.seen = self.check, []

    def check(self, jwt):
        self.seen.append(jwt)
        head, payload, signature = jwt.split(".")
        kid = json.loads(decode(head))["kid"]
        jwk = {key.kid: key.jwk() for key in self.service.published}.get(kid)
        if jwk is None or json.loads(decode(head))["alg"] != "RS256":
            return False
        key = rsa.RSAPublicNumbers(number(jwk["e"]), number(jwk["n"])).public_key()
        try:
            key.verify(decode(signature), f"{head}.{payload}".encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        claims = json.loads(decode(payload))
        now = time.time()
        return (claims["nbf"] <= now < claims["exp"] and claims["iss"] == self.service.issuer
                and claims.get("aud") == self.audience
                and all(claims.get(name) == value for name, value in self.bound.items()))


@contextlib.contextmanager
def logged_in(**config):
    with maa(**config) as r:
        r.vault = VaultOfMaa(r.server, r.service)
        r.server.services["vault"] = r.vault
        base = r.config

        def with_vault():
            made = base()
            made["sources"]["vault"] = {"type": "vault", "url": r.vault.url, "role": "app", "timeout": "10s",
                                        "fetch_socket": str(r.fetch.socket)}
            made["secrets"]["vault"] = {"source": "vault", "resource": "vault://kv/db#password", "allow": ["app"],
                                        "test": True}
            return made

        r.config = with_vault
        r.begin()
        r.wait_healthy()
        yield r


def test_vault_login():
    """Vault takes the verifier's token by the published keys, and a secret is read; the workload never has that token"""
    with logged_in() as r:
        answer = r.get("app", "vault")
        assert (answer.status, answer.body) == (200, b"from vault"), (answer.status, answer.body)
        assert r.vault.count("POST auth/jwt/login") == 1 and not r.vault.complaints, r.vault.complaints
        config = r.config()
        config["workloads"]["app"]["tokens"] = [{"from": "verifier", "audience": AUDIENCE, "test": True}]
        r.write_config(config)
        done = r.ask("admin", "POST", "/v1/admin/reload")
        assert done.status == 400 and b"logs in with tokens of this issuer" in done.body, done.body


def test_vault_login_refused():
    """a token whose claims are not those that the role is bound to opens nothing, and says so"""
    with logged_in() as r:
        r.vault.bound = {"x-ms-attestation-type": "tdxvm"}
        answer = r.get("app", "vault")
        assert (answer.status, answer.code) == (503, "vault.unauthorized"), (answer.status, answer.body)
        assert r.ask("app", "GET", "/v1/status").json["sources"]["vault"]["last_error"].startswith("vault.unauthorized")


def test_vault_login_wrong_audience():
    """the same of an audience"""
    with logged_in() as r:
        r.vault.audience = "https://vault.example"
        assert r.get("app", "vault").code == "vault.unauthorized"


def test_vault_login_again():
    """a login that Vault forgot is made anew with the token of the present result"""
    with logged_in() as r:
        assert r.get("app", "vault").status == 200
        first = r.vault.seen[-1]
        r.renewed()  # another result, another token; what was read under the old one is wiped
        r.vault.tokens.clear()
        rig.wait_until("a new login", lambda: r.get("app", "vault").status == 200)
        assert r.vault.seen[-1] != first and r.vault.count("POST auth/jwt/login") >= 2, r.vault.calls


def test_vault_login_with_a_renewed_token():
    """a token that Vault does not take any more is followed by another: the session is renewed for it"""
    with logged_in() as r:
        first = []

        def refuse_the_first(jwt):
            first.append(jwt)
            return jwt != first[0] and r.vault.check(jwt)

        r.vault.takes = refuse_the_first
        answer = r.get("app", "vault")
        assert (answer.status, answer.body) == (200, b"from vault"), (answer.status, answer.body)
        assert len(first) == 2 and first[1] != first[0], len(first)


if __name__ == "__main__":
    sys.exit(kbs_rig.run([f for name, f in list(globals().items()) if name.startswith("test_")]))
