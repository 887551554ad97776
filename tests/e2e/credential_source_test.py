#!/usr/bin/env python3
"""The daemon and the credentials of its own unit: what systemd gave is released, what the host could have set is not.

usage: credential_source_test.py BUILD-DIR
"""
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import rig  # noqa: E402
import systemd_rig  # noqa: E402
import tap  # noqa: E402

BUILD = None
FOLDER = "run/credentials/attestd.service"
VALUE = b"given to the unit"
CLOSED = "root=/dev/vda systemd.import_credentials=no\n"
PLAIN_MOUNTS = "31 22 0:26 / /run rw,nosuid shared:5 - tmpfs tmpfs rw\n"
OWN_MOUNTS = PLAIN_MOUNTS + "90 31 0:60 / /run/credentials rw,nosuid - tmpfs tmpfs rw\n"


class CredentialRig(rig.Rig):
    """The daemon on another root (attestd-test), with a folder of credentials as systemd makes it."""

    def __init__(self, line=CLOSED, mounts=OWN_MOUNTS, given=True):
        super().__init__(BUILD)
        self.root, self.given = self.folder / "root", given
        self.write("proc/cmdline", line)
        self.write("proc/self/mountinfo", mounts)
        self.write(f"{FOLDER}/db+password", VALUE, 0o400)
        (self.root / FOLDER).chmod(0o700)

    def write(self, path, content, mode=0o600):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return path

    def program(self, name):
        return self.build / "tests/emulator/attestd-test" if name == "attestd" else super().program(name)

    def environment(self):
        given = {"CREDENTIALS_DIRECTORY": f"/{FOLDER}"} if self.given else {}
        return {**os.environ, "ATTESTD_TEST_SYSROOT": str(self.root), **given}

    def config(self):
        config = super().config()
        config["sources"] = {"unit": {"type": "credential"}}
        config["secrets"] = {"db/password": {"source": "unit", "allow": ["app"], "test": True}}
        return config

    def refused(self, code, says, status=503):
        answer = self.get("app", "db/password")
        assert answer.status == status and answer.code == code, (answer.status, answer.body)
        told = self.ask("app", "GET", "/v1/status").json["sources"]["unit"]["last_error"]
        assert told.startswith(code + ": ") and says in told, told


def test_release():
    """a credential of the unit is released under the secret's name, as protected by transport"""
    with CredentialRig() as r:
        r.start()
        answer = r.get("app", "db/password")
        assert (answer.status, answer.body) == (200, VALUE), answer.body
        status = r.ask("app", "GET", "/v1/status").json
        secret, = status["you"]["secrets"]
        assert secret["protection"] == "transport", secret
        assert status["sources"]["unit"]["last_success"].endswith("Z"), status["sources"]
        assert 'attestd_source_reads_total{source="unit"} 1\n' in r.ask("admin", "GET", "/metrics").body.decode()


def test_injected():
    """a system credential of that name is refused, wherever the host put it"""
    for place in ("@system", "@encrypted"):
        with CredentialRig(mounts=PLAIN_MOUNTS) as r:
            r.write(f"run/credentials/{place}/db+password", b"the host's")
            r.start()
            r.refused("credential.injected", f"/run/credentials/{place}/db+password is there")


def test_unseen():
    """where nothing shows that the host set none, none is taken"""
    with CredentialRig(line="root=/dev/vda\n") as r:
        r.start()
        r.refused("credential.injected", "systemd.import_credentials=no")
        r.write("proc/self/mountinfo", PLAIN_MOUNTS)
        r.refused("credential.injected", "cannot be seen from here")
        (r.root / "run/credentials/@system").mkdir()
        assert r.get("app", "db/password").body == VALUE


def test_of_another_name():
    """a system credential of any name can write what one of the unit's is loaded from"""
    with CredentialRig(line="root=/dev/vda\n", mounts=PLAIN_MOUNTS) as r:
        r.write("run/credentials/@system/tmpfiles.extra", b"f /run/credstore/db+password")
        r.start()
        r.refused("credential.injected", "/run/credentials/@system is not empty")


def test_missing_and_insecure():
    """no folder, no credential, one that others may read, and a link: each by its name"""
    with CredentialRig(given=False) as r:
        r.start()
        r.refused("credential.not-found", "systemd gave attestd no credentials", status=404)
    with CredentialRig() as r:
        path = r.root / FOLDER / "db+password"
        path.unlink()
        r.start()
        r.refused("credential.not-found", "db+password: is not there", status=404)
        r.write(f"{FOLDER}/db+password", VALUE, 0o444)
        r.refused("credential.insecure", "mode 0444")
        path.unlink()
        path.symlink_to("/etc/hostname")
        r.refused("credential.insecure", "ELOOP")
        r.write(f"{FOLDER}/db+password", b"x" * ((1 << 20) + 1), 0o400)
        r.refused("secret.too-large", "over 1048576 bytes", status=413)
        r.write(f"{FOLDER}/db+password", VALUE, 0o400)
        assert r.get("app", "db/password").body == VALUE


class UnitRig(systemd_rig.Confidential):
    """the shipped unit under a real systemd, which gives it one credential"""

    def __init__(self):
        super().__init__(BUILD, platform="external", tee="snp")
        self.workloads = {"app": {"match": [{"unit": "app.service"}]}}
        self.secrets = {"db/password": {"source": "unit", "allow": ["app"], "test": True}}
        self.write("etc/attestd/db.cred", VALUE, 0o600)
        self.write("etc/cmdline", CLOSED)
        self.give()

    def give(self, *more):
        self.drop_in("attestd.service",
                     "\n".join(["[Service]", "LoadCredential=db+password:/etc/attestd/db.cred", *more, ""]))

    def config(self):
        return {**super().config(), "sources": {"unit": {"type": "credential"}}}

    def asked(self):
        return self.fetch_secret("app.service", "db/password")

    def told(self):
        return self.status()["sources"]["unit"].get("last_error", "")


def test_shipped_unit():
    """under the shipped unit nothing is taken while the host could inject, though its folders are hidden; then it is"""
    systemd_rig.need()
    if "import_credentials" in pathlib.Path("/proc/cmdline").read_text():
        raise tap.Skip("this machine's own command line says something about credentials")
    with UnitRig() as m:
        m.start()
        m.systemctl("start", "attestd.socket")
        m.start_daemon()
        done = m.asked()
        assert done.returncode != 0 and VALUE.decode() not in done.stdout, done
        assert m.told().startswith("credential.injected: ") and "cannot be seen from here" in m.told(), m.told()
        # The kernel is shared: another command line is put over its own, in the unit's view and in ours.
        m.run("mount", "--bind", "/etc/cmdline", "/proc/cmdline")
        m.give("BindReadOnlyPaths=/etc/cmdline:/proc/cmdline")
        m.systemctl("daemon-reload")
        m.systemctl("restart", "attestd.service", seconds=120)
        m.wait_healthy()
        done = m.asked()
        assert (done.returncode, done.stdout) == (0, VALUE.decode()), (done, m.told(), m.problem())
        doctor = m.run("attestctl", "doctor", "--json", check=False).stdout
        check, = [c for c in json.loads(doctor)["checks"] if c["name"] == "system credentials"]
        assert check["state"] == "ok", check


def main():
    global BUILD
    BUILD = pathlib.Path(sys.argv[-1]).resolve()
    return tap.run([test_release, test_injected, test_unseen, test_of_another_name, test_missing_and_insecure, test_shipped_unit])


if __name__ == "__main__":
    sys.exit(main())
