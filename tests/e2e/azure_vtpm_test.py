#!/usr/bin/env python3
"""Evidence and keys of an Azure confidential VM's vTPM: a real TPM (swtpm) behind an emulated paravisor, the real
attestd, attestctl and attestd-fetch. Only the TPM's path is a test's: attestd-azure-vtpm-test.

usage: azure_vtpm_test.py BUILD-DIR
"""
import base64
import concurrent.futures
import contextlib
import json
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import azure_rig  # noqa: E402
import rig  # noqa: E402
import tap  # noqa: E402
import tpm_client  # noqa: E402

BUILD = None
NONCE = bytes(range(64)).hex()
NV_WRITE, PCR_READ, QUOTE, HMAC, CREATE_PRIMARY = 0x137, 0x17E, 0x158, 0x155, 0x131
RETRY, LOCKOUT = 0x922, 0x921


@contextlib.contextmanager
def machine(tee="snp", prepare=tpm_client.Tpm.prepare, **more):
    with azure_rig.AzureRig(BUILD, tee, **more) as setting:
        setting.start_machine(prepare)
        yield setting


def evidence_of(setting, nonce=NONCE):
    done = setting.quote(nonce)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused_by_plug_in(setting, *says, code="vtpm.failed", at_most=3 * azure_rig.TIMEOUT):
    """a request for evidence is refused in these words, and in time"""
    begin = time.monotonic()
    answer = setting.ask_plug_in("/v1/evidence", {"report_data": NONCE})
    took = time.monotonic() - begin
    assert answer.code == code, (answer.status, answer.body)
    for words in says:
        assert words in answer.json["detail"], answer.json["detail"]
    assert took < at_most, took
    return answer


def findings(verdict):
    return {finding["id"] for finding in verdict["findings"] if finding["severity"] == "error"}


# --- what works

def test_snp():
    """evidence of an SNP guest: attestctl verify accepts it, with its VCEK and for its report data alone"""
    with machine() as setting:
        evidence = evidence_of(setting)
        status, verdict = setting.verify(evidence, "--report-data", NONCE)
        assert status == 0 and verdict["tee"] == "snp" and verdict["grade"] == "test", verdict
        assert verdict["format"].startswith("azure-snp-report"), verdict["format"]
        azure = json.loads(evidence)
        assert azure["version"] == 2 and "vcek" in azure, azure.keys()
        status, verdict = setting.verify(evidence, "--report-data", "ff" * 64)
        assert status == 1 and "snp.vtpm.nonce" in findings(verdict), verdict["findings"]
        assert ("GET", "/metadata/THIM/amd/certification", "true") in setting.metadata.seen, setting.metadata.seen


def test_tdx():
    """evidence of a TDX guest: the metadata service's quote of the blob's TDREPORT is in it, and verifies"""
    with machine("tdx") as setting:
        evidence = evidence_of(setting)
        status, verdict = setting.verify(evidence, "--report-data", NONCE)
        assert status == 0 and verdict["tee"] == "tdx", verdict["findings"]
        assert "td_quote" in json.loads(evidence)
        assert ("POST", "/acc/tdquote", "true") in setting.metadata.seen, setting.metadata.seen


def test_document():
    """what attestctl quote --json prints is verified by itself: its endorsements are with it"""
    with machine() as setting:
        document = setting.quote(NONCE, "--json").stdout
        assert json.loads(document)["interface"] == "azure_vtpm", document[:200]
        done = setting.attestctl("verify", "-", "--trust-anchor", setting.machine_dir / "root.der", "--report-data",
                                 NONCE, stdin=document)
        assert done.returncode == 0, done.stdout + done.stderr
        cut = json.dumps({**json.loads(document), "quote": "no base64"}).encode()
        done = setting.attestctl("verify", "-", stdin=cut)
        assert done.returncode == 2 and b"parse.bad-encoding" in done.stderr, done.stderr


