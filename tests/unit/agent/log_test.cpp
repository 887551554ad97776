// Text from outside cannot make a log line of its own.
#include "agent/log.h"

#include "tests/support/catch.h"

using namespace attestd;

TEST_CASE("escaped: only printable ASCII comes out, quotes and backslashes escaped",
          "[agent][log]") {
    CHECK(escaped("plain text") == "plain text");
    CHECK(escaped("a\nb") == "a\\u000ab");
    CHECK(escaped("\"\\") == "\\\"\\\\");
    CHECK(escaped("\xff\x1b[31m") == "\\u00ff\\u001b[31m");
    std::string all;
    for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
    for (const char c : escaped(all)) CHECK((c >= 0x20 && c < 0x7f));
}

TEST_CASE("escaped: long text is cut", "[agent][log]") {
    CHECK(escaped(std::string(1000, 'x'), 10).size() == 10);
}
