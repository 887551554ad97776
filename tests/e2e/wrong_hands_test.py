#!/usr/bin/env python3
"""An attestd-fetch in wrong hands that answers anything: bytes at random, and genuine answers with some of them changed.

usage: wrong_hands_test.py BUILD-DIR [TEST...]

Whatever it says ends in an error with a name: no secret that another would take for the source's own, no crash, no
loop, and nothing of it reaches who is served by another. What each frame is follows from its number alone.
"""
import contextlib
import json
import pathlib
import random
import socket
import socketserver
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import rig  # noqa: E402
import tap  # noqa: E402
try:
    import ita_server  # noqa: E402
    import kbs_rig  # noqa: E402
    import remote_verifier_test  # noqa: E402
    import vault_rig  # noqa: E402
except ImportError as missing:
    ita_server, WHY_NOT = None, missing

NUM_FRAMES = 60
MEMBERS = ("nonce", "token", "auth", "client_token", "lease_duration", "data", "keys", "errors", "val", "iat", "protected",
           "ciphertext", "extra-params", "metadata", "wrap_info", "renewable")


def noise(chance):
    """a JSON value at random, deep now and then"""
    kind = chance.randrange(9)
    if kind < 2:
        return {chance.choice(MEMBERS): noise(chance) for _ in range(chance.randrange(5))}
    if kind == 2:
        return [noise(chance) for _ in range(chance.randrange(4))]
    return chance.choice([None, True, -1, 0, 2 ** 63, 1e300, "", "a.b.c", "\x00", "\ud800", "x" * 5000, "7d"])


def invented(chance):
    """a head that is right or nearly so, and a body that is JSON, cut JSON or bytes"""
    body = chance.choice([lambda: json.dumps(noise(chance)).encode(),
                          lambda: json.dumps({name: noise(chance) for name in MEMBERS}).encode()[:chance.randrange(9000)],
                          lambda: b"[" * chance.randrange(100000), lambda: chance.randbytes(chance.randrange(9000))])()
    length = chance.choice([len(body), len(body), len(body), len(body) + 1, max(0, len(body) - 1), 0, 2 ** 40, -1])
    headers = [f"Content-Length: {length}"] * chance.choice([1, 1, 1, 2, 0])
    headers += chance.sample([
        "Content-Type: application/json", "Transfer-Encoding: chunked", "Retry-After: 99999999999", "Set-Cookie: " + "k" * 9000,
        "Attestd-Fetch-Error: fetch.tls", "Attestd-Fetch-Error: kbs.denied", "Location: https://elsewhere.example/",
        "Set-Cookie: kbs-session-id=00", "Location: session/1", "X: \x00", "Connection: keep-alive"], chance.randrange(5))
    status = chance.choice([200, 200, 200, 201, 202, 204, 301, 400, 401, 403, 404, 429, 502, 503, 99, 1000])
    head = f"HTTP/1.{chance.choice('1119')} {status} x\r\n" + "".join(h + "\r\n" for h in headers) + "\r\n"
    return head.encode("utf-8", "surrogatepass") + body


def changed(chance, answer):
    """the genuine answer with bytes changed, lost, doubled or cut off"""
    out = bytearray(answer)
    for _ in range(chance.choice([1, 1, 2, 8])):
        at = chance.randrange(len(out) + 1)
        kind = chance.randrange(4)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del out[at:at + chance.randrange(1, 40)]
        elif kind == 2:
            out[at:at] = out[at:at + chance.randrange(1, 40)]
        else:
            del out[at + chance.randrange(200):]
    return bytes(out)


class WrongHands(socketserver.ThreadingUnixStreamServer):
    """Listens where attestd-fetch should. `genuine` is the socket of the one whose answers it changes."""
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path, genuine, seed):
        self.genuine, self.chance, self.num_asked = genuine, random.Random(seed), 0
        super().__init__(str(path), Hand)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.shutdown()
        self.server_close()


def whole_request(connection):
    connection.settimeout(5)
    text = b""
    while b"\r\n\r\n" not in text:
        text += connection.recv(65536) or b"\r\n\r\n"
    head, body = text.split(b"\r\n\r\n", 1)
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while lengths and len(body) < int(lengths[0]):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def genuine_answer(path, request):
    with socket.socket(socket.AF_UNIX) as asked:
        asked.settimeout(20)
        asked.connect(str(path))
        asked.sendall(request)
        return b"".join(iter(lambda: asked.recv(65536), b""))


