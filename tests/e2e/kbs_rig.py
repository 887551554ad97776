"""A rig whose secrets are a key broker's: what the tests of both share."""
import contextlib
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import fetch_test  # noqa: E402
import rig  # noqa: E402
import tap  # noqa: E402
try:
    import kbs_server  # noqa: E402
except ImportError as missing:
    kbs_server, WHY_NOT = None, missing

VALUE = b"from the broker"
RESOURCE = "default/db/password"
TDX_MEMBERS = ("mrtd", "mrseam", "mrconfigid", "mrowner", "mrownerconfig", "rtmr0", "rtmr1", "rtmr2", "rtmr3")


class KbsRig(rig.Rig):
    """A rig whose secrets are a key broker's: source and secret of one name for each broker."""

    def __init__(self, tee="snp", max_age="10m"):
        super().__init__(fetch_test.BUILD, max_age)
        self.tee, self.sources, self.secrets = tee, {}, {}
        self.server = kbs_server.KbsServer()
        self.fetch = fetch_test.Fetch(fetch_test.config_for(self.server))

    def __exit__(self, *exception):
        self.server.__exit__()
        self.fetch.__exit__()
        if exception[0] is not None and self.daemon is not None:
            print(self.daemon.output, file=sys.stderr)
        super().__exit__(*exception)

    def add(self, name, lie=None, resource=RESOURCE, **options):
        """a broker, the source that is it, and one secret of it"""
        broker = self.server.broker(name)
        if lie:
            broker.lie(lie)
        self.sources[name] = {"type": "kbs", "url": broker.url, "token_signer": str(self.server.signer_ca),
                              "fetch_socket": str(self.fetch.socket), "timeout": "20s", **options}
        self.sources[name] = {key: value for key, value in self.sources[name].items() if value is not None}
        self.add_secret(name, name, resource)
        return broker

    def add_secret(self, secret, source, resource, **more):
        self.secrets[secret] = {"source": source, "resource": resource, "allow": ["app"], "test": True, **more}

    def machine_command(self):
        return [self.program("attestd-devsim"), "--dir", self.machine_dir, "--tee", self.tee,
                "--socket", self.socket("platform")]

    def appraisal_policy(self):
        if self.tee == "snp":
            return super().appraisal_policy()
        return {"tdx": {name: "any" for name in TDX_MEMBERS}}

    def config(self):
        fast = {"per_second": 10000, "burst": 10000}
        return {**super().config(), "sources": self.sources, "secrets": self.secrets,
                "limits": {"requests": fast, "connections_per_uid": 256}}

    def refused(self, name, code, says="", source=None):
        """asks, and is refused with that code; status tells why"""
        answer = self.get("app", name)
        assert answer.status != 200 and answer.code == code, (name, answer.status, answer.body)
        assert VALUE not in answer.body
        told = self.told(source or name)
        assert told.startswith(code + ": ") and says in told, (name, told)
        return answer

    def told(self, source):
        return self.status()["sources"][source].get("last_error", "")

    def status(self):
        return self.ask("app", "GET", "/v1/status").json


@contextlib.contextmanager
def made(tee="snp", **how):
    if kbs_server is None:
        raise tap.Skip(f"python3-cryptography is not there: {WHY_NOT}")
    with KbsRig(tee, **how) as r:
        yield r


def good(broker):
    assert not broker.complaints, broker.complaints


def answered(r, value, name="broker"):
    """the answer, if it is that value"""
    answer = r.get("app", name)
    return answer if (answer.status, answer.body) == (200, value) else None


def run(tests):
    """main() of a test file"""
    fetch_test.BUILD = pathlib.Path(sys.argv[-1]).resolve()
    only = sys.argv[1:-1]
    return tap.run([t for t in tests if not only or t.__name__ in only])
