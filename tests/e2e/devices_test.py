#!/usr/bin/env python3
"""The daemon on emulated devices: FUSE gives it configfs-tsm, /dev/sev-guest and /dev/tdx_guest, well and badly.

usage: devices_test.py BUILD-DIR

attestd-test and attestctl-test are the product's sources on another root. The emulated sev-guest follows
pointers in the daemon's memory, which takes root where the daemon is not dumpable.
"""
import base64
import errno
import hashlib
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

VALUE = b"released by way of the kernel"
BUILD = None
REPORTS = "sys/kernel/config/tsm/report"
MEASUREMENTS = "sys/devices/virtual/misc/tdx_guest/measurements"
PATIENCE = 5  # seconds that one piece of evidence may take


def need_fuse():
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise tap.Skip("/dev/fuse is not there, or not ours to open")
    if "--mount DIR" not in subprocess.run([pathlib.Path(BUILD) / "tests/emulator/attestd-devsim"],
                                           capture_output=True, text=True).stderr:
        raise tap.Skip("attestd-devsim has no --mount")


def need_root():
    if os.getuid() != 0:
        raise tap.Skip("following a non-dumpable daemon's pointers takes root")


class DeviceRig(rig.Rig):
    """A rig whose daemon knows no socket of the machine's, only its devices."""

    def __init__(self, tee, platform, max_age="10m"):
        super().__init__(BUILD, max_age)
        self.tee, self.platform = tee, platform
        self.root = self.folder / "root"

    def __exit__(self, *exception):
        for process in (self.daemon, self.devsim):
            if process is not None and process.running():
                process.child.terminate()
                try:
                    process.child.wait(40)
                except subprocess.TimeoutExpired:
                    process.child.kill()
                    process.child.wait()
        subprocess.run(["umount", "-l", self.root], capture_output=True)
        super().__exit__(*exception)

    def program(self, name):
        if name in ("attestd", "attestctl"):
            return self.build / f"tests/emulator/{name}-test"
        return super().program(name)

    def machine_command(self):
        return [self.program("attestd-devsim"), "--dir", self.machine_dir, "--tee", self.tee,
                "--socket", self.socket("platform"), "--mount", self.root]

    def config(self):
        config = super().config()
        config["platform"] = {"type": self.platform}
        config["verifier"]["endorsements"] = [str(self.machine_dir)]
        config["limits"] = {"collect_timeout": f"{PATIENCE}s"}
        if self.tee == "tdx":  # no derived keys: an operator's recovery key closes the store
            pair = self.folder / "recovery.pem"
            if not pair.exists():
                assert self.attestctl("store", "recovery-key", pair).returncode == 0
            config["sources"] = {"store": {"type": "store", "recovery_key": f"{pair}.pub"}}
        return config

    def appraisal_policy(self):
        if self.tee == "snp":
            return super().appraisal_policy()
        return {"tdx": {name: "any" for name in ("mrtd", "mrseam", "mrconfigid", "mrowner", "mrownerconfig",
                                                 "rtmr0", "rtmr1", "rtmr2", "rtmr3")}}

    def environment(self):
        return {**os.environ, "ATTESTD_TEST_SYSROOT": str(self.root)}

    def attestctl(self, *args, stdin=None):
        return subprocess.run([str(self.program("attestctl")), *map(str, args)], input=stdin or b"",
                              capture_output=True, timeout=90, env=self.environment())

    def entries(self):
        return sorted(os.listdir(self.root / REPORTS))

    def session(self):
        return self.ask("app", "GET", "/v1/status").json["session"]

    def renewed(self):
        """one more attempt; the session's state after it"""
        before = self.attempts()
        begun = time.monotonic()
        self.renew()
        rig.wait_until("the attempt ended", lambda: self.attempts() > before, seconds=PATIENCE + 10)
        return self.session(), time.monotonic() - begun

    def attempts(self):
        lines = self.ask("admin", "GET", "/metrics").body.decode().splitlines()
        count = {line.split()[0]: int(float(line.split()[1])) for line in lines if not line.startswith("#")
                 and " " in line and line.split()[-1].isdigit()}
        return (count["attestd_session_refused_total"] + count["attestd_session_unreachable_total"] +
                count["attestd_session_epoch"])  # each affirmed one begins an epoch


