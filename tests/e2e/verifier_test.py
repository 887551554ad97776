#!/usr/bin/env python3
"""External verifiers: attestd-plugin(7)'s worked example appraises, and services that lie release nothing.

usage: verifier_test.py BUILD-DIR
"""
import json
import os
import pathlib
import socketserver
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import rig  # noqa: E402
import tap  # noqa: E402

VALUE = b"correct horse battery staple"
BUILD = None
SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts/example-verifier-plugin"
IN_AN_HOUR = "2099-01-01T00:00:00Z"


class VerifierRig(rig.Rig):
    """a daemon that asks the service on socket "verifier" """

    verifier = {"test": True}

    def config(self):
        out = super().config()
        out["verifier"] = {"type": "external", "socket": str(self.socket("verifier")), "max_age": self.max_age,
                           **self.verifier}
        return out

    def begin(self):
        self.start_machine()
        self.write_config()
        self.state.mkdir(mode=0o700, exist_ok=True)
        self.start_daemon()

    def session(self):
        return self.ask("app", "GET", "/v1/status").json["session"]


class Liar(socketserver.UnixStreamServer):
    """answers what it is told to, and keeps what it was asked"""

    def __init__(self, path, speak):
        self.asked = []
        server = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                length = 0
                while (line := self.rfile.readline()) not in (b"\r\n", b""):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                server.asked.append(json.loads(self.rfile.read(length)))
                speak(server.asked[-1], self.wfile)

            def finish(self):
                try:
                    super().finish()
                except OSError:
                    pass  # attestd did not wait for the end

        super().__init__(str(path), Handler)
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def handle_error(self, request, client_address):
        """a caller that hung up is what some cases are about"""

    def __exit__(self, *exception):
        self.shutdown()
        self.server_close()


def statement(change=lambda said, asked: None):
    def speak(asked, out):
        said = {"accepted": True, "grade": "test", "report_data": asked.get("report_data", ""),
                "valid_until": IN_AN_HOUR, "findings": []}
        change(said, asked)
        body = json.dumps(said).encode()
        out.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    return speak


def saying(**members):
    return statement(lambda said, asked: said.update(members))


def lacking(name):
    return statement(lambda said, asked: said.pop(name))


def raw(answer, pause=0):
    def speak(asked, out):
        for i in range(0, len(answer), 1 if pause else len(answer)):
            out.write(answer[i:i + (1 if pause else len(answer))])
            out.flush()
            time.sleep(pause)
    return speak


def test_worked_example():
    """the worked example appraises as attestd would, by its own policy, and a secret is released on its word"""
    with VerifierRig(BUILD) as r:
        r.start_machine()
        (r.folder / "appraisal.json").write_text(json.dumps(r.appraisal_policy()))
        example = rig.Process(r.new_log("verifier"), [
            sys.executable, SCRIPT, "--socket", r.socket("verifier"), "--attestctl", r.program("attestctl"),
            "--policy", r.folder / "appraisal.json", "--trust-anchor", r.machine_dir / "root.der"])
        try:
            rig.wait_until("the verifier listens", lambda: "ready" in example.output or not example.running())
            r.write_config()
            r.state.mkdir(mode=0o700, exist_ok=True)
            r.start_daemon()
            r.wait_healthy()
            r.put("db/password", VALUE)
            assert r.get("app", "db/password").body == VALUE
            status = r.ask("app", "GET", "/v1/status").json
            assert status["verifier"] == "external" and status["session"]["grade"] == "test", status
            # What it refuses ends the session at once, in its words.
            r.control(debug=True)
            r.renew()
            rig.wait_until("it was refused", lambda: r.session()["last_attempt"] == "refused")
            assert "snp.stated.policy.debug" in r.session()["last_error"], r.session()
            refused = r.get("app", "db/password")
            assert refused.status == 503 and VALUE not in refused.body, refused.body
        finally:
            example.stop()


