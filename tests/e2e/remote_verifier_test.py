#!/usr/bin/env python3
"""The daemon and verifiers on the network that judge, lie, are down or hang: named outcomes, and no release on a lie.

usage: remote_verifier_test.py BUILD-DIR [TEST...]
"""
import base64
import contextlib
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import canary_test  # noqa: E402
import fetch_test  # noqa: E402
import rig  # noqa: E402
import tap  # noqa: E402
try:
    from cryptography.hazmat.primitives import hashes  # noqa: E402

    import coco_as_server  # noqa: E402
    import ita_server  # noqa: E402
    import kbs_rig  # noqa: E402
    import kbs_server  # noqa: E402
    import maa_server  # noqa: E402
    import veraison_server  # noqa: E402
    import verifier_server  # noqa: E402
except ImportError as missing:
    verifier_server, WHY_NOT = None, missing

VALUE = b"released on another's word"


class RemoteRig(rig.Rig):
    """A daemon whose verifier is a service on the network, behind attestd-fetch."""

    def __init__(self, kind, tee, max_age="10m"):
        super().__init__(fetch_test.BUILD, max_age)
        self.tee = tee
        self.server = verifier_server.VerifierServer()
        self.service = self.server.add(kind, "verifier")
        self.fetch = fetch_test.Fetch(fetch_test.config_for(self.server))
        self.api_key = self.folder / "api-key"
        self.api_key.write_text(API_KEY_LINE)
        self.api_key.chmod(0o600)
        self.verifier = {}

    def __exit__(self, *exception):
        self.server.__exit__()
        self.fetch.__exit__()
        if exception[0] is not None and self.daemon is not None:
            print(self.daemon.output, file=sys.stderr)
        super().__exit__(*exception)

    def machine_command(self):
        return [self.program("attestd-devsim"), "--dir", self.machine_dir, "--tee", self.tee,
                "--socket", self.socket("platform")]

    def config(self):
        out = super().config()
        out["verifier"] = self.verifier_config()
        if self.tee == "tdx":  # no derived keys: an operator's recovery key closes the store
            pair = self.folder / "recovery.pem"
            if not pair.exists():
                assert self.attestctl("store", "recovery-key", pair).returncode == 0
            out["sources"] = {"store": {"type": "store", "recovery_key": f"{pair}.pub"}}
        return out

    def verifier_config(self):
        verifier = {"url": self.service.url, "token_keys_url": self.service.keys_url,
                    "token_signer": str(self.server.keys_ca), "fetch_socket": str(self.fetch.socket), "timeout": "2s",
                    "max_age": self.max_age, "test": True, **self.verifier}
        return {key: value for key, value in verifier.items() if value is not None}

    def begin(self):
        self.start_machine()
        self.write_config()
        self.state.mkdir(mode=0o700, exist_ok=True)
        self.start_daemon()

    def session(self):
        return self.ask("app", "GET", "/v1/status").json["session"]

    def attempts(self):
        lines = self.ask("admin", "GET", "/metrics").body.decode().splitlines()
        count = dict(line.split() for line in lines if line and not line.startswith("#") and len(line.split()) == 2)
        return sum(int(float(count[name])) for name in ("attestd_session_refused_total",
                                                        "attestd_session_unreachable_total", "attestd_session_epoch"))

    def renewed(self):
        """the session's state after an attempt that began after this call: the second one did for certain"""
        for _ in range(2):
            before = self.attempts()
            self.renew()
            rig.wait_until("an attempt ended", lambda: self.attempts() > before, seconds=20)
        return self.session()

    def released(self):
        self.wait_healthy()
        self.put("db/password", VALUE)
        answer = self.get("app", "db/password")
        assert (answer.status, answer.body) == (200, VALUE), (answer.status, answer.body)
        session = self.session()
        assert session["grade"] == "test" and session["last_attempt"] == "affirmed", session

    def refused(self):
        answer = self.get("app", "db/password")
        assert answer.status == 503 and VALUE not in answer.body, (answer.status, answer.body)


API_KEY_LINE = "an-api-key-of-the-tests\n"