def started(tee, platform, max_age="10m"):
    need_fuse()
    made = DeviceRig(tee, platform, max_age)
    try:
        made.start_machine()
        made.write_config()
        made.state.mkdir(mode=0o700, exist_ok=True)
        made.start_daemon()
        rig.wait_until("the session is affirming", lambda: made.session()["affirming"])
    except BaseException:
        if made.daemon is not None:
            print(made.daemon.output, file=sys.stderr)
        made.__exit__()
        raise
    return made


def released(r):
    """stores a secret and gets it"""
    r.wait_healthy()
    r.put("db/password", VALUE)
    answer = r.get("app", "db/password")
    assert (answer.status, answer.body) == (200, VALUE), (answer.status, answer.body)


def quote_json(r, platform, data="00ff"):
    done = r.attestctl("quote", "--platform", platform, "--report-data", data, "--json")
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def verified(r, evidence, *more):
    file = r.folder / "evidence.bin"
    file.write_bytes(base64.b64decode(evidence["quote"]))
    done = r.attestctl("verify", file, "--endorsements", r.machine_dir, "--trust-anchor", r.machine_dir / "root.der",
                       "--json", *more)
    return done.returncode, json.loads(done.stdout)


def test_release_configfs_snp():
    """a secret is released on evidence from configfs-tsm on SEV-SNP, sealed by /dev/sev-guest"""
    need_root()
    with started("snp", "configfs_tsm") as r:
        r.wait_healthy()
        released(r)
        assert r.ask("app", "GET", "/v1/status").json["platform"] == "configfs_tsm"
        assert r.entries() == [], r.entries()
        r.daemon.stop()
        r.start_daemon()  # the derived key opens the store again
        r.wait_healthy()
        assert r.get("app", "db/password").body == VALUE


def test_release_under_svsm():
    """told to ask an SVSM, the report carries its manifest, which is checked; without one there, a named error"""
    need_root()

    class SvsmRig(DeviceRig):
        def config(self):
            config = super().config()
            config["platform"] = {"type": "configfs_tsm", "service": {"provider": "svsm"}}
            return config

    with SvsmRig("snp", "configfs_tsm") as r:
        r.start_machine()
        r.write_config()
        r.state.mkdir(mode=0o700, exist_ok=True)
        r.start_daemon()
        rig.wait_until("an attempt failed", lambda: r.session()["last_attempt"] == "unreachable")
        assert "service_provider" in r.session()["last_error"], r.session()
        r.control(device={"svsm": True})
        r.renew()
        r.wait_healthy()
        released(r)
        answer = r.ask("app", "POST", "/v1/evidence", json.dumps({"report_data": "00"}),
                       {"Content-Type": "application/json"})
        assert answer.status == 200, answer.body
        manifest = base64.b64decode(answer.json["service_manifest"])
        shown = r.attestctl("inspect", "-", "--json", stdin=manifest)
        assert shown.returncode == 0 and b"vtpm" in shown.stdout, shown
        report = base64.b64decode(answer.json["quote"])
        bound = hashlib.sha512(bytes.fromhex(answer.json["report_data"]) + manifest).digest()
        assert report[0x50:0x90] == bound, "the report binds report data and manifest"


def test_release_sev_guest():
    """a secret is released on evidence from /dev/sev-guest alone"""
    need_root()
    with started("snp", "sev_guest") as r:
        r.wait_healthy()
        released(r)
        assert r.ask("app", "GET", "/v1/status").json["platform"] == "sev_guest"


def test_release_configfs_tdx():
    """a TDX guest's session is affirming on a quote from configfs-tsm"""
    with started("tdx", "configfs_tsm") as r:
        assert r.session()["tee"] == "tdx", r.session()
        released(r)
        assert r.entries() == [], r.entries()


def test_auto():
    """"auto" takes configfs-tsm where it has a provider"""
    with started("tdx", "auto") as r:
        assert r.ask("app", "GET", "/v1/status").json["platform"] == "configfs_tsm"


