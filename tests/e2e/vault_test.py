#!/usr/bin/env python3
"""The daemon and Vault: secrets are released out of it, and its logins and leases are kept to, renewed and revoked.

usage: vault_test.py BUILD-DIR
"""
import base64
import json
import pathlib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import canary_test  # noqa: E402
import fetch_test  # noqa: E402
import kbs_rig  # noqa: E402
import rig  # noqa: E402
import vault_rig  # noqa: E402
import vault_server  # noqa: E402
from vault_rig import VALUE, good, made  # noqa: E402


def test_key_value():
    """KV version 2: a field, the whole, a version and base64; one login; ETag is KV's version"""
    with made() as r:
        vault = r.add()
        vault.put("kv", "db", {"password": "second \u00e9\n", "bytes": base64.b64encode(bytes(range(256))).decode()})
        r.add_secret("old", "vault", "kv/db#password?version=1")
        r.add_secret("all", "vault", "vault://kv/db?version=1")
        r.add_secret("bytes", "vault", "kv/db#bytes?encoding=b64")
        r.start()
        answer = r.get("app", "vault")
        assert (answer.status, answer.body) == (200, "second \u00e9\n".encode()), answer.body
        assert answer.headers["etag"] == '"2"', answer.headers
        assert r.value("old") == VALUE and r.value("bytes") == bytes(range(256))
        assert json.loads(r.value("all")) == {"password": "from vault", "user": "app", "n": 7}
        assert vault.calls[0] == "POST auth/jwt/login" and vault.count("POST auth/jwt/login") == 1, vault.calls
        good(vault)
        secret = next(s for s in r.status()["you"]["secrets"] if s["name"] == "vault")
        assert secret["protection"] == "transport" and "given by Vault" in secret["rests_on"], secret


def test_transit():
    """transit decrypts what configuration holds"""
    with made() as r:
        vault = r.add(resource="vault+transit://transit/app#vault:v1:abc+/=?context=Y3R4")
        vault.ciphertexts["transit", "app", "vault:v1:abc+/="] = (b"\0plain", "Y3R4")
        r.add_secret("wrong", "vault", "vault+transit://transit/app#vault:v1:other")
        r.start()
        assert r.value() == b"\0plain"
        assert r.get("app", "wrong").code == "vault.refused"
        good(vault)


def test_namespace_and_mounts():
    """the namespace goes with every request, and the auth method may be mounted anywhere"""
    with made() as r:
        vault = r.add(namespace="team/app", auth_path="tee/jwt")
        vault.namespace, vault.mount = "team/app", "tee/jwt"
        r.start()
        assert r.value() == VALUE
        assert vault.calls == ["POST auth/tee/jwt/login", "GET kv/data/db"], vault.calls
        good(vault)


def test_status_and_metrics():
    """operators see the last success, the last error, the next try and the ends; nobody sees where a secret lies"""
    with made() as r:
        vault = r.add()
        r.start()
        assert r.value() == VALUE
        source = r.source()
        assert source["type"] == "vault" and source["logins"] == 1, source
        assert source["last_success"].endswith("Z") and source["login_expires"].endswith("Z"), source
        assert "last_error" not in source and "next_try" not in source, source
        session = r.status()["session"]
        assert session["last_success"].endswith("Z") and session["next_try"] > session["last_success"], session
        metrics = r.metrics()
        for line in ('attestd_source_reads_total{source="vault"} 1\n', 'attestd_vault_logins_total{source="vault"} 1\n',
                     'attestd_source_login_expiry_seconds{source="vault"} 1', "attestd_result_expiry_seconds 1",
                     "attestd_endorsements_expiry_seconds "):
            assert line in metrics, (line, metrics)
        assert "kv" not in metrics and "hvs." not in metrics, metrics
        vault.lie("sealed")
        r.renew()
        rig.wait_until("the value of the earlier session is gone",
                       lambda: r.get("app", "vault").code == "vault.sealed")
        source = r.source()
        assert source["last_error"].startswith("vault.sealed: ") and "next_try" in source, source
        assert 'attestd_source_failures_total{source="vault",code="vault.sealed"}' in r.metrics()
        out = r.attestctl("status", "--socket", r.socket("app")).stdout.decode()
        assert "last_error: vault.sealed" in out and "next_try: " in out and "last_success: " in out, out


