#!/usr/bin/env python3
"""Callers who ask for more than their share, and what the others notice of it.

usage: load_test.py BUILD-DIR

What is asserted here holds on a machine that does ten other things; what was measured is printed.
"""
import json
import multiprocessing
import os
import pathlib
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import rig  # noqa: E402
import tap  # noqa: E402

BUILD = None
ATTACKER, VICTIM, CROWD = 54321, 54322, 54400  # uids that nobody has
REQUEST = b"GET /v1/secrets/db/password HTTP/1.1\r\nHost: attestd\r\n\r\n"
VALUE = b"the victim's secret"


class OpenRig(rig.Rig):
    """one socket for all uids; the victim's uid is the workload"""

    limited_by = ()

    def config(self):
        made = super().config()
        made["listeners"][0].update({"mode": "0666", "world_accessible": True})
        made["workloads"]["app"] = {"match": [{"socket": "app", "uid": VICTIM}]}
        return made

    def start_daemon(self, *more):
        """under `self.limited_by`, a command that runs another with less"""
        command = [*self.limited_by, self.program("attestd"), "--config", self.config_file, *more]
        self.daemon = rig.Process(self.new_log("attestd"), command)
        rig.wait_until("attestd listens", lambda: self.answers() or not self.daemon.running())
        assert self.daemon.running(), self.daemon.output

    def user(self, uid):
        return User(uid, str(self.socket("app")))

    def get_as(self, uid):
        with self.user(uid) as user:
            user.connect()
            return user.ask()


class User:
    """A process of another user with connections: both who connects and who writes is judged, so that to
    change the effective uid of this process would not do. Answers come as bytes."""

    def __init__(self, uid, path):
        self.pipe, there = multiprocessing.Pipe()
        self.child = multiprocessing.Process(target=self.serve, args=(uid, path, self.pipe, there), daemon=True)
        self.child.start()
        there.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.pipe.send(None)
        self.child.join()

    @staticmethod
    def serve(uid, path, other_end, pipe):
        other_end.close()
        become(uid)
        held = []
        for what, number, data in iter(pipe.recv, None):
            if what == "connect":
                held += [connected(path) for _ in range(number)]
                pipe.send(len(held))
            elif what == "close":
                held.pop(number).close()
                pipe.send(None)
            else:
                pipe.send(exchange(held[number], data))

    def call(self, *what):
        self.pipe.send(what)
        return self.pipe.recv()

    def connect(self, count=1):
        return self.call("connect", count, None)

    def close(self, number):
        self.call("close", number, None)

    def ask(self, number=-1, name="db/password"):
        return self.call("ask", number, REQUEST.replace(b"db/password", name.encode()))

    def read(self, number):
        """what came without being asked for; b"" at the end, None when nothing came"""
        return self.call("ask", number, b"")


def exchange(connection, data):
    connection.settimeout(30 if data else 0.3)
    try:
        if data:
            connection.sendall(data)
        return connection.recv(65536)
    except (BrokenPipeError, ConnectionResetError):
        return b""
    except socket.timeout:
        return None


OK = b"HTTP/1.1 200 "


def started(limited_by=()):
    if os.getuid() != 0:
        raise tap.Skip("callers of several uids need root")
    made = OpenRig(BUILD)
    try:
        made.folder.chmod(0o711)
        made.start_machine()
        made.write_config()
        made.state.mkdir(mode=0o700)
        made.limited_by = limited_by
        made.start_daemon()
        made.wait_healthy()
        made.put("db/password", VALUE)
    except BaseException:
        made.__exit__()
        raise
    return made


def connected(path):
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.connect(str(path))
    return made


def in_child(target, *args):
    """runs target(*args, pipe) in a process of its own; ended with the block"""
    here, there = multiprocessing.Pipe()
    child = multiprocessing.Process(target=target, args=(*args, there), daemon=True)
    child.start()
    there.close()
    return child, here


def become(uid):
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)


def flood(path, pipe):
    """holds as many connections as one uid may have, and then connects without end"""
    become(ATTACKER)
    kept, tried, made = [], 0, 0
    for _ in range(64):
        kept.append(connected(path))
    pipe.send("full")
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for _ in range(100):
            tried += 1
            one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            try:
                one.connect(path)
                made += 1
            except BlockingIOError:  # the backlog is full
                pass
            one.close()
        if pipe.poll():
            break
    pipe.send((tried, made))


def ask_for_seconds(path, seconds, pipe):
    """one request a connection, as often as the limit allows; sends how long each took"""
    become(VICTIM)
    took, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.monotonic()
        one = connected(path)  # waits while the backlog is full
        answer = exchange(one, REQUEST)
        took.append(time.monotonic() - begin)
        one.close()
        if not answer or not answer.startswith(OK):
            pipe.send(f"answered {answer}")
            return
        time.sleep(0.03)
    pipe.send(took)


def measured(r, seconds=4):
    child, pipe = in_child(ask_for_seconds, str(r.socket("app")), seconds)
    took = pipe.recv()
    child.join()
    assert isinstance(took, list), took
    return sorted(took)


def part(values, share):
    return values[min(len(values) - 1, int(share * len(values)))]


def say(text):
    print(f"# {text}", flush=True)


