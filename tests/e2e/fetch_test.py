#!/usr/bin/env python3
"""The real attestd-fetch between a client and a server that misbehaves: each fault has its named error.

usage: fetch_test.py BUILD-DIR
"""
import collections
import concurrent.futures
import http.client
import http.server
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import pcs_server  # noqa: E402
import rig  # noqa: E402
import tap  # noqa: E402

BUILD = None
METADATA = "169.254.169.254"
TCB = "/sgx/certification/v4/tcb?fmspc=00906ED50000&update=early"

Got = collections.namedtuple("Got", "status headers body error detail")


def program(name):
    return BUILD / {"attestd-fetch": "agent/fetch/attestd-fetch", "attestd": "agent/attestd",
                    "attestctl": "agent/cli/attestctl"}[name]


def got_of(response, body):
    headers = response.getheaders()
    error = dict((n.lower(), v) for n, v in headers).get("attestd-fetch-error")
    detail = json.loads(body)["detail"] if error else None
    return Got(response.status, headers, body, error, detail)


class Fetch:
    """attestd-fetch --listen with a configuration, in a folder of its own"""

    def __init__(self, config, *more, start=True, env=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fetch-"))
        self.config, self.socket = self.folder / "fetch.json", self.folder / "fetch.sock"
        self.config.write_text(json.dumps(config))
        self.process = None
        self.env = env
        if start:
            self.start(*more)

    def start(self, *more, before=None):
        log = open(self.folder / "log", "ab")
        with log:
            self.process = subprocess.Popen(
                [program("attestd-fetch"), "--config", self.config, "--listen", self.socket, *more],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env, preexec_fn=before)
        rig.wait_until("attestd-fetch listens", lambda: self.listens() or self.process.poll() is not None)
        assert self.process.poll() is None, self.log

    def listens(self):
        """the socket's file is there a moment before anybody may connect; whether somebody may, /proc tells"""
        listening = 0x10000  # the flag __SO_ACCEPTCON
        rows = [line.split() for line in pathlib.Path("/proc/net/unix").read_text().splitlines()[1:]]
        return any(row[-1] == str(self.socket) and int(row[3], 16) & listening for row in rows)

    @property
    def log(self):
        return (self.folder / "log").read_text()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def get(self, url, method="GET", body=None, headers=None, ms=10000, seconds=30):
        connection = rig.UnixConnection(self.socket, seconds)
        try:
            connection.request(method, url, body=body,
                               headers={"Attestd-Fetch-Timeout": str(ms), **(headers or {})})
            response = connection.getresponse()
            return got_of(response, response.read())
        finally:
            connection.close()

    def children(self):
        pid = self.process.pid
        return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def config_for(server, **rule):
    return {"hosts": {server.host: {"ca": str(server.ca), **rule}}}


class Setting:
    """a server and an attestd-fetch that may reach it"""

    def __enter__(self):
        self.server = pcs_server.PcsServer()
        self.fetch = Fetch(config_for(self.server))
        return self.server, self.fetch

    def __exit__(self, *exception):
        self.fetch.__exit__()
        self.server.__exit__()


def refused(got, error, says=""):
    assert (got.status, got.error) == (502, error), got
    assert says in got.detail, got.detail
    assert ("content-type", "application/problem+json") in [(n.lower(), v) for n, v in got.headers], got


# --- what works

def test_plain():
    """the server's status, headers as received and body arrive, and its query is asked for exactly"""
    with Setting() as (server, fetch):
        server.serve(TCB, b'{"tcbInfo":{}}\x00\xff', headers={
            "TCB-Info-Issuer-Chain": "-----BEGIN%20CERTIFICATE-----%0AMII%2B", "Request-ID": "7", "X-Empty": ""})
        got = fetch.get(server.url(TCB))
        assert (got.status, got.body) == (200, b'{"tcbInfo":{}}\x00\xff'), got
        assert ("TCB-Info-Issuer-Chain", "-----BEGIN%20CERTIFICATE-----%0AMII%2B") in got.headers, got
        assert ("Request-ID", "7") in got.headers, got
        assert ("Content-Length", "16") in got.headers and ("Connection", "close") in got.headers, got
        assert server.count(TCB) == 1 and len(server.requests) == 1, server.requests


def test_methods():
    """GET, POST, PUT, LIST and DELETE reach the server with their headers and body, and nothing is added that tells"""
    with Setting() as (server, fetch):
        server.serve("/x", b"ok")
        body = bytes(range(256)) * 4096  # 1 MiB
        for method, sent in (("GET", None), ("LIST", None), ("DELETE", None), ("POST", b"{}"), ("PUT", body), ("POST", None)):
            server.forget()
            headers = {"X-Custom": "a, b", "Authorization": "Bearer t"}
            if sent:
                headers["Content-Type"] = "application/json"
            got = fetch.get(server.url("/x"), method, sent, headers)
            assert (got.status, got.body) == (200, b"ok"), (method, got)
            seen, = server.requests
            assert (seen.method, seen.body) == (method, sent or b""), (seen.method, len(seen.body))
            assert seen.headers.pop("x-custom") == "a, b" and seen.headers.pop("authorization") == "Bearer t"
            assert seen.headers.pop("content-type", None) == ("application/json" if sent else None), seen
            length = seen.headers.pop("content-length", "0")
            assert length == str(len(sent or b"")), seen
            assert seen.headers.pop("user-agent").startswith("attestd-fetch/"), seen
            assert seen.headers.pop("accept", None) in (None, "*/*"), seen
            assert seen.headers == {"host": server.host}, seen.headers


def test_statuses():
    """a status of the server is an answer, with what it says about it"""
    with Setting() as (server, fetch):
        for status in (200, 204, 304, 400, 404, 410, 429, 460, 500, 502, 503):
            server.serve(f"/s{status}", b"" if status in (204, 304) else b"why", status, {"Retry-After": "7"})
            got = fetch.get(server.url(f"/s{status}"))
            assert (got.status, got.error) == (status, None), got
            assert got.body == (b"" if status in (204, 304) else b"why"), got
            assert ("Retry-After", "7") in got.headers, got


def test_interim():
    """interim answers are passed over"""
    with Setting() as (server, fetch):
        server.misbehave("/x", "interim")
        got = fetch.get(server.url("/x"))
        assert (got.status, got.body) == (200, b"hello"), got
        assert "link" not in [n.lower() for n, _ in got.headers], got


def test_hop_by_hop():
    """headers of the server that concern its connection, or pretend to be ours, are dropped"""
    with Setting() as (server, fetch):
        server.serve("/x", b"ok", 502, {"Connection": "X-Hop", "X-Hop": "1", "Keep-Alive": "timeout=5",
                                        "Attestd-Fetch-Error": "fetch.tls", "ETag": '"7"'})
        got = fetch.get(server.url("/x"))
        assert (got.status, got.error, got.body) == (502, None, b"ok"), got
        names = sorted(n.lower() for n, _ in got.headers)
        assert names == ["connection", "content-length", "etag"], names


# --- what goes wrong

FAULTS = [  # (fault of the path, error, what its detail says)
    ("drip", "fetch.timed-out", "waiting for the answer"),
    ("never", "fetch.timed-out", "waiting for the answer"),
    ("endless", "fetch.too-large", "max_body"),
    ("endless-chunks", "fetch.too-large", "max_body"),
    ("endless-headers", "fetch.too-large", "headers"),
    ("huge-header", "fetch.too-large", "headers"),
    ("truncated", "fetch.truncated", "reading"),
    ("truncated-cleanly", "fetch.truncated", "reading the body"),
    ("truncated-chunks", "fetch.truncated", "reading"),
    ("close", "fetch.truncated", "waiting for the answer"),
    ("bad-chunk", "fetch.protocol", "reading the body"),
    ("two-lengths", "fetch.protocol", "two lengths"),
    ("bad-length", "fetch.protocol", "reading the answer"),
    ("garbage", "fetch.protocol", "is this an HTTP server"),
    ("http09", "fetch.protocol", "is this an HTTP server"),
    ("odd-status", "fetch.protocol", "799"),
    ("encoded", "fetch.protocol", "gzip"),
    ("redirect", "fetch.redirected", "/elsewhere"),
]


def test_faults():
    """each way in which a server answers badly has its named error, with step, thing and mend"""
    with Setting() as (server, fetch):
        for fault, error, says in FAULTS:
            server.misbehave("/x?secret=1", fault)
            begin = time.monotonic()
            got = fetch.get(server.url("/x?secret=1"), ms=1000)
            try:
                refused(got, error, says)
                assert f"https://{server.host}/x: " in got.detail and "secret" not in got.detail, got
                assert time.monotonic() - begin < 10, "it took too long"
            except AssertionError as wrong:
                raise AssertionError(f"{fault}: {wrong}") from wrong
        server.behave()
        server.serve("/x?secret=1", b"well again")
        assert fetch.get(server.url("/x?secret=1")).body == b"well again"
        assert {f for f, _, _ in FAULTS} | {"interim"} == set(pcs_server.FAULTS), "a fault has no test"


def test_redirects():
    """a redirect is not followed, wherever it points, and the error says where that is"""
    with Setting() as (server, fetch):
        server.serve("/elsewhere", b"should not be asked for")
        for status in (301, 302, 303, 307, 308):
            for to in ("/elsewhere", server.url("/elsewhere"), "http://169.254.169.254/", "file:///etc/passwd"):
                server.misbehave("/x", "redirect", to=to, status=status)
                refused(fetch.get(server.url("/x")), "fetch.redirected", to)
        assert server.count("/elsewhere") == 0


TLS = [  # (mode of the server's TLS, error, what its detail says)
    ("wrong-ca", "fetch.tls", "certificate"),
    ("expired", "fetch.tls", "expired"),
    ("wrong-host", "fetch.tls", "localhost"),
    ("client-certificate", "fetch.tls", "client_certificate"),
    ("plain", "fetch.tls", "TLS 1.2"),
    ("reset", "fetch.unreachable", "TLS handshake"),
    ("stall", "fetch.timed-out", "waiting"),
]


def test_tls():
    """each way in which a server's TLS is not acceptable has its named error, and no request is sent"""
    with Setting() as (server, fetch):
        server.serve("/x", b"ok")
        for mode, error, says in TLS:
            server.tls(mode)
            got = fetch.get(server.url("/x"), ms=1000)
            # In TLS 1.3 the server refuses after the client's handshake: as chance has it, its reset
            # overtakes the alert that says why.
            for _ in range(50 if mode == "client-certificate" else 0):
                if got.error == error:
                    break
                assert got.error == "fetch.truncated", got
                got = fetch.get(server.url("/x"), ms=1000)
            try:
                refused(got, error, says)
            except AssertionError as wrong:
                raise AssertionError(f"{mode}: {wrong}") from wrong
        assert not server.requests, server.requests
        server.tls("good")
        assert fetch.get(server.url("/x")).body == b"ok"
        assert {m for m, _, _ in TLS} | {"good", "old"} == set(pcs_server.TLS_MODES), "a mode has no test"


def test_old_tls():
    """a server that speaks TLS 1.1 at most is refused"""
    with Setting() as (server, fetch):
        server.tls("old")
        probe = subprocess.run(["openssl", "s_client", "-connect", server.host, "-tls1_1", "-cipher",
                                "ALL:@SECLEVEL=0"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if "Protocol  : TLSv1.1" not in probe.stdout and "New, TLSv1" not in probe.stdout:
            raise tap.Skip("this OpenSSL cannot speak TLS 1.1")
        refused(fetch.get(server.url("/x")), "fetch.tls", "TLS 1.2")


def test_client_certificate():
    """a client certificate is shown where one is configured, and a broken one is named"""
    with pcs_server.PcsServer() as server:
        server.tls("client-certificate")
        server.serve("/x", b"ok")
        certificate, key = server.authority.issue("client")
        names = {"client_certificate": str(certificate), "client_key": str(key)}
        with Fetch(config_for(server, **names)) as fetch:
            got = fetch.get(server.url("/x"))
            assert got.body == b"ok", got
        names["client_key"] = str(server.authority.key)  # another's
        with Fetch(config_for(server, **names)) as fetch:
            refused(fetch.get(server.url("/x")), "fetch.tls", "client certificate")


def test_system_store():
    """without "ca" the system's store decides, and a CA file that is not there is an error, not a default"""
    with pcs_server.PcsServer() as server:
        with Fetch({"hosts": {server.host: {}}}) as fetch:
            refused(fetch.get(server.url("/x")), "fetch.tls", "certificate")
        with Fetch({"hosts": {server.host: {"ca": "/nowhere/ca.pem"}}}) as fetch:
            refused(fetch.get(server.url("/x")), "fetch.tls", "CA file")


def own_mounts():
    return ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--mount", "--map-root-user"]


def test_ca_replaces():
    """with "ca" an authority of the system's store is not believed; without it, it is"""
    if subprocess.run([*own_mounts(), "mount", "-t", "tmpfs", "tmpfs", "/etc/ssl/certs"],
                      capture_output=True).returncode != 0:
        raise tap.Skip("the system's store cannot be replaced here")
    inside("--store-inside", own_mounts())


def inside(what, namespace):
    done = subprocess.run([*namespace, sys.executable, __file__, what, str(BUILD)], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def store_inside():
    """runs within mounts of its own, whose system store has one authority"""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/etc/ssl/certs"], check=True)
    with pcs_server.PcsServer() as server:
        for name in ("ca-certificates.crt", "stranger.pem"):
            shutil.copy(server.stranger.certificate, f"/etc/ssl/certs/{name}")
        subprocess.run(["openssl", "rehash", "/etc/ssl/certs"], check=True)
        server.tls("wrong-ca")
        server.serve("/x", b"ok")
        with Fetch({"hosts": {server.host: {}}}) as fetch:
            got = fetch.get(server.url("/x"))
            assert got.body == b"ok", got
        with Fetch(config_for(server)) as fetch:
            refused(fetch.get(server.url("/x")), "fetch.tls", "certificate")


def test_unverified():
    """unverified TLS takes any certificate, for GET of signed endorsements alone"""
    with pcs_server.PcsServer() as server:
        server.serve("/sgx/x", b"signed")
        server.serve("/v1/secret", b"secret")
        with Fetch({"hosts": {server.host: {"collateral_only": True, "unverified_tls": True}}}) as fetch:
            for mode in ("wrong-ca", "expired", "wrong-host"):
                server.tls(mode)
                assert fetch.get(server.url("/sgx/x")).body == b"signed", mode
            for method, path in (("GET", "/v1/secret"), ("POST", "/sgx/x"), ("PUT", "/sgx/x"), ("LIST", "/sgx/x"),
                                 ("GET", "/sgx/%2e%2e/v1/secret"), ("GET", "/sgx/../v1/secret")):
                refused(fetch.get(server.url(path), method), "fetch.denied", "collateral_only")
        assert [r.target for r in server.requests] == ["/sgx/x"] * 3, server.requests


def test_unreachable():
    """a name that does not resolve and a port that nobody listens on are unreachable"""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        port = taken.getsockname()[1]
        hosts = {f"localhost:{port}": {}, "name.invalid": {}}
        with Fetch({"hosts": hosts}) as fetch:
            refused(fetch.get(f"https://localhost:{port}/"), "fetch.unreachable", "connecting")
            refused(fetch.get("https://name.invalid/"), "fetch.unreachable", "name.invalid")


def test_denied():
    """what the configuration does not list is not connected to"""
    with Setting() as (server, fetch):
        port = server.port
        for url in (f"https://127.0.0.1:{port}/", f"http://localhost:{port}/", f"https://localhost.:{port}/",
                    f"https://user@localhost:{port}/", f"https://localhost:{port}@example.com/",
                    f"https://example.com:{port}/", "https://localhost/", f"ftp://localhost:{port}/",
                    "file:///etc/passwd", f"http://{METADATA}/metadata", "vsock://2:4050",
                    "https://kdsintf.amd.com/"):
            method = "POST" if url.startswith("vsock") else "GET"
            refused(fetch.get(url, method), "fetch.denied")
        refused(fetch.get(server.url("/x"), "PATCH"), "fetch.denied", "GET, POST, PUT, LIST and DELETE")
        assert not server.requests


# --- limits

def test_limits():
    """a request may ask for less than is configured, and never gets more"""
    with pcs_server.PcsServer() as server:
        config = config_for(server)
        config["limits"] = {"timeout": "1s", "max_body": 5000}
        server.serve("/5000", b"x" * 5000)
        server.serve("/5001", b"x" * 5001)
        server.misbehave("/never", "never")
        with Fetch(config) as fetch:
            assert len(fetch.get(server.url("/5000")).body) == 5000
            for asked in ("1", "4999"):
                refused(fetch.get(server.url("/5000"), headers={"Attestd-Fetch-Max-Body": asked}), "fetch.too-large")
            for asked in ("5001", "99999999999999"):
                refused(fetch.get(server.url("/5001"), headers={"Attestd-Fetch-Max-Body": asked}), "fetch.too-large")
            for asked, least, most in ((200, 0.2, 0.9), (99999999, 1.0, 5)):
                begin = time.monotonic()
                refused(fetch.get(server.url("/never"), ms=asked), "fetch.timed-out")
                assert least <= time.monotonic() - begin < most, (asked, time.monotonic() - begin)


def raw(fetch, data, shut=False):
    """the answer to bytes as they stand"""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(30)
        connection.connect(str(fetch.socket))
        try:
            connection.sendall(data)
        except BrokenPipeError:
            pass  # it answered before it had read all
        if shut:
            connection.shutdown(socket.SHUT_WR)
        response = http.client.HTTPResponse(connection)
        try:
            response.begin()
            return got_of(response, response.read())
        except (http.client.BadStatusLine, ConnectionResetError):
            return None


def test_bad_requests():
    """what is not one request of the right form is denied, or dropped when the client leaves"""
    with Setting() as (server, fetch):
        url = server.url("/x").encode()
        get = b"GET " + url + b" HTTP/1.1\r\nHost: x\r\n"
        for data in (b"\x16\x03\x01\x02\x00 hello\r\n\r\n", b"GET /x HTTP/1.1\r\n\r\n", get + b"\r\n" + get + b"\r\n",
                     get + b"Content-Length: 3\r\n\r\nabc", get + b"X: " + b"x" * 30000 + b"\r\n\r\n",
                     b"POST " + url + b" HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n" + b"x" * 1048577,
                     get + b"Attestd-Fetch-Timeout: never\r\n\r\n", get + b"Attestd-Fetch-Proxy: x\r\n\r\n"):
            refused(raw(fetch, data), "fetch.denied")
        assert raw(fetch, b"", shut=True) is None
        assert raw(fetch, b"GET ", shut=True) is None
        assert not server.requests
        assert fetch.get(server.url("/x")).status == 404


def test_environment():
    """the environment has no say: no proxy, no CA, no OpenSSL configuration, no .netrc, no log of TLS keys"""
    with pcs_server.PcsServer() as server, tempfile.TemporaryDirectory() as home:
        (pathlib.Path(home) / ".netrc").write_text("machine localhost login me password hunter2\n")
        nowhere = "http://127.0.0.1:1"
        env = {"https_proxy": nowhere, "HTTPS_PROXY": nowhere, "all_proxy": nowhere, "ALL_PROXY": nowhere,
               "http_proxy": nowhere, "SSL_CERT_FILE": "/dev/null", "OPENSSL_CONF": "/nowhere", "HOME": home,
               "NETRC": f"{home}/.netrc", "SSLKEYLOGFILE": f"{home}/keys"}
        server.serve("/x", b"ok")
        with Fetch(config_for(server), env=env) as fetch:
            assert fetch.get(server.url("/x")).body == b"ok"
            assert "authorization" not in server.requests[0].headers, server.requests
        assert not os.path.exists(f"{home}/keys"), "whoever reads the environment's file reads the traffic"


# --- a proxy

class Proxy:
    """a CONNECT proxy; refuses when told to, and counts"""

    def __init__(self):
        self.refuse, self.asked = False, []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_CONNECT(self):
                outer.asked.append(self.path)
                if outer.refuse:
                    return self.send_error(403)
                self.send_response(200)
                self.end_headers()
                host, port = self.path.split(":")
                with socket.create_connection((host, int(port))) as server:
                    back = threading.Thread(target=pump, args=(server, self.connection))
                    back.start()
                    pump(self.connection, server)
                    back.join()

            def log_message(self, *args):
                pass

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.server.shutdown()
        self.server.server_close()


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def test_proxy():
    """a configured proxy is asked to CONNECT, sees nothing else, and its refusal is unreachable"""
    with pcs_server.PcsServer() as server, Proxy() as proxy:
        server.serve("/x", b"ok", headers={"X-From": "server"})
        with Fetch({**config_for(server), "proxy": proxy.url}) as fetch:
            got = fetch.get(server.url("/x"))
            assert (got.status, got.body) == (200, b"ok"), got
            assert "server" not in [n.lower() for n, _ in got.headers], "a header of the proxy came through"
            assert proxy.asked == [server.host], proxy.asked
            server.tls("wrong-ca")
            refused(fetch.get(server.url("/x")), "fetch.tls", "certificate")
            proxy.refuse = True
            refused(fetch.get(server.url("/x")), "fetch.unreachable", "proxy")
        with Fetch({**config_for(server), "proxy": "http://127.0.0.1:1"}) as fetch:
            refused(fetch.get(server.url("/x")), "fetch.unreachable", "connect")


# --- the metadata service, on a network of its own

def own_network():
    return ["unshare", "--net"] if os.getuid() == 0 else ["unshare", "--net", "--map-root-user"]


def test_metadata():
    """the metadata service is spoken to by plain http, past the proxy, and with its header"""
    if not shutil.which("ip") or subprocess.run([*own_network(), "true"], capture_output=True).returncode != 0:
        raise tap.Skip("a network namespace with the service's address cannot be made here")
    inside("--metadata-inside", own_network())


def metadata_inside():
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "address", "add", f"{METADATA}/32", "dev", "lo"], check=True)
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append((self.path, dict(self.headers)))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer((METADATA, 80), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with Fetch({"hosts": {METADATA: {}}, "proxy": "http://127.0.0.1:1"}) as fetch:
        got = fetch.get(f"http://{METADATA}/metadata/THIM?api-version=1", headers={"Metadata": "true"})
        assert (got.status, got.body) == (200, b"ok"), got
        assert seen[0][0] == "/metadata/THIM?api-version=1" and seen[0][1]["Metadata"] == "true", seen
        for url in ("http://2852039166/x", "http://0xa9fea9fe/x", "http://0251.0376.0251.0376/x",
                    f"http://[::ffff:{METADATA}]/x", f"http://{METADATA}./x", f"http://{METADATA}:80@{METADATA}/x",
                    f"https://{METADATA}:80/x"):
            refused(fetch.get(url), "fetch.denied")
        assert len(seen) == 1, seen


# --- the process

def test_kill():
    """kill -9 of the process during a request costs this request and nothing else"""
    with Setting() as (server, fetch):
        server.misbehave("/never", "never")
        server.serve("/x", b"ok")
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            doomed = pool.submit(fetch.get, server.url("/never"))
            rig.wait_until("the request is under way", lambda: server.count("/never") == 1)
            child, = fetch.children()
            other = pool.submit(fetch.get, server.url("/never"), ms=1500)
            rig.wait_until("another is too", lambda: server.count("/never") == 2)
            os.kill(child, signal.SIGKILL)
            try:
                raise AssertionError(f"an answer came from a dead process: {doomed.result(20)}")
            except (http.client.RemoteDisconnected, ConnectionResetError):
                pass
            assert fetch.get(server.url("/x")).body == b"ok"
            refused(other.result(20), "fetch.timed-out")
        rig.wait_until("no child is left, not even a dead one", lambda: not fetch.children())


def test_parallel():
    """100 requests at once are all answered, by at most 32 processes at a time"""
    with Setting() as (server, fetch):
        most, stop = 0, threading.Event()

        def watch():
            nonlocal most
            while not stop.wait(0.002):
                most = max(most, len(fetch.children()))

        for i in range(100):
            server.serve(f"/x?{i}", f"answer {i}")
        watcher = threading.Thread(target=watch)
        watcher.start()
        with concurrent.futures.ThreadPoolExecutor(100) as pool:
            answers = list(pool.map(lambda i: fetch.get(server.url(f"/x?{i}"), ms=30000, seconds=60), range(100)))
        stop.set()
        watcher.join()
        for i, got in enumerate(answers):
            assert (got.status, got.body) == (200, f"answer {i}".encode()), (i, got)
        assert 1 <= most <= 32, most
        assert all(server.count(f"/x?{i}") == 1 for i in range(100))
        rig.wait_until("no child is left", lambda: not fetch.children())


def ignore_children():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def test_inherited_signals():
    """a parent that ignores SIGCHLD and blocks SIGTERM does not keep children from being counted or it from ending"""
    with pcs_server.PcsServer() as server, Fetch(config_for(server), start=False) as fetch:
        server.serve("/x", b"ok")
        fetch.start(before=ignore_children)
        for _ in range(40):  # more than there may be children
            assert fetch.get(server.url("/x"), seconds=10).body == b"ok"
        fetch.process.terminate()
        assert fetch.process.wait(10) == 0, fetch.log


def test_stop():
    """SIGTERM removes the socket and ends the children; kill -9 leaves a socket that the next start takes over"""
    with Setting() as (server, fetch):
        server.misbehave("/never", "never")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            doomed = pool.submit(fetch.get, server.url("/never"))
            rig.wait_until("a request is under way", lambda: server.count("/never") == 1)
            child, = fetch.children()
            fetch.process.terminate()
            assert fetch.process.wait(10) == 0, fetch.log
            assert isinstance(doomed.exception(10), (http.client.RemoteDisconnected, ConnectionResetError))
        assert not fetch.socket.exists()
        rig.wait_until("the child is gone", lambda: not pathlib.Path(f"/proc/{child}").exists() or zombie(child))
        server.serve("/x", b"ok")
        fetch.start()
        fetch.process.kill()
        fetch.process.wait()
        assert fetch.socket.exists()
        fetch.socket.rename(fetch.folder / "left")  # so that start() waits for the new one
        (fetch.folder / "left").rename(fetch.socket)
        fetch.start()
        rig.wait_until("it serves again", lambda: serves(fetch, server))


def zombie(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def serves(fetch, server):
    try:
        return fetch.get(server.url("/x")).body == b"ok"
    except ConnectionRefusedError:
        return False


def test_no_stealing():
    """a socket that somebody listens on is not taken, nor a file that is no socket; the first goes on"""
    with Setting() as (server, fetch):
        server.serve("/x", b"ok")
        for path, status, says in ((fetch.socket, 1, "another process listens"), (fetch.config, 1, "in the way")):
            done = subprocess.run([program("attestd-fetch"), "--config", fetch.config, "--listen", path],
                                  capture_output=True, text=True, timeout=20)
            assert done.returncode == status and says in done.stderr, done
        assert fetch.get(server.url("/x")).body == b"ok"
        assert fetch.config.is_file()


def test_modes():
    """the socket is for its owner unless --mode says otherwise"""
    with Setting() as (_, fetch):
        assert fetch.socket.stat().st_mode & 0o777 == 0o600
    with pcs_server.PcsServer() as server, Fetch(config_for(server), "--mode", "0660") as fetch:
        assert fetch.socket.stat().st_mode & 0o777 == 0o660


def test_closed_process():
    """the process that parses the internet cannot be dumped or gain privileges, and holds few descriptors"""
    with Setting() as (server, fetch):
        server.misbehave("/never", "never")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            pool.submit(fetch.get, server.url("/never"), ms=2000)
            rig.wait_until("a request is under way", lambda: server.count("/never") == 1)
            child, = fetch.children()
            status = pathlib.Path(f"/proc/{child}/status").read_text()
            assert "NoNewPrivs:\t1" in status, status
            limits = pathlib.Path(f"/proc/{child}/limits").read_text()
            rows = {line[:26].strip(): line[26:].split()[:2] for line in limits.splitlines()}
            assert rows["Max core file size"] == ["0", "0"] and rows["Max open files"] == ["64", "64"], rows
            if os.getuid() != 0:  # of a process that cannot be dumped, even its descriptors are hidden
                try:
                    raise AssertionError(os.listdir(f"/proc/{child}/fd"))
                except PermissionError:
                    pass


def spawned(fetch, ours, theirs, url, also=()):
    """attestd-fetch as a parent starts it, with the request sent"""
    child = subprocess.Popen([program("attestd-fetch"), "--config", fetch.config, "--connection",
                              str(theirs.fileno())], pass_fds=[theirs.fileno(), *also])
    theirs.close()
    ours.settimeout(20)
    ours.sendall(f"GET {url} HTTP/1.1\r\n\r\n".encode())
    return child


def test_passed_connection():
    """--connection serves one request on the parent's socket pair, closes all else that was open, and exits 0"""
    with pcs_server.PcsServer() as server, Fetch(config_for(server), start=False) as fetch:
        server.serve("/x", b"ok")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with ours:
            child = spawned(fetch, ours, theirs, server.url("/x"))
            response = http.client.HTTPResponse(ours)
            response.begin()
            assert (response.status, response.read()) == (200, b"ok")
            assert child.wait(10) == 0
        server.misbehave("/x", "never")
        pipe, left_open = os.pipe()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with ours, open(pipe, "rb") as end:
            child = spawned(fetch, ours, theirs, server.url("/x"), also=[left_open])
            os.close(left_open)
            rig.wait_until("the request is under way", lambda: server.count("/x") == 2)
            ended, _, _ = select.select([end], [], [], 10)  # well before the child gives up
            assert ended and end.read() == b"", "the child holds what it was not given"
            child.kill()
            child.wait()


def test_socket_activation():
    """under systemd's Accept=yes each connection gets its process and its answer"""
    if not shutil.which("systemd-socket-activate"):
        raise tap.Skip("systemd-socket-activate is not there")
    with pcs_server.PcsServer() as server, Fetch(config_for(server), start=False) as fetch:
        server.serve("/x", b"ok")
        fetch.process = subprocess.Popen(["systemd-socket-activate", "--accept", "-l", fetch.socket,
                                          program("attestd-fetch"), "--config", fetch.config],
                                         stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        rig.wait_until("it listens", fetch.socket.exists)
        for _ in range(3):
            got = fetch.get(server.url("/x"))
            assert (got.status, got.body) == (200, b"ok"), got
        refused(fetch.get("https://example.com/"), "fetch.denied", "not listed")


def test_wrong_activation():
    """a listening socket is told from a connection, and descriptors that are another process' are left alone"""
    done = run_fetch(env={"LISTEN_FDS": "1", "LISTEN_PID": "1"})
    assert done.returncode == 2 and "usage:" in done.stderr, done
    if not shutil.which("systemd-socket-activate"):
        raise tap.Skip("systemd-socket-activate is not there")
    with pcs_server.PcsServer() as server, Fetch(config_for(server), start=False) as fetch:
        fetch.process = subprocess.Popen(["systemd-socket-activate", "-l", fetch.socket, program("attestd-fetch"),
                                          "--config", fetch.config], stdin=subprocess.DEVNULL,
                                         stderr=subprocess.PIPE, text=True)
        rig.wait_until("it listens", fetch.socket.exists)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock:
            knock.connect(str(fetch.socket))
            said = fetch.process.communicate(timeout=20)[1]
        assert fetch.process.returncode == 2 and "Accept=yes" in said, said


def run_fetch(*args, **more):
    return subprocess.run([program("attestd-fetch"), *map(str, args)], capture_output=True, text=True, timeout=20,
                          stdin=subprocess.DEVNULL, **more)


def test_command_line():
    """--help and --version say it on standard output; wrong usage is status 2 and says what is wrong"""
    done = run_fetch("--help")
    assert done.returncode == 0 and "--connection FD" in done.stdout and not done.stderr, done
    done = run_fetch("--version")
    assert done.returncode == 0 and done.stdout.startswith("attestd-fetch "), done
    for args in ((), ("--bogus",), ("https://kdsintf.amd.com/",), ("--connection", "1"), ("--listen",),
                 ("--listen", "/x", "--connection", "3")):
        done = run_fetch(*args)
        assert done.returncode == 2 and "usage:" in done.stderr and not done.stdout, (args, done)
    done = run_fetch("--connection", "9")  # not open
    assert done.returncode == 2 and "no Unix stream socket" in done.stderr, done


def test_configuration():
    """a configuration that is named must be there and good; a refused one is status 2 with file and line"""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "fetch.json"
        done = run_fetch("--check", "--config", path)
        assert done.returncode == 2 and str(path) in done.stderr, done
        path.write_text('{\n "hosts": {\n  "a.example": {"unverified_tls": true}}}')
        for args in (("--check",), ("--listen", path.with_suffix(".sock"))):
            done = run_fetch("--config", path, *args)
            assert done.returncode == 2 and f"{path}:3" in done.stderr and "collateral_only" in done.stderr, done
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with ours:
            ours.sendall(b"GET https://a.example/ HTTP/1.1\r\n\r\n")
            with theirs:
                done = run_fetch("--config", path, "--connection", theirs.fileno(), pass_fds=[theirs.fileno()])
            assert done.returncode == 2, done
            response = http.client.HTTPResponse(ours)
            response.begin()
            refused(got_of(response, response.read()), "fetch.process", f"{path}:3")
        path.write_text('{"hosts": {}}')
        done = run_fetch("--check", "--config", path)
        assert done.returncode == 0, done


def libraries(path):
    done = subprocess.run(["ldd", path], capture_output=True, text=True, check=True)
    return [line.split()[0] for line in done.stdout.splitlines() if line.split()]


def test_libraries():
    """attestd and attestctl link neither libcurl nor libssl; attestd-fetch, which does, shows that ldd would tell"""
    for name in ("attestd", "attestctl"):
        bad = [l for l in libraries(program(name)) if l.startswith(("libcurl", "libssl", "libgnutls"))]
        assert not bad, (name, bad)
    assert any(l.startswith("libcurl") for l in libraries(program("attestd-fetch")))


def test_executes_nothing():
    """attestd calls nothing that starts a process; attestctl, which does, shows that nm would tell"""
    if not shutil.which("nm"):
        raise tap.Skip("nm is not there")

    def starters(name):
        done = subprocess.run(["nm", "-D", "--undefined-only", program(name)], capture_output=True, text=True, check=True)
        names = [line.split()[-1].split("@")[0] for line in done.stdout.splitlines()]
        return [n for n in names if n.startswith(("exec", "posix_spawn", "fork", "vfork", "system", "popen", "fexecve"))]

    assert not starters("attestd"), starters("attestd")
    assert starters("attestctl"), "nm tells nothing"


INSIDE = {"--metadata-inside": metadata_inside, "--store-inside": store_inside}
TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")]


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv[-1]).resolve()
    if sys.argv[1] in INSIDE:
        INSIDE[sys.argv[1]]()
        sys.exit(0)
    only = sys.argv[1:-1]
    sys.exit(tap.run([t for t in TESTS if not only or t.__name__ in only]))
