"""What the tests of provisioning share: machines that run a certain image, with the files of their operators."""
import json

import rig

BUILD = None
VALUE = b"correct horse\x00\xff battery staple"
OLD_IMAGE, NEW_IMAGE = "11" * 48, "22" * 48
DONE, REFUSED, USAGE = 0, 1, 2


class Machine(rig.Rig):
    """A machine that runs a certain image, and what its operator keeps in files."""

    def __init__(self, measurement=OLD_IMAGE):
        super().__init__(BUILD)
        self.measurement = measurement
        self.hand_over = None  # the measurement of the image that may take over

    def start_machine(self):
        super().start_machine()
        self.control(measurement=self.measurement)

    def policy_for(self, measurement):
        return {"snp": {**self.appraisal_policy()["snp"], "measurement": [measurement]}}

    def config(self):
        config = super().config()
        if self.hand_over:
            policy = self.folder / "next-image.json"
            policy.write_text(json.dumps(self.policy_for(self.hand_over)))
            config["hand_over"] = {"policy": str(policy)}
        return config

    # --- the machine's side

    def provision(self, *args):
        return self.attestctl("provision", "--admin-socket", self.socket("admin"), *args)

    def request(self, *args):
        path = self.folder / f"request-{self.count()}.json"
        done = self.provision("request", "-o", path, *args)
        assert done.returncode == DONE, done.stderr
        return path

    def accept(self, package, *args):
        return self.provision("accept", package, *args)

    # --- the operator's side

    def write(self, name, value):
        path = self.folder / name
        path.write_bytes(value)
        return path

    def count(self):
        self.num_files = getattr(self, "num_files", 0) + 1
        return self.num_files

    def seal(self, request, *args, measurement=None, named=None, test=True):
        """attestctl's outcome and the package's path"""
        package = self.folder / f"package-{self.count()}.json"
        policy = self.write(f"policy-{self.count()}.json",
                            json.dumps(self.policy_for(measurement or self.measurement)).encode())
        if named is None:
            named = {"db/password": VALUE, "other/token": b"token"}
        pairs = [f"{name}={self.write(f'value-{self.count()}', value)}" for name, value in named.items()]
        allow = ["--allow-test"] if test else []
        done = self.attestctl("provision", "seal", "--policy", policy, "--trust-anchor",
                              self.machine_dir / "root.der", *allow, *args, request, *pairs, "-o", package)
        return done, package

    def sealed(self, *args, **more):
        done, package = self.seal(*args, **more)
        assert done.returncode == DONE, done.stderr
        return package

    def post(self, route, body):
        return self.ask("admin", "POST", f"/v1/admin/provision{route}", body, {"Content-Type": "application/json"})

    def names(self):
        return [one["name"] for one in self.ask("admin", "GET", "/v1/admin/secrets").json["secrets"]]

    def events(self, route):
        return [r for r in self.audit_records() if r["method"] == f"POST /v1/admin/provision{route}"]


class TdxMachine(Machine):
    """The same on TDX, where endorsements are files; the store opens by an operator's key."""

    REFERENCE_VALUES = ("mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3", "mrseam", "mrconfigid", "mrowner",
                        "mrownerconfig")

    def machine_command(self):
        return [word if word != "snp" else "tdx" for word in super().machine_command()]

    def appraisal_policy(self):
        return {"tdx": {name: "any" for name in self.REFERENCE_VALUES}}

    def policy_for(self, measurement):
        return {"tdx": {**self.appraisal_policy()["tdx"], "mrtd": [measurement]}}

    def collateral(self):
        return self.machine_dir / "collateral.json"

    def config(self):
        config = super().config()
        config["verifier"]["endorsements"] = [str(self.collateral())]
        key = self.folder / "recovery"
        if not key.exists():
            assert self.attestctl("store", "recovery-key", key).returncode == DONE
        config["sources"]["store"] = {"type": "store", "recovery_key": f"{key}.pub"}
        return config


def started(measurement=OLD_IMAGE, hand_over=None, kind=Machine):
    made = kind(measurement)
    made.hand_over = hand_over
    return made.begun()


def refused(done, code, status=REFUSED):
    assert done.returncode == status and f"({code})" in done.stderr.decode(), (done.returncode, done.stderr)
    return done.stderr.decode()