def test_flood():
    """a uid that connects as fast as it can holds up no other uid, and its attempts make few records"""
    with started() as r:
        before = measured(r, 2)
        child, pipe = in_child(flood, str(r.socket("app")))
        assert pipe.recv() == "full"
        begin = time.monotonic()
        during = measured(r)
        pipe.send("enough")
        tried, made = pipe.recv()
        seconds = time.monotonic() - begin
        child.join()
        say(f"{made / seconds:.0f} connects a second ({tried / seconds:.0f} tried); the other uid waited "
            f"{during[-1] * 1e3:.1f} ms at most (p99 {part(during, .99) * 1e3:.1f} ms), "
            f"{before[-1] * 1e3:.1f} ms before")
        assert made > 1000, "that was no flood"
        # 100 ms is what it is made for; a machine with other work may hold up the client itself.
        assert part(during, 0.9) < 0.5, during
        records = [row for row in r.audit_records() if row.get("uid") == ATTACKER]
        assert records and len(records) < 10, len(records)
        # One that was let in may have been ended with the flood before it was looked at.
        assert {row["reason"] for row in records} - {"caller.exited"} == {"request.too-busy"}, records
        # Refused before anything about the process was looked at.
        assert not any("start_time" in row and row["start_time"] for row in records), records


def test_over_limit_is_told():
    """a connection over the limit of its uid is told so and ended, and one that ends makes room"""
    with started() as r, r.user(VICTIM) as victim:
        assert victim.connect(64) == 64
        assert victim.ask(63).startswith(OK)
        victim.connect()
        answer = victim.read(64)
        assert answer.startswith(b"HTTP/1.1 503 ") and b"request.too-busy" in answer, answer
        assert victim.read(64) == b""
        victim.close(0)
        rig.wait_until("there is room again", lambda: r.get_as(VICTIM).startswith(OK))


def hang(path, uid, count, pipe):
    """holds connections on each of which half of a request was sent"""
    become(uid)
    kept = [connected(path) for _ in range(count)]
    for one in kept:
        one.sendall(REQUEST[:20])
    pipe.send("hanging")
    pipe.recv()


def test_slow_clients():
    """a thousand clients that never finish their request slow nobody down, and are ended in time"""
    with started() as r:
        before = measured(r, 3)
        begin = time.monotonic()
        crowd = [in_child(hang, str(r.socket("app")), CROWD + i, 50) for i in range(20)]
        for _, pipe in crowd:
            assert pipe.recv() == "hanging"
        during = measured(r, 3)
        say(f"p99 {part(before, .99) * 1e3:.2f} ms alone, {part(during, .99) * 1e3:.2f} ms beside 1000 slow "
            f"clients; medians {part(before, .5) * 1e3:.2f} and {part(during, .5) * 1e3:.2f} ms")
        # Medians do not move with what else the machine does in an instant; twice is for the benchmark.
        assert part(during, 0.5) < 10 * part(before, 0.5) + 0.05, (before, during)
        rig.wait_until("the slow ones are ended", lambda: connections(r) <= 1, seconds=30)
        say(f"ended after {time.monotonic() - begin:.1f} s at most (request_timeout is 5 s)")
        for child, pipe in crowd:
            pipe.send("enough")
            child.join()


def connections(r):
    return len(r.ask("admin", "GET", "/v1/admin/sessions").json["connections"]) - 1  # the asker's own


def test_descriptors_at_their_limit():
    """without a free descriptor those who are in are served, and who comes is ended and not kept waiting"""
    with started(["prlimit", "--nofile=160:160"]) as r, r.user(VICTIM) as victim:
        victim.connect()
        assert victim.ask(0).startswith(OK)
        crowd = [r.user(CROWD + i) for i in range(3)]
        for user in crowd:
            user.connect(40)
        ended = sum(user.read(i) == b"" for user in crowd for i in range(40))
        say(f"{ended} of 120 were ended, the others are in")
        assert 0 < ended < 120, ended
        assert victim.ask(0).startswith(OK)  # not a descriptor is left, and it is served
        for user in crowd:
            user.__exit__()
        rig.wait_until("it serves new callers again", lambda: r.get_as(VICTIM).startswith(OK))
        assert r.daemon.running(), r.daemon.output


def test_guesser_locks_himself_out():
    """who guesses names is locked out, and a caller who can be told from him is not"""
    with started() as r, r.user(ATTACKER) as attacker:
        attacker.connect()
        answers = [attacker.ask(name=f"guess/{i}")[9:12] for i in range(8)]
        assert answers[0] == b"404" and answers[-1] == b"429", answers
        assert VALUE in r.get_as(VICTIM)


def test_limits_are_configuration():
    """every limit can be set, and the one that was set is the one that holds"""
    with started() as r, r.user(VICTIM) as victim:
        config = json.loads(r.config_file.read_text())
        config["limits"] = {"backlog": 16, "connections": 10, "connections_per_uid": 2, "request_timeout": "2s",
                            "idle_timeout": "2s", "max_wait": "3s", "max_request_len": 20480,
                            "max_admin_body_len": 1000, "requests": {"per_second": 1, "burst": 3},
                            "quotes": {"per_second": 1, "burst": 1},
                            "failures": {"per_minute": 1, "burst": 1}, "failure_lock": "1s",
                            "collect_timeout": "5s"}
        r.config_file.write_text(json.dumps(config))
        refused = r.ask("admin", "POST", "/v1/admin/reload")
        assert refused.status == 400 and b"limits.backlog" in refused.body, refused.body  # made with the socket
        config["limits"]["backlog"] = 128
        r.config_file.write_text(json.dumps(config))
        assert r.ask("admin", "POST", "/v1/admin/reload").status == 200
        victim.connect(3)
        assert victim.read(2).startswith(b"HTTP/1.1 503 ")
        answers = [victim.ask(0)[9:12] for _ in range(6)]
        assert answers[0] == b"200" and b"429" in answers, answers
        rig.wait_until("who asks nothing is ended", lambda: victim.read(1) == b"")
        assert r.ask("admin", "PUT", "/v1/admin/secrets/db/password", b"x" * 1001).status == 413


def main():
    global BUILD
    if len(sys.argv) != 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    BUILD = sys.argv[1]
    multiprocessing.set_start_method("fork")
    return tap.run([f for name, f in globals().items() if name.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
