#!/usr/bin/env python3
"""Measured boot and run-time events on an emulated TDX guest: what the log explains, and what policy pins.

usage: events_test.py BUILD-DIR
"""
import base64
import hashlib
import json
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import rig  # noqa: E402
import tap  # noqa: E402
import device_rig  # noqa: E402

JSON = {"Content-Type": "application/json"}
ANY = {"secure_boot": "any", "images": "any", "command_line": "any", "boot_commands": "any"}


class EventRig(device_rig.DeviceRig):
    """two workloads: app may have events measured, other may not; `event_log` goes into the policy"""

    def __init__(self, event_log=None, binding="none"):
        super().__init__("tdx", "configfs_tsm")
        self.event_log, self.binding = event_log, binding

    def machine_command(self):
        return [*super().machine_command(), "--fixed-log"]  # as real firmware's

    def config(self):
        config = super().config()
        config["workloads"]["app"]["events"] = True
        config["config_binding"] = self.binding
        config["limits"]["quotes"] = {"per_second": 1000, "burst": 1000}
        return config

    def appraisal_policy(self):
        policy = super().appraisal_policy()
        if self.event_log is not None:
            policy["event_log"] = self.event_log
        return policy

    def measure(self, operation, content="", listener="app"):
        return self.ask(listener, "POST", "/v1/events",
                        json.dumps({"operation": operation, "content": content}), JSON)

    def reload(self):
        return self.ask("admin", "POST", "/v1/admin/reload")

    def rtmr3(self):
        return (self.root / device_rig.MEASUREMENTS / "rtmr3:sha384").read_bytes().hex()

    def evidence(self, listener="app", **body):
        answer = self.ask(listener, "POST", "/v1/evidence", json.dumps(body), JSON)
        assert answer.status == 200, (answer.status, answer.body)
        return answer.json

    def log(self):
        answer = self.ask("app", "GET", "/v1/events")
        assert answer.status == 200, (answer.status, answer.body)
        file = self.folder / "runtime.log"
        file.write_bytes(answer.body)
        return file

    def boot_log(self):
        return self.root / "sys/firmware/acpi/tables/data/CCEL"

    def status(self):
        return self.ask("app", "GET", "/v1/status").json

    def judged(self, evidence, *more):
        quote = self.folder / "evidence.bin"
        quote.write_bytes(base64.b64decode(evidence["quote"]))
        done = self.attestctl("verify", quote, "--endorsements", self.machine_dir, "--trust-anchor",
                              self.machine_dir / "root.der", "--json", *more)
        return done.returncode, json.loads(done.stdout)


def started(event_log=None, binding="none"):
    device_rig.need_fuse()
    return EventRig(event_log, binding).begun()


def extended(before, domain, operation, content):
    text = f"{domain} {operation} {content}".encode()
    data = b"LEAA" + len(text).to_bytes(4, "little") + text
    return hashlib.sha384(bytes.fromhex(before) + hashlib.sha384(data).digest()).hexdigest()


def test_measured_in_own_name():
    """an event is measured into RTMR3 in its workload's name, and the log explains the register"""
    with started() as r:
        before = r.rtmr3()
        answer = r.measure("started", "version 1.2")
        assert answer.status == 200, (answer.status, answer.body)
        assert answer.json["domain"] == "workload/app" and answer.json["register"] == "rtmr3", answer.json
        assert r.rtmr3() == extended(before, "workload/app", "started", "version 1.2")
        replayed = r.attestctl("eventlog", "replay", r.boot_log(), r.log(), "--json")
        assert replayed.returncode == 0, replayed.stderr
        assert json.loads(replayed.stdout)["registers"]["rtmr3"] == r.rtmr3()
        assert r.status()["events"] == {"state": "good", "count": 1}, r.status()["events"]


def test_not_granted():
    """a workload without the grant measures nothing, and no name speaks for another"""
    with started() as r:
        before = r.rtmr3()
        refused = r.measure("started", listener="other")
        assert refused.status == 403 and refused.code == "request.not-allowed", refused.body
        for operation in ("", "a b", "attestd config\n", "\u00e4"):
            assert r.measure(operation).status == 400, operation
        assert r.measure("op", "two\nlines").code == "parse.bad-value"
        assert r.rtmr3() == before


