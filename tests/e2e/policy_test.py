#!/usr/bin/env python3
"""Release policy on the real attestd: conditions, explanations, dry runs, drop-ins, reload and binding.

usage: policy_test.py BUILD-DIR
"""
import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import rig  # noqa: E402
import tap  # noqa: E402

VALUE = b"correct horse battery staple"
BUILD = None


class PolicyRig(rig.Rig):
    """a daemon whose configuration a test changes before it starts"""

    def __init__(self, change=lambda config: None, max_age="10m", tee="snp"):
        super().__init__(BUILD, max_age)
        self.change, self.tee = change, tee

    def config(self):
        out = super().config()
        if self.tee == "tdx":  # no derived keys: an operator's key closes the store
            out["sources"]["store"] = {"type": "store", "recovery_key": str(self.folder / "operator.key.pub")}
        self.change(out)
        return out

    def machine_command(self):
        command = super().machine_command()
        command[command.index("--tee") + 1] = self.tee
        return command

    def appraisal_policy(self):
        if self.tee == "snp":
            return super().appraisal_policy()
        return {"tdx": dict(rig.ANY_TDX["tdx"])}

    def start(self):
        if self.tee == "tdx":
            done = self.attestctl("store", "recovery-key", self.folder / "operator.key")
            assert done.returncode == 0, done.stderr
        super().start()

    def started(self):
        try:
            self.start()
            self.put("db/password", VALUE)
            self.put("other/token", b"token")
        except BaseException:
            if self.daemon is not None:
                print(self.daemon.output, file=sys.stderr)
            self.__exit__()
            raise
        return self

    def reload(self, config=None):
        if config is not None:
            self.write_config(config)
        return self.ask("admin", "POST", "/v1/admin/reload")

    def policy(self, *args):
        done = self.attestctl("policy", *args, "--admin-socket", self.socket("admin"), "--json")
        try:
            return done.returncode, json.loads(done.stdout)
        except ValueError:
            return done.returncode, done.stderr.decode()

    def session(self):
        return self.ask("app", "GET", "/v1/status").json["session"]


def requiring(require, secret="db/password"):
    def change(config):
        config["secrets"][secret]["require"] = require
    return change


def test_claims():
    """a secret that asks for claims is released while the evidence makes them, and no longer"""
    with PolicyRig(requiring({"claims": {"measurement": "aa" * 48, "policy_debug": False}})) as r:
        r.start_machine()
        r.control(measurement="aa" * 48)
        r.write_config()
        r.state.mkdir(mode=0o700, exist_ok=True)
        r.start_daemon()
        r.wait_healthy()
        r.put("db/password", VALUE)
        r.put("other/token", b"token")
        assert r.get("app", "db/password").body == VALUE
        epoch = r.session()["epoch"]
        r.control(measurement="ab" * 48)
        r.renew()
        rig.wait_until("the session is renewed", lambda: r.session()["epoch"] > epoch and r.session()["affirming"])
        refused = r.get("app", "db/password")
        assert (refused.status, refused.code) == (503, "session.not-affirming"), (refused.status, refused.body)
        assert VALUE not in refused.body
        assert r.get("other", "other/token").body == b"token", "another secret asks for nothing"
        # Who would not be allowed anyway learns nothing of the platform.
        assert r.get("other", "db/password").status == 404
        denial = [line for line in r.audit_records() if "claim measurement is abab" in json.dumps(line)]
        assert denial, r.audit_records()[-3:]


def test_max_age():
    """evidence is renewed for a secret that asks for fresh one; in an outage it alone is not released"""
    with PolicyRig(requiring({"max_age": "3s"})).started() as r:
        until = time.monotonic() + 5
        attempts = set()
        while time.monotonic() < until:
            attempts.add(r.session()["epoch"])
            rig.wait_until("it is released again", lambda: r.get("app", "db/password").status == 200)
            time.sleep(0.1)
        assert len(attempts) > 1, "it was never renewed"
        r.control(fail="error")
        rig.wait_until("its evidence is too old", lambda: r.get("app", "db/password").status == 503)
        assert r.get("app", "db/password").code == "session.not-affirming"
        assert r.get("other", "other/token").status == 200, "the result itself has not expired"
        r.control(fail="none")
        rig.wait_until("it is released again", lambda: r.get("app", "db/password").status == 200)


