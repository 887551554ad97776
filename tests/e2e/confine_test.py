#!/usr/bin/env python3
"""What the running daemon has given up: calls, files, debuggers; and what it says when that is in the way.

usage: confine_test.py BUILD-DIR
"""
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import rig  # noqa: E402
import tap  # noqa: E402

BUILD = None
FILTERED, ONE = "2", "1"  # of /proc/PID/status


def started():
    return rig.Rig(BUILD).begun()


def status_of(path):
    return dict(line.split(":\t", 1) for line in path.read_text().splitlines() if ":\t" in line)


def test_every_thread_is_confined():
    """each thread of the daemon is under the filter and gains no privileges, and the log says what the kernel does"""
    with started() as r:
        r.put("db/password", b"value")
        assert r.get("app", "db/password").body == b"value"
        threads = list(pathlib.Path(f"/proc/{r.daemon.child.pid}/task").iterdir())
        assert len(threads) > 2, threads
        for thread in threads:
            status = status_of(thread / "status")
            assert (status["Seccomp"], status["NoNewPrivs"]) == (FILTERED, ONE), (thread, status)
        said = [line for line in r.daemon.output.splitlines() if "process.confined" in line]
        assert len(said) == 1 and "filtered" in said[0], said
        if not re.search(r"Landlock \d", said[0]):
            raise tap.Skip("this kernel has no Landlock")


def test_process_is_closed():
    """no core file, and no memory that was writable becomes code where the kernel can say so"""
    with started() as r:
        process = pathlib.Path(f"/proc/{r.daemon.child.pid}")
        limits = re.search(r"Max core file size\s+(\d+)\s+(\d+)", (process / "limits").read_text())
        assert limits.groups() == ("0", "0"), limits
        maps = (process / "maps").read_text()
        assert not [line for line in maps.splitlines() if re.search(r" rwx", line)], maps


def reload_refused(r):
    answer = r.ask("admin", "POST", "/v1/admin/reload")
    assert answer.status != 200, answer
    return answer.json["detail"]


def test_reload_from_elsewhere():
    """a reload that names files where the process cannot look any more is refused in words, and a restart takes it"""
    elsewhere = pathlib.Path(tempfile.mkdtemp(prefix="attestd-elsewhere-"))
    try:
        with started() as r:
            r.put("db/password", b"value")
            if "no Landlock" in r.daemon.output:
                raise tap.Skip("this kernel has no Landlock")
            policy = elsewhere / "appraisal.json"
            policy.write_text(json.dumps(r.appraisal_policy()))
            config = json.loads(r.config_file.read_text())
            moved = {**config, "verifier": {**config["verifier"], "policy": str(policy)}}
            r.config_file.write_text(json.dumps(moved))
            said = reload_refused(r)
            assert str(policy) in said and "others take a restart" in said, said
            # A folder that would be written needs no reading to be refused.
            cached = {**config, "verifier": {**config["verifier"], "collateral": {"cache": str(elsewhere / "cache")}}}
            r.config_file.write_text(json.dumps(cached))
            said = reload_refused(r)
            assert str(elsewhere / "cache") in said and "takes a restart" in said, said
            assert r.get("app", "db/password").body == b"value"
            r.config_file.write_text(json.dumps(moved))
            r.daemon.stop()
            r.write_config = lambda *_: None
            r.start_daemon()
            r.wait_healthy()
            assert r.get("app", "db/password").body == b"value"
    finally:
        shutil.rmtree(elsewhere)


def test_folders_made_later():
    """folders that the daemon makes itself at its first start work in the same process"""
    with rig.Rig(BUILD) as r:
        base = r.config

        def config():
            made = base()
            made["sources"]["store"] = {**made["sources"]["store"], "path": str(r.folder / "deep" / "store")}
            made["verifier"]["collateral"] = {"cache": str(r.folder / "deep" / "cache")}
            return made

        r.config = config
        (r.folder / "deep").mkdir()
        r.start()
        r.put("db/password", b"value")
        assert r.get("app", "db/password").body == b"value"
        assert (r.folder / "deep" / "store").is_dir()
        assert r.daemon.stop() == 0
        assert os.listdir(r.folder / "deep" / "store")


def main():
    global BUILD
    BUILD = sys.argv[-1]
    return tap.run([f for name, f in globals().items() if name.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
