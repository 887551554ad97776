#!/usr/bin/env python3
"""The daemon and a key broker that lies, is down or hangs, and an attestd-fetch in wrong hands: named errors, no release.

usage: kbs_lies_test.py BUILD-DIR
"""
import concurrent.futures
import contextlib
import http.server
import json
import pathlib
import re
import socketserver
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import fetch_test  # noqa: E402
import kbs_rig  # noqa: E402
import pcs_server  # noqa: E402
import rig  # noqa: E402
from kbs_rig import VALUE, answered, good, made  # noqa: E402
try:
    import kbs_jose  # noqa: E402
    import kbs_lies  # noqa: E402
except ImportError:  # made() skips each test
    kbs_jose = kbs_lies = None


# --- lies

EXPECTED = {  # lie: (error, what its detail says, requests at most)
    "wrong-nonce": ("token.nonce", "another nonce", 2),
    "other-key": ("token.key", "another key", 2),
    "expired": ("token.expired", "expired at", 2),
    "from-the-future": ("token.expired", "valid from", 2),
    "contraindicated": ("token.not-affirming", 'cpu0 is \\"contraindicated\\"', 2),
    "status-none": ("token.not-affirming", "none", 2),
    "status-unknown": ("token.not-affirming", "splendid", 2),
    "warning": ("token.not-affirming", "warning", 2),
    "bad-gpu": ("token.not-affirming", "gpu0", 2),
    "no-status": ("token.malformed", "ear.status", 2),
    "no-submods": ("token.malformed", "submods", 2),
    "no-runtime-data": ("token.malformed", "runtime_data_claims", 2),
    "no-exp": ("token.malformed", "exp", 2),
    "alg-none": ("token.algorithm", "no algorithm that a token may be signed with", 2),
    "key-confusion": ("token.algorithm", "no algorithm that a token may be signed with", 2),
    "algorithm-confusion": ("token.algorithm", "signed with RS256", 2),
    "strangers-token": ("token.untrusted", "brings no certificates", 2),
    "strangers-token-our-chain": ("token.untrusted", "another key than its certificate's", 2),
    "critical-header": ("token.malformed", "crit", 2),
    "cut-token": ("token.signature", "", 2),
    "no-token": ("token.malformed", "three parts", 2),
    "truncated-jwe": ("jose.not-decrypted", "", 3),
    "short-tag": ("parse.bad-length", "tag", 3),
    "changed-tag": ("jose.not-decrypted", "", 3),
    "changed-key": ("jose.not-decrypted", "", 3),
    "changed-iv": ("jose.not-decrypted", "", 3),
    "changed-aad": ("jose.not-decrypted", "", 3),
    "added-aad": ("jose.not-decrypted", "", 3),
    "rsa1-5": ("jose.algorithm", "", 3),
    "zipped": ("jose.header", "zip", 3),
    "to-another-key": ("jose.not-decrypted", "", 3),
    "plain-secret": ("kbs.protocol", "not encrypted to our key", 3),
    "huge-challenge": ("fetch.too-large", "", 1),
    "huge-token": ("fetch.too-large", "", 2),
    "huge-secret": ("fetch.too-large", "", 3),
    "slow-challenge": ("fetch.timed-out", "", 3),
    "slow-token": ("fetch.timed-out", "", 6),
    "slow-secret": ("fetch.timed-out", "", 6),
    "no-answer": ("fetch.timed-out", "", 3),
    "truncated-secret": ("fetch.truncated", "", 5),
    "redirected-auth": ("fetch.redirected", "evil.example", 1),
    "redirected-read": ("fetch.redirected", "/elsewhere", 3),
    "html-auth": ("kbs.protocol", 'type \\"text/html\\"', 1),
    "html-token": ("kbs.protocol", 'type \\"text/html\\"', 2),
    "html-secret": ("kbs.protocol", 'type \\"text/html\\"', 3),
    "empty-auth": ("kbs.protocol", "", 1),
    "no-cookie": ("kbs.protocol", "no session cookie", 1),
    "bad-cookie": ("kbs.protocol", "no session cookie", 1),
    "no-nonce": ("kbs.protocol", "nonce", 1),
    "empty-nonce": ("kbs.protocol", "nonce", 1),
    "huge-nonce": ("kbs.protocol", "nonce", 1),
    "sm3": ("kbs.protocol", "not offered", 1),
    "hash-number": ("kbs.protocol", "hash algorithm is no text", 1),
    "version": ("kbs.version", "expect =0.3.0 while the request is 0.4.0; this source is configured for protocol 0.4.0",
                1),
    "refused": ("kbs.refused", "RCAR handshake Attest failed", 2),
    "denied": ("kbs.denied", "Access denied by policy", 3),
    "unknown-name": ("kbs.unauthorized", "SomethingNew: what is this", 7),
    "token-not-found": ("kbs.unauthorized", "TokenNotFound: no token", 7),
    "jwe-error": ("kbs.key", "cannot encrypt", 3),
    "policy-engine": ("kbs.not-found", "rego", 3),
    "page-401": ("kbs.protocol", "who\\\\u0007 are you", 3),
    "page-403": ("kbs.protocol", "forbidden by proxy", 3),
    "page-404": ("kbs.protocol", "nothing here", 1),
    "page-409": ("kbs.protocol", "conflict", 2),
    "plugin-404": ("kbs.not-found", "no such plug-in", 3),
    "throttled": ("kbs.throttled", "slow down", 3),
    "error-500": ("kbs.failed", "oops", 3),
    "error-503": ("kbs.failed", "later", 5),
}


