#!/usr/bin/env python3
"""A secret that can be told from all else is put, released and removed; then it is looked for everywhere
that it must not be.

usage: canary_test.py BUILD-DIR
"""
import base64
import os
import pathlib
import re
import resource
import secrets
import shutil
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import rig  # noqa: E402
import tap  # noqa: E402

BUILD = None
NAME = "db/password"


class Canary:
    """48 random bytes, and every form in which they could lie about"""

    def __init__(self):
        self.value = b"CANARY" + secrets.token_bytes(42)
        self.forms = {"raw": self.value, "hex": self.value.hex().encode(), "HEX": self.value.hex().upper().encode()}
        # Within a longer text, base64 has three alignments; the inner part of each is the same everywhere.
        for shift in range(3):
            encoded = base64.b64encode(b"\0" * shift + self.value)
            self.forms[f"base64+{shift}"] = encoded[4:-4]

    def found_in(self, data):
        return [form for form, text in self.forms.items() if text in data]


def used(r, canary):
    """put, and released in every way there is"""
    r.put(NAME, canary.value)
    for _ in range(3):
        assert r.get("app", NAME).body == canary.value
    as_json = r.ask("app", "GET", f"/v1/secrets/{NAME}", headers={"Accept": "application/json"}).json
    assert base64.b64decode(as_json["value"]) == canary.value
    keep = rig.UnixConnection(r.socket("app"))
    for _ in range(20):  # a connection that stays open: from memory
        keep.request("GET", f"/v1/secrets/{NAME}")
        assert keep.getresponse().read() == canary.value
    keep.close()


def started():
    return rig.Rig(BUILD).begun()


def is_arena(mapping):
    """the memory for secrets: memfd_secret, else locked, never dumped and wiped on fork"""
    flags = mapping["flags"]
    return "secretmem" in mapping["name"] or {"lo", "dd", "wf"} <= flags


def mappings(pid):
    found = []
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        head = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+\s*(.*)", line)
        if head:
            begin, end, mode, name = head.groups()
            found.append({"begin": int(begin, 16), "end": int(end, 16), "mode": mode, "name": name, "flags": set()})
        elif line.startswith("VmFlags:"):
            found[-1]["flags"] = set(line.split()[1:])
    return found


def memory_of(pid, mapping):
    """None when not even root may read it"""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        out, at = bytearray(), mapping["begin"]
        while at < mapping["end"]:
            try:
                memory.seek(at)
                piece = memory.read(min(1 << 20, mapping["end"] - at))
            except OSError:
                return bytes(out) if out else None
            if not piece:
                break
            out += piece
            at += len(piece)
        return bytes(out)


def need_root():
    if os.getuid() != 0:
        raise tap.Skip("reading another process' memory needs root")


def search_memory(pid, canary, known):
    """where the canary lies outside the memory for secrets; `known` is what must be found somewhere"""
    hits, num_arenas, control = [], 0, False
    for mapping in mappings(pid):
        if mapping["name"] in ("[vvar]", "[vvar_vclock]", "[vsyscall]"):
            continue
        data = memory_of(pid, mapping)
        if is_arena(mapping):
            num_arenas += 1
            if data is not None:
                assert "lo" in mapping["flags"], mapping  # it can be read by root: locked at least
            continue
        if data is None:
            continue
        control = control or known in data
        hits += [(mapping["name"], form) for form in canary.found_in(data)]
    assert control, "the search does not find even the secret's name"
    assert num_arenas >= 1, "where are the secrets?"
    return hits


def test_memory():
    """no mapping of the daemon holds the secret, but for the memory that is made for secrets"""
    need_root()
    canary = Canary()
    with started() as r:
        used(r, canary)
        hits = search_memory(r.daemon.child.pid, canary, NAME.encode())
        assert not hits, hits


def test_removed():
    """once removed, the secret is nowhere in the daemon's memory that can be read"""
    need_root()
    canary = Canary()
    with started() as r:
        used(r, canary)
        assert r.ask("admin", "DELETE", f"/v1/admin/secrets/{NAME}").status in (200, 204)
        assert r.get("app", NAME).status != 200
        for mapping in mappings(r.daemon.child.pid):
            data = memory_of(r.daemon.child.pid, mapping) if mapping["name"] not in ("[vvar]", "[vsyscall]") else None
            assert not canary.found_in(data or b""), mapping


