#!/usr/bin/env python3
"""Shows attestd at work on an emulated machine, step by step, in words.

usage: demo.py BUILD-DIR

Starts the emulator and the daemon in a private temporary folder, needs no root, and leaves nothing behind.
Standard error tells the story for a person; standard output is TAP, one line a step, so that the same
program is a test. Run by a person (scripts/demo), the TAP goes nowhere.
"""
import pathlib
import shlex
import subprocess
import sys
import textwrap

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import rig  # noqa: E402
import tap  # noqa: E402

SECRET = b"the launch code is 0000"


def say(text):
    print(textwrap.fill(text, 100), file=sys.stderr, flush=True)


def show(command, output):
    """a command as one would type it, and what it printed"""
    print("  $ " + shlex.join(str(c) for c in command), file=sys.stderr)
    for line in output.decode(errors="replace").rstrip().splitlines()[:24]:
        print("    " + line[:140], file=sys.stderr)
    print(file=sys.stderr, flush=True)


def curl(r, listener, target):
    """status and body of one plain curl"""
    command = ["curl", "--silent", "--show-error", "--unix-socket", r.socket(listener).relative_to(r.folder),
               f"http://attestd{target}"]
    done = subprocess.run([*map(str, command), "--write-out", "\n%{http_code}"], cwd=r.folder,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr
    body, _, status = done.stdout.rpartition(b"\n")
    show(command, body + b"\n(HTTP " + status + b")")
    return int(status), body


def attestctl(r, *args, stdin=None):
    done = r.attestctl(*args, stdin=stdin)
    words = [str(a).replace(str(r.folder) + "/", "") for a in args]
    show(["attestctl", *words], done.stdout + done.stderr)
    return done


class Demo:
    def __init__(self, r):
        self.r = r
        self.evidence = r.folder / "evidence.bin"

    def step_1_start(self):
        """an emulated machine and attestd start, and the session becomes affirming"""
        say("An emulated SEV-SNP machine starts. It signs with a throw-away hierarchy, which attestd is told to "
            "trust as a test anchor: everything that rests on it is marked as test grade.")
        self.r.start()
        status = self.r.ask("app", "GET", "/v1/status").json["session"]
        say(f"attestd took evidence from it, verified every signature, and is affirming (grade: {status['grade']}).\n")
        assert status["affirming"] and status["grade"] == "test"

    def step_2_store(self):
        """an administrator stores a secret through the admin socket"""
        say("The administrator stores a secret. It is sealed to a key that this machine's hardware derives.")
        done = attestctl(self.r, "secret", "put", "db/password", "-", "--admin-socket", self.r.socket("admin"),
                         stdin=SECRET)
        assert done.returncode == 0

    def step_3_release(self):
        """the workload that policy names reads the secret with plain curl"""
        say("The workload that policy names reads it with one curl, on its own socket.")
        assert curl(self.r, "app", "/v1/secrets/db/password") == (200, SECRET)

    def step_4_refuse(self):
        """a workload that policy does not name is refused, and learns nothing"""
        say("Another workload, on another socket, asks for the same secret. Policy does not name it; the answer "
            "is the one that a name which does not exist gets.")
        refused = curl(self.r, "other", "/v1/secrets/db/password")
        unknown = curl(self.r, "other", "/v1/secrets/no/such/secret")
        assert refused[0] == 404 and refused == unknown and SECRET not in refused[1]

    def step_5_evidence(self):
        """the machine's evidence can be inspected and verified by anybody"""
        say("An auditor takes evidence of this machine, looks into it, and verifies it against the machine's root.")
        taken = attestctl(self.r, "quote", "--platform", f"external:{self.r.socket('platform')}", "-o", self.evidence)
        assert taken.returncode == 0, taken
        assert attestctl(self.r, "inspect", self.evidence).returncode == 0
        judged = attestctl(self.r, "verify", self.evidence, "--endorsements", self.r.machine_dir,
                           "--trust-anchor", self.r.machine_dir / "root.der")
        assert judged.returncode == 0

    def step_6_unpinned(self):
        """without the test anchor the same evidence is refused"""
        say("Without that root nobody believes it: the vendors' keys are pinned, and this is none of them.")
        assert attestctl(self.r, "verify", self.evidence, "--endorsements", self.r.machine_dir).returncode == 1

    def step_7_debug(self):
        """the machine turns to debug mode: the session is refused and the secret with it"""
        say("Now the machine turns to debug mode, in which its host can read its memory. At the next renewal the "
            "verifier refuses it, and the secret is not released to anybody any more.")
        self.r.control(debug=True)
        self.r.renew()
        rig.wait_until("the session is refused", lambda: self.r.ask("app", "GET", "/v1/health").status == 503)
        status, body = curl(self.r, "app", "/v1/secrets/db/password")
        assert status == 503 and SECRET not in body
        session = self.r.ask("app", "GET", "/v1/status").json["session"]
        say(f"status says why: {session['last_error']}\n")
        assert session["last_attempt"] == "refused" and "debug" in session["last_error"]

    def step_8_end(self):
        """everything ends cleanly, and the audit log tells who got what"""
        assert self.r.daemon.stop() == 0
        lines = self.r.audit.read_bytes()
        assert SECRET not in lines
        say(f"attestd ended cleanly. Its audit log has {len(lines.splitlines())} records, each bound to the one "
            "before; the secret's value is in none of them.")


def main():
    with rig.Rig(sys.argv[1]) as r:
        demo = Demo(r)
        steps = [getattr(demo, name) for name in sorted(dir(demo)) if name.startswith("step_")]
        result = tap.run(steps)
        if result and r.daemon is not None:
            print(r.daemon.output, file=sys.stderr)
    say("Nothing is left running." if not result else "A step failed; see above.")
    return result


if __name__ == "__main__":
    sys.exit(main())