def test_killed_between_events():
    """killed at once after each answer, register and log agree at the next start"""
    with started() as r:
        for number in range(3):
            assert r.measure("started", str(number)).status == 200
            r.daemon.stop(signal.SIGKILL)
            r.start_daemon()
            rig.wait_until("the log is open", lambda: r.status()["events"]["state"] == "good")
            assert r.status()["events"]["count"] == number + 1
        replayed = r.attestctl("eventlog", "replay", r.boot_log(), r.log(), "--json")
        assert json.loads(replayed.stdout)["registers"]["rtmr3"] == r.rtmr3()


def test_owed_event():
    """an event that was written and not measured before a kill is measured at the next start"""
    with started() as r:
        assert r.measure("started").status == 200
        r.daemon.stop(signal.SIGKILL)
        journal = r.state / "test" / "events.jsonl"
        with open(journal, "a") as out:
            out.write('{"domain":"workload/app","operation":"owed","content":""}\n{"domain":"worklo')
        before = r.rtmr3()
        r.start_daemon()
        rig.wait_until("the log is open", lambda: r.status()["events"]["state"] == "good")
        assert r.rtmr3() == extended(before, "workload/app", "owed", "")
        assert r.status()["events"]["count"] == 2


def test_foreign_extension():
    """when somebody else extends RTMR3, events are lost: said in status, and refused from then on"""
    with started() as r:
        assert r.measure("started").status == 200
        with open(r.root / device_rig.MEASUREMENTS / "rtmr3:sha384", "r+b", buffering=0) as register:
            register.write(bytes(48))
        refused = r.measure("again")
        assert refused.status == 503 and refused.code == "event.lost", (refused.status, refused.body)
        assert r.status()["events"]["state"] == "lost"
        assert any("RTMR3" in warning for warning in r.status()["warnings"])
        r.daemon.stop()
        r.start_daemon()
        rig.wait_until("the log was looked at", lambda: r.status()["events"]["state"] == "lost")


def digest_of_config(r):
    done = r.attestctl("policy", "check", "--json", r.config_file)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["host_data"]


def configs_measured(r):
    """the configurations that the daemon's evidence names, in order"""
    evidence = r.evidence(report_data="00")
    log = r.folder / "event.log"
    log.write_bytes(base64.b64decode(evidence["event_log"]))
    status, judged = r.judged(evidence, "--event-log", log)
    assert status == 0, judged
    return [event["content"] for event in judged["claims"]["boot"]["runtime_events"]
            if (event["domain"], event["operation"]) == ("attestd", "config")]


def is_bound(r):
    return r.status()["config"]["bound"]


def test_bound_to_rtmr3():
    """bound to RTMR3, the configuration is measured before the first evidence, at a reload, and never twice"""
    with started(binding="rtmr3") as r:
        first = digest_of_config(r)
        assert r.rtmr3() == extended("00" * 48, "attestd", "config", first)
        assert is_bound(r) and configs_measured(r) == [first]
        assert r.measure("started").status == 200, "what workloads measure after it changes nothing"
        r.renewed()
        assert is_bound(r)
        assert r.get("app", "db/password").status == 404  # allowed, and not there
        before = r.rtmr3()
        assert r.reload().status == 200 and r.rtmr3() == before, "nothing changed"

        changed = r.config()
        changed["secrets"]["db/password"]["allow"] = ["app", "other"]
        r.write_config(changed)
        second = digest_of_config(r)
        assert r.reload().status == 200
        assert r.rtmr3() == extended(before, "attestd", "config", second)
        rig.wait_until("evidence shows the new one", lambda: is_bound(r))
        assert configs_measured(r) == [first, second]

        r.daemon.stop()
        before = r.rtmr3()
        r.start_daemon()
        rig.wait_until("it is bound again", lambda: is_bound(r))
        assert r.rtmr3() == before, "the same configuration is not measured again"
        r.daemon.stop()
        r.write_config(r.config())
        r.start_daemon()
        rig.wait_until("it is bound to the first", lambda: is_bound(r))
        assert configs_measured(r) == [first, second, first]


