#!/usr/bin/env python3
"""Endorsements from the vendors' services: attestctl and the daemon against a server that misbehaves.

usage: collateral_test.py BUILD-DIR
"""
import contextlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.parse

sys.dont_write_bytecode = True
import pcs_server  # noqa: E402
import rig  # noqa: E402
import tap  # noqa: E402

BUILD = None
TCB = "/tdx/certification/v4/tcb?fmspc=70c06f000000&update=standard"
QE = "/tdx/certification/v4/qe/identity?update=standard"
PCK_CRL = "/sgx/certification/v4/pckcrl?ca=platform&encoding=der"
ROOT_CRL = "/sgx/certification/v4/rootcacrl"
INTEL = (TCB, QE, PCK_CRL, ROOT_CRL)


class Bench:
    """A synthetic machine's case in a folder, its services behind a server, and attestctl to ask them."""

    def __init__(self, kind, server):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="collateral-"))
        self.server, self.kind = server, kind
        self.case = self.forge("case")
        self.evidence = self.case / ("report.bin" if kind.startswith("snp") else "quote.bin")
        self.root = self.case / "root.der"
        server.load(self.case / "services" / "current")
        self.fetch_config = self.folder / "fetch.json"
        self.fetch_config.write_text(json.dumps(
            {"hosts": {server.host: {"ca": str(server.ca)}}, "limits": {"timeout": "2s"}}))

    def forge(self, name):
        subprocess.run([BUILD / "tests/emulator/attestd-forge", self.kind, self.folder / name], check=True)
        return self.folder / name

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def network(self, cache="cache"):
        base = f"https://{self.server.host}"
        return ["--cache", self.folder / cache, "--pccs", base, "--kds", base,
                "--fetch-config", self.fetch_config, "--trust-anchor", self.root]

    def attestctl(self, *args, timeout=120):
        return subprocess.run([BUILD / "agent/cli/attestctl", *map(str, args)], capture_output=True, text=True,
                              timeout=timeout)

    def verify(self, cache="cache", *more):
        done = self.attestctl("verify", "--json", self.evidence, "--fetch", *self.network(cache), *more)
        return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr

    def fetch(self, *more, cache="cache"):
        done = self.attestctl("collateral", "fetch", "--json", *more, *self.network(cache))
        return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr

    def problems(self, answer):
        return {e["file"]: e["problem"]["code"] for e in answer["endorsements"] if "problem" in e}


@contextlib.contextmanager
def bench(kind="tdx-v4"):
    with pcs_server.PcsServer() as server:
        made = Bench(kind, server)
        try:
            yield made
        finally:
            made.remove()


def test_fetch_once_then_offline():
    """evidence of every kind verifies with --fetch, asks for each endorsement once, and verifies offline then"""
    for kind in ("tdx-v4", "tdx-v5-td15ex", "sgx-v3", "snp-milan-v3", "snp-genoa-v5", "snp-turin-v5"):
        with bench(kind) as b:
            code, result, err = b.verify()
            assert (code, result["accepted"], result["grade"]) == (0, True, "test"), (kind, code, err)
            asked = [r.target for r in b.server.requests]
            assert len(asked) == len(set(asked)) == (3 if kind.startswith("snp") else 4), (kind, asked)
            b.server.tls("reset")
            code, result, err = b.verify()
            assert (code, err) == (0, ""), (kind, code, err)
            assert [r.target for r in b.server.requests] == asked, kind
            # The cache is a folder of endorsements like any other.
            done = b.attestctl("verify", b.evidence, "--endorsements", b.folder / "cache" / "test",
                               "--trust-anchor", b.root)
            assert done.returncode == 0, done.stdout


def test_many_at_once_ask_once():
    """commands that run at the same time with one cache ask for each endorsement once between them"""
    with bench("snp-milan-v3") as b:
        args = [BUILD / "agent/cli/attestctl", "verify", b.evidence, "--fetch", *map(str, b.network())]
        many = [subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(8)]
        for one in many:
            _, err = one.communicate(timeout=90)
            assert one.returncode == 0, err
        asked = [r.target for r in b.server.requests]
        assert len(asked) == len(set(asked)) == 3, asked