def test_lies():
    """every lie of the broker ends in its named error with the server's words, in a bounded number of requests"""
    if kbs_lies is not None:
        assert set(EXPECTED) == set(kbs_lies.LIES), set(EXPECTED) ^ set(kbs_lies.LIES)
    with made() as r:
        brokers = {lie: r.add(lie, lie=lie, timeout="2s" if re.search("slow|no-answer", lie) else "20s")
                   for lie in EXPECTED}
        well = r.add("well")
        r.start()
        begin = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            answers = dict(zip(EXPECTED, pool.map(lambda lie: (r.get("app", lie), r.get("app", lie)), EXPECTED)))
        wrong = []
        for lie, (code, says, most) in EXPECTED.items():
            first, again = answers[lie]
            calls = brokers[lie].calls
            told = r.told(lie)
            shown = "peer.protocol" if code.startswith("parse.") else code
            if first.status == 200 or first.code != shown or unescaped(says) not in told:
                wrong.append(f"{lie}: {first.status} {first.body} {told}")
            if again.status == 200 or VALUE in first.body + again.body:
                wrong.append(f"{lie}: a release: {again.body}")
            # The second time asks no more than the first did; a refused handshake is not begun again.
            if not 1 <= len(calls) <= most + (4 if most >= 3 else 0):
                wrong.append(f"{lie}: {calls}")
        assert not wrong, "\n".join(wrong)
        assert time.monotonic() - begin < 60, "it took too long"
        assert r.get("app", "well").body == VALUE and r.daemon.running()
        good(well)
        assert not [rec for rec in r.audit_records()
                    if rec.get("decision") == "allow" and rec.get("object") in EXPECTED]


def unescaped(says):
    return says.replace('\\"', '"').replace("\\\\", "\\")


def test_tls():
    """each way in which the broker's TLS is not acceptable has its named error, and no request is sent"""
    with made() as r:
        for mode, _, _ in fetch_test.TLS:
            r.add(mode, timeout="2s")
        r.start()
        for mode, error, says in fetch_test.TLS:
            if mode == "client-certificate":
                continue  # the fetch test's
            r.server.tls(mode)
            # Of a server that says nothing, either attestd-fetch or its deadline is the first to tell.
            r.refused(mode, error, "" if mode == "stall" else says)
            assert not r.server.brokers[mode].calls, r.server.brokers[mode].calls
        r.server.tls("good")


def test_broker_down():
    """a broker that is not there is told as that; reads in between are refused at once, and it is found again"""
    with made() as r:
        r.add("broker", timeout="3s")
        r.add("nobody", url="https://localhost:1/kbs", timeout="3s")
        r.add("unlisted", url="https://example.com/kbs", timeout="3s")
        r.start()
        r.refused("nobody", "fetch.denied", "not listed")
        r.refused("unlisted", "fetch.denied", "not listed")
        r.fetch.process.kill()
        r.fetch.process.wait()
        r.refused("broker", "fetch.process")
        begin = time.monotonic()
        r.refused("broker", "fetch.process", "not asked again yet")
        assert time.monotonic() - begin < 1
        r.fetch.start()
        rig.wait_until("it is found again", lambda: answered(r, VALUE), seconds=30)


def test_hanging_broker_delays_nobody():
    """while one broker hangs, the session renews itself and other brokers answer"""
    with made() as r:
        r.add("hangs", lie="no-answer", timeout="8s")
        well = r.add("well")
        r.start()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            doomed = pool.submit(r.get, "app", "hangs")
            rig.wait_until("it hangs", lambda: r.server.brokers["hangs"].calls)
            epoch = r.status()["session"]["epoch"]
            r.renew()
            rig.wait_until("the session renews", lambda: r.status()["session"]["epoch"] > epoch, seconds=5)
            assert r.get("app", "well").body == VALUE
            assert not doomed.done()
            assert doomed.result(20).code == "fetch.timed-out"
        good(well)


