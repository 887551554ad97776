#!/usr/bin/env python3
"""attestctl run and attestctl deliver against the real daemon: what arrives, where, and until when.

usage: delivery_test.py BUILD-DIR
"""
import contextlib
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import rig  # noqa: E402
import tap  # noqa: E402

VALUE = b"correct horse"
SECOND = b"battery staple"
BUILD = None
MEMORY = "/mnt"  # a tmpfs, in mounts of this test's own
INSIDE = "--on-own-mounts"


@contextlib.contextmanager
def started(max_age="10m", ttl=None):
    """a healthy daemon with two secrets for `app`, and a folder in memory"""
    if INSIDE not in sys.argv:
        raise tap.Skip("mounting a tmpfs is not allowed here")
    if len(pathlib.Path("/proc/swaps").read_text().splitlines()) > 1:
        raise tap.Skip("swap is on, and not every kernel has tmpfs without it")
    with DeliveryRig(BUILD, max_age) as made:
        made.ttl = ttl
        try:
            made.start()
            made.put("db/password", VALUE)
            made.put("db/user", b"app")
            yield made
        except BaseException:
            if made.daemon is not None:
                print(made.daemon.output[-4000:], file=sys.stderr)
            raise
        finally:
            made.end()


class DeliveryRig(rig.Rig):
    def __init__(self, build, max_age):
        super().__init__(build, max_age)
        self.ttl, self.running_ones = None, []
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="attestd-delivery-", dir=MEMORY))

    def end(self):
        for process in self.running_ones:
            if process.running():
                process.child.kill()
                process.child.wait()
        shutil.rmtree(self.place, ignore_errors=True)

    def config(self):
        config = super().config()
        config["secrets"]["db/user"] = {"source": "store", "allow": ["app"], "test": True}
        if self.ttl:
            for name in ("db/password", "db/user"):
                config["secrets"][name]["ttl"] = self.ttl
        # Tests wait for refusals; the limits are other tests' subject.
        config["limits"] = {"requests": {"per_second": 1000, "burst": 1000},
                            "failures": {"per_minute": 60000, "burst": 1000}}
        return config

    def reload(self, config):
        self.write_config(config)
        assert self.ask("admin", "POST", "/v1/admin/reload").status == 200

    def run_with(self, *args, **more):
        return subprocess.run([str(self.program("attestctl")), "run", "--socket", str(self.socket("app")),
                               *map(str, args)], capture_output=True, timeout=60, **more)

    def deliver(self, *args, once=False):
        command = [self.program("attestctl"), "deliver", "--socket", self.socket("app"), *args]
        if once:
            return subprocess.run([*map(str, command), "--once"], capture_output=True, timeout=60)
        process = rig.Process(self.new_log("deliver"), command)
        self.running_ones.append(process)
        return process

    def delivered(self, *args):
        """a running delivery of db/password, and its file"""
        file = self.place / "password"
        process = self.deliver("--secret", "db/password", "--file", file, *args)
        rig.wait_until("the file is there", lambda: file.exists() or not process.running())
        assert process.running(), process.output
        return process, file


def test_header():
    """an answer says how long the secret may be kept: its ttl, else as long as the result lives"""
    with started(ttl="90s") as r:
        assert r.get("app", "db/password").headers["attestd-keep-for"] == "90"
        known = r.ask("app", "GET", "/v1/secrets/db/password", headers={"If-None-Match": '"1"'})
        assert (known.status, known.headers["attestd-keep-for"]) == (304, "90"), known.headers
        config = r.config()
        del config["secrets"]["db/password"]["ttl"]
        r.reload(config)
        rig.wait_until("the session is affirming", lambda: r.get("app", "db/password").status == 200)
        assert 0 < int(r.get("app", "db/password").headers["attestd-keep-for"]) <= 600
        assert "attestd-keep-for" not in r.get("app", "no/such").headers