def released_by_daemon(tee):
    with machine(tee) as setting:
        setting.write_config()
        setting.state.mkdir(mode=0o700)
        setting.start_daemon()
        setting.wait_healthy()
        setting.put("db/password", b"s3cret")
        assert setting.get("app", "db/password").body == b"s3cret"
        status = setting.ask("app", "GET", "/v1/status").json
        assert status["platform"] == "azure_vtpm", status
        answer = setting.ask("app", "POST", "/v1/evidence", json.dumps({"report_data": "00ff"}))
        assert answer.status == 200, answer.body
        status, verdict = setting.verify(answer.body, "--report-data", answer.json["report_data"])
        assert status == 0, verdict["findings"]
        status, verdict = setting.verify(answer.body, "--report-data", NONCE)
        assert status == 1 and f"{tee}.vtpm.nonce" in findings(verdict), verdict["findings"]


def test_daemon_snp():
    """the daemon appraises an SNP guest's vTPM, releases a secret, and hands out evidence that verifies"""
    released_by_daemon("snp")


def test_daemon_tdx():
    """the daemon appraises a TDX guest's vTPM, releases a secret, and hands out evidence that verifies"""
    released_by_daemon("tdx")


def test_boot_log():
    """the TPM's boot log goes with the evidence, as it is, and is held against the quoted PCRs"""
    with machine("tdx") as setting:
        log = setting.boot((4, bytes(4)), (7, bytes(4)))
        document = json.loads(setting.quote(NONCE, "--json").stdout)
        assert base64.b64decode(document["event_log"]) == log
        status, verdict = setting.verify(json.dumps(document).encode(), "--report-data", NONCE)
        assert status == 0, verdict["findings"]
        with setting.tpm() as tpm:
            tpm.extend(7, b"what the log does not hold")
        status, verdict = setting.verify(setting.quote(NONCE, "--json").stdout, "--report-data", NONCE)
        assert status == 1 and "tdx.event-log.mismatch" in findings(verdict), verdict["findings"]


def test_short_nonce():
    """a key broker's digest of 48 bytes, padded, is the quote's nonce as it was, and user-data with its zeros"""
    with machine() as setting:
        answer = setting.ask_plug_in("/v1/evidence", {"report_data": "ab" * 48 + "00" * 16})
        evidence = base64.b64decode(answer.json["evidence"])
        status, verdict = setting.verify(evidence, "--report-data", "ab" * 48)
        assert status == 0, verdict["findings"]
        assert verdict["claims"]["azure"]["nonce"] == "ab" * 48, verdict["claims"]


def test_together():
    """requests at the same time are each answered for their own report data"""
    with machine() as setting:
        nonces = [bytes([i] * 64).hex() for i in range(6)]
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(
                lambda nonce: setting.ask_plug_in("/v1/evidence", {"report_data": nonce}, 60), nonces))
        for nonce, answer in zip(nonces, answers):
            assert answer.status == 200, answer.body
            status, verdict = setting.verify(base64.b64decode(answer.json["evidence"]), "--report-data", nonce)
            assert status == 0, verdict["findings"]


def test_flushed():
    """no session and no object stays in the TPM, after success or failure"""
    with machine() as setting:
        evidence_of(setting)
        setting.key([0, 7])
        setting.faults(f"refuse {HMAC:x} {LOCKOUT:x} 1")
        assert setting.ask_plug_in("/v1/derive-key", {"pcrs": [0], "context": "00" * 32}).code == "vtpm.failed"
        setting.faults()
        with setting.tpm() as tpm:
            for kind in (0x02, 0x03, 0x80):
                assert tpm.handles(kind) == (), (kind, tpm.handles(kind))


# --- what is not believed

def test_pcr_pinned():
    """a PCR that is not the reference value's is refused by attestctl and by the daemon, and the right one is not"""
    with machine() as setting:
        with setting.tpm() as tpm:
            tpm.extend(7, b"secure boot")
            seven = tpm.pcr(7).hex()
        evidence = evidence_of(setting)
        _, verdict = setting.verify(evidence)
        snp = {**setting.appraisal_policy()["snp"], "measurement": [verdict["claims"]["measurement"]]}
        policy = setting.folder / "appraisal.json"
        for value, accepted in ((seven, True), ("11" * 32, False)):
            policy.write_text(json.dumps({"snp": {**snp, "azure": {"pcrs": {"7": [value]}}}}))
            status, verdict = setting.verify(evidence, "--policy", policy)
            assert (status == 0) == accepted, verdict["findings"]
            assert ("snp.vtpm.pcr7-mismatch" in findings(verdict)) != accepted, verdict["findings"]
        setting.config_file.write_text(json.dumps(setting.config()))
        setting.state.mkdir(mode=0o700)
        setting.start_daemon()
        rig.wait_until("the session is refused", lambda: "session.refused" in setting.daemon.output)
        assert "vtpm.pcr7-mismatch" in setting.daemon.output, setting.daemon.output
        assert setting.ask("app", "GET", "/v1/health").status == 503


