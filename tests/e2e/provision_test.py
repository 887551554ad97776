#!/usr/bin/env python3
"""Secrets for a machine by files alone: requested, sealed, accepted; handed over from one image to the next;
and everything that must be refused on the way, each for its own reason.

usage: provision_test.py BUILD-DIR
"""
import base64
import copy
import json
import os
import pathlib
import random
import re
import secrets as random_bytes
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import canary_test  # noqa: E402
import provision_rig  # noqa: E402
import rig  # noqa: E402
import tap  # noqa: E402
from provision_rig import (  # noqa: E402
    DONE, NEW_IMAGE, OLD_IMAGE, REFUSED, USAGE, VALUE, Machine, TdxMachine, refused, started)


class TwoStores(Machine):
    """A machine whose secrets lie in two stores."""

    def config(self):
        config = super().config()
        config["sources"]["second"] = {"type": "store", "measured_image": True}
        config["secrets"]["other/token"]["source"] = "second"
        return config

    def stored_in(self, source):
        return [one["name"] for one in self.ask("admin", "GET", f"/v1/admin/secrets?source={source}").json["secrets"]]


def test_whole_story():
    """what is sealed to a machine's request is released to its workloads, and audited by name"""
    with started() as r:
        request = r.request("--machine", "db-7")
        body = json.loads(json.loads(request.read_text())["request"])
        assert body["machine"] == "db-7", body
        assert set(body["key"]) == {"alg", "crv", "kty", "x", "y"}, body
        done, package = r.seal(request)
        assert done.returncode == DONE, done.stderr
        assert b"db-7" in done.stdout and body["id"].encode() in done.stdout, done.stdout
        accepted = r.accept(package)
        assert accepted.returncode == DONE, accepted.stderr
        assert b"db/password\tversion 1" in accepted.stdout, accepted.stdout
        assert r.get("app", "db/password").body == VALUE
        assert r.get("other", "other/token").body == b"token"
        made, taken = r.events(""), r.events("/accept")
        assert [e["object"] for e in made] == [body["id"]], made
        assert sorted(e["object"] for e in taken) == ["db/password", "other/token"], taken
        assert all(e["decision"] == "allow" and body["id"] in e["detail"] for e in taken), taken


def test_tdx():
    """a TDX machine is judged by the collateral that the operator has, with the events of its boot"""
    with started(kind=TdxMachine) as r:
        r.control(endorsements=False)
        request = r.request()
        assert "event_log" in json.loads(request.read_text())["evidence"]
        done, package = r.seal(request)
        assert done.returncode == 3 and not package.exists(), (done.returncode, done.stderr)
        done, package = r.seal(request, "--endorsements", r.collateral(), measurement=NEW_IMAGE)
        assert "tdx.mrtd.mismatch" in refused(done, "provision.machine")
        package = r.sealed(request, "--endorsements", r.collateral())
        accepted = r.accept(package)
        assert accepted.returncode == DONE, accepted.stderr
        assert r.get("app", "db/password").body == VALUE


def test_wrong_machine():
    """a machine that runs another image than the policy names gets nothing"""
    with started() as r:
        done, package = r.seal(r.request(), measurement=NEW_IMAGE)
        assert "snp.measurement.mismatch" in refused(done, "provision.machine")
        assert not package.exists()


def test_debug_machine():
    """a machine whose host can look into it gets nothing"""
    with started() as r:
        r.control(debug=True)
        done, package = r.seal(r.request())
        assert "snp.policy.debug" in refused(done, "provision.machine")
        assert not package.exists()


def test_test_grade():
    """a result that rests on an added trust anchor gets nothing, unless the operator says so"""
    with started() as r:
        done, package = r.seal(r.request(), test=False)
        assert "test grade" in refused(done, "provision.machine") and not package.exists()


def test_lax_policy():
    """a policy that leaves a reference value open does not open anything"""
    with started() as r:
        request = r.request()
        policy = r.write("lax.json", b'{"snp": {}}')
        value = r.write("value", VALUE)
        done = r.attestctl("provision", "seal", "--policy", policy, "--trust-anchor", r.machine_dir / "root.der",
                           "--allow-test", request, f"db/password={value}", "-o", r.folder / "p")
        assert done.returncode == USAGE and b"is missing" in done.stderr, done.stderr


