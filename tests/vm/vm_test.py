#!/usr/bin/env python3
"""attestd on a real kernel: stock Linux 6.12 in an emulated machine, with a provider that stands in for the vendors'.

usage: vm_test.py BUILD-DIR

The kernel is what scripts/fetch-test-kernel unpacked into BUILD-DIR/tests/vm/kernel. One machine is started; what it
did is judged case by case.
"""
import base64
import ctypes
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE.parent / "abi"), str(HERE)]
sys.dont_write_bytecode = True
import compare  # noqa: E402
import machine  # noqa: E402
import rig  # noqa: E402
import tap  # noqa: E402

BUILD = None
DATA = "00ff" * 32
FAILURES = ("EBUSY", "EIO", "ETIMEDOUT", "ENXIO", "ENOTTY", "EFBIG", "EINVAL", "EINTR")
QUOTE = f"attestctl quote --report-data {DATA} --json --platform"
UNPRIVILEGED = "/usr/bin/setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --bounding-set=-all"
PARAMETERS = "/sys/module/attestd_provider/parameters"

# A function of the guest's shell for each thing that is more than one command.
STEPS = f"""
load() {{ insmod /modules/$1.ko "$2" "$3"; }}
load configfs; mount -t configfs none /sys/kernel/config
load tsm
step mkdir-without-provider mkdir /sys/kernel/config/tsm/report/x
step doctor-without-provider attestctl doctor --json
step vendor-tdx load tdx-guest
step vendor-snp load sev-guest
told() {{ echo "$2" > {PARAMETERS}/$1; }}
failing() {{ told error $1; abi-conformance tdx failing; told error 0; }}
# What a unit's privileged first step does, and then a user without any privilege.
hand_over() {{
    mkdir /sys/kernel/config/tsm/report/attestd
    chown 65534:65534 /sys/kernel/config/tsm/report/attestd /sys/kernel/config/tsm/report/attestd/*
}}
unprivileged() {{ {UNPRIVILEGED} {QUOTE} configfs_tsm; }}
entries() {{ ls /sys/kernel/config/tsm/report; }}
oversize() {{
    told outblob_len $1
    mkdir /sys/kernel/config/tsm/report/large
    head -c 64 /dev/zero > /sys/kernel/config/tsm/report/large/inblob
    wc -c < /sys/kernel/config/tsm/report/large/outblob
    rmdir /sys/kernel/config/tsm/report/large
    told outblob_len 0
}}

step load-tdx load attestd_provider tee=tdx
step abi-tdx abi-conformance tdx
{"".join(f"step failing-{name} failing {getattr(__import__('errno'), name)}" + chr(10) for name in FAILURES)}
told delay_ms 700
step slow abi-conformance tdx slow
told delay_ms 0
step size-32768 oversize 32768
step size-32769 oversize 32769
step doctor-tdx attestctl doctor --json
step quote-tdx {QUOTE} configfs_tsm
step quote-auto {QUOTE} auto
told error 5
step quote-failing {QUOTE} configfs_tsm
told error 0
step quote-unprivileged unprivileged
hand_over
step quote-handed-over unprivileged
step quote-handed-over-again unprivileged
step entries entries
rmdir /sys/kernel/config/tsm/report/attestd

# The device and the host's quote service alone, over vsock's loopback.
mkdir -p /etc/attestd
load vsock
step vsock-unlisted {QUOTE} tdx_guest:vsock://1:4050
echo '{{"hosts": {{"vsock://1:4050": {{}}, "vsock://1:4051": {{}}}}}}' > /etc/attestd/fetch.json
step vsock-no-transport {QUOTE} tdx_guest:vsock://1:4050
load vmw_vsock_virtio_transport_common; load vsock_loopback
step vsock-nobody {QUOTE} tdx_guest:vsock://1:4051
step vsock-unconfigured {QUOTE} tdx_guest
attestd-devsim --dir /machine --tee tdx --vsock 4050 > /tmp/devsim 2>&1 &
until grep -q ready /tmp/devsim || ! kill -0 $!; do sleep 0.1; done
step vsock-quote {QUOTE} tdx_guest:vsock://1:4050
kill $!; wait $!
attestd-devsim --dir /machine --tee tdx --debug-mode --vsock 4050 > /tmp/devsim2 2>&1 &
until grep -q ready /tmp/devsim2 || ! kill -0 $!; do sleep 0.1; done
step vsock-other-machine {QUOTE} tdx_guest:vsock://1:4050
kill $!; wait $!
rmmod attestd_provider

step load-snp load attestd_provider tee=snp
step abi-snp abi-conformance snp
step doctor-snp attestctl doctor --json
step quote-snp {QUOTE} configfs_tsm
step quote-sev-guest {QUOTE} sev_guest
hand_over
step quote-snp-handed-over unprivileged
rmdir /sys/kernel/config/tsm/report/attestd
step entries-snp entries
rmmod attestd_provider
"""