def test_run_environment():
    """a program finds a secret in its environment, and everything else as it was"""
    with started() as r:
        done = r.run_with("--secret", "PW=db/password", "--secret", "USER_NAME=db/user", "--", "sh", "-c",
                          'echo "$PW $USER_NAME $OTHER $1"', "sh", "word",
                          env={**os.environ, "OTHER": "stays", "PW": "old"})
        assert (done.returncode, done.stdout) == (0, b"correct horse app stays word\n"), done


def test_run_descriptor():
    """a program reads a secret from a descriptor whose number a variable tells, once"""
    with started() as r:
        r.put("db/password", b"\x00\xff" * 100000)  # larger than a pipe is by itself
        done = r.run_with("--fd", "db/password", "--", "sh", "-c",
                          'wc -c <&"$ATTESTD_FD_DB_PASSWORD"; wc -c <&"$ATTESTD_FD_DB_PASSWORD"', env=os.environ)
        assert (done.returncode, done.stdout.split()) == (0, [b"200000", b"0"]), done


def test_run_leaves_nothing_open():
    """the program has the descriptors it was promised and no others, and signals as usual"""
    with started() as r:
        done = r.run_with("--fd", "db/password", "--", "sh", "-c",
                          "ls /proc/self/fd | wc -l; grep SigIgn /proc/self/status")
        lines = done.stdout.decode().split("\n")
        assert lines[0] == "5", done  # three, the secret's, and the one of the listing itself
        assert int(lines[1].split()[1], 16) & (1 << (signal.SIGPIPE - 1)) == 0, done


def test_run_refused():
    """without its secret a program is not started: 1 refused, 3 not reached, 2 wrong usage"""
    with started() as r:
        mark = r.folder / "started"
        def attempt(*args):
            done = r.run_with(*args, "--", "touch", mark)
            assert not mark.exists(), done
            return done.returncode, done.stderr.decode()
        status, said = attempt("--secret", "A=other/token")
        assert status == 1 and "secret.unavailable" in said and "other/token" in said, (status, said)
        for bad in (["--secret", "db/password"], ["--secret", "1A=db/password"], ["--secret", "A=../x"], [],
                    ["--secret", "A=db/user", "--secret", "A=db/password"], ["--fd", "db/user", "--fd", "db/user"],
                    ["--secret", "A=db/user", "--wait", "soon"]):
            status, said = attempt(*bad)
            assert status == 2, (bad, status, said)
        r.put("db/password", b"a\x00b")
        status, said = attempt("--secret", "A=db/password")
        assert status != 0 and "zero byte" in said and "--fd" in said, (status, said)
        r.daemon.stop()
        status, said = attempt("--secret", "A=db/password", "--wait", "1s")
        assert status == 3, (status, said)


def test_run_no_program():
    """a program that is not there is told of by name"""
    with started() as r:
        done = r.run_with("--secret", "A=db/user", "--", "/no/such/program")
        assert done.returncode == 2 and b"/no/such/program" in done.stderr, done


def test_run_status():
    """the program's own status is the status"""
    with started() as r:
        assert r.run_with("--secret", "A=db/user", "--", "sh", "-c", "exit 42").returncode == 42


def test_run_waits():
    """a program that starts before the daemon waits for it"""
    with started() as r:
        r.daemon.stop()
        waiting = subprocess.Popen([str(r.program("attestctl")), "run", "--socket", str(r.socket("app")), "--secret",
                                    "A=db/password", "--", "sh", "-c", 'echo "$A"'], stdout=subprocess.PIPE)
        time.sleep(0.5)
        assert waiting.poll() is None
        r.start_daemon()
        assert waiting.communicate(timeout=60)[0] == VALUE + b"\n"


def test_once():
    """--once puts the secret's bytes into a file of the user's own, and ends"""
    with started() as r:
        file = r.place / "password"
        done = r.deliver("--secret", "db/password", "--file", file, once=True)
        assert (done.returncode, file.read_bytes()) == (0, VALUE), done
        assert stat.S_IMODE(file.stat().st_mode) == 0o400
        done = r.deliver("--secret", "db/password", "--file", file, "--mode", "0440", once=True)
        assert done.returncode == 0 and stat.S_IMODE(file.stat().st_mode) == 0o440, done
        assert os.listdir(r.place) == ["password"]