def test_tdx_guest_alone():
    """/dev/tdx_guest alone gives no evidence, and the daemon says why"""
    need_fuse()
    with DeviceRig("tdx", "tdx_guest") as r:
        r.start_machine()
        r.write_config()
        r.state.mkdir(mode=0o700)
        r.start_daemon()
        session = rig.wait_until("the first attempt", lambda: r.session().get("last_error") and r.session())
        assert "vsock quote service" in session["last_error"], session


def test_evidence_says_how():
    """evidence names its interface, carries the caller's bytes, and verifies against the machine's root"""
    need_root()
    for tee, platform in (("tdx", "configfs_tsm"), ("snp", "configfs_tsm"), ("snp", "sev_guest")):
        with DeviceRig(tee, platform) as r:
            r.start_machine()
            evidence = quote_json(r, platform)
            assert evidence["interface"] == platform and evidence["tee"] == tee, evidence
            status, judged = verified(r, evidence)
            assert status == 0 and judged["accepted"], judged
            assert judged["claims"]["report_data"].startswith("00ff"), judged
            assert bool(evidence.get("event_log")) == (tee == "tdx")
            assert bool(evidence["endorsements"]) == (tee == "snp")


def misbehaves(r, faults, want, seconds=PATIENCE + 1):
    """one attempt on a device with these faults ends in time, with these words"""
    r.control(device=faults)
    session, took = r.renewed()
    assert want in session.get("last_error", ""), (faults, want, session)
    assert took < seconds, (faults, took)


def recovers(r):
    r.control(fail="none", delay_ms=0, device={})
    rig.wait_until("the session recovers", lambda: (r.renew(), time.sleep(0.3), r.session())[2]["last_attempt"] ==
                   "affirmed")


def test_configfs_misbehaves():
    """whatever configfs-tsm does costs one request, ends before the deadline, and leaves no entry"""
    with started("tdx", "configfs_tsm") as r:
        released(r)
        for faults, want in (
                ({"errno": "EINVAL"}, "EINVAL"), ({"errno": "EBUSY"}, "the host still owns the buffer"),
                ({"errno": "EIO"}, "EIO"), ({"errno": "EFBIG"}, "larger than the kernel's interface allows"),
                ({"errno": "ENXIO"}, "reload tdx_guest"), ({"errno": "ETIMEDOUT"}, "quote service does not answer"),
                ({"errno": "ENOENT"}, "somebody removed the entry"),
                ({"lost_commits": 2}, "the kernel dropped the request"),
                ({"foreign_writes": 2}, "another process wrote"), ({"vanishing": 2}, "somebody removed the entry"),
                ({"empty": True}, "no tdx evidence"), ({"provider": "none"}, "no provider is loaded"),
                ({"provider": "arm_cca_guest"}, "unsupported platform: arm_cca_guest")):
            misbehaves(r, faults, want)
            assert r.get("app", "db/password").body == VALUE  # the result that holds still serves
        r.control(device={})
        for fault, want in (("garbage", "no tdx evidence"), ("wrong_report_data", "other report data"),
                            ("error", "EIO")):
            r.control(fail=fault)
            session, took = r.renewed()
            assert want in session["last_error"] and took < PATIENCE + 1, (fault, session, took)
        recovers(r)
        assert r.entries() == [], r.entries()


def test_configfs_recovers_by_itself():
    """what passes by itself costs no request: busy for a while, one foreign writer, a lost commit, short reads"""
    with started("tdx", "configfs_tsm") as r:
        for faults in ({"errno": "EBUSY", "times": 1}, {"errno": "EIO", "times": 1}, {"errno": "EINTR", "times": 1},
                       {"errno": "EAGAIN", "times": 1}, {"lost_commits": 1}, {"foreign_writes": 1}, {"vanishing": 1},
                       {"read_len": 1}):
            r.control(device=faults)
            session, took = r.renewed()
            assert session["last_attempt"] == "affirmed", (faults, session)
        r.control(device={"stuck_rmdirs": 1})
        assert r.renewed()[0]["last_attempt"] == "affirmed"
        assert len(r.entries()) == 1  # for now
        assert r.renewed()[0]["last_attempt"] == "affirmed"
        assert r.entries() == [], r.entries()


