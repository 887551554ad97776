#!/usr/bin/env python3
"""Ten thousand reloads while workloads ask: no answer that no policy gives, nothing left behind.

usage: reload_test.py BUILD-DIR
"""
import json
import os
import pathlib
import re
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import rig  # noqa: E402
import tap  # noqa: E402

BUILD = None
NUM_RELOADS = 10000
NUM_READERS = 3
VALUES = {"db/password": b"of the one", "other/token": b"of the other"}


class Reader(threading.Thread):
    """asks for both secrets on connections that stay, until told to stop; keeps what it was answered"""

    def __init__(self, r):
        super().__init__(daemon=True)
        self.rig, self.seen, self.wrong, self.stopping = r, {}, [], threading.Event()

    def ask(self, connection, name):
        connection.request("GET", f"/v1/secrets/{name}")
        answer = connection.getresponse()
        body = answer.read()
        self.seen[name, answer.status] = self.seen.get((name, answer.status), 0) + 1
        if answer.status == 200 and body != VALUES[name]:
            self.wrong.append((name, body))
        if answer.status not in (200, 404, 503):
            self.wrong.append((name, answer.status, body))
        if answer.status == 503 and json.loads(body)["code"] not in ("grant.expired", "session.not-affirming"):
            self.wrong.append((name, body))

    def run(self):
        try:
            always, sometimes = (rig.UnixConnection(self.rig.socket(name)) for name in ("app", "other"))
            while not self.stopping.is_set():
                self.ask(always, "db/password")
                self.ask(sometimes, "other/token")
        except OSError as error:
            self.wrong.append(repr(error))


def resident(r):
    """KiB"""
    status = pathlib.Path(f"/proc/{r.daemon.child.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


def descriptors(r):
    return len(os.listdir(f"/proc/{r.daemon.child.pid}/fd"))


def test_reload_ten_thousand_times():
    """each reload takes effect at once, old grants end with it, and neither memory nor descriptors grow"""
    with rig.Rig(BUILD) as r:
        plenty = {"per_second": 1000000, "burst": 1000000}
        granted = {**r.config(), "limits": {"requests": plenty, "failures": {"per_minute": 1000000, "burst": 1000000}}}
        taken = json.loads(json.dumps(granted))
        taken["secrets"]["other/token"]["allow"] = ["app"]
        texts = [json.dumps(config) for config in (granted, taken)]
        r.config = lambda: granted
        r.start()
        for name, value in VALUES.items():
            r.put(name, value)
        readers = [Reader(r) for _ in range(NUM_READERS)]
        for reader in readers:
            reader.start()
        admin = rig.UnixConnection(r.socket("admin"))
        before = None
        for i in range(NUM_RELOADS):
            r.config_file.write_text(texts[i % 2])
            admin.request("POST", "/v1/admin/reload")
            answer = admin.getresponse()
            body = answer.read()
            assert answer.status == 200, (i, answer.status, body)
            if i == NUM_RELOADS // 10:
                before = resident(r), descriptors(r)
        after = resident(r), descriptors(r)
        for reader in readers:
            reader.stopping.set()
        for reader in readers:
            reader.join(30)
            assert not reader.is_alive() and not reader.wrong, reader.wrong[:5]
            assert reader.seen["db/password", 200] > 0 and ("db/password", 404) not in reader.seen, reader.seen
            assert reader.seen["other/token", 200] > 0 and reader.seen["other/token", 404] > 0, reader.seen
        assert after[0] < before[0] + 4096, f"resident memory grew from {before[0]} to {after[0]} KiB"
        assert after[1] <= before[1] + 2, f"descriptors: {before[1]} before, {after[1]} after"
        # The last one took the grant away: so it is, at once, on a new connection and an old one.
        assert r.get("other", "other/token").status == 404
        assert r.get("app", "db/password").body == VALUES["db/password"]
        print(f"# {NUM_RELOADS} reloads; answers of one reader: {readers[0].seen}; resident {after[0]} KiB", flush=True)


def main():
    global BUILD
    BUILD = sys.argv[-1]
    return tap.run([f for name, f in globals().items() if name.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
