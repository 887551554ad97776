"""What end-to-end tests and the demonstration share: an emulated machine, a daemon on it, and HTTP to both.

Everything lives in one private folder and every process is a child of this one: leaving the `with` block
ends them and removes the folder. Only the standard library is used.
"""
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from openapi import Description

START_SECONDS = 60  # generous: test machines are busy

# Keys of the machine's vendor. Making them takes seconds of prime search, so one run makes them once, and where
# the environment names a folder for them (Meson's tests do) a build folder does; the chip's own secret is each machine's.
KEPT_KEYS = pathlib.Path(os.environ["ATTESTD_TEST_KEYS"]) if "ATTESTD_TEST_KEYS" in os.environ else None
VENDOR_KEYS = {key.name: key.read_bytes() for key in (KEPT_KEYS.glob("*.key.pem") if KEPT_KEYS else ())}


def give_vendor_keys(machine_dir):
    for name, key in VENDOR_KEYS.items():
        if not (machine_dir / name).exists():
            (machine_dir / name).write_bytes(key)
            (machine_dir / name).chmod(0o600)


def keep_vendor_keys(machine_dir):
    """those that a machine has by now, for the next one"""
    for key in machine_dir.glob("*.key.pem"):
        VENDOR_KEYS[key.name] = key.read_bytes()
        if KEPT_KEYS and not (KEPT_KEYS / key.name).exists():
            KEPT_KEYS.mkdir(mode=0o700, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=KEPT_KEYS, delete=False) as made:
                made.write(VENDOR_KEYS[key.name])
            os.replace(made.name, KEPT_KEYS / key.name)

API = Description()

# An appraisal policy of TDX that leaves every reference value open.
ANY_TDX = {"tdx": {name: "any" for name in ("mrtd", "mrseam", "mrconfigid", "mrowner", "mrownerconfig", "rtmr0", "rtmr1",
                                            "rtmr2", "rtmr3")}}


class UnixConnection(http.client.HTTPConnection):
    """http.client over a Unix socket."""

    def __init__(self, path, timeout=15):
        super().__init__("attestd", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, response, body):
        self.status, self.reason, self.body = response.status, response.reason, body
        self.headers = {name.lower(): value for name, value in response.getheaders()}

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """the stable code of a problem answer; None when the answer is none"""
        try:
            return self.json.get("code")
        except (ValueError, AttributeError):
            return None


def request(path, method, target, body=None, headers=None):
    connection = UnixConnection(path)
    try:
        connection.request(method, target, body=body, headers=headers or {})
        response = connection.getresponse()
        return Answer(response, response.read())
    finally:
        connection.close()


def wait_until(what, condition, seconds=START_SECONDS):
    """waits for a true value and returns it; a test that waits in vain says for what"""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        time.sleep(0.02)


class Process:
    """A child with its output in a file; stopped with SIGTERM, or SIGKILL when that does not help."""

    def __init__(self, log, command, environment=None):
        self.log = log
        with open(log, "xb") as out:
            self.child = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=out,
                                          stderr=subprocess.STDOUT, env=environment)

    @property
    def output(self):
        return self.log.read_text(errors="replace")

    def running(self):
        return self.child.poll() is None

    def stop(self, number=signal.SIGTERM, seconds=15):
        """the exit status: negative when a signal ended it"""
        if self.running():
            self.child.send_signal(number)
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise AssertionError(f"{self.log.name}: did not end within {seconds} s of signal {number}")


