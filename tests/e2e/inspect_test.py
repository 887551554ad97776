#!/usr/bin/env python3
"""Callers that pretend to run another program, and the inspector that finds out (spec/workload-identity.md sections 6
and 10): each attack against the real attestd and attestd-inspect, and, where it can be shown, against what a simpler
look would have believed.

usage: inspect_test.py BUILD-DIR
"""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import identity_rig  # noqa: E402
import rig  # noqa: E402
import tap  # noqa: E402
from identity_rig import ALICE, GROUP, MALLORY, IdentityRig, is_given, is_refused, need_root  # noqa: E402


def test_exec_before_accept_with_digest():
    """attack 2: nor where the rule asks for the trusted program's digest, which a simpler look would have found"""
    with identity_rig.by_digest() as r:
        r.stop_daemon_for_now()
        with r.connected(ALICE) as caller:
            caller.good(f"leave {r.trusted}")
            rig.wait_until("the trusted program runs", lambda: identity_rig.exe_of(caller.pid) == str(r.trusted))
            seen = identity_rig.sha256_of(pathlib.Path(f"/proc/{caller.pid}/exe"))
            assert seen == identity_rig.sha256_of(r.trusted)  # what is looked at when the connection is accepted
            r.let_daemon_go_on()
            answer = caller.do("get app/secret")
            assert is_refused(answer, 403, "caller.writer-mismatch"), answer


def test_inspector_must_be_there():
    """a rule that needs attestd-inspect is refused where nobody listens on its socket"""
    need_root()
    with IdentityRig(identity_rig.BUILD, {"app": {"match": [{"uid": 1, "exe_path": "/bin/app"}]}},
                     identity={"inspect_socket": "/run/attestd/no-such.sock"}) as r:
        r.start_machine()
        done = r.check()
        assert done.returncode == 1 and "inspect_socket" in done.stderr + done.stdout, done


def test_interpreters_are_warned_of():
    """a rule that names a shell by its digest loads, with a warning"""
    shell = pathlib.Path("/bin/sh").resolve()
    with identity_rig.inspected(lambda _: {"app": {"match": [
            {"uid": ALICE, "exe_sha256": identity_rig.sha256_of(shell)}]}}) as r:
        rig.wait_until("the warning", lambda: "rule.interpreter" in r.daemon.output)
        assert str(shell) in r.daemon.output and "workload=app" in r.daemon.output, r.daemon.output


def test_digest_is_a_condition():
    """a rule with a digest is met by that program of that user alone"""
    with identity_rig.by_digest() as r:
        assert is_given(r.ask_as(ALICE, "app", r.trusted))
        record = r.recorded(decision="allow", uid=ALICE)
        assert record["exe_sha256"] == identity_rig.sha256_of(r.trusted), record
        st = os.stat(r.trusted)
        assert record["exe_dev_ino"] == f"{st.st_dev}:{st.st_ino}", record
        assert record["identity_level"] in ("L1", "L2", "L3"), record
        assert is_refused(r.ask_as(ALICE, "app"), 404, "secret.unavailable")
        assert is_refused(r.ask_as(MALLORY, "app", r.trusted), 404, "secret.unavailable")


def test_exec_between_accept_and_request():
    """attack 3: a caller that becomes the trusted program after it connected is refused"""
    with identity_rig.by_digest() as r:
        with r.connected(ALICE) as caller:
            assert is_refused(caller.do("get app/secret"), 404, "secret.unavailable")  # it was looked at
            caller.good(f"exec {r.trusted}")
            assert identity_rig.exe_of(caller.pid) == str(r.trusted)  # a look at the time of the request
            answer = caller.do("get app/secret")
            assert is_refused(answer, 403, "caller.changed"), answer
        assert r.recorded(reason="caller.changed")["uid"] == ALICE


def test_executable_alone_is_no_rule():
    """attack 2: a rule that names an executable and nothing else is refused when it is loaded"""
    need_root()
    with IdentityRig(identity_rig.BUILD, {"app": {"match": [{"exe_sha256": "0" * 64}]}},
                     identity={"inspect_socket": "/run/attestd/inspect.sock"}) as r:
        (r.machine_dir).mkdir()
        (r.machine_dir / "root.der").write_bytes(b"")
        done = r.check()
        assert done.returncode == 1 and "an executable alone identifies nobody" in done.stderr + done.stdout, done


