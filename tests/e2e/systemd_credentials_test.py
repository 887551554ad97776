#!/usr/bin/env python3
"""LoadCredential= answered by the shipped daemon under a real systemd: who gets what, and who does not start.

usage: systemd_credentials_test.py BUILD-DIR

One machine serves all tests, in their order.
"""
import json
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import rig  # noqa: E402
import systemd_rig  # noqa: E402
import tap  # noqa: E402

VALUE = b"a credential"
OTHER = b"another one"
BUILD = None
MACHINE = None
SOCKET = "/run/attestd/credentials.sock"
LENIENT = "/run/attestd/lenient.sock"
EXIT_CREDENTIALS = 243
HOLD = 8  # seconds
TOO_LONG = (1 << 20) + 1
PRINT = 'for f in "$CREDENTIALS_DIRECTORY"/*; do echo "$(basename "$f")=$(cat "$f")"; done'

# Connects from the address that it is given, and says how much came and whether it was zeros alone.
CLAIM = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind("\\0" + sys.argv[2])
s.settimeout(60)
s.connect(sys.argv[1])
got = b""
while chunk := s.recv(65536):
    got += chunk
print(len(got), "zeros" if got and not any(got) else repr(got[:40]))
"""


def machine():
    global MACHINE
    systemd_rig.need()
    if MACHINE is None:
        made = systemd_rig.Confidential(BUILD, platform="external", tee="snp")
        made.workloads = {"app": {"match": [{"unit": "app.service"}, {"unit": "twice.service"},
                                               {"unit": "app@*.service"}]},
                          "by-user": {"match": [{"unit": "user.service", "user": "nobody"}]}}
        made.secrets = {name: {"source": "store", "allow": ["app", "by-user"], "test": True}
                        for name in ("app/key", "app/other", "app/large")}
        made.listeners = [
            {"name": "credentials", "path": SOCKET, "kind": "credentials", "hold": f"{HOLD}s"},
            {"name": "lenient", "path": LENIENT, "kind": "credentials", "hold": "1s", "on_refusal": "empty"}]
        made.write("rig/claim.py", CLAIM)
        made.unit("app@.service", f"""[Service]
Type=oneshot
LoadCredential=app+key:{SOCKET}
ExecStart=/bin/sh -c 'cat "$CREDENTIALS_DIRECTORY/app+key" >/run/instance-%i'
""")
        made.unit("twice.service", f"""[Service]
Type=oneshot
RemainAfterExit=yes
LoadCredential=app+key:{SOCKET}
ExecStartPre=/bin/sh -c '{PRINT} >/run/before'
ExecStart=/bin/sh -c '{PRINT} >/run/after'
""")
        MACHINE = made
        made.start()
        made.systemctl("start", "attestd.socket", "attestd-credentials.socket")
        made.start_daemon()
        made.put("app/key", VALUE)
        made.put("app/other", OTHER)
    return MACHINE


def load(m, unit, *ids, properties=(), socket=SOCKET, command=PRINT, **more):
    """a transient unit with these credentials; what systemd-run says"""
    loads = [f"LoadCredential={i}:{socket}" for i in ids]
    return m.in_unit("/bin/sh", "-c", command, unit=unit, properties=[*loads, *properties], check=False, **more)


def claim(m, address, unit="claimer.service", user="root"):
    done = m.in_unit("/usr/bin/python3", "/rig/claim.py", SOCKET, address, unit=unit, properties=[f"User={user}"], check=False)
    return done.stdout.strip() or str(done)


def records(m, since=0):
    return [r for r in m.audit()[since:] if r.get("method") == "LoadCredential"]


def control(m, **change):
    m.run("curl", "--silent", "--fail", "--unix-socket", "/rig/machine/control.sock", "-H",
          "Content-Type: application/json", "-d", json.dumps(change), "http://machine/v1/control")


def fresh_daemon(m):
    """stops it, so that the next connection starts one without a session"""
    m.systemctl("stop", "attestd.service")


def test_loaded():
    """a unit that policy names gets its credential, byte for byte, and a `+` in the id stands for a `/`"""
    m = machine()
    done = load(m, "app.service", "app+key")
    assert (done.returncode, done.stdout) == (0, f"app+key={VALUE.decode()}\n"), done


def test_socket_is_roots():
    """the shipped socket unit makes the socket root's alone"""
    m = machine()
    found = m.path(SOCKET).stat()
    assert (found.st_mode & 0o777, found.st_uid, found.st_gid) == (0o600, 0, 0), found


def test_several():
    """several credentials of one unit are one connection each"""
    m = machine()
    before = len(m.audit())
    done = load(m, "app.service", "app+key", "app+other")
    assert done.stdout == f"app+key={VALUE.decode()}\napp+other={OTHER.decode()}\n", done
    assert sorted(r["object"] for r in records(m, before)) == ["app/key", "app/other"], records(m, before)