def test_bound_to_a_register_that_somebody_extends():
    """bound to RTMR3, nothing is released once the log no longer explains it; a reload keeps the old configuration"""
    with started(binding="rtmr3") as r:
        with open(r.root / device_rig.MEASUREMENTS / "rtmr3:sha384", "r+b", buffering=0) as register:
            register.write(bytes(48))
        r.control(fail="none")
        session, _ = r.renewed()
        assert session["last_attempt"] == "refused" and "rtmr3" in session["last_error"], session
        assert r.ask("app", "GET", "/v1/health").status == 503
        changed = r.config()
        changed["secrets"]["db/password"]["allow"] = ["app", "other"]
        r.write_config(changed)
        answer = r.reload()
        assert answer.status == 503 and answer.code == "event.lost", (answer.status, answer.body)
        r.daemon.stop()
        r.start_daemon()
        rig.wait_until("the register was looked at", lambda: r.status()["events"]["state"] == "lost")
        assert "config.unmeasured" in r.daemon.output, r.daemon.output
        assert not is_bound(r)


def test_register_is_written_later():
    """a register that cannot be written at the start costs releases, not the daemon: it is tried again"""
    with started(binding="rtmr3") as r:
        r.daemon.stop()
        changed = r.config()
        changed["secrets"]["db/password"]["allow"] = ["app", "other"]
        r.write_config(changed)
        r.control(device={"fixed_registers": True})
        r.start_daemon()
        rig.wait_until("it was tried", lambda: "config.unmeasured" in r.daemon.output)
        rig.wait_until("the session is affirming", lambda: r.session()["affirming"])
        assert not is_bound(r)
        refused = r.ask("app", "GET", "/v1/health")
        assert refused.status == 503 and "last configuration" in refused.json["detail"], refused.body
        r.control(device={})
        rig.wait_until("it is bound", lambda: is_bound(r), seconds=30)


def test_policy_names_events():
    """the session goes by the guest's own log: allowed events keep it, others end it"""
    with started({**ANY, "runtime_events": ["workload/app started"]}) as r:
        assert r.measure("started").status == 200
        assert r.renewed()[0]["last_attempt"] == "affirmed"
        assert r.measure("surprise").status == 200
        session, _ = r.renewed()
        assert session["last_attempt"] == "refused", session
        assert "tdx.event-log.runtime-events.mismatch" in session["last_error"], session


def test_missing_log():
    """where policy names the event log and none came, evidence is undecided, for that reason alone"""
    with started() as r:
        evidence = r.evidence(report_data="00")
        policy = r.folder / "strict.json"
        policy.write_text(json.dumps({**r.appraisal_policy(), "event_log": ANY}))
        status, judged = r.judged(evidence, "--policy", policy)
        assert status == 3 and judged["accepted"] is None, judged
        assert [f["id"] for f in judged["findings"] if f["severity"] == "error"] == ["tdx.event-log.missing"]


def test_evidence_with_its_log():
    """evidence carries boot log and run-time events in one log, which verify explains and a bundle keeps"""
    with started() as r:
        assert r.measure("started", "7").status == 200
        evidence = r.evidence(report_data="00ff")
        log = r.folder / "event.log"
        log.write_bytes(base64.b64decode(evidence["event_log"]))
        status, judged = r.judged(evidence, "--event-log", log)
        assert status == 0, judged
        assert judged["claims"]["boot"]["runtime_events"] == [
            {"domain": "workload/app", "operation": "started", "content": "7"}], judged["claims"]["boot"]
        # The two logs one by one say the same; the boot log alone does not explain RTMR3.
        assert r.judged(evidence, "--event-log", r.boot_log(), "--event-log", r.log())[0] == 0
        status, judged = r.judged(evidence, "--event-log", r.boot_log())
        assert status == 1 and "boot" not in judged["claims"], judged
        assert any(f["id"] == "tdx.event-log.mismatch" and "rtmr3" in f["detail"] for f in judged["findings"])
        bundle = r.folder / "bundle.json"
        done = r.attestctl("bundle", r.folder / "evidence.bin", "--endorsements", r.machine_dir, "--trust-anchor",
                           r.machine_dir / "root.der", "--event-log", r.boot_log(), "--event-log", r.log(),
                           "-o", bundle)
        assert done.returncode == 0, done.stderr
        done = r.attestctl("verify", bundle, "--trust-anchor", r.machine_dir / "root.der", "--json")
        assert done.returncode == 0 and "boot" in json.loads(done.stdout)["claims"], done.stdout
        human = r.attestctl("verify", bundle, "--trust-anchor", r.machine_dir / "root.der").stdout.decode()
        assert "event-log.replayed" in human and "workload/app" in human, human


