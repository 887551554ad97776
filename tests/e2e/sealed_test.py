#!/usr/bin/env python3
"""Sealed secrets: signed texts that the host delivers lead to a key broker or to Vault, and nothing else is released.

usage: sealed_test.py BUILD-DIR
"""
import base64
import contextlib
import os
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import fetch_test  # noqa: E402
import kbs_rig  # noqa: E402
import rig  # noqa: E402
import tap  # noqa: E402
import vault_server  # noqa: E402
from kbs_rig import VALUE, good  # noqa: E402
try:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from kbs_jose import Signer, b64u, compact
except ImportError:  # kbs_rig says so
    ec = None

URI, KID_URI = "kbs:///default/db/password", "kbs:///default/keys/signer"
CIPHERTEXT = "vault:v1:abc+/="


def b64(data):
    return base64.b64encode(data).decode()


class Sealer:
    """who signs sealed secrets, in the name of a kid"""

    def __init__(self, kid="signer-1"):
        self.kid = kid
        self.signer = Signer(ec.generate_private_key(ec.SECP256R1()))

    @property
    def jwk(self):
        return {**self.signer.jwk, "kid": self.kid}

    def sign(self, payload, **header):
        return "sealed." + self.signer.sign(payload, {"alg": "ES256", "kid": self.kid, **header})

    def pointer(self, name, to=URI, **more):
        annotations = {"attestd.name": name} if name else {}
        return self.sign({"version": "0.1.0", "type": "vault", "provider": "kbs", "name": to, "provider_settings": {},
                          "annotations": annotations, **more})

    def envelope(self, name, value, key, **more):
        iv = os.urandom(12)
        return self.sign({"version": "0.1.0", "type": "envelope", "provider": "vault", "key_id": "app",
                          "encrypted_key": b64(CIPHERTEXT.encode()), "iv": b64(iv), "wrap_type": "A256GCM",
                          "encrypted_data": b64(AESGCM(key).encrypt(iv, value, None)), "provider_settings": {},
                          "annotations": {"attestd.name": name}, **more})


class SealedRig(kbs_rig.KbsRig):
    """a key broker, a Vault behind an attestd-fetch of its own, and a folder that the host fills"""

    def __init__(self, **options):
        super().__init__()
        self.broker = self.add("broker")
        self.vaults = vault_server.VaultServer()
        self.vault_fetch = fetch_test.Fetch(fetch_test.config_for(self.vaults))
        self.vault = self.vaults.vault("vault")
        token = self.folder / "attestation.jwt"
        token.write_text(self.vaults.jwt())
        token.chmod(0o600)
        self.sources["vault"] = {"type": "vault", "url": self.vault.url, "role": "app", "token_file": str(token),
                                 "fetch_socket": str(self.vault_fetch.socket), "timeout": "20s"}
        self.sealer = Sealer()
        signers = self.folder / "signers.json"
        signers.write_bytes(compact({"keys": [self.sealer.jwk]}))
        self.sources["sealed"] = {"type": "sealed", "trusted_keys": str(signers), "kbs": "broker", "vault": "vault",
                                  **options}
        self.delivered = self.folder / "delivered"
        self.delivered.mkdir()

    def __exit__(self, *exception):
        self.vaults.__exit__()
        self.vault_fetch.__exit__()
        super().__exit__(*exception)

    def add_file(self, name, text=None, **more):
        """a secret that is delivered in a file of its name"""
        self.add_secret(name, "sealed", str(self.delivered / name), **more)
        if text is not None:
            self.deliver(name, text)

    def deliver(self, name, text):
        beside = self.delivered / (name + ".new")
        beside.write_text(text)
        beside.rename(self.delivered / name)

    def value(self, name):
        answer = self.get("app", name)
        assert answer.status == 200, (name, answer.status, answer.body, self.told("sealed"))
        return answer.body

    def refused(self, name, code, says=""):
        return super().refused(name, code, says, source="sealed")


@contextlib.contextmanager
def made(**options):
    if kbs_rig.kbs_server is None:
        raise tap.Skip(f"python3-cryptography is not there: {kbs_rig.WHY_NOT}")
    with SealedRig(**options) as r:
        yield r


# --- what works

