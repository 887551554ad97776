#!/usr/bin/env python3
"""Compiles snippets that the compiler must refuse, and checks that it does so for the right reason.

usage: must_not_compile.py --include DIR SNIPPET... -- COMPILER...

A snippet's first line reads `// refused: REGEX` (searched in the compiler's messages) or `// compiles`.
Without a snippet of the second kind the run fails: a compiler that refuses everything proves nothing.
Prints TAP.
"""
import argparse
import concurrent.futures
import pathlib
import re
import subprocess
import sys


def judge(compiler, include, snippet):
    """what is wrong with one snippet's outcome: empty when nothing"""
    head = snippet.read_text().splitlines()[0]
    result = subprocess.run([*compiler, "-std=c++20", "-Werror=unused-result", "-fsyntax-only", "-I", include,
                             str(snippet)], capture_output=True, text=True)
    if head == "// compiles":
        return "" if result.returncode == 0 else "must compile:\n" + result.stderr
    want = re.fullmatch(r"// refused: (.+)", head)
    if not want:
        return "the first line is neither `// compiles` nor `// refused: REGEX`"
    if result.returncode == 0:
        return "compiles, but must not"
    if not re.search(want[1], result.stderr):
        return f"refused, but not for /{want[1]}/:\n{result.stderr}"
    return ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--include", required=True)
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    opt = parser.parse_args()
    cut = opt.rest.index("--")
    snippets, compiler = [pathlib.Path(p) for p in opt.rest[:cut]], opt.rest[cut + 1:]

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda s: judge(compiler, opt.include, s), snippets))
    kinds = {s.read_text().splitlines()[0] == "// compiles" for s in snippets}
    outcomes.append("" if kinds == {True, False} else "snippets of both kinds are needed")
    names = [s.stem for s in snippets] + ["there is a control"]
    for number, (name, wrong) in enumerate(zip(names, outcomes), 1):
        print(f"{'not ok' if wrong else 'ok'} {number} - {name}")
        if wrong:
            print(f"{name}: {wrong}", file=sys.stderr)
    print(f"1..{len(outcomes)}")
    return 1 if any(outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
