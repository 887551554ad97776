"""What a key broker of the tests checks in evidence (`spec/kbs.md` sections 5.1 and 5.2): what the hardware signed."""
import base64
import hashlib
import struct
import warnings

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils


def check_tdx(evidence, report_data):
    if set(evidence) != {"quote", "cc_eventlog"}:
        raise ValueError(f"members {sorted(evidence)}")
    quote = base64.b64decode(evidence["quote"], validate=True)
    if struct.unpack_from("<H", quote)[0] not in (4, 5):
        raise ValueError("quote version")
    if quote[568:632] != report_data:
        raise ValueError(f"the quote holds other report data: {quote[568:632].hex()}")
    if evidence["cc_eventlog"] is not None:
        log = base64.b64decode(evidence["cc_eventlog"], validate=True)
        for index, value in enumerate(replayed(log)):
            if quote[376 + 48 * index:424 + 48 * index] != value:
                raise ValueError(f"the event log does not lead to RTMR{index}")


def replayed(log):
    """RTMR0 to RTMR3, of a TCG log whose only digests are SHA-384"""
    if not log.endswith(b"\xff" * 8):
        raise ValueError("the event log has no end")
    registers = [bytes(48)] * 4
    at = 32 + struct.unpack_from("<I", log, 28)[0]  # the header record
    while log[at:at + 8] != b"\xff" * 8:
        register, _, count, algorithm = struct.unpack_from("<IIIH", log, at)
        if (count, algorithm) != (1, 0x000c):
            raise ValueError("an event has other digests than one of SHA-384")
        digest = log[at + 14:at + 62]
        at += 62 + 4 + struct.unpack_from("<I", log, at + 62)[0]
        if register:
            registers[register - 1] = hashlib.sha384(registers[register - 1] + digest).digest()
    return registers


def tcb_bytes(tcb):
    if set(tcb) != {"fmc", "bootloader", "tee", "snp", "microcode"}:
        raise ValueError(f"TCB {tcb}")
    if tcb["fmc"] is None:
        return bytes([tcb["bootloader"], tcb["tee"], 0, 0, 0, 0, tcb["snp"], tcb["microcode"]])
    return bytes([tcb["fmc"], tcb["bootloader"], tcb["tee"], tcb["snp"], 0, 0, 0, tcb["microcode"]])


def snp_report_bytes(r):
    """the 1184 bytes that the members stand for"""
    out = bytearray(1184)

    def put(at, data, length=None):
        data = bytes(data)
        if length is not None and len(data) != length:
            raise ValueError(f"{len(data)} bytes at {at:#x}")
        out[at:at + len(data)] = data

    put(0x00, struct.pack("<IIQ", r["version"], r["guest_svn"], r["policy"]))
    put(0x10, r["family_id"], 16)
    put(0x20, r["image_id"], 16)
    put(0x30, struct.pack("<II", r["vmpl"], r["sig_algo"]))
    put(0x40, struct.pack("<QI", r["plat_info"], r["key_info"]))
    for at, name, length in ((0x50, "report_data", 64), (0x90, "measurement", 48), (0xc0, "host_data", 32),
                             (0xe0, "id_key_digest", 48), (0x110, "author_key_digest", 48),
                             (0x140, "report_id", 32), (0x160, "report_id_ma", 32), (0x1a0, "chip_id", 64)):
        put(at, r[name], length)
    for at, name in ((0x38, "current_tcb"), (0x180, "reported_tcb"), (0x1e0, "committed_tcb"), (0x1f0, "launch_tcb")):
        put(at, tcb_bytes(r[name]))
    put(0x188, [r["cpuid_fam_id"], r["cpuid_mod_id"], r["cpuid_step"]])
    for at, name in ((0x1e8, "current"), (0x1ec, "committed")):
        put(at, [r[name]["build"], r[name]["minor"], r[name]["major"]])
    if r["version"] >= 5:
        put(0x1f8, struct.pack("<QQ", r["launch_mit_vector"], r["current_mit_vector"]))
    elif r["launch_mit_vector"] is not None or r["current_mit_vector"] is not None:
        raise ValueError("a mitigation vector before version 5")
    put(0x2a0, r["signature"]["r"], 72)
    put(0x2e8, r["signature"]["s"], 72)
    return bytes(out)


def check_snp(evidence, report_data):
    if set(evidence) != {"attestation_report", "cert_chain"}:
        raise ValueError(f"members {sorted(evidence)}")
    report = snp_report_bytes(evidence["attestation_report"])
    if report[0x50:0x90] != report_data:
        raise ValueError("the report holds other report data")
    if struct.unpack_from("<I", report)[0] < 3 or report[0x30] != 0:
        raise ValueError("version or VMPL")
    chain = evidence["cert_chain"]
    if chain is None:
        return
    leaf, = (c for c in chain if c["cert_type"] in ("VCEK", "VLEK"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # AMD's leaves have the serial number 0
        key = x509.load_der_x509_certificate(bytes(leaf["data"])).public_key()
    r, s = (int.from_bytes(report[at:at + 72], "little") for at in (0x2a0, 0x2e8))
    key.verify(utils.encode_dss_signature(r, s), report[:0x2a0], ec.ECDSA(hashes.SHA384()))


CHECKS = {"tdx": check_tdx, "snp": check_snp}