def test_missing_endorsement():
    """where an endorsement is missing, nothing is sealed and the status says so"""
    with started() as r:
        r.control(endorsements=False)
        done, package = r.seal(r.request())
        assert done.returncode == 3 and not package.exists(), (done.returncode, done.stderr)


def test_other_machine():
    """a package for one machine is refused by another, which has not the key"""
    with started() as one, started() as other:
        package = one.sealed(one.request())
        refused(other.accept(package), "provision.restarted")
        assert other.names() == []
        assert one.accept(package).returncode == DONE


def test_expired():
    """a request that is too old is refused by the operator's side and by the machine"""
    with started() as r:
        request = r.request("--valid-for", "2s")
        package = r.sealed(request)
        time.sleep(3.1)
        refused(r.accept(package), "provision.expired")
        refused(r.seal(request)[0], "provision.expired")
        assert r.names() == []
        # By a clock that runs behind: from the future.
        refused(r.seal(r.request(), "--at", "2020-01-01T00:00:00Z")[0], "provision.expired")


def test_life_is_bounded():
    """no request is good for longer than a day, or for no time"""
    with started() as r:
        for life in ("25h", "0s", "100ms"):
            refused(r.provision("request", "--valid-for", life), "parse.bad-value")


def test_replay():
    """a package is good once"""
    with started() as r:
        package = r.sealed(r.request())
        assert r.accept(package).returncode == DONE
        refused(r.accept(package), "provision.consumed")
        refused(r.accept(package, "--replace"), "provision.consumed")


def test_restarted():
    """the key of a request ends with the daemon, and the refusal says so"""
    with started() as r:
        package = r.sealed(r.request())
        r.daemon.stop()
        r.start_daemon()
        r.wait_healthy()
        assert "before attestd was started anew" in refused(r.accept(package), "provision.restarted")


def test_existing_name():
    """a name that is stored already refuses the whole package, until --replace"""
    with started() as r:
        r.put("db/password", b"old")
        package = r.sealed(r.request())
        assert "db/password" in refused(r.accept(package), "provision.exists")
        assert r.names() == ["db/password"] and r.get("app", "db/password").body == b"old"
        assert r.accept(package, "--replace").returncode == DONE
        assert r.get("app", "db/password").body == VALUE
        assert r.get("app", "db/password").headers["etag"] == '"2"'


def test_two_stores():
    """a package goes into one store, the one that the policy names for its secrets, or the one that is said"""
    with started(kind=TwoStores, hand_over=OLD_IMAGE) as r:
        both = r.sealed(r.request())
        assert "several stores" in refused(r.accept(both), "request.malformed")
        assert r.accept(r.sealed(r.request(), named={"other/token": b"t"})).returncode == DONE
        assert (r.stored_in("store"), r.stored_in("second")) == ([], ["other/token"])
        package = r.folder / "handed-over.json"
        refused(r.provision("hand-over", r.request(), "-o", package), "request.malformed")
        done = r.provision("hand-over", r.request(), "--source", "second", "-o", package)
        assert done.returncode == DONE, done.stderr
        refused(r.accept(package), "request.malformed")
        done = r.accept(package, "--source", "store", "--replace")
        assert done.returncode == DONE, done.stderr
        assert r.stored_in("store") == ["other/token"]


def test_words_that_are_no_text():
    """labels and names that are not UTF-8 are wrong usage, in words"""
    with started(hand_over=NEW_IMAGE) as r:
        done = r.provision("request", "--machine", "\udcff\udcfe", "-o", r.folder / "none.json")
        assert done.returncode == USAGE and b"UTF-8" in done.stderr, done.stderr
        done = r.provision("hand-over", r.request(), "db/\udcff", "-o", r.folder / "none.json")
        assert done.returncode == USAGE and b"UTF-8" in done.stderr, done.stderr
        assert not (r.folder / "none.json").exists()


def test_too_large():
    """more than a package may hold is refused before anything is written"""
    with started() as r:
        request = r.request()
        done, package = r.seal(request, named={"a": b"x" * (1 << 20) + b"y"})
        refused(done, "secret.too-large", USAGE)
        done, package = r.seal(request, named={"a": b"x" * (1 << 20), "b": b"y" * (1 << 19)})
        refused(done, "parse.too-large", USAGE)
        refused(r.seal(request, named={"a": b""})[0], "parse.bad-value", USAGE)
        assert not package.exists()
        largest = r.sealed(request, named={"a": b"x" * (1 << 20), "b": b"y" * (1 << 18)})
        accepted = r.accept(largest)
        assert accepted.returncode == DONE, accepted.stderr
        long_body = r.ask("admin", "POST", "/v1/admin/provision/accept", None,
                          {"Content-Length": str((2 << 20) + 1)})
        assert (long_body.status, long_body.code) == (413, "parse.too-large"), long_body.body