def test_forced_core():
    """a daemon that is killed by a signal that dumps leaves no core, even where its limit is lifted"""
    need_root()
    canary = Canary()
    with started() as r:
        used(r, canary)
        pid = r.daemon.child.pid
        everything = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0)
        try:
            resource.prlimit(pid, resource.RLIMIT_CORE, everything)
        except PermissionError:
            print("# the limit cannot be lifted here: CAP_SYS_RESOURCE is missing", flush=True)
        before = set(pathlib.Path.cwd().iterdir())
        os.kill(pid, signal.SIGABRT)
        _, status = os.waitpid(pid, 0)
        r.daemon.child.returncode = -signal.SIGABRT
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGABRT, status
        assert not os.WCOREDUMP(status), "a core was dumped"
        new = [path for path in set(pathlib.Path.cwd().iterdir()) - before if path.name.startswith("core")]
        assert not new, new


def test_files():
    """no file of the daemon holds the secret: not the store, the audit log, the log, the configuration"""
    canary = Canary()
    with started() as r:
        used(r, canary)
        assert r.get("other", NAME).status == 404
        r.renew()
        assert r.ask("admin", "POST", "/v1/admin/reload").status == 200
        assert r.get("app", NAME).body == canary.value
        r.daemon.stop()
        num_files = 0
        for path in r.folder.rglob("*"):
            if path.is_file():
                num_files += 1
                assert not canary.found_in(path.read_bytes()), path
        assert num_files >= 6, "the search looked at too little"
        assert NAME in r.audit.read_text()


def strace_command(log):
    return ["strace", "-f", "-yy", "-xx", "-s", "1048576", "-o", str(log),
            "-e", "trace=write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,sendmmsg,sendfile,splice,vmsplice"]


def test_descriptors():
    """what the daemon writes to any descriptor is free of the secret, but for the answers on callers' sockets"""
    if not shutil.which("strace"):
        raise tap.Skip("strace is not there")
    canary = Canary()
    with rig.Rig(BUILD) as r:
        r.start_machine()
        r.write_config()
        r.state.mkdir(mode=0o700)
        log = r.folder / "written.strace"
        r.daemon = rig.Process(r.new_log("attestd"),
                               [*strace_command(log), r.program("attestd"), "--config", r.config_file])
        rig.wait_until("attestd is healthy", lambda: r.daemon.running() and r.answers()
                       and r.ask("app", "GET", "/v1/health").status == 200, seconds=120)
        used(r, canary)
        tracer = r.daemon.child.pid
        (attestd,) = pathlib.Path(f"/proc/{tracer}/task/{tracer}/children").read_text().split()
        os.kill(int(attestd), signal.SIGTERM)  # strace ends with it
        assert r.daemon.child.wait(60) == 0
        text = log.read_text(errors="replace")
        # -xx writes each byte as \\xNN.
        forms = {form: "".join(f"\\x{byte:02x}" for byte in value) for form, value in canary.forms.items()}
        lines = text.splitlines()
        control = "".join(f"\\x{byte:02x}" for byte in NAME.encode())
        assert any(control in line for line in lines), "the trace does not show what was written"
        answers = re.compile(r"(sendmsg|sendto)\(\d+<UNIX(-STREAM)?:[^>]*app\.sock")
        hits = [(form, line[:120]) for line in lines for form, value in forms.items()
                if value in line and not answers.search(line)]
        assert not hits, hits


def test_verbose_log():
    """not even the most talkative log has the secret"""
    canary = Canary()
    with rig.Rig(BUILD) as r:
        r.start_machine()
        r.write_config()
        r.state.mkdir(mode=0o700)
        r.start_daemon("--verbose")
        r.wait_healthy()
        used(r, canary)
        r.daemon.stop()
        assert "daemon.started" in r.daemon.output, r.daemon.output
        assert not canary.found_in(r.daemon.output.encode()), r.daemon.output


def main():
    global BUILD
    if len(sys.argv) != 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    BUILD = sys.argv[1]
    return tap.run([f for name, f in globals().items() if name.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
