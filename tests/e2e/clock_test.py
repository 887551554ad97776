#!/usr/bin/env python3
"""A clock that the host sets wrong: ten years ahead, ten years back, and right again, under the daemon's feet.

usage: clock_test.py BUILD-DIR
"""
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import rig  # noqa: E402
import tap  # noqa: E402

BUILD = None
LIBRARY = pathlib.Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
VALUE = b"kept through all of it"


class ClockRig(rig.Rig):
    """The daemon alone lives by a clock that a file sets; the machine around it keeps time."""

    def __init__(self, build):
        super().__init__(build)
        self.clock = self.folder / "clock"
        self.set_clock("+0")

    def start(self):
        super().start()
        self.put("db/password", VALUE)

    def set_clock(self, offset):
        fresh = self.clock.with_suffix(".new")
        fresh.write_text(offset)
        fresh.replace(self.clock)

    def environment(self):
        # Time that is measured goes on as ever: the host sets the date, it does not stop the processor.
        return {**os.environ, "LD_PRELOAD": str(LIBRARY), "FAKETIME_TIMESTAMP_FILE": str(self.clock),
                "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1"}

    def is_healthy(self):
        return self.ask("app", "GET", "/v1/health").status == 200


def started():
    if not LIBRARY.exists():
        raise tap.Skip("libfaketime is not there")
    return ClockRig(BUILD).begun()


def test_wrong_dates():
    """under a wrong date nothing new is affirmed and nothing released; under the right one all is as before"""
    with started() as r:
        assert r.get("app", "db/password").body == VALUE
        for offset in ("+10y", "-10y", "+10y"):
            r.set_clock(offset)
            r.renew()
            rig.wait_until(f"{offset}: not affirming", lambda: not r.is_healthy())
            refused = r.get("app", "db/password")
            assert refused.status == 503 and refused.code == "session.not-affirming", (offset, refused.body)
            session = r.ask("app", "GET", "/v1/status").json["session"]
            assert not session["affirming"] and session["last_error"], (offset, session)
            assert r.daemon.running(), r.daemon.output
            r.set_clock("+0")
            r.renew()
            rig.wait_until(f"healthy after {offset}", r.is_healthy)
            assert r.get("app", "db/password").body == VALUE, offset


def test_versions_and_audit():
    """versions grow though the date goes back, and the audit chain holds whatever dates stand in it"""
    with started() as r:
        versions = []
        for offset in ("+10y", "-10y", "-1s", "+0"):
            r.set_clock(offset)
            r.put("db/password", VALUE)
            versions.append(r.ask("admin", "GET", "/v1/admin/secrets").json["secrets"][0]["version"])
        assert versions == sorted(set(versions)), versions
        rig.wait_until("healthy", r.is_healthy)
        assert r.daemon.stop() == 0
        done = r.attestctl("audit", "verify", r.audit)
        assert done.returncode == 0, done.stderr
        years = {row["ts"][:4] for row in r.audit_records()}
        assert len(years) >= 3, years


def test_starts_under_a_wrong_date():
    """a daemon that starts ten years early or late says so, and affirms once the date is right"""
    with started() as r:
        for offset in ("-10y", "+10y"):
            # libfaketime sets timers, too, and a date that jumps leaves them behind: no orderly stop.
            r.daemon.stop(signal.SIGKILL)
            r.set_clock(offset)
            r.start_daemon()
            rig.wait_until("it has tried", lambda: r.ask("app", "GET", "/v1/status").json["session"].get("last_error"))
            assert r.get("app", "db/password").status == 503
            r.set_clock("+0")
            r.renew()
            rig.wait_until("healthy", r.is_healthy)
            assert r.get("app", "db/password").body == VALUE


def main():
    global BUILD
    BUILD = sys.argv[-1]
    return tap.run([f for name, f in globals().items() if name.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
