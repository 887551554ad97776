"""A machine of QEMU's without hardware virtualisation: a stock kernel, an initramfs of what a test needs, its output.

The guest's steps are a shell script; each `step NAME COMMAND...` gives an Outcome. The kernel's own messages go to
another serial line, so that they cannot stand in the middle of a result. Needs no root.
"""
import lzma
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import tap  # noqa: E402

MODULES = ["fs/configfs/configfs", "drivers/virt/coco/tsm", "net/vmw_vsock/vsock",
           "net/vmw_vsock/vmw_vsock_virtio_transport_common", "net/vmw_vsock/vsock_loopback",
           "drivers/virt/coco/tdx-guest/tdx-guest", "drivers/virt/coco/sev-guest/sev-guest"]
SECONDS = 240  # of the machine's whole life; 8 are usual, and a loaded machine takes many times that

# What comes before a test's own steps. An applet is called by its name, a program of the test's by its own.
PRELUDE = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/usr/bin:/bin HOME=/ LD_LIBRARY_PATH=/lib
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /run
mount -t tmpfs none /tmp
chmod 1777 /tmp
ip link set lo up 2>/dev/null
stty -F /dev/ttyS1 raw -echo
exec </dev/null >/dev/ttyS1 2>&1
step() {
    name=$1
    shift
    echo "=== begin $name"
    "$@" >/tmp/out 2>/tmp/err
    status=$?
    cat /tmp/out
    echo "=== errors"
    cat /tmp/err
    echo "=== end $status"
}
"""
POSTLUDE = """
echo "=== all"
poweroff -f
"""


class Outcome:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __repr__(self):
        return f"exit status {self.status}\n{self.out}\n{self.err}"


class Kernel:
    """what scripts/fetch-test-kernel unpacked"""

    def __init__(self, folder):
        self.folder = folder
        if not (folder / "release").exists():
            raise tap.Skip(f"no test kernel: scripts/fetch-test-kernel {folder}")
        self.release = (folder / "release").read_text().strip()
        self.image = folder / "root/boot" / f"vmlinuz-{self.release}"
        self.modules = folder / "root/lib/modules" / self.release / "kernel"
        self.headers = folder / "root/usr/src" / f"linux-headers-{self.release}"

    def module(self, name):
        """the bytes of one of the kernel's own modules"""
        plain = self.modules / f"{name}.ko"
        return plain.read_bytes() if plain.exists() else lzma.decompress(
            plain.with_suffix(".ko.xz").read_bytes())

    def build(self, source, folder):
        """the module of a folder with a Kbuild file, built against this kernel's headers"""
        made = folder / f"{source.name}-{self.release}"
        newest = max(f.stat().st_mtime for f in source.iterdir())
        found = next(iter(made.glob("*.ko")), None)
        if found is None or found.stat().st_mtime < newest:
            shutil.rmtree(made, ignore_errors=True)
            shutil.copytree(source, made)
            done = subprocess.run(["make", "-s", "-C", self.headers, f"M={made}", "modules"],
                                  capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done.stdout + done.stderr
            found = next(iter(made.glob("*.ko")))
        return found


def needed_libraries(program):
    """the shared libraries of a program, with its loader"""
    done = subprocess.run(["ldd", program], capture_output=True, text=True)
    return re.findall(r"(/\S+)\s+\(0x", done.stdout) if done.returncode == 0 else []


class Initramfs:
    """a folder that becomes the guest's root"""

    def __init__(self, folder):
        self.root = folder / "initramfs"
        self.file = folder / "initramfs.cpio"
        for name in ("bin", "lib", "lib64", "usr/bin", "dev", "proc", "sys", "run", "tmp", "etc", "modules",
                     "lib/firmware", "root"):
            (self.root / name).mkdir(parents=True)
        (self.root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
        (self.root / "etc/group").write_text("root:x:0:\nnobody:x:65534:\n")

    def add(self, path, content, mode=0o644):
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
        target.chmod(mode)

    def add_program(self, file, path=None):
        self.add(path or f"/usr/bin/{pathlib.Path(file).name}", pathlib.Path(file).read_bytes(), 0o755)
        for library in needed_libraries(file):
            where = "/lib64/" if "ld-linux" in library else "/lib/"
            self.add(where + pathlib.Path(library).name, pathlib.Path(library).read_bytes(), 0o755)

    def pack(self):
        names = sorted(str(p.relative_to(self.root)) for p in self.root.rglob("*"))
        with open(self.file, "wb") as out:
            subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=self.root, stdout=out, check=True,
                           input="\n".join(names).encode())
        return self.file


def need_programs():
    for name in ("qemu-system-x86_64", "busybox", "cpio", "make"):
        if shutil.which(name) is None:
            raise tap.Skip(f"{name} is not installed")


def run(kernel, initramfs, steps, folder, more=()):
    """boots the machine with these steps; {name: Outcome}"""
    initramfs.add_program(shutil.which("busybox"), "/bin/busybox")
    for module in MODULES:
        initramfs.add(f"/modules/{pathlib.Path(module).name}.ko", kernel.module(module))
    initramfs.add("/init", PRELUDE + steps + POSTLUDE, 0o755)
    console, results = folder / "console.log", folder / "results.log"
    command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024",
               "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-nic", "none",
               "-serial", f"file:{console}", "-serial", f"file:{results}", "-kernel", kernel.image,
               "-initrd", initramfs.pack(), "-append", "console=ttyS0 panic=-1 quiet", *more]
    try:
        done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=SECONDS)
        ended = f"exit status {done.returncode} {done.stderr}"
    except subprocess.TimeoutExpired:
        ended = f"was ended after {SECONDS} s"
    text = results.read_text(errors="replace").replace("\r\n", "\n") if results.exists() else ""
    if not text.endswith("=== all\n"):
        said = console.read_text(errors="replace") if console.exists() else ""
        raise AssertionError(f"the machine did not come to its end: {ended}\n{text[-3000:]}\n{said[-3000:]}")
    return outcomes(text)


def outcomes(text):
    found = re.findall(r"^=== begin (\S+)\n(.*?)=== errors\n(.*?)=== end (\d+)$", text, re.DOTALL | re.MULTILINE)
    assert len(found) == text.count("=== begin "), text
    return {name: Outcome(int(status), out, err) for name, out, err, status in found}
