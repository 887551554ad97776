#!/usr/bin/env python3
"""The daemon and a key broker: secrets are released out of it, and its sessions and refusals are kept to.

usage: kbs_test.py BUILD-DIR
"""
import concurrent.futures
import os
import pathlib
import statistics
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import canary_test  # noqa: E402
import kbs_rig  # noqa: E402
import rig  # noqa: E402
from kbs_rig import RESOURCE, VALUE, answered, good, made  # noqa: E402


# --- what works

def released_with(tee):
    with made(tee) as r:
        broker = r.add("broker")
        broker.resources["default/db/user"] = b"second"
        r.add_secret("user", "broker", "kbs:///default/db/user", require={"min_protection": "end_to_end"})
        r.start()
        answer = r.get("app", "broker")
        assert (answer.status, answer.body) == (200, VALUE), (answer.body, broker.complaints)
        assert broker.calls == ["auth", "attest", f"resource/{RESOURCE}"], broker.calls
        answer = r.get("app", "user")
        assert (answer.status, answer.body) == (200, b"second"), answer.body
        assert broker.calls[3:] == ["resource/default/db/user"], broker.calls
        session, = broker.sessions.values()
        assert session["tee"] == tee and session["init-data"] is None, session
        good(broker)
        status = r.status()
        assert status["sources"]["broker"]["token"].startswith("affirming (cpu0.configuration=2 "), status["sources"]
        secret = next(s for s in status["you"]["secrets"] if s["name"] == "user")
        assert secret["protection"] == "end_to_end" and "key broker" in secret["rests_on"], secret
        metrics = r.ask("admin", "GET", "/metrics").body.decode()
        assert 'attestd_kbs_handshakes_total{source="broker"} 1\n' in metrics, metrics
        assert 'attestd_kbs_reads_total{source="broker"} 2\n' in metrics, metrics


def test_release_snp():
    """SEV-SNP: a secret is released on a token that is about our report; the second secret is one GET"""
    released_with("snp")


def test_release_tdx():
    """TDX: the same, with a quote and the event log that explains its registers"""
    released_with("tdx")


def test_versions_of_a_secret():
    """what the broker changes gets another ETag, and the old one is not said to be the same"""
    with made(max_age="10m") as r:
        broker = r.add("broker")
        r.start()
        first = r.get("app", "broker")
        again = r.ask("app", "GET", "/v1/secrets/broker", headers={"If-None-Match": first.headers["etag"]})
        assert again.status == 304 and broker.count("resource") == 1, (again.status, broker.calls)
        r.ask("admin", "POST", "/v1/admin/reload")  # wipes what is held
        rig.wait_until("the same is read again", lambda: r.get("app", "broker").headers["etag"] == first.headers["etag"])
        broker.resources[RESOURCE] = b"changed"
        r.ask("admin", "POST", "/v1/admin/reload")
        new = rig.wait_until("the new value", lambda: answered(r, b"changed"))
        assert new.headers["etag"] != first.headers["etag"]
        good(broker)