def test_verifier_and_grade():
    """a secret that asks for another verifier is not released, one that asks for test grade is"""
    def change(config):
        config["secrets"]["db/password"]["require"] = {"verifier": ["ita", "maa"]}
        config["secrets"]["other/token"]["require"] = {"verifier": "local", "grade": "test"}
    with PolicyRig(change).started() as r:
        assert r.get("app", "db/password").status == 503
        assert r.get("other", "other/token").body == b"token"
        code, out = r.policy("explain", "--caller", os.getpid(), "--secret", "db/password", "--listener", "app")
        assert (code, out["reason"]) == (1, "verifier"), (code, out)


def test_explain():
    """explain says which rule matched, or came nearest and which selector of it fails"""
    with PolicyRig().started() as r:
        me = os.getpid()
        code, out = r.policy("explain", "--caller", me, "--secret", "db/password")
        assert (code, out["granted"], out["caller"]["listener"]) == (0, True, "app"), out
        assert out["nearest"]["workload"] == "app" and out["caller"]["listener_from"] == "assumed", out
        code, out = r.policy("explain", "--caller", me, "--secret", "db/password", "--listener", "other")
        assert (code, out["reason"]) == (1, "not-allowed"), out
        assert out["nearest"]["failed"] == [{"selector": "socket", "wanted": "app", "found": "other"}], out
        code, out = r.policy("explain", "--caller", me, "--secret", "no/such")
        assert (code, out["reason"]) == (1, "unknown-secret"), out
        connected = rig.UnixConnection(r.socket("other"))
        connected.request("GET", "/v1/health")
        connected.getresponse().read()
        code, out = r.policy("explain", "--caller", me, "--secret", "other/token")
        assert (code, out["caller"]["listener_from"]) == (0, "connection"), out
        connected.close()
        child = subprocess.Popen(["sleep", "60"])
        try:
            code, out = r.policy("explain", "--caller", child.pid, "--secret", "db/password")
            assert (code, out["caller"]["pid"]) == (0, child.pid), out
        finally:
            child.kill()
            child.wait()
        code, said = r.policy("explain", "--caller", child.pid, "--secret", "db/password")
        assert code == 2 and "caller.exited" in said, (code, said)
        human = r.attestctl("policy", "explain", "--caller", me, "--secret", "db/password",
                            "--admin-socket", r.socket("admin"))
        assert b"db/password: granted (granted)" in human.stdout, human
        # It tells names of secrets: the workloads' sockets do not have it.
        body = json.dumps({"pid": me, "secret": "db/password"})
        assert r.ask("app", "POST", "/v1/admin/explain", body).status == 404


def test_explain_without_a_result():
    """while nobody can say what the platform is worth, explain is undecided, and refused when it was refused"""
    with PolicyRig(max_age="2s").started() as r:
        r.control(fail="error")
        rig.wait_until("the result has expired", lambda: r.get("app", "db/password").status == 503)
        code, out = r.policy("explain", "--caller", os.getpid(), "--secret", "db/password", "--listener", "app")
        assert (code, out["reason"], out["session"]["affirming"]) == (3, "no-result", False), (code, out)
        r.control(fail="none", debug=True)
        r.renew()
        rig.wait_until("the platform is refused", lambda: r.session()["last_attempt"] == "refused")
        code, out = r.policy("explain", "--caller", os.getpid(), "--secret", "db/password", "--listener", "app")
        assert (code, out["reason"]) == (1, "no-result"), (code, out)


def test_check_live():
    """a dry run says who would gain and lose what, and applies nothing"""
    with PolicyRig().started() as r:
        connected = rig.UnixConnection(r.socket("app"))
        connected.request("GET", "/v1/secrets/db/password")
        assert connected.getresponse().read() == VALUE
        narrower = r.config()
        narrower["secrets"]["db/password"]["allow"] = ["other"]
        candidate = r.folder / "candidate.json"
        candidate.write_text(json.dumps(narrower))
        code, out = r.policy("check", candidate, "--live")
        assert code == 0 and out["valid"] and out["live"]["would_load"], (code, out)
        assert out["live"]["secrets"] == {"added": [], "removed": [], "changed": ["db/password"]}, out
        loses = [c["loses"] for c in out["live"]["callers"] if c["pid"] == os.getpid()]
        assert ["db/password"] in loses, out
        connected.request("GET", "/v1/secrets/db/password")
        assert connected.getresponse().read() == VALUE, "nothing was applied"
        connected.close()
        code, out = r.policy("check", r.config_file, "--live")
        assert code == 0 and out["live"]["same"] and out["live"]["callers"] == [], out
        moved = r.config()
        moved["listeners"].pop()
        moved["listeners"].append({"name": "admin", "path": "/elsewhere.sock", "kind": "admin"})
        candidate.write_text(json.dumps(moved))
        code, out = r.policy("check", candidate, "--live")
        assert code == 1 and "listeners changed" in out["live"]["why_not"], (code, out)
        narrower["secrets"]["db/password"]["alow"] = []
        candidate.write_text(json.dumps(narrower))
        answer = r.ask("admin", "POST", "/v1/admin/check", json.dumps({"config": str(candidate)}))
        assert answer.status == 400 and b"alow" in answer.body, answer.body
        assert r.get("app", "db/password").body == VALUE