def test_foreign_key():
    """a blob that vouches for another key than the vTPM's is refused: its quote is not signed by that"""
    with machine() as setting:
        setting.faults("foreign-key")
        status, verdict = setting.verify(evidence_of(setting), "--report-data", NONCE)
        assert status == 1 and "snp.vtpm.signature" in findings(verdict), verdict["findings"]


def test_unsigned_td_quote():
    """a TD quote that the metadata service changed is refused by the verifier"""
    with machine("tdx") as setting:
        setting.metadata.mode = "unsigned"
        status, verdict = setting.verify(evidence_of(setting), "--report-data", NONCE)
        assert status == 1 and "tdx.quote.signature" in findings(verdict), verdict["findings"]


# --- a vTPM that is not as it should be

def test_stale():
    """a blob that does not take up the report data is a named error, in time"""
    with machine() as setting:
        evidence_of(setting)
        setting.faults("stale")
        began = time.monotonic()
        answer = setting.ask_plug_in("/v1/evidence", {"report_data": "cd" * 64})
        assert answer.code == "vtpm.failed", answer.body
        assert time.monotonic() - began < azure_rig.TIMEOUT + 3
        for words in ("0x01400001", "0x01400002", "does not take up", NONCE[:16]):
            assert words in answer.json["detail"], answer.json["detail"]


def test_old_paravisor():
    """a paravisor that knows no user-data is named as one"""
    with machine() as setting:
        setting.faults("no-user-data")
        refused_by_plug_in(setting, "no \"user-data\"", "redeployed")


def test_torn():
    """a blob that changes while it is read is read again"""
    with machine() as setting:
        setting.faults("tear 2")
        status, verdict = setting.verify(evidence_of(setting), "--report-data", NONCE)
        assert status == 0, verdict["findings"]


def test_no_blob():
    """a TPM without the paravisor's NV index is no vTPM of Azure's, and is said to be none"""
    with machine(prepare=tpm_client.Tpm.make_ak) as setting:
        refused_by_plug_in(setting, "NV index 0x01400001 is not there", "no vTPM of an Azure")


def test_no_key():
    """a vTPM without its attestation key is named with the key's handle"""
    with machine() as setting:
        with setting.tpm() as tpm:
            tpm.drop_ak()
        refused_by_plug_in(setting, "TPM2_Quote by the key 0x81000003", "handle")


def test_other_length():
    """an index for user-data of another length is replaced by one of 64 bytes"""
    with machine() as setting:
        with setting.tpm() as tpm:
            tpm.define(tpm_client.USER_DATA, 32)
        evidence_of(setting)
        with setting.tpm() as tpm:
            assert tpm.length_of(tpm_client.USER_DATA) == 64


def test_no_quote_in_daemon():
    """the daemon names what the vTPM said, and its earlier result serves on"""
    with machine() as setting:
        setting.write_config()
        setting.state.mkdir(mode=0o700)
        setting.start_daemon()
        setting.wait_healthy()
        setting.faults(f"refuse {QUOTE:x} {LOCKOUT:x} ffff")
        setting.renew()
        rig.wait_until("the attempt failed", lambda: "session.unreachable" in setting.daemon.output)
        assert "vtpm.failed" in setting.daemon.output and "dictionarylockout" in setting.daemon.output
        assert setting.ask("app", "GET", "/v1/health").status == 200


def test_hangs():
    """a TPM that does not answer costs that request its time, and the next one nothing"""
    with machine() as setting:
        setting.faults(f"hang {QUOTE:x}")
        refused_by_plug_in(setting, "TPM2_Quote", "did not answer", code="io.timed-out",
                           at_most=azure_rig.TIMEOUT + 3)
        setting.faults()
        evidence_of(setting)


