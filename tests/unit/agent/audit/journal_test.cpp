// Records as fields in the journal.
#include <sys/socket.h>

#include <filesystem>

#include "agent/audit/journal.h"
#include "quote/base/unix_address.h"
#include "tests/unit/agent/audit/audit_samples.h"

namespace attestd::audit_test {

TEST_CASE("journal: each member of a record is a field, and the line is the message",
          "[agent][audit][journal]") {
    const std::string line =
        R"({"ts":"t","seq":7,"rule_ids":["a","b"],"decision":"deny","object":"x\ny"})";
    const auto entry = journal_entry(line);
    REQUIRE_OK(entry);
    for (const std::string& field :
         {"MESSAGE=" + line, std::string("PRIORITY=5"),
          std::string("SYSLOG_IDENTIFIER=attestd-audit"), std::string("ATTESTD_SEQ=7"),
          std::string("ATTESTD_RULE_IDS=[\"a\",\"b\"]"), std::string("ATTESTD_OBJECT=x y")}) {
        INFO(field);
        CHECK_THAT("\n" + *entry, ContainsSubstring("\n" + field + "\n"));
    }
    REQUIRE_ERRC(Errc::bad_json, journal_entry("no record"));
}

TEST_CASE("journal: records arrive as datagrams, and one that is not there is not waited for",
          "[agent][audit][journal]") {
    const TempDir dir;
    Journal journal(dir / "socket");
    journal.send("{\"seq\":1}\n");
    CHECK(journal.num_lost() == 1);
    const auto address = UnixAddress::of_path((dir / "socket").native());
    REQUIRE_OK(address);
    const auto listen = [&] {
        Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        REQUIRE(::bind(fd.get(), address->get(), address->len()) == 0);
        return fd;
    };
    const auto next = [](const Fd& fd) {
        std::string got(65536, '\0');
        const ssize_t n = ::recv(fd.get(), got.data(), got.size(), MSG_DONTWAIT);
        got.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
        return got;
    };
    Fd there = listen();
    journal.send("{\"seq\":2}\n{\"seq\":3}\n");
    CHECK_THAT(next(there), ContainsSubstring("ATTESTD_SEQ=2\n"));
    CHECK_THAT(next(there), ContainsSubstring("ATTESTD_SEQ=3\n"));
    // The journal is started anew.
    there.reset();
    std::filesystem::remove(dir / "socket");
    there = listen();
    journal.send("{\"seq\":4}\n");
    CHECK_THAT(next(there), ContainsSubstring("ATTESTD_SEQ=4\n"));
    CHECK(journal.num_lost() == 1);
}

}  // namespace attestd::audit_test