def waiting_client(r, seconds=30):
    client = rig.UnixConnection(r.socket("app"), timeout=seconds + 15)
    client.request("GET", f"/v1/secrets/db/password?wait={seconds}", headers={"If-None-Match": '"1"'})
    pid = os.getpid()
    rig.wait_until("it waits", lambda: any(
        c["pid"] == pid and c["socket"] == "app"
        for c in r.ask("admin", "GET", "/v1/admin/sessions").json["connections"]))
    return client


def test_reload_while_waiting():
    """a reload that takes a grant away ends the wait for it, one that fails leaves it waiting"""
    with PolicyRig().started() as r:
        client = waiting_client(r)
        bad = r.config()
        bad["secrets"]["db/password"]["alow"] = []
        assert r.reload(bad).status == 400
        r.put("db/password", b"second")
        answer = client.getresponse()
        assert (answer.status, answer.read()) == (200, b"second"), "the old policy still serves"
        client.close()

        client = rig.UnixConnection(r.socket("app"), timeout=60)
        client.request("GET", "/v1/secrets/db/password?wait=40", headers={"If-None-Match": '"2"'})
        time.sleep(0.3)
        narrower = r.config()
        narrower["secrets"]["db/password"]["allow"] = ["other"]
        began = time.monotonic()
        assert r.reload(narrower).status == 200
        answer = client.getresponse()
        body = answer.read()
        assert answer.status == 404 and b"second" not in body, (answer.status, body)
        assert time.monotonic() - began < 30, "it was not woken"
        client.close()

        # A condition is judged again as well.
        stricter = r.config()
        stricter["secrets"]["db/password"]["require"] = {"claims": {"vmpl": 3}}
        assert r.reload(stricter).status == 200
        assert r.get("app", "db/password").status == 503


def test_drop_in():
    """a drop-in grants below its prefix; anything wrong with one keeps all of the old policy"""
    with PolicyRig() as r:
        folder = r.folder / "secrets.d"
        folder.mkdir(mode=0o755)
        r.change = lambda config: config.update(
            secrets_dir={"path": str(folder), "prefixes": {"team.json": "team/"}})
        r.started()
        drop_in = folder / "team.json"
        grant = {"source": "store", "allow": ["app"], "test": True}
        before = r.ask("app", "GET", "/v1/status").json["config"]["sha256"]

        drop_in.write_text(json.dumps({"secrets": {"team/a": grant}}))
        assert r.reload().status == 200
        r.put("team/a", b"of the team")
        assert r.get("app", "team/a").body == b"of the team"
        assert r.get("other", "team/a").status == 404
        assert r.ask("app", "GET", "/v1/status").json["config"]["sha256"] != before, "it is part of the digest"

        for text, words in ((json.dumps({"secrets": {"db/password": grant}}), "team.json:1"),
                            (json.dumps({"secrets": {"teamwork/a": grant}}), 'below \\"team/\\"'),
                            (json.dumps({"workloads": {}, "secrets": {}}), "workloads"),
                            ('{"secrets": {\n"team/a": {"source": "store",\n"allow": ["nobody"]}}}', "team.json:3")):
            drop_in.write_text(text)
            answer = r.reload()
            assert answer.status == 400 and words in answer.body.decode(), (words, answer.body)
            assert r.get("app", "team/a").body == b"of the team", "the old policy stays"
        drop_in.write_text(json.dumps({"secrets": {}}))
        drop_in.chmod(0o666)
        answer = r.reload()
        assert answer.status >= 400 and b"can be written by group or others" in answer.body, answer.body
        drop_in.chmod(0o644)
        (folder / "stray.json").write_text("{}")
        answer = r.reload()
        assert answer.status == 400 and b"stray.json" in answer.body, answer.body
        (folder / "stray.json").unlink()
        assert r.reload().status == 200
        assert r.get("app", "team/a").status == 404, "what the drop-in no longer grants is gone"


