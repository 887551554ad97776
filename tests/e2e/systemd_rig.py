"""A machine of its own for units: a real systemd as PID 1 in private namespaces, with the product installed.

The root is an overlay of this machine's, so what runs there is what is installed here; nothing of it outlives
the `with` block. The emulated kernel interfaces of a confidential VM lie at the paths of production.
"""
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import rig
import tap

SYSTEMD = pathlib.Path("/lib/systemd/systemd")
START_SECONDS = 120  # generous: test machines are busy
UNITS = "etc/systemd/system"
# They would change this machine, of which kernel and devices are shared.
MASKED = ["systemd-sysctl.service", "systemd-udevd.service", "systemd-udev-trigger.service",
          "systemd-modules-load.service", "systemd-remount-fs.service", "systemd-binfmt.service",
          "systemd-udevd-kernel.socket", "systemd-udevd-control.socket", "systemd-random-seed.service",
          "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "dev-hugepages.mount", "sys-kernel-config.mount"]

BOOT = r"""
set -eu
root=$1/root
mount -t tmpfs -o mode=0755 attestd-rig "$1/upper"
mkdir "$1/upper/files" "$1/upper/work"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper/files,workdir=$1/upper/work" attestd-rig "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
# Where the kernel has no configfs there is no folder for it either.
mount -t tmpfs -o mode=0755 attestd-rig "$root/sys/kernel"
mkdir "$root/sys/kernel/config"
for folder in run tmp dev; do mount -t tmpfs -o mode=0755 attestd-rig "$root/$folder"; done
chmod 1777 "$root/tmp"
for node in null zero full random urandom tty fuse; do
    : >"$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/shm" "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
rm -rf "$root/etc/systemd/system"
cp -a "$1/files/." "$root/"
: >"$root/etc/machine-id"
cd "$root"
mkdir -p attestd-rig-old
pivot_root . attestd-rig-old
umount -l /attestd-rig-old
# Without it the folders of LoadCredential= are empty.
mount --make-rshared /
exec env -i container=attestd-rig PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    "$2" --system --unit=rig.target --log-target=journal --show-status=no
"""

NAMESPACES = ["--mount", "--pid", "--fork", "--cgroup", "--uts", "--ipc", "--kill-child", "--propagation", "private"]


def need():
    """skips, with the reason, where no systemd can be started"""
    if os.getuid() != 0:
        raise tap.Skip("a systemd in namespaces of its own takes root")
    if not SYSTEMD.exists():
        raise tap.Skip("systemd is not there")
    if not shutil.which("unshare") or not shutil.which("nsenter"):
        raise tap.Skip("unshare or nsenter is not there")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise tap.Skip("/dev/fuse is not there")
    if cgroup_root() is None:
        raise tap.Skip("no cgroup v2 hierarchy is mounted")


def cgroup_root():
    """where this machine has its unified hierarchy"""
    for path in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        if os.access(f"{path}/cgroup.procs", os.W_OK) and os.path.exists(f"{path}/cgroup.controllers"):
            return pathlib.Path(path)
    return None


class Machine:
    """Files are put below `files` before start(), and by path() after it."""

    def __init__(self, build):
        self.build = pathlib.Path(build).resolve()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="attestd-machine-"))
        self.files = self.folder / "files"
        self.child, self.pid, self.cgroup = None, None, None
        for name in ("root", "upper", "files"):
            (self.folder / name).mkdir()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stop()
        # Nothing is mounted below it but in namespaces that are gone.
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- files

    def path(self, name):
        """a file of the machine, seen from outside"""
        base = self.files if self.pid is None else pathlib.Path(f"/proc/{self.pid}/root")
        return base / str(name).lstrip("/")

    def write(self, name, content, mode=0o644):
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return path

    def unit(self, name, text):
        self.write(f"{UNITS}/{name}", text)

    def drop_in(self, unit, text):
        self.write(f"{UNITS}/{unit}.d/test.conf", text)

    def install(self):
        """what `meson install` would install, as far as it is built"""
        listed = subprocess.run(["meson", "introspect", "--installed", str(self.build)], capture_output=True,
                                text=True, check=True)
        for source, target in json.loads(listed.stdout).items():
            if not os.path.exists(source):
                continue
            path = self.path(target)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, path)
            path.chmod(0o755 if os.access(source, os.X_OK) else 0o644)

    # --- life

    def start(self):
        for unit in MASKED:
            path = self.path(f"{UNITS}/{unit}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to("/dev/null")
        self.unit("rig.target", "[Unit]\nDescription=Nothing more\nRequires=basic.target\nAfter=basic.target\n")
        self.cgroup = cgroup_root() / self.folder.name
        self.cgroup.mkdir()
        enter = f"echo $$ >{shlex.quote(str(self.cgroup))}/cgroup.procs && exec \"$@\""
        with open(self.folder / "console", "wb") as console:
            self.child = subprocess.Popen(
                ["sh", "-c", enter, "sh", "unshare", *NAMESPACES, "sh", "-c", BOOT, "sh", str(self.folder),
                 str(SYSTEMD)],
                stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT)
        rig.wait_until("the machine's PID 1 starts", self.find_pid, START_SECONDS)
        rig.wait_until("the machine is up", self.is_up, START_SECONDS)

    def find_pid(self):
        assert self.child.poll() is None, self.console()
        try:
            children = pathlib.Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text().split()
            if children and os.readlink(f"/proc/{children[0]}/exe").endswith("/systemd"):
                self.pid = int(children[0])
        except OSError:
            pass
        return self.pid

    def is_up(self):
        assert self.child.poll() is None, self.console()
        return self.run("systemctl", "is-active", "rig.target", check=False).stdout.strip() == "active"

    def console(self):
        return (self.folder / "console").read_text(errors="replace")

    def stop(self):
        if self.child is not None:
            # unshare was told to take PID 1, and so everything in its namespace, along.
            self.child.send_signal(signal.SIGKILL)
            self.child.wait()
            self.child = None
        if self.cgroup is not None:
            try:
                rig.wait_until("the machine's processes are gone", self.remove_cgroup, 30)
            finally:
                self.cgroup = None
        self.pid = None

    def remove_cgroup(self):
        for folder, _, _ in sorted(os.walk(self.cgroup), reverse=True):
            try:
                os.rmdir(folder)
            except OSError:
                return False
        return True

    # --- commands

    def run(self, *command, check=True, stdin=None, seconds=60):
        """a command in the machine's namespaces, but in no unit of it"""
        enter = ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--cgroup", "--uts", "--ipc"]
        done = subprocess.run([*enter, *map(str, command)], input=stdin, capture_output=True, timeout=seconds)
        done.stdout, done.stderr = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
        assert not check or done.returncode == 0, (command, done.returncode, done.stdout, done.stderr)
        return done

    def systemctl(self, *args, **more):
        return self.run("systemctl", *args, **more)

    def show(self, unit, *properties):
        """the values of a unit's properties"""
        done = self.systemctl("show", unit, *(f"--property={p}" for p in properties))
        found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
        return found[properties[0]] if len(properties) == 1 else [found[p] for p in properties]

    def in_unit(self, *command, unit=None, properties=(), check=True, stdin=None, seconds=60):
        """a command as a transient unit of the machine; its exit status and what it printed"""
        name = [f"--unit={unit}"] if unit else []
        with_properties = [f"--property={p}" for p in properties]
        return self.run("systemd-run", "--quiet", "--wait", "--pipe", "--collect", *name, *with_properties, *command,
                        check=check, stdin=stdin, seconds=seconds)

    def journal(self, *args):
        return self.run("journalctl", "--no-pager", "--quiet", "--output=cat", *args, check=False).stdout

    def host_pid(self, pid):
        """the number that a process of the machine has here"""
        for status in pathlib.Path("/proc").glob("[0-9]*/status"):
            try:
                numbers = re.search(r"^NSpid:\t(.*)$", status.read_text(), re.MULTILINE)
            except OSError:
                continue
            if numbers and numbers[1].split()[1:] == [str(pid)] and self.is_ours(status.parent):
                return int(status.parent.name)
        raise AssertionError(f"no process {pid} in the machine")

    def is_ours(self, process):
        try:
            return os.readlink(process / "ns/pid") == os.readlink(f"/proc/{self.pid}/ns/pid")
        except OSError:
            return False


APPRAISAL = {
    "tdx": {name: "any" for name in ("mrtd", "mrseam", "mrconfigid", "mrowner", "mrownerconfig", "rtmr0", "rtmr1",
                                     "rtmr2", "rtmr3")},
    "snp": {name: "any" for name in ("measurement", "host_data", "id_key_digest", "author_key_digest", "csp_ids",
                                     "min_tcb")},
}


class Confidential(Machine):
    """An emulated confidential VM with the shipped daemon on it.

    `platform` is "configfs_tsm", with the kernel's interfaces at their own paths, or "external": the same
    machine on a plug-in's socket, whose derived keys open the store after a restart.
    """

    def __init__(self, build, platform="configfs_tsm", tee="tdx", max_age="10m"):
        super().__init__(build)
        self.platform, self.tee, self.max_age = platform, tee, max_age
        self.workloads, self.secrets, self.listeners = {}, {}, []

    def config(self):
        place = {"type": self.platform}
        store = {"type": "store", "measured_image": True}
        if self.platform == "external":
            place["socket"] = "/run/rig/platform.sock"
        if self.tee == "tdx":  # no derived keys: an operator's recovery key closes the store
            store = {"type": "store", "recovery_key": "/etc/attestd/recovery.pub"}
        return {
            "platform": place,
            "verifier": {"type": "local", "policy": "/etc/attestd/appraisal.json", "max_age": self.max_age,
                         "trust_anchors": ["/etc/attestd/machine/root.der"],
                         "endorsements": ["/etc/attestd/machine"], "collateral": {"fetch": False}},
            "sources": {"store": store},
            "listeners": [
                {"name": "default", "path": "/run/attestd/attestd.sock", "group": "attestd-clients"},
                {"name": "admin", "path": "/run/attestd/admin.sock", "kind": "admin"},
                *self.listeners,
            ],
            "workloads": self.workloads, "secrets": self.secrets,
            "limits": {"requests": {"per_second": 1000, "burst": 1000},
                       "failures": {"per_minute": 60000, "burst": 1000}},
            "config_binding": "none",
        }

    def write_config(self):
        self.write("etc/attestd/attestd.json", json.dumps(self.config(), indent=1))
        self.write("etc/attestd/appraisal.json", json.dumps({self.tee: APPRAISAL[self.tee]}))

    def prepare(self):
        """everything that lies on the machine's disk"""
        self.install()
        shutil.copy2(self.build / "tests/emulator/attestd-devsim", self.write("rig/attestd-devsim", "", 0o755))
        mount = "--mount /run/rig/devices" if self.platform == "configfs_tsm" else ""
        # Files that root hands over must be had by the daemon's user: so the machine's folder is the daemon's to read.
        self.unit("rig-machine.service", f"""[Unit]
Description=The emulated hardware
[Service]
Type=exec
RuntimeDirectory=rig
ExecStart=/rig/attestd-devsim --dir /rig/machine --tee {self.tee} --socket /run/rig/platform.sock {mount}
ExecStartPost=/bin/sh /rig/ready
""")
        self.write("rig/ready", """set -eu
until [ -S /run/rig/platform.sock ]; do sleep 0.05; done
chmod 0666 /run/rig/platform.sock
mkdir -p /etc/attestd/machine
for file in /rig/machine/*.der /rig/machine/*.crl /rig/machine/*.json /rig/machine/*.pem; do
    case $file in *key*|*'*'*) ;; *) cp "$file" /etc/attestd/machine/ ;; esac
done
chmod -R a+rX /etc/attestd/machine
if [ -d /run/rig/devices ]; then mount --bind /run/rig/devices/sys/kernel/config /sys/kernel/config; fi
""")
        (self.path("rig/machine")).mkdir(mode=0o700)
        rig.give_vendor_keys(self.path("rig/machine"))
        if self.tee == "tdx":
            pair = self.folder / "recovery.pem"
            subprocess.run([str(self.build / "agent/cli/attestctl"), "store", "recovery-key", str(pair)], check=True,
                           capture_output=True)
            self.write("etc/attestd/recovery.pub", pathlib.Path(f"{pair}.pub").read_bytes())
        self.write_config()

    def start(self):
        self.prepare()
        super().start()
        self.systemctl("start", "rig-machine.service", seconds=120)
        rig.keep_vendor_keys(self.path("rig/machine"))

    def start_daemon(self):
        self.systemctl("start", "attestd.service", seconds=120)
        self.wait_healthy()

    def wait_healthy(self):
        rig.wait_until("attestd is healthy", lambda: self.status().get("session", {}).get("affirming"), START_SECONDS)

    def status(self):
        done = self.in_unit("curl", "--silent", "--unix-socket", "/run/attestd/attestd.sock", "http://attestd/v1/status",
                            check=False)
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout else {}

    def put(self, name, value):
        self.in_unit("attestctl", "secret", "put", name, stdin=value)

    def fetch_secret(self, unit, name, user="nobody", **more):
        """what a process of a unit gets from the workloads' socket"""
        return self.in_unit("attestctl", "secret", "get", name, unit=unit, check=False,
                            properties=[f"User={user}", "SupplementaryGroups=attestd-clients"], **more)

    def audit(self):
        text = self.path("var/lib/attestd/test/audit.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines() if line]

    def problem(self):
        """for the log of a failed test"""
        return self.journal("-u", "attestd*", "-u", "rig-machine.service", "-n", "80")


def run(tests, machine):
    """runs them on the machine that machine() gives once one of them has made it; shows what it said, and ends it"""
    try:
        failed = tap.run(tests)
        made = machine()
        if failed and made is not None and made.pid is not None:
            print(made.problem(), made.console(), file=sys.stderr)
        return failed
    finally:
        if machine() is not None:
            machine().__exit__()
