#!/usr/bin/env python3
"""The audit log over several files: written by the daemon, verified by attestctl.

usage: audit_test.py BUILD-DIR
"""
import json
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import rig  # noqa: E402
import tap  # noqa: E402

BUILD = None
NUM_RELEASES = 700


class AuditRig(rig.Rig):
    """a small audit file, and nobody is slowed down"""

    audit_config = {"max_size": 65536}

    def config(self):
        made = super().config()
        made["audit"] = self.audit_config
        made["limits"] = {"requests": {"per_second": 100000, "burst": 100000}}
        return made


def written(audit_config=None, restart=False):
    """a daemon that has released often and stopped, and its files in the order of their records"""
    made = AuditRig(BUILD)
    try:
        if audit_config:
            made.audit_config = audit_config
        made.start()
        made.put("db/password", b"value")
        release_often(made)
        if restart:
            made.daemon.stop()
            made.start_daemon()
            made.wait_healthy()
            release_often(made)
        made.daemon.stop()
    except BaseException:
        made.__exit__()
        raise
    return made


def release_often(r):
    keep = rig.UnixConnection(r.socket("app"))
    for _ in range(NUM_RELEASES):
        keep.request("GET", "/v1/secrets/db/password")
        assert keep.getresponse().read() == b"value"
    keep.close()


def files(r):
    return sorted(r.audit.parent.glob("audit.jsonl.until-*")) + [r.audit]


def records(r):
    return [json.loads(line) for path in files(r) for line in path.read_text().splitlines()]


def verify(r, *more):
    return r.attestctl("audit", "verify", r.audit, *more)


def test_rotation():
    """files that grow long are set aside, the chain goes on over all of them and over a restart"""
    with written(restart=True) as r:
        assert len(files(r)) >= 3, files(r)
        assert [row["seq"] for row in records(r)] == list(range(len(records(r))))
        releases = [row for row in records(r) if row.get("method") == "GET /v1/secrets"]
        assert len(releases) == 2 * NUM_RELEASES, len(releases)
        done = verify(r)
        assert done.returncode == 0, done
        assert f"{len(records(r))} records, numbers 0 to {len(records(r)) - 1}".encode() in done.stdout, done.stdout
        for path in files(r):
            assert path.stat().st_mode & 0o7777 == 0o640, path


def refused(r, *more):
    done = verify(r, *more)
    assert done.returncode == 1, done
    return done.stderr.decode()


def test_tampering():
    """a record that was changed, removed or moved is found in whichever file it is, as is a file that is missing"""
    with written() as r:
        old, new = files(r)[0], files(r)[1]
        whole, after = old.read_bytes(), new.read_bytes()
        lines = whole.splitlines(keepends=True)
        tampered = {
            "changed": whole.replace(b'"app"', b'"apq"', 1),
            "removed": b"".join(lines[:10] + lines[11:]),
            "moved": b"".join(lines[:10] + [lines[11], lines[10]] + lines[12:]),
            "cut off at the end of an earlier file": b"".join(lines[:-1]),
        }
        for what, content in tampered.items():
            assert content != whole, what
            old.write_bytes(content)
            assert refused(r), what
        old.write_bytes(whole)
        assert verify(r).returncode == 0
        old.write_bytes(after)
        new.write_bytes(whole)
        assert "belongs to another file" in refused(r)
        old.write_bytes(whole)
        new.unlink()
        assert "does not continue" in refused(r)


def test_cut_off():
    """records that were cut off at the end are found by the digest of one of them, kept elsewhere"""
    with written({"max_size": 1 << 24}) as r:
        assert files(r) == [r.audit], files(r)
        head = re.search(rb"the last record's SHA-256 is ([0-9a-f]{64})", verify(r).stdout).group(1).decode()
        assert verify(r, "--holds", head).returncode == 0
        lines = r.audit.read_bytes().splitlines(keepends=True)
        r.audit.write_bytes(b"".join(lines[:-1]))
        assert verify(r).returncode == 0  # by itself, a shorter log is a whole one
        assert "cut off" in refused(r, "--holds", head)
        assert verify(r, "--holds", "no digest").returncode == 2


def test_cut_off_before_a_new_file():
    """a file that was set aside says in its name where it ended, though no record follows yet"""
    with written() as r:
        old = files(r)[-2]
        r.audit.write_bytes(b"")  # as it is right after an older one was set aside
        assert verify(r).returncode == 0
        old.write_bytes(b"".join(old.read_bytes().splitlines(keepends=True)[:-1]))
        assert "cut off at its end" in refused(r)
        old.write_bytes(b"")
        assert "cut off at its end" in refused(r)


def test_one_file():
    """a file that was set aside is held against its name also when it is the one that is looked at"""
    with written() as r:
        old = files(r)[-2]
        assert r.attestctl("audit", "verify", old).returncode == 0
        old.write_bytes(b"".join(old.read_bytes().splitlines(keepends=True)[:-1]))
        done = r.attestctl("audit", "verify", old)
        assert done.returncode == 1 and b"cut off at its end" in done.stderr, done


def test_kept():
    """with `keep` the oldest files are dropped, and verify says what is not here"""
    with written({"max_size": 65536, "keep": 1}) as r:
        assert len(files(r)) == 2, files(r)
        done = verify(r)
        assert done.returncode == 0 and b"are not here" in done.stdout, done


def test_denials():
    """equal denials make one record, and one with their number and their first and last time"""
    with AuditRig(BUILD) as r:
        r.start()
        for i in range(5):
            assert r.get("app", f"guess/{i}").status == 404
        r.daemon.stop()
        rows = [row for row in records(r) if row.get("reason") == "secret.unavailable"]
        assert len(rows) == 2 and rows[1]["repeated"] == 4, rows
        assert rows[0]["ts"] <= rows[1]["first_ts"] <= rows[1]["last_ts"] <= rows[1]["ts"], rows
        assert verify(r).returncode == 0


def main():
    global BUILD
    if len(sys.argv) != 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    BUILD = sys.argv[1]
    return tap.run([f for name, f in globals().items() if name.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
