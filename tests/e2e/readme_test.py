"""Every command of README.md and of the guide beside it is run, in order, on an emulated machine.

A fenced block marked `sh` is run line by line, in a private mount namespace where /etc/attestd, /run/attestd and
/var/lib/attestd are the test's own. What cannot be run here stands in the list with the reason; a block that is
not in the list fails the test.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
import tap  # noqa: E402
from rig import Rig, wait_until  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "build"
INSIDE = "ATTESTD_README_TEST_INSIDE"
PROGRAMS = ("agent/attestd", "agent/cli/attestctl", "agent/fetch/attestd-fetch")


class Skipped:
    """a block that is not run, and why"""

    def __init__(self, why):
        self.why = why


class Run:
    """a block that is run. `instead` replaces texts that name what only a real machine has; `status` gives the
    exit status of lines, by number, that shall not be 0; `before` prepares."""

    def __init__(self, instead=None, status=None, before=None):
        self.instead, self.status, self.before = instead or {}, status or {}, before


VENDORS = Skipped("asks Intel and AMD; collateral_test runs these commands against forged services")
ANCHOR = {"--fetch": "--trust-anchor root.der --allow-test"}  # the emulated machine's root is no vendor's

# The blocks in order, by their first lines.
README = [
    ("scripts/demo", Skipped("e2e-demo is the demonstration; scripts/test runs this test")),
    ("build/tests/emulator/attestd-forge", Run({"/tmp/case": "case"}, status={2: 1})),
    ("attestctl verify quote.bin --fetch", VENDORS),
    ("attestctl provision request -o request.json", Run()),
    ("attestctl provision seal", Run(ANCHOR)),
    ("attestctl provision accept package.json", Run()),
    ("attestctl provision request -o next.json",  # new and old machine are one: what it has must go first
     Run({"attestctl provision accept": "attestctl secret rm db/password && attestctl provision accept"})),
    ("attestctl policy check", Run()),
    ("attestctl policy explain", Run({"\"$(pidof -s postgres)\"": "$$"},
     before="cp /etc/attestd/attestd.json /etc/attestd/attestd.json.new")),
    ("attestctl store recovery-key", Run()),
    ("meson setup build", Skipped("the build that this test runs on was made so")),
]

GUIDE = [
    ("attestctl doctor", Run({"attestctl doctor ": "attestctl doctor || [ $? = 3 ] ",  # 3: no confidential VM
                              "--from-evidence evidence.bin": "--from-evidence evidence.bin --trust-anchor root.der"})),
    ("attestctl secret rotate", Run({"/var/lib/attestd/audit": "/var/lib/attestd/test/audit"},  # test grade's own folder
                                    before="cp /etc/attestd/attestd.json /etc/attestd/attestd.json.new")),
]
DOCUMENTS = {ROOT / "README.md": README, ROOT / "config" / "operators.md": GUIDE}


def blocks_of(path, language="sh"):
    """the lines of each `sh` block; a backslash joins a line to the next"""
    found = re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)
    return [block.replace("\\\n", "").splitlines() for block in found]


def check_list(path, listed):
    heads = [lines[0] for lines in blocks_of(path)]
    for number, (head, (begin, _)) in enumerate(zip(heads, listed), 1):
        assert head.startswith(begin), f"{path.name}: block {number} is `{head}`, listed is `{begin}`"
    assert len(heads) == len(listed), f"{path.name}: {len(heads)} blocks, {len(listed)} in this test's list"


def every_block_is_listed():
    """each block of commands in README and guide is run by this test, or listed with the reason why not"""
    for path, listed in DOCUMENTS.items():
        check_list(path, listed)
        for _, what in listed:
            assert isinstance(what, Run) or len(what.why) > 10


def policies_of_the_guide_are_valid():
    """each appraisal policy that the guide shows is one that the daemon takes"""
    blocks = blocks_of(ROOT / "config" / "operators.md", "jsonc")
    assert len(blocks) == 4
    for number, lines in enumerate(blocks, 1):
        text = re.sub(r"…(\d+) hexadecimal digits…", lambda m: "0" * int(m[1]), "\n".join(lines))
        with tempfile.NamedTemporaryFile("w", suffix=".json") as policy:
            policy.write(text)
            policy.flush()
            done = subprocess.run([BUILD / "agent/cli/attestctl", "policy", "check", policy.name], capture_output=True,
                                  text=True)
        assert done.returncode == 0, f"policy {number}: {done.stderr}"


class ReadmeRig(Rig):
    """attestd at its usual places, in this namespace"""

    def __init__(self, build):
        super().__init__(build)
        self.config_file = pathlib.Path("/etc/attestd/attestd.json")
        self.state = pathlib.Path("/var/lib/attestd")
        self.here = self.folder / "here"

    def socket(self, name):
        usual = {"app": "attestd.sock", "admin": "admin.sock"}
        return pathlib.Path("/run/attestd") / usual[name] if name in usual else super().socket(name)

    def config(self):
        config = super().config()
        config["listeners"][0]["name"] = "app"
        config["hand_over"] = {"policy": "/etc/attestd/next-image.json"}
        return config

    def prepare(self):
        for folder in ("/etc/attestd", "/run/attestd"):
            pathlib.Path(folder).mkdir(parents=True)
        policy = json.dumps(self.appraisal_policy())
        for name in ("next-image", "appraisal"):
            pathlib.Path(f"/etc/attestd/{name}.json").write_text(policy)
        self.here.mkdir()
        (self.here / "build").symlink_to(self.build)
        (self.here / "web-vm.json").write_text(policy)
        for name in ("password", "db.pw"):
            (self.here / name).write_bytes(b"hunter2")
        programs = self.here / "bin"
        programs.mkdir()
        for program in PROGRAMS:
            (programs / pathlib.Path(program).name).symlink_to(self.build / program)

    def shell(self, line):
        path = f"{self.here / 'bin'}:{os.environ['PATH']}"
        return subprocess.run(["bash", "-c", line], cwd=self.here, env={**os.environ, "PATH": path},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)


def run_block(rig, lines, how):
    if how.before:
        done = rig.shell(how.before)
        assert done.returncode == 0, f"before `{lines[0]}`: {done.stdout}{done.stderr}"
    for number, line in enumerate(lines):
        for text, other in how.instead.items():
            line = line.replace(text, other)
        done = rig.shell(line)
        wanted = how.status.get(number, 0)
        assert done.returncode == wanted, f"`{line}`: status {done.returncode}, not {wanted}\n{done.stdout}{done.stderr}"


def blocks_run():
    """the commands of README and guide run, in order, and end as they should"""
    rig = ReadmeRig(BUILD)
    with rig:
        rig.prepare()
        rig.start()
        shutil.copy(rig.machine_dir / "root.der", rig.here / "root.der")
        for path, listed in DOCUMENTS.items():
            for lines, (_, how) in zip(blocks_of(path), listed):
                if isinstance(how, Run):
                    run_block(rig, lines, how)
        assert wait_until("the daemon still answers", rig.answers)


def enter_namespace():
    """starts this test again with folders of its own; None when this machine does not allow that"""
    script = ("mount --make-rprivate / && mount -t tmpfs tmpfs /var/lib && mkdir /var/lib/upper /var/lib/work && "
              "mount -t overlay -o lowerdir=/etc,upperdir=/var/lib/upper,workdir=/var/lib/work overlay /etc && "
              "mount -t tmpfs tmpfs /run")
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True).returncode:
        return None
    return subprocess.run(["unshare", "-m", "sh", "-c", script + ' && exec "$@"', "sh", sys.executable, __file__, BUILD],
                          env={**os.environ, INSIDE: "1"}).returncode


def not_here():
    """the commands of README and guide run, in order, and end as they should"""
    raise tap.Skip("private mounts need root")


if __name__ == "__main__":
    if os.environ.get(INSIDE):
        sys.exit(tap.run([every_block_is_listed, policies_of_the_guide_are_valid, blocks_run]))
    status = enter_namespace()
    sys.exit(tap.run([every_block_is_listed, policies_of_the_guide_are_valid, not_here]) if status is None else status)