def test_namespaces_as_conditions():
    """rules that ask for attestd's own pid and user namespace are not met from within others"""
    rules = {"app": {"match": [{"uid": ALICE, "pidns": "init", "userns": "init"}]}}
    with identity_rig.inspected(lambda _: rules) as r:
        assert is_given(r.ask_as(ALICE, "app"))
        assert is_refused(r.ask_as(ALICE, "app", before=["unshare", "--user"]), 404, "secret.unavailable")
        pid_ns = ["unshare", "--pid", "--fork", "--kill-child", "setpriv", f"--reuid={ALICE}", "--clear-groups",
                  f"--regid={GROUP}"]
        with identity_rig.Caller(r.caller_program, None, None, (), pid_ns) as caller:
            caller.good(f"connect {r.socket('app')}")
            answer = caller.do("get app/secret")
            assert is_refused(answer, 404, "secret.unavailable"), answer


MEMFD = "import os,sys;d=open(sys.argv[1],'rb').read();m=os.memfd_create('trusted');os.write(m,d);" \
        "f=os.open(f'/proc/self/fd/{m}',os.O_RDONLY);os.close(m);os.execve(f,['trusted'],{})"


def test_executables_without_a_name():
    """attack 9: a trusted program's digest counts from a memfd or a deleted file only where the rule says so"""
    def workloads(r):
        rule = {"uid": ALICE, "exe_sha256": identity_rig.sha256_of(r.trusted)}
        return {"app": {"match": [rule]}, "kept": {"match": [{**rule, "allow_unlinked": True}]}}
    with identity_rig.inspected(workloads) as r:
        python = "/usr/bin/python3"
        if not os.access(python, os.X_OK):
            raise tap.Skip("no Python that every user may run")
        with r.connected(ALICE, before=[python, "-c", MEMFD], program=r.trusted) as caller:
            assert "memfd:" in identity_rig.exe_of(caller.pid), identity_rig.exe_of(caller.pid)
            # Its bytes are the trusted program's: whoever hashes them is satisfied.
            assert identity_rig.sha256_of(pathlib.Path(f"/proc/{caller.pid}/exe")) == \
                identity_rig.sha256_of(r.trusted)
            answer = caller.do("get app/secret")
            assert is_refused(answer, 404, "secret.unavailable"), answer
            assert is_given(caller.do("get kept/secret"))
        deleted = r.bin / "deleted"
        shutil.copy(r.trusted, deleted)
        with r.caller(ALICE, deleted) as caller:
            deleted.unlink()
            caller.good(f"connect {r.socket('app')}")
            assert is_refused(caller.do("get app/secret"), 404, "secret.unavailable")
            assert is_given(caller.do("get kept/secret"))


def test_refused_executables():
    """attack 9: an executable of 1 GiB, one that nobody may read and a deleted one give no digest, and the audit log
    says which"""
    def workloads(r):
        return {"app": {"match": [{"uid": uid, "exe_sha256": identity_rig.sha256_of(r.trusted)}
                                  for uid in (ALICE, MALLORY, MALLORY + 10, MALLORY + 11)]}}
    with identity_rig.inspected(workloads) as r:
        def refused(uid, program, why, change=lambda: None):  # equal denials of one user share a record
            with r.caller(uid, program) as caller:
                change()
                caller.good(f"connect {r.socket('app')}")
                answer = caller.do("get app/secret")
                assert is_refused(answer, 404, "secret.unavailable"), answer
            record = r.recorded(exe_refused=why)
            assert record["reason"] == "caller.executable" and "exe_sha256" not in record, record
        large = r.install("large", b"trusted")
        os.truncate(large, 1 << 30)
        refused(MALLORY, large, "too-large")
        unreadable = r.install("unreadable", b"trusted")
        unreadable.chmod(0o711)
        refused(MALLORY + 10, unreadable, "unreadable")
        deleted = r.install("deleted", b"trusted")
        refused(MALLORY + 11, deleted, "unlinked", deleted.unlink)
        assert is_given(r.ask_as(ALICE, "app", r.trusted))


def test_not_dumpable():
    """a caller that hides its executable from everybody else does not hide it from the inspector"""
    with identity_rig.by_digest() as r:
        with r.caller(ALICE, r.trusted) as caller:
            caller.good("dumpable 0")
            naive = subprocess.run(["readlink", f"/proc/{caller.pid}/exe"], user=ALICE, group=GROUP, extra_groups=[],
                                   capture_output=True, cwd="/")
            assert naive.returncode != 0  # hidden from its own user, and so from any daemon without the capability
            caller.good(f"connect {r.socket('app')}")
            assert is_given(caller.do("get app/secret"))


