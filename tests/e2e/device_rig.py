"""A rig whose daemon knows the machine by its emulated devices alone, which FUSE puts below another root.

attestd-test and attestctl-test are the product's sources on another root. The emulated sev-guest follows
pointers in the daemon's memory, which takes root where the daemon is not dumpable.
"""
import base64
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
        return {"tdx": dict(rig.ANY_TDX["tdx"])}

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

    def start(self):
        self.start_machine()
        self.write_config()
        self.state.mkdir(mode=0o700, exist_ok=True)
        self.start_daemon()
        rig.wait_until("the session is affirming", lambda: self.session()["affirming"])


def started(tee, platform, max_age="10m"):
    need_fuse()
    return DeviceRig(tee, platform, max_age).begun()


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
