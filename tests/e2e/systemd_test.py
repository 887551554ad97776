#!/usr/bin/env python3
"""The shipped units under a real systemd: start, readiness, watchdog, socket activation, release to a unit.

usage: systemd_test.py BUILD-DIR

One machine serves all tests, in their order; each leaves the daemon running.
"""
import json
import os
import pathlib
import re
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import rig  # noqa: E402
import systemd_rig  # noqa: E402
import tap  # noqa: E402

VALUE = b"released to a unit"
BUILD = None
MACHINE = None
ENTRY = "sys/kernel/config/tsm/report/attestd"


def machine():
    """the one machine, started for the first test that asks"""
    global MACHINE
    systemd_rig.need()
    if MACHINE is None:
        made = systemd_rig.Confidential(BUILD)
        made.workloads = {"app": {"match": [{"unit": "app.service", "user": "nobody"},
                                            {"unit": "attestd-deliver@app.service"}]}}
        made.secrets = {"app/key": {"source": "store", "allow": ["app"], "test": True}}
        made.drop_in("attestd.service", "[Service]\nWatchdogSec=3s\n")
        made.write("usr/local/lib/sysusers.d/app.conf", "u app -\n")
        made.write("etc/attestd/deliver.d/app.conf",
                   'DELIVER="--secret app/key --file /run/attestd-deliver/app/key --on-change /bin/false"\n')
        made.unit("reader.service", """[Unit]
Requires=attestd-deliver@app.service
After=attestd-deliver@app.service
[Service]
Type=oneshot
User=app
ExecStart=/bin/sh -c 'test "$(cat /run/attestd-deliver/app/key)" = "released to a unit"'
""")
        MACHINE = made
        made.start()
        made.systemctl("start", "attestd.socket")
        made.start_daemon()
    return MACHINE


def main_pid(m):
    return m.host_pid(m.show("attestd.service", "MainPID"))


def status_file(m):
    return pathlib.Path(f"/proc/{main_pid(m)}/status").read_text()


def test_starts():
    """the shipped unit starts, says that it is ready and what it does"""
    m = machine()
    shown = m.show("attestd.service", "ActiveState", "SubState", "Type", "StatusText", "User")
    assert shown == ["active", "running", "notify", "listening", "attestd"], shown


def test_every_line_is_understood():
    """systemd says nothing against any line of the installed units"""
    m = machine()
    said = m.journal("_PID=1")
    assert not re.search(r"attestd.*(Unknown|Failed to parse|Invalid|ignoring)", said), said


def test_no_privilege():
    """the daemon runs as its own user, without a capability, and can get none"""
    m = machine()
    status = status_file(m)
    for line in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert re.search(rf"^{line}:\t0+$", status, re.MULTILINE), status
    assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE) and re.search(r"^Seccomp:\t2$", status, re.MULTILINE)
    uid = int(re.search(r"^Uid:\t(\d+)\t", status, re.MULTILINE)[1])
    assert uid == int(m.run("id", "-u", "attestd").stdout), status


def test_prepared_entry():
    """evidence comes by the configfs entry that root prepared and handed over before the start"""
    m = machine()
    uid = int(m.run("id", "-u", "attestd").stdout)
    assert m.path(ENTRY).stat().st_uid == uid
    assert (m.path(ENTRY) / "inblob").stat().st_uid == uid
    assert m.path(ENTRY).parent.stat().st_uid == 0  # it can make none of its own
    generation = int((m.path(ENTRY) / "generation").read_text())
    assert generation > 0, "nothing was asked by this entry"
    status = m.status()
    assert status["platform"] == "configfs_tsm" and status["session"]["affirming"], status


def test_released_to_a_unit():
    """a secret is released to the unit that policy names, and to no other unit of the same user"""
    m = machine()
    m.put("app/key", VALUE)
    got = m.fetch_secret("app.service", "app/key")
    assert (got.returncode, got.stdout.encode()) == (0, VALUE), got
    other = m.fetch_secret("other.service", "app/key")
    assert other.returncode == 1 and VALUE.decode() not in other.stdout, other
    assert "secret.unavailable" in other.stderr, other.stderr
    records = [r for r in m.audit() if r.get("object") == "app/key" and r.get("method") == "GET /v1/secrets"]
    assert [(r["decision"], r["unit"]) for r in records] == [
        ("allow", "app.service"), ("deny", "other.service")], records