class BrokerRig(RemoteRig):
    """The same with a key broker for a verifier: kbs_server has it."""

    def __init__(self, tee):
        rig.Rig.__init__(self, fetch_test.BUILD)
        self.tee, self.server = tee, kbs_server.KbsServer()
        self.fetch = fetch_test.Fetch(fetch_test.config_for(self.server))
        self.lie(None)

    def verifier_config(self):
        return {
            "type": "kbs", "url": self.server.url("/broker"), "tee": self.tee, "timeout": "2s",
            "token_signer": str(self.server.signer_ca), "fetch_socket": str(self.fetch.socket), "test": True,
            "issuer": "CoCo-Attestation-Service", "policies": ["default"]}

    def lie(self, name):
        """a broker that tells this lie and no other"""
        self.broker = self.server.broker("broker")
        self.broker.change_claims = self.annotate
        if not name:
            return
        self.broker.lie(name)
        lied = self.broker.change_claims
        if lied is not self.annotate:
            self.broker.change_claims = lambda claims: (self.annotate(claims), lied(claims))

    def annotate(self, claims):
        """what Trustee says of the evidence, by the evidence that came"""
        evidence = json.loads(self.broker.requests[-1].body)["tee-evidence"]["primary_evidence"]
        said = claims["submods"]["cpu0"]["ear.veraison.annotated-evidence"]
        if self.tee == "snp":
            report = evidence["attestation_report"]
            said["snp"] = {"measurement": bytes(report["measurement"]).hex(),
                           "chip_id": bytes(report["chip_id"]).hex(), "policy_debug_allowed": False}
            return
        quote = base64.b64decode(evidence["quote"])
        said["tdx"] = {"quote": {"body": {"mr_td": quote[184:232].hex(), "rtmr_0": quote[376:424].hex(),
                                          "mr_config_id": quote[232:280].hex(), "xfam": quote[176:184].hex()}}}


def broker(tee):
    if verifier_server is None:
        raise tap.Skip(f"python3-cryptography is not there: {WHY_NOT}")
    return BrokerRig(tee)


@contextlib.contextmanager
def made(kind, tee, **how):
    if verifier_server is None:
        raise tap.Skip(f"python3-cryptography is not there: {WHY_NOT}")
    with RemoteRig(kind(), tee, **how) as r:
        yield r


def judges_well(r):
    """begins, and a secret is released; the service has nothing to complain about"""
    r.begin()
    r.released()
    assert not r.service.complaints, r.service.complaints


def not_held(session):
    return session if "it is not asked" not in session.get("last_error", "") else None


def lies(r, ends):
    """every lie ends as it must, before there is any result that could serve; an honest answer after all of them"""
    r.service.lie(next(iter(ends)))
    r.begin()
    wrong = []
    for lie, (outcome, words) in ends.items():
        r.service.lie(lie)
        # A service that asked to come later is left alone for a second.
        session = rig.wait_until("it may be asked", lambda: not_held(r.renewed()) or "429" in lie and r.session())
        told = session.get("last_error", "")
        outcomes = (outcome,) if isinstance(outcome, str) else outcome
        if session["affirming"] or session["last_attempt"] not in outcomes or words not in told:
            wrong.append(f"{lie}: {session['last_attempt']}: {told}; expected {outcome}: {words}")
        r.refused()
    assert not wrong, "\n".join(wrong)
    assert not r.service.complaints, r.service.complaints
    r.service.behave()
    r.renewed()
    r.released()
    assert API_KEY_LINE.strip() not in r.daemon.output + json.dumps(r.session())
    assert not [rec for rec in r.audit_records() if rec.get("decision") == "allow"
                and rec.get("object") != "db/password"]


# --- Intel Trust Authority

def ita():
    return ita_server.Ita


def ita_verifier(r, **more):
    return {"type": "ita", "issuer": r.service.issuer, "api_key_file": str(r.api_key),
            "policies": [ita_server.POLICY], **more}


def test_ita():
    """Intel Trust Authority judges a TD by its nonce and ours, and a secret is released on its token"""
    with made(ita, "tdx") as r:
        r.verifier = ita_verifier(r)
        judges_well(r)
        first = ["nonce", "attest", "certs", "crl-ca", "crl-root"]
        assert r.service.calls == first, r.service.calls
        status = r.ask("app", "GET", "/v1/status").json
        assert status["verifier"] == "ita" and status["session"]["tee"] == "tdx", status
        r.renewed()  # each attempt has a nonce of its own; the key set and the revocation lists are kept
        assert r.service.calls == first + ["nonce", "attest"] * 2, r.service.calls
        assert not r.service.complaints, r.service.complaints


def test_ita_lies():
    """whatever Intel Trust Authority answers that is no whole acceptance of this attempt releases nothing"""
    with made(ita, "tdx") as r:
        r.verifier = ita_verifier(r, token_signer=None)
        lies(r, {**verifier_server.TOKEN_LIES_END, **r.service.ends})