def test_gone():
    """a TPM that goes away in between, or is not there, is a named error"""
    with machine() as setting:
        setting.faults(f"drop {QUOTE:x}")
        refused_by_plug_in(setting, "TPM2_Quote", "driver failed")
        setting.faults()
        setting.paravisor.stop()
        refused_by_plug_in(setting, "TPM is not there")


def test_retry():
    """what the TPM wants asked again is asked again, a few times"""
    with machine() as setting:
        setting.faults(f"refuse {PCR_READ:x} {RETRY:x} 2")
        evidence_of(setting)
        setting.faults(f"refuse {PCR_READ:x} {RETRY:x} ffff")
        refused_by_plug_in(setting, "TPM2_PCR_Read", "0x922", "busy each time")


def test_pcrs_move():
    """a PCR that is extended between reading and quoting has both done again; one that never rests is an error"""
    with machine() as setting:
        setting.faults("extend 2")
        status, verdict = setting.verify(evidence_of(setting), "--report-data", NONCE)
        assert status == 0, verdict["findings"]
        setting.faults("extend ffff")
        refused_by_plug_in(setting, "PCRs changed between", "5 times")


# --- a metadata service that is not as it should be

def test_metadata_of_snp():
    """without the metadata service an SNP guest's evidence is as good: only the VCEK is not in it"""
    with machine() as setting:
        for mode in ("failing", "nonsense", "huge", "slow"):
            setting.metadata.mode = mode
            evidence = evidence_of(setting)
            assert "vcek" not in json.loads(evidence), mode
            status, verdict = setting.verify(evidence, "--report-data", NONCE, "--endorsements",
                                             setting.machine_dir / "vcek.der")
            assert status == 0, (mode, verdict["findings"])
        assert "no VCEK goes with the evidence" in setting.plug_in.output, setting.plug_in.output


def test_lying_metadata_of_snp():
    """a certificate that is no VCEK does no harm: it is an endorsement that fits nothing"""
    with machine() as setting:
        setting.metadata.mode = "lying"
        status, verdict = setting.verify(evidence_of(setting), "--report-data", NONCE)
        assert status == 3 and "snp.leaf.missing" in findings(verdict), verdict["findings"]


def test_metadata_of_tdx():
    """without the metadata service a TDX guest has no evidence, and the reason is named in time"""
    rows = [("failing", "fetch.protocol", "status 500"), ("nonsense", "fetch.protocol", "tdquote"),
            ("huge", "fetch.too-large", ""), ("slow", "fetch.timed-out", ""),
            ("lying", "platform.wrong-echo", "another TDREPORT")]
    with machine("tdx") as setting:
        for mode, code, says in rows:
            setting.metadata.mode = mode
            refused_by_plug_in(setting, says, code=code, at_most=azure_rig.TIMEOUT + 3)
        setting.metadata.mode = "good"
        setting.metadata.stop()
        refused_by_plug_in(setting, code="fetch.unreachable")


# --- keys

def test_key():
    """a key is the same each time, and another one for another selection, context or value of a selected PCR"""
    with machine() as setting:
        first = setting.key([4, 7])
        assert len(base64.b64decode(first)) == 32
        assert setting.key([4, 7]) == first
        others = [setting.key([4]), setting.key([4, 7], "01" * 32)]
        with setting.tpm() as tpm:
            tpm.extend(16, b"not selected")
        assert setting.key([4, 7]) == first
        with setting.tpm() as tpm:
            tpm.extend(7, b"another kernel")
        others.append(setting.key([4, 7]))
        assert len({first, *others}) == 4, "keys that should differ do not"


def test_key_on_the_wire():
    """the key crosses the way to the TPM encrypted: no answer of the TPM holds it"""
    with machine() as setting:
        trace = setting.machine_dir / "trace"
        trace.write_bytes(b"")
        context = os.urandom(32)
        key = base64.b64decode(setting.key([0, 7], context.hex()))
        seen = trace.read_bytes()
        assert b"\x00\x00\x01\x55" in seen, "no TPM2_HMAC was seen"
        assert key not in seen and context not in seen, "sent in the clear"


def test_other_tpm():
    """another vTPM gives another key"""
    with machine() as one, azure_rig.AzureRig(BUILD) as other:
        first = one.key([0, 7])
        one.metadata.stop()
        one.metadata = None
        other.start_machine()
        assert other.key([0, 7]) != first