def test_hanging_device():
    """a device that never answers costs its request and nothing else, and the daemon's end waits for the kernel's"""
    with started("tdx", "configfs_tsm") as r:
        released(r)
        r.control(delay_ms=12000)
        begun = time.monotonic()
        session, took = r.renewed()
        assert "by the deadline" in session["last_error"], session
        assert PATIENCE - 1 < took < PATIENCE + 2, took
        assert r.get("app", "db/password").body == VALUE
        session, took = r.renewed()  # the first is with the device still
        assert "earlier request" in session["last_error"] and took < PATIENCE + 2, (session, took)
        r.control(delay_ms=0)
        rig.wait_until("the device is free", lambda: r.renewed()[0]["last_attempt"] == "affirmed", seconds=30)
        assert time.monotonic() - begun < 40
        # A request in the kernel is not broken off: the end waits for it, and leaves no entry.
        r.control(delay_ms=8000)
        r.renewed()
        begun = time.monotonic()
        assert r.daemon.stop() == 0
        assert 1 < time.monotonic() - begun < 8 and r.entries() == [], r.entries()


def test_sev_guest_misbehaves():
    """whatever /dev/sev-guest does costs one request, and one that has given up its key is not asked again"""
    need_root()
    with started("snp", "sev_guest") as r:
        r.wait_healthy()
        released(r)
        for faults, want in (({"vmm_error": 2}, "busy until the deadline"), ({"errno": "EINVAL"}, "EINVAL"),
                             ({"status": 22}, "invalid parameter (0x16)"), ({"errno": "ETIMEDOUT"}, "throttles")):
            misbehaves(r, faults, want, PATIENCE + 2)
            assert r.get("app", "db/password").body == VALUE
        # A table that no buffer holds: the report alone, and the certificates are the machine folder's.
        r.control(device={"certs_len": 0x10000})
        session, _ = r.renewed()
        assert session["last_attempt"] == "affirmed", session
        misbehaves(r, {"firmware_error": 0x1d}, "AEAD overflow (0x1d)", PATIENCE + 2)
        session, _ = r.renewed()
        assert "dead until this machine restarts" in session["last_error"], session
        r.control(device={})  # a new module would give a report: nobody asks
        session, took = r.renewed()
        assert "dead until this machine restarts" in session["last_error"] and took < 2, (session, took)


def test_crash_leaves_nothing():
    """the entry of a daemon that was killed in the middle of a request is removed at the next start"""
    with started("tdx", "configfs_tsm") as r:
        foreign = r.root / REPORTS / "com.intel.dcap"
        foreign.mkdir()
        r.control(delay_ms=20000)
        r.renew()
        rig.wait_until("an entry is there", lambda: len(r.entries()) == 2)
        r.daemon.child.kill()
        r.daemon.child.wait()
        assert len(r.entries()) == 2
        r.control(delay_ms=0)
        r.start_daemon()
        rig.wait_until("affirming", lambda: r.session()["affirming"])
        assert r.entries() == ["com.intel.dcap"], r.entries()
        assert "platform.leftovers" in r.daemon.output, r.daemon.output


def test_prepared_entry():
    """a user without any privilege quotes through the entry that root prepared and handed over"""
    need_root()
    with DeviceRig("snp", "configfs_tsm") as r:
        r.start_machine()
        os.chmod(r.folder, 0o755)
        command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all",
                   "--bounding-set=-all", r.program("attestctl"), "quote", "--platform", "configfs_tsm", "--json",
                   "--report-data", "0102"]
        command = list(map(str, command))
        refused = subprocess.run(command, capture_output=True, timeout=60, env=r.environment())
        assert refused.returncode != 0 and b"attestd.service prepares" in refused.stderr, refused
        entry = r.root / REPORTS / "attestd"
        entry.mkdir()
        os.chown(entry, 65534, 65534)
        for name in os.listdir(entry):
            os.chown(entry / name, 65534, 65534)
        for _ in range(2):
            done = subprocess.run(command, capture_output=True, timeout=60, env=r.environment())
            assert done.returncode == 0, done
            assert json.loads(done.stdout)["interface"] == "configfs_tsm"
        assert r.entries() == ["attestd"], r.entries()
        assert (entry / "generation").read_text() == "2\n"