def test_sandboxed():
    """what the unit's sandbox closes does not concern its credentials"""
    m = machine()
    for sandbox in (["DynamicUser=yes"], ["PrivateUsers=yes", "PrivateNetwork=yes"], ["User=nobody"],
                    ["ProtectSystem=strict", "PrivateMounts=yes"]):
        done = load(m, "app.service", "app+key", properties=sandbox)
        assert (done.returncode, done.stdout) == (0, f"app+key={VALUE.decode()}\n"), (sandbox, done)


def test_refused_unit_fails():
    """a unit that policy does not name does not start: status 243, and not one byte of the secret"""
    m = machine()
    before = len(m.audit())
    done = load(m, "other.service", "app+key")
    assert done.returncode == EXIT_CREDENTIALS and VALUE.decode() not in done.stdout, done
    refused = records(m, before)
    assert [(r["decision"], r["reason"], r["unit"]) for r in refused] == [
        ("deny", "secret.unavailable", "other.service")], refused
    assert "credential.refused" in m.journal("-u", "attestd.service"), m.problem()
    assert "other.service" in m.journal("-u", "attestd.service", "--grep", "credential.refused")


def test_unknown_credential():
    """a credential that nobody knows, or whose id is no name, fails the unit like one that is refused"""
    m = machine()
    for name in ("no+such", "app++key"):
        assert load(m, "app.service", name).returncode == EXIT_CREDENTIALS, name


def test_user_is_not_known():
    """a rule on a user matches no credential: systemd asks before the unit has its user"""
    m = machine()
    done = load(m, "user.service", "app+key", properties=["User=nobody"])
    assert done.returncode == EXIT_CREDENTIALS, done


def test_refusals_lock_nobody_out():
    """units that are refused again and again do not lock out the others"""
    m = machine()
    for _ in range(7):
        assert load(m, "other.service", "app+key").returncode == EXIT_CREDENTIALS
    assert load(m, "app.service", "app+key").returncode == 0


def test_instance():
    """an instance of a template is known by its own cgroup"""
    m = machine()
    m.systemctl("start", "app@one.service", r"app@in\x2dst.service")
    assert m.path("run/instance-one").read_bytes() == VALUE
    m.unit("other@.service", m.path("etc/systemd/system/app@.service").read_text())
    m.systemctl("daemon-reload")
    assert m.systemctl("start", "other@one.service", check=False).returncode != 0
    assert m.show("other@one.service", "ExecMainStatus") == str(EXIT_CREDENTIALS)


def test_two_command_lines():
    """each command line connects anew; both records name the same start of the unit"""
    m = machine()
    before = len(m.audit())
    m.systemctl("start", "twice.service")
    for name in ("before", "after"):
        assert m.path(f"run/{name}").read_bytes() == b"app+key=" + VALUE + b"\n"
    found = records(m, before)
    assert len(found) == 2 and {r["decision"] for r in found} == {"allow"}, found
    invocations = {r["invocation"] for r in found}
    assert invocations == {m.show("twice.service", "InvocationID")}, (invocations, found)


def test_forged_by_a_user():
    """an ordinary user who binds systemd's address gets nothing, even where it reaches the socket"""
    m = machine()
    address = "deadbeef00000001/unit/app.service/app+key"
    said = claim(m, address, user="nobody")
    assert "PermissionError" in said, said
    m.path(SOCKET).chmod(0o666)
    try:
        before = len(m.audit())
        assert claim(m, address, user="nobody", unit="app.service") == f"{TOO_LONG} zeros"
        assert records(m, before)[-1]["reason"] == "credential.refused", records(m, before)
    finally:
        m.path(SOCKET).chmod(0o600)


def test_forged_by_root():
    """root in another unit's cgroup gets nothing: the cgroup is the identity, not the address"""
    m = machine()
    assert claim(m, "deadbeef00000001/unit/app.service/app+key") == f"{TOO_LONG} zeros"
    # A process in no unit at all: that of the test.
    done = m.run("/usr/bin/python3", "/rig/claim.py", SOCKET, "deadbeef00000001/unit/app.service/app+key", check=False)
    assert done.stdout.strip() == f"{TOO_LONG} zeros", done


def test_root_in_the_unit():
    """root in the unit's own cgroup is the unit: it gets what the unit gets"""
    m = machine()
    assert claim(m, "deadbeef00000001/unit/app.service/app+key", unit="app.service") == f"{len(VALUE)} {VALUE!r}"


def test_other_addresses():
    """an address of another form is refused"""
    m = machine()
    for address in ("deadbeef00000001/unit/app.service", "x/unit/app.service/app+key", "plain"):
        assert claim(m, address, unit="app.service") == f"{TOO_LONG} zeros", address