def test_many_requests():
    """requests that nobody answers are bounded"""
    with started() as r:
        for _ in range(16):
            assert r.post("", "{}").status == 200
        last = r.post("", "{}")
        assert (last.status, last.code) == (503, "request.too-busy"), last.body


def test_changed_package():
    """a byte changed anywhere in a package is refused, and the package itself is still good after"""
    with started() as r:
        package = r.sealed(r.request(), named={"db/password": b"x"})
        text = package.read_bytes().rstrip()
        codes = {}
        for at in range(len(text)):
            changed = bytearray(text)
            changed[at] ^= 1
            answer = r.post("/accept", bytes(changed))
            assert answer.status in (400, 403, 404, 410), (at, answer.status, answer.body)
            codes[answer.code] = codes.get(answer.code, 0) + 1
        assert r.names() == []
        assert {"jose.not-decrypted", "provision.restarted", "provision.unknown", "parse.bad-json"} <= set(codes), codes
        print(f"# {len(text)} bytes: {codes}", flush=True)
        assert r.accept(package).returncode == DONE


def test_changed_request():
    """a byte changed in what a request states or in its evidence is refused

    Endorsements beside the evidence are the vendor's word or nobody's: a changed one is refused or not used.
    """
    with started() as r:
        request = r.request()
        text = request.read_bytes().rstrip()
        company = text.index(b'"endorsements"')
        stated = range(text.index(b'"request"'), text.index(b'"evidence"'))
        places = [*range(0, stated.start), *stated, *range(stated.stop, company, 11),
                  *range(company, len(text), 997)]
        codes, num_unused = {}, 0
        for at in places:
            changed = bytearray(text)
            changed[at] ^= 1
            path = r.write("changed.json", bytes(changed))
            done, package = r.seal(path)
            if done.returncode == DONE and at > company:
                num_unused += 1
                continue
            found = re.search(r"\(([a-z-]+\.[a-z-]+)\)\s*$", done.stderr.decode())
            assert done.returncode in (REFUSED, USAGE, 3) and found and not package.exists(), (
                at, text[max(at - 20, 0):at + 20], done.returncode, done.stderr)
            codes[found[1]] = codes.get(found[1], 0) + 1
        assert "provision.binding" in codes, codes
        print(f"# {len(places)} of {len(text)} bytes: {codes}, {num_unused} not used", flush=True)
        r.sealed(request)


def test_killed_while_accepting():
    """a daemon killed while it accepts has all secrets of the package, or none"""
    with started() as r:
        named = {f"n{i}": random_bytes.token_bytes(20_000) for i in range(20)}
        body = r.sealed(r.request(), named=named).read_bytes()
        begin = time.monotonic()
        assert r.post("/accept", body).status == 200
        whole = time.monotonic() - begin
        num_none = num_all = 0
        delays = random.Random(20261122)
        for _ in range(16):
            for name in r.names():
                assert r.ask("admin", "DELETE", f"/v1/admin/secrets/{name}").status == 204
            body = r.sealed(r.request(), named=named).read_bytes()
            delay = delays.uniform(0, whole / 2)
            killer = threading.Timer(delay, lambda: os.kill(r.daemon.child.pid, signal.SIGKILL))
            killer.start()
            try:
                answered = r.post("/accept", body).status == 200
            except OSError:
                answered = False
            except rig.http.client.HTTPException:
                answered = False
            killer.join()
            r.daemon.child.wait()
            r.start_daemon()
            r.wait_healthy()
            rig.wait_until("the store is open", lambda: r.ask("admin", "GET", "/v1/admin/secrets").status == 200)
            there = r.names()
            assert there in ([], sorted(named)), there
            assert there or not answered, "acknowledged, and lost"
            num_all += 1 if there else 0
            num_none += 0 if there else 1
        print(f"# {num_none} times none, {num_all} times all; one takes {whole * 1000:.0f} ms", flush=True)


