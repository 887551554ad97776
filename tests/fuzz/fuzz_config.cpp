// The daemon's configuration, from a file system of its own.
#include <fcntl.h>

#include "config/lint.h"
#include "config/loader.h"
#include "quote/base/fd.h"
#include "tests/fuzz/target.h"
#include "tests/support/temp_dir.h"

namespace attestd::fuzz::config {
namespace {

struct Root {
    test::TempDir dir;
    Root() {
        dir.write("policy.json", std::string_view("{}"));
        dir.write("secrets.d/a.json", std::string_view(R"({"secrets": {}})"));
        dir.write("etc/passwd", std::string_view("root:x:0:0::/:/bin/sh\napp:x:1000:1001::/:\n"));
        dir.write("etc/group", std::string_view("root:x:0:\nweb:x:1002:app\n"));
    }
};

void run(ByteView input) {
    static const Root root;
    static const Fd dir = must(open_file(root.dir.path(), O_RDONLY | O_DIRECTORY));
    {
        const Fd file = must(open_at(dir, "attestd.json", O_WRONLY | O_CREAT | O_TRUNC, 0600));
        holds(write_all(file, input, "configuration").has_value(), "it is written");
    }
    const auto loaded = load_config("/attestd.json", {}, root.dir.path());
    if (!loaded) return holds(!loaded.error().detail.empty(), "a refusal says why");
    const auto again = must(load_config("/attestd.json", {}, root.dir.path()));
    holds(again.digest == loaded->digest, "the same file has the same digest");
    reached();
    static_cast<void>(lint(*loaded));
}

Seeds seeds() {
    const std::string verifier = R"("verifier": {"type": "local", "policy": "/policy.json"})";
    return {seed("least", "{" + verifier + "}"),
            seed("more", R"({"platform": {"type": "auto"}, )" + verifier + R"(,
 "sources": {"store": {"type": "store", "path": "/var/lib/attestd/store", "measured_image": true}},
 "workloads": {"db": {"match": [{"unit": "db.service"}]}, "app": {"match": [{"user": "app", "socket": "app"}]}},
 "secrets": {"db/password": {"source": "store", "allow": ["db"], "deny": ["app"], "ttl": "1h",
   "require": {"claims": [{"vmpl": [0, 1]}, {"tee_type": "0x81"}], "max_age": "5m"}}},
 "listeners": [{"name": "app", "path": "/run/attestd/app.sock", "mode": "0660"},
   {"name": "admin", "path": "/run/attestd/admin.sock", "kind": "admin", "mode": "0600"}],
 "audit": {"sync": "batched"}, "config_binding": "image"} // end)"),
            seed("kbs",
                 R"({"sources": {"b": {"type": "kbs", "url": "https://kbs.example.com:8080",
 "token_signer": "/policy.json", "protocol": "0.4.0", "tee_key": "p256", "timeout": "50s"}}, )" +
                     verifier +
                     R"(, "secrets_dir": {"path": "/secrets.d", "prefixes": {"a.json": "a/"}}})")};
}

const bool kAdded = add({.name = "config",
                         .run = run,
                         .seeds = seeds,
                         .words = {"\"platform\":",
                                   "\"verifier\":",
                                   "\"sources\":",
                                   "\"workloads\":",
                                   "\"secrets\":",
                                   "\"listeners\":",
                                   "\"match\":",
                                   "\"uid\":",
                                   "\"gid\":",
                                   "\"unit\":",
                                   "\"container\":",
                                   "\"exe_sha256\":",
                                   "\"pidns\":",
                                   "\"allow\":",
                                   "\"deny\":",
                                   "\"require\":",
                                   "\"ttl\":",
                                   "\"limits\":",
                                   "\"identity\":",
                                   "\"hand_over\":",
                                   "\"config_binding\":",
                                   "\"rtmr3\"",
                                   "\"external\"",
                                   "\"type\":",
                                   "\"kbs\"",
                                   "\"resource\":",
                                   "\"generate\":",
                                   "\"credentials\"",
                                   "\"0660\"",
                                   "\"10m\"",
                                   "*",
                                   "//"},
                         .mutations = 1000});

}  // namespace
}  // namespace attestd::fuzz::config
