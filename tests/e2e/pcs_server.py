#!/usr/bin/env python3
"""An HTTPS server for tests that serves what it is given, and misbehaves when it is told to.

It stands for Intel's PCS, a PCCS or AMD's KDS: whatever tells attestd-fetch an answer by its path.

    with pcs_server.PcsServer() as server:                     # https://localhost:PORT, certificates of its own
        server.serve("/sgx/certification/v4/tcb?fmspc=00906ED50000", b"{...}",
                     headers={"TCB-Info-Issuer-Chain": "-----BEGIN%20CERT..."})
        server.load("folder-with-index.json")                  # many at once, see load()
        server.url("/sgx/certification/v4/tcb?fmspc=...")      # https://localhost:PORT/sgx/...
        server.ca                                              # path of the PEM to trust: "ca" in fetch.json
        server.host                                            # "localhost:PORT": the key in "hosts" of fetch.json
        server.count("/sgx/certification/v4/tcb?fmspc=...")    # how often it was asked for
        server.requests                                        # all of them: .method .target .headers .body
        server.misbehave("/vcek/v1/Milan/crl", "truncated")    # this path from now on; see FAULTS
        server.behave("/vcek/v1/Milan/crl")                    # and well again
        server.tls("expired")                                  # every new connection from now on; see TLS_MODES

A target is the path with its query string, compared byte for byte. What is not known is 404. All methods,
GET, POST, PUT, LIST and DELETE, get the same answer; a test that cares looks at `requests`.

    pcs_server.py [--port N] [--index PATH]    serves until SIGTERM or SIGINT; prints its URL and its CA first

Only the standard library and the `openssl` command are used. Certificates are made at each start.
"""
import argparse
import base64
import collections
import http.server
import json
import pathlib
import shutil
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import time

Answer = collections.namedtuple("Answer", "status headers body")
Request = collections.namedtuple("Request", "method target headers body")

STALL_SECONDS = 60  # longer than any test waits; a stalled handler also ends when the server stops


# --- certificates

class Authority:
    """A certificate authority in a folder, made with the openssl command."""

    def __init__(self, folder, name="test CA"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.certificate, self.key = self.folder / "ca.pem", self.folder / "ca.key"
        self._openssl("req", "-x509", *self._new_key(self.key), "-subj", f"/CN={name}", "-days", "2",
                      "-out", self.certificate)

    @staticmethod
    def _new_key(path):
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path)

    def _openssl(self, *args):
        done = subprocess.run(["openssl", *map(str, args)], cwd=self.folder, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"openssl {args[0]}: {done.stderr}")

    def issue(self, name, alternative="DNS:localhost", days=2):
        """(certificate, key), PEM files; `days=-1` has expired"""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={alternative}\n")
        self._openssl("req", "-new", *self._new_key(key), "-subj", f"/CN={name}", "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key,
                      "-CAcreateserial", "-days", days, "-extfile", extensions, "-out", certificate)
        return certificate, key


# --- what a path can do instead of answering; each gets the handler and what misbehave() was told

def drip(handler, seconds=0.2, length=10000):
    """a byte now and then, of a long body"""
    handler.head(200, {"Content-Length": length})
    while not handler.server.stopping.wait(seconds):
        handler.write(b"x")


def endless(handler):
    """a body without a stated length that does not end"""
    handler.head(200, {"Connection": "close"})
    while not handler.server.stopping.is_set():
        handler.write(b"x" * 65536)


def endless_chunks(handler):
    """the same in chunks"""
    handler.head(200, {"Transfer-Encoding": "chunked"})
    while not handler.server.stopping.is_set():
        handler.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")


def endless_headers(handler):
    """headers that do not end"""
    handler.write(b"HTTP/1.1 200 OK\r\n")
    while not handler.server.stopping.is_set():
        handler.write(b"X-Filler: " + b"x" * 1000 + b"\r\n")


def huge_header(handler):
    """one header of 200 KB"""
    handler.head(200, {"Content-Length": 2, "X-Filler": "x" * 200_000})
    handler.write(b"ok")


def truncated(handler):
    """half of the stated length, then the connection is cut"""
    handler.head(200, {"Content-Length": 1000})
    handler.write(b"x" * 500)