class Sampler(rig.Rig):
    """an emulated machine, for samples of what hardware gives"""

    def __init__(self, tee):
        super().__init__(BUILD)
        self.tee = tee
        self.root = self.folder / "root"

    def __exit__(self, *exception):
        subprocess.run(["umount", "-l", self.root], capture_output=True)
        super().__exit__(*exception)

    def machine_command(self):
        mount = ["--mount", self.root] if self.tee == "tdx" else []
        return [self.program("attestd-devsim"), "--dir", self.machine_dir, "--tee", self.tee,
                "--socket", self.socket("platform"), *mount]

    def evidence(self):
        answer = rig.request(self.socket("platform"), "POST", "/v1/evidence", json.dumps({"report_data": "00" * 64}),
                             {"Content-Type": "application/json"})
        assert answer.status == 200, answer.body
        return answer.json

    def tdreport(self):
        block = ctypes.create_string_buffer(64 + 1024)
        with open(self.root / "dev/tdx_guest", "r+b", buffering=0) as device:
            fcntl.ioctl(device, 0xC4405401, block)
        return block.raw[64:]


def need_fuse():
    if os.getuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise tap.Skip("the samples are made through FUSE, as root")


def add_samples(initramfs):
    with Sampler("tdx") as tdx:
        tdx.start_machine()
        initramfs.add("/lib/firmware/attestd-tdx-quote", base64.b64decode(tdx.evidence()["evidence"]))
        initramfs.add("/lib/firmware/attestd-tdreport", tdx.tdreport())
        for file in tdx.machine_dir.iterdir():  # the quote service's own: it signs for this TDREPORT
            if file.is_file():
                initramfs.add(f"/machine/{file.name}", file.read_bytes(), 0o600)
    with Sampler("snp") as snp:
        snp.start_machine()
        evidence = snp.evidence()
        initramfs.add("/lib/firmware/attestd-snp-report", base64.b64decode(evidence["evidence"]))
        initramfs.add("/lib/firmware/attestd-snp-certs", base64.b64decode(evidence["endorsements"][0]))


def boot():
    """the outcomes of all steps; the machine is started once"""
    machine.need_programs()
    need_fuse()
    build = pathlib.Path(BUILD).resolve()
    kernel = machine.Kernel(build / "tests/vm/kernel")
    with tempfile.TemporaryDirectory(prefix="attestd-vm-") as name:
        folder = pathlib.Path(name)
        initramfs = machine.Initramfs(folder)
        for program in ("tests/abi/abi-conformance", "tests/emulator/attestd-devsim", "agent/cli/attestctl",
                        "agent/fetch/attestd-fetch"):
            initramfs.add_program(build / program)
        initramfs.add_program(shutil.which("setpriv"))
        module = kernel.build(HERE / "provider", build / "tests/vm")
        initramfs.add("/modules/attestd_provider.ko", module.read_bytes())
        add_samples(initramfs)
        return machine.run(kernel, initramfs, STEPS, folder)


def outcome(name):
    """of one step; the machine is started by the first case that asks, and a machine that did not run fails all"""
    if "skipped" in STATE:
        raise STATE["skipped"]
    if "outcomes" not in STATE:
        STATE["outcomes"] = {}
        try:
            STATE["outcomes"] = boot()
        except tap.Skip as why:
            STATE["skipped"] = why
            raise
    assert STATE["outcomes"], "the machine did not run: the first case says why"
    return STATE["outcomes"][name]


STATE = {}


def good(name):
    done = outcome(name)
    assert done.status == 0, (name, done)
    return done.out


def test_abi_tdx():
    """a real kernel with a TDX provider answers each call as the list says"""
    compare.require_same(compare.kernel_lines("tdx"), good("abi-tdx").splitlines(), "this kernel")


