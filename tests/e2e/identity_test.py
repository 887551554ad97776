#!/usr/bin/env python3
"""Callers that pretend to be others (spec/workload-identity.md section 10): each attack against the real attestd,
and, where it can be shown, against what a simpler look would have believed.

usage: identity_test.py BUILD-DIR
"""
import os
import pathlib
import re
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import identity_rig  # noqa: E402
import rig  # noqa: E402
import tap  # noqa: E402
from identity_rig import ALICE, GROUP, MALLORY, IdentityRig, is_given, is_refused, need_root  # noqa: E402

CGROUP = pathlib.Path("/sys/fs/cgroup")


# --- 1: numbers of processes are used again


def test_pid_reuse():
    """attack 1: a number that was given to a trusted program does not make its former owner's connection one"""
    need_root()
    done = subprocess.run(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, __file__,
                           "--inside-pid-namespace", str(identity_rig.BUILD)], capture_output=True, text=True,
                          timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def pid_reuse_inside():
    with identity_rig.by_uid() as r:
        r.stop_daemon_for_now()
        with r.connected(ALICE) as caller:
            pid = caller.pid
            caller.good("orphan")  # a child of the caller's goes on with the connection
            caller.child.wait()
            with run_with_pid(r, pid) as trusted:
                # Who asks for the number's program, or for the uid, believes in the trusted one.
                assert trusted.pid == pid and identity_rig.exe_of(pid) == str(r.trusted)
                assert os.stat(f"/proc/{pid}").st_uid == ALICE
                r.let_daemon_go_on()
                answer = caller.do("get app/secret")
                assert answer == "gone" or is_refused(answer, 403, "caller.exited"), answer
                record = r.recorded(decision="deny", pid=pid)
                assert record["reason"] == "caller.exited", record


def run_with_pid(r, pid):
    """a trusted program that has this number"""
    for _ in range(200):
        pathlib.Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        trusted = r.caller(ALICE, r.trusted)
        if trusted.pid == pid:
            return trusted
        trusted.__exit__()
    raise AssertionError("the number was never given again")


def test_peer_exits_while_connected():
    """attack 1: a connection that was inherited ends with the process that made it"""
    with identity_rig.by_uid() as r:
        with r.connected(ALICE) as caller:
            assert is_given(caller.do("get app/secret"))
            caller.good("orphan")
            caller.child.wait()
            answer = rig.wait_until("attestd has seen the exit", lambda: caller.do("get app/secret"))
            assert answer == "gone" or is_refused(answer, 403, "caller.exited") or \
                is_refused(answer, 403, "caller.writer-mismatch"), answer


# --- 2: another program in the process


def test_exec_before_accept():
    """attack 2: the trusted program in the process that connected does not let its child ask"""
    with identity_rig.by_uid() as r:
        r.stop_daemon_for_now()
        with r.connected(ALICE) as caller:
            caller.good(f"leave {r.trusted}")  # the parent becomes the trusted program, the child keeps the connection
            rig.wait_until("the trusted program runs", lambda: identity_rig.exe_of(caller.pid) == str(r.trusted))
            r.let_daemon_go_on()
            answer = caller.do("get app/secret")
            assert is_refused(answer, 403, "caller.writer-mismatch"), answer


# --- 4: names of control groups


def cgroup_systemd():
    """the hierarchy by which attestd knows units here, writable"""
    need_root()
    for root in (CGROUP / "systemd", CGROUP):
        if (root / "cgroup.procs").exists() and os.access(root / "cgroup.procs", os.W_OK):
            return root
    raise tap.Skip("there is no cgroup hierarchy to make folders in")


class Folders:
    """folders of a cgroup hierarchy, removed with the processes in them gone"""

    def __init__(self, *paths):
        self.made = []
        for path in paths:
            for folder in [*reversed(path.parents), path]:
                if not folder.exists():
                    folder.mkdir()
                    self.made.append(folder)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for folder in reversed(self.made):
            for inner in sorted(folder.glob("*/"), reverse=True):
                remove_cgroup(inner)
            remove_cgroup(folder)


def remove_cgroup(folder):
    def gone():
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return False
        return True
    rig.wait_until(f"{folder} is empty", gone, seconds=10)


def caller_in(r, folder, uid, program=None):
    """a caller that an administrator (or whoever may) put into a control group before it connected"""
    caller = r.caller(uid, program)
    (folder / "cgroup.procs").write_text(str(caller.pid))
    caller.good(f"connect {r.socket('app')}")
    return caller


def last_container_id(pid):
    """what a parser believes that takes the last component with an id"""
    return re.findall(r"[0-9a-f]{64}", open(f"/proc/{pid}/cgroup").read())[-1]