def digests(r):
    done = r.attestctl("policy", "check", "--json", r.config_file)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def bound(tee, binding, register, key):
    with PolicyRig(lambda config: config.update(config_binding=binding), tee=tee) as r:
        r.start_machine()
        if tee == "tdx":
            assert r.attestctl("store", "recovery-key", r.folder / "operator.key").returncode == 0
        r.write_config()
        r.state.mkdir(mode=0o700, exist_ok=True)
        r.control(**{register: digests(r)[key]})
        r.start_daemon()
        r.wait_healthy()
        r.put("db/password", VALUE)
        assert r.get("app", "db/password").body == VALUE
        config = r.ask("app", "GET", "/v1/status").json["config"]
        assert (config["binding"], config["bound"]) == (binding, True), config

        # The file on the disk changes: a reload is refused, and the daemon goes on as it was.
        changed = r.config()
        changed["secrets"]["db/password"]["allow"] = ["app", "other"]
        answer = r.reload(changed)
        assert answer.status == 503 and answer.code == "config.binding", (answer.status, answer.body)
        assert r.get("app", "db/password").body == VALUE
        assert r.get("other", "db/password").status == 404

        # Started with the changed file, it releases nothing and says why.
        r.daemon.stop()
        r.start_daemon()
        rig.wait_until("the platform is appraised", lambda: r.session()["affirming"])
        refused = r.get("app", "db/password")
        assert (refused.status, refused.code) == (503, "config.binding"), (refused.status, refused.body)
        evidence = r.ask("app", "POST", "/v1/evidence", json.dumps({"report_data": "00"}),
                         {"Content-Type": "application/json"})
        assert evidence.code == "config.binding", evidence.body
        health = r.ask("app", "GET", "/v1/health")
        assert health.status == 503 and register in health.json["detail"], health.body
        status = r.ask("app", "GET", "/v1/status").json
        assert status["config"]["bound"] is False, status["config"]
        assert any(digests(r)[key] in warning for warning in status["warnings"]), status["warnings"]

        # And with the right one it serves again.
        r.write_config()
        assert r.reload().status == 200
        if tee == "snp":  # on TDX it takes the operator's key to open the store again
            rig.wait_until("it serves again", lambda: r.get("app", "db/password").body == VALUE)
        assert r.ask("app", "GET", "/v1/status").json["config"]["bound"] is True


def test_required_binding():
    """told to require a binding, the daemon takes no configuration that asks for another, at start or reload"""
    with PolicyRig(lambda config: config.update(config_binding="image")) as r:
        r.start_machine()
        r.write_config()
        r.state.mkdir(mode=0o700, exist_ok=True)
        done = subprocess.run([r.program("attestd"), "--config", r.config_file, "--require-binding", "hostdata"],
                              capture_output=True, text=True, timeout=30)
        assert done.returncode == 1 and "--require-binding" in done.stdout + done.stderr, done
        assert "config.binding" in done.stdout + done.stderr, done
        r.start_daemon("--require-binding", "image")
        r.wait_healthy()
        weaker = r.config()
        weaker["config_binding"] = "none"
        answer = r.reload(weaker)
        assert answer.status == 400 and b"config_binding changed" in answer.body, answer.body


def test_binding_hostdata():
    """bound to HOST_DATA, only the configuration whose SHA-256 the SNP guest was launched with releases"""
    bound("snp", "hostdata", "host_data", "host_data")


def test_binding_mrconfigid():
    """bound to MRCONFIGID, only the configuration whose SHA-384 the TD was launched with releases"""
    bound("tdx", "mrconfigid", "mrconfigid", "mrconfigid")