def test_pointer():
    """a signed pointer is released through the broker's session, as protected as the broker's, seen by operators"""
    with made(vault=None) as r:
        del r.sources["sealed"]["vault"]
        r.add_file("db", r.sealer.pointer("db") + "\n", require={"min_protection": "end_to_end"})
        r.add_secret("inline", "sealed", r.sealer.pointer(None))
        r.start()
        assert r.value("db") == VALUE and r.value("inline") == VALUE
        assert r.broker.calls[:2] == ["auth", "attest"] and r.broker.count("auth") == 1, r.broker.calls
        good(r.broker)
        status = r.status()
        source = status["sources"]["sealed"]
        assert source["type"] == "sealed" and source["unsealed"] == 2 and source["refused"] == 0, source
        assert source["last_success"].endswith("Z") and "last_error" not in source, source
        behind = rig.wait_until("the broker's own counts", lambda: (
            (b := r.status()["sources"]["broker"])["reads"] == 2 and b))
        assert behind["handshakes"] == 1 and behind["login_expires"].endswith("Z"), behind
        secret = next(s for s in status["you"]["secrets"] if s["name"] == "db")
        assert secret["protection"] == "end_to_end" and "a signed text" in secret["rests_on"], secret
        metrics = r.ask("admin", "GET", "/metrics").body.decode()
        for line in ('attestd_source_reads_total{source="sealed"} 2\n', 'attestd_sealed_unsealed_total{source="sealed"} 2\n',
                     'attestd_sealed_refused_total{source="sealed"} 0\n'):
            assert line in metrics, (line, metrics)
        out = r.attestctl("status", "--socket", r.socket("app")).stdout.decode()
        assert "sealed" in out and "unsealed: 2" in out, out


def test_envelope():
    """an envelope is opened with the key that Vault's transit engine decrypts, and is worth what TLS is"""
    with made() as r:
        key = os.urandom(32)
        r.vault.ciphertexts["transit", "app", CIPHERTEXT] = (key, None)
        r.add_file("db", r.sealer.envelope("db", b"in the envelope\0", key))
        r.add_file("tampered", r.sealer.envelope("tampered", b"x", os.urandom(32)))
        r.add_file("aws", r.sealer.envelope("aws", b"x", key, provider="aws"))
        r.add_file("ctr", r.sealer.envelope("ctr", b"x", key, wrap_type="A256CTR"))
        r.start()
        assert r.value("db") == b"in the envelope\0"
        assert r.vault.calls == ["POST auth/jwt/login", "POST transit/decrypt/app"], r.vault.calls
        assert not r.vault.complaints, r.vault.complaints
        assert not r.broker.calls, r.broker.calls
        secret = next(s for s in r.status()["you"]["secrets"] if s["name"] == "db")
        assert secret["protection"] == "transport", secret
        r.refused("tampered", "sealed.undecrypted")
        r.refused("aws", "sealed.unsupported", "the provider \"aws\" is not offered, \"vault\" is")
        r.refused("ctr", "sealed.unsupported", "A256CTR")
        assert key.hex() not in r.daemon.output and b64(key) not in r.daemon.output


def test_key_at_the_broker():
    """a signer whose key the broker has counts by a listed URI alone, and by the key that is there now"""
    with made(trusted_kids=[KID_URI]) as r:
        at_broker, unlisted = Sealer(KID_URI), Sealer("kbs:///default/keys/unlisted")
        r.broker.resources["default/keys/signer"] = compact(at_broker.jwk)
        r.broker.resources["default/keys/unlisted"] = compact(unlisted.jwk)
        r.add_file("db", at_broker.pointer("db"))
        r.add_file("unlisted", unlisted.pointer("unlisted"))
        r.start()
        assert r.value("db") == VALUE
        r.refused("unlisted", "sealed.untrusted", "neither in")
        assert "resource/default/keys/unlisted" not in r.broker.calls, r.broker.calls
        rotated = Sealer(KID_URI)
        r.broker.resources["default/keys/signer"] = compact(rotated.jwk)
        r.ask("admin", "POST", "/v1/admin/reload")  # wipes what is held
        rig.wait_until("the old signer counts no more", lambda: r.get("app", "db").code == "sealed.signature")
        r.deliver("db", rotated.pointer("db"))
        assert r.value("db") == VALUE
        good(r.broker)


