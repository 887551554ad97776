#!/usr/bin/env python3
"""The paths of the Confidential Containers' REST server, for clients that speak nothing else.

usage: coco_test.py BUILD-DIR
"""
import base64
import json
import os
import pathlib
import shutil
import socket
import sys
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import events_test  # noqa: E402
import fetch_test  # noqa: E402
import kbs_rig  # noqa: E402
import rig  # noqa: E402
import tap  # noqa: E402

BUILD = None
VALUE = b"kept under the name that CoCo clients ask for\x00\xff"
RESOURCE = "/cdh/resource/default/db/password"
PROXY = "/lib/systemd/systemd-socket-proxyd"
JSON = {"Content-Type": "application/json"}


class CocoRig(rig.Rig):
    """Two more listeners, of the kind "coco": one that says what fails, one that says it as the original does."""

    raw = False
    limits = {}

    def start(self):
        super().start()
        self.put("database", VALUE)
        self.put("foreign", b"another's")

    def config(self):
        made = super().config()
        made["listeners"] += [
            {"name": "coco", "path": str(self.socket("coco")), "kind": "coco"},
            {"name": "strict", "path": str(self.socket("strict")), "kind": "coco", "coco_strict_status": True}]
        match = made["workloads"]["app"]["match"]
        made["workloads"]["app"]["match"] = match + [{**match[0], "socket": name} for name in ("coco", "strict")]
        if self.raw:
            made["workloads"]["app"].update({"raw_evidence": True, "raw_is_full_identity": True})
        made["secrets"]["database"] = {"source": "store", "resource": "default/db/password", "allow": ["app"],
                                       "test": True}
        # Another's secret of the same name at its source, which policy lists first.
        made["secrets"]["a/database"] = {"source": "second", "resource": "default/db/password", "allow": ["other"],
                                         "test": True}
        made["sources"]["second"] = {"type": "store", "path": str(self.folder / "second"), "measured_image": True}
        made["limits"] = self.limits
        made["secrets"]["foreign"] = {"source": "store", "resource": "default/db/foreign", "allow": ["other"],
                                      "test": True}
        return made


def ask(r, listener, method, target, body=None, headers=None):
    """the answer of a listener whose paths are not attestd's own: openapi.json does not describe them"""
    return rig.request(r.socket(listener), method, target, body, headers)


def started(raw=False, limits=None):
    made = CocoRig(BUILD)
    made.raw, made.limits = raw, limits or {}
    return made.begun()


def test_resource():
    """a secret is had by what it is called at its source, by whoever policy allows, with any method"""
    with started() as r:
        for method in ("GET", "POST", "PUT"):
            answer = ask(r, "coco", method, RESOURCE)
            assert (answer.status, answer.body) == (200, VALUE), (method, answer.status, answer.body)
            assert answer.headers["content-type"] == "application/octet-stream", answer.headers
        released = [e for e in r.audit_records() if e["decision"] == "allow" and e["socket"] == "coco"]
        assert [e["object"] for e in released] == ["database"] * 3, released


def test_denied():
    """what is another's, what is not there and what is no name are one answer, and recorded"""
    with started(limits={"failures": {"per_minute": 1000, "burst": 1000}}) as r:
        for path in ("default/db/foreign", "default/db/nothing", "database", "a", "../database", "%64atabase"):
            answer = ask(r, "coco", "GET", f"/cdh/resource/{path}")
            assert answer.status == 404 and answer.code == "secret.unavailable", (path, answer.status, answer.body)
            same = ask(r, "strict", "GET", f"/cdh/resource/{path}")
            assert same.status == 500 and same.headers["content-type"] == "text/plain", (path, same.status)
            assert b"another's" not in answer.body + same.body
        denied = [e for e in r.audit_records() if e["decision"] == "deny"]
        assert len(denied) >= 2, denied


def test_guesser_is_locked_out():
    """who guesses is locked out here as everywhere; who may have one of several of a name never is"""
    with started() as r:
        for _ in range(20):
            assert ask(r, "coco", "GET", RESOURCE).body == VALUE
        guesses = [ask(r, "coco", "GET", f"/cdh/resource/default/guess/{i}").status for i in range(8)]
        assert guesses[0] == 404 and guesses[-1] == 429, guesses


def test_not_affirming():
    """a machine that does not deserve it any more gives nothing here either"""
    with started() as r:
        assert ask(r, "coco", "GET", RESOURCE).status == 200
        r.control(debug=True)
        r.renew()
        rig.wait_until("not affirming", lambda: r.ask("app", "GET", "/v1/health").status == 503)
        assert ask(r, "coco", "GET", RESOURCE).status == 503
        assert ask(r, "strict", "GET", RESOURCE).status == 500


def test_other_paths():
    """the other paths answer as the original's, and those of attestd are not here"""
    with started() as r:
        rows = [("GET", "/", 404), ("OPTIONS", RESOURCE, 404), ("GET", "/v1/secrets/database", 404), ("GET", "/v1/status", 404),
                ("POST", "/aa/evidence?runtime_data=x", 404), ("GET", "/aa/aael", 404), ("PUT", "/aa/token", 404),
                ("GET", "/aa/evidence", 400), ("GET", "/aa/evidence?runtime_data=x&encoding=hex", 400),
                ("GET", "/aa/additional-evidence", 400), ("GET", "/aa/token", 400),
                ("GET", "/aa/token?token_type=other", 400), ("POST", "/info", 405)]
        for method, path, status in rows:
            answer = ask(r, "coco", method, path)
            assert answer.status == status, (method, path, answer.status, answer.body)
        assert ask(r, "coco", "GET", "/v1/secrets/database").body == b"URL NOT FOUND"
        assert r.ask("app", "GET", RESOURCE).status == 404  # nor are these anywhere else
        info = ask(r, "coco", "GET", "/info").json
        assert info["tee"] == "snp" and info["feature"] == "all" and info["version"], info


