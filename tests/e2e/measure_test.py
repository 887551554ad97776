#!/usr/bin/env python3
"""attestctl measure against a second computation, written from spec/snp.md section 12 apart from the C++ one.

No recorded digest of a guest under an SVSM exists. The images here are synthetic; what is compared is two
readings of the same text. The recorded digests without an SVSM are checked too, so that the second reading is
itself known to be right as far as they go.
"""
import hashlib
import json
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
import tap  # noqa: E402

ATTESTCTL = str(pathlib.Path(sys.argv[1]) / "agent/cli/attestctl")
VECTORS = pathlib.Path(__file__).resolve().parents[3] / "shared/vectors/snp/measure"
PAGE = 4096
NORMAL, VMSA, ZERO, SECRETS, CPUID = 1, 2, 3, 5, 6
EPYC_V4 = 0x800F12


# -- the second computation --

class Digest:
    def __init__(self):
        self.value = bytes(48)

    def page(self, kind, gpa, contents=bytes(48)):
        info = self.value + contents + struct.pack("<HBBBBBBQ", 0x70, kind, 0, 0, 0, 0, 0, gpa)
        assert len(info) == 0x70
        self.value = hashlib.sha384(info).digest()

    def image(self, gpa, data):
        for at in range(0, len(data), PAGE):
            self.page(NORMAL, gpa + at, hashlib.sha384(data[at:at + PAGE]).digest())

    def sections(self, sections):
        for gpa, size, kind in sections:
            if kind in (1, 4, 0x10):
                for at in range(0, size, PAGE):
                    self.page(ZERO, gpa + at)
            else:
                self.page({2: SECRETS, 3: CPUID}[kind], gpa)

    def vmsa(self, page):
        self.page(VMSA, 0xFFFFFFFFF000, hashlib.sha384(page).digest())


def segment(selector, attributes, limit, base):
    return struct.pack("<HHIQ", selector, attributes, limit, base)


def save_area(fields):
    page = bytearray(PAGE)
    for at, value in fields.items():
        page[at:at + len(value)] = value
    return bytes(page)


def q(value):
    return struct.pack("<Q", value)


def qemu_vmsa(eip, rdx, features=1):
    data = segment(0, 0x93, 0xFFFF, 0)
    return {0x000: data, 0x010: segment(0xF000, 0x9B, 0xFFFF, eip & 0xFFFF0000), 0x020: data, 0x030: data, 0x040: data,
            0x050: data, 0x060: segment(0, 0, 0xFFFF, 0), 0x070: segment(0, 0x82, 0xFFFF, 0),
            0x080: segment(0, 0, 0xFFFF, 0), 0x090: segment(0, 0x8B, 0xFFFF, 0), 0x0D0: q(0x1000), 0x148: q(0x40),
            0x158: q(0x10), 0x160: q(0x400), 0x168: q(0xFFFF0FF0), 0x170: q(2), 0x178: q(eip & 0xFFFF),
            0x268: q(0x0007040600070406), 0x310: q(rdx), 0x3B0: q(features), 0x3E8: q(1),
            0x408: struct.pack("<I", 0x1F80), 0x410: struct.pack("<H", 0x37F)}


def svsm_vmsa(entry, rdx, fcw):
    fields = qemu_vmsa(0xFFFFFFF0, rdx)
    data = segment(0x10, 0xC93, 0xFFFFFFFF, 0)
    fields.update({0x000: data, 0x010: segment(8, 0xC9B, 0xFFFFFFFF, 0), 0x020: data, 0x030: data, 0x040: data,
                   0x050: segment(0, 0x93, 0xFFFF, 0), 0x158: q(0x11), 0x178: q(entry),
                   0x410: struct.pack("<H", fcw)})
    return save_area(fields)


def under_svsm(ovmf, svsm, vars_len, vcpus, fcw=0):
    digest = Digest()
    firmware_gpa = (1 << 32) - len(ovmf)
    digest.image(firmware_gpa, ovmf)
    svsm_gpa = firmware_gpa - vars_len - len(svsm)
    digest.image(svsm_gpa, svsm)
    digest.sections(SVSM_SECTIONS)
    for _ in range(vcpus):
        digest.vmsa(svsm_vmsa(svsm_gpa + SVSM_ENTRY, EPYC_V4, fcw))
    return digest.value.hex()


def without_svsm(ovmf, sections, ap_entry, vcpus):
    digest = Digest()
    digest.image((1 << 32) - len(ovmf), ovmf)
    digest.sections(sections)
    for i in range(vcpus):
        digest.vmsa(save_area(qemu_vmsa(0xFFFFFFF0 if i == 0 else ap_entry, EPYC_V4)))
    return digest.value.hex()


# -- images --