def test_largest():
    """what systemd takes at most, 1 MiB for all of a unit's ids and values, arrives whole"""
    m = machine()
    largest = (1 << 20) - len("app+large")
    for size, status in ((largest, 0), (largest + 1, EXIT_CREDENTIALS)):
        m.put("app/large", b"x" * size)
        done = load(m, "app.service", "app+large", command='wc -c <"$CREDENTIALS_DIRECTORY/app+large"')
        assert done.returncode == status and done.stdout.strip() in ("", str(size)), (size, done)


def test_started_by_a_credential():
    """a unit's credential starts the daemon, and waits for its first affirming result"""
    m = machine()
    fresh_daemon(m)
    control(m, delay_ms=1500)
    try:
        done = load(m, "app.service", "app+key")
    finally:
        control(m, delay_ms=0)
    assert (done.returncode, done.stdout) == (0, f"app+key={VALUE.decode()}\n"), done


def test_hold_ends():
    """without an affirming result the unit fails after the time that configuration gives"""
    m = machine()
    fresh_daemon(m)
    control(m, fail="error")
    try:
        begun = time.monotonic()
        done = load(m, "app.service", "app+key")
        assert done.returncode == EXIT_CREDENTIALS, done
        assert time.monotonic() - begun >= HOLD
        # Who would not get it does not wait for it.
        assert load(m, "other.service", "app+key").returncode == EXIT_CREDENTIALS
    finally:
        control(m, fail="none")
    m.wait_healthy()


def test_lenient():
    """with "on_refusal": "empty" a refused unit starts, with an empty credential"""
    m = machine()
    # The store opens a while after the session, and this listener does not wait for it.
    rig.wait_until("the store is open", lambda: load(m, "app.service", "app+key").returncode == 0)
    done = load(m, "other.service", "app+key", socket=LENIENT)
    assert (done.returncode, done.stdout) == (0, "app+key=\n"), done
    assert load(m, "app.service", "app+key", socket=LENIENT).stdout == f"app+key={VALUE.decode()}\n"


def test_stop_while_held():
    """a daemon that is stopped while a unit waits refuses it, so that the unit fails"""
    m = machine()
    assert ended_while_held(m, lambda: m.systemctl("stop", "attestd.service")) == (EXIT_CREDENTIALS, "")


def test_kill_while_held():
    """a daemon that is killed while a unit waits: systemd 252 starts the unit with an empty credential"""
    m = machine()
    # Nothing but bytes and their end can be said to systemd, and a kill says the end. What is measured here is
    # documented: a unit that cannot do without checks for it (attestd-api(7), CREDENTIALS).
    status, output = ended_while_held(
        m, lambda: m.systemctl("kill", "--kill-whom=main", "--signal=KILL", "attestd.service"))
    assert (status, output) == (0, "app+key=\n"), (status, output)
    m.systemctl("reset-failed")
    rig.wait_until("systemd restarts the daemon", lambda: m.show("attestd.service", "SubState") == "running")
    m.wait_healthy()
    assert load(m, "app.service", "app+key").returncode == 0


def test_check_after_kill():
    """the documented check fails such a unit"""
    m = machine()
    checked = 'test -s "$CREDENTIALS_DIRECTORY/app+key" || exit 1; ' + PRINT
    status, output = ended_while_held(
        m, lambda: m.systemctl("kill", "--kill-whom=main", "--signal=KILL", "attestd.service"), checked)
    assert (status, output) == (1, ""), (status, output)
    m.systemctl("reset-failed")


def ended_while_held(m, end, command=PRINT):
    """the daemon ends while a unit waits for an affirming result; the unit's exit status and output"""
    fresh_daemon(m)
    control(m, fail="error")
    try:
        command = ["nsenter", "--target", str(m.pid), "--mount", "--pid", "--cgroup", "--uts", "--ipc", "systemd-run",
                   "--quiet", "--wait", "--pipe", "--collect", "--unit=app.service",
                   f"--property=LoadCredential=app+key:{SOCKET}", "/bin/sh", "-c", command]
        waiting = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        rig.wait_until("the daemon runs", lambda: m.show("attestd.service", "SubState") == "running")
        time.sleep(1)  # the unit's connection is accepted by then, and held
        end()
        output, _ = waiting.communicate(timeout=60)
        return waiting.returncode, output.decode()
    finally:
        control(m, fail="none")


def main():
    global BUILD
    BUILD = sys.argv[-1]
    tests = [f for name, f in globals().items() if name.startswith("test_")]
    return systemd_rig.run(tests, lambda: MACHINE)


if __name__ == "__main__":
    sys.exit(main())