def test_kubernetes_links():
    """a file behind the links by which Kubernetes delivers, exchanged as Kubernetes does"""
    with made() as r:
        r.broker.resources["default/db/second"] = b"second"
        for version, to in (("..1", URI), ("..2", "kbs:///default/db/second")):
            (r.delivered / version).mkdir()
            (r.delivered / version / "db").write_text(r.sealer.pointer("db", to))
        (r.delivered / "..data").symlink_to("..1")
        (r.delivered / "db").symlink_to("..data/db")
        r.add_file("db")
        r.start()
        assert r.value("db") == VALUE
        (r.delivered / "..next").symlink_to("..2")
        (r.delivered / "..next").rename(r.delivered / "..data")
        r.ask("admin", "POST", "/v1/admin/reload")
        rig.wait_until("the second value", lambda: r.get("app", "db").body == b"second")


# --- what is refused

def test_not_signed():
    """alg none, HS256, dummy signatures of old versions, foreign signers, changed text: nothing of it is followed"""
    with made() as r:
        stranger, namesake = Sealer("stranger"), Sealer()
        _, header, payload, signature = r.sealer.pointer("x").split(".")
        own = b64u(compact({"version": "0.1.0", "type": "vault", "provider": "kbs", "name": URI, "provider_settings": {},
                            "annotations": {"attestd.name": "x"}}))
        rows = {
            "none": (f"sealed.{b64u(compact({'alg': 'none', 'kid': 'signer-1'}))}.{own}.", "sealed.algorithm"),
            "hs256": (f"sealed.{b64u(compact({'alg': 'HS256', 'kid': 'signer-1'}))}.{own}.{b64u(bytes(32))}",
                      "sealed.algorithm"),
            "fake": (f"sealed.fakejwsheader.{own}.fakesignature", "sealed.malformed"),
            "fake-signature": (f"sealed.{header}.{own}.fakesignature", "sealed.malformed"),
            "empty-signature": (f"sealed.{header}.{payload}.", "sealed.signature"),
            "zero-signature": (f"sealed.{header}.{payload}.{b64u(bytes(64))}", "sealed.signature"),
            "unsigned-text": (b64(b"plain"), "sealed.malformed"),
            "stranger": (stranger.pointer("stranger"), "sealed.untrusted"),
            "namesake": (namesake.pointer("namesake"), "sealed.signature"),
            "own-jwk": (namesake.sign({}, jwk=namesake.jwk), "sealed.malformed"),
            "traversal": (Sealer("../../etc/passwd").pointer("traversal"), "sealed.untrusted"),
            "no-prefix": (r.sealer.pointer("no-prefix")[7:], "sealed.malformed"),
            "another-payload": (f"sealed.{header}.{own}x.{signature}", "sealed."),
            "empty": ("", "sealed.malformed"),
        }
        for name, (text, _) in rows.items():
            r.add_file(name, text)
        r.start()
        for name, (_, code) in rows.items():
            answer = r.get("app", name)
            assert answer.status != 200 and answer.code.startswith(code), (name, answer.status, answer.body)
            assert VALUE not in answer.body
        assert not r.broker.calls and not r.vault.calls, (r.broker.calls, r.vault.calls)
        source = r.status()["sources"]["sealed"]
        assert source["unsealed"] == 0 and source["refused"] == len(rows), source
        codes = {record.get("reason") for record in r.audit_records()}
        assert {"sealed.algorithm", "sealed.signature", "sealed.untrusted", "sealed.malformed"} <= codes, codes


def test_exchanged():
    """one signed file in the place of another, or one that names no secret, is refused, until the source says otherwise"""
    with made() as r:
        r.broker.resources["default/db/user"] = b"another secret"
        r.add_file("db", r.sealer.pointer("db"))
        r.add_file("user", r.sealer.pointer("user", "kbs:///default/db/user"))
        r.start()
        shutil.copy(r.delivered / "user", r.delivered / "db")
        r.refused("db", "sealed.binding", "signed for another one")
        r.deliver("db", r.sealer.pointer(None, "kbs:///default/db/user"))
        r.refused("db", "sealed.binding", "does not say what it is for")
        r.deliver("db", r.sealer.pointer("db"))
        assert r.value("db") == VALUE and r.value("user") == b"another secret"
    with made(unbound=True) as r:
        r.add_file("db", r.sealer.pointer(None))
        r.add_file("user", r.sealer.pointer("db"))
        r.start()
        assert r.value("db") == VALUE
        r.refused("user", "sealed.binding", "signed for another one")
        assert any("source sealed is \"unbound\"" in w for w in r.status()["warnings"]), r.status()["warnings"]