def test_once_refused():
    """--once without the secret writes nothing, and says why"""
    with started() as r:
        file = r.place / "password"
        done = r.deliver("--secret", "other/token", "--file", file, once=True)
        assert done.returncode == 1 and b"secret.unavailable" in done.stderr and not file.exists(), done
        for bad in (["--secret", "db/user"], ["--secret", "db/user", "--file", file, "--file", file],
                    ["--secret", "db/user", "--file", file, "--mode", "rw"]):
            assert r.deliver(*bad, once=True).returncode == 2, bad


def test_insecure_places():
    """a folder on a disk, or in which others write, is refused before anything is asked"""
    with started() as r:
        asked = lambda: sum(row.get("object") == "db/password" for row in r.audit_records())
        before = asked()
        disk = pathlib.Path(tempfile.mkdtemp(prefix="attestd-", dir="/var/tmp"))
        open_folder = r.place / "open"
        open_folder.mkdir()
        open_folder.chmod(0o777)
        try:
            for file, says in ((disk / "x", b"is on a disk"), (open_folder / "x", b"chmod go-w")):
                done = r.deliver("--secret", "db/password", "--file", file, once=True)
                assert done.returncode == 1 and b"delivery.insecure" in done.stderr and says in done.stderr, done
                assert not file.exists()
        finally:
            shutil.rmtree(disk)
        assert asked() == before, r.audit_records()


def test_template():
    """a template joins several secrets into one file"""
    with started() as r:
        form, file = r.folder / "form", r.place / "pgpass"
        form.write_text('db:5432:*:{{ secret "db/user" }}:{{ secret "db/password" }}\n')
        done = r.deliver("--secret", "db/password", "--secret", "db/user", "--template", form, "--file", file, once=True)
        assert (done.returncode, file.read_bytes()) == (0, b"db:5432:*:app:correct horse\n"), done
        file.unlink()
        for text, says in (('{{ secret "db/other" }}', b"give --secret db/other"), ('{{ secret }}', b"line 1"),
                           ('{{ secret "db/user" }}', b"does not use db/password")):
            form.write_text(text)
            done = r.deliver("--secret", "db/password", "--secret", "db/user", "--template", form, "--file", file,
                             once=True)
            assert done.returncode == 1 and b"delivery.template" in done.stderr and says in done.stderr, done
            assert not file.exists()


def test_follows_changes():
    """a change reaches the file at once, as a whole, and the command runs after it and not before"""
    with started() as r:
        log = r.folder / "log"
        script = r.folder / "changed"
        script.write_text(f"#!/bin/sh\ncat {r.place}/password >>{log}; echo \" $1\" >>{log}\n")
        script.chmod(0o755)
        process, file = r.delivered("--on-change", f"{script} word")
        assert file.read_bytes() == VALUE
        first = file.stat().st_ino
        assert not log.exists()
        r.put("db/password", SECOND)
        rig.wait_until("the command ran", lambda: log.exists() and log.read_bytes().endswith(b"\n"))
        assert file.read_bytes() == SECOND and file.stat().st_ino != first
        assert log.read_bytes() == SECOND + b" word\n", log.read_bytes()
        assert process.stop() == 0, process.output
        assert not os.listdir(r.place)  # removed at the end


def test_failing_command():
    """a command that fails is told of, and the delivery goes on"""
    with started() as r:
        process, file = r.delivered("--on-change", "/bin/false")
        for value in (SECOND, VALUE):
            r.put("db/password", value)
            rig.wait_until("the file changes", lambda: file.read_bytes() == value)
        rig.wait_until("the failure is told of", lambda: "delivery.command" in process.output)
        assert process.running(), process.output


def test_keep():
    """--keep leaves the files when the delivery is told to end"""
    with started() as r:
        process, file = r.delivered("--keep")
        assert process.stop() == 0 and file.read_bytes() == VALUE


