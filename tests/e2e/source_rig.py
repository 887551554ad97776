"""A rig whose secrets a server on the network keeps, behind attestd-fetch: a source and a secret of one name for each."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import fetch_test  # noqa: E402
import rig  # noqa: E402
import tap  # noqa: E402


class SourceRig(rig.Rig):
    def __init__(self, server, max_age):
        super().__init__(fetch_test.BUILD, max_age)
        self.sources, self.secrets = {}, {}
        self.server = server
        self.fetch = fetch_test.Fetch(fetch_test.config_for(server))

    def __exit__(self, *exception):
        self.server.__exit__()
        self.fetch.__exit__()
        if exception[0] is not None and self.daemon is not None:
            print(self.daemon.output, file=sys.stderr)
        super().__exit__(*exception)

    def add_source(self, name, resource, options):
        """the source, with the options that are given, and one secret of it"""
        whole = {"fetch_socket": str(self.fetch.socket), "timeout": "20s", **options}
        self.sources[name] = {key: value for key, value in whole.items() if value is not None}
        self.add_secret(name, name, resource)

    def add_secret(self, secret, source, resource, **more):
        self.secrets[secret] = {"source": source, "resource": resource, "allow": ["app"], "test": True, **more}

    def config(self):
        fast = {"per_second": 10000, "burst": 10000}
        return {**super().config(), "sources": self.sources, "secrets": self.secrets,
                "limits": {"requests": fast, "connections_per_uid": 256}}

    def status(self):
        return self.ask("app", "GET", "/v1/status").json


def run(tests):
    """main() of a test file"""
    fetch_test.BUILD = pathlib.Path(sys.argv[-1]).resolve()
    only = sys.argv[1:-1]
    return tap.run([t for t in tests if not only or t.__name__ in only])
