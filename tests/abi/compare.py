"""The conformance program's expected lines: what a real kernel gives, and where the emulation differs.

kernel-TEE.txt is the whole output on a real kernel. differences.txt has a line for each one of the emulation's
results that is another: guest, name of the call, the emulation's result and the reason, parted by ` | `.
"""
import difflib
import pathlib

FOLDER = pathlib.Path(__file__).resolve().parent


def kernel_lines(tee):
    return (FOLDER / f"kernel-{tee}.txt").read_text().splitlines()


def differences(tee):
    """what the emulation gives in another way: {name: result}"""
    out = {}
    for line in (FOLDER / "differences.txt").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        guest, name, result, reason = (part.strip() for part in line.split(" | "))
        assert guest in ("tdx", "snp", "both") and len(reason) > 8, line
        if guest in (tee, "both"):
            assert name not in out, f"differences.txt names {name} twice for {tee}"
            out[name] = result
    return out


def emulation_lines(tee):
    """the kernel's lines with the listed differences; one that is none, or names nothing, is a mistake in the list"""
    out, listed = [], differences(tee)
    for line in kernel_lines(tee):
        name, result = line.split(": ", 1) if not line.startswith("nobody: ") else split_nobody(line)
        if name in listed:
            assert listed[name] != result, f"differences.txt: {name} does not differ"
            result = listed.pop(name)
            if result == "(no line)":
                continue
        out.append(f"{name}: {result}")
    assert not listed, f"differences.txt names what the kernel's list does not have: {sorted(listed)}"
    return out


def split_nobody(line):
    """lines of an unprivileged user are called `nobody: what`"""
    name, result = line[len("nobody: "):].split(": ", 1)
    return "nobody: " + name, result


def require_same(want, have, what):
    if want != have:
        raise AssertionError("\n".join(difflib.unified_diff(want, have, "expected", what, lineterm="", n=1)))


def failing_lines(errno_name):
    """of `abi-conformance tdx failing`, on either"""
    return [f"report while the machine fails: {errno_name}", f"again: {errno_name}",
            "auxblob while the machine fails: ENOENT", "generation: 1"]


SLOW = ["report while signals arrive: EINTR", "generation after it: 1",
        "report without signals: a report over what was asked"]
