"""A rig whose secrets are Vault's: what the tests of both share."""
import contextlib
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import source_rig  # noqa: E402
import vault_server  # noqa: E402

VALUE = b"from vault"
RESOURCE = "vault://kv/db#password"
run = source_rig.run


class VaultRig(source_rig.SourceRig):
    """A rig whose secrets are Vault's: source and secret of one name for each Vault."""

    def __init__(self, max_age="10m"):
        super().__init__(vault_server.VaultServer(), max_age)
        self.token_file = self.folder / "attestation.jwt"
        self.write_token(self.server.jwt())

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
        self.add_source(name, resource, {"type": "vault", "url": vault.url, "role": "app",
                                         "token_file": str(self.token_file), **options})
        return vault

    def value(self, name="vault"):
        answer = self.get("app", name)
        assert answer.status == 200, (answer.status, answer.body, self.source(name))
        return answer.body

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