def test_not_in_the_group():
    """a unit that is not of the group attestd-clients cannot even connect"""
    m = machine()
    done = m.in_unit("attestctl", "secret", "get", "app/key", unit="app.service", properties=["User=nobody"],
                     check=False)
    assert done.returncode == 3 and VALUE.decode() not in done.stdout, done


def test_delivered():
    """attestd-deliver@USER puts a user's secret into a file of its own before what requires it starts"""
    m = machine()
    m.systemctl("start", "reader.service")
    file = m.path("run/attestd-deliver/app/key")
    found = file.stat()
    assert (found.st_uid, found.st_mode & 0o777) == (int(m.run("id", "-u", "app").stdout), 0o400), found
    assert file.parent.stat().st_mode & 0o777 == 0o700
    shown = m.show("attestd-deliver@app.service", "ActiveState", "StatusText")
    assert shown == ["active", "delivered"], shown
    m.put("app/key", b"a newer one")
    rig.wait_until("the change is delivered", lambda: file.read_bytes() == b"a newer one")
    rig.wait_until("the command's failure is told of", lambda: "delivery.command" in m.journal(
        "-u", "attestd-deliver@app.service"))
    m.systemctl("stop", "attestd-deliver@app.service")
    assert not file.parent.exists()
    m.put("app/key", VALUE)


def test_sandbox():
    """the daemon sees no network, writes nowhere but its own folders, and sees no home"""
    m = machine()
    pid = main_pid(m)
    assert os.readlink(f"/proc/{pid}/ns/net") != os.readlink(f"/proc/{m.pid}/ns/net")
    mounts = pathlib.Path(f"/proc/{pid}/mounts").read_text().splitlines()
    options = {line.split()[1]: line.split()[3].split(",") for line in mounts}
    assert "ro" in options["/"] and "ro" in options["/sys/fs/cgroup"], options
    assert "rw" in options["/var/lib/attestd"] and "rw" in options["/run/attestd"], options


def test_fetch():
    """each connection to the fetching socket is a process of its own, and only the daemon's user may connect"""
    m = machine()
    if not m.path("usr/local/bin/attestd-fetch").exists():
        raise tap.Skip("attestd-fetch is not built")
    m.write("etc/attestd/fetch.json", '{"hosts": {"nobody.invalid": {}}}')
    m.systemctl("start", "attestd-fetch.socket")
    ask = ["curl", "--silent", "--include", "--unix-socket", "/run/attestd/fetch.sock",
           "--request-target", "https://elsewhere.invalid/", "http://fetch/"]
    done = m.in_unit(*ask, properties=["User=attestd"], check=False)
    assert "fetch.denied" in done.stdout, done
    assert m.show("attestd-fetch.socket", "NAccepted") == "1"
    assert m.in_unit(*ask, properties=["User=nobody"], check=False).returncode == 7  # could not connect


def test_azure_vtpm():
    """each connection to the vTPM's socket is a process of its own with the unit's user, and only the daemon's user \
may connect"""
    m = machine()
    if not m.path("usr/local/bin/attestd-azure-vtpm").exists():
        raise tap.Skip("attestd-azure-vtpm is not built")
    m.systemctl("start", "attestd-azure-vtpm.socket", "attestd-fetch.socket")
    ask = ["curl", "--silent", "--unix-socket", "/run/attestd/azure-vtpm.sock", "--data",
           json.dumps({"report_data": "00" * 64}), "http://plug-in/v1/evidence"]
    done = m.in_unit(*ask, properties=["User=attestd"], check=False)
    assert '"vtpm.failed"' in done.stdout and "/dev/tpmrm0" in done.stdout, done
    assert m.show("attestd-azure-vtpm.socket", "NAccepted") == "1"
    assert m.in_unit(*ask, properties=["User=nobody"], check=False).returncode == 7  # could not connect
    fetch = ["curl", "--silent", "--unix-socket", "/run/attestd/fetch.sock", "--request-target",
             "http://169.254.169.254/x", "http://fetch/"]
    seen = ["User=attestd-vtpm", "TemporaryFileSystem=/run/attestd:ro",
            "BindReadOnlyPaths=-/run/attestd/fetch.sock"]  # as the unit has it
    assert "fetch." in m.in_unit(*fetch, properties=seen, check=False).stdout


