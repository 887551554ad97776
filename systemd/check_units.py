#!/usr/bin/env python3
"""Judges systemd units without a running systemd: no complaint at all from `verify` (which exits 0 on values
that it ignores), and an exposure not above each unit's threshold, in tenths.

usage: check_units.py --threshold UNIT=N... DIR

A unit with a known fault must be refused first, so that a systemd-analyze that judges nothing is seen.
Prints TAP.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile


def verify(folder):
    """systemd's complaints about the units in the folder"""
    with tempfile.TemporaryDirectory() as copy:
        paths = []
        for unit in sorted(folder.glob("*.service")) + sorted(folder.glob("*.socket")):
            # The programs are not installed here; any executable stands for them.
            text = re.sub(r"^(Exec\w+=[-+!:@]*)\S+", r"\1/bin/true", unit.read_text(), flags=re.MULTILINE)
            target = pathlib.Path(copy) / unit.name
            target.write_text(text)
            paths.append(str(target))
        result = subprocess.run(["systemd-analyze", "verify", "--man=no", *paths], capture_output=True,
                                text=True, env={"SYSTEMD_UNIT_PATH": f"{copy}:", "PATH": "/usr/bin:/bin"})
        said = [l for l in (result.stdout + result.stderr).splitlines() if l.strip() and copy in l
                or any(pathlib.Path(p).name in l for p in paths)]
        return said or ([f"exit status {result.returncode}"] if result.returncode else [])


def exposure(unit, threshold):
    """empty when the unit's exposure is not above the threshold"""
    result = subprocess.run(["systemd-analyze", "security", "--offline=true", f"--threshold={threshold}",
                             "--no-pager", str(unit)], capture_output=True, text=True)
    if result.returncode == 0:
        return []
    return (result.stdout + result.stderr).splitlines()[-3:] or [f"exit status {result.returncode}"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threshold", action="append", default=[])
    parser.add_argument("folder", type=pathlib.Path)
    opt = parser.parse_args()
    if not shutil.which("systemd-analyze"):
        print("1..0 # SKIP systemd-analyze is not there")
        return 0

    outcomes = []
    with tempfile.TemporaryDirectory() as bad:
        unit = pathlib.Path(bad) / "bad.service"
        unit.write_text("[Service]\nExecStart=/bin/true\nProtectSystem=perhaps\n")
        outcomes.append(("a unit with a bad value is refused", [] if verify(pathlib.Path(bad)) else ["not seen"]))
        outcomes.append(("an open unit is over the threshold", [] if exposure(unit, 7) else ["not seen"]))
    outcomes.append(("systemd understands every line", verify(opt.folder)))
    for entry in opt.threshold:
        name, threshold = entry.split("=")
        outcomes.append((f"{name}: exposure at most {int(threshold) / 10}",
                         exposure(opt.folder / name, int(threshold))))
    for number, (what, wrong) in enumerate(outcomes, 1):
        print(f"{'not ok' if wrong else 'ok'} {number} - {what}")
        for line in wrong:
            print(f"{what}: {line}", file=sys.stderr)
    print(f"1..{len(outcomes)}")
    return 1 if any(wrong for _, wrong in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
