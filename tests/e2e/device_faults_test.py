#!/usr/bin/env python3
"""The daemon on emulated devices that misbehave, hang, are disturbed, or are left by a killed daemon.

usage: device_faults_test.py BUILD-DIR
"""
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import device_rig  # noqa: E402
import rig  # noqa: E402
import tap  # noqa: E402


def misbehaves(r, faults, want, seconds=device_rig.PATIENCE + 1):
    """one attempt on a device with these faults ends in time, with these words"""
    r.control(device=faults)
    session, took = r.renewed()
    assert want in session.get("last_error", ""), (faults, want, session)
    assert took < seconds, (faults, took)


def recovers(r):
    r.control(fail="none", delay_ms=0, device={})
    rig.wait_until("the session recovers", lambda: (r.renew(), time.sleep(0.3), r.session())[2]["last_attempt"] ==
                   "affirmed")


def test_configfs_misbehaves():
    """whatever configfs-tsm does costs one request, ends before the deadline, and leaves no entry"""
    with device_rig.started("tdx", "configfs_tsm") as r:
        device_rig.released(r)
        for faults, want in (
                ({"errno": "EINVAL"}, "EINVAL"), ({"errno": "EBUSY"}, "the host still owns the buffer"),
                ({"errno": "EIO"}, "EIO"), ({"errno": "EFBIG"}, "larger than the kernel's interface allows"),
                ({"errno": "ENXIO"}, "reload tdx_guest"), ({"errno": "ETIMEDOUT"}, "quote service does not answer"),
                ({"errno": "ENOENT"}, "somebody removed the entry"),
                ({"lost_commits": 2}, "the kernel dropped the request"),
                ({"foreign_writes": 2}, "another process wrote"), ({"vanishing": 2}, "somebody removed the entry"),
                ({"empty": True}, "no tdx evidence"), ({"provider": "none"}, "no provider is loaded"),
                ({"provider": "arm_cca_guest"}, "unsupported platform: arm_cca_guest")):
            misbehaves(r, faults, want)
            assert r.get("app", "db/password").body == device_rig.VALUE  # the result that holds still serves
        r.control(device={})
        for fault, want in (("garbage", "no tdx evidence"), ("wrong_report_data", "other report data"),
                            ("error", "EIO")):
            r.control(fail=fault)
            session, took = r.renewed()
            assert want in session["last_error"] and took < device_rig.PATIENCE + 1, (fault, session, took)
        recovers(r)
        assert r.entries() == [], r.entries()


def test_configfs_recovers_by_itself():
    """what passes by itself costs no request: busy for a while, one foreign writer, a lost commit, short reads"""
    with device_rig.started("tdx", "configfs_tsm") as r:
        for faults in ({"errno": "EBUSY", "times": 1}, {"errno": "EIO", "times": 1}, {"errno": "EINTR", "times": 1},
                       {"errno": "EAGAIN", "times": 1}, {"lost_commits": 1}, {"foreign_writes": 1}, {"vanishing": 1},
                       {"read_len": 1}):
            r.control(device=faults)
            session, took = r.renewed()
            assert session["last_attempt"] == "affirmed", (faults, session)
        r.control(device={"stuck_rmdirs": 1})
        assert r.renewed()[0]["last_attempt"] == "affirmed"
        assert len(r.entries()) == 1  # for now
        assert r.renewed()[0]["last_attempt"] == "affirmed"
        assert r.entries() == [], r.entries()


def test_hanging_device():
    """a device that never answers costs its request and nothing else, and the daemon's end waits for the kernel's"""
    with device_rig.started("tdx", "configfs_tsm") as r:
        device_rig.released(r)
        r.control(delay_ms=12000)
        begun = time.monotonic()
        session, took = r.renewed()
        assert "by the deadline" in session["last_error"], session
        assert device_rig.PATIENCE - 1 < took < device_rig.PATIENCE + 2, took
        assert r.get("app", "db/password").body == device_rig.VALUE
        session, took = r.renewed()  # the first is with the device still
        assert "earlier request" in session["last_error"] and took < device_rig.PATIENCE + 2, (session, took)
        r.control(delay_ms=0)
        rig.wait_until("the device is free", lambda: r.renewed()[0]["last_attempt"] == "affirmed", seconds=30)
        assert time.monotonic() - begun < 40
        # A request in the kernel is not broken off: the end waits for it, and leaves no entry.
        r.control(delay_ms=8000)
        r.renewed()
        begun = time.monotonic()
        assert r.daemon.stop() == 0
        assert 1 < time.monotonic() - begun < 8 and r.entries() == [], r.entries()


def test_sev_guest_misbehaves():
    """whatever /dev/sev-guest does costs one request, and one that has given up its key is not asked again"""
    device_rig.need_root()
    with device_rig.started("snp", "sev_guest") as r:
        r.wait_healthy()
        device_rig.released(r)
        for faults, want in (({"vmm_error": 2}, "busy until the deadline"), ({"errno": "EINVAL"}, "EINVAL"),
                             ({"status": 22}, "invalid parameter (0x16)"), ({"errno": "ETIMEDOUT"}, "throttles")):
            misbehaves(r, faults, want, device_rig.PATIENCE + 2)
            assert r.get("app", "db/password").body == device_rig.VALUE
        # A table that no buffer holds: the report alone, and the certificates are the machine folder's.
        r.control(device={"certs_len": 0x10000})
        session, _ = r.renewed()
        assert session["last_attempt"] == "affirmed", session
        misbehaves(r, {"firmware_error": 0x1d}, "AEAD overflow (0x1d)", device_rig.PATIENCE + 2)
        session, _ = r.renewed()
        assert "dead until this machine restarts" in session["last_error"], session
        r.control(device={})  # a new module would give a report: nobody asks
        session, took = r.renewed()
        assert "dead until this machine restarts" in session["last_error"] and took < 2, (session, took)


def test_crash_leaves_nothing():
    """the entry of a daemon that was killed in the middle of a request is removed at the next start"""
    with device_rig.started("tdx", "configfs_tsm") as r:
        foreign = r.root / device_rig.REPORTS / "com.intel.dcap"
        foreign.mkdir()
        r.control(delay_ms=20000)
        r.renew()
        rig.wait_until("an entry is there", lambda: len(r.entries()) == 2)
        r.daemon.child.kill()
        r.daemon.child.wait()
        assert len(r.entries()) == 2
        r.control(delay_ms=0)
        r.start_daemon()
        rig.wait_until("affirming", lambda: r.session()["affirming"])
        assert r.entries() == ["com.intel.dcap"], r.entries()
        assert "platform.leftovers" in r.daemon.output, r.daemon.output


def main():
    device_rig.BUILD = sys.argv[1]
    chosen = sys.argv[2:]
    return tap.run([f for name, f in globals().items()
                    if name.startswith("test_") and (not chosen or name in chosen)])


if __name__ == "__main__":
    sys.exit(main())