class Rig:
    """An emulated SEV-SNP machine and attestd on it, in a private temporary folder.

    Two listeners tell two workloads apart where there is only one user: `app` may have `db/password`,
    `other` may have `other/token`. Results rest on the emulator's root and are test grade, so both secrets
    are marked as test secrets.
    """

    def __init__(self, build, max_age="10m", parent=None):
        self.build = pathlib.Path(build).resolve()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="attestd-", dir=parent))
        self.max_age = max_age
        self.devsim = self.daemon = None
        self.num_processes = 0
        self.machine_dir = self.folder / "machine"
        self.state = self.folder / "state"
        self.config_file = self.folder / "attestd.json"

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for process in (self.daemon, self.devsim):
            if process is not None and process.running():
                process.child.kill()
                process.child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def program(self, name):
        found = {"attestd": "agent/attestd", "attestctl": "agent/cli/attestctl",
                 "attestd-devsim": "tests/emulator/attestd-devsim"}[name]
        return self.build / found

    def check(self):
        """the outcome of attestd --check of the configuration as it is now"""
        self.write_config()
        return subprocess.run([self.program("attestd"), "--check", "--config", self.config_file], capture_output=True,
                              text=True, timeout=30)

    def socket(self, name):
        return self.folder / f"{name}.sock"

    def new_log(self, name):
        """a file of its own for each process: what an earlier one said must not be taken for news"""
        self.num_processes += 1
        return self.folder / f"{name}-{self.num_processes}.log"

    @property
    def audit(self):
        return self.state / "test" / "audit.jsonl"  # results on an added trust anchor keep a state of their own

    # --- the machine

    def start_machine(self):
        self.machine_dir.mkdir(mode=0o700, exist_ok=True)
        give_vendor_keys(self.machine_dir)
        self.devsim = Process(self.new_log("devsim"), self.machine_command())
        wait_until("attestd-devsim listens", lambda: "ready" in self.devsim.output or not self.devsim.running())
        assert self.devsim.running(), self.devsim.output
        keep_vendor_keys(self.machine_dir)

    def machine_command(self):
        return [self.program("attestd-devsim"), "--dir", self.machine_dir, "--tee", "snp",
                "--socket", self.socket("platform")]

    def control(self, **change):
        """tells the machine to behave otherwise: debug=True, fail="error", delay_ms=..."""
        answer = request(self.machine_dir / "control.sock", "POST", "/v1/control", json.dumps(change),
                         {"Content-Type": "application/json"})
        assert answer.status == 200, answer.body
        return answer.json

    # --- the daemon

    def config(self):
        uid = os.getuid()
        root = {"allow_root": True} if uid == 0 else {}
        return {
            "platform": {"type": "external", "socket": str(self.socket("platform"))},
            "verifier": {"type": "local", "policy": str(self.folder / "appraisal.json"),
                         "max_age": self.max_age, "trust_anchors": [str(self.machine_dir / "root.der")]},
            "state_dir": str(self.state),
            "sources": {"store": {"type": "store", "measured_image": True}},
            "listeners": [
                {"name": "app", "path": str(self.socket("app"))},
                {"name": "other", "path": str(self.socket("other"))},
                {"name": "admin", "path": str(self.socket("admin")), "kind": "admin"},
            ],
            "workloads": {
                "app": {"match": [{"socket": "app", "uid": uid}], **root},
                "other": {"match": [{"socket": "other", "uid": uid}], **root},
            },
            "secrets": {
                "db/password": {"source": "store", "allow": ["app"], "test": True},
                "other/token": {"source": "store", "allow": ["other"], "test": True},
            },
            "config_binding": "none",
        }

    def appraisal_policy(self):
        return {"snp": {"measurement": "any", "host_data": "any", "id_key_digest": "any",
                        "author_key_digest": "any", "csp_ids": "any", "min_tcb": "any"}}

    def write_config(self, config=None):
        (self.folder / "appraisal.json").write_text(json.dumps(self.appraisal_policy(), indent=1))
        self.config_file.write_text(json.dumps(config or self.config(), indent=1))

    def start_daemon(self, *more):
        self.daemon = Process(self.new_log("attestd"),
                              [self.program("attestd"), "--config", self.config_file, *more], self.environment())
        wait_until("attestd listens", lambda: self.answers() or not self.daemon.running())
        assert self.daemon.running(), self.daemon.output

    def environment(self):
        """of the daemon; None: this process's own"""
        return None

    def answers(self):
        try:
            return self.ask("app", "GET", "/v1/health").status in (200, 503)
        except OSError:
            return False

    def start(self):
        self.start_machine()
        self.write_config()
        self.state.mkdir(mode=0o700, exist_ok=True)
        self.start_daemon()
        self.wait_healthy()

    def begun(self):
        """itself, once it has started: what did not is ended, and the daemon's words are shown"""
        try:
            self.start()
        except BaseException:
            if self.daemon is not None:
                print(self.daemon.output, file=sys.stderr)
            self.__exit__()
            raise
        return self

    def wait_healthy(self):
        wait_until("attestd is healthy", lambda: self.ask("app", "GET", "/v1/health").status == 200)

    def ask(self, listener, method, target, body=None, headers=None):
        """the answer; whatever a test asks, it must be as agent/api/openapi.json describes it"""
        answer = request(self.socket(listener), method, target, body, headers)
        API.check("administrator" if listener == "admin" else "workloads", method, target, answer)
        return answer

    def get(self, listener, name):
        return self.ask(listener, "GET", f"/v1/secrets/{name}")

    def put(self, name, value):
        answer = self.ask("admin", "PUT", f"/v1/admin/secrets/{name}", value,
                          {"Content-Type": "application/octet-stream"})
        assert answer.status == 200, (answer.status, answer.body)
        return answer

    def renew(self):
        assert self.ask("admin", "POST", "/v1/admin/renew").status == 200

    def attestctl(self, *args, stdin=None):
        return subprocess.run([str(self.program("attestctl")), *map(str, args)], input=stdin or b"",
                              capture_output=True, timeout=60)

    def audit_records(self):
        return [json.loads(line) for line in self.audit.read_text().splitlines() if line]