def test_socket_activation():
    """a request to the socket starts the daemon that was stopped, and is answered"""
    m = machine()
    m.systemctl("stop", "attestd.service")
    assert m.show("attestd.service", "ActiveState") == "inactive"
    assert m.show("attestd.socket", "ActiveState") == "active"
    status = m.status()
    assert status["platform"] == "configfs_tsm", status
    assert m.show("attestd.service", "ActiveState") == "active"
    m.wait_healthy()


def test_reload():
    """`systemctl reload` takes the new configuration, and says so when it is bad"""
    m = machine()
    before = m.status()["config"]["sha256"]
    m.secrets["app/new"] = {"source": "store", "allow": ["app"], "test": True}
    m.write_config()
    m.systemctl("reload", "attestd.service")
    rig.wait_until("the new configuration is in force", lambda: m.status()["config"]["sha256"] != before)
    good = m.path("etc/attestd/attestd.json").read_bytes()
    m.write("etc/attestd/attestd.json", good.replace(b'"verifier"', b'"verifer"'))
    m.systemctl("reload", "attestd.service", check=False)
    rig.wait_until("the status tells",
                   lambda: m.show("attestd.service", "StatusText") == "listening; the last reload failed")
    m.write("etc/attestd/attestd.json", good)
    m.systemctl("reload", "attestd.service")


def test_watchdog():
    """a daemon that hangs is killed by the watchdog and restarted"""
    m = machine()
    restarts = int(m.show("attestd.service", "NRestarts"))
    hung = main_pid(m)
    os.kill(hung, signal.SIGSTOP)
    rig.wait_until("systemd restarts the daemon", lambda: int(m.show("attestd.service", "NRestarts")) > restarts)
    rig.wait_until("the daemon is ready again", lambda: m.show("attestd.service", "StatusText") == "listening")
    assert main_pid(m) != hung
    assert "watchdog" in m.journal("-u", "attestd.service").lower()
    m.wait_healthy()


def test_clean_stop():
    """stopping the unit is a clean end, and its socket stays with systemd"""
    m = machine()
    m.systemctl("stop", "attestd.service")
    assert m.show("attestd.service", "Result", "ExecMainStatus") == ["success", "0"]
    assert m.show("attestd.socket", "ActiveState") == "active"
    m.start_daemon()


def test_loopback_port():
    """systemd hands the shipped unit a port on loopback, and who calls there is the workload of that socket alone"""
    m = machine()
    m.listeners.append({"name": "coco-tcp", "kind": "coco", "loopback_tcp": True})
    m.workloads["tcp"] = {"match": [{"socket": "coco-tcp"}]}
    m.secrets["tcp/key"] = {"source": "store", "resource": "default/tcp/key", "allow": ["tcp"], "test": True}
    m.write_config()
    m.systemctl("stop", "attestd.service")
    m.systemctl("start", "attestd-coco-tcp.socket")
    m.start_daemon()

    def get(path):
        asks = (f'exec 3<>/dev/tcp/127.0.0.1/8006; printf "GET {path} HTTP/1.1\\r\\nHost: x\\r\\n'
                'Connection: close\\r\\n\\r\\n" >&3; cat <&3')
        return m.run("bash", "-c", asks).stdout

    assert get("/info").startswith("HTTP/1.1 200 ") and '"feature":"all"' in get("/info"), get("/info")
    assert get("/cdh/resource/default/app/key").startswith("HTTP/1.1 404 ")
    denied = [r for r in m.audit() if r.get("socket") == "coco-tcp"][-1]
    assert denied["tcp_address"].startswith("127.0.0.1:") and "uid" not in denied, denied
    # What is granted gets as far as the store, which waits for the operator's key after a restart.
    answer = get("/cdh/resource/default/tcp/key")
    assert answer.startswith("HTTP/1.1 503 ") and '"store.locked"' in answer, answer


def main():
    global BUILD
    BUILD = sys.argv[-1]
    tests = [f for name, f in globals().items() if name.startswith("test_")]
    return systemd_rig.run(tests, lambda: MACHINE)


if __name__ == "__main__":
    sys.exit(main())