def test_replaced_on_disk():
    """attack 12: a program replaced by the trusted one while it runs is not the trusted one, by digest or by path"""
    def workloads(r):
        return {"app": {"match": [{"uid": ALICE, "exe_sha256": identity_rig.sha256_of(r.trusted)}]},
                "path": {"match": [{"uid": ALICE, "exe_path": str(r.bin / "app")}]}}
    with identity_rig.inspected(workloads) as r:
        program = r.install("app")
        with r.caller(ALICE, program) as caller:
            os.replace(shutil.copy(r.trusted, r.bin / "new"), program)
            assert identity_rig.sha256_of(program) == identity_rig.sha256_of(r.trusted)  # the look at the path
            caller.good(f"connect {r.socket('app')}")
            for name in ("app", "path"):
                answer = caller.do(f"get {name}/secret")
                assert is_refused(answer, 404, "secret.unavailable"), (name, answer)
        assert is_given(r.ask_as(ALICE, "app", program))
        assert is_given(r.ask_as(ALICE, "path", program))


class HostileFiles:
    """a mounted folder with one executable, whose content a process of ours makes up"""

    def __init__(self, r, content):
        program = r.build / "tests/emulator/attestd-hostile-fs"
        if not program.exists() or not os.path.exists("/dev/fuse"):
            raise tap.Skip("FUSE is not to be had here")
        self.folder = r.folder / "mounted"
        self.folder.mkdir(mode=0o755)
        self.server = rig.Process(r.new_log("hostile-fs"), [program, self.folder, content])
        rig.wait_until("the files are mounted", lambda: os.path.ismount(self.folder) or not self.server.running())
        assert self.server.running(), self.server.output

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.server.child.kill()
        self.server.child.wait()
        subprocess.run(["umount", "--lazy", str(self.folder)], capture_output=True)

    def fall_silent(self):
        self.server.child.send_signal(signal.SIGUSR1)


def test_content_made_up():
    """attack 9: an executable whose content its owner makes up at each read gives no digest"""
    with identity_rig.by_digest() as r, HostileFiles(r, r.trusted) as files:
        with r.caller(ALICE, files.folder / "app") as caller:
            seen = identity_rig.sha256_of(pathlib.Path(f"/proc/{caller.pid}/exe"))
            assert seen == identity_rig.sha256_of(r.trusted)  # whoever reads it is satisfied
            caller.good(f"connect {r.socket('app')}")
            answer = caller.do("get app/secret")
            assert is_refused(answer, 404, "secret.unavailable"), answer
        assert r.recorded(exe_refused="user-storage")["reason"] == "caller.executable"


def test_storage_that_never_answers():
    """an executable on storage that never answers costs its own user's inspections and nobody else's"""
    def workloads(r):
        return {name: {"match": [{"uid": uid, "exe_sha256": identity_rig.sha256_of(r.trusted)}]}
                for name, uid in (("app", ALICE), ("other", MALLORY))}
    with identity_rig.inspected(workloads) as r, HostileFiles(r, r.trusted) as files:
        with r.caller(ALICE, files.folder / "app") as stuck:
            files.fall_silent()
            stuck.good(f"connect {r.socket('app')}")
            stuck.good("send app/secret")
            for _ in range(3):
                assert is_given(r.ask_as(MALLORY, "other", r.trusted))
            answer = stuck.do("recv")
            assert is_refused(answer, 503, "caller.inspect"), answer
            assert is_given(r.ask_as(MALLORY, "other", r.trusted))


def test_mounted_over():
    """a program mounted over the trusted path in a namespace of the caller's own is not found at that path"""
    rules = lambda r: {"app": {"match": [{"uid": ALICE, "exe_path": str(r.trusted)}]}}  # noqa: E731
    with identity_rig.inspected(rules) as r:
        assert is_given(r.ask_as(ALICE, "app", r.trusted))
        script = f'mount --bind {r.caller_program} {r.trusted} && exec "$@"'
        before = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
        with r.caller(ALICE, r.trusted, before=before) as caller:
            assert identity_rig.exe_of(caller.pid) == str(r.trusted)  # what the link says
            caller.good(f"connect {r.socket('app')}")
            answer = caller.do("get app/secret")
            assert is_refused(answer, 404, "secret.unavailable"), answer


def test_inspector_has_one_capability():
    """attestd-inspect runs as a user of its own with CAP_SYS_PTRACE and nothing else"""
    with identity_rig.by_digest() as r:
        assert is_given(r.ask_as(ALICE, "app", r.trusted))
        status = open(f"/proc/{r.inspector.pid}/status").read()
        sys_ptrace = 1 << 19
        for kind in ("CapPrm", "CapEff", "CapBnd"):
            assert int(re.search(rf"{kind}:\t([0-9a-f]+)", status)[1], 16) == sys_ptrace, status
        for kind in ("CapInh", "CapAmb"):
            assert int(re.search(rf"{kind}:\t([0-9a-f]+)", status)[1], 16) in (0, sys_ptrace), status
        assert re.search(r"NoNewPrivs:\t1", status) and re.search(rf"Uid:\t{identity_rig.INSPECTOR}\t", status)