def fresh_daemons(r, lies_of):
    """each lie on a daemon's first look; the sessions after two attempts"""
    r.service.behave()
    r.start_machine()
    r.write_config()
    r.state.mkdir(mode=0o700, exist_ok=True)
    for what, (lie, end) in lies_of.items():
        r.service.behave()
        lie(r.service)
        r.start_daemon()
        yield what, r.renewed(), end
        r.daemon.stop()


def test_ita_revocation():
    """a token counts when no issuer in its signer's chain took its certificate back, and can say so"""
    with made(ita, "tdx") as r:
        r.verifier = ita_verifier(r, token_signer=None)
        for what, session, (outcome, words) in fresh_daemons(r, ita_server.CRL_LIES):
            assert session["last_attempt"] == outcome and words in session["last_error"], (what, session)
            r.refused()


def test_ita_revocation_soft():
    """ "crl": "soft" does without a list that cannot be had, and status tells; one that is there counts all the same"""
    with made(ita, "tdx") as r:
        r.verifier = ita_verifier(r, crl="soft")
        absent = ("no list", "list redirected", "no address")
        rest = ("leaf revoked", "CA revoked", "list expired", "list by another key", "list of another issuer")
        lies_of = {name: ita_server.CRL_LIES[name] for name in absent + rest}
        for what, session, (outcome, words) in fresh_daemons(r, lies_of):
            if what in absent:
                found = [f for f in session["findings"] if f["id"] == "tdx.stated.crl.missing"]
                assert session["last_attempt"] == "affirmed" and found and found[0]["severity"] == "warning", session
            else:
                assert session["last_attempt"] == outcome and words in session["last_error"], (what, session)


def test_ita_root():
    """the root of the signer's chain is pinned by its digest, or status says that TLS alone vouches for it"""
    with made(ita, "tdx") as r:
        root = r.server.authority[0].fingerprint(hashes.SHA256()).hex()
        tls_alone = lambda: [w for w in r.ask("app", "GET", "/v1/status").json["warnings"] if "TLS alone" in w]
        r.verifier = ita_verifier(r, token_signer=None, root_sha256=root)
        judges_well(r)
        assert not tls_alone()
        r.daemon.stop()
        r.verifier = ita_verifier(r, token_signer=None, root_sha256="ab" * 32)
        r.write_config()
        r.start_daemon()
        assert "which is not the configured one" in r.renewed()["last_error"], r.session()
        assert not tls_alone()


def test_ita_on_snp():
    """an SNP machine that is to be judged by Intel Trust Authority hears what is wrong, and sends no evidence"""
    with made(ita, "snp") as r:
        r.verifier = ita_verifier(r)
        r.begin()
        session = r.renewed()
        assert session["last_attempt"] == "unreachable", session
        assert "platform.unsupported: Intel Trust Authority is asked about TDX alone" in session["last_error"], session
        assert "verifier.type" in session["last_error"], session
        assert "attest" not in r.service.calls, r.service.calls
        r.refused()


def test_ita_warning():
    """the middle tier opens where configuration takes it, and status tells"""
    with made(ita, "tdx") as r:
        r.verifier = ita_verifier(r, accept_warning=True)
        r.service.lie("middle-tier")
        judges_well(r)
        found, = [f for f in r.session()["findings"] if f["severity"] == "warning"]
        assert found["id"] == "tdx.stated.tcb.status" and "SWHardeningNeeded" in found["detail"], found


def test_api_key():
    """an API key that is absent or wrong is an outage that says so, and counts again once it is mended"""
    with made(ita, "tdx") as r:
        r.verifier = ita_verifier(r)
        r.api_key.write_text("wrong\n")
        r.begin()
        assert "remote-verifier.unauthorized" in r.renewed()["last_error"], r.session()
        r.api_key.write_text("two words\n")
        assert "API key is expected" in r.renewed()["last_error"], r.session()
        r.api_key.unlink()
        assert "io.not-found" in r.renewed()["last_error"], r.session()
        r.refused()
        r.api_key.write_text(API_KEY_LINE)
        r.renewed()
        r.released()


def test_bearers_in_memory():
    """no mapping of the daemon holds the API key once a request is sent, nor a token that another has followed"""
    canary_test.need_root()
    with made(ita, "tdx") as r:
        r.verifier = ita_verifier(r)
        judges_well(r)
        r.renewed()
        canary = canary_test.Canary()
        canary.forms = {"key": API_KEY_LINE.strip().encode(), "token": r.service.tokens[0].split(".")[2].encode()}
        hits = canary_test.search_memory(r.daemon.child.pid, canary, b"db/password")
        assert not hits, hits


