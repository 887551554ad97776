"""What the tests of callers' identity add to the rig: users, callers that obey, the inspector as systemd starts it."""
import ctypes
import hashlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys

import rig
import tap

# Nobody's on any machine; each caller gets one, and the group that may reach the listeners.
ALICE, MALLORY, INSPECTOR = 64001, 64002, 64003
GROUP = 100  # "users" of Debian's /etc/group
VALUE = b"what-only-app-may-know"

BUILD = None  # the build's folder; set by each test program


def need_root():
    if os.getuid() != 0:
        raise tap.Skip("callers of other users take root")


class Caller:
    """An attestd-caller: told what to do line by line. `before` is a command that starts it."""

    def __init__(self, program, uid, gid=GROUP, groups=(), before=()):
        self.child = subprocess.Popen([*before, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      text=True, bufsize=1, user=uid, group=gid,
                                      extra_groups=None if uid is None else list(groups), cwd="/")
        self.pid = int(self.line().split()[1])

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for stream in (self.child.stdin, self.child.stdout):
            stream.close()
        self.child.kill()
        self.child.wait()

    def line(self):
        line = self.child.stdout.readline()
        assert line, "the caller ended"
        return line.rstrip("\n")

    def tell(self, command):
        self.child.stdin.write(command + "\n")
        self.child.stdin.flush()

    def do(self, command):
        """the answer to a command"""
        self.tell(command)
        return self.line()

    def good(self, command):
        answer = self.do(command)
        assert answer.startswith(("ok", "ready", "taken")), (command, answer)
        return answer


class IdentityRig(rig.Rig):
    """A rig whose listener is for a group, with workloads and secrets as the test says: each workload's secret is
    called after it."""

    def __init__(self, build, workloads, identity=None, prefix=(), listener=None):
        super().__init__(build)
        self.workloads, self.identity, self.prefix = workloads, identity or {}, list(prefix)
        self.listener = {"group": "users", "mode": "0660"} if listener is None else listener
        self.folder.chmod(0o711)
        self.inspector = None
        self.bin = self.folder / "bin"
        self.bin.mkdir(mode=0o755)
        self.bin.chmod(0o755)
        self.caller_program = self.install("caller")
        self.trusted = self.install("trusted", b"trusted")  # another digest

    def __exit__(self, *exception):
        if self.daemon is not None and self.daemon.running():
            self.daemon.child.send_signal(signal.SIGCONT)
        self.stop_inspector()
        super().__exit__(*exception)

    def install(self, name, tail=b""):
        """a copy of the caller's program, with bytes at its end that change nothing but its digest"""
        path = self.bin / name
        source = self.build / "tests/emulator/attestd-caller"
        if not source.exists():
            raise tap.Skip("tests/emulator/attestd-caller is not built")
        path.write_bytes(source.read_bytes() + tail)
        path.chmod(0o755)
        return path

    def config(self):
        config = super().config()
        config["identity"] = self.identity
        config["listeners"] = [
            {"name": "app", "path": str(self.socket("app")), **self.listener},
            {"name": "admin", "path": str(self.socket("admin")), "kind": "admin"}]
        config["workloads"] = self.workloads
        config["secrets"] = {f"{name}/secret": {"source": "store", "allow": [name], "test": True}
                             for name in self.workloads}
        many = {"per_minute": 100000, "burst": 100000}
        config["limits"] = {"failures": many, "request_timeout": "60s", "idle_timeout": "60s"}
        return config

    def start(self):
        super().start()
        for name in self.workloads:
            self.put(f"{name}/secret", VALUE)
        return self

    def start_daemon(self, *more):
        self.daemon = rig.Process(self.new_log("attestd"),
                                  [*self.prefix, self.program("attestd"), "--config", self.config_file, *more])
        rig.wait_until("attestd listens", lambda: self.answers() or not self.daemon.running())
        assert self.daemon.running(), self.daemon.output

    def start_daemon_quietly(self):
        """one that refuses the test's own requests too: it listens when its socket is there"""
        self.daemon = rig.Process(self.new_log("attestd"),
                                  [*self.prefix, self.program("attestd"), "--config", self.config_file])
        rig.wait_until("attestd listens", lambda: "daemon.started" in self.daemon.output or not self.daemon.running())
        assert self.daemon.running(), self.daemon.output

    # --- the inspector

    @property
    def inspect_socket(self):
        return self.folder / "inspect.sock"

    def start_inspector(self):
        """as systemd does it: a user of its own, one capability, and a socket that is passed"""
        program = self.bin / "attestd-inspect"
        shutil.copy(self.build / "agent/inspect/attestd-inspect", program)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(str(self.inspect_socket))
        self.inspect_socket.chmod(0o600)
        listener.listen(1024)
        only = "-all,+sys_ptrace"
        with open(self.new_log("inspect"), "xb") as out:
            self.inspector = subprocess.Popen(
                ["setpriv", f"--reuid={INSPECTOR}", f"--regid={INSPECTOR}", "--clear-groups", f"--inh-caps={only}",
                 f"--ambient-caps={only}", f"--bounding-set={only}", "--no-new-privs",
                 "sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh", program],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, pass_fds=(3,),
                preexec_fn=lambda: os.dup2(listener.fileno(), 3))
        listener.close()

    def stop_inspector(self):
        if self.inspector is not None:
            self.inspector.kill()
            self.inspector.wait()
            self.inspector = None
            self.inspect_socket.unlink(missing_ok=True)

    # --- callers

    def caller(self, uid, program=None, **more):
        return Caller(program or self.caller_program, uid, **more)

    def connected(self, uid, program=None, **more):
        caller = self.caller(uid, program, **more)
        caller.good(f"connect {self.socket('app')}")
        return caller

    def ask_as(self, uid, workload, program=None, **more):
        """what a caller gets for the workload's secret: "200 ..." or "404 ..." and so on"""
        with self.connected(uid, program, **more) as caller:
            return caller.do(f"get {workload}/secret")

    def stop_daemon_for_now(self):
        self.daemon.child.send_signal(signal.SIGSTOP)
        rig.wait_until("attestd is stopped", lambda: " T" in self.daemon_stat())

    def let_daemon_go_on(self):
        self.daemon.child.send_signal(signal.SIGCONT)

    def daemon_stat(self):
        text = open(f"/proc/{self.daemon.child.pid}/stat").read()
        return text[text.rindex(")") + 1:][:3]

    def recorded(self, **wanted):
        """the first audit record with these members, waited for: denials are written in batches"""
        def found():
            return [row for row in self.audit_records() if all(row.get(k) == v for k, v in wanted.items())]
        return rig.wait_until(f"a record with {wanted}", found)[0]


def is_given(answer):
    return answer == "200 " + VALUE.decode()


def is_refused(answer, status, code):
    return answer.startswith(f"{status} ") and f'"code":"{code}"' in answer


def sha256_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- rigs that are ready

def started(workloads, **more):
    need_root()
    made = IdentityRig(BUILD, workloads, **more)
    try:
        return made.start()
    except BaseException:
        if made.daemon is not None:
            print(made.daemon.output, file=sys.stderr)
        made.__exit__()
        raise


def inspected(workloads_of, identity=None):
    """a rig with an inspector; the workloads may name the trusted program"""
    need_root()
    made = IdentityRig(BUILD, {})
    try:
        made.workloads = workloads_of(made)
        made.identity = {"inspect_socket": str(made.inspect_socket), **(identity or {})}
        made.start_inspector()
        return made.start()
    except BaseException:
        if made.daemon is not None:
            print(made.daemon.output, file=sys.stderr)
        made.__exit__()
        raise


def by_uid():
    return started({"app": {"match": [{"uid": ALICE}]}})


def by_digest():
    return inspected(lambda r: {"app": {"match": [{"uid": ALICE, "exe_sha256": sha256_of(r.trusted)}]}})


def exe_of(pid):
    return os.readlink(f"/proc/{pid}/exe")


# --- a kernel that lacks something: system calls that a filter refuses

ENOPROTOOPT, ENOSYS = 92, 38


def refuse_system_calls(without_pidfd_open):
    """SO_PEERPIDFD is unknown to getsockopt(), and pidfd_open() is missing if so said: for this process and what it
    executes"""
    load, jump_equal, give = 0x20, 0x15, 0x06
    allow, errno = 0x7FFF0000, 0x00050000
    number, level, name = 0, 24, 32  # offsets in seccomp_data: nr, args[1], args[2]
    calls = {"x86_64": (55, 434)}
    if os.uname().machine not in calls:
        raise tap.Skip("the filter is written for x86-64")
    getsockopt, pidfd_open = calls[os.uname().machine]
    second = errno | ENOSYS if without_pidfd_open else allow
    # From the top: pidfd_open; else getsockopt(SOL_SOCKET, SO_PEERPIDFD); everything else is allowed.
    program = [(load, 0, 0, number),
               (jump_equal, 6, 0, pidfd_open),
               (jump_equal, 0, 6, getsockopt),
               (load, 0, 0, level),
               (jump_equal, 0, 4, 1),
               (load, 0, 0, name),
               (jump_equal, 0, 2, 77),
               (give, 0, 0, errno | ENOPROTOOPT),
               (give, 0, 0, second),
               (give, 0, 0, allow)]
    filters = b"".join(struct.pack("HBBI", *row) for row in program)
    buffer = ctypes.create_string_buffer(filters, len(filters))
    prog = struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer))
    held = ctypes.create_string_buffer(prog, len(prog))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privs, set_seccomp, filter_mode = 38, 22, 2
    assert libc.prctl(no_new_privs, 1, 0, 0, 0) == 0
    assert libc.prctl(set_seccomp, filter_mode, held, 0, 0) == 0, os.strerror(ctypes.get_errno())
