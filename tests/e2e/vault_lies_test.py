#!/usr/bin/env python3
"""The daemon and a Vault that lies, is sealed, hangs or is somebody else: named errors, no release, no busy loop.

usage: vault_lies_test.py BUILD-DIR
"""
import concurrent.futures
import pathlib
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import rig  # noqa: E402
import vault_rig  # noqa: E402
import vault_server  # noqa: E402
from vault_rig import VALUE, good, made  # noqa: E402

EXPECTED = {  # lie: (error, what its detail says, requests at most)
    "login-refused": ("vault.unauthorized", "", 2),
    "login-outside": ("vault.unauthorized", "", 2),
    "login-no-method": ("vault.refused", "no handler for route", 1),
    "login-html": ("vault.protocol", 'type "text/html"', 1),
    "login-no-auth": ("vault.protocol", "auth", 1),
    "login-no-token": ("vault.protocol", "client_token", 1),
    "login-bad-token": ("vault.protocol", "no visible text", 1),
    "login-wrapped": ("vault.protocol", "wrapped", 1),
    "login-truncated-json": ("vault.protocol", "", 1),
    "login-sealed": ("vault.sealed", "Vault is sealed", 3),
    "login-throttled": ("vault.throttled", "slow down", 1),
    "login-redirected": ("fetch.redirected", "evil.example", 1),
    "login-slow": ("fetch.timed-out", "", 3),
    "denied": ("vault.denied", "permission denied", 2),
    "missing": ("vault.not-found", "404", 2),
    "deleted": ("vault.deleted", "", 2),
    "destroyed": ("vault.deleted", "", 2),
    "deleted-with-200": ("vault.deleted", "version 1 is deleted", 2),
    "other-version": ("vault.protocol", "version 2 came, 1 was asked for", 2),
    "no-metadata": ("vault.protocol", "metadata", 2),
    "no-data": ("vault.protocol", "data", 2),
    "wrapped": ("vault.protocol", "wrapped", 2),
    "html": ("vault.protocol", 'type "text/html"', 2),
    "no-type": ("vault.protocol", 'type "text/plain"', 2),
    "html-403": ("vault.protocol", "no error of Vault's", 2),
    "html-404": ("vault.protocol", "no error of Vault's", 2),
    "truncated-json": ("vault.protocol", "ends early", 2),
    "two-names": ("vault.protocol", "password", 2),
    "deep": ("vault.protocol", "", 2),
    "no-field": ("vault.field", 'no field "password"', 2),
    "number": ("vault.field", "no text", 2),
    "empty": ("vault.field", "empty", 2),
    "no-content": ("vault.protocol", "status 204", 2),
    "huge": ("fetch.too-large", "", 2),
    "slow": ("fetch.timed-out", "", 4),
    "never": ("fetch.timed-out", "", 4),
    "truncated": ("fetch.truncated", "", 4),
    "redirected": ("fetch.redirected", "/elsewhere", 2),
    "garbage": ("fetch.protocol", "", 2),
    "sealed": ("vault.sealed", "Vault is sealed", 4),
    "throttled": ("vault.throttled", "rate limit exceeded", 2),
    "standby": ("vault.sealed", "473", 4),
    "disaster-standby": ("vault.sealed", "472", 4),
    "not-yet-replicated": ("vault.unavailable", "required index state", 4),
    "method": ("vault.refused", "unsupported operation", 2),
    "error-500": ("vault.unavailable", "internal error", 4),
    "error-502": ("vault.unavailable", "plug-in failed", 4),
}


