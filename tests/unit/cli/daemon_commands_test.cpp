// attestctl quote, secret and status against a daemon that answers as told.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "quote/base/encoding.h"
#include "tests/support/vectors.h"
#include "tests/unit/cli/fake_daemon.h"
#include "tests/unit/cli/run_attestctl.h"

namespace attestd::test {
namespace {

std::string problem(std::string_view status, std::string_view code, std::string_view detail) {
    return answer(
        status,
        R"({"code": ")" + std::string(code) + R"(", "detail": ")" + std::string(detail) + R"("})",
        "Content-Type: application/problem+json\r\n");
}

}  // namespace

TEST_CASE("secret get: the bytes go to standard output as they are", "[cli]") {
    const std::string value("a\0b\n\xff", 5);
    FakeDaemon daemon(answer("200 OK", value));
    const CliRun run = attestctl({"secret", "get", "db/password", "--socket", daemon.path()});
    CHECK(run.status == 0);
    CHECK(run.out == value);
    CHECK(run.err.empty());
    CHECK_THAT(daemon.request(), ContainsSubstring("GET /v1/secrets/db/password HTTP/1.1\r\n"));
    CHECK_THAT(daemon.request(), ContainsSubstring("Accept: application/octet-stream\r\n"));
}

TEST_CASE("secret: a refusal exits 1 with the daemon's code and words, and writes nothing",
          "[cli]") {
    FakeDaemon daemon(problem("404 Not Found", "secret.unavailable", "no such secret for you"));
    const CliRun run = attestctl({"secret", "get", "a", "--socket", daemon.path()});
    CHECK(run.status == 1);
    CHECK(run.out.empty());
    CHECK(run.err == "error: secret get: no such secret for you (secret.unavailable)\n");
}

TEST_CASE("secret: a refusal without a problem document still exits 1", "[cli]") {
    FakeDaemon daemon(answer("503 Busy", "<html>"));
    const CliRun run = attestctl({"secret", "get", "a", "--socket", daemon.path()});
    CHECK(run.status == 1);
    CHECK_THAT(run.err, ContainsSubstring("status 503"));
}

TEST_CASE("commands that act: a daemon that cannot be reached is exit status 3", "[cli]") {
    TempDir dir;
    const std::string nobody = (dir / "nobody").string();
    const std::vector<std::vector<std::string>> commands{
        {"secret", "get", "a", "--socket", nobody},
        {"secret", "rm", "a", "--admin-socket", nobody},
        {"secret", "list", "--admin-socket", nobody},
        {"secret", "rotate", "a", "--admin-socket", nobody},
        {"policy", "explain", "--caller", "1", "--secret", "a", "--admin-socket", nobody},
        {"quote", "--socket", nobody},
        {"quote", "--platform", "external:" + nobody},
        {"status", "--socket", nobody},
        {"store", "slots", "--admin-socket", nobody},
        {"store", "drop-slot", "1", "--admin-socket", nobody},
    };
    for (const auto& args : commands) {
        const CliRun run = attestctl(args);
        INFO(run.err);
        CHECK(run.status == 3);
        CHECK(run.out.empty());
        CHECK_THAT(run.err, ContainsSubstring(nobody));
    }
}

TEST_CASE("commands that act: an answer that is not HTTP is exit status 3", "[cli]") {
    FakeDaemon daemon("garbage\r\n\r\n");
    CHECK(attestctl({"status", "--socket", daemon.path()}).status == 3);
}

TEST_CASE("secret put: the file's or standard input's bytes are sent untrimmed", "[cli]") {
    const std::string value(" trailing newline stays\n\n");
    TempDir dir;
    const std::string file = dir.write("value", std::string_view(value));
    const bool from_file = GENERATE(true, false);
    FakeDaemon daemon(answer("200 OK", R"({"version": 1})"), value.size());
    std::vector<std::string> args{"secret", "put", "a/b", "--admin-socket", daemon.path()};
    if (from_file) args.insert(args.begin() + 3, file);
    const CliRun run = attestctl(args, from_file ? "" : value);
    INFO(run.err);
    CHECK(run.status == 0);
    CHECK_THAT(daemon.request(), ContainsSubstring("PUT /v1/admin/secrets/a/b HTTP/1.1\r\n"));
    CHECK(daemon.request().ends_with("\r\n\r\n" + value));
}

TEST_CASE("secret put: an input that cannot be stored is exit status 2, before anything is sent",
          "[cli]") {
    TempDir dir;
    FakeDaemon daemon(answer("200 OK", ""));
    const std::string large = dir.write("large", std::string(std::size_t{1 << 20} + 1, 'x'));
    const std::string empty = dir.write("empty", std::string_view());
    for (const std::string& file : {large, empty, (dir / "absent").string(), dir.path().string()}) {
        INFO(file);
        CHECK(attestctl({"secret", "put", "a", file, "--admin-socket", daemon.path()}).status == 2);
    }
    CHECK(daemon.request().empty());
}

TEST_CASE("secret put: a secret of exactly 1 MiB is sent", "[cli]") {
    const std::string value(1 << 20, 'x');
    FakeDaemon daemon(answer("204 No Content", ""), value.size());
    TempDir dir;
    const CliRun run = attestctl({"secret", "put", "a", dir.write("v", std::string_view(value)),
                                  "--admin-socket", daemon.path()});
    INFO(run.err);
    CHECK(run.status == 0);
    CHECK(daemon.request().ends_with("\r\n\r\n" + value));
}

TEST_CASE("secret rm and rotate: one request on the name", "[cli]") {
    FakeDaemon daemon(answer("200 OK", ""));
    CHECK(attestctl({"secret", "rm", "a/b", "--admin-socket", daemon.path()}).status == 0);
    CHECK_THAT(daemon.request(), ContainsSubstring("DELETE /v1/admin/secrets/a/b HTTP/1.1\r\n"));
    CHECK(attestctl({"secret", "rotate", "a/b", "--admin-socket", daemon.path()}).status == 0);
    CHECK_THAT(daemon.request(), ContainsSubstring("POST /v1/admin/secrets/a/b HTTP/1.1\r\n"));
}

TEST_CASE("secret list: one line a name; damage is a warning; nothing reaches the terminal raw",
          "[cli]") {
    const std::string body =
        R"({"secrets": [{"name": "a", "version": 3, "length": 5}, {"name": "b/c", "version": 1}],)"
        R"( "damaged": ["record-00: bad\u001b[31m"]})";
    FakeDaemon daemon(answer("200 OK", body));
    const CliRun run = attestctl({"secret", "list", "--admin-socket", daemon.path()});
    CHECK(run.status == 0);
    CHECK(run.out == "a\tversion 3\nb/c\tversion 1\n");
    CHECK_THAT(run.err, ContainsSubstring("warning: damaged: record-00: bad\\x1b[31m\n"));
    CHECK(attestctl({"secret", "list", "--json", "--admin-socket", daemon.path()}).out ==
          body + "\n");
}

TEST_CASE("usage: what is wrong on the command line is exit status 2 and a word on standard error",
          "[cli]") {
    const auto args = GENERATE(values<std::vector<std::string>>({
        {},
        {"frobnicate"},
        {"secret"},
        {"secret", "get"},
        {"secret", "get", "../etc/passwd"},
        {"secret", "get", "a//b"},
        {"secret", "get", "a", "b"},
        {"secret", "get", "a", "--no-such-option"},
        {"quote", "--report-data", "xyz"},
        {"quote", "--report-data", "abc"},
        {"quote", "--report-data", std::string(130, '0')},
        {"quote", "--platform", "configfs"},
        {"quote", "--platform", "external:"},
        {"quote", "--platform", "external:/a", "--socket", "/b"},
        {"store", "add-slot"},
        {"store", "add-slot", "carrier-pigeon"},
        {"store", "add-slot", "recovery"},
        {"store", "drop-slot", "x"},
        {"store", "drop-slot", "1", "--recovery-key", "k"},
        {"store", "slots", "--store", "/a", "--admin-socket", "/b"},
        {"store", "recovery-key", "/nonexistent/folder/key"},
        {"provision"},
        {"provision", "accept"},
        {"provision", "accept", "/nonexistent"},
        {"provision", "hand-over", "/nonexistent", "-o", "p"},
        {"provision", "hand-over", "/dev/null", "-o", "p"},
        {"provision", "seal", "--policy", "p", "r", "-o", "p"},
        {"provision", "seal", "--policy", "p", "r", "a=/dev/null"},
        {"provision", "seal", "--policy", "p", "r", "a", "-o", "p"},
        {"provision", "seal", "--policy", "p", "r", "a=", "-o", "p"},
        {"provision", "seal", "--policy", "p", "r", "../a=f", "-o", "p"},
        {"provision", "seal", "--policy", "p", "/dev/null", "a=f", "-o", "p"},
        {"policy", "check"},
        {"policy", "check", "/nonexistent"},
    }));
    const CliRun run = attestctl(args);
    INFO(run.err);
    CHECK(run.status == 2);
    CHECK(run.out.empty());
    CHECK_FALSE(run.err.empty());
}

TEST_CASE("help and version exit 0 on standard output", "[cli]") {
    const auto args = GENERATE(values<std::vector<std::string>>({{"--help"},
                                                                 {"--version"},
                                                                 {"secret", "--help"},
                                                                 {"secret", "put", "--help"},
                                                                 {"store", "add-slot", "--help"}}));
    const CliRun run = attestctl(args);
    CHECK(run.status == 0);
    CHECK_FALSE(run.out.empty());
    CHECK(run.err.empty());
}

TEST_CASE("quote: through the daemon, the evidence goes raw to a file or pipe, or as JSON",
          "[cli]") {
    const std::string body =
        R"({"tee":"snp","interface":"external","workload":"app","report_data":")" +
        std::string(128, 'a') + R"(","quote":"AQID","endorsements":[]})";
    const std::string request = R"({"report_data": "0102"})";
    FakeDaemon daemon(answer("200 OK", body), request.size());
    const std::vector<std::string> base{"quote", "--report-data", "0102", "--socket",
                                        daemon.path()};

    const CliRun raw = attestctl(base);
    INFO(raw.err);
    CHECK(raw.status == 0);
    CHECK(raw.out == std::string("\x01\x02\x03"));
    CHECK_THAT(daemon.request(), ContainsSubstring("POST /v1/evidence HTTP/1.1\r\n"));
    CHECK(daemon.request().ends_with("\r\n\r\n" + request));

    TempDir dir;
    auto to_file = base;
    to_file.insert(to_file.end(), {"-o", (dir / "q").string()});
    CHECK(attestctl(to_file).status == 0);
    CHECK(load_file(dir / "q") == Bytes{1, 2, 3});

    auto json = base;
    json.push_back("--json");
    CHECK(attestctl(json).out == body + "\n");
}