def test_delegated_cgroup():
    """attack 4: a container's name in a folder that a user may write to is no container"""
    root, name = cgroup_systemd(), "ab" * 32
    deleg = root / f"attestd-test-{os.getpid()}"
    with identity_rig.started({"app": {"match": [{"container_id": name}]}}) as r, Folders(deleg):
        os.chown(deleg, MALLORY, GROUP)
        for file in ("cgroup.procs", "tasks"):
            if (deleg / file).exists():
                os.chown(deleg / file, MALLORY, GROUP)
        with r.caller(MALLORY) as caller:
            (deleg / "cgroup.procs").write_text(str(caller.pid))
            forge = f"mkdir {deleg}/docker-{name}.scope && echo {caller.pid} >{deleg}/docker-{name}.scope/cgroup.procs"
            subprocess.run(["sh", "-c", forge], user=MALLORY, group=GROUP, extra_groups=[], check=True, cwd="/")
            assert last_container_id(caller.pid) == name  # a simpler parser is fooled
            caller.good(f"connect {r.socket('app')}")
            answer = caller.do("get app/secret")
            assert is_refused(answer, 403, "caller.cgroup-delegated") or \
                is_refused(answer, 404, "secret.unavailable"), answer


def test_container_of_the_runtime():
    """the same name where only root can make it is that container"""
    root, name = cgroup_systemd(), "ab" * 32
    place = root / "docker" / name
    with identity_rig.started({"app": {"match": [{"container_id": name}]}}) as r, Folders(place):
        with caller_in(r, place, ALICE) as caller:
            answer = caller.do("get app/secret")
            assert is_given(answer), answer
        assert r.recorded(decision="allow", uid=ALICE)["container_id"] == name
        assert is_refused(r.ask_as(ALICE, "app"), 404, "secret.unavailable")


def test_unit_of_a_user_manager():
    """attack 4: a user's own service manager cannot make a unit of the system's name"""
    root, unit = cgroup_systemd(), f"attestd-test-{os.getpid()}.service"
    forged = root / f"user.slice/user-{MALLORY}.slice/user@{MALLORY}.service/app.slice/{unit}"
    real = root / "system.slice" / unit
    with identity_rig.started({"app": {"match": [{"unit": unit}]}}) as r, Folders(forged, real):
        with caller_in(r, forged, MALLORY) as caller:
            text = open(f"/proc/{caller.pid}/cgroup").read()
            assert f"/{unit}\n" in text  # the last component is the system unit's name
            answer = caller.do("get app/secret")
            assert is_refused(answer, 404, "secret.unavailable"), answer
        assert r.recorded(decision="deny", uid=MALLORY)["unit"] == f"user@{MALLORY}.service"
        with caller_in(r, real, ALICE) as caller:
            answer = caller.do("get app/secret")
            assert is_given(answer), answer


def test_moved_after_connecting():
    """attack 4: a caller that is moved into another unit after it connected is refused"""
    root, unit = cgroup_systemd(), f"attestd-test-{os.getpid()}.service"
    real = root / "system.slice" / unit
    with identity_rig.started({"app": {"match": [{"unit": unit}]}}) as r, Folders(real):
        with r.connected(ALICE) as caller:
            assert is_refused(caller.do("get app/secret"), 404, "secret.unavailable")
            (real / "cgroup.procs").write_text(str(caller.pid))
            answer = caller.do("get app/secret")
            assert is_refused(answer, 403, "caller.changed"), answer


# --- 5: namespaces


def test_caller_in_namespaces():
    """attack 5: a caller in a child pid or user namespace is who it is outside, and no other"""
    rules = {"app": {"match": [{"uid": ALICE}]}, "root": {"match": [{"uid": 0}], "allow_root": True}}
    with identity_rig.started(rules) as r:
        pid_ns = ["unshare", "--pid", "--fork", "--kill-child", "setpriv", f"--reuid={ALICE}", "--clear-groups",
                  f"--regid={GROUP}"]
        with identity_rig.Caller(r.caller_program, None, None, (), pid_ns) as caller:
            assert caller.pid == 1  # what it calls itself
            caller.good(f"connect {r.socket('app')}")
            assert is_given(caller.do("get app/secret"))
        record = r.recorded(decision="allow", uid=ALICE)
        assert record["pid"] != 1, record
        with r.caller(ALICE, before=["unshare", "--user", "--map-root-user"]) as caller:
            status = open(f"/proc/{caller.pid}/status").read()
            caller.good(f"connect {r.socket('app')}")
            assert is_given(caller.do("get app/secret"))  # ALICE, although it calls itself root
            assert is_refused(caller.do("get root/secret"), 404, "secret.unavailable"), status