def test_rtmr_shows():
    """extending a register shows in the next quote, and the log replays to it"""
    with started("tdx", "configfs_tsm") as r:
        file = r.root / MEASUREMENTS / "rtmr3:sha384"
        before, digest = file.read_bytes(), hashlib.sha384(b"an event").digest()
        assert len(before) == 48
        file.write_bytes(digest)
        after = hashlib.sha384(before + digest).digest()
        assert file.read_bytes() == after
        for wrong in (digest[:47], digest + b"x"):
            fails("EINVAL", lambda: file.write_bytes(wrong))  # noqa: B023
        evidence = quote_json(r, "configfs_tsm")
        status, judged = verified(r, evidence)
        assert status == 0 and judged["claims"]["rtmr3"] == after.hex(), judged
        log = r.folder / "log.bin"
        log.write_bytes(base64.b64decode(evidence["event_log"]))
        replayed = r.attestctl("eventlog", "replay", log, "--json")
        registers = json.loads(replayed.stdout)["registers"]
        assert all(registers[f"rtmr{i}"] == judged["claims"][f"rtmr{i}"] for i in range(4)), registers
        table = (r.root / "sys/firmware/acpi/tables/CCEL").read_bytes()
        assert len(table) == 56 and sum(table) % 256 == 0 and table[36] == 2


def fails(name, action):
    """the action fails with this errno"""
    try:
        action()
    except OSError as error:
        assert error.errno == getattr(errno, name), (name, error)
        return
    raise AssertionError(f"{name} was expected")


def test_abi():
    """the emulated configfs-tsm keeps the kernel's rules of modes, sizes, commits and names"""
    need_fuse()
    need_root()
    with DeviceRig("snp", "configfs_tsm") as r:
        r.start_machine()
        entry = r.root / REPORTS / "one"
        entry.mkdir()

        modes = {p.name: (oct(p.stat().st_mode & 0o777), p.stat().st_size) for p in entry.iterdir()}
        assert modes == {"inblob": ("0o200", 0), "outblob": ("0o444", 0), "auxblob": ("0o444", 0),
                         "generation": ("0o444", 4096), "provider": ("0o444", 4096),
                         "privlevel": ("0o200", 4096), "privlevel_floor": ("0o444", 4096)}, modes
        generation = lambda: int((entry / "generation").read_text())  # noqa: E731
        fails("EEXIST", entry.mkdir)
        fails("EPERM", (entry / "x").mkdir)
        fails("EPERM", (r.root / "sys/kernel/config/tsm/x").mkdir)
        fails("EPERM", (entry / "inblob").unlink)
        fails("EACCES", (entry / "x").touch)
        fails("EACCES", lambda: os.open(entry / "inblob", os.O_RDWR))
        fails("EACCES", lambda: os.open(entry / "outblob", os.O_WRONLY))
        fails("EINVAL", (entry / "outblob").read_bytes)
        fd = os.open(entry / "inblob", os.O_WRONLY)
        os.write(fd, b"a" * 40)
        os.write(fd, b"b" * 24)
        assert generation() == 0
        os.close(fd)
        assert generation() == 1  # one commit, at the close
        report = (entry / "outblob").read_bytes()
        assert report[0x50:0x90] == b"a" * 40 + b"b" * 24
        assert (entry / "outblob").read_bytes() == report
        held = os.open(entry / "outblob", os.O_RDONLY)
        first = os.read(held, 100)
        (entry / "inblob").write_bytes(b"c" * 64)
        assert first + os.read(held, 4096) == report  # a snapshot of this opening
        os.close(held)
        fd = os.open(entry / "inblob", os.O_WRONLY)
        fails("EFBIG", lambda: os.write(fd, b"d" * 65))
        os.close(fd)
        assert generation() == 3  # an empty request was committed
        fails("EINVAL", (entry / "outblob").read_bytes)
        fails("EINVAL", lambda: (entry / "privlevel").write_text("4"))
        assert generation() == 3
        (entry / "privlevel").write_text("2")
        assert generation() == 4
        (entry / "inblob").write_bytes(b"e" * 64)
        assert (entry / "outblob").read_bytes()[0x30] == 2  # VMPL
        held = os.open(entry / "outblob", os.O_RDONLY)
        entry.rmdir()
        fails("ENOENT", lambda: os.read(held, 10))
        os.close(held)
        r.control(device={"provider": "none"})
        fails("ENXIO", entry.mkdir)