TEST_CASE("quote: an answer that is not evidence is exit status 1, and no file is made", "[cli]") {
    FakeDaemon daemon(answer("200 OK", R"({"tee": "snp"})"));
    TempDir dir;
    const CliRun run = attestctl({"quote", "--socket", daemon.path(), "-o", (dir / "q").string()});
    CHECK(run.status == 1);
    CHECK_FALSE(std::filesystem::exists(dir / "q"));
}

TEST_CASE("quote: from a platform the bytes go in as they are, with zeros behind them", "[cli]") {
    NEED_VECTORS(vectors, "snp/cases/genoa-v3-vcek");
    Bytes report = load_file(vectors / "report.bin");
    std::fill_n(report.begin() + 0x50, 64, std::uint8_t{0});
    report[0x50] = 0xab;
    FakeDaemon plug_in(
        answer("200 OK", R"({"tee": "snp", "evidence": ")" + to_base64(report) + R"("})"));
    const std::string platform = "external:" + plug_in.path();
    const CliRun run = attestctl({"quote", "--platform", platform, "--report-data", "ab"});
    INFO(run.err);
    CHECK(run.status == 0);
    CHECK(run.out == std::string(as_text(report)));
    CHECK_THAT(plug_in.request(),
               ContainsSubstring(R"({"report_data": "ab)" + std::string(126, '0') + R"("})"));

    const CliRun wrong = attestctl({"quote", "--platform", platform, "--report-data", "ac"});
    CHECK(wrong.status == 1);
    CHECK_THAT(wrong.err, ContainsSubstring("platform.wrong-echo"));
}