def test_drafted_policy():
    """policy init pins what the log explains, and the draft accepts the evidence it came from"""
    with started() as r:
        assert r.measure("started").status == 200
        evidence = r.evidence(report_data="01")
        r.judged(evidence)
        draft = r.folder / "draft.json"
        done = r.attestctl("policy", "init", "--from-evidence", r.folder / "evidence.bin", "--endorsements",
                           r.machine_dir, "--trust-anchor", r.machine_dir / "root.der", "--event-log",
                           r.boot_log(), "--event-log", r.log(), "-o", draft)
        assert done.returncode == 0, done.stderr
        assert '"event_log": {' in draft.read_text() and '"workload/app started"' in draft.read_text()
        logs = ("--event-log", r.boot_log(), "--event-log", r.log())
        assert r.judged(evidence, "--policy", draft, *logs)[0] == 0
        assert r.judged(evidence, "--policy", draft)[0] == 3


def bound(workload, data):
    return hashlib.sha512(b"attestd workload evidence v1\x00" + len(workload).to_bytes(4, "big") + workload.encode() +
                          len(data).to_bytes(4, "big") + data).hexdigest()


def test_report_data_is_bound():
    """evidence for a workload verifies with the bound report data, and not with the bare one or another's"""
    with started() as r:
        data = bytes(range(64))
        evidence = r.evidence(report_data=data.hex())
        assert evidence["interface"] == "configfs_tsm" and evidence["report_data"] == bound("app", data)
        assert r.judged(evidence, "--report-data", bound("app", data))[0] == 0
        for wrong in (data.hex(), bound("other", data), bound("app", data[:-1])):
            status, judged = r.judged(evidence, "--report-data", wrong)
            assert status == 1, judged
            assert [f["id"] for f in judged["findings"] if f["severity"] == "error"] == ["tdx.report-data.mismatch"]


def test_raw_by_policy_alone():
    """a workload's bytes go in unchanged by explicit policy alone, and no such policy loads by accident"""
    with started() as r:
        refused = r.ask("app", "POST", "/v1/evidence", json.dumps({"report_data": "aa", "raw": True}), JSON)
        assert refused.status == 403 and refused.code == "request.not-allowed", refused.body
        config = r.config()
        config["workloads"]["app"]["raw_evidence"] = True
        r.write_config(config)
        assert r.ask("admin", "POST", "/v1/admin/reload").status == 400
        config["workloads"]["app"]["raw_is_full_identity"] = True
        r.write_config(config)
        assert r.ask("admin", "POST", "/v1/admin/reload").status == 200
        evidence = r.evidence(report_data="aa", raw=True)
        assert evidence["report_data"] == "aa" + "00" * 63
        assert r.judged(evidence, "--report-data", "aa")[0] == 0


def test_rate_of_evidence():
    """a workload has a burst of five pieces of evidence, and then two a second"""
    with started() as r:
        config = r.config()
        del config["limits"]["quotes"]
        r.write_config(config)
        assert r.ask("admin", "POST", "/v1/admin/reload").status == 200
        answers = [r.ask("app", "POST", "/v1/evidence", json.dumps({"report_data": f"{n:02x}"}), JSON)
                   for n in range(40)]
        codes = {answer.code for answer in answers if answer.status != 200}
        assert codes == {"request.rate-limited"}, codes
        assert all(answer.status == 200 for answer in answers[:5])
        assert r.get("app", "no/such").status == 404  # what is not evidence goes on


def main():
    device_rig.BUILD = sys.argv[1]
    chosen = sys.argv[2:]
    return tap.run([f for name, f in globals().items()
                    if name.startswith("test_") and (not chosen or name in chosen)])


if __name__ == "__main__":
    sys.exit(main())