def test_token_is_renewed_and_revoked():
    """a token is renewed before its end, without a login, and revoked when the daemon stops"""
    with made() as r:
        vault = r.add()
        vault.token_life = 3
        r.start()
        assert r.value() == VALUE
        rig.wait_until("two renewals", lambda: vault.count("POST auth/token/renew-self") >= 2)
        assert vault.count("POST auth/jwt/login") == 1, vault.calls
        assert r.source()["renewed"] >= 1
        token, = vault.tokens
        assert r.daemon.stop() == 0
        assert vault.revoked == [token] and not vault.tokens, vault.calls
        good(vault)
        assert token not in r.daemon.output


def test_most_life_of_a_token():
    """near the most that a token may live, a login with the attestation token of that moment follows"""
    with made() as r:
        vault = r.add()
        vault.token_life, vault.max_life = 3, 4
        r.start()
        assert r.value() == VALUE
        r.write_token(r.server.jwt())
        rig.wait_until("another login", lambda: vault.count("POST auth/jwt/login") >= 2)
        assert r.value() == VALUE
        good(vault)


def test_revoked_behind_our_back():
    """a token that Vault has dropped costs one new login, not the secret"""
    with made() as r:
        vault = r.add()
        r.add_secret("user", "vault", "kv/db#user")
        r.start()
        assert r.value() == VALUE
        vault.tokens.clear()
        assert r.value("user") == b"app"
        assert vault.calls == ["POST auth/jwt/login", "GET kv/data/db", "GET kv/data/db", "POST auth/jwt/login",
                               "GET kv/data/db"], vault.calls


def test_token_of_few_uses():
    """a token that serves twice is used twice"""
    with made() as r:
        vault = r.add()
        vault.num_uses = 2
        r.add_secret("user", "vault", "kv/db#user")
        r.add_secret("all", "vault", "kv/db")
        r.start()
        assert r.value() == VALUE and r.value("user") == b"app" and r.value("all")
        assert vault.count("POST auth/jwt/login") == 2 and vault.count("GET") == 3, vault.calls
        good(vault)


def test_lease():
    """what is made anew at each read is read once, its lease renewed, and read again when that is over"""
    with made() as r:
        vault = r.add(resource="vault+read://database/creds/app#password")
        made_so_far = []

        def make():
            made_so_far.append(f"password {len(made_so_far)}")
            return {"username": "u", "password": made_so_far[-1]}
        vault.plain["database/creds/app"] = make
        vault.lease_life = 3
        r.start()
        first = r.get("app", "vault")
        assert first.body == b"password 0", first.body
        assert "lease_expires" in r.source(), r.source()
        assert 'attestd_source_lease_expiry_seconds{source="vault"}' in r.metrics()
        rig.wait_until("two renewals", lambda: vault.count("POST sys/leases/renew") >= 2)
        again = r.get("app", "vault")
        assert again.body == b"password 0" and again.headers["etag"] == first.headers["etag"]
        with vault.lock:
            vault.leases.clear()
        rig.wait_until("the lease is over", lambda: r.get("app", "vault").body == b"password 1")
        assert len(made_so_far) == 2, made_so_far
        assert r.daemon.stop() == 0
        assert not vault.leases and not vault.tokens
        good(vault)


def test_fields_of_one_lease():
    """user and password of what is made anew at each read are of one read, and one that is not there costs no other"""
    with made() as r:
        vault = r.add(resource="vault+read://database/creds/app#password")
        r.add_secret("user", "vault", "vault+read://database/creds/app#username")
        r.add_secret("absent", "vault", "vault+read://database/creds/app#port")
        made_so_far = []

        def make():
            made_so_far.append(str(len(made_so_far)))
            return {"username": "user " + made_so_far[-1], "password": "password " + made_so_far[-1]}
        vault.plain["database/creds/app"] = make
        r.start()
        assert r.get("app", "absent").code == "vault.field"
        assert r.value() == b"password 0" and r.value("user") == b"user 0"
        assert len(made_so_far) == 1 and len(vault.leases) == 1, vault.calls
        good(vault)


