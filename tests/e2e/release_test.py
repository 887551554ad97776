#!/usr/bin/env python3
"""The real attestd on an emulated machine: who gets which secret, when, and when no longer.

usage: release_test.py BUILD-DIR
"""
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import rig  # noqa: E402
import tap  # noqa: E402

VALUE = b"correct horse battery staple\x00\xff"
BUILD = None


def started(max_age="10m"):
    """a daemon that is affirming and holds both secrets"""
    made = rig.Rig(BUILD, max_age)
    try:
        made.start()
        made.put("db/password", VALUE)
        made.put("other/token", b"token")
    except BaseException:
        if made.daemon is not None:
            print(made.daemon.output, file=sys.stderr)
        made.__exit__()
        raise
    return made


def test_release():
    """a workload that policy names gets the secret's bytes, with its version and nothing to cache"""
    with started() as r:
        answer = r.get("app", "db/password")
        assert (answer.status, answer.body) == (200, VALUE), (answer.status, answer.body)
        assert answer.headers["content-type"] == "application/octet-stream", answer.headers
        assert answer.headers["etag"] == '"1"', answer.headers
        assert "no-store" in answer.headers.get("cache-control", ""), answer.headers
        known = r.ask("app", "GET", "/v1/secrets/db/password", headers={"If-None-Match": '"1"'})
        assert (known.status, known.body) == (304, b""), (known.status, known.body)


class Raw:
    """one connection, and what goes over it to the byte"""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(str(path))
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.socket.close()

    def more(self):
        received = self.socket.recv(65536)
        self.rest += received
        return received

    def answer(self):
        while b"\r\n\r\n" not in self.rest:
            assert self.more(), self.rest
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        status, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        length = int(headers.get("content-length", 0))
        while len(self.rest) < length:
            assert self.more(), self.rest
        body, self.rest = self.rest[:length], self.rest[length:]
        return int(status.split()[1]), body, headers

    def ask(self, *pieces):
        for piece in pieces:
            self.socket.sendall(piece)
        return self.answer()


def test_same_question():
    """the same question on one connection has the same answer, however it comes, and one that is like it has its own"""
    question = b"GET /v1/secrets/db/password HTTP/1.1\r\nHost: attestd\r\n\r\n"
    with started() as r, Raw(r.socket("app")) as c:
        def is_given(answer, value=VALUE, version='"1"'):
            assert answer[:2] == (200, value) and answer[2]["etag"] == version, answer
        for _ in range(3):
            is_given(c.ask(question))
        for at in (1, 20, len(question) - 2, len(question) - 1):
            is_given(c.ask(question[:at], question[at:]))
        c.socket.sendall(question * 3 + question[:10])
        for _ in range(3):
            is_given(c.answer())
        is_given(c.ask(question[10:]))
        known = c.ask(question[:-2] + b'If-None-Match: "1"\r\n\r\n')
        assert known[:2] == (304, b""), known
        is_given(c.ask(question))
        assert c.ask(question.replace(b"password", b"passwor"))[0] == 404
        assert c.ask(question.replace(b"GET", b"PUT"))[0] == 405
        is_given(c.ask(question))
        r.put("db/password", b"another")
        is_given(c.ask(question), b"another", '"2"')
        is_given(c.ask(question), b"another", '"2"')
        is_given(c.ask(question[:-2] + b"Connection: close\r\n\r\n"), b"another", '"2"')
        assert c.more() == b"", c.rest


def test_curl():
    """one plain curl is all that a workload needs"""
    if not shutil.which("curl"):
        raise tap.Skip("curl is not there")
    with started() as r:
        done = subprocess.run(["curl", "--silent", "--fail", "--unix-socket", r.socket("app"),
                               "http://attestd/v1/secrets/db/password"], capture_output=True, timeout=30)
        assert (done.returncode, done.stdout) == (0, VALUE), done


def test_refusal_tells_nothing():
    """a name that is not allowed and a name that does not exist get the same answer, byte for byte"""
    with started() as r:
        refused, unknown = r.get("app", "other/token"), r.get("app", "no/such/name")
        assert refused.status == 404 and refused.code == "secret.unavailable", refused.body
        assert refused.body == unknown.body, (refused.body, unknown.body)
        volatile = {"date"}
        seen = [{k: v for k, v in a.headers.items() if k not in volatile} for a in (refused, unknown)]
        assert seen[0] == seen[1], seen
        assert r.get("other", "other/token").body == b"token"  # it is there, for whom it is meant