def test_keys_and_protocols():
    """P-521 and RSA keys, protocol 0.2.0, every way to pin a signer, init-data, and the largest secret"""
    with made() as r:
        init_data = r.folder / "init-data.toml"
        text = 'version = "0.1.0"\nalgorithm = "sha256"\n[data]\n"a" = "\u00e4\\n"\n'
        init_data.write_text(text)
        pins = r.server
        brokers = {
            "p521": r.add("p521", tee_key="p521", token_signer=str(pins.signer_public)),
            "rsa": r.add("rsa", tee_key="rsa3072", token_signer=str(pins.signer_jwks), timeout="60s"),
            "old": r.add("old", protocol="0.2.0", token_signer=str(pins.signer_certificate)),
            "init": r.add("init", init_data=str(init_data)),
            "any": r.add("any", token_signer=None, discover_token_signer=True),
            "warning": r.add("warning", lie="warning", accept_warning=True),
            "plug-in": r.add("plug-in", resource="kbs+nebula-ca:///credential?name=a&ip=10.9.8.7/21"),
            "large": r.add("large"),
        }
        brokers["old"].version = "0.2.0"
        brokers["large"].resources[RESOURCE] = large = os.urandom(1 << 20)
        brokers["plug-in"].plugins["nebula-ca/credential?name=a&ip=10.9.8.7/21"] = VALUE
        r.start()
        for name, broker in brokers.items():
            answer = r.get("app", name)
            assert (answer.status, answer.body) == (200, large if name == "large" else VALUE), (name, answer.body[:300])
            good(broker)
        jwks = {name: broker.jwks[0] for name, broker in brokers.items()}
        assert jwks["p521"]["crv"] == "P-521" and jwks["rsa"]["kty"] == "RSA" and jwks["old"]["crv"] == "P-256", jwks
        session, = brokers["init"].sessions.values()
        assert session["init-data"] == {"format": "toml", "body": text}, session
        status = r.status()
        assert any("source any takes tokens of any signer" in w for w in status["warnings"]), status["warnings"]
        assert status["sources"]["warning"]["token"].startswith("warning ("), status["sources"]


def test_nonces_and_extra_params():
    """nonces with JSON escapes, of 1 and 4096 characters; extra-params of every JSON type, and each hash"""
    nonces = {"quotes": '"\\/\b\f\n\r\t', "controls": "\x00\x01\x1f\x7f", "wide": "\u00e4\u20ac\U0001f511\u2028",
              "one": "x", "long": "n" * 4096, "document": '{"a": [1, "\\u0000"]}'}
    extras = {"null": None, "true": True, "number": 1.5, "text": "sha512", "list": ["sha512"], "object": {"a": 1},
              "sha256": {"selected-hash-algorithm": "SHA256"}, "sha512": {"selected-hash-algorithm": "sha512"}}
    with made() as r:
        brokers = {}
        for name, nonce in nonces.items():
            brokers[name] = r.add(name, extra_params={"id": "our-policy", "n": 1})
            brokers[name].nonce = lambda nonce=nonce: nonce
        for name, extra in extras.items():
            brokers["extra-" + name] = r.add("extra-" + name)
            brokers["extra-" + name].challenge_extra = extra
        r.start()
        for name, broker in brokers.items():
            answer = r.get("app", name)
            assert (answer.status, answer.body) == (200, VALUE), (name, answer.body, broker.complaints)
            good(broker)
            session, = broker.sessions.values()
            offered = {"supported-hash-algorithms": ["sha384", "sha256", "sha512"]}
            assert session["extra"] == ({**offered, "id": "our-policy", "n": 1} if name in nonces else offered), session


def test_two_handshakes_at_once():
    """two brokers that answer at the same time never see one key, and readers of one broker share its handshake"""
    with made() as r:
        both = threading.Barrier(2, timeout=20)
        brokers = [r.add("one"), r.add("two")]
        for broker in brokers:
            broker.on_auth = lambda: both.wait()  # neither answers before the other was asked
            for n in range(8):
                broker.resources[f"default/many/{n}"] = f"{broker.name} {n}".encode()
                r.add_secret(f"{broker.name}/{n}", broker.name, f"default/many/{n}")
        r.start()
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            names = [f"{b.name}/{n}" for b in brokers for n in range(8)] * 2
            answers = list(pool.map(lambda name: (name, r.get("app", name)), names))
        for name, answer in answers:
            assert (answer.status, answer.body.decode()) == (200, name.replace("/", " ")), (name, answer.body)
        for broker in brokers:
            good(broker)
            assert (broker.count("auth"), broker.count("attest")) == (1, 1), broker.calls
            assert broker.count("resource") == 8, broker.calls  # the same secret twice at once is read once
        assert brokers[0].jwks != brokers[1].jwks


ROUND = 80  # reads of each kind, one after the other