# --- Veraison

def veraison():
    return veraison_server.Veraison


def veraison_verifier(r, **more):
    return {"type": "veraison", "policies": ["policy:SEVSNP"], **more}


def test_veraison():
    """Veraison judges an SNP report by our nonce, and its sessions are deleted"""
    with made(veraison, "snp") as r:
        r.verifier = veraison_verifier(r)
        r.service.num_processing = 2
        judges_well(r)
        assert r.service.calls == ["new", "evidence", "poll", "poll", "certs", "delete"], r.service.calls
        assert not r.service.sessions and r.ask("app", "GET", "/v1/status").json["verifier"] == "veraison"


def test_veraison_farewell():
    """what Veraison says to a session's end, or does not say, is no word on this machine or the next appraisal"""
    for lie in (verifier_server.says("delete", 503, b"later", {"Retry-After": "3600"}),
                verifier_server.at("delete", "never")):
        with made(veraison, "snp") as r:
            r.verifier = veraison_verifier(r)
            lie(r.service)
            judges_well(r)
            session = r.renewed()
            assert session["affirming"] and session["last_attempt"] == "affirmed", session


def test_veraison_lies():
    """whatever Veraison answers that is no whole acceptance of this session releases nothing; no session is left"""
    with made(veraison, "snp") as r:
        r.verifier = veraison_verifier(r, token_signer=None)
        ends = {**verifier_server.TOKEN_LIES_END, **r.service.ends}
        del ends["lives-for-days"]  # these tokens state no end
        lies(r, ends)
        assert r.service.calls.count("delete") > len(ends), r.service.calls.count("delete")


# --- Trustee's attestation service, without a key broker

def coco_as():
    return coco_as_server.CocoAs


def coco_as_verifier(r, **more):
    return {"type": "coco_as", "issuer": r.service.issuer, "token_keys_url": None, **more}


def test_coco_as():
    """Trustee's attestation service judges a machine by our nonce; its signer leads to the pinned authority"""
    for tee in ("snp", "tdx"):
        with made(coco_as, tee) as r:
            r.verifier = coco_as_verifier(r)
            judges_well(r)
            assert r.service.calls == ["attest"], r.service.calls
            status = r.ask("app", "GET", "/v1/status").json
            assert status["verifier"] == "coco_as" and not [w for w in status["warnings"] if "TLS alone" in w], status
            first, second = (json.loads(q.body)["verification_requests"][0]["runtime_data"]
                             for q in (r.service.requests[-1], r.renewed() and r.service.requests[-1]))
            assert first != second, first  # each attempt has a nonce of its own


def test_coco_as_discovery():
    """the keys that the service publishes count by the switch's name alone, and status warns of it"""
    with made(coco_as, "snp") as r:
        init_data = r.folder / "init.toml"
        init_data.write_text('version = "0.1.0"\nalgorithm = "sha256"\n')
        r.service.policies = ["default", "strict"]
        r.service.init_data = {"init_data_toml": init_data.read_text()}
        r.verifier = coco_as_verifier(r, token_signer=None, discover_token_signer=True, policies=r.service.policies,
                                      init_data=str(init_data))
        judges_well(r)
        assert r.service.calls == ["attest", "certs"], r.service.calls
        assert [w for w in r.ask("app", "GET", "/v1/status").json["warnings"] if "TLS alone" in w]
        r.service.signer = verifier_server.TokenKey("key-1", "EC", r.server.authority)  # published nowhere
        assert "token.signature" in r.renewed()["last_error"], r.session()
        r.refused()


def test_coco_as_lies():
    """whatever an attestation service answers that is no whole acceptance of this attempt releases nothing"""
    with made(coco_as, "snp") as r:
        r.verifier = coco_as_verifier(r, issuer="CoCo-Attestation-Service")
        ends = {**verifier_server.TOKEN_LIES_END, **r.service.ends}
        for lie in ("stranger-by-our-kid", "stranger-with-jwk", "stranger-with-x5c", "stranger-with-jku",
                    "unknown-kid"):  # no key has a name here: the certificates are what counts
            ends[lie] = ("refused", "stated.token.")
        ends["no-token"] = ("unreachable", "remote-verifier.protocol: ")
        lies(r, ends)


# --- Microsoft Azure Attestation

def maa():
    return maa_server.Maa


