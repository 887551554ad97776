"""A rig whose secrets are Vault's: what the tests of both share."""
import contextlib
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import fetch_test  # noqa: E402
import rig  # noqa: E402
import tap  # noqa: E402
import vault_server  # noqa: E402

VALUE = b"from vault"
RESOURCE = "vault://kv/db#password"


class VaultRig(rig.Rig):
    """A rig whose secrets are Vault's: source and secret of one name for each Vault."""

    def __init__(self, max_age="10m"):
        super().__init__(fetch_test.BUILD, max_age)
        self.sources, self.secrets = {}, {}
        self.server = vault_server.VaultServer()
        self.fetch = fetch_test.Fetch(fetch_test.config_for(self.server))
        self.token_file = self.folder / "attestation.jwt"
        self.write_token(self.server.jwt())

    def __exit__(self, *exception):
        self.server.__exit__()
        self.fetch.__exit__()
        if exception[0] is not None and self.daemon is not None:
            print(self.daemon.output, file=sys.stderr)
        super().__exit__(*exception)

    def write_token(self, token):
        beside = self.token_file.with_suffix(".new")
        beside.write_text(token + "\n")
        os.chmod(beside, 0o600)
        beside.rename(self.token_file)

    def add(self, name="vault", lie=None, resource=RESOURCE, **options):
        """a Vault, the source that is it, and one secret of it"""
        vault = self.server.vault(name)
        if lie:
            vault.lie(lie)
        self.sources[name] = {"type": "vault", "url": vault.url, "role": "app", "token_file": str(self.token_file),
                              "fetch_socket": str(self.fetch.socket), "timeout": "20s", **options}
        self.sources[name] = {key: value for key, value in self.sources[name].items() if value is not None}
        self.add_secret(name, name, resource)
        return vault

    def add_secret(self, secret, source, resource, **more):
        self.secrets[secret] = {"source": source, "resource": resource, "allow": ["app"], "test": True, **more}

    def config(self):
        fast = {"per_second": 10000, "burst": 10000}
        return {**super().config(), "sources": self.sources, "secrets": self.secrets,
                "limits": {"requests": fast, "connections_per_uid": 256}}

    def value(self, name="vault"):
        answer = self.get("app", name)
        assert answer.status == 200, (answer.status, answer.body, self.source(name))
        return answer.body

    def status(self):
        return self.ask("app", "GET", "/v1/status").json

    def source(self, name="vault"):
        return self.status()["sources"][name]

    def metrics(self):
        return self.ask("admin", "GET", "/metrics").body.decode()


@contextlib.contextmanager
def made(**how):
    with VaultRig(**how) as r:
        yield r


def good(vault):
    assert not vault.complaints, vault.complaints


def run(tests):
    """main() of a test file"""
    fetch_test.BUILD = pathlib.Path(sys.argv[-1]).resolve()
    only = sys.argv[1:-1]
    return tap.run([t for t in tests if not only or t.__name__ in only])
