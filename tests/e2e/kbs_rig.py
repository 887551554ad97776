"""A rig whose secrets are a key broker's: what the tests of both share."""
import contextlib
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import rig  # noqa: E402
import source_rig  # noqa: E402
import tap  # noqa: E402
try:
    import kbs_server  # noqa: E402
except ImportError as missing:
    kbs_server, WHY_NOT = None, missing

VALUE = b"from the broker"
RESOURCE = "default/db/password"
run = source_rig.run


class KbsRig(source_rig.SourceRig):
    """A rig whose secrets are a key broker's: source and secret of one name for each broker."""

    def __init__(self, tee="snp", max_age="10m"):
        super().__init__(kbs_server.KbsServer(), max_age)
        self.tee = tee

    def add(self, name, lie=None, resource=RESOURCE, **options):
        """a broker, the source that is it, and one secret of it"""
        broker = self.server.broker(name)
        if lie:
            broker.lie(lie)
        self.add_source(name, resource, {"type": "kbs", "url": broker.url,
                                         "token_signer": str(self.server.signer_ca), **options})
        return broker

    def machine_command(self):
        return [self.program("attestd-devsim"), "--dir", self.machine_dir, "--tee", self.tee,
                "--socket", self.socket("platform")]

    def appraisal_policy(self):
        if self.tee == "snp":
            return super().appraisal_policy()
        return {"tdx": dict(rig.ANY_TDX["tdx"])}

    def refused(self, name, code, says="", source=None):
        """asks, and is refused with that code; status tells why"""
        answer = self.get("app", name)
        # What is wrong with the form of an answer has a code for callers that is not theirs.
        shown = "peer.protocol" if code.startswith("parse.") else code
        assert answer.status != 200 and answer.code == shown, (name, answer.status, answer.body)
        assert VALUE not in answer.body
        told = self.told(source or name)
        assert told.startswith(code + ": ") and says in told, (name, told)
        return answer

    def told(self, source):
        return self.status()["sources"][source].get("last_error", "")


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