TEST_CASE("status: the daemon's document in lines or as JSON; not ready is exit status 1",
          "[cli]") {
    const std::string body =
        R"({"session": {"state": "affirming", "tags": ["x", 1], "none": []}, "odd\u001b": "\u001b[2J"})";
    FakeDaemon daemon(answer("200 OK", body));
    const CliRun lines = attestctl({"status", "--socket", daemon.path()});
    CHECK(lines.status == 0);
    CHECK_THAT(lines.out, ContainsSubstring("session:\n"));
    CHECK_THAT(lines.out, ContainsSubstring("  state: affirming\n"));
    CHECK_THAT(lines.out, ContainsSubstring("    - 1\n"));
    CHECK_THAT(lines.out, ContainsSubstring("  none: none\n"));
    CHECK(lines.out.find('\x1b') == std::string::npos);
    CHECK_THAT(attestctl({"status", "--json", "--socket", daemon.path()}).out,
               ContainsSubstring(R"("state":"affirming")"));

    FakeDaemon busy(answer("503 Busy", body));
    CHECK(attestctl({"status", "--socket", busy.path()}).status == 1);
    FakeDaemon odd(answer("200 OK", "[1]"));
    CHECK(attestctl({"status", "--socket", odd.path()}).status == 1);
}

TEST_CASE("commands for the store: --source says which one, and only a source's name", "[cli]") {
    FakeDaemon daemon(answer("200 OK", R"({"secrets": [], "slots": []})"));
    const auto target_of = [&](std::vector<std::string> args) {
        args.insert(args.end(), {"--source", "store2", "--admin-socket", daemon.path()});
        CHECK(attestctl(args).status == 0);
        const std::string request = daemon.request();
        return request.substr(0, request.find(" HTTP/1.1"));
    };
    CHECK(target_of({"secret", "list"}) == "GET /v1/admin/secrets?source=store2");
    CHECK(target_of({"store", "slots"}) == "GET /v1/admin/store/slots?source=store2");
    CHECK(target_of({"store", "add-slot", "snp"}) == "POST /v1/admin/store/slots?source=store2");
    CHECK(target_of({"store", "drop-slot", "3"}) == "DELETE /v1/admin/store/slots/3?source=store2");
    CHECK(attestctl({"secret", "list", "--source", "a&b"}).status == 2);
}

TEST_CASE("store: through the daemon, one request for each command", "[cli]") {
    const std::string slots =
        R"({"slots": [{"number": 0, "kind": "snp", "state": "sound", "detail": "VMPL 0"}]})";
    FakeDaemon daemon(answer("200 OK", slots));
    const CliRun list = attestctl({"store", "slots", "--admin-socket", daemon.path()});
    CHECK(list.status == 0);
    CHECK(list.out == "0\tsnp\tsound\tVMPL 0\n");
    CHECK_THAT(daemon.request(), ContainsSubstring("GET /v1/admin/store/slots HTTP/1.1\r\n"));
    CHECK(attestctl({"store", "add-slot", "snp", "--admin-socket", daemon.path()}).status == 0);
    CHECK_THAT(daemon.request(), ContainsSubstring("POST /v1/admin/store/slots HTTP/1.1\r\n"));
    CHECK(attestctl({"store", "drop-slot", "3", "--admin-socket", daemon.path()}).status == 0);
    CHECK_THAT(daemon.request(), ContainsSubstring("DELETE /v1/admin/store/slots/3 HTTP/1.1\r\n"));
}

}  // namespace attestd::test