def maa_verifier(r, **more):
    return {"type": "maa", "policies": [maa_server.POLICY_HASH], **more}


def test_maa():
    """Microsoft Azure Attestation judges an SNP report with its chain, and a TD quote"""
    for tee in ("snp", "tdx"):
        with made(maa, tee) as r:
            r.verifier = maa_verifier(r)
            judges_well(r)
            assert r.service.calls == ["attest", "certs"], r.service.calls
            assert r.ask("app", "GET", "/v1/status").json["verifier"] == "maa"


def test_maa_lies():
    """whatever Azure Attestation answers that is no whole acceptance of this report releases nothing"""
    with made(maa, "snp") as r:
        r.verifier = maa_verifier(r, token_signer=None)
        lies(r, {**verifier_server.TOKEN_LIES_END, **r.service.ends})
        r.control(debug=True)
        session = r.renewed()
        assert session["last_attempt"] == "refused" and "PolicyEvaluationError" in session["last_error"], session
        r.refused()


# --- the attestation service behind a key broker

def test_kbs():
    """a key broker's attestation service judges a machine by handshake, and a secret is released on its token"""
    for tee in ("snp", "tdx"):
        with broker(tee) as r:
            r.begin()
            r.released()
            kbs_rig.good(r.broker)
            assert r.broker.calls == ["auth", "attest"], r.broker.calls
            assert r.ask("app", "GET", "/v1/status").json["verifier"] == "kbs"


BROKER_LIES = {  # lie: (outcome, what the session's last error says)
    **{name: ("refused", "snp.stated.token." + code) for name, code in {
        "wrong-nonce": "nonce", "other-key": "key", "expired": "expired", "from-the-future": "expired",
        "contraindicated": "not-affirming", "status-none": "not-affirming", "warning": "not-affirming",
        "bad-gpu": "not-affirming", "no-status": "malformed", "no-submods": "malformed", "no-exp": "malformed",
        "alg-none": "algorithm", "key-confusion": "algorithm", "algorithm-confusion": "algorithm",
        "strangers-token": "untrusted", "strangers-token-our-chain": "untrusted", "critical-header": "malformed",
        "no-token": "malformed"}.items()},
    "refused": ("refused", "snp.stated.kbs.refused"),
    "version": ("unreachable", "kbs.version: "),
    "no-cookie": ("unreachable", "kbs.protocol: "),
    "error-500": ("unreachable", "kbs.failed: "),
    "html-token": ("unreachable", "kbs.protocol: "),
    "redirected-auth": ("unreachable", "fetch.redirected: "),
    "no-answer": ("unreachable", "fetch.timed-out: "),
    "huge-token": ("unreachable", "fetch.too-large: "),
}


def annotated(**members):
    def change(claims):
        claims["submods"]["cpu0"]["ear.veraison.annotated-evidence"]["snp"].update(members)
    return change


OWN_LIES = {  # of the token: what a source of secrets does not look at
    "of another machine": (annotated(measurement="ab" * 48), "snp.stated.token.evidence: measurement is"),
    "of no machine": (lambda claims: claims["submods"]["cpu0"]["ear.veraison.annotated-evidence"].pop("snp"),
                      "snp.stated.token.malformed"),
    "of another issuer": (lambda claims: claims.update(iss="CoCo"), "snp.stated.token.issuer"),
    "for days": (lambda claims: claims.update(exp=claims["iat"] + 100000), "at most a day is taken"),
    "by another policy": (lambda claims: claims["submods"]["cpu0"].update({"ear.appraisal-policy-id": "lax"}),
                          "ear.appraisal-policy-id is"),
}


def test_kbs_lies():
    """whatever a key broker answers that is no whole acceptance of this handshake releases nothing"""
    with broker("snp") as r:
        r.lie("refused")
        r.begin()
        wrong = []

        def ends(what, outcome, words):
            session = r.renewed()
            told = session.get("last_error", "")
            if session["affirming"] or session["last_attempt"] != outcome or words not in told:
                wrong.append(f"{what}: {session['last_attempt']}: {told}; expected {outcome}: {words}")
            r.refused()

        for lie, (outcome, words) in BROKER_LIES.items():
            r.lie(lie)
            ends(lie, outcome, words)
        for what, (change, words) in OWN_LIES.items():
            r.lie(None)
            honest = r.broker.change_claims
            r.broker.change_claims = lambda claims, change=change, honest=honest: (honest(claims), change(claims))
            ends(what, "refused", words)
        assert not wrong, "\n".join(wrong)
        r.lie(None)
        r.renewed()
        r.released()


