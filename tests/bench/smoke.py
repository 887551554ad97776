#!/usr/bin/env python3
"""Runs each benchmark of attestd-bench for an instant and looks at what it reports, never at how fast it was.

usage: smoke.py ATTESTD-BENCH
Prints TAP.
"""
import json
import re
import subprocess
import sys

EXPECTED = ["floor/p256_verify", "floor/p384_verify", "floor/epoll/1", "floor/epoll/16", "floor/epoll/64",
            "floor/epoll/connect", "nginx/16",
            "tdx/parse", "tdx/cold", "tdx/warm", "tdx/hot", "snp/parse", "snp/cold", "snp/hot",
            "release/1", "release/16", "release/64", "release/16/slow", "release/connect",
            "memory/idle", "memory/1000", "start/ready"]


def complaints(name, found):
    if found is None:
        return ["it was not run"]
    if found.get("error_occurred"):
        return [found.get("error_message", "error")]
    if name.startswith("memory/") and not found.get("resident", 0) > 0:
        return ["no resident memory"]
    wrong = [] if found["iterations"] > 0 and found["real_time"] > 0 else ["it measured nothing"]
    if "/epoll/" in name or name.startswith("release/"):
        wrong += [f"no {c}" for c in ("cpu_per_request", "p50") if not found.get(c, 0) > 0]
    if name.endswith(("/hot", "/warm")) and not found.get("allocations", 0) > 0:
        wrong.append("no allocations")
    return wrong


def main():
    done = subprocess.run([sys.argv[1], "--benchmark_format=json", "--benchmark_min_time=0.001"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)
    sys.stderr.write(done.stderr)
    try:
        # A fixed number of repetitions is part of a name; it is no part of what was measured.
        ran = {re.sub(r"/(iterations:\d+|manual_time)", "", b["name"]): b
               for b in json.loads(done.stdout)["benchmarks"]}
    except ValueError:
        ran = {}
    bad = 0
    for number, name in enumerate(EXPECTED, 1):
        wrong = complaints(name, ran.get(name))
        if name == "nginx/16" and "is not there" in " ".join(wrong):
            print(f"ok {number} - {name} # SKIP {wrong[0]}")
            continue
        bad += bool(wrong)
        print(f"{'not ok' if wrong else 'ok'} {number} - {name}")
        for line in wrong:
            print(f"{name}: {line}", file=sys.stderr)
    unknown = sorted(set(ran) - set(EXPECTED))
    print(f"{'not ok' if unknown or done.returncode else 'ok'} {len(EXPECTED) + 1} - no other, and exit status 0")
    for name in unknown:
        print(f"not expected: {name}", file=sys.stderr)
    print(f"1..{len(EXPECTED) + 1}")
    return 1 if bad or unknown or done.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