def test_example_plugin():
    """attestd-plugin(7)'s worked example gives evidence that verifies, and refuses keys in the protocol's words"""
    need_fuse()
    need_root()  # entries of configfs are root's
    for tee in ("tdx", "snp"):
        with DeviceRig(tee, "external") as r:
            r.start_machine()
            script = pathlib.Path(__file__).resolve().parents[2] / "scripts/example-platform-plugin"
            socket = r.socket("plugin")
            plugin = rig.Process(r.new_log("plugin"), [sys.executable, script, "--socket", socket, "--root", r.root])
            try:
                rig.wait_until("the plug-in listens", lambda: "ready" in plugin.output or not plugin.running())
                evidence = quote_json(r, socket)
                assert evidence["interface"] == "external" and evidence["tee"] == tee, evidence
                assert verified(r, evidence)[0] == 0
                key = rig.request(socket, "POST", "/v1/derive-key", "{}", {"Content-Type": "application/json"})
                assert (key.status, key.code) == (501, "platform.unsupported"), key.body
                r.control(device={"errno": "EBUSY"})
                refused = r.attestctl("quote", "--platform", socket, "--json")
                assert refused.returncode == 1 and b"platform.failed" in refused.stderr, refused
                assert r.entries() == []
            finally:
                plugin.stop()


def doctor(r, *args):
    return r.attestctl("doctor", *args)


def test_doctor_confidential():
    """doctor says which machine this is, which interface would be used, and that all is there"""
    need_root()
    for tee, interface in (("tdx", "configfs_tsm"), ("snp", "configfs_tsm")):
        need_fuse()
        with DeviceRig(tee, "auto") as r:
            r.start_machine()
            done = doctor(r, "--json")
            said = json.loads(done.stdout)
            assert done.returncode == 0, said
            assert (said["confidential"], said["tee"], said["interface"]) == (True, tee, interface), said
            checks = {check["name"]: check for check in said["checks"]}
            assert checks["configfs_tsm"]["state"] == "ok", checks
            if tee == "tdx":
                assert all(checks[name]["state"] == "ok" for name in
                           ("firmware table", "boot event log", "run-time registers")), checks
            else:
                assert checks["derived keys"]["state"] == "ok", checks
            assert r.entries() == [], r.entries()
            # And without a provider: what mends it.
            r.control(device={"provider": "none"})
            done = doctor(r)
            text = done.stdout.decode()
            assert "modprobe" in text, text
            if tee == "tdx":
                assert done.returncode == 1 and "vsock quote service" in text, text
            else:
                assert done.returncode == 0 and "sev_guest: no configfs-tsm" in text, text


def test_doctor_ordinary():
    """on an ordinary machine doctor says so plainly, and exits 3"""
    with DeviceRig("tdx", "auto") as r:
        r.root.mkdir()
        done = doctor(r)
        assert done.returncode == 3, done
        assert b"This is an ordinary machine" in done.stdout, done.stdout
        assert b"missing" not in done.stdout, done.stdout
        said = json.loads(doctor(r, "--json").stdout)
        assert (said["confidential"], said["tee"], said["interface"]) == (False, None, None), said
        assert r.attestctl("quote", "--platform", "auto", "--json").returncode == 1
        # An old kernel on what its processor flags call a TDX guest.
        for path, text in (("proc/cpuinfo", "flags\t: fpu tdx_guest\n"),
                           ("proc/sys/kernel/osrelease", "6.1.0-40-amd64\n")):
            (r.root / path).parent.mkdir(parents=True)
            (r.root / path).write_text(text)
        done = doctor(r)
        text = done.stdout.decode()
        assert done.returncode == 1 and "configfs-tsm came with 6.7" in text, text
        assert "modprobe tdx_guest" in text and "mount -t configfs" in text, text


def main():
    global BUILD
    BUILD = sys.argv[1]
    chosen = sys.argv[2:]
    return tap.run([f for name, f in globals().items()
                    if name.startswith("test_") and (not chosen or name in chosen)])


if __name__ == "__main__":
    sys.exit(main())