def test_refused_takes_it_away():
    """a policy that takes the grant away takes the file away, and one that gives it back brings it back"""
    with started() as r:
        process, file = r.delivered()
        narrower = r.config()
        narrower["secrets"]["db/password"]["allow"] = ["other"]
        r.reload(narrower)
        rig.wait_until("the file is removed", lambda: not file.exists())
        r.reload(r.config())
        rig.wait_until("the file is back", file.exists)
        assert file.read_bytes() == VALUE and process.running()


def test_refused_at_once():
    """a delivery that is refused before the first time ends with a refusal"""
    with started() as r:
        process = r.deliver("--secret", "other/token", "--file", r.place / "x")
        assert process.child.wait(60) == 1 and "secret.unavailable" in process.output, process.output


def test_outage():
    """an outage of the daemon is survived until the time that it stated, and no longer"""
    with started(ttl="6s") as r:
        process, file = r.delivered()
        r.daemon.stop(signal.SIGKILL)
        gone_since = time.monotonic()
        assert file.read_bytes() == VALUE
        rig.wait_until("the secret expires", lambda: not file.exists())
        assert time.monotonic() - gone_since < 12, "kept for longer than its time"
        assert process.running() and "expired" in process.output, process.output
        r.start_daemon()
        rig.wait_until("the file is back", file.exists)


def test_refreshed():
    """a secret that lives shortly is asked for again before its end, so that the file stays"""
    with started(ttl="3s") as r:
        process, file = r.delivered()
        first = file.stat().st_ino
        until = time.monotonic() + 8
        while time.monotonic() < until:
            assert file.exists()
            time.sleep(0.05)
        assert file.stat().st_ino == first and process.running()  # nothing changed, so nothing was written


def test_session_ends():
    """a session that stops affirming takes the file away at the end of the stated time"""
    with started(ttl="5s") as r:
        process, file = r.delivered()
        r.control(debug=True)
        r.renew()
        rig.wait_until("the session is refused", lambda: r.ask("app", "GET", "/v1/health").status == 503)
        rig.wait_until("the file is removed", lambda: not file.exists())
        r.control(debug=False)
        r.renew()
        rig.wait_until("the file is back", file.exists)
        assert process.running()


def test_starts_before_the_daemon():
    """a delivery that starts first waits; a stale file of an earlier run is not left standing"""
    with started() as r:
        r.daemon.stop()
        file = r.place / "password"
        file.write_bytes(b"stale")
        process = r.deliver("--secret", "db/password", "--file", file)
        rig.wait_until("the stale file is removed", lambda: not file.exists())
        r.start_daemon()
        rig.wait_until("the file is there", file.exists)
        assert file.read_bytes() == VALUE and process.running()


def test_ready():
    """systemd is told that it is ready when the last file is there"""
    import socket
    with started() as r:
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(str(r.folder / "notify"))
        notify.settimeout(30)
        command = [str(r.program("attestctl")), "deliver", "--socket", str(r.socket("app")), "--secret", "db/user",
                   "--file", str(r.place / "user"), "--secret", "db/password", "--file", str(r.place / "password")]
        child = subprocess.Popen(command, env={**os.environ, "NOTIFY_SOCKET": str(r.folder / "notify")})
        try:
            while b"READY=1" not in notify.recv(4096):
                pass
            assert sorted(os.listdir(r.place)) == ["password", "user"]
        finally:
            child.terminate()
            assert child.wait(30) == 0


def on_own_mounts():
    """runs all of it again where /mnt is a tmpfs; None where that is not allowed"""
    unshare = ["unshare", "--mount", *([] if os.getuid() == 0 else ["--map-root-user"])]
    mount = ["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", MEMORY]
    if subprocess.run([*unshare, *mount], capture_output=True).returncode != 0:
        return None
    script = ' '.join(mount) + ' && exec "$@"'
    return subprocess.run([*unshare, "sh", "-c", script, "sh", sys.executable, __file__, INSIDE, BUILD]).returncode


def main():
    global BUILD
    BUILD = sys.argv[-1]
    if INSIDE not in sys.argv:
        status = on_own_mounts()
        if status is not None:
            return status
    return tap.run([f for name, f in globals().items() if name.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