def test_hand_over():
    """a store goes from an old image to a new one, names and versions with it, and never through attestctl"""
    with started(OLD_IMAGE, hand_over=NEW_IMAGE) as old, started(NEW_IMAGE) as new:
        old.put("db/password", b"first")
        old.put("db/password", VALUE)
        old.put("other/token", b"token")
        request, package = new.request(), old.folder / "handed-over.json"
        done = old.provision("hand-over", request, "-o", package)
        assert done.returncode == DONE, done.stderr
        assert VALUE not in package.read_bytes() and b"db/password" not in package.read_bytes()
        handed = old.events("/hand-over")
        assert sorted(e["object"] for e in handed) == ["db/password", "other/token"], handed
        assert all(re.fullmatch("[0-9a-f]{64}", e["evidence_sha256"]) for e in handed), handed
        accepted = new.accept(package)
        assert accepted.returncode == DONE, accepted.stderr
        answer = new.get("app", "db/password")
        assert (answer.body, answer.headers["etag"]) == (VALUE, '"2"'), answer.headers
        assert new.get("other", "other/token").body == b"token"
        assert old.get("app", "db/password").body == VALUE  # the old machine keeps its own
        one = old.provision("hand-over", new.request(), "other/token", "-o", package)
        assert one.returncode == DONE, one.stderr
        assert new.accept(package, "--replace").stdout == b"other/token\tversion 2\n"


class OneUnmarked(provision_rig.Machine):
    """Of two secrets one is not marked for tests."""

    def config(self):
        config = super().config()
        del config["secrets"]["other/token"]["test"]
        return config


def test_hand_over_of_test_grade():
    """a machine whose results are of test grade hands over only what policy marks for tests"""
    with started(OLD_IMAGE, hand_over=NEW_IMAGE, kind=OneUnmarked) as old, started(NEW_IMAGE) as new:
        old.put("db/password", VALUE)
        old.put("other/token", b"token")
        package = old.folder / "handed-over.json"
        for names in [], ["other/token"]:
            said = refused(old.provision("hand-over", new.request(), *names, "-o", package), "provision.machine")
            assert "other/token" in said and "test grade" in said, said
            assert not package.exists()
        assert old.provision("hand-over", new.request(), "db/password", "-o", package).returncode == DONE
        assert new.accept(package).returncode == DONE
        assert new.get("app", "db/password").body == VALUE


def test_hand_over_refused():
    """nothing is handed over without configuration, to another image, or from a machine that is not trusted"""
    with started(OLD_IMAGE) as old, started(NEW_IMAGE) as new:
        old.put("db/password", VALUE)
        request, package = new.request(), old.folder / "handed-over.json"
        said = refused(old.provision("hand-over", request, "-o", package), "provision.disabled")
        assert '"hand_over": {"policy":' in said, said
        old.hand_over = "33" * 48
        old.write_config()
        assert old.ask("admin", "POST", "/v1/admin/reload").status == 200
        said = refused(old.provision("hand-over", request, "-o", package), "provision.machine")
        assert "snp.measurement.mismatch" in said, said
        old.hand_over = NEW_IMAGE
        old.write_config()
        assert old.ask("admin", "POST", "/v1/admin/reload").status == 200
        rig.wait_until("healthy", lambda: old.ask("app", "GET", "/v1/health").status == 200)
        # Evidence of another request: what is asked for is not what the hardware vouches for.
        mixed = json.loads(request.read_text())
        mixed["evidence"] = json.loads(new.request().read_text())["evidence"]
        path = new.write("mixed.json", json.dumps(mixed).encode())
        refused(old.provision("hand-over", path, "-o", package), "provision.binding")
        refused(old.provision("hand-over", request, "no/such", "-o", package), "secret.unavailable")
        old.control(debug=True)
        old.renew()
        rig.wait_until("not affirming", lambda: old.ask("app", "GET", "/v1/health").status == 503)
        refused(old.provision("hand-over", request, "-o", package), "session.not-affirming")
        assert not package.exists()
        assert all(e["decision"] == "deny" for e in old.events("/hand-over"))


def test_bad_hand_over_policy():
    """a hand-over policy that is none refuses the configuration"""
    with started(OLD_IMAGE, hand_over=NEW_IMAGE) as r:
        assert r.attestctl("policy", "check", r.config_file).returncode == DONE
        (r.folder / "next-image.json").write_text('{"snp": {}}')
        checked = r.attestctl("policy", "check", r.config_file)
        assert checked.returncode != DONE and b"next-image.json" in checked.stderr, checked.stderr
        answer = r.ask("admin", "POST", "/v1/admin/reload")
        assert answer.status != 200 and b"next-image.json" in answer.body, answer.body
        r.policy_for = lambda measurement: {"snp": {}}
        checked = r.check()
        assert checked.returncode != DONE and "next-image.json" in checked.stderr, checked.stderr