def test_second_read_costs_one_get():
    """a further secret is one GET, under the same attestation; its time beside a bare GET's is printed, not judged"""
    with made() as r:
        broker = r.add("broker")
        for n in range(ROUND):
            broker.resources[f"default/many/{n}"] = VALUE
            r.add_secret(f"many/{n}", "broker", f"default/many/{n}")
        r.start()
        assert r.get("app", "broker").body == VALUE
        cookie, = broker.sessions
        headers = {"Cookie": f"kbs-session-id={cookie}", "Content-Type": "application/json"}
        bare, ours = [], []
        for n in range(ROUND):
            url = f"{broker.url}/kbs/v0/resource/default/many/{n}"
            bare.append(timed(lambda: r.fetch.get(url, headers=headers).status == 200))
            ours.append(timed(lambda: r.get("app", f"many/{n}").body == VALUE))
        print(f"# p50 of a bare GET {statistics.median(bare) * 1e3:.2f} ms, of a further read "
              f"{statistics.median(ours) * 1e3:.2f} ms: {statistics.median(ours) / statistics.median(bare):.2f}",
              flush=True)
        assert (broker.count("auth"), broker.count("attest")) == (1, 1), broker.calls
        assert broker.count("resource") == 1 + 2 * ROUND
        good(broker)


def timed(action):
    begin = time.perf_counter()
    assert action()
    return time.perf_counter() - begin


# --- sessions and tokens that end

def test_session_lost_between_auth_and_attest():
    """a session that the broker loses before the attestation is begun anew, once"""
    with made() as r:
        broker = r.add("broker")
        lost = []

        def lose_first():
            broker.session_life = 300 if lost else -1
            lost.append(1)

        broker.on_auth = lose_first
        always = r.add("always")
        always.session_life = -1
        r.start()
        answer = r.get("app", "broker")
        assert (answer.status, answer.body) == (200, VALUE), answer.body
        assert broker.calls == ["auth", "attest", "auth", "attest", f"resource/{RESOURCE}"], broker.calls
        good(broker)
        r.refused("always", "kbs.unauthorized", "the session is not there or has expired")
        assert always.calls == ["auth", "attest"] * 2, always.calls


def test_token_ends_between_reads():
    """after the token's end a read begins with a new handshake and a new key, and what was read is not served on"""
    with made() as r:
        broker = r.add("broker")
        broker.token_life = 3
        r.start()
        assert r.get("app", "broker").body == VALUE
        answer = r.get("app", "broker")
        assert answer.body == VALUE and int(answer.headers["attestd-keep-for"]) <= 3, answer.headers
        assert broker.calls == ["auth", "attest", f"resource/{RESOURCE}"], broker.calls
        time.sleep(3.5)
        broker.resources[RESOURCE] = b"newer"
        assert r.get("app", "broker").body == b"newer"
        assert broker.calls[3:] == ["auth", "attest", f"resource/{RESOURCE}"], broker.calls
        assert len(broker.jwks) == 2 and broker.jwks[0] != broker.jwks[1]
        good(broker)


def test_broker_forgets_the_token():
    """a session that the broker ended early: the token itself is shown, and where that is not taken, one handshake"""
    with made() as r:
        broker = r.add("broker")
        for n in range(4):
            broker.resources[f"default/x/{n}"] = VALUE
            r.add_secret(f"x{n}", "broker", f"default/x/{n}")
        r.start()
        assert r.get("app", "x0").body == VALUE
        for session in broker.sessions.values():
            session["until"] = 0
        assert r.get("app", "x1").body == VALUE
        assert broker.calls[3:] == ["resource/default/x/1"] * 2, broker.calls
        assert "cookie" not in broker.requests[-1].headers, broker.requests[-1]
        assert r.get("app", "x2").body == VALUE  # one GET, with the token at once
        assert broker.calls[5:] == ["resource/default/x/2"], broker.calls
        broker.sessions.clear()
        assert r.get("app", "x3").body == VALUE
        assert broker.calls[6:] == ["resource/default/x/3", "auth", "attest", "resource/default/x/3"], broker.calls
        good(broker)