# --- what all have in common, by the example of one

def test_key_sets():
    """a key set that cannot be had is an outage, one without the signer's key refuses; each lie on a daemon's first look"""
    with made(ita, "tdx") as r:
        r.verifier = ita_verifier(r, token_signer=None)
        for what, session, (outcome, words) in fresh_daemons(r, verifier_server.KEY_SET_LIES):
            outcomes = (outcome,) if isinstance(outcome, str) else outcome
            assert session["last_attempt"] in outcomes and words in session["last_error"], (what, session)
            r.refused()


def test_certificates():
    """a service whose own certificate is expired, another's or another host's is an outage by name, and hears nothing"""
    for mode in ("expired", "wrong-ca", "wrong-host", "old", "plain"):
        with made(ita, "tdx") as r:
            r.verifier = ita_verifier(r)
            r.server.tls(mode)
            r.begin()
            session = r.renewed()
            assert session["last_attempt"] == "unreachable" and "fetch.tls: " in session["last_error"], (mode, session)
            assert not r.service.calls, (mode, r.service.calls)
            r.refused()


def test_unknown_key():
    """a key set is not fetched again and again for a key that it does not have; until then that is an outage"""
    with made(ita, "tdx") as r:
        r.verifier = ita_verifier(r)
        judges_well(r)
        fetched = r.service.calls.count("certs")
        r.service.signer = r.service.spare  # not published
        for _ in range(3):
            session = r.renewed()
            assert session["last_attempt"] == "unreachable", session
            assert verifier_server.KEY_IS_YOUNG in session["last_error"], session
        assert r.service.calls.count("certs") == fetched, r.service.calls
        assert r.get("app", "db/password").body == VALUE  # the result serves to its end


def test_pinned_authority():
    """a key set whose certificates lead to another authority than the pinned one signs nothing for us"""
    with made(ita, "tdx") as r:
        r.verifier = ita_verifier(r, token_signer=str(r.server.strangers_ca))
        r.begin()
        assert "token.untrusted" in r.renewed()["last_error"], r.session()
        r.refused()


def test_pinned_file():
    """keys of a file need no key set, and status warns where neither file nor authority is pinned"""
    with made(ita, "tdx") as r:
        r.verifier = ita_verifier(r, token_keys_url=None, token_signer=str(r.service.jwks_file()))
        r.begin()
        rig.wait_until("it is affirming", lambda: r.session()["affirming"])
        assert "certs" not in r.service.calls, r.service.calls
        assert not [w for w in r.ask("app", "GET", "/v1/status").json["warnings"] if "TLS alone" in w]
        r.daemon.stop()
        r.verifier = ita_verifier(r, token_signer=None)
        r.write_config()
        r.start_daemon()  # its store would wait for the operator
        rig.wait_until("it is affirming", lambda: r.session()["affirming"])
        assert [w for w in r.ask("app", "GET", "/v1/status").json["warnings"] if "TLS alone" in w]


def test_outage():
    """a verifier that is down ends nothing before the result's end; a refusal ends it at once"""
    with made(ita, "tdx", max_age="4s") as r:
        r.verifier = ita_verifier(r)
        judges_well(r)
        r.service.lie("attest-503")
        assert r.renewed()["last_attempt"] == "unreachable"
        rig.wait_until("the result ended", lambda: r.get("app", "db/password").status == 503)
        r.service.behave()
        rig.wait_until("it is back", lambda: r.get("app", "db/password").status == 200)
        r.service.lie("attest-400")
        assert r.renewed()["last_attempt"] == "refused"
        r.refused()


def test_retry_after():
    """a service that asks to come later is not asked before"""
    with made(ita, "tdx") as r:
        r.verifier = ita_verifier(r)
        r.service.fixed["nonce"] = verifier_server.Answer(429, {"Retry-After": "600"}, b'{"error":"slow down"}')
        r.begin()
        rig.wait_until("it was asked", lambda: r.session()["last_attempt"] == "unreachable")
        for _ in range(3):
            assert "remote-verifier.throttled" in r.renewed()["last_error"], r.session()
        assert r.service.calls == ["nonce"], r.service.calls


def main():
    if len(sys.argv) < 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    fetch_test.BUILD = pathlib.Path(sys.argv[1]).resolve()
    tests = [f for name, f in globals().items() if name.startswith("test_")]
    return tap.run([t for t in tests if not sys.argv[2:] or t.__name__ in sys.argv[2:]])


if __name__ == "__main__":
    sys.exit(main())