def test_lies():
    """every lie of Vault ends in its named error with the server's words, in a bounded number of requests"""
    assert set(EXPECTED) == set(vault_server.LIES), set(EXPECTED) ^ set(vault_server.LIES)
    with made() as r:
        resource = {"other-version": "vault://kv/db#password?version=1"}
        vaults = {lie: r.add(lie, lie=lie, resource=resource.get(lie, vault_rig.RESOURCE),
                             timeout="2s" if re.search("slow|never", lie) else "20s") for lie in EXPECTED}
        well = r.add("well")
        r.start()
        begin = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            answers = dict(zip(EXPECTED, pool.map(lambda lie: (r.get("app", lie), r.get("app", lie)), EXPECTED)))
        wrong = []
        for lie, (code, says, most) in EXPECTED.items():
            first, again = answers[lie]
            told = r.source(lie).get("last_error", "")
            if first.status == 200 or first.code != code or not told.startswith(code) or says not in told:
                wrong.append(f"{lie}: {first.status} {first.body} {told}")
            if again.status == 200 or VALUE in first.body + again.body + told.encode():
                wrong.append(f"{lie}: a release: {again.body} {told}")
            # The second time asks no more than the first did, and mostly not at all.
            if not 1 <= len(vaults[lie].calls) <= 2 * most:
                wrong.append(f"{lie}: {vaults[lie].calls}")
        assert not wrong, "\n".join(wrong)
        assert time.monotonic() - begin < 60, "it took too long"
        assert r.value("well") == VALUE and r.daemon.running()
        for vault in (well, *vaults.values()):
            good(vault)
        assert not [rec for rec in r.audit_records()
                    if rec.get("decision") == "allow" and rec.get("object") in EXPECTED]
        metrics = r.metrics()
        assert 'attestd_source_failures_total{source="sealed",code="vault.sealed"}' in metrics, metrics
        assert "kv/data" not in metrics and "hvs." not in metrics


def test_a_refusal_is_not_asked_for_again():
    """fifty requests for what Vault refuses are one request to it"""
    with made() as r:
        vault = r.add(lie="missing")
        r.start()
        for _ in range(50):
            assert r.get("app", "vault").code == "vault.not-found"
        assert len(vault.calls) <= 4, vault.calls


def test_certificates():
    """a certificate that is expired, another's or another host's: no token is ever sent"""
    for mode in ("expired", "wrong-ca", "wrong-host", "old"):
        with made() as r:
            vault = r.add()
            r.server.tls(mode)
            r.start()
            answer = r.get("app", "vault")
            assert answer.status == 502 and answer.code == "fetch.tls", (mode, answer.status, answer.body)
            assert not vault.calls, vault.calls
            assert "next_try" in r.source(), r.source()


def test_no_token():
    """a file without a token, or with one that others may read, ends before Vault is asked"""
    with made() as r:
        vault = r.add()
        r.token_file.chmod(0o644)
        r.start()
        answer = r.get("app", "vault")
        assert answer.code == "identity.unavailable", answer.body
        assert "others cannot read" in r.source()["last_error"], r.source()
        assert not vault.calls, vault.calls


def test_a_refused_token_is_not_shown_again():
    """while the file holds the token that Vault refused, Vault is not asked; another one logs in"""
    with made() as r:
        vault = r.add()
        r.write_token("a.b.c")
        r.start()
        assert r.get("app", "vault").code == "vault.unauthorized"
        assert r.get("app", "vault").code == "vault.unauthorized"
        assert vault.calls == ["POST auth/jwt/login"], vault.calls
        assert r.source()["last_error"].startswith("vault.unauthorized"), r.source()
        r.write_token(r.server.jwt())
        rig.wait_until("another one logs in", lambda: r.get("app", "vault").status == 200)
        assert vault.calls == ["POST auth/jwt/login"] * 2 + ["GET kv/data/db"], vault.calls


def test_a_read_that_hangs_does_not_delay_the_stop():
    """SIGTERM ends the daemon within seconds, with the token revoked, whatever Vault has still to answer"""
    for lie in ("never", "slow"):
        with made() as r, concurrent.futures.ThreadPoolExecutor(1) as pool:
            vault = r.add(timeout="5m")
            r.add_secret("hangs", "vault", "kv/other#password")
            r.start()
            assert r.value() == VALUE
            token, = vault.tokens
            vault.lie(lie)
            coming = pool.submit(r.get, "app", "hangs")
            rig.wait_until("the read is on its way", lambda: vault.count("GET kv/data/other"))
            begin = time.monotonic()
            assert r.daemon.stop() == 0
            took = time.monotonic() - begin
            assert took < 5, took
            answer = coming.result()
            assert (answer.status, answer.code) == (503, "daemon.stopping"), (answer.status, answer.body)
            assert vault.revoked == [token], vault.calls


def main():
    return vault_rig.run([test_a_read_that_hangs_does_not_delay_the_stop, test_lies, test_a_refusal_is_not_asked_for_again, test_certificates, test_no_token,
                          test_a_refused_token_is_not_shown_again])


if __name__ == "__main__":
    sys.exit(main())