def test_remote_slot():
    """a store opens by a secret of another source, once that source has it, and after a restart again"""
    def two_stores(config):
        config["sources"] = {
            "broker": {"type": "store", "measured_image": True},
            "main": {"type": "store", "remote_slot": {"source": "broker", "resource": "keys/main"}}}
        for secret in config["secrets"].values():
            secret["source"] = "main"
        config["secrets"]["keys/main"] = {"source": "broker", "allow": [], "test": True}
    with PolicyRig(two_stores) as r:
        r.start_machine()
        r.write_config()
        r.state.mkdir(mode=0o700, exist_ok=True)
        r.start_daemon()
        sources = lambda: r.ask("app", "GET", "/v1/status").json["sources"]
        rig.wait_until("the broker is open", lambda: sources()["broker"]["open"])
        rig.wait_until("the other waits for it", lambda: "remote slot" in sources()["main"].get("error", ""))
        assert not sources()["main"]["open"], sources()
        r.put("keys/main", b"short")
        rig.wait_until("what is no key is refused", lambda: "32 random bytes" in sources()["main"].get("error", ""))
        r.put("keys/main", os.urandom(32))
        rig.wait_until("the store is open", lambda: sources()["main"]["open"])
        r.wait_healthy()
        r.put("db/password", VALUE)
        assert r.get("app", "db/password").body == VALUE
        assert r.get("app", "keys/main").status == 404, "the key is attestd's own"
        slots = r.ask("admin", "GET", "/v1/admin/store/slots?source=main").json["slots"]
        assert [s["kind"] for s in slots] == ["remote"], slots
        assert slots[0]["detail"] == "secret keys/main of source broker", slots
        r.daemon.stop()
        r.start_daemon()
        rig.wait_until("it is released after a restart", lambda: r.get("app", "db/password").body == VALUE)

        # The key at its source is replaced: a slot for the new one, then the old one goes.
        r.put("keys/main", os.urandom(32))
        for change in (("add-slot", "remote"), ("drop-slot", "0")):
            done = r.attestctl("store", *change, "--source", "main", "--admin-socket", r.socket("admin"))
            assert done.returncode == 0, done
        refused = r.attestctl("store", "add-slot", "remote", "--source", "broker", "--admin-socket", r.socket("admin"))
        assert refused.returncode == 1 and b"remote_slot" in refused.stderr, refused
        r.daemon.stop()
        r.start_daemon()
        rig.wait_until("it opens by the new key", lambda: r.get("app", "db/password").body == VALUE)


def test_platform_changes():
    """measurement, chip or TCB change: the platform slot opens no more, recovery does, a new slot can be added"""
    for change in ({"measurement": "cc" * 48}, {"tcb": "outdated"}, "chip"):
        with PolicyRig(lambda config: config["sources"]["store"].update(
                recovery_key=str(r.folder / "operator.key.pub"))) as r:
            assert r.attestctl("store", "recovery-key", r.folder / "operator.key").returncode == 0
            r.started()
            r.daemon.stop()
            if change == "chip":
                r.devsim.stop()
                (r.machine_dir / "chip.secret").unlink()
                r.start_machine()
            else:
                r.control(**change)
            r.start_daemon()
            error = rig.wait_until("the store is refused", lambda: r.ask("app", "GET", "/v1/status").json["sources"]
                                   ["store"].get("error"))
            assert "store.locked" in error and "slot 0 (snp)" in error, (change, error)
            assert r.get("app", "db/password").status == 503
            r.daemon.stop()
            done = r.attestctl("store", "add-slot", "snp", "--store", r.state / "test" / "store", "--measured-image",
                               "--recovery-key", r.folder / "operator.key", "--platform",
                               f"external:{r.socket('platform')}")
            assert done.returncode == 0, (change, done)
            r.start_daemon()
            rig.wait_until("it is released again", lambda: r.get("app", "db/password").body == VALUE)


def test_rotate():
    """rotate makes a random value of a length and alphabet, or takes a new one; the old one is gone"""
    with PolicyRig().started() as r:
        def rotate(*args, stdin=None):
            return r.attestctl("secret", "rotate", "db/password", *args, "--admin-socket", r.socket("admin"),
                               stdin=stdin)
        assert rotate().returncode == 0
        first = r.get("app", "db/password")
        assert first.headers["etag"] == '"2"' and len(first.body) == len(VALUE) and first.body != VALUE
        assert rotate("--len", "40", "--alphabet", "alphanumeric").returncode == 0
        second = r.get("app", "db/password")
        assert second.headers["etag"] == '"3"' and len(second.body) == 40 and second.body.isalnum(), second.body
        assert rotate("--value", "-", stdin=b"by hand").returncode == 0
        assert r.get("app", "db/password").body == b"by hand"
        assert rotate("--len", "0").returncode != 0
        assert r.get("app", "db/password").headers["etag"] == '"4"'
        absent = r.attestctl("secret", "rotate", "other/absent", "--value", "-", "--admin-socket", r.socket("admin"),
                             stdin=b"x")
        assert absent.returncode == 1, absent


def main():
    global BUILD
    BUILD = sys.argv[-1]
    return tap.run([f for name, f in globals().items() if name.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
