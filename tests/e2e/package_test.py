#!/usr/bin/env python3
"""The Debian packages: what is in them, what they are made of; installed, started and purged under a real systemd.

usage: package_test.py BUILD-DIR
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import rig  # noqa: E402
import systemd_rig  # noqa: E402
import tap  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = None
PACKAGES = None
VALUE = b"released by a package"


def run(*command, **more):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **more)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def packages():
    """name -> file of the packages, built once"""
    global PACKAGES
    for tool in ("dpkg-deb", "dpkg-shlibdeps", "readelf"):
        if not shutil.which(tool):
            raise tap.Skip(f"{tool} is not there")
    if PACKAGES is None:
        out = pathlib.Path(BUILD) / "packages"
        shutil.rmtree(out, ignore_errors=True)
        run(ROOT / "scripts" / "build-packages", "--build", ROOT / "build-packages", out)
        PACKAGES = {file.name.split("_")[0]: file for file in out.glob("*.deb")}
    return PACKAGES


def contents(name):
    """path -> mode and owner of what is in a package"""
    out = {}
    for line in run("dpkg-deb", "--contents", packages()[name]).splitlines():
        mode, owner, _, _, _, path = line.split(None, 5)
        out[path.split(" -> ")[0].lstrip(".")] = (mode, owner)
    return out


def control(name, field):
    return run("dpkg-deb", "--field", packages()[name], field).strip()


def test_contents():
    """each file is in one package, root's, and nobody else may write it; each program is where it belongs"""
    seen = {}
    for name in packages():
        for path, (mode, owner) in contents(name).items():
            assert owner == "root/root" and mode[5] != "w" and mode[8] != "w", (name, path, mode, owner)
            assert "s" not in mode.lower(), (name, path, mode)
            if not path.endswith("/"):
                assert path not in seen, (path, name, seen.get(path))
                seen[path] = name
    places = {"/usr/bin/attestd": "attestd", "/usr/bin/attestd-inspect": "attestd", "/usr/bin/attestctl": "attestctl",
              "/usr/bin/attestd-fetch": "attestd-fetch", "/usr/lib/systemd/system/attestd.service": "attestd",
              "/usr/lib/systemd/system/attestd-fetch@.service": "attestd-fetch",
              "/usr/share/man/man5/attestd.json.5": "attestd", "/usr/share/man/man1/attestctl.1": "attestctl",
              "/usr/share/attestd/openapi.json": "attestd", "/usr/share/doc/attestd/attestd.cdx.json": "attestd"}
    for path, name in places.items():
        found = {p.removesuffix(".gz"): n for p, n in seen.items()}
        assert found.get(path) == name, (path, found.get(path))
    assert not [p for p in seen if p.startswith("/usr/local") or "/tests" in p or p.endswith("-test")], sorted(seen)


def test_dependencies():
    """the daemon's package asks for no TLS and no HTTP library, and each asks for what its programs are linked with"""
    for name, wanted, not_wanted in (("attestd", ("libseccomp2", "libssl3", "systemd"), ("curl", "tss2", "boost")),
                                     ("attestd-fetch", ("libcurl",), ("seccomp", "tss2")),
                                     ("attestctl", ("libssl3",), ("curl", "seccomp", "tss2"))):
        depends = control(name, "Depends")
        assert all(word in depends for word in wanted), (name, depends)
        assert not any(word in depends for word in not_wanted), (name, depends)


def test_bill_of_materials():
    """the SBOM names exactly the packages whose libraries the programs ask for, and those of headers alone"""
    bom = json.loads((packages()["attestd"].parent / "attestd.cdx.json").read_text())
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.5")
    refs = [one["bom-ref"] for one in bom["components"]]
    assert len(refs) == len(set(refs)) and refs == sorted(refs)
    by_ref = {one["bom-ref"]: one for one in bom["components"]}
    for tree in bom["dependencies"]:
        program = ROOT / "build-packages" / "stage" / "usr" / "bin" / by_ref[tree["ref"]]["name"]
        needed = re.findall(r"\(NEEDED\).*\[(.+)\]", run("readelf", "-d", "-W", program))
        linked = {by_ref[ref]["name"] for ref in tree["dependsOn"]
                  if by_ref[ref]["properties"][1]["value"] == "dynamically"}
        paths = dict(re.findall(r"^\s*(\S+) => (\S+)", run("ldd", program), re.MULTILINE))
        real = set()
        for library in needed:
            file = pathlib.Path(paths.get(library, f"/lib64/{library}"))
            for path in (file, file.resolve(), pathlib.Path(str(file).removeprefix("/usr"))):
                owner = subprocess.run(["dpkg-query", "-S", path], capture_output=True, text=True)
                if owner.returncode == 0:
                    real.add(owner.stdout.split(":")[0])
                    break
            else:
                raise AssertionError(f"{library}: nobody's")
        assert linked == real, (program.name, linked, real)
        headers = {by_ref[ref]["name"] for ref in tree["dependsOn"]} - linked
        assert {"nlohmann-json3-dev", "libexpected-dev"} <= headers, headers