def test_faults_have_names():
    """each way in which a service misbehaves has its own named error, and leaves the verdict undecided"""
    faults = (("drip", "fetch.timed-out"), ("endless", "fetch.too-large"), ("truncated", "fetch.truncated"),
              ("redirect", "fetch.redirected"), ("garbage", "fetch.protocol"), ("never", "fetch.timed-out"))
    for fault, name in faults:
        with bench() as b:
            how = {"seconds": 0.2, "length": 10000} if fault == "drip" else {}
            b.server.misbehave(TCB, fault, **how)
            code, answer, err = b.fetch(b.evidence)
            assert b.problems(answer) == {"intel-tcb-tdx-70c06f000000.json": name}, (fault, answer, err)
            assert code in (1, 3), (fault, code)
            assert name in err, (fault, err)
            b.server.tls("reset")  # what came is kept; what did not is missing, not refused
            code, result, err = b.verify()
            missing = [f["id"] for f in result["findings"] if f["severity"] == "error"]
            assert (code, missing) == (3, ["tdx.tcb-info.missing"]), (fault, code, missing)


def test_statuses_have_names():
    """404, 410, 429, 500 and PCCS's own statuses have their names, and the service's words are told"""
    rows = ((404, "collateral.not-found"), (410, "collateral.gone"), (429, "collateral.throttled"),
            (500, "collateral.service"), (460, "collateral.service"), (461, "collateral.service"),
            (462, "collateral.service"), (502, "collateral.service"))
    for status, name in rows:
        with bench() as b:
            b.server.serve(TCB, b"no", status=status, headers={"Error-Message": "so sorry", "Retry-After": "3000"})
            code, answer, err = b.fetch(b.evidence)
            assert b.problems(answer) == {"intel-tcb-tdx-70c06f000000.json": name}, (status, answer)
            assert "so sorry" in err and str(status) in err, err
            assert b.server.count(TCB) == 1, (status, "a permanent refusal is not repeated")