class Hand(socketserver.BaseRequestHandler):
    def handle(self):
        server = self.server
        server.num_asked += 1
        with contextlib.suppress(OSError):
            request = whole_request(self.request)
            kind = server.chance.randrange(8)
            if kind == 0:
                answer = server.chance.randbytes(server.chance.randrange(5000))
            elif kind == 1:
                answer = invented(server.chance)
            else:  # unchanged now and then, so that later steps have their turn
                answer = genuine_answer(server.genuine, request)
                answer = changed(server.chance, answer) if kind < 5 else answer
            self.request.sendall(answer)


def named(answer):
    """a refusal says by its code what went wrong, and its status that it was not the caller"""
    return answer.status in (403, 404, 502, 503, 504) and "." in (answer.code or "")


def each_frame(r, add, allowed):
    """one source for each frame, and one that another attestd-fetch serves; `allowed` says which values are no harm"""
    with contextlib.ExitStack() as hands:
        servers = []
        for seed in range(NUM_FRAMES):
            path = r.folder / f"hand-{seed}.sock"
            servers.append(hands.enter_context(WrongHands(path, r.fetch.socket, seed)))
            add(f"s{seed}", path)
        r.add("well")
        r.start()
        wrong = []
        for seed, server in enumerate(servers):
            for _ in range(2):
                answer = r.get("app", f"s{seed}")
                if not (allowed(answer.body) if answer.status == 200 else named(answer)):
                    wrong.append(f"frame {seed}: {answer.status} {answer.body[:200]}")
            if server.num_asked > 20:
                wrong.append(f"frame {seed}: asked {server.num_asked} times")
        assert not wrong, "\n".join(wrong)
        assert sum(server.num_asked for server in servers) >= NUM_FRAMES, "nobody was asked"
        assert r.get("app", "well").status == 200 and r.daemon.running()
        assert "bug" not in r.daemon.output, r.daemon.output


def need():
    if ita_server is None:
        raise tap.Skip(f"python3-cryptography is not there: {WHY_NOT}")


def test_key_broker():
    """of a key broker nothing is released but what the broker encrypted to this machine"""
    need()
    with kbs_rig.made() as r:
        each_frame(r, lambda name, path: r.add(name, fetch_socket=str(path), timeout="3s"),
                   lambda body: body == kbs_rig.VALUE)


def test_vault():
    """of Vault, whose word attestd-fetch carries in the clear, every change is an answer or an error with a name"""
    need()
    with vault_rig.made() as r:
        each_frame(r, lambda name, path: r.add(name, fetch_socket=str(path), timeout="3s"), lambda body: len(body) > 0)


def test_verifier():
    """nothing but the verifier's own word on this attempt affirms, and what is released is what was put there"""
    need()
    with remote_verifier_test.made(remote_verifier_test.ita, "tdx") as r:
        r.verifier = remote_verifier_test.ita_verifier(r)
        remote_verifier_test.judges_well(r)
        path = r.folder / "hand.sock"
        with WrongHands(path, r.fetch.socket, "verifier") as server:
            r.daemon.stop()
            r.verifier["fetch_socket"] = str(path)
            r.write_config()
            r.start_daemon()
            refusals = set()
            for _ in range(NUM_FRAMES):
                before = r.attempts()
                r.renew()
                rig.wait_until("an attempt ended", lambda before=before: r.attempts() > before, seconds=20)
                session = r.session()
                if session["last_attempt"] != "affirmed":
                    assert "." in session["last_error"].split(":")[0], session
                    refusals.add(session["last_error"].split(":")[0])
                answer = r.get("app", "db/password")
                assert answer.body == remote_verifier_test.VALUE if answer.status == 200 else named(answer), answer.body
            # Not only attestd-fetch's own form is looked at.
            assert len(refusals) > 2 and server.num_asked > NUM_FRAMES, (refusals, server.num_asked)
        assert r.daemon.running() and "bug" not in r.daemon.output, r.daemon.output


TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")]


if __name__ == "__main__":
    import source_rig  # noqa: E402
    sys.exit(source_rig.run(TESTS))