def test_independent_sender():
    """a package that another program made by the standards is accepted"""
    try:
        from cryptography.hazmat.primitives import hashes, keywrap
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
    except ImportError:
        raise tap.Skip("no cryptography for Python")

    def b64u(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    def decoded(text):
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    def counted(data):
        return len(data).to_bytes(4, "big") + data

    with started() as r:
        body = json.loads(json.loads(r.request().read_text())["request"])
        key = body["key"]
        peer = ec.EllipticCurvePublicNumbers(int.from_bytes(decoded(key["x"]), "big"),
                                             int.from_bytes(decoded(key["y"]), "big"), ec.SECP256R1()).public_key()
        own = ec.generate_private_key(ec.SECP256R1())
        point = own.public_key().public_numbers()
        apu, apv = bytes.fromhex(body["instance"]), bytes.fromhex(body["id"])
        info = counted(b"ECDH-ES+A256KW") + counted(apu) + counted(apv) + (256).to_bytes(4, "big")
        kek = ConcatKDFHash(hashes.SHA256(), 32, info).derive(own.exchange(ec.ECDH(), peer))
        members = json.dumps({k: key[k] for k in ("crv", "kty", "x", "y")}, separators=(",", ":"), sort_keys=True)
        digest = hashes.Hash(hashes.SHA256())
        digest.update(members.encode())
        header = b64u(json.dumps({
            "typ": "attestd-provision-package-1", "alg": "ECDH-ES+A256KW", "enc": "A256GCM", "apu": b64u(apu),
            "apv": b64u(apv), "kid": b64u(digest.finalize()),
            "epk": {"kty": "EC", "crv": "P-256", "x": b64u(point.x.to_bytes(32, "big")),
                    "y": b64u(point.y.to_bytes(32, "big"))}}).encode())
        manifest = json.dumps({"attestd_provision": 1, "names": "policy",
                               "secrets": [{"name": "db/password", "len": len(VALUE), "version": 0}]}).encode()
        cek, iv = os.urandom(32), os.urandom(12)
        sealed = AESGCM(cek).encrypt(iv, counted(manifest) + VALUE, header.encode())
        package = {"protected": header, "encrypted_key": b64u(keywrap.aes_key_wrap(kek, cek)), "iv": b64u(iv),
                   "ciphertext": b64u(sealed[:-16]), "tag": b64u(sealed[-16:])}
        bad = copy.deepcopy(package)
        bad["tag"] = b64u(os.urandom(16))
        assert r.post("/accept", json.dumps(bad)).code == "jose.not-decrypted"
        answer = r.post("/accept", json.dumps(package))
        assert answer.status == 200, answer.body
        assert r.get("app", "db/password").body == VALUE


def test_canary():
    """no value of a package lies in a file, or in memory of the daemon that is not made for secrets"""
    canary = canary_test.Canary()
    with started(OLD_IMAGE, hand_over=NEW_IMAGE) as r, started(NEW_IMAGE) as new:
        request = r.request()
        package = r.sealed(request, named={"db/password": canary.value})
        for path in r.folder.glob("value-*"):
            path.unlink()
        assert r.accept(package).returncode == DONE
        handed = r.folder / "handed-over.json"
        assert r.provision("hand-over", new.request(), "-o", handed).returncode == DONE
        assert new.accept(handed).returncode == DONE
        assert new.get("app", "db/password").body == canary.value
        for machine in (r, new):
            for path in machine.folder.rglob("*"):
                assert not path.is_file() or not canary.found_in(path.read_bytes()), path
        if os.getuid() != 0:
            raise tap.Skip("reading another process' memory needs root")
        for machine in (r, new):
            pid = machine.daemon.child.pid
            for mapping in canary_test.mappings(pid):
                if mapping["name"] in ("[vvar]", "[vvar_vclock]", "[vsyscall]") or canary_test.is_arena(mapping):
                    continue
                data = canary_test.memory_of(pid, mapping)
                assert not canary.found_in(data or b""), mapping


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    provision_rig.BUILD = sys.argv[1]
    return tap.run([test for name, test in globals().items() if name.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