def test_throttled_service_is_waited_for():
    """a service that asks to wait a second is asked again after it, and answers"""
    with bench("snp-milan-v3") as b:
        chain = "/vcek/v1/Milan/cert_chain"
        good = b.server.answers[chain]
        b.server.serve(chain, b"", status=429, headers={"Retry-After": "1"})
        asked = subprocess.Popen([BUILD / "agent/cli/attestctl", "collateral", "fetch", b.evidence,
                                  *map(str, b.network())], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        rig.wait_until("it was asked once", lambda: b.server.count(chain) == 1)
        b.server.serve(chain, good.body)
        out, err = asked.communicate(timeout=60)
        assert asked.returncode == 0, (out, err)
        assert b.server.count(chain) == 2


def test_wrong_tls():
    """a server whose certificate does not hold gives nothing, by name"""
    for mode in ("wrong-ca", "expired", "wrong-host"):
        with bench() as b:
            b.server.tls(mode)
            code, answer, err = b.fetch(b.evidence)
            assert set(b.problems(answer).values()) == {"fetch.tls"}, (mode, answer)
            assert code == 1 and not b.server.requests, (mode, code)


def test_wrong_hierarchy():
    """documents that another root signed are refused, and the cache stays as it was"""
    with bench() as b:
        b.server.load(b.forge("other") / "services" / "current")
        code, answer, _ = b.fetch(b.evidence)
        names = b.problems(answer)
        assert code == 1 and len(names) == 4, (code, names)
        assert names["intel-tcb-tdx-70c06f000000.json"] == "tcb-info.chain", names
        assert names["intel-crl-platform.pem"] == "chain.untrusted-root", names
        assert not list((b.folder / "cache").rglob("intel-*")), "nothing unverified is kept"
        b.server.load(b.case / "services" / "current")
        assert b.verify()[0] == 0


def test_never_back():
    """an older document or list than one seen is refused by its date, and the newer one goes on serving"""
    with bench() as b:
        assert b.fetch(b.evidence)[0] == 0
        b.server.load(b.case / "services" / "older")
        code, answer, err = b.fetch(b.evidence, "--always")
        assert code == 0, (code, err)
        assert b.problems(answer) == {
            "intel-tcb-tdx-70c06f000000.json": "collateral.rollback", "intel-qe-tdx.json": "collateral.rollback",
            "intel-crl-platform.pem": "crl.rollback", "intel-crl-root.pem": "crl.rollback"}, answer
        assert all(e["source"] == "cached" for e in answer["endorsements"]), answer
        assert b.verify()[0] == 0
        # Put in place by hand, the older ones are still older.
        shutil.rmtree(b.folder / "new", ignore_errors=True)
        assert b.fetch(b.evidence, cache="new")[0] == 0
        for old in (b.folder / "new" / "test").glob("intel-*"):
            shutil.copy(old, b.folder / "cache" / "test" / old.name)
        b.server.tls("reset")
        code, result, err = b.verify()
        assert code == 3 and "crl.rollback" in err and "collateral.rollback" in err, (code, err)


def test_expired_documents():
    """documents that are over are refused when they come"""
    with bench() as b:
        b.server.load(b.case / "services" / "expired")
        code, answer, _ = b.fetch(b.evidence)
        assert code == 1, code
        assert sorted(set(b.problems(answer).values())) == ["crl.expired", "qe-identity.expired",
                                                            "tcb-info.expired"], answer


def test_other_endorsement():
    """the documents of another platform than the one asked for are a mismatch"""
    with bench() as b:
        good = b.server.answers[TCB]
        other = "/tdx/certification/v4/tcb?fmspc=00806f050000&update=standard"
        b.server.serve(other, good.body, headers=good.headers)
        code, answer, _ = b.fetch("--fmspc", "00806f050000", "--ca", "platform")
        assert code == 1
        assert b.problems(answer) == {"intel-tcb-tdx-00806f050000.json": "collateral.mismatch"}, answer


def test_unlisted_host():
    """a host that attestd-fetch's configuration does not list is not asked"""
    with bench() as b:
        b.fetch_config.write_text('{"hosts": {"pccs.example.com": {}}}')
        code, answer, err = b.fetch(b.evidence)
        assert code == 1 and set(b.problems(answer).values()) == {"fetch.denied"}, (code, err)
        assert not b.server.requests


def test_show_and_bundle():
    """the cache can be shown, renewed without naming anything, and put in one file that serves offline"""
    with bench() as b:
        assert b.fetch(b.evidence)[0] == 0
        show = b.attestctl("collateral", "show", "--json", "--cache", b.folder / "cache", "--trust-anchor", b.root)
        held = {h["key"] for e in json.loads(show.stdout) for h in e["holds"]}
        assert held == {"intel-tcb-tdx-70c06f000000", "intel-qe-tdx", "intel-crl-platform", "intel-crl-root"}, held
        late = b.attestctl("collateral", "show", "--cache", b.folder / "cache", "--trust-anchor", b.root,
                           "--at", "2099-01-01T00:00:00Z")
        assert late.returncode == 1 and "expired" in late.stdout, late.stdout
        b.server.forget()
        assert b.fetch("--always")[0] == 0
        assert len(b.server.requests) == 4
        one_file = b.folder / "endorsements.json"
        done = b.attestctl("collateral", "bundle", "-o", one_file, "--cache", b.folder / "cache",
                           "--trust-anchor", b.root)
        assert done.returncode == 0, done.stderr
        done = b.attestctl("verify", b.evidence, "--endorsements", one_file, "--trust-anchor", b.root)
        assert done.returncode == 0, done.stdout


def test_evidence_bundle():
    """attestctl bundle makes one file that verifies offline, and none from what would be undecided"""
    for kind in ("tdx-v4", "snp-turin-v5"):
        with bench(kind) as b:
            out = b.folder / "bundle.json"
            done = b.attestctl("bundle", b.evidence, "-o", out, "--trust-anchor", b.root)
            assert done.returncode == 3 and not out.exists(), (done.returncode, done.stderr)
            assert "--fetch" in done.stderr, done.stderr
            done = b.attestctl("bundle", b.evidence, "-o", out, "--fetch", *b.network())
            assert done.returncode == 0, done.stderr
            b.server.tls("reset")
            done = b.attestctl("verify", out, "--trust-anchor", b.root)
            assert done.returncode == 0, done.stdout
            broken = json.loads(out.read_text())
            broken["endorsements"][0]["data"] = "!"
            out.write_text(json.dumps(broken))
            done = b.attestctl("verify", out, "--trust-anchor", b.root)
            assert done.returncode == 2 and "bundle.malformed" in done.stderr, done.stderr


def test_killed_fetcher():
    """an attestd-fetch that is not there is named, and costs the fetch alone"""
    with bench() as b:
        alone = b.folder / "bin"
        alone.mkdir()
        shutil.copy(BUILD / "agent/cli/attestctl", alone)
        done = subprocess.run([alone / "attestctl", "verify", b.evidence, "--fetch", *map(str, b.network())],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 3 and "fetch.process" in done.stderr, (done.returncode, done.stderr)


# --- the daemon

class TdxRig(rig.Rig):
    """A TDX machine that hands over no endorsements, its services, and attestd-fetch on its socket."""

    def __init__(self, server):
        super().__init__(BUILD, max_age="2s")
        self.server = server
        self.fetcher = None

    def __exit__(self, *exception):
        if self.fetcher is not None and self.fetcher.running():
            self.fetcher.stop()
        return super().__exit__(*exception)

    def start_machine(self):
        self.machine_dir.mkdir(mode=0o700, exist_ok=True)
        self.devsim = rig.Process(self.new_log("devsim"),
                                  [self.program("attestd-devsim"), "--dir", self.machine_dir, "--tee", "tdx",
                                   "--socket", self.socket("platform")])
        rig.wait_until("attestd-devsim listens", lambda: "ready" in self.devsim.output)
        self.control(endorsements=False)
        self.serve(json.loads((self.machine_dir / "collateral.json").read_text()))

    def serve(self, c):
        quoted = {k: urllib.parse.quote(v, safe="") for k, v in c.items() if k.endswith("_chain")}
        document = '{{"{}":{},"signature":"{}"}}'
        self.server.serve(TCB, document.format("tcbInfo", c["tcb_info"], c["tcb_info_signature"]),
                          headers={"TCB-Info-Issuer-Chain": quoted["tcb_info_issuer_chain"]})
        self.server.serve(QE, document.format("enclaveIdentity", c["qe_identity"], c["qe_identity_signature"]),
                          headers={"SGX-Enclave-Identity-Issuer-Chain": quoted["qe_identity_issuer_chain"]})
        self.server.serve(PCK_CRL, bytes.fromhex(c["pck_crl"]),
                          headers={"SGX-PCK-CRL-Issuer-Chain": quoted["pck_crl_issuer_chain"]})
        self.server.serve(ROOT_CRL, c["root_ca_crl"])

    def start_fetcher(self):
        config = self.folder / "fetch.json"
        config.write_text(json.dumps({"hosts": {self.server.host: {"ca": str(self.server.ca)}}}))
        self.fetcher = rig.Process(self.new_log("fetch"), [self.build / "agent/fetch/attestd-fetch", "--listen",
                                                           self.socket("fetch"), "--config", config])
        rig.wait_until("attestd-fetch listens", lambda: self.socket("fetch").exists())

    def config(self):
        out = super().config()
        out["verifier"]["collateral"] = {"pccs": f"https://{self.server.host}", "kds": f"https://{self.server.host}",
                                         "fetch_socket": str(self.socket("fetch"))}
        out["sources"], out["secrets"] = {}, {}
        return out

    def appraisal_policy(self):
        names = ("mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3", "mrseam", "mrconfigid", "mrowner", "mrownerconfig")
        return {"tdx": {name: "any" for name in names}}

    def healthy(self):
        return self.ask("app", "GET", "/v1/health").status == 200

    def begin(self):
        self.start_machine()
        self.write_config()
        self.state.mkdir(mode=0o700, exist_ok=True)
        self.start_daemon()


def test_daemon_fetches():
    """the daemon fetches what its evidence lacks, and needs nobody after a restart"""
    with pcs_server.PcsServer() as server, TdxRig(server) as r:
        r.begin()
        rig.wait_until("the lack is told", lambda: "collateral.failed" in r.daemon.output)
        assert "fetch.process" in r.daemon.output, r.daemon.output  # nobody listens yet
        assert not r.healthy()
        told = r.ask("app", "GET", "/v1/status").json
        assert "fetch.process" in told["collateral"]["last_error"], told
        # Nothing holds it back: it is asked for when an appraisal lacks it next, or is about to be.
        assert told["collateral"]["next_try"] >= told["collateral"]["last_failure"], told
        r.start_fetcher()
        r.renew()
        rig.wait_until("attestd is healthy", r.healthy, seconds=30)
        assert not r.ask("app", "GET", "/v1/status").json["collateral"].keys() & {"last_error", "next_try"}
        for target in INTEL:
            assert server.count(target) == 1, target
        r.daemon.stop()
        r.fetcher.stop()
        r.start_daemon()
        rig.wait_until("attestd is healthy from its cache", r.healthy)
        assert [server.count(t) for t in INTEL] == [1, 1, 1, 1]


def test_daemon_survives_the_fetcher():
    """a fetch process that dies in the middle, or hangs, costs its request: evidence and health go on"""
    with pcs_server.PcsServer() as server, TdxRig(server) as r:
        r.begin()
        server.misbehave(TCB, "never")
        r.start_fetcher()
        rig.wait_until("it is asked", lambda: server.count(TCB) >= 1, seconds=30)
        # While the service hangs, workloads are served at once.
        answer = r.ask("app", "POST", "/v1/evidence", json.dumps({"report_data": "00"}),
                       {"Content-Type": "application/json"})
        assert answer.status == 200, (answer.status, answer.body)
        r.fetcher.child.kill()
        r.fetcher.child.wait()
        r.socket("fetch").unlink(missing_ok=True)
        server.behave()
        r.start_fetcher()
        rig.wait_until("attestd is healthy", r.healthy, seconds=90)
        assert r.daemon.running()


def main():
    global BUILD
    BUILD = pathlib.Path(sys.argv[-1]).resolve()
    return tap.run([f for name, f in globals().items() if name.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
