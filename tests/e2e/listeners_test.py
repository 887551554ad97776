#!/usr/bin/env python3
"""Listeners: whom their files let in, and sockets that systemd hands over by name.

usage: listeners_test.py BUILD-DIR
"""
import os
import socket
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import identity_rig  # noqa: E402
import rig  # noqa: E402
import tap  # noqa: E402
from identity_rig import ALICE, GROUP, MALLORY, VALUE, IdentityRig, is_given, need_root  # noqa: E402


def test_listener_group_and_mode():
    """a listener's file has the group and mode that configuration says, and keeps everybody else out"""
    with identity_rig.started({"app": {"match": [{"socket": "app"}]}}) as r:
        st = os.stat(r.socket("app"))
        assert (st.st_mode & 0o7777, st.st_gid) == (0o660, GROUP), st
        assert os.stat(r.socket("admin")).st_mode & 0o7777 == 0o600
        assert is_given(r.ask_as(ALICE, "app"))
        with r.caller(ALICE, gid=ALICE) as outsider:
            assert outsider.do(f"connect {r.socket('app')}") == "Permission denied"


def test_listener_for_everybody_is_refused():
    """a socket that everybody may reach is made only in so many words"""
    need_root()
    with IdentityRig(identity_rig.BUILD, {"app": {"match": [{"uid": ALICE}]}}, listener={"mode": "0666"}) as r:
        r.start_machine()
        done = r.check()
        assert done.returncode == 1 and "world_accessible" in done.stderr + done.stdout, done


def test_listener_from_systemd():
    """a socket with another owner comes from systemd under the listener's name; one that no listener is called after
    is refused"""
    need_root()
    rules = {"app": {"match": [{"socket": "app"}]}, "alice": {"match": [{"uid": ALICE}]}}
    with IdentityRig(identity_rig.BUILD, rules) as r:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(r.socket("app")))
        os.chown(r.socket("app"), ALICE, ALICE)  # SocketUser=
        r.socket("app").chmod(0o600)
        listener.listen(16)

        def passing(name):
            return ["sh", "-c", f'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES={name} exec "$@" 3<&0 </dev/null', "sh"]
        r.start_machine()
        r.write_config()
        r.state.mkdir(mode=0o700)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unknown:
            unknown.bind(str(r.socket("nobody")))
            unknown.listen(1)
            config = r.config()
            config["listeners"][0]["path"] = str(r.socket("other"))
            r.write_config(config)
            # Whatever is used after it was freed holds this then, and no lock is taken in vain.
            refused = subprocess.run([*passing("nobody"), r.program("attestd"), "--config", r.config_file],
                                     stdin=unknown.fileno(), capture_output=True, text=True, timeout=60,
                                     env={**os.environ, "MALLOC_PERTURB_": "34"})
        r.write_config()
        assert refused.returncode == 1 and 'no listener has that name' in refused.stdout + refused.stderr, refused
        with open(r.new_log("attestd"), "xb") as out:
            daemon = subprocess.Popen([*passing("app"), str(r.program("attestd")), "--config", str(r.config_file)],
                                      stdin=listener.fileno(), stdout=out, stderr=subprocess.STDOUT)
        try:
            listener.close()
            rig.wait_until("attestd listens", r.answers)
            r.wait_healthy()
            r.put("app/secret", VALUE)
            st = os.stat(r.socket("app"))
            assert (st.st_uid, st.st_mode & 0o7777) == (ALICE, 0o600), st  # as it was handed over
            assert is_given(r.ask_as(ALICE, "app", gid=ALICE))
            with r.caller(MALLORY) as other:
                assert other.do(f"connect {r.socket('app')}") == "Permission denied"
        finally:
            daemon.kill()
            daemon.wait()


def main():
    identity_rig.BUILD = sys.argv[-1]
    return tap.run([f for name, f in globals().items() if name.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