def truncated_cleanly(handler):
    """half of the stated length, then TLS is closed as it should be"""
    truncated(handler)
    handler.wfile.flush()
    handler.connection.unwrap()


def truncated_chunks(handler):
    """chunks without the last one"""
    handler.head(200, {"Transfer-Encoding": "chunked"})
    handler.write(b"5\r\nhello\r\n")


def bad_chunk(handler):
    """a chunk whose length is no number"""
    handler.head(200, {"Transfer-Encoding": "chunked"})
    handler.write(b"zz\r\nhello\r\n0\r\n\r\n")


def bad_length(handler):
    """a Content-Length that is no number"""
    handler.head(200, {"Content-Length": "many"})
    handler.write(b"hello")


def two_lengths(handler):
    """two lengths that differ"""
    handler.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 3\r\n\r\nhello")


def redirect(handler, to="/elsewhere", status=302):
    """points elsewhere; `to` is a path or a URL"""
    handler.head(status, {"Location": to, "Content-Length": 0})


def garbage(handler):
    """bytes that are no HTTP"""
    handler.write(b"\x00\x01\x02 this is not HTTP \xff\xfe\r\n\r\n")


def http09(handler):
    """a body without any head"""
    handler.write(b"<html>hello</html>\n")


def close(handler):
    """reads the request and closes"""


def never(handler):
    """reads the request and says nothing"""
    handler.server.stopping.wait(STALL_SECONDS)


def interim(handler):
    """interim answers before a good one"""
    handler.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 2)
    handler.head(200, {"Content-Length": 5})
    handler.write(b"hello")


def encoded(handler):
    """a compressed body that nobody asked for"""
    handler.head(200, {"Content-Encoding": "gzip", "Content-Length": 5})
    handler.write(b"hello")


def odd_status(handler, status=799):
    """a status that no HTTP has"""
    handler.head(status, {"Content-Length": 0})


FAULTS = {f.__name__.replace("_", "-"): f for f in (
    drip, endless, endless_chunks, endless_headers, huge_header, truncated, truncated_cleanly,
    truncated_chunks, bad_chunk, bad_length, two_lengths, redirect, garbage, http09, close, never, interim,
    encoded, odd_status)}

# What happens to each new connection before any path is known.
TLS_MODES = {
    "good": "a certificate of server.ca for localhost",
    "wrong-ca": "a certificate of an authority that nobody trusts (server.stranger)",
    "expired": "of server.ca, but expired",
    "wrong-host": "of server.ca, but for another name",
    "old": "TLS 1.1 at most",
    "client-certificate": "demands a client certificate of server.ca (server.authority.issue)",
    "plain": "no TLS: http on this port",
    "reset": "closes at accept",
    "stall": "accepts, and never says a word",
}


# --- the server

class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = STALL_SECONDS
    disable_nagle_algorithm = True  # head and body are two writes: no 40 ms between them

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(self.command, self.path,
                          {name.lower(): value for name, value in self.headers.items()},
                          self.rfile.read(length))
        fault, answer = self.server.note(request)
        if fault is not None:
            self.close_connection = True
            function, how = fault
            function(self, **how)
            return
        self.head(answer.status, {"Content-Length": len(answer.body), **answer.headers})
        self.write(answer.body)

    do_GET = do_POST = do_PUT = do_LIST = do_DELETE = answer

    def head(self, status, headers):
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()

    def write(self, data):
        self.wfile.write(data)

    def log_message(self, *args):
        pass


class _TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256
    block_on_close = False

    def __init__(self, owner, port):
        self.owner, self.stopping = owner, threading.Event()
        super().__init__(("127.0.0.1", port), _Handler)

    def note(self, request):
        return self.owner.note(request)

    def process_request_thread(self, request, client_address):
        # The handshake is made here, in the connection's own thread: a stalled one stalls nobody else.
        mode, context = self.owner.tls_now()
        try:
            if mode == "reset":
                return
            if mode == "stall":
                self.stopping.wait(STALL_SECONDS)
                return
            request.settimeout(STALL_SECONDS)
            with context.wrap_socket(request, server_side=True) if context else request as connection:
                self.finish_request(connection, client_address)
        except (OSError, ValueError):
            pass  # the client went away or did not like us, which is what some tests are about
        finally:
            self.shutdown_request(request)


