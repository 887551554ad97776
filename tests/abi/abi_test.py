#!/usr/bin/env python3
"""The conformance program on the FUSE emulation: it behaves as the kernel, but for the differences that are listed.

usage: abi_test.py BUILD-DIR
"""
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]
sys.dont_write_bytecode = True
import compare  # noqa: E402
import rig  # noqa: E402
import tap  # noqa: E402

BUILD = None


class Emulation(rig.Rig):
    def __init__(self, tee):
        super().__init__(BUILD)
        self.tee, self.root = tee, self.folder / "root"

    def __enter__(self):
        if not os.access("/dev/fuse", os.R_OK | os.W_OK):
            raise tap.Skip("/dev/fuse is not there, or not ours to open")
        if os.getuid() != 0:
            raise tap.Skip("changing owners takes root")
        os.chmod(self.folder, 0o755)  # an unprivileged user looks too
        self.start_machine()
        return self

    def __exit__(self, *exception):
        subprocess.run(["umount", "-l", self.root], capture_output=True)
        super().__exit__(*exception)

    def machine_command(self):
        return [self.program("attestd-devsim"), "--dir", self.machine_dir, "--tee", self.tee, "--mount", self.root,
                "--socket", self.socket("platform")]

    def lines(self, *mode):
        done = subprocess.run([self.build / "tests/abi/abi-conformance", "--root", self.root, self.tee, *mode],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done
        return done.stdout.splitlines()


def test_tdx():
    """a TDX guest's emulation answers each call as a real kernel, but for the listed differences"""
    with Emulation("tdx") as r:
        compare.require_same(compare.emulation_lines("tdx"), r.lines(), "the emulation")


def test_snp():
    """an SNP guest's emulation answers each call as a real kernel, but for the listed differences"""
    with Emulation("snp") as r:
        compare.require_same(compare.emulation_lines("snp"), r.lines(), "the emulation")


def test_failing():
    """a report that fails gives the provider's errno, costs no generation, and can be asked for again"""
    with Emulation("tdx") as r:
        for name in ("EBUSY", "EIO", "ETIMEDOUT", "ENXIO", "ENOTTY", "EFBIG", "EINVAL", "EINTR"):
            r.control(device={"errno": name})
            compare.require_same(compare.failing_lines(name), r.lines("failing"), "the emulation")


def test_slow():
    """a signal ends a report that takes long with EINTR, and the next read gives it"""
    with Emulation("tdx") as r:
        r.control(delay_ms=700)
        compare.require_same(compare.SLOW, r.lines("slow"), "the emulation")


def main():
    global BUILD
    BUILD = sys.argv[1]
    return tap.run([f for name, f in globals().items() if name.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