OVMF_SECTIONS = [(0x800000, 0x3000, 1), (0x80D000, 0x1000, 2), (0x80E000, 0x1000, 3), (0x80F000, 0x1000, 4)]
SVSM_SECTIONS = [(0x8000, 0x1000, 2), (0x9000, 0x1000, 3), (0xA000, 0x2000, 1)]
SVSM_ENTRY = 0x1040
AP_ENTRY = 0x80B004


def entry(guid, data):
    return data + struct.pack("<H", len(data) + 18) + uuid.UUID(guid).bytes_le


def image(pages, filling, sections, entries):
    """pages of code, the sections' metadata, and the table of entries 32 bytes before the end"""
    metadata = b"ASEV" + struct.pack("<III", 16 + 12 * len(sections), 1, len(sections))
    metadata += b"".join(struct.pack("<III", *s) for s in sections)
    metadata_at = 2048  # bytes from the end
    table = b"".join(entries) + entry("dc886566-984a-4798-a75e-5585a7bf67cc", struct.pack("<I", metadata_at))
    table += struct.pack("<H", len(table) + 18) + uuid.UUID("96b582de-1fb2-45f7-baea-a366c55a082d").bytes_le
    out = bytearray(hashlib.shake_128(filling).digest(pages * PAGE))
    out[-metadata_at:-metadata_at + len(metadata)] = metadata
    out[-32 - len(table):-32] = table
    return bytes(out)


OVMF = image(3, b"ovmf", OVMF_SECTIONS,
             [entry("00f771de-1a7e-4fcb-890e-68c77e2fb44e", struct.pack("<I", AP_ENTRY))])
SVSM = image(5, b"svsm", SVSM_SECTIONS,
             [entry("a789a612-0597-4c4b-a49f-cbb1fe9d1ddd", struct.pack("<I", SVSM_ENTRY))])

FOLDER = tempfile.TemporaryDirectory()
WHERE = pathlib.Path(FOLDER.name)


def file(name, data):
    (WHERE / name).write_bytes(data)
    return WHERE / name


OVMF_FILE, SVSM_FILE, KERNEL_FILE = file("ovmf", OVMF), file("svsm", SVSM), file("kernel", b"kernel")


def run(*args):
    return subprocess.run([ATTESTCTL, *map(str, args)], capture_output=True, text=True, timeout=60)


def measure(*args, ovmf=OVMF_FILE):
    done = run("measure", "snp", "--ovmf", ovmf, "--json", *args)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["measurement"]


def refused(says, *args):
    done = run("measure", "snp", "--ovmf", OVMF_FILE, *args)
    assert done.returncode == 2, (done.returncode, done.stdout)
    assert says in done.stderr, done.stderr


# -- claims --

def test_recorded():
    """the second computation gives recorded digests where no kernel is measured"""
    if not VECTORS.exists():
        raise tap.Skip("no vectors/snp/measure")
    manifest = json.loads((VECTORS / "manifest.json").read_text())
    compared = 0
    for case in manifest["cases"]:
        if case["vmm"] != "qemu" or case["kernel"] or int(case["guest_features"], 0) != 1 or case["cpu"] != "EPYC-v4":
            continue
        data = (VECTORS / case["ovmf"]).read_bytes()
        sections, ap_entry = read_metadata(data)
        assert without_svsm(data, sections, ap_entry, int(case["vcpus"])) == case["measurement"], case
        compared += 1
    assert compared > 0


def read_metadata(data):
    def find(guid):
        at = data.index(uuid.UUID(guid).bytes_le)
        return struct.unpack_from("<I", data, at - 6)[0]
    at = len(data) - find("dc886566-984a-4798-a75e-5585a7bf67cc")
    count = struct.unpack_from("<I", data, at + 12)[0]
    sections = [struct.unpack_from("<III", data, at + 16 + 12 * i) for i in range(count)]
    return sections, find("00f771de-1a7e-4fcb-890e-68c77e2fb44e")


def test_synthetic_firmware():
    """a synthetic firmware image alone is measured alike by both"""
    for vcpus in (1, 3):
        want = without_svsm(OVMF, OVMF_SECTIONS, AP_ENTRY, vcpus)
        assert measure("--vcpus", vcpus, "--vcpu-type", "EPYC-v4") == want


def test_svsm():
    """a guest under an SVSM is measured alike by both, for each variable store and number of vCPUs"""
    seen = set()
    for vars_len in (0x1000, 0x84000):
        for vcpus in (1, 4):
            want = under_svsm(OVMF, SVSM, vars_len, vcpus)
            have = measure("--vcpus", vcpus, "--vcpu-type", "EPYC-v4", "--svsm", SVSM_FILE, "--vars-size", vars_len)
            assert have == want, (vars_len, vcpus)
            seen.add(have)
    assert len(seen) == 4


