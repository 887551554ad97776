// A folder with a configuration in it, for the tests of what the loader takes and refuses.
#pragma once

#include "config/loader.h"
#include "tests/support/temp_dir.h"

namespace attestd::config_test {

// A folder with everything that a configuration names; "@" in a text stands for its path.
struct Setup {
    test::TempDir dir;
    AccountFiles accounts;

    Setup() {
        dir.write("policy.json", std::string_view("{}"));
        dir.write("anchor.pem", std::string_view("anchor"));
        accounts.passwd = dir.write(
            "passwd",
            std::string_view("root:x:0:0::/:/bin/sh\napp:x:1000:1001::/:\nodd:x:abc:0::/:\n"));
        accounts.group = dir.write("group", std::string_view("root:x:0:\nweb:x:1002:app\n"));
    }

    std::string expanded(std::string text) const {
        for (auto at = text.find('@'); at != text.npos; at = text.find('@', at)) {
            // "web@*" and the like keep theirs: only "@/" is a path.
            if (text.compare(at, 2, "@/") == 0) {
                text.replace(at, 1, dir.path().string());
            } else {
                ++at;
            }
        }
        return text;
    }

    Result<Config> load(const std::string& text) const {
        return load_config(dir.write("attestd.json", expanded(text)), accounts);
    }
    // The least that loads, with `members` (each ended by a comma) before it.
    Result<Config> load_with(const std::string& members) const {
        return load("{\n" + members +
                    "\n\"verifier\": {\"type\": \"local\", \"policy\": \"@/policy.json\"}\n}");
    }
};

inline const std::string kStore = R"("sources": {"store": {"type": "store"}},)";
inline const std::string kApp =
    R"("workloads": {"app": {"match": [{"uid": 1000}]}, "db": {"match": [{"unit": "db.service"}]}},)";

}  // namespace attestd::config_test
