#!/usr/bin/env python3
"""A loopback TCP socket that systemd hands over, for clients of the Confidential Containers' REST server.

usage: coco_tcp_test.py BUILD-DIR
"""
import http.client
import os
import pathlib
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import rig  # noqa: E402
import tap  # noqa: E402

BUILD = None
VALUE = b"by TCP"
RESOURCE = "/cdh/resource/default/db/password"
PASSING = 'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES={name} exec "$@" 3<&0 </dev/null'


class TcpRig(rig.Rig):
    """A listener of kind "coco" on a TCP socket, which stands in the place of systemd's."""

    def __init__(self, address="127.0.0.1", rules=None, **listener):
        super().__init__(BUILD)
        self.rules = [{"socket": "tcp"}] if rules is None else rules
        self.listener = {"name": "tcp", "kind": "coco", "loopback_tcp": True, **listener}
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.tcp = socket.socket(family, socket.SOCK_STREAM)
        self.tcp.bind((address, 0))
        self.tcp.listen(16)
        self.port = self.tcp.getsockname()[1]
        self.name = "tcp"

    def __exit__(self, *exception):
        self.tcp.close()
        super().__exit__(*exception)

    def config(self):
        made = super().config()
        made["listeners"].append(self.listener)
        made["workloads"]["tcp"] = {"match": self.rules}
        made["secrets"]["database"] = {"source": "store", "resource": "default/db/password", "allow": ["tcp"],
                                       "test": True}
        made["secrets"]["apps"] = {"source": "store", "resource": "default/db/apps", "allow": ["app"], "test": True}
        made["limits"] = {"connections_per_uid": 8}
        return made

    def command(self):
        return ["sh", "-c", PASSING.format(name=self.name), "sh", str(self.program("attestd")), "--config",
                str(self.config_file)]

    def start_daemon(self, *more):
        log = self.new_log("attestd")
        with open(log, "xb") as out:
            child = subprocess.Popen(self.command(), stdin=self.tcp.fileno(), stdout=out, stderr=subprocess.STDOUT)
        self.daemon = rig.Process.__new__(rig.Process)
        self.daemon.log, self.daemon.child = log, child
        rig.wait_until("attestd listens", lambda: self.answers() or not self.daemon.running())
        assert self.daemon.running(), self.daemon.output

    def start(self):
        super().start()
        self.put("database", VALUE)
        self.put("apps", b"another's")

    def get(self, target, source=None, method="GET", host="127.0.0.1"):
        connection = http.client.HTTPConnection(host, self.port, timeout=20, source_address=source)
        try:
            connection.request(method, target)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def refused_to_start(self):
        self.start_machine()
        self.write_config()
        self.state.mkdir(mode=0o700, exist_ok=True)
        return subprocess.run(self.command(), stdin=self.tcp.fileno(), capture_output=True, text=True, timeout=60)


def local_address():
    """an address of this machine that is not loopback"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            raise tap.Skip("this machine has no address but loopback") from None
        return probe.getsockname()[0]


def test_resource_over_tcp():
    """what the rule by socket allows comes over TCP, what it does not stays; the record says from where"""
    with TcpRig().begun() as r:
        for _ in range(3):
            assert r.get(RESOURCE) == (200, VALUE)
        status, body = r.get("/cdh/resource/default/db/apps")
        assert status == 404 and b"another" not in body, (status, body)
        assert r.get("/v1/secrets/database")[0] == 404 and r.get("/info")[0] == 200
        assert r.get("/aa/token?token_type=kbs")[0] == 404
        record = [e for e in r.audit_records() if e["decision"] == "allow" and e.get("object") == "database"][-1]
        assert record["tcp_address"].startswith("127.0.0.1:") and record["socket"] == "tcp", record
        assert not {"uid", "pid", "unit"} & set(record), record


def test_many_requests_on_one_connection():
    """a connection is kept, and a body is read"""
    with TcpRig().begun() as r:
        connection = http.client.HTTPConnection("127.0.0.1", r.port, timeout=20)
        for method in ("GET", "POST", "PUT"):
            connection.request(method, RESOURCE, body=b"x" * 100 if method != "GET" else None)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, VALUE), method
        connection.close()


def test_ipv6():
    """the same on ::1"""
    with TcpRig("::1").begun() as r:
        assert r.get(RESOURCE, host="::1") == (200, VALUE)


def test_other_peers():
    """who calls from an address that is not loopback is turned away with 403"""
    with TcpRig().begun() as r:
        try:
            status, body = r.get(RESOURCE, source=(local_address(), 0))
        except OSError as error:
            raise tap.Skip(f"such a connection cannot be made here: {error}") from error
        assert status == 403 and VALUE not in body, (status, body)
        denied = [e for e in r.audit_records() if e["method"] == "connect"]
        assert denied and denied[-1]["reason"] == "caller.unknown", denied


def test_rules_for_nobody():
    """a rule with another selector is refused where it names the socket, and never matches where it does not"""
    with TcpRig(rules=[{"socket": "tcp", "uid": os.getuid()}]) as r:
        r.start_machine()
        done = r.check()
        assert done.returncode == 1 and "names no caller" in done.stdout + done.stderr, done
    with TcpRig(rules=[{"uid": os.getuid()}, {"uid": 4294967294}]).begun() as r:
        assert r.get(RESOURCE)[0] == 404


def test_bound_elsewhere():
    """a socket on every address is refused at the start, and the error says why"""
    with TcpRig("0.0.0.0") as r:
        done = r.refused_to_start()
        said = done.stdout + done.stderr
        assert done.returncode == 1 and "is bound to 0.0.0.0:" in said, done


def test_not_handed_over():
    """without a socket of that name attestd does not start; nor does a TCP socket pass for a Unix one"""
    with TcpRig() as r:
        r.name = "another"
        done = r.refused_to_start()
        assert done.returncode == 1 and "systemd passed no socket of that name" in done.stdout + done.stderr, done
    with TcpRig(loopback_tcp=False, path="/tmp/nowhere/coco.sock") as r:
        done = r.refused_to_start()
        assert done.returncode == 1 and "is no listening Unix stream socket" in done.stdout + done.stderr, done


def test_limits():
    """all who call over TCP share what one user has; others are served"""
    with TcpRig().begun() as r:
        held = [socket.create_connection(("127.0.0.1", r.port)) for _ in range(8)]
        rig.wait_until("they are taken", lambda: sum(
            one["socket"] == "tcp" for one in r.ask("admin", "GET", "/v1/admin/sessions").json["connections"]) == 8)
        assert r.get(RESOURCE)[0] == 503
        assert r.ask("app", "GET", "/v1/health").status == 200
        for one in held:
            one.close()
        rig.wait_until("there is room again", lambda: r.get(RESOURCE) == (200, VALUE))


def main():
    global BUILD
    BUILD = sys.argv[-1]
    return tap.run([f for name, f in globals().items() if name.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