def test_caller_that_cannot_be_seen():
    """attack 5: a caller whose pid cannot be seen from attestd's pid namespace is refused"""
    need_root()
    prefix = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    with IdentityRig(identity_rig.BUILD, {"app": {"match": [{"uid": ALICE}]}}, prefix=prefix) as r:
        r.start_machine()
        r.write_config()
        r.state.mkdir(mode=0o700)
        r.start_daemon_quietly()
        answer = r.ask_as(ALICE, "app")
        assert is_refused(answer, 403, "caller.foreign-pidns"), answer


def test_daemon_in_a_user_namespace():
    """attack 5: attestd in a user namespace does not take one unmapped user for another"""
    need_root()
    with IdentityRig(identity_rig.BUILD, {"app": {"match": [{"uid": 65534}]}},
                     prefix=["unshare", "--user", "--map-root-user"],
                     listener={"mode": "0666", "world_accessible": True}) as r:
        r.start_machine()
        r.write_config()
        r.state.mkdir(mode=0o700)
        r.start_daemon_quietly()
        answer = r.ask_as(MALLORY, "app")  # 65534, as attestd sees it: the rule's uid
        assert is_refused(answer, 403, "caller.unknown"), answer


# --- 6, 7: another user


def test_setuid_program():
    """attack 6: a process that connected with privilege and dropped it is neither user"""
    with identity_rig.started({"root": {"match": [{"uid": 0}], "allow_root": True},
                  "app": {"match": [{"uid": ALICE}]}}) as r:
        with r.connected(0) as caller:
            assert is_given(caller.do("get root/secret"))
            r.stop_daemon_for_now()
            caller.good("send root/secret")
            caller.good(f"uid {ALICE}")  # the socket and the message still say 0, the process ALICE
            r.let_daemon_go_on()
            answer = caller.do("recv")
            assert is_refused(answer, 403, "caller.changed"), answer
        assert r.recorded(reason="caller.changed")["uid"] == 0
        with r.connected(0) as caller:
            caller.good(f"uid {ALICE}")
            answer = caller.do("get app/secret")
            assert is_refused(answer, 403, "caller.changed") or \
                is_refused(answer, 403, "caller.writer-mismatch"), answer


def test_root_only_where_allowed():
    """a caller with uid 0 is no workload unless policy says so in so many words"""
    with identity_rig.started({"app": {"match": [{"uid": 0}]}, "open": {"match": [{"socket": "app"}]}}) as r:
        for name in ("app", "open"):
            assert is_refused(r.ask_as(0, name), 404, "secret.unavailable")
        assert is_given(r.ask_as(ALICE, "open"))


def test_connection_passed_to_another_user():
    """attack 7: a connection that was handed to another user's process is refused"""
    with identity_rig.by_uid() as r:
        meeting = r.bin / "meeting"
        r.bin.chmod(0o777)
        with r.connected(ALICE) as alice, r.caller(MALLORY) as mallory:
            mallory.good(f"take {meeting}")
            meeting.chmod(0o777)
            alice.good(f"pass {meeting}")
            assert mallory.line() == "taken"
            # The socket names ALICE still: whoever asks it for the uid is fooled.
            answer = mallory.do("get app/secret")
            assert is_refused(answer, 403, "caller.writer-mismatch"), answer
        record = r.recorded(reason="caller.writer-mismatch")
        assert record["uid"] == ALICE and str(MALLORY) in record["detail"], record


# --- 8: descriptors


def test_descriptors_are_closed():
    """attack 8: ten thousand messages that carry descriptors leave none behind"""
    with identity_rig.by_uid() as r:
        def num_fds():
            return len(os.listdir(f"/proc/{r.daemon.child.pid}/fd"))
        callers = [r.connected(ALICE) for _ in range(4)]
        for caller in callers:
            assert is_given(caller.do("get app/secret"))
        before = num_fds()
        for caller in callers:
            caller.good("write 2500 GET")  # a head that never ends, a byte and a descriptor at a time
        rig.wait_until("attestd has read it all", lambda: num_fds() <= before)
        for caller in callers:
            caller.__exit__()
        rig.wait_until("the connections are gone", lambda: num_fds() < before)
        assert is_given(r.ask_as(ALICE, "app"))


# --- 10: names of processes


def test_name_like_fields():
    """attack 10: a process' name that looks like fields of its state shifts none of them"""
    with identity_rig.by_uid() as r:
        with r.caller(ALICE) as caller:
            caller.good("name ) R 1 1 1")
            text = open(f"/proc/{caller.pid}/stat").read()
            right = int(text[text.rindex(")") + 2:].split()[19])
            naive = text[text.index(")") + 2:].split()[19]
            assert naive != str(right), text  # counted from the first parenthesis
            caller.good(f"connect {r.socket('app')}")
            assert is_given(caller.do("get app/secret"))
        assert r.recorded(decision="allow", uid=ALICE)["start_time"] == right