def test_listener_separates():
    """two listeners separate two workloads of one user"""
    with started() as r:
        assert r.get("other", "db/password").status == 404
        assert r.get("app", "db/password").status == 200


def test_audit_of_each():
    """each release and each refusal stands in the audit log, with the workload, and never the value"""
    with started() as r:
        assert r.get("app", "db/password").status == 200
        released = gets_recorded(r)  # written before the answer, so it is there without waiting
        assert [row["decision"] for row in released] == ["allow"] and "app" in json.dumps(released), released
        assert r.get("other", "db/password").status == 404
        both = rig.wait_until("the refusal is recorded", lambda: len(gets_recorded(r)) == 2 and gets_recorded(r))
        assert both[1]["decision"] == "deny", both
        assert VALUE[:20] not in r.audit.read_bytes()


def gets_recorded(r):
    return [row for row in r.audit_records()
            if row.get("method") == "GET /v1/secrets" and row.get("object") == "db/password"]


def test_audit_before_release():
    """when the audit log cannot be written, nothing is released"""
    if not on_own_mounts():
        raise tap.Skip("mounting a small tmpfs is not allowed here")
    done = subprocess.run([*own_mounts(), sys.executable, __file__, "--full-disk", str(BUILD)],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def own_mounts():
    return ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--mount", "--map-root-user"]


def on_own_mounts():
    done = subprocess.run([*own_mounts(), "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/mnt"],
                          capture_output=True)
    return done.returncode == 0


def full_disk_inside():
    """runs within mounts of its own: fills the file system on which the audit log lies"""
    made = rig.Rig(BUILD)
    made.state.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=0700", "tmpfs", made.state], check=True)
    try:
        made.start_machine()
        config = made.config()
        config["limits"] = {"requests": {"per_second": 1000000, "burst": 1000000}}
        made.write_config(config)
        made.start_daemon()
        made.wait_healthy()
        made.put("db/password", VALUE)
        released = fill_and_ask(made)
        recorded = sum(row["decision"] == "allow" for row in gets_recorded(made))
        assert recorded >= released, f"{released} releases, {recorded} records"
        (made.state / "filler").unlink()
        rig.wait_until("releases go on when there is room",
                       lambda: made.get("app", "db/password").status == 200)
    finally:
        print(made.daemon.output if made.daemon else "", file=sys.stderr)
        # First the mount: the folder below it cannot be removed while it is there.
        subprocess.run(["umount", "-l", made.state], check=False)
        made.__exit__()


def fill_and_ask(made):
    """fills the disk, asks until the space that the log took ahead is used up; how often it was released"""
    with open(made.state / "filler", "wb", buffering=0) as filler:
        size = 65536
        while size:
            try:
                filler.write(b"x" * size)
            except OSError:
                size //= 2
    connection = rig.UnixConnection(made.socket("app"), timeout=60)
    for released in range(20000):
        connection.request("GET", "/v1/secrets/db/password")
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            assert VALUE not in body and answer.status in (500, 503, 507), (answer.status, body)
            assert json.loads(body)["code"] == "audit.failed", body
            return released
    raise AssertionError("20000 releases on a full disk")


def test_audit_chain():
    """the audit log's chain verifies, and a changed record is found"""
    with started() as r:
        for _ in range(5):
            r.get("app", "db/password")
        assert r.daemon.stop() == 0
        if b"audit" not in r.attestctl("--help").stdout:
            raise tap.Skip("this attestctl has no `audit verify`")
        good = r.attestctl("audit", "verify", r.audit)
        assert good.returncode == 0, good
        changed = r.folder / "changed.jsonl"
        changed.write_bytes(r.audit.read_bytes().replace(b"db/password", b"db/passw0rd", 1))
        assert r.attestctl("audit", "verify", changed).returncode == 1
        missing = r.folder / "missing.jsonl"
        lines = r.audit.read_bytes().splitlines(keepends=True)
        missing.write_bytes(b"".join(lines[:2] + lines[3:]))
        assert r.attestctl("audit", "verify", missing).returncode == 1


def test_debug_mode_ends_release():
    """a machine that turns to debug mode gets no secret any more, and status says why"""
    with started() as r:
        assert r.get("app", "db/password").status == 200
        r.control(debug=True)
        r.renew()
        rig.wait_until("the session is refused", lambda: r.ask("app", "GET", "/v1/health").status == 503)
        answer = r.get("app", "db/password")
        assert answer.status == 503 and VALUE not in answer.body, (answer.status, answer.body)
        assert answer.code == "session.not-affirming", answer.body
        assert r.get("app", "no/such/name").status == 404  # a refusal is still only for who is allowed
        session = r.ask("app", "GET", "/v1/status").json["session"]
        assert session["affirming"] is False and session["last_attempt"] == "refused", session
        assert "debug" in json.dumps(session), session
        r.control(debug=False)
        r.renew()
        rig.wait_until("the session is affirming again", lambda: r.get("app", "db/password").status == 200)


def test_outage_until_expiry():
    """a platform that cannot be reached ends nothing before the result expires, and everything then"""
    with started(max_age="6s") as r:
        r.control(fail="error")
        begun = time.monotonic()
        answer = r.get("app", "db/password")
        assert answer.status == 200, answer.body
        rig.wait_until("the result expires", lambda: r.get("app", "db/password").status == 503)
        assert time.monotonic() - begun < 12, "served for longer than the result's life"
        r.control(fail="none")
        rig.wait_until("the session recovers", lambda: r.get("app", "db/password").status == 200, seconds=60)


def test_machine_gone():
    """a platform that dies and comes back is waited for"""
    with started(max_age="4s") as r:
        r.devsim.stop(signal.SIGKILL)
        rig.wait_until("the result expires", lambda: r.get("app", "db/password").status == 503)
        r.start_machine()
        rig.wait_until("the session recovers", lambda: r.get("app", "db/password").status == 200, seconds=60)


def test_clean_end():
    """SIGTERM ends the daemon with status 0, and its sockets accept nobody"""
    with started() as r:
        assert r.daemon.stop(signal.SIGTERM) == 0, r.daemon.output
        assert "daemon.stopped" in r.daemon.output, r.daemon.output
        assert not r.answers()


def test_restart_keeps_secrets():
    """secrets outlive a restart, and a kill -9"""
    with started() as r:
        assert r.daemon.stop(signal.SIGTERM) == 0
        r.start_daemon()
        r.wait_healthy()
        assert r.get("app", "db/password").body == VALUE
        r.put("db/password", b"second")
        r.daemon.stop(signal.SIGKILL)
        r.start_daemon()
        r.wait_healthy()
        answer = r.get("app", "db/password")
        assert (answer.body, answer.headers["etag"]) == (b"second", '"2"'), (answer.body, answer.headers)


def test_store_is_sealed():
    """no file of the daemon holds a secret's bytes"""
    with started() as r:
        assert r.daemon.stop() == 0
        files = [p for p in r.state.rglob("*") if p.is_file()]
        assert files
        for file in files:
            assert VALUE[:20] not in file.read_bytes(), file


def test_other_machine_cannot_open():
    """the store of one machine does not open on another"""
    with started() as r:
        assert r.daemon.stop() == 0
        r.devsim.stop()
        shutil.rmtree(r.machine_dir)  # another chip, another hierarchy
        r.start_machine()
        r.start_daemon()
        rig.wait_until("the session is affirming",
                       lambda: r.ask("app", "GET", "/v1/status").json["session"]["affirming"])
        answer = r.get("app", "db/password")
        assert answer.status not in (200, 404) and VALUE not in answer.body, (answer.status, answer.body)


def test_bad_reload():
    """a reload with a bad configuration keeps the old one, and says what is wrong"""
    with started() as r:
        before = r.ask("app", "GET", "/v1/status").json["config"]["sha256"]
        bad = r.config()
        bad["secrets"]["db/password"]["alow"] = ["other"]
        r.write_config(bad)
        answer = r.ask("admin", "POST", "/v1/admin/reload")
        assert answer.status >= 400 and b"alow" in answer.body, (answer.status, answer.body)
        r.daemon.child.send_signal(signal.SIGHUP)
        rig.wait_until("the log tells", lambda: "alow" in r.daemon.output)
        assert r.get("app", "db/password").body == VALUE
        assert r.get("other", "db/password").status == 404
        assert r.ask("app", "GET", "/v1/status").json["config"]["sha256"] == before


def test_reload_takes_grants_away():
    """a reload that takes a grant away ends it at once, also on a connection that is open"""
    with started() as r:
        open_connection = rig.UnixConnection(r.socket("app"))
        open_connection.request("GET", "/v1/secrets/db/password")
        assert open_connection.getresponse().read() == VALUE
        narrower = r.config()
        narrower["secrets"]["db/password"]["allow"] = ["other"]
        r.write_config(narrower)
        assert r.ask("admin", "POST", "/v1/admin/reload").status == 200
        open_connection.request("GET", "/v1/secrets/db/password")
        answer = open_connection.getresponse()
        assert answer.status == 404 and VALUE not in answer.read()
        open_connection.close()
        rig.wait_until("the other gets it", lambda: r.get("other", "db/password").body == VALUE)


def test_refuses_to_start():
    """a configuration that says something unknown is refused at start with file, line and key"""
    with rig.Rig(BUILD) as r:
        r.start_machine()
        bad = r.config()
        bad["verifer"] = bad.pop("verifier")
        r.write_config(bad)
        done = subprocess.run([r.program("attestd"), "--config", r.config_file], capture_output=True, text=True,
                              timeout=30)
        assert done.returncode == 1, done
        assert "attestd.json" in done.stderr + done.stdout and "verifier" in done.stderr + done.stdout, done


def test_test_grade_releases_test_secrets_only():
    """a result that rests on an added trust anchor releases no secret that is not marked as a test's"""
    with started() as r:
        config = r.config()
        del config["secrets"]["db/password"]["test"]
        r.write_config(config)
        r.ask("admin", "POST", "/v1/admin/reload")
        rig.wait_until("the policy is in force", lambda: r.get("app", "db/password").status != 200)
        rig.wait_until("the session is affirming",
                       lambda: r.ask("app", "GET", "/v1/status").json["session"].get("grade") == "test")
        answer = r.get("app", "db/password")
        assert answer.status != 200 and VALUE not in answer.body, (answer.status, answer.body)


def test_wait_for_change():
    """?wait= answers when the secret changes, and 304 when it does not"""
    with started() as r:
        same = r.ask("app", "GET", "/v1/secrets/db/password?wait=1", headers={"If-None-Match": '"1"'})
        assert same.status == 304, same.status
        waiting = rig.UnixConnection(r.socket("app"), timeout=30)
        waiting.request("GET", "/v1/secrets/db/password?wait=20", headers={"If-None-Match": '"1"'})
        time.sleep(0.3)
        r.put("db/password", b"changed")
        answer = waiting.getresponse()
        assert (answer.status, answer.read()) == (200, b"changed")
        waiting.close()


def test_admin_is_separate():
    """the workloads' sockets take no administrator's request"""
    with started() as r:
        for method, target in (("PUT", "/v1/admin/secrets/db/password"), ("POST", "/v1/admin/reload"),
                               ("DELETE", "/v1/admin/secrets/db/password"), ("GET", "/metrics")):
            answer = r.ask("app", method, target, b"x" if method == "PUT" else None)
            assert answer.status in (403, 404, 405), (method, target, answer.status)
        assert r.get("app", "db/password").body == VALUE


def test_wrong_method():
    """a path that exists says so to a method that it does not take"""
    with started() as r:
        for method, target in (("POST", "/v1/secrets/db/password"), ("GET", "/v1/evidence"), ("DELETE", "/v1/status")):
            answer = r.ask("app", method, target)
            assert answer.status == 405, (method, target, answer.status)
            assert answer.json["code"] == "request.not-allowed", answer.json


def test_evidence_for_workloads():
    """evidence for a workload carries the report data that binds its id, and verifies"""
    with started() as r:
        answer = r.ask("app", "POST", "/v1/evidence", json.dumps({"report_data": "00ff"}),
                       {"Content-Type": "application/json"})
        assert answer.status == 200, (answer.status, answer.body)
        said = json.dumps(answer.json)

        label = b"attestd workload evidence v1\x00"
        data = bytes.fromhex("00ff")
        bound = hashlib.sha512(label + (3).to_bytes(4, "big") + b"app" + len(data).to_bytes(4, "big") + data)
        assert bound.hexdigest() in said, said[:300]


def main():
    global BUILD
    args = sys.argv[1:]
    inside = args[:1] == ["--full-disk"]
    BUILD = args[-1]
    if inside:
        return full_disk_inside() or 0
    return tap.run([f for name, f in globals().items() if name.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