def test_denied_path():
    """a path that stays denied costs no login, no lease and no token that nobody revokes"""
    with made() as r:
        vault = r.add(resource="vault+read://database/creds/app#password")
        vault.plain["database/creds/app"] = lambda: {"password": "x"}
        vault.lease_life = 3
        vault.denied.add("kv/data/other")
        r.add_secret("denied", "vault", "kv/other#password")
        r.start()
        assert r.value() == b"x"
        token, = vault.tokens
        assert r.get("app", "denied").code == "vault.denied"
        assert list(vault.tokens) == [token] and len(vault.revoked) == 1, vault.calls
        renewed = vault.count("POST sys/leases/renew")
        rig.wait_until("the lease is renewed", lambda: vault.count("POST sys/leases/renew") > renewed)
        assert len(vault.leases) == 1, vault.calls
        assert r.daemon.stop() == 0
        assert not vault.tokens and not vault.leases
        good(vault)


def test_denied_path_without_another_login():
    """a path that is denied while no other login is to be had leaves the present one to the others"""
    with made() as r:
        vault = r.add()
        vault.denied.add("kv/data/other")
        r.add_secret("denied", "vault", "kv/other#password")
        r.add_secret("user", "vault", "kv/db#user")
        r.start()
        assert r.value() == VALUE
        r.write_token(r.server.jwt(life=-60))
        assert r.get("app", "denied").code == "vault.denied"
        assert r.value("user") == b"app"
        assert vault.count("POST auth/jwt/login") == 1, vault.calls
        good(vault)


def test_broken_path():
    """a path whose engine is down is left alone by itself"""
    with made() as r:
        vault = r.add()
        vault.broken.add("database/creds/app")
        r.add_secret("broken", "vault", "vault+read://database/creds/app#password")
        r.start()
        assert r.get("app", "broken").code == "vault.unavailable"
        assert r.value() == VALUE and "next_try" not in r.source(), r.source()
        good(vault)


def test_leases_of_a_token_of_few_uses():
    """with the last use of its token a lease is over: what was under it is read anew"""
    with made() as r:
        vault = r.add(resource="vault+read://database/creds/app#password")
        made_so_far = []

        def make():
            made_so_far.append(f"password {len(made_so_far)}")
            return {"password": made_so_far[-1], "user": "u"}
        vault.plain["database/creds/app"] = make
        vault.num_uses = 2
        r.add_secret("other", "vault", "kv/db#user")
        r.add_secret("field", "vault", "vault+read://database/creds/app#user")
        r.start()
        assert r.value() == b"password 0" and r.value("other") == b"app"
        assert not vault.leases, "the server revoked it"
        assert r.value("field") == b"u" and len(made_so_far) == 2, vault.calls
        good(vault)


def test_remote_slot_of_an_earlier_policy():
    """a slot's secret that comes after the configuration was replaced opens nothing"""
    with made() as r:
        vault = r.add("keys", resource="vault+read://keys/main#key")
        asked, go_on = threading.Event(), threading.Event()

        def key():
            asked.set()
            go_on.wait(30)
            return {"key": "0123456789abcdef" * 2}
        vault.plain["keys/main"] = key
        r.sources["main"] = {"type": "store", "remote_slot": {"source": "keys", "resource": "vault+read://keys/main#key"}}
        r.start_machine()
        r.write_config()
        r.state.mkdir(mode=0o700, exist_ok=True)
        r.start_daemon()
        assert asked.wait(20)
        assert r.ask("admin", "POST", "/v1/admin/reload").status == 200
        go_on.set()
        rig.wait_until("it is too late", lambda: "grant.expired" in r.daemon.output)
        rig.wait_until("it is open by the new one", lambda: r.source("main")["open"])