# --- 13: no security module


def test_label_without_a_module():
    """attack 13: where no security module labels sockets, a rule that asks for a label matches nobody"""
    rules = {"app": {"match": [{"uid": ALICE, "selinux": "system_u:system_r:app_t:s0"}]},
             "profile": {"match": [{"uid": ALICE, "apparmor": "app"}]}}
    with identity_rig.started(rules) as r:
        with r.connected(ALICE) as caller:
            for name in rules:
                assert is_refused(caller.do(f"get {name}/secret"), 404, "secret.unavailable"), name
        probe, other = socket.socketpair(socket.AF_UNIX)
        with probe, other:
            try:
                label = probe.getsockopt(socket.SOL_SOCKET, 31, 256)  # SO_PEERSEC
            except OSError:
                label = b""
        record = r.recorded(decision="deny", uid=ALICE)
        assert ("label" in record) == bool(label.strip(b"\0")), (record, label)


# --- 14: an older kernel


def older_kernel(*options):
    return [sys.executable, str(pathlib.Path(__file__).resolve()), "--older-kernel", *options]


def test_without_peer_pidfd():
    """attack 14: without SO_PEERPIDFD attestd says level L1, and marks every caller as weakly known"""
    with identity_rig.started({"app": {"match": [{"uid": ALICE}]}}, prefix=older_kernel()) as r:
        assert r.ask("app", "GET", "/v1/status").json["identity_level"] == "L1"
        assert "identity=L1" in r.daemon.output or '"L1"' in r.daemon.output, r.daemon.output
        assert is_given(r.ask_as(ALICE, "app"))
        record = r.recorded(decision="allow", uid=ALICE)
        assert record["identity_level"] == "L1" and record["weak_pid"] is True, record


def test_peer_pidfd_demanded():
    """attack 14: a policy that demands SO_PEERPIDFD keeps attestd from starting without it"""
    refuses_to_start(older_kernel(), {"require_peer_pidfd": True}, "require_peer_pidfd")


def test_without_any_pidfd():
    """a kernel without pidfds is refused, unless configuration accepts it in so many words"""
    refuses_to_start(older_kernel("--no-pidfd"), {}, "allow_weak")
    with identity_rig.started({"app": {"match": [{"uid": ALICE}]}}, prefix=older_kernel("--no-pidfd"),
                 identity={"allow_weak": True}) as r:
        assert is_given(r.ask_as(ALICE, "app"))
        assert r.recorded(decision="allow", uid=ALICE)["identity_level"] == "L0"


def refuses_to_start(prefix, identity, why):
    need_root()
    with IdentityRig(identity_rig.BUILD, {"app": {"match": [{"uid": ALICE}]}}, identity=identity) as r:
        r.start_machine()
        r.write_config()
        r.state.mkdir(mode=0o700)
        done = subprocess.run([*prefix, r.program("attestd"), "--config", r.config_file], capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 1 and why in done.stderr + done.stdout, done


# --- rules


def test_deny_wins():
    """a caller that one rule allows and another denies gets nothing"""
    with identity_rig.started({"app": {"match": [{"uid": ALICE}]}, "guests": {"match": [{"group_id": 20}]}}) as r:
        config = r.config()
        config["secrets"]["app/secret"]["deny"] = ["guests"]
        r.write_config(config)
        assert r.ask("admin", "POST", "/v1/admin/reload").status == 200
        assert is_given(r.ask_as(ALICE, "app"))
        assert is_refused(r.ask_as(ALICE, "app", groups=[20]), 404, "secret.unavailable")


def test_supplementary_groups():
    """a supplementary group is a condition that the kernel answers"""
    with identity_rig.started({"app": {"match": [{"uid": ALICE, "group_id": 20}]}}) as r:
        assert is_refused(r.ask_as(ALICE, "app"), 404, "secret.unavailable")
        assert is_given(r.ask_as(ALICE, "app", groups=[8, 20]))


def main():
    args = sys.argv[1:]
    if args[:1] == ["--older-kernel"]:
        no_pidfd = args[1] == "--no-pidfd"
        command = args[2:] if no_pidfd else args[1:]
        identity_rig.refuse_system_calls(without_pidfd_open=no_pidfd)
        os.execv(command[0], command)
    identity_rig.BUILD = args[-1]
    if args[:1] == ["--inside-pid-namespace"]:
        return pid_reuse_inside() or 0
    chosen = os.environ.get("IDENTITY_TESTS", "")
    return tap.run([f for name, f in globals().items() if name.startswith("test_") and chosen in name])


if __name__ == "__main__":
    sys.exit(main())