def test_abi_snp():
    """a real kernel with an SNP provider answers each call as the list says"""
    compare.require_same(compare.kernel_lines("snp"), good("abi-snp").splitlines(), "this kernel")


def test_failing():
    """a provider's errno comes through reading the report, costs no generation, and stays until it is mended"""
    for name in FAILURES:
        compare.require_same(compare.failing_lines(name), good(f"failing-{name}").splitlines(), "this kernel")


def test_slow():
    """a signal ends a report that takes long with EINTR, and the next read gives it"""
    compare.require_same(compare.SLOW, good("slow").splitlines(), "this kernel")


def test_sizes():
    """a report of 32768 bytes passes, and one byte more is EFBIG"""
    assert good("size-32768").strip() == "32768"
    refused = outcome("size-32769")
    assert refused.out.strip() != "32769" and "File too large" in refused.err, refused


def test_vendor_modules():
    """the vendors' guest modules refuse a machine without their hardware"""
    for name in ("vendor-tdx", "vendor-snp"):
        refused = outcome(name)
        assert refused.status != 0 and "No such device" in refused.err, refused


def test_no_provider():
    """without a provider mkdir is ENXIO, and doctor says what would mend it"""
    refused = outcome("mkdir-without-provider")
    assert refused.status != 0 and "No such device or address" in refused.err, refused
    done = outcome("doctor-without-provider")
    said = json.loads(done.out)
    assert done.status == 3 and said["interface"] is None, done


def test_doctor():
    """the shipped attestctl doctor names the guest and its interface"""
    for tee in ("tdx", "snp"):
        said = json.loads(outcome(f"doctor-{tee}").out)
        assert (said["tee"], said["interface"]) == (tee, "configfs_tsm"), said
        checks = {check["name"]: check for check in said["checks"]}
        assert checks["configfs_tsm"]["state"] == "ok", checks


def test_quote():
    """the shipped attestctl quotes through configfs-tsm and leaves no entry"""
    for name, tee, interface in (("quote-tdx", "tdx", "configfs_tsm"), ("quote-auto", "tdx", "configfs_tsm"),
                                 ("quote-snp", "snp", "configfs_tsm"), ("quote-sev-guest", "snp", "sev_guest")):
        said = json.loads(good(name))
        assert (said["tee"], said["interface"]) == (tee, interface), (name, said)
        at = 568 if tee == "tdx" else 0x50
        assert base64.b64decode(said["quote"])[at:at + 64].hex() == DATA, name
        assert bool(said["endorsements"]) == (tee == "snp"), name
    assert good("entries-snp") == ""


def test_quote_fails():
    """a host that reports an error is told by its name"""
    refused = outcome("quote-failing")
    assert refused.status == 1 and "platform.failed" in refused.err and "EIO" in refused.err, refused


def test_handed_over():
    """a user with no capability quotes through the entry that root prepared, and through no other"""
    refused = outcome("quote-unprivileged")
    assert refused.status == 1 and "only root makes entries" in refused.err, refused
    for name, tee in (("quote-handed-over", "tdx"), ("quote-handed-over-again", "tdx"),
                      ("quote-snp-handed-over", "snp")):
        assert json.loads(good(name))["tee"] == tee, name
    assert good("entries").split() == ["attestd"]


def test_vsock():
    """a quote comes from the host's quote service over vsock, and says what the device's TDREPORT says"""
    said = json.loads(good("vsock-quote"))
    assert (said["tee"], said["interface"]) == ("tdx", "tdx_guest"), said
    assert base64.b64decode(said["quote"])[568:632].hex() == DATA


def test_vsock_refused():
    """without a listed, configured and answering quote service there is no quote, and each is told apart"""
    for name, code, words in (("vsock-unlisted", "fetch.denied", "vsock://1:4050"),
                              ("vsock-no-transport", "fetch.unreachable", "connecting"),
                              ("vsock-nobody", "fetch.unreachable", "connecting"),
                              ("vsock-unconfigured", "platform.unsupported", "/etc/tdx-attest.conf"),
                              ("vsock-other-machine", "platform.quote-service", "td_attributes")):
        refused = outcome(name)
        assert refused.status == 1 and code in refused.err and words in refused.err, (name, refused)


def main():
    global BUILD
    BUILD = sys.argv[1]
    chosen = sys.argv[2:]
    return tap.run([f for name, f in globals().items()
                    if name.startswith("test_") and (not chosen or name in chosen)])


if __name__ == "__main__":
    sys.exit(main())