def test_denied_does_not_loop():
    """what the broker's policy denies, or does not have, is one GET each time: no handshake, no second try"""
    with made() as r:
        broker = r.add("broker")
        r.add_secret("gone", "broker", "default/no/such")
        r.start()
        assert r.get("app", "broker").status == 200
        before = len(broker.calls)
        for _ in range(3):
            assert r.refused("gone", "kbs.not-found", "No such file or directory", "broker").status == 404
        broker.denies = True
        for _ in range(3):
            assert r.refused("gone", "kbs.denied", "PolicyDeny: Access denied by policy", "broker").status == 403
        assert broker.calls[before:] == ["resource/default/no/such"] * 6, broker.calls
        good(broker)


def test_refused_evidence_is_not_repeated():
    """a broker that refuses this machine is left alone for a while, whoever asks"""
    with made() as r:
        broker = r.add("broker", lie="refused")
        r.start()
        for _ in range(20):
            r.refused("broker", "kbs.refused", "RCAR handshake Attest failed")
        assert broker.calls == ["auth", "attest"], broker.calls
        broker.refuses_evidence = False
        rig.wait_until("it is asked again", lambda: r.get("app", "broker").status == 200, seconds=30)
        good(broker)


def test_secrets_stay_in_their_memory():
    """what a broker sent lies in no mapping of the daemon but those for secrets, and in no file, once it was read"""
    canary_test.need_root()
    canary = canary_test.Canary()
    with made() as r:
        for name, tee_key in (("ec", "p256"), ("rsa", "rsa3072")):
            r.add(name, tee_key=tee_key, timeout="60s").resources[RESOURCE] = canary.value
        bad = r.add("bad", lie="changed-tag")
        bad.resources[RESOURCE] = canary.value
        r.start()
        for _ in range(3):
            assert r.get("app", "ec").body == r.get("app", "rsa").body == canary.value
        r.refused("bad", "jose.not-decrypted")
        hits = canary_test.search_memory(r.daemon.child.pid, canary, RESOURCE.encode())
        assert not hits, hits
        r.daemon.stop()
        for path in r.folder.rglob("*"):
            assert not path.is_file() or not canary.found_in(path.read_bytes()), path


# --- configuration

def test_configuration():
    """attestd --check names what is wrong with a broker's configuration, and a store's remote slot may be a broker's"""
    with made() as r:
        r.start_machine()
        bad = r.folder / "bad.pem"
        bad.write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
        latin = r.folder / "latin.toml"
        latin.write_bytes(b"\xe4")
        for change, says in (({"token_signer": None}, "token_signer"), ({"discover_token_signer": True}, "one of them"),
                             ({"token_signer": str(bad)}, "sources.broker"), ({"protocol": "0.3.0"}, "0.4.0"),
                             ({"tee_key": "p384"}, "p521"), ({"url": "http://localhost"}, "https://"),
                             ({"init_data": str(latin)}, "UTF-8"), ({"token_algorithm": "RS256"}, None)):
            r.add("broker", **change)
            done = r.check()
            if says is None:  # an authority says nothing of its signers' keys
                assert done.returncode == 0, done
            else:
                assert done.returncode != 0 and says in done.stderr, (change, done)
        r.add("broker", resource="../etc/passwd")
        assert "REPOSITORY/TYPE/TAG" in r.check().stderr


def test_remote_slot():
    """a sealed store opens with the secret of a key broker, again after a restart"""
    with made("tdx") as r:
        broker = r.add("broker", resource="default/keys/store")
        broker.resources["default/keys/store"] = os.urandom(32)
        r.sources["store"] = {"type": "store", "remote_slot": {"source": "broker", "resource": "default/keys/store"}}
        r.secrets["kept"] = {"source": "store", "allow": ["app"], "test": True}
        r.start()
        r.put("kept", b"sealed by the broker's key")
        assert r.get("app", "kept").body == b"sealed by the broker's key"
        assert r.daemon.stop() == 0
        r.start_daemon()
        r.wait_healthy()
        assert r.get("app", "kept").body == b"sealed by the broker's key"
        good(broker)


TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")]


if __name__ == "__main__":
    sys.exit(kbs_rig.run(TESTS))
