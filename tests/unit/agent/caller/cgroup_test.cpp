// Cgroup paths to units and containers: the recorded vectors, and tricks with names.
#include "agent/caller/cgroup.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/support/vectors.h"

using namespace attestd;

namespace {

const std::string kId(64, 'a');

Result<CgroupIdentity> unified(const std::string& path) {
    return parse_cgroup("0::" + path + "\n");
}

std::string text_or_empty(const nlohmann::json& value) {
    return value.is_null() ? std::string() : value.get<std::string>();
}

// As the daemon does it: names, then owners of the folders that the names rest on.
std::string refusal_of(const Result<CgroupIdentity>& identity, const nlohmann::json& nonroot) {
    if (!identity) return identity.error().detail.substr(0, identity.error().detail.find(':'));
    for (const auto& folder : nonroot) {
        const auto& trusted = identity->trusted_dirs;
        if (std::find(trusted.begin(), trusted.end(), folder.get<std::string>()) != trusted.end()) {
            return "cgroup-delegated";
        }
    }
    return {};
}

}  // namespace

TEST_CASE("cgroup: every recorded path gives the recorded unit, container or refusal",
          "[agent][cgroup]") {
    NEED_VECTORS(path, "workload-identity/cgroup-paths.json");
    const auto cases = nlohmann::json::parse(test::load_text(path)).at("cases");
    REQUIRE(cases.size() >= 20);
    for (const auto& one : cases) {
        const std::string text = one.at("cgroup_file");
        INFO(text);
        const auto identity = parse_cgroup(text);
        const std::string refused =
            refusal_of(identity, one.value("nonroot_owned", nlohmann::json::array()));
        CHECK(refused == text_or_empty(one.at("refuse")));
        if (!refused.empty()) continue;
        REQUIRE(identity.has_value());
        CHECK(identity->unit == text_or_empty(one.at("unit")));
        CHECK(identity->container_id == text_or_empty(one.at("container_id")));
    }
}

TEST_CASE("cgroup: names below a unit or container are not the caller's", "[agent][cgroup]") {
    struct Row {
        const char* why;
        std::string path, unit, container;
    };
    const auto row = GENERATE_COPY(values<Row>({
        {"a user's manager", "/user.slice/user-1.slice/user@1.service/nginx.service",
         "user@1.service", ""},
        {"a docker container with its own systemd",
         "/docker/" + kId + "/system.slice/nginx.service", "", kId},
        {"an LXC container with its own systemd", "/lxc.payload.x/system.slice/nginx.service", "",
         ""},
        {"a manager that nobody knows", "/garden/x/nginx.service", "", ""},
        {"a container name inside a service", "/system.slice/a.service/docker-" + kId + ".scope",
         "a.service", ""},
        {"65 digits", "/docker/" + kId + "a", "", ""},
        {"63 digits", "/docker/" + kId.substr(1), "", ""},
        {"upper case", "/docker/" + std::string(64, 'A'), "", ""},
        {"a container id at the wrong depth", "/x/docker/" + kId, "", ""},
        {"a colon in the path", "/system.slice/a:b.service", "a:b.service", ""},
        {"a unit escaped by systemd", "/system.slice/_cgroup.service", "cgroup.service", ""},
    }));
    INFO(row.why);
    const auto identity = unified(row.path);
    REQUIRE_OK(identity);
    CHECK(identity->unit == row.unit);
    CHECK(identity->container_id == row.container);
}

TEST_CASE("cgroup: slices are those around the unit, outermost first", "[agent][cgroup]") {
    const auto identity = unified("/tenant.slice/tenant-a.slice/app.service/fake.slice/x.service");
    REQUIRE_OK(identity);
    CHECK(identity->slices == std::vector<std::string>{"tenant.slice", "tenant-a.slice"});
    CHECK(identity->unit == "app.service");
}

TEST_CASE("cgroup: a configured pattern makes a container of what it matches", "[agent][cgroup]") {
    const std::string text = "0::/lxc/web/" + kId + "/inner.service\n";
    const auto unknown = parse_cgroup(text);
    REQUIRE_OK(unknown);
    CHECK(unknown->container_id.empty());
    const std::vector<ContainerPattern> patterns{ContainerPattern::parse("/lxc/*/<id>").value()};
    const auto known = parse_cgroup(text, patterns);
    REQUIRE_OK(known);
    CHECK(known->container_id == kId);
    CHECK(known->trusted_dirs == std::vector<std::string>{"/lxc", "/lxc/web"});
    CHECK(known->unit.empty());
}

TEST_CASE("cgroup: a pod's uid is read with its dashes", "[agent][cgroup]") {
    const auto identity = unified(
        "/kubepods.slice/kubepods-burstable.slice/"
        "kubepods-burstable-podccfb2838_0553_4f4d_8d7a_6eeb61421a3c.slice/crio-" +
        kId + ".scope");
    REQUIRE_OK(identity);
    CHECK(identity->pod_uid == "ccfb2838-0553-4f4d-8d7a-6eeb61421a3c");
    CHECK(identity->container_id == kId);
}

TEST_CASE("cgroup: the folders in which a name could be forged must be root's", "[agent][cgroup]") {
    const auto unit = unified("/a.slice/b.service/c");
    REQUIRE_OK(unit);
    CHECK(unit->trusted_dirs == std::vector<std::string>{"/a.slice"});
    SECTION("in the legacy hierarchy the unit's own as well: its owner may move others in") {
        const auto legacy = parse_cgroup("1:name=systemd:/a.slice/b.service/c\n");
        REQUIRE_OK(legacy);
        CHECK(legacy->trusted_dirs == std::vector<std::string>{"/a.slice", "/a.slice/b.service"});
    }
}

TEST_CASE("cgroup: a legacy hierarchy that systemd does not use says nothing", "[agent][cgroup]") {
    const auto unified_speaks = parse_cgroup("9:name=systemd:/\n0::/a.slice/b.service/c\n");
    REQUIRE_OK(unified_speaks);
    CHECK(unified_speaks->unit == "b.service");
    CHECK(unified_speaks->hierarchy == "unified");
    SECTION("but one that names another unit does") {
        REQUIRE_ERRC(Errc::cgroup_malformed,
                     parse_cgroup("9:name=systemd:/x.service\n0::/a.slice/b.service\n"));
    }
    SECTION("and at the root of both a process belongs to no unit") {
        const auto nobody = parse_cgroup("9:name=systemd:/\n0::/\n");
        REQUIRE_OK(nobody);
        CHECK(nobody->unit.empty());
    }
}

TEST_CASE("cgroup: text that the kernel does not write is refused", "[agent][cgroup]") {
    const std::string text =
        GENERATE("", "\n", "0::/a", "0:/a\n", "0::\n", "0::a\n", "0::/a\n0::/b\n", "0::/a//b\n",
                 "0::/a/./b\n", "0::/a/../b\n", "5:pids:/a\n");
    INFO(text);
    REQUIRE_ERRC(Errc::cgroup_malformed, parse_cgroup(text));
}

TEST_CASE("cgroup: a path of 4 KiB is read like any other", "[agent][cgroup]") {
    std::string path = "/system.slice/a.service";
    while (path.size() < 4096) path += "/x";
    const auto identity = unified(path);
    REQUIRE_OK(identity);
    CHECK(identity->unit == "a.service");
}