class PcsServer:
    """See the module's documentation. Thread-safe: may be told things while it serves."""

    def __init__(self, port=0):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pcs-server-"))
        self.lock = threading.Lock()
        self.answers, self.faults, self.requests = {}, {}, []
        try:
            self._make_certificates()
            self.tls("good")
            self.server = _TcpServer(self, port)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        self.port = self.server.server_address[1]
        self.host = f"localhost:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.server.stopping.set()
        self.server.shutdown()
        self.server.server_close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # what it serves

    def url(self, target):
        return f"https://{self.host}{target}"

    def serve(self, target, body=b"", status=200, headers=None):
        """answers `target` (path and query, exactly) so from now on"""
        body = body.encode() if isinstance(body, str) else bytes(body)
        with self.lock:
            self.answers[target] = Answer(status, dict(headers or {}), body)

    def load(self, path):
        """serves what an index says: a JSON file, or a folder with index.json in it

        {"/path?query": {"status": 200, "headers": {"Name": "value"}, "body": "text"}, ...}
        In place of "body" there may be "body_base64", or "file": a path beside the index. All but the body
        may be left out.
        """
        path = pathlib.Path(path)
        index = path / "index.json" if path.is_dir() else path
        for target, entry in json.loads(index.read_text()).items():
            unknown = set(entry) - {"status", "headers", "body", "body_base64", "file"}
            if unknown:
                raise ValueError(f"{index}: {target}: unknown {sorted(unknown)}")
            if "file" in entry:
                body = (index.parent / entry["file"]).read_bytes()
            elif "body_base64" in entry:
                body = base64.b64decode(entry["body_base64"], validate=True)
            else:
                body = entry.get("body", "")
            self.serve(target, body, entry.get("status", 200), entry.get("headers"))

    # how it behaves

    def misbehave(self, target, fault, **how):
        """`target` gets a fault of FAULTS from now on"""
        with self.lock:
            self.faults[target] = (FAULTS[fault], how)

    def behave(self, target=None):
        """`target`, or everything, is answered well again"""
        with self.lock:
            if target is None:
                self.faults.clear()
            else:
                self.faults.pop(target, None)

    def tls(self, mode):
        """new connections get a mode of TLS_MODES from now on"""
        if mode not in TLS_MODES:
            raise ValueError(f"{mode} is none of {sorted(TLS_MODES)}")
        context = self._context(mode)
        with self.lock:
            self.mode, self.context = mode, context

    # what it saw

    def count(self, target, method=None):
        with self.lock:
            return sum(r.target == target and method in (None, r.method) for r in self.requests)

    def forget(self):
        """the counters begin again"""
        with self.lock:
            self.requests.clear()

    # for the server's threads

    def tls_now(self):
        with self.lock:
            return self.mode, self.context

    def note(self, request):
        with self.lock:
            self.requests.append(request)
            answer = self.answers.get(request.target, Answer(404, {}, b"no such path\n"))
            return self.faults.get(request.target), answer

    def _make_certificates(self):
        self.authority = Authority(self.folder / "ca")
        self.ca = self.authority.certificate
        self.stranger = Authority(self.folder / "stranger", "nobody's CA")
        self.certificates = {
            "good": self.authority.issue("good"),
            "wrong-ca": self.stranger.issue("stranger"),
            "expired": self.authority.issue("expired", days=-1),
            "wrong-host": self.authority.issue("other", "DNS:other.example"),
        }

    def _context(self, mode):
        if mode in ("plain", "reset", "stall"):
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificates.get(mode, self.certificates["good"]))
        if mode == "old":
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        if mode == "client-certificate":
            context.load_verify_locations(self.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def main():
    parser = argparse.ArgumentParser(description="Serves what an index says over HTTPS, for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--index", help="a JSON file, or a folder with index.json")
    opt = parser.parse_args()
    with PcsServer(opt.port) as server:
        if opt.index:
            server.load(opt.index)
        print(server.url("/"), server.ca, flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    sys.exit(main())
