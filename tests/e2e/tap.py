"""Test functions, run one after another and reported as TAP.

A test is a function whose first line of documentation is its claim. It fails by an exception, and is skipped
by raising Skip.
"""
import sys
import traceback


class Skip(Exception):
    """what this machine lacks"""


def run(tests):
    bad = 0
    print(f"1..{len(tests)}", flush=True)
    for number, test in enumerate(tests, 1):
        claim = test.__doc__.strip().splitlines()[0].replace("#", " ")
        try:
            test()
            print(f"ok {number} - {claim}", flush=True)
        except Skip as why:
            print(f"ok {number} - {claim} # SKIP {why}", flush=True)
        except Exception:  # whatever a test raises is its failure, and the others still run
            bad += 1
            print(f"not ok {number} - {claim}", flush=True)
            traceback.print_exc()
            sys.stderr.flush()
    return 1 if bad else 0