def test_key_refused():
    """what the firmware of SNP would derive is not to be had, nor a key of no PCR or of one that there is not"""
    with machine() as setting:
        snp = {"guest_field_select": 9, "vmpl": 0, "guest_svn": 0, "tcb_version": "00" * 8}
        assert setting.ask_plug_in("/v1/derive-key", snp).code == "platform.unsupported"
        rows = [({"pcrs": [], "context": "00" * 32}, "request.malformed"),
                ({"pcrs": [24], "context": "00" * 32}, "parse.bad-value"),
                ({"pcrs": [0], "context": "00" * 31}, "parse.bad-encoding")]
        for body, code in rows:
            answer = setting.ask_plug_in("/v1/derive-key", body)
            assert (answer.status, answer.code) == (400, code), (body, answer.body, code)
        assert setting.ask_plug_in("/v1/other", {}).status == 404


def test_store():
    """a store's vtpm slot opens again after a restart, and not once another kernel was booted"""
    with machine() as setting:
        setting.write_config()
        setting.state.mkdir(mode=0o700)
        setting.start_daemon()
        setting.wait_healthy()
        setting.put("db/password", b"s3cret")
        slots = json.loads(setting.attestctl("store", "slots", "--admin-socket", setting.socket("admin"),
                                             "--json").stdout)["slots"]
        assert [slot["kind"] for slot in slots] == ["vtpm"], slots
        assert slots[0]["detail"] == "PCR 0, 2, 4, 7, 8, 9, 12 (SHA-256)", slots
        setting.daemon.stop()
        setting.start_daemon()
        setting.wait_healthy()
        rig.wait_until("the store is open", lambda: setting.get("app", "db/password").body == b"s3cret")
        setting.daemon.stop()
        with setting.tpm() as tpm:
            tpm.extend(4, b"another kernel")
        setting.start_daemon()
        rig.wait_until("the store stays locked", lambda: "not the one that closed it" in setting.daemon.output)
        assert setting.get("app", "db/password").status == 503
        rig.wait_until("the machine itself is affirmed", lambda: "session.affirmed" in setting.daemon.output)
        assert setting.get("app", "db/password").status == 503


def test_add_slot():
    """attestctl store add-slot vtpm adds one, to the daemon's store and to a folder; snp has no place here"""
    with machine() as setting:
        config = setting.config()
        config["sources"]["store"]["vtpm_pcrs"] = [7, 11]
        setting.write_config(config)
        setting.state.mkdir(mode=0o700)
        setting.start_daemon()
        setting.wait_healthy()
        setting.put("db/password", b"s3cret")
        admin = ("--admin-socket", setting.socket("admin"))
        done = setting.attestctl("store", "add-slot", "vtpm", *admin)
        assert done.returncode == 0, done.stderr
        done = setting.attestctl("store", "add-slot", "snp", *admin)
        assert done.returncode == 1 and b"platform.unsupported" in done.stderr, done.stderr
        slots = setting.attestctl("store", "slots", *admin).stdout.decode()
        assert slots.count("PCR 7, 11 (SHA-256)") == 2, slots
        setting.daemon.stop()
        store, = (path.parent for path in setting.state.rglob("slot-0"))
        done = setting.attestctl("store", "add-slot", "vtpm", "--store", store, "--platform",
                                 f"azure_vtpm:{setting.socket('platform')}", "--measured-image")
        assert done.returncode == 0, done.stderr
        assert b"slot 2 added" in done.stdout, done.stdout


TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")]


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv[-1]).resolve()
    lacking = "" if sys.argv[1] == "--inside" else azure_rig.missing()
    if not (BUILD / "tests/emulator/attestd-azure-vtpm-test").exists():
        lacking = "this build has no azure_vtpm"
    if lacking:
        sys.exit(tap.run([azure_rig.skipped(test, lacking) for test in TESTS]))
    if sys.argv[1] != "--inside":
        command = [*azure_rig.own_network(), sys.executable, __file__, "--inside", str(BUILD)]
        os.execvp(command[0], command)
    azure_rig.set_up_network()
    sys.exit(tap.run(TESTS))