def test_inspector_is_attestds_alone():
    """attestd-inspect answers nobody but the owner of its socket"""
    with identity_rig.by_digest() as r:
        r.inspect_socket.chmod(0o777)
        question = b"IPQ1" + bytes([1, 0, 0, 0]) + bytes(4)
        ask = "import socket,os;s=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET);" \
              f"s.connect({str(r.inspect_socket)!r});" \
              f"socket.send_fds(s,[{question!r}],[os.pidfd_open(os.getpid())]);print(len(s.recv(9999)))"
        done = subprocess.run(["/usr/bin/python3", "-c", ask], user=MALLORY, group=GROUP, extra_groups=[],
                              capture_output=True, text=True, cwd="/", timeout=60)
        hung_up = "ConnectionResetError" in done.stderr or "BrokenPipeError" in done.stderr
        assert done.stdout.strip() == "0" or hung_up, done
        own = subprocess.run(["/usr/bin/python3", "-c", ask], capture_output=True, text=True, timeout=60)
        assert int(own.stdout) > 100, own


def test_inspector_gone():
    """without the inspector whoever a rule might name by its executable is refused; others are served"""
    def workloads(r):
        return {"app": {"match": [{"uid": ALICE, "exe_sha256": identity_rig.sha256_of(r.trusted)}]},
                "other": {"match": [{"uid": MALLORY}]}}
    with identity_rig.inspected(workloads) as r:
        r.stop_inspector()
        answer = r.ask_as(ALICE, "app", r.trusted)
        assert is_refused(answer, 503, "caller.inspect"), answer
        assert is_given(r.ask_as(MALLORY, "other"))
        r.start_inspector()
        assert is_given(r.ask_as(ALICE, "app", r.trusted))


def test_inspector_that_hangs():
    """an inspector that never answers costs those connections their time and nobody else's"""
    def workloads(r):
        return {"app": {"match": [{"uid": ALICE, "exe_sha256": identity_rig.sha256_of(r.trusted)}]},
                "other": {"match": [{"uid": MALLORY}]}}
    with identity_rig.inspected(workloads) as r:
        r.stop_inspector()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as silent:
            silent.bind(str(r.inspect_socket))
            silent.listen(64)
            with r.connected(ALICE, r.trusted) as waiting:
                waiting.good("send app/secret")
                for _ in range(5):
                    assert is_given(r.ask_as(MALLORY, "other"))
                answer = waiting.do("recv")
                assert is_refused(answer, 503, "caller.inspect"), answer


def test_inspector_that_lies():
    """an answer that is not exactly one is no answer"""
    def workloads(r):
        return {"app": {"match": [{"uid": ALICE, "exe_sha256": identity_rig.sha256_of(r.trusted)}]}}
    with identity_rig.inspected(workloads) as r:
        r.stop_inspector()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as liar:
            liar.bind(str(r.inspect_socket))
            liar.listen(64)
            for lie in (b"", b"x", b"IPA1" + bytes(157), b"IPA1" + bytes(159), b"IPA1" + bytes(5000)):
                with r.connected(ALICE, r.trusted) as caller:
                    caller.good("send app/secret")
                    connection, _ = liar.accept()
                    with connection:
                        connection.recv(100)
                        if lie:
                            connection.send(lie)
                    answer = caller.do("recv")
                    assert is_refused(answer, 503, "caller.inspect"), (lie[:8], answer)


def test_rules_that_come_later():
    """a reload that brings a rule on executables is met by connections that were there before"""
    with identity_rig.inspected(lambda _: {"app": {"match": [{"uid": MALLORY}]}}) as r:
        with r.connected(ALICE, r.trusted) as caller:
            assert is_refused(caller.do("get app/secret"), 404, "secret.unavailable")
            config = r.config()
            config["workloads"]["app"]["match"] = [{"uid": ALICE, "exe_sha256": identity_rig.sha256_of(r.trusted)}]
            r.write_config(config)
            assert r.ask("admin", "POST", "/v1/admin/reload").status == 200
            answer = caller.do("get app/secret")
            assert is_given(answer), answer


def main():
    identity_rig.BUILD = sys.argv[-1]
    return tap.run([f for name, f in globals().items() if name.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