def evidence(r, text, listener="coco", **more):
    query = urllib.parse.urlencode({"runtime_data": text, **more})
    return ask(r, listener, "GET", f"/aa/evidence?{query}")


def test_evidence_by_policy_alone():
    """evidence with bytes of the caller's own, unhashed, is a grant of policy"""
    with started() as r:
        assert evidence(r, "nonce").status == 404
        assert evidence(r, "nonce", "strict").status == 500
    with started(raw=True) as r:
        for text, want in (("nonce", b"nonce"), ("a b+c", b"a b+c"), ("n" * 64, b"n" * 64)):
            answer = evidence(r, text)
            assert answer.status == 200, (answer.status, answer.body)
            assert answer.headers["content-type"] == "application/octet-stream"
            report = answer.json["attestation_report"]
            carried = bytes(report["report_data"])
            assert carried == want.ljust(64, b"\x00"), carried
        encoded = base64.urlsafe_b64encode(b"\xff\x00\xfe").rstrip(b"=").decode()
        answer = evidence(r, encoded, encoding="base64")
        assert bytes(answer.json["attestation_report"]["report_data"])[:3] == b"\xff\x00\xfe"
        assert evidence(r, "n" * 65).status == 413
        assert evidence(r, "n" * 65, "strict").status == 500
        assert evidence(r, "$", encoding="base64").status == 400
        none = ask(r, "coco", "GET", "/aa/additional-evidence?runtime_data=x")
        assert (none.status, none.body) == (200, b""), none.body


class CocoEvents(events_test.EventRig):
    """An emulated TDX guest with a listener of the kind "coco"."""

    def config(self):
        made = super().config()
        made["listeners"].append({"name": "coco", "path": str(self.socket("coco")), "kind": "coco"})
        match = made["workloads"]["app"]["match"]
        made["workloads"]["app"]["match"] = match + [{**match[0], "socket": "coco"}]
        return made


def test_event():
    """an event is measured in the workload's own name, with the domain that was asked for in its content"""
    events_test.device_rig.need_fuse()
    with CocoEvents(None, "none").begun() as r:
        before = r.rtmr3()
        body = {"domain": "github.com/confidential-containers", "operation": "PullImage", "content": '{"image":"a"}'}
        answer = ask(r, "coco", "POST", "/aa/aael", json.dumps(body), JSON)
        assert (answer.status, answer.body) == (200, b'{"success":"true"}'), (answer.status, answer.body)
        assert r.rtmr3() == events_test.extended(before, "workload/app", "PullImage",
                                                 'github.com/confidential-containers {"image":"a"}')
        for bad in ({**body, "operation": "two words"}, {**body, "more": 1}, {"domain": "d"}, []):
            assert ask(r, "coco", "POST", "/aa/aael", json.dumps(bad), JSON).status == 400, bad


def test_event_without_a_register():
    """a machine without the register says so in the original's words"""
    with started() as r:
        config = r.config()
        config["workloads"]["app"]["events"] = True
        r.write_config(config)
        assert r.ask("admin", "POST", "/v1/admin/reload").status == 200
        body = json.dumps({"domain": "d", "operation": "o", "content": "c"})
        answer = ask(r, "coco", "POST", "/aa/aael", body, JSON)
        assert (answer.status, answer.body) == (
            200, b'{"success":"false","message": "The platform does not support runtime measurement"}'), answer.body


def test_from_a_broker():
    """a broker's resource is had by its path, and the broker's refusals are told apart"""
    with kbs_rig.made() as r:
        base = r.config

        def config():
            made = base()
            made["listeners"].append({"name": "coco", "path": str(r.socket("coco")), "kind": "coco"})
            match = made["workloads"]["app"]["match"]
            made["workloads"]["app"]["match"] = match + [{**match[0], "socket": "coco"}]
            return made

        r.config = config
        r.add("good")
        r.add("refusing", resource="default/db/other").denies = True
        r.start()
        assert ask(r, "coco", "GET", f"/cdh/resource/{kbs_rig.RESOURCE}").body == kbs_rig.VALUE
        assert ask(r, "coco", "GET", "/cdh/resource/default/db/other").status == 403


def inodes(pid, table):
    """of the sockets in a table of /proc/PID/net"""
    column = 6 if table == "unix" else 9
    rows = pathlib.Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
    return {row.split()[column] for row in rows}


def test_loopback():
    """behind systemd's socket proxy a client has it over loopback TCP, and attestd opens no such socket"""
    if not pathlib.Path(PROXY).exists() or shutil.which("systemd-socket-activate") is None:
        raise tap.Skip("systemd-socket-proxyd is not there")
    with started() as r:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        proxy = rig.Process(r.new_log("proxy"), ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", PROXY,
                                                 r.socket("coco")])
        try:
            rig.wait_until("the proxy listens", lambda: "Listening" in proxy.output or not proxy.running())
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{RESOURCE}", timeout=20) as answer:
                assert answer.read() == VALUE
        finally:
            proxy.stop()
        pid = r.daemon.child.pid
        links = [os.readlink(link) for link in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
        own = {link[8:-1] for link in links if link.startswith("socket:[")}
        assert own & inodes(pid, "unix"), links  # that such a number would be found
        assert not own & (inodes(pid, "tcp") | inodes(pid, "tcp6") | inodes(pid, "udp") | inodes(pid, "udp6")), links


def main():
    global BUILD
    BUILD = sys.argv[-1]
    events_test.device_rig.BUILD = fetch_test.BUILD = pathlib.Path(BUILD).resolve()
    return tap.run([f for name, f in globals().items() if name.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
