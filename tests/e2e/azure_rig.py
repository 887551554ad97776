"""An emulated Azure confidential VM for end-to-end tests: swtpm behind a paravisor, attestd-azure-vtpm, attestd-fetch
and a metadata service at its own address, in a network of its own."""
import base64
import hashlib
import http.server
import json
import os
import pathlib
import shutil
import struct
import subprocess
import threading
import time

import rig
import tap
import tpm_client

METADATA = "169.254.169.254"
TIMEOUT = 6  # of one answer, in place of 25: some tests wait for it


def pem(der):
    text = base64.b64encode(der).decode()
    lines = [text[i:i + 64] for i in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def b64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class MetadataService:
    """what the cloud answers at its link-local address; `mode` says how well"""

    def __init__(self, machine_dir):
        self.machine_dir, self.mode, self.seen = machine_dir, "good", []
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                service.answer(self, "GET", b"")

            def do_POST(self):
                service.answer(self, "POST", self.rfile.read(int(self.headers.get("Content-Length", "0"))))

            def log_message(self, *args):
                pass

        http.server.ThreadingHTTPServer.allow_reuse_address = True
        self.server = http.server.ThreadingHTTPServer((METADATA, 80), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def der(self, name):
        return (self.machine_dir / name).read_bytes()

    def body(self, method, path, sent):
        if (method, path) == ("GET", "/metadata/THIM/amd/certification"):
            vcek = self.der("ask.der" if self.mode == "lying" else "vcek.der")
            return {"vcekCert": pem(vcek), "tcbm": "DB18000000000004", "cacheControl": "86400",
                    "certificateChain": pem(self.der("ask.der")) + pem(self.der("root.der"))}
        if (method, path) == ("POST", "/acc/tdquote"):
            report = base64.urlsafe_b64decode(json.loads(sent)["report"] + "==")
            assert len(report) == 1024, len(report)
            quote = bytearray(self.der("td_quote.bin"))
            if self.mode == "lying":
                quote[568] ^= 1  # the first byte of the report data
            if self.mode == "unsigned":
                quote[184] ^= 1  # the first byte of MRTD, which nothing but the signature covers
            return {"quote": b64url(bytes(quote))}
        return None

    def answer(self, handler, method, sent):
        self.seen.append((method, handler.path, handler.headers.get("Metadata")))
        if self.mode == "slow":
            time.sleep(2 * TIMEOUT)
        try:
            body = self.body(method, handler.path, sent)
        except FileNotFoundError:
            return  # the test is over
        status = 200 if body is not None and self.mode != "failing" else 404 if body is None else 500
        data = {"huge": b'{"quote": "' + b"A" * (1 << 20) + b'"}', "nonsense": b"<html>"}.get(
            self.mode, json.dumps(body).encode())
        try:
            handler.send_response(status)
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data)
        except OSError:
            pass  # the client had enough


class AzureRig(rig.Rig):
    """`tee` is what runs under the paravisor"""

    def __init__(self, build, tee="snp", policy=None, **more):
        super().__init__(build, **more)
        self.tee, self.azure_policy = tee, policy or {"pcrs": "any"}
        self.processes, self.metadata, self.root = [], None, self.folder / "root"

    def __exit__(self, *exception):
        if self.metadata is not None:
            self.metadata.stop()
        for process in self.processes:
            if process.running():
                process.child.kill()
                process.child.wait()
        super().__exit__(*exception)

    def program(self, name):
        here = {"attestd-azure-vtpm-test": "tests/emulator/attestd-azure-vtpm-test",
                "attestd-paravisor": "tests/emulator/attestd-paravisor",
                "attestd-fetch": "agent/fetch/attestd-fetch"}
        return self.build / here[name] if name in here else super().program(name)

    def run(self, name, command, environment=None, until=None):
        process = rig.Process(self.new_log(name), command, environment)
        self.processes.append(process)
        rig.wait_until(f"{name} is ready", lambda: until(process) or not process.running())
        assert process.running(), process.output
        return process

    # --- the machine

    def start_tpm(self, prepare=tpm_client.Tpm.prepare):
        state = self.folder / "tpm"
        state.mkdir()
        tpm = self.socket("swtpm")
        self.run("swtpm", ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state}", "--server",
                           f"type=unixio,path={tpm}", "--ctrl", f"type=unixio,path={self.socket('swtpm-ctrl')}",
                           "--flags", "not-need-init,startup-clear"], until=lambda _: tpm.exists())
        with tpm_client.Tpm(tpm) as client:
            prepare(client)

    def start_paravisor(self):
        self.machine_dir.mkdir(mode=0o700, exist_ok=True)
        rig.give_vendor_keys(self.machine_dir)
        self.paravisor = self.run(
            "paravisor", [self.program("attestd-paravisor"), "--dir", self.machine_dir, "--tee", self.tee, "--tpm",
                          self.socket("swtpm"), "--listen", self.socket("tpm")],
            until=lambda process: "ready" in process.output)
        rig.keep_vendor_keys(self.machine_dir)

    def start_machine(self, prepare=tpm_client.Tpm.prepare):
        self.start_tpm(prepare)
        self.start_paravisor()
        self.metadata = MetadataService(self.machine_dir)
        fetch = self.folder / "fetch.json"
        fetch.write_text(json.dumps({"hosts": {METADATA: {}}}))
        self.run("fetch", [self.program("attestd-fetch"), "--config", fetch, "--listen", self.socket("fetch")],
                 until=lambda _: self.listens("fetch"))
        self.plug_in = self.run(
            "azure-vtpm", [self.program("attestd-azure-vtpm-test"), "--listen", self.socket("platform"),
                           "--fetch-socket", self.socket("fetch"), "--timeout", TIMEOUT],
            {"ATTESTD_TEST_TPM": str(self.socket("tpm")), "ATTESTD_TEST_SYSROOT": str(self.root)}, until=lambda _: self.listens("platform"))

    def listens(self, name):
        listening = 0x10000  # the flag __SO_ACCEPTCON
        rows = [line.split() for line in pathlib.Path("/proc/net/unix").read_text().splitlines()[1:]]
        return any(row[-1] == str(self.socket(name)) and int(row[3], 16) & listening for row in rows)

    def faults(self, *lines):
        """what the paravisor does wrong from now on"""
        new = self.machine_dir / "faults.new"
        new.write_text("".join(line + "\n" for line in lines))
        new.rename(self.machine_dir / "faults")

    def tpm(self):
        return tpm_client.Tpm(self.socket("tpm"))

    def boot(self, *events):
        """a boot log with these (PCR, text) as separators' events, and a TPM whose PCRs follow it"""
        log = struct.pack("<II20sI", 0, 3, bytes(20), 33) + b"Spec ID Event03\0"
        log += struct.pack("<IBBBBIHHB", 0, 0, 2, 0, 2, 1, 0x000B, 32, 0)
        with self.tpm() as tpm:
            for pcr, text in events:
                log += struct.pack("<IIIH", pcr, 4, 1, 0x000B) + hashlib.sha256(text).digest()
                log += struct.pack("<I", len(text)) + text
                tpm.extend(pcr, text)
        path = self.root / "sys/kernel/security/tpm0/binary_bios_measurements"
        path.parent.mkdir(parents=True)
        path.write_bytes(log)
        return log

    # --- what is asked of it

    def config(self):
        config = super().config()
        config["platform"] = {"type": "azure_vtpm", "socket": str(self.socket("platform"))}
        config["verifier"]["collateral"] = {"fetch": False}
        if self.tee == "tdx":
            config["verifier"]["endorsements"] = [str(self.machine_dir / "collateral.json")]
        return config

    def appraisal_policy(self):
        if self.tee == "snp":
            return {"snp": {**super().appraisal_policy()["snp"], "azure": self.azure_policy}}
        names = ("mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3", "mrseam", "mrconfigid", "mrowner", "mrownerconfig")
        return {"tdx": {**{name: "any" for name in names}, "azure": self.azure_policy}}

    def quote(self, report_data, *more):
        return self.attestctl("quote", "--platform", f"azure_vtpm:{self.socket('platform')}", "--report-data",
                              report_data, *more)

    def endorsements(self):
        names = ["collateral.json"] if self.tee == "tdx" else ["ask.der"]
        return [word for name in names for word in ("--endorsements", self.machine_dir / name)]

    def verify(self, evidence, *more):
        """attestctl's answer to evidence in bytes: exit status and verdict"""
        done = self.attestctl("verify", "-", "--json", "--trust-anchor", self.machine_dir / "root.der",
                              *self.endorsements(), *more, stdin=evidence)
        assert done.returncode in (0, 1, 3), done.stderr
        return done.returncode, json.loads(done.stdout)

    def ask_plug_in(self, target, body, seconds=30):
        connection = rig.UnixConnection(self.socket("platform"), seconds)
        try:
            connection.request("POST", target, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            return rig.Answer(response, response.read())
        finally:
            connection.close()

    def key(self, pcrs, context="00" * 32):
        answer = self.ask_plug_in("/v1/derive-key", {"pcrs": pcrs, "context": context})
        assert answer.status == 200, answer.body
        return answer.json["key"]


def missing():
    """what this machine lacks for these tests, in words; empty when nothing"""
    if not shutil.which("swtpm"):
        return "swtpm is not there"
    if not shutil.which("ip") or subprocess.run([*own_network(), "true"], capture_output=True).returncode != 0:
        return "a network namespace with the metadata service's address cannot be made here"
    return ""


def own_network():
    return ["unshare", "--net"] if os.getuid() == 0 else ["unshare", "--net", "--map-root-user"]


def set_up_network():
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "address", "add", f"{METADATA}/32", "dev", "lo"], check=True)


def skipped(test, why):
    """the test's claim, skipped loudly"""
    def skip():
        raise tap.Skip(why)
    skip.__doc__ = test.__doc__
    return skip