def test_where_it_leads():
    """no pointer leads to a sealed secret, to another provider, or to where the broker has nothing"""
    with made() as r:
        r.broker.resources["default/sealed/again"] = r.sealer.pointer(None).encode()
        r.add_file("nested", r.sealer.pointer("nested", "kbs:///default/sealed/again"))
        r.add_file("aliyun", r.sealer.pointer("aliyun", provider="aliyun"))
        r.add_file("elsewhere", r.sealer.pointer("elsewhere", "kbs://other.example/default/db/password"))
        r.add_file("absent", r.sealer.pointer("absent", "kbs:///default/db/absent"))
        r.add_file("version", r.sealer.pointer("version", version="0.2.0"))
        r.start()
        r.refused("nested", "sealed.nested")
        r.refused("aliyun", "sealed.unsupported", "the provider \"aliyun\" is not offered, \"kbs\" is")
        r.refused("elsewhere", "sealed.payload", "kbs:///REPOSITORY/TYPE/TAG")
        r.refused("version", "sealed.unsupported", "0.2.0")
        answer = r.get("app", "absent")
        assert answer.status == 404 and answer.code == "kbs.not-found", (answer.status, answer.body)
        good(r.broker)


def test_files():
    """an absent, too large or irregular file is refused at once, and the next good one is taken"""
    with made() as r:
        r.add_file("db")
        r.start()
        path = r.delivered / "db"
        r.refused("db", "sealed.not-found", "whoever delivers")
        assert str(path) not in r.told("sealed"), "status tells everybody where a secret lies"
        assert "secret=db" in r.daemon.output
        path.write_text("sealed." + "A" * (384 << 10))
        r.refused("db", "sealed.file", "has over 393216 bytes")
        path.unlink()
        os.mkfifo(path)
        r.refused("db", "sealed.file", "is no regular file")
        path.unlink()
        path.mkdir()
        r.refused("db", "sealed.file", "is no regular file")
        path.rmdir()
        path.symlink_to("/dev/zero")
        answer = r.get("app", "db")
        assert answer.code == "sealed.file", answer.body
        path.unlink()
        r.deliver("db", r.sealer.pointer("db"))
        assert r.value("db") == VALUE


def test_last_good():
    """what was opened serves while the attestation lasts, whatever becomes of the file; the next one reads it anew"""
    with made() as r:
        r.add_file("db", r.sealer.pointer("db"))
        r.start()
        first = r.get("app", "db")
        (r.delivered / "db").unlink()
        again = r.get("app", "db")
        assert (again.body, again.headers["etag"]) == (VALUE, first.headers["etag"]), again.body
        r.renew()
        rig.wait_until("it is read anew", lambda: r.get("app", "db").code == "sealed.not-found")
        r.deliver("db", r.sealer.pointer("db"))
        back = rig.wait_until("it is back", lambda: (a := r.get("app", "db")).status == 200 and a)
        assert back.headers["etag"] == first.headers["etag"]


def test_start():
    """signers that cannot be pinned, and sources that are not there, are told before anything starts"""
    with made() as r:
        r.add_file("db", r.sealer.pointer("db"))
        r.start_machine()
        signers = pathlib.Path(r.sources["sealed"]["trusted_keys"])
        for change, says in (({"trusted_keys": None}, "must say who signs"), ({"kbs": "vault"}, "no source of type"),
                             ({"skip_verification": True}, "skip_verification")):
            config = r.config()
            source = {**config["sources"]["sealed"], **change}
            config["sources"] = {**config["sources"], "sealed": {k: v for k, v in source.items() if v is not None}}
            r.config = lambda config=config: config
            out = r.check()
            del r.config
            assert out.returncode != 0 and says in out.stderr, (change, out)
        assert r.check().returncode == 0
        signers.write_bytes(compact({"keys": [r.sealer.signer.jwk]}))
        out = r.check()
        assert out.returncode != 0 and "sources.sealed" in out.stderr and "kid" in out.stderr, out


if __name__ == "__main__":
    sys.exit(kbs_rig.run([test_pointer, test_envelope, test_key_at_the_broker, test_kubernetes_links, test_not_signed,
                          test_exchanged, test_where_it_leads, test_files, test_last_good, test_start]))
