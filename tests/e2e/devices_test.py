#!/usr/bin/env python3
"""The daemon on emulated devices: FUSE gives it configfs-tsm, /dev/sev-guest and /dev/tdx_guest.

usage: devices_test.py BUILD-DIR
"""
import base64
import errno
import hashlib
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import device_rig  # noqa: E402
import rig  # noqa: E402
import tap  # noqa: E402


def test_release_configfs_snp():
    """a secret is device_rig.released on evidence from configfs-tsm on SEV-SNP, sealed by /dev/sev-guest"""
    device_rig.need_root()
    with device_rig.started("snp", "configfs_tsm") as r:
        r.wait_healthy()
        device_rig.released(r)
        assert r.ask("app", "GET", "/v1/status").json["platform"] == "configfs_tsm"
        assert r.entries() == [], r.entries()
        r.daemon.stop()
        r.start_daemon()  # the derived key opens the store again
        r.wait_healthy()
        assert r.get("app", "db/password").body == device_rig.VALUE


def test_release_under_svsm():
    """told to ask an SVSM, the report carries its manifest, which is checked; without one there, a named error"""
    device_rig.need_root()

    class SvsmRig(device_rig.DeviceRig):
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
        device_rig.released(r)
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
    """a secret is device_rig.released on evidence from /dev/sev-guest alone"""
    device_rig.need_root()
    with device_rig.started("snp", "sev_guest") as r:
        r.wait_healthy()
        device_rig.released(r)
        assert r.ask("app", "GET", "/v1/status").json["platform"] == "sev_guest"


def test_release_configfs_tdx():
    """a TDX guest's session is affirming on a quote from configfs-tsm"""
    with device_rig.started("tdx", "configfs_tsm") as r:
        assert r.session()["tee"] == "tdx", r.session()
        device_rig.released(r)
        assert r.entries() == [], r.entries()


def test_auto():
    """"auto" takes configfs-tsm where it has a provider"""
    with device_rig.started("tdx", "auto") as r:
        assert r.ask("app", "GET", "/v1/status").json["platform"] == "configfs_tsm"


def test_tdx_guest_alone():
    """/dev/tdx_guest alone gives no evidence, and the daemon says why"""
    device_rig.need_fuse()
    with device_rig.DeviceRig("tdx", "tdx_guest") as r:
        r.start_machine()
        r.write_config()
        r.state.mkdir(mode=0o700)
        r.start_daemon()
        session = rig.wait_until("the first attempt", lambda: r.session().get("last_error") and r.session())
        assert "vsock quote service" in session["last_error"], session


def test_evidence_says_how():
    """evidence names its interface, carries the caller's bytes, and verifies against the machine's root"""
    device_rig.need_root()
    for tee, platform in (("tdx", "configfs_tsm"), ("snp", "configfs_tsm"), ("snp", "sev_guest")):
        with device_rig.DeviceRig(tee, platform) as r:
            r.start_machine()
            evidence = device_rig.quote_json(r, platform)
            assert evidence["interface"] == platform and evidence["tee"] == tee, evidence
            status, judged = device_rig.verified(r, evidence)
            assert status == 0 and judged["accepted"], judged
            assert judged["claims"]["report_data"].startswith("00ff"), judged
            assert bool(evidence.get("event_log")) == (tee == "tdx")
            assert bool(evidence["endorsements"]) == (tee == "snp")


def test_prepared_entry():
    """a user without any privilege quotes through the entry that root prepared and handed over"""
    device_rig.need_root()
    with device_rig.DeviceRig("snp", "configfs_tsm") as r:
        r.start_machine()
        os.chmod(r.folder, 0o755)
        command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all",
                   "--bounding-set=-all", r.program("attestctl"), "quote", "--platform", "configfs_tsm", "--json",
                   "--report-data", "0102"]
        command = list(map(str, command))
        refused = subprocess.run(command, capture_output=True, timeout=60, env=r.environment())
        assert refused.returncode != 0 and b"attestd.service prepares" in refused.stderr, refused
        entry = r.root / device_rig.REPORTS / "attestd"
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
    with device_rig.started("tdx", "configfs_tsm") as r:
        file = r.root / device_rig.MEASUREMENTS / "rtmr3:sha384"
        before, digest = file.read_bytes(), hashlib.sha384(b"an event").digest()
        assert len(before) == 48
        file.write_bytes(digest)
        after = hashlib.sha384(before + digest).digest()
        assert file.read_bytes() == after
        for wrong in (digest[:47], digest + b"x"):
            fails("EINVAL", lambda: file.write_bytes(wrong))  # noqa: B023
        evidence = device_rig.quote_json(r, "configfs_tsm")
        status, judged = device_rig.verified(r, evidence)
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
    device_rig.need_fuse()
    device_rig.need_root()
    with device_rig.DeviceRig("snp", "configfs_tsm") as r:
        r.start_machine()
        entry = r.root / device_rig.REPORTS / "one"
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
    device_rig.need_fuse()
    device_rig.need_root()  # entries of configfs are root's
    for tee in ("tdx", "snp"):
        with device_rig.DeviceRig(tee, "external") as r:
            r.start_machine()
            script = pathlib.Path(__file__).resolve().parents[2] / "scripts/example-platform-plugin"
            socket = r.socket("plugin")
            plugin = rig.Process(r.new_log("plugin"), [sys.executable, script, "--socket", socket, "--root", r.root])
            try:
                rig.wait_until("the plug-in listens", lambda: "ready" in plugin.output or not plugin.running())
                evidence = device_rig.quote_json(r, socket)
                assert evidence["interface"] == "external" and evidence["tee"] == tee, evidence
                assert device_rig.verified(r, evidence)[0] == 0
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
    device_rig.need_root()
    for tee, interface in (("tdx", "configfs_tsm"), ("snp", "configfs_tsm")):
        device_rig.need_fuse()
        with device_rig.DeviceRig(tee, "auto") as r:
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
    with device_rig.DeviceRig("tdx", "auto") as r:
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
    device_rig.BUILD = sys.argv[1]
    chosen = sys.argv[2:]
    return tap.run([f for name, f in globals().items()
                    if name.startswith("test_") and (not chosen or name in chosen)])


if __name__ == "__main__":
    sys.exit(main())