def test_reload_revokes():
    """a new configuration drops the login: what comes after it comes by another"""
    with made() as r:
        vault = r.add()
        r.start()
        assert r.value() == VALUE
        first, = vault.tokens
        assert r.ask("admin", "POST", "/v1/admin/reload").status == 200
        rig.wait_until("the token is revoked", lambda: vault.revoked == [first])
        assert r.value() == VALUE and vault.count("POST auth/jwt/login") == 2, vault.calls


def test_token_of_a_key_broker():
    """the token that a key broker gave about this machine logs in at Vault; no workload sees it"""
    with kbs_rig.made() as r:
        broker = r.add("broker")
        server = vault_server.VaultServer()
        with server:
            vault = server.vault("vault")
            vault.takes = lambda jwt: jwt in {s["token"] for s in broker.sessions.values()}
            fetch = fetch_test.Fetch(fetch_test.config_for(server))
            try:
                r.sources["vault"] = {"type": "vault", "url": vault.url, "role": "app", "token_source": "broker",
                                      "fetch_socket": str(fetch.socket)}
                r.add_secret("vault", "vault", vault_rig.RESOURCE)
                r.start()
                answer = r.get("app", "vault")
                assert (answer.status, answer.body) == (200, VALUE), (answer.body, r.told("vault"), r.told("broker"))
                assert broker.calls == ["auth", "attest"], broker.calls
                assert r.get("app", "broker").body == kbs_rig.VALUE and broker.count("auth") == 1, broker.calls
                good(vault)
                kbs_rig.good(broker)
                token = next(iter(broker.sessions.values()))["token"]
                assert token not in json.dumps(r.status()) and token not in r.daemon.output
            finally:
                fetch.__exit__()


def test_no_copy_in_memory():
    """after releases out of every engine, no copy of a value or of Vault's token lies outside the memory for secrets"""
    canary_test.need_root()
    canary = canary_test.Canary()
    text = canary.value.hex()
    with made() as r:
        vault = r.add()
        vault.put("kv", "db", {"password": text, "bytes": base64.b64encode(canary.value).decode()})
        vault.plain["database/creds/app"] = lambda: {"password": text}
        vault.ciphertexts["transit", "app", "vault:v1:abc"] = (canary.value, None)
        resources = {"all": "kv/db", "bytes": "kv/db#bytes?encoding=b64",
                     "leased": "vault+read://database/creds/app#password",
                     "transit": "vault+transit://transit/app#vault:v1:abc"}
        for name, resource in resources.items():
            r.add_secret(name, "vault", resource)
        r.start()
        assert r.value() == r.value("leased") == text.encode()
        assert r.value("bytes") == r.value("transit") == canary.value
        assert json.loads(r.value("all"))["password"] == text
        token, = vault.tokens
        canary.forms["token"] = token.encode()
        hits = canary_test.search_memory(r.daemon.child.pid, canary, b"vault+transit://transit/app")
        assert not hits, hits


def test_transport_is_not_end_to_end():
    """who demands end_to_end of a secret of Vault's is told at load that it can never be released"""
    with made() as r:
        r.add()
        r.secrets["vault"]["require"] = {"min_protection": "end_to_end"}
        r.start_machine()
        r.write_config()
        check = rig.subprocess.run([r.program("attestd"), "--check", "--config", r.config_file],
                                   capture_output=True, text=True, timeout=20)
        assert check.returncode != 0 and "could never be released" in check.stdout + check.stderr, check


def main():
    return vault_rig.run([test_key_value, test_transit, test_namespace_and_mounts, test_status_and_metrics,
                          test_token_is_renewed_and_revoked, test_most_life_of_a_token, test_revoked_behind_our_back,
                          test_token_of_few_uses, test_lease, test_fields_of_one_lease, test_denied_path,
                          test_denied_path_without_another_login, test_broken_path,
                          test_leases_of_a_token_of_few_uses, test_remote_slot_of_an_earlier_policy, test_reload_revokes, test_token_of_a_key_broker,
                          test_no_copy_in_memory, test_transport_is_not_end_to_end])


if __name__ == "__main__":
    sys.exit(main())
