// Rules that trust an interpreter trust whatever it is given.
#include "agent/caller/interpreters.h"

#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"

using namespace attestd;
using attestd::test::TempDir;

namespace {

Config config_with_rule(MatchItem item) {
    Config out;
    out.workloads = {Workload{"app", {std::move(item)}, false, false}};
    return out;
}

}  // namespace

TEST_CASE("interpreters are known by their names, with and without a version",
          "[agent][interpreters]") {
    for (const char* const name :
         {"sh", "bash", "python3", "python3.11", "perl5.36.0", "busybox", "ld-linux-x86-64.so.2",
          "ld-musl-x86_64.so.1", "ld.so", "java"}) {
        INFO(name);
        CHECK(is_interpreter_name(name));
    }
    for (const char* const name : {"nginx", "ssh", "pythonic", "bash-app", "app3", "", "3.11"}) {
        INFO(name);
        CHECK_FALSE(is_interpreter_name(name));
    }
}

TEST_CASE("a rule with an interpreter's digest or path is found out", "[agent][interpreters]") {
    const TempDir dir;
    dir.write("python3.11", std::string_view("the interpreter"));
    dir.write("app", std::string_view("the program"));
    std::filesystem::create_symlink("python3.11", dir / "python3");
    MatchItem item;
    item.exe_sha256 = sha256(as_bytes("the interpreter"));
    const InterpreterRule found{"app", std::filesystem::canonical(dir / "python3.11")};
    CHECK(interpreter_rules(config_with_rule(item), {dir.path()}) ==
          std::vector<InterpreterRule>{found});
    item.exe_sha256 = sha256(as_bytes("the program"));
    CHECK(interpreter_rules(config_with_rule(item), {dir.path()}).empty());
    MatchItem by_path;
    by_path.exe_path = "/usr/bin/python3";
    const InterpreterRule path{"app", "/usr/bin/python3"};
    CHECK(interpreter_rules(config_with_rule(by_path), {}) == std::vector<InterpreterRule>{path});
}

TEST_CASE("a folder that is not there holds no interpreter", "[agent][interpreters]") {
    MatchItem item;
    item.exe_sha256 = Sha256{};
    CHECK(interpreter_rules(config_with_rule(item), {"/nowhere/at/all"}).empty());
}