def test_svsm_vars_file():
    """the variable store may be given as the file itself"""
    store = file("vars", bytes(0x84000))
    have = measure("--vcpus", 1, "--vcpu-type", "EPYC-v4", "--svsm", SVSM_FILE, "--vars-file", store)
    assert have == under_svsm(OVMF, SVSM, 0x84000, 1)


def test_svsm_fcw():
    """the x87 control word is a parameter: 0 unless given, QEMU's own value on demand"""
    args = ("--vcpus", 2, "--vcpu-type", "EPYC-v4", "--svsm", SVSM_FILE, "--vars-size", 0x1000)
    assert measure(*args, "--svsm-fcw", "0x37f") == under_svsm(OVMF, SVSM, 0x1000, 2, fcw=0x37F)
    assert measure(*args, "--svsm-fcw", "0") == measure(*args)
    assert measure(*args, "--svsm-fcw", "0x37f") != measure(*args)


def test_svsm_refused():
    """what cannot be launched under an SVSM is refused by name"""
    cpu = ("--vcpus", 1, "--vcpu-type", "EPYC-v4")
    svsm = (*cpu, "--svsm", SVSM_FILE)
    refused("--vars-size or --vars-file", *svsm)
    refused("whole pages", *svsm, "--vars-size", 1)
    refused("at most 64 MiB", *svsm, "--vars-size", 1 << 32)
    refused("would not be measured", *svsm, "--vars-size", 0x1000, "--kernel", KERNEL_FILE)
    refused("other hypervisors than QEMU", *svsm, "--vars-size", 0x1000, "--vmm-type", "ec2")
    refused("go with --svsm", *cpu, "--vars-size", 0x1000)
    refused("go with --svsm", *cpu, "--svsm-fcw", "0x37f")
    refused("no SVSM info", *cpu, "--svsm", OVMF_FILE, "--vars-size", 0x1000)
    outside = image(5, b"svsm", SVSM_SECTIONS,
                    [entry("a789a612-0597-4c4b-a49f-cbb1fe9d1ddd", struct.pack("<I", 5 * PAGE))])
    refused("outside the image", *cpu, "--svsm", file("outside", outside), "--vars-size", 0x1000)


def test_kernel_without_section():
    """a kernel that the firmware has no SNP_KERNEL_HASHES section for is refused by name"""
    refused("SNP_KERNEL_HASHES", "--vcpus", 1, "--vcpu-type", "EPYC-v4", "--kernel", KERNEL_FILE)


def test_cpu_models():
    """QEMU's names of models stand for their signatures; other names are refused"""
    table = {0x800F12: "EPYC EPYC-v1 EPYC-v2 EPYC-IBPB EPYC-v3 EPYC-v4", 0x830F10: "EPYC-Rome EPYC-Rome-v1 EPYC-Rome-v2",
             0xA00F11: "EPYC-Milan EPYC-Milan-v1 EPYC-Milan-v2", 0xA10F10: "EPYC-Genoa EPYC-Genoa-v1",
             0xB00F00: "EPYC-Turin"}
    for signature, names in table.items():
        want = measure("--vcpus", 1, "--vcpu-sig", hex(signature))
        for name in names.split():
            assert measure("--vcpus", 1, "--vcpu-type", name) == want, name
    for name in ("EPYC-v99", "epyc-v4", "EPYC-Milan-", "Skylake-Server", "host"):
        refused("not known here", "--vcpus", 1, "--vcpu-type", name)


def test_policy():
    """--policy is a policy that pins the digest and lacks, by name, what no image tells"""
    args = ("measure", "snp", "--ovmf", OVMF_FILE, "--vcpus", 1, "--vcpu-type", "EPYC-v4")
    digest = run(*args).stdout.strip()
    text = run(*args, "--policy").stdout
    assert f'"measurement": ["{digest}"]' in text, text
    path = file("policy.json", text.encode())
    for missing in ("min_tcb", "csp_ids", "host_data", "id_key_digest", "author_key_digest"):
        done = run("policy", "check", path)
        assert done.returncode != 0 and f'"{missing}" is missing' in done.stderr, (missing, done.stderr)
        text = text.replace(f'// "{missing}"', f'"{missing}"')
        path.write_text(text)
    done = run("policy", "check", path)
    assert done.returncode == 0 and "a valid appraisal policy" in done.stdout, done.stderr


def test_policy_comment():
    """a file's name or a command line cannot end a policy's comment"""
    name = file('a\n"measurement": "any",', OVMF)
    done = run("measure", "snp", "--ovmf", name, "--vcpus", 1, "--vcpu-type", "EPYC-v4", "--policy")
    assert done.returncode == 0, done.stderr
    code = re.sub(r"//.*", "", done.stdout)
    assert code.count("measurement") == 1 and '"any"' not in code, done.stdout


if __name__ == "__main__":
    sys.exit(tap.run([f for n, f in sorted(globals().items()) if n.startswith("test_")]))