LIES = {
    "refused without a reason": (saying(accepted=False), "refused", "snp.stated.refused"),
    "refused with a reason": (saying(accepted=False, findings=[
        {"id": "tcb.old", "severity": "error", "detail": "too\nold"}]), "refused", "snp.stated.tcb.old: too\\u000aold"),
    "accepted with an error": (saying(findings=[{"id": "x", "severity": "error", "detail": "no"}]), "refused",
                               "snp.stated.x"),
    "of other evidence": (saying(report_data="00" * 64), "refused", "snp.stated.report-data"),
    "expired": (saying(valid_until="2001-01-01T00:00:00Z"), "refused", "snp.stated.expired"),
    "without an end": (lacking("valid_until"), "refused", "snp.stated.unlimited"),
    "undecided": (saying(accepted=None), "unreachable", "the verifier gave no reason"),
    "without a verdict": (lacking("accepted"), "unreachable", "\"accepted\""),
    "without a grade": (lacking("grade"), "unreachable", "\"grade\""),
    "of a grade of its own": (saying(grade="gold"), "unreachable", "\"production\" or \"test\""),
    "with a word for the verdict": (saying(accepted="true"), "unreachable", "accepted: true or false is expected"),
    "with more than is known": (saying(trusted=True), "unreachable", "trusted: this key is not known"),
    "with a finding in capitals": (saying(findings=[{"id": "X", "severity": "info", "detail": ""}]), "unreachable",
                                   "findings"),
    "with too many findings": (saying(findings=[{"id": "x", "severity": "info", "detail": ""}] * 300),
                               "unreachable", "findings"),
    "said twice": (raw(b'HTTP/1.1 200 OK\r\nContent-Length: 37\r\n\r\n{"accepted": true, "accepted": false}'),
                   "unreachable", "accepted"),
    "no JSON": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes"), "unreachable", "answer"),
    "a redirect": (raw(b"HTTP/1.1 302 Found\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n"), "unreachable",
                   "status 302"),
    "a refusal to answer": (raw(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\nno\n!"), "unreachable",
                            "status 502: no\\u000a!"),
    "cut off": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), "unreachable", "the answer ends early"),
    "too long": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n"), "unreachable", "too"),
    "slow": (raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100, pause=0.05), "unreachable", "io.timed-out"),
}


def test_lies():
    """whatever a service says that is no whole acceptance of this very evidence releases nothing, for a named reason"""
    with VerifierRig(BUILD) as r:
        r.verifier = {"test": True, "timeout": "1s"}
        with Liar(r.socket("verifier"), statement()):
            r.begin()
            r.wait_healthy()
            r.put("db/password", VALUE)
            assert r.get("app", "db/password").body == VALUE, "an honest one is believed"
        r.daemon.stop()
        for what, (speak, outcome, words) in LIES.items():
            os.unlink(r.socket("verifier"))
            with Liar(r.socket("verifier"), speak):
                r.start_daemon()
                rig.wait_until(what, lambda: r.session()["last_attempt"] not in ("none", None))
                session = r.session()
                assert session["last_attempt"] == outcome and words in session["last_error"], (what, session)
                refused = r.get("app", "db/password")
                assert refused.status == 503 and VALUE not in refused.body, (what, refused.body)
                r.daemon.stop()


def test_outage():
    """a service that is gone ends nothing before the result's end, and attempts go on"""
    with VerifierRig(BUILD, max_age="3s") as r:
        with Liar(r.socket("verifier"), statement()) as service:
            r.begin()
            r.wait_healthy()
            r.put("db/password", VALUE)
            asked = service.asked[0]
            assert set(asked) >= {"tee", "evidence", "endorsements", "report_data", "now"}, asked
        os.unlink(r.socket("verifier"))
        assert r.get("app", "db/password").body == VALUE
        rig.wait_until("the result ended", lambda: r.get("app", "db/password").status == 503)
        assert "no such socket" in r.session()["last_error"], r.session()
        with Liar(r.socket("verifier"), statement()):
            rig.wait_until("it is back", lambda: r.get("app", "db/password").status == 200)


def test_grade():
    """a test-grade word is refused where configuration does not expect it; a production one stays test where it does"""
    with VerifierRig(BUILD) as r:
        r.verifier = {}
        with Liar(r.socket("verifier"), statement()):
            r.begin()
            rig.wait_until("it was asked", lambda: r.session()["last_attempt"] == "refused")
            assert "snp.stated.grade" in r.session()["last_error"], r.session()
        r.daemon.stop()
        os.unlink(r.socket("verifier"))
        r.verifier = {"test": True}
        with Liar(r.socket("verifier"), saying(grade="production")):
            r.write_config()
            r.start_daemon()
            r.wait_healthy()
            assert r.session()["grade"] == "test", r.session()


def main():
    global BUILD
    if len(sys.argv) != 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    BUILD = sys.argv[1]
    return tap.run([f for name, f in globals().items() if name.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
