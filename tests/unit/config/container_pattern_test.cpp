// Patterns of containers' control groups: what they match, and that no two match the same.
#include "config/container_pattern.h"

#include "tests/support/catch.h"

using namespace attestd;

namespace {

const std::string kHexId(64, 'a');

ContainerPattern pattern_of(std::string_view text) {
    auto parsed = ContainerPattern::parse(text);
    REQUIRE_OK(parsed);
    return *std::move(parsed);
}

}  // namespace

TEST_CASE("container pattern: whole components from the root match, deeper ones do not matter",
          "[config][containers]") {
    const auto lxc = pattern_of("/lxc/*/run-<id>.scope");
    const std::string scope = "run-" + kHexId + ".scope";
    const ContainerPattern::Match found{kHexId, "", 3};
    CHECK(lxc.match({"lxc", "any", scope}) == found);
    CHECK(lxc.match({"lxc", "any", scope, "inner", "run-b.scope"}) == found);
    CHECK_FALSE(lxc.match({"lxc", scope}).has_value());
    CHECK_FALSE(lxc.match({"x", "lxc", "any", scope}).has_value());
    CHECK_FALSE(lxc.match({"lxc", "any", "run-" + kHexId + ".scope2"}).has_value());
    CHECK_FALSE(lxc.match({"lxc", "any", "run-" + kHexId.substr(1) + ".scope"}).has_value());
    CHECK_FALSE(lxc.match({"lxc", "any", "run-" + kHexId + "a.scope"}).has_value());
    CHECK_FALSE(lxc.match({"lxc", "any", "run-" + std::string(64, 'A') + ".scope"}).has_value());
}

TEST_CASE("container pattern: a pod's uid is read with dashes", "[config][containers]") {
    const auto pod = pattern_of("/pods/pod<pod>/<id>");
    const ContainerPattern::Match found{kHexId, "1-2", 3};
    CHECK(pod.match({"pods", "pod1_2", kHexId}) == found);
    CHECK_FALSE(pod.match({"pods", "podx/y", kHexId}).has_value());
}

TEST_CASE("container pattern: what is none is refused", "[config][containers]") {
    const char* const text =
        GENERATE("", "/", "docker/<id>", "/docker", "/docker/<id>/", "/<id>/docker", "//<id>",
                 "/../<id>", "/./<id>", "/a*/<id>", "/<id><id>", "/<id>/<id>", "/<pod>/<pod>/<id>",
                 "/<name>/<id>", "/<pod><id>", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/<id>");
    INFO(text);
    REQUIRE_ERRC(Errc::bad_value, ContainerPattern::parse(text));
}

TEST_CASE("container pattern: patterns that one path can match are found out",
          "[config][containers]") {
    struct Row {
        const char *a, *b;
        bool overlap;
    };
    const auto row = GENERATE(values<Row>({
        {"/docker/<id>", "/docker/<id>", true},
        {"/docker/<id>", "/*/<id>", true},
        {"/docker/<id>", "/*/x/<id>", false},
        {"/a/b-<id>.scope", "/a/c-<id>.scope", false},
        {"/a/b-<id>.scope", "/a/b-c-<id>.scope", true},
        {"/a/b-<id>.scope", "/a/b-<id>.slice", false},
        {"/pods/pod<pod>/<id>", "/pods/podx/<id>", false},
        {"/pods/pod<pod>/<id>", "/pods/podab/<id>", true},
    }));
    INFO(row.a << " " << row.b);
    CHECK(pattern_of(row.a).may_overlap(pattern_of(row.b)) == row.overlap);
    CHECK(pattern_of(row.b).may_overlap(pattern_of(row.a)) == row.overlap);
}

TEST_CASE("container pattern: no two of the known ones match the same path",
          "[config][containers]") {
    const auto& known = known_container_patterns();
    for (std::size_t i = 0; i < known.size(); ++i) {
        for (std::size_t k = 0; k < i; ++k) {
            INFO(known[i].text() << " " << known[k].text());
            CHECK_FALSE(known[i].may_overlap(known[k]));
        }
    }
}