def test_same_bytes_again():
    """the same programs make the same packages"""
    with tempfile.TemporaryDirectory() as again:
        run(ROOT / "scripts" / "build-packages", "--build", ROOT / "build-packages", again)
        for name, file in packages().items():
            assert (pathlib.Path(again) / file.name).read_bytes() == file.read_bytes(), name


class Packaged(systemd_rig.Confidential):
    """The emulated machine, on which nothing of the product lies yet."""

    def config(self):
        return {**super().config(), "identity": {"inspect_socket": "/run/attestd/inspect.sock"}}

    def install(self):
        for file in packages().values():
            self.write(f"rig/{file.name}", file.read_bytes())


def test_installed_started_purged():
    """dpkg installs them, the units start, a secret is released, and a purge leaves nothing"""
    systemd_rig.need()
    packages()
    with Packaged(BUILD) as m:
        m.workloads = {"app": {"match": [{"unit": "app.service", "exe_path": "/usr/bin/attestctl"}]}}
        m.secrets = {"app/key": {"source": "store", "allow": ["app"], "test": True}}
        m.start()
        files = [f"/rig/{file.name}" for file in packages().values()]
        done = m.run("dpkg", "--install", *files, check=False, seconds=300)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "attestd" in m.run("getent", "passwd", "attestd").stdout
        m.write_config()
        m.systemctl("enable", "--now", "attestd.socket", "attestd-inspect.socket", "attestd-coco.socket")
        m.start_daemon()
        m.put("app/key", VALUE)
        got = m.fetch_secret("app.service", "app/key")
        assert got.stdout == VALUE.decode(), (got.stdout, got.stderr)
        # The same again: an upgrade keeps what there is, and the daemon that ran runs. What answered the question
        # about the caller's executable still runs and has to go, and its socket to be there again.
        before = m.show("attestd.service", "MainPID")
        assert m.show("attestd-inspect.service", "ActiveState") == "active"
        done = m.run("dpkg", "--install", *files, check=False, seconds=300)
        assert done.returncode == 0, done.stdout + done.stderr
        rig.wait_until("the new daemon runs", lambda: m.show("attestd.service", "ActiveState") == "active"
                       and m.show("attestd.service", "MainPID") not in ("0", before))
        assert m.path("var/lib/attestd").exists()
        assert "does not run again" not in done.stderr, done.stderr
        assert m.show("attestd-inspect.service", "ActiveState") == "inactive"
        assert m.show("attestd-inspect.socket", "ActiveState") == "active"
        m.wait_healthy()
        # The store is closed until its recovery key is shown; but who asks is looked at, by the new program.
        m.fetch_secret("app.service", "app/key")
        rig.wait_until("attestd-inspect was asked", lambda: m.show("attestd-inspect.service", "ActiveState") == "active")
        m.systemctl("start", "attestd-coco.service")
        done = m.run("dpkg", "--purge", *packages(), check=False, seconds=300)
        assert done.returncode == 0, done.stdout + done.stderr
        for unit in ("attestd.service", "attestd-inspect.socket", "attestd-inspect.service", "attestd-coco.socket",
                     "attestd-coco.service", "attestd-fetch.socket"):
            assert m.show(unit, "ActiveState") == "inactive", unit
        assert not list(m.path("etc/systemd/system").rglob("attestd*")), "a unit is still enabled"
        for gone in ("usr/bin/attestd", "usr/bin/attestctl", "usr/lib/systemd/system/attestd.service",
                     "var/lib/attestd", "etc/attestd", "run/attestd/attestd.sock"):
            assert not m.path(gone).exists(), gone


def main():
    global BUILD
    BUILD = sys.argv[-1]
    return tap.run([f for name, f in globals().items() if name.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