# --- a compromised attestd-fetch

class FalseFetch(socketserver.ThreadingUnixStreamServer):
    """what listens where attestd-fetch should, and passes requests on to the broker as it likes"""
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path, broker, change):
        self.broker, self.change = broker, change
        super().__init__(str(path), FalseHandler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class FalseHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return ""

    def log_message(self, *args):
        pass

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = "/" + self.path.split("/", 3)[3]
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = pcs_server.Request(self.command, target, headers, body)
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.server.change(self, request)

    do_GET = do_POST = answer

    def passed(self, request):
        return self.server.broker.handle(request)[1]

    def reply(self, answer):
        self.send_response_only(answer.status)
        for name, value in {**answer.headers, "Content-Length": len(answer.body), "Connection": "close"}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(answer.body)


def garbage(handler, request):
    handler.wfile.write(b"\x00\xff no HTTP\r\n\r\n")


def silence(handler, request):
    pass


def claims_a_release(handler, request):
    handler.reply(pcs_server.Answer(502, {"Attestd-Fetch-Error": "token.affirming"}, b"{}"))


def own_key(handler, request):
    """puts its own key in the place of ours"""
    if request.target.endswith("/attest"):
        body = json.loads(request.body)
        body["runtime-data"]["tee-pubkey"] = kbs_lies.other_key_jwk()
        request = request._replace(body=json.dumps(body).encode())
    handler.reply(handler.passed(request))


def own_nonce(handler, request):
    """tells us another nonce than the broker's"""
    answer = handler.passed(request)
    if request.target.endswith("/auth"):
        body = json.loads(answer.body)
        answer = answer._replace(body=json.dumps({**body, "nonce": "stale"}).encode())
    handler.reply(answer)


def old_token(handler, request):
    """gives us the genuine token of another handshake"""
    answer = handler.passed(request)
    if request.target.endswith("/attest"):
        answer = answer._replace(body=json.dumps({"token": handler.server.old["token"]}).encode())
    handler.reply(answer)


def old_secret(handler, request):
    """gives us what was encrypted to another handshake's key"""
    answer = handler.passed(request)
    if "/resource/" in request.target:
        answer = answer._replace(body=json.dumps(kbs_jose.encrypt(handler.server.old["jwk"], b"false")).encode())
    handler.reply(answer)


def plain_answer(handler, request):
    """gives us a value of its own, unencrypted"""
    answer = handler.passed(request)
    if "/resource/" in request.target:
        answer = pcs_server.Answer(200, {"Content-Type": "application/json"}, json.dumps(VALUE.decode()).encode())
    handler.reply(answer)


def endless(handler, request):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n")
    while True:
        handler.wfile.write(b" " * 65536)


FALSE = [  # (what it does, error, what its detail says)
    (garbage, "fetch.process", ""),
    (silence, "fetch.process", ""),
    (claims_a_release, "fetch.process", "names an error that attestd-fetch does not have"),
    (own_key, "kbs.refused", "RCAR handshake Attest failed"),
    (own_nonce, "kbs.refused", "RCAR handshake Attest failed"),
    (old_token, "token.nonce", "another nonce"),
    (old_secret, "jose.not-decrypted", ""),
    (plain_answer, "parse.wrong-type", ""),
    (endless, "fetch.process", ""),
]


def test_compromised_fetch():
    """an attestd-fetch in wrong hands gets no secret and gives none: each of its tries has its named error"""
    with made() as r:
        genuine = r.add("genuine")
        servers = []
        for change, _, _ in FALSE:
            name = change.__name__
            broker = r.add(name, fetch_socket=str(r.folder / f"false-{name}.sock"))
            servers.append(FalseFetch(r.folder / f"false-{name}.sock", broker, change))
        r.start()
        assert r.get("app", "genuine").body == VALUE
        old, = genuine.sessions.values()
        for server, (change, error, says) in zip(servers, FALSE):
            server.old = old
            r.refused(change.__name__, error, says)
            assert len(server.broker.calls) <= 9, server.broker.calls
        assert r.daemon.running() and r.get("app", "genuine").body == VALUE
        for server in servers:
            server.shutdown()
            server.server_close()


TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")]


if __name__ == "__main__":
    sys.exit(kbs_rig.run(TESTS))
