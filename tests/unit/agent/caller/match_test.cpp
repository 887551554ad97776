// Which workloads a caller is: rules, and what is known of it.
#include "agent/caller/caller.h"
#include "tests/support/catch.h"

namespace attestd::match_test {
namespace {

Caller caller_with(uid_t uid) {
    Caller caller;
    caller.peer = {1, uid, 5};
    caller.groups = {7};
    caller.cgroup.unit = "web@1.service";
    caller.cgroup.slices = {"tenant.slice"};
    caller.cgroup.container_id = std::string(64, 'a');
    caller.cgroup.pod_uid = "pod-1";
    caller.label = "app (enforce)";
    caller.socket = "app";
    return caller;
}

Workload workload_of(MatchItem item, bool allow_root = false) {
    return Workload{"w", {std::move(item)}, allow_root, false};
}

}  // namespace

TEST_CASE("match: over TCP nothing but the listener is known, and only its own rule matches",
          "[agent][match]") {
    const Peer peer = Peer::nameless(running_kernel(), "tcp", "127.0.0.1:4711");
    const Caller& caller = peer.caller();
    MatchItem by_socket;
    by_socket.socket = "tcp";
    CHECK(matches(workload_of(by_socket), caller));
    CHECK_FALSE(matches(workload_of(by_socket), caller_with(0)));
    by_socket.socket = "another";
    CHECK_FALSE(matches(workload_of(by_socket), caller));
    using Set = void (*)(MatchItem&);
    const auto set = GENERATE(values<Set>({
        [](MatchItem& i) { i.uid = static_cast<uid_t>(-1); },
        [](MatchItem& i) { i.gid = static_cast<gid_t>(-1); },
        [](MatchItem& i) {
            i.unit = UnitPattern{"", "", false};
        },
        [](MatchItem& i) { i.container_id = ""; },
        [](MatchItem& i) { i.pod_uid = ""; },
        [](MatchItem& i) { i.selinux = ""; },
        [](MatchItem& i) { i.init_pidns = true; },
    }));
    MatchItem item;
    set(item);
    CHECK_FALSE(matches(workload_of(item, /*allow_root=*/true), caller));
    item.socket = "tcp";
    CHECK_FALSE(matches(workload_of(item, /*allow_root=*/true), caller));
}

TEST_CASE("peer: who calls over TCP stays nobody at each look", "[agent][match]") {
    const Peer peer = Peer::nameless(running_kernel(), "tcp", "[::1]:4711");
    CHECK(peer.is_nameless());
    CHECK_FALSE(peer.pidfd());
    REQUIRE_OK(peer.recheck(IdentityConfig{}));
    REQUIRE_OK(peer.check_writer(PeerCredentials{1, 1, 1}, IdentityConfig{}));
    CHECK(peer.caller().peer.uid == static_cast<uid_t>(-1));
}

TEST_CASE(
    "match: each fact alone is enough for a rule that names it, and all that is named must hold",
    "[agent][match]") {
    const Caller caller = caller_with(1000);
    using Set = void (*)(MatchItem&);
    const auto set = GENERATE(values<Set>({
        [](MatchItem& i) { i.uid = 1000; },
        [](MatchItem& i) { i.gid = 5; },
        [](MatchItem& i) { i.group_id = 7; },
        [](MatchItem& i) {
            i.unit = UnitPattern{"web@", ".service", true};
        },
        [](MatchItem& i) { i.slice = "tenant.slice"; },
        [](MatchItem& i) { i.container_id = std::string(64, 'a'); },
        [](MatchItem& i) { i.pod_uid = "pod-1"; },
        [](MatchItem& i) { i.apparmor = "app"; },
        [](MatchItem& i) { i.selinux = "app (enforce)"; },
        [](MatchItem& i) { i.socket = "app"; },
    }));
    MatchItem item;
    set(item);
    CHECK(matches(workload_of(item), caller));
    item.uid = 1;
    CHECK_FALSE(matches(workload_of(item), caller));
    item.uid = 1000;
    item.socket = "other";
    CHECK_FALSE(matches(workload_of(item), caller));
}

TEST_CASE("match: what the inspector sees is a condition beside the others", "[agent][match]") {
    Caller caller = caller_with(1000);
    caller.inspected.emplace();
    caller.inspected->facts.exe.num_links = 1;
    caller.inspected->facts.sha256 = Sha256{1};
    caller.inspected->facts.verity = Sha256{2};
    caller.inspected->facts.path = "/usr/bin/app";
    caller.inspected->in_init_pidns = caller.inspected->in_init_userns = true;
    struct Row {
        void (*set)(MatchItem&);
        void (*spoil)(InspectedProcess&);
    };
    const auto row = GENERATE(values<Row>({
        {[](MatchItem& i) { i.exe_sha256 = Sha256{1}; },
         [](InspectedProcess& p) { p.facts.sha256 = Sha256{3}; }},
        {[](MatchItem& i) { i.exe_sha256 = Sha256{1}; },
         [](InspectedProcess& p) { p.facts.sha256.reset(); }},
        {[](MatchItem& i) { i.exe_sha256 = Sha256{1}; },
         [](InspectedProcess& p) { p.facts.exe.num_links = 0; }},
        {[](MatchItem& i) { i.exe_verity = Sha256{2}; },
         [](InspectedProcess& p) { p.facts.verity = Sha256{1}; }},
        {[](MatchItem& i) { i.exe_verity = Sha256{2}; },
         [](InspectedProcess& p) { p.facts.verity.reset(); }},
        {[](MatchItem& i) { i.exe_path = "/usr/bin/app"; },
         [](InspectedProcess& p) { p.facts.path.clear(); }},
        {[](MatchItem& i) { i.exe_path = "/usr/bin/app"; },
         [](InspectedProcess& p) { p.facts.path = "/usr/bin/app2"; }},
        {[](MatchItem& i) { i.init_pidns = true; },
         [](InspectedProcess& p) { p.in_init_pidns = false; }},
        {[](MatchItem& i) { i.init_userns = true; },
         [](InspectedProcess& p) { p.in_init_userns = false; }},
    }));
    MatchItem item;
    item.uid = 1000;
    row.set(item);
    CHECK(matches(workload_of(item), caller));
    item.uid = 1;
    CHECK_FALSE(matches(workload_of(item), caller));
    item.uid = 1000;
    Caller spoilt = caller;
    row.spoil(*spoilt.inspected);
    CHECK_FALSE(matches(workload_of(item), spoilt));
    Caller unknown = caller;
    unknown.inspected.reset();
    CHECK_FALSE(matches(workload_of(item), unknown));
}

TEST_CASE("match: a deleted file's digest counts where the rule says so", "[agent][match]") {
    Caller caller = caller_with(1000);
    caller.inspected.emplace();
    caller.inspected->facts.sha256 = Sha256{1};
    MatchItem item;
    item.uid = 1000;
    item.exe_sha256 = Sha256{1};
    CHECK_FALSE(matches(workload_of(item), caller));
    item.allow_unlinked = true;
    CHECK(matches(workload_of(item), caller));
}

TEST_CASE("wanted: the inspector is asked what makes a difference for this caller, and no more",
          "[agent][match]") {
    Config config;
    MatchItem plain, digest, path, others;
    plain.uid = digest.uid = path.uid = 1000;
    digest.exe_sha256 = Sha256{1};
    path.exe_path = "/a";
    others.uid = 1;
    others.exe_sha256 = Sha256{1};
    others.allow_unlinked = true;
    const Caller caller = caller_with(1000);

    config.workloads = {workload_of(plain), workload_of(others)};
    CHECK_FALSE(wanted_of(config, caller).has_value());
    config.workloads = {workload_of(plain), workload_of(digest), workload_of(others)};
    const inspect::Wanted only_digest{true, false, false, false};
    CHECK(wanted_of(config, caller) == only_digest);
    config.workloads.push_back(workload_of(path));
    const inspect::Wanted both{true, false, true, false};
    CHECK(wanted_of(config, caller) == both);
    MatchItem root = digest;
    root.uid = 0;
    config.workloads = {workload_of(root)};
    CHECK_FALSE(wanted_of(config, caller_with(0)).has_value());  // it could not match anyway
    config.workloads = {workload_of(root, /*allow_root=*/true)};
    CHECK(wanted_of(config, caller_with(0)) == only_digest);
}

TEST_CASE("match: one item of the list is enough", "[agent][match]") {
    MatchItem other, item;
    other.uid = 1;
    item.uid = 1000;
    const Workload workload{"w", {other, item}, false, false};
    CHECK(matches(workload, caller_with(1000)));
    CHECK_FALSE(matches(workload, caller_with(2)));
}

TEST_CASE("match: the primary group is not a supplementary one, and a complaining profile is none",
          "[agent][match]") {
    MatchItem item;
    item.group_id = 5;
    CHECK_FALSE(matches(workload_of(item), caller_with(1000)));
    Caller complaining = caller_with(1000);
    complaining.label = "app (complain)";
    MatchItem profile;
    profile.apparmor = "app";
    CHECK_FALSE(matches(workload_of(profile), complaining));
}

TEST_CASE("match: absent facts match no rule", "[agent][match]") {
    Caller bare;
    bare.peer = {1, 1000, 1000};
    using Set = void (*)(MatchItem&);
    const auto set = GENERATE(values<Set>({
        [](MatchItem& i) {
            i.unit = UnitPattern{"a.service", "", false};
        },
        [](MatchItem& i) { i.slice = "a.slice"; },
        [](MatchItem& i) { i.container_id = std::string(64, 'a'); },
        [](MatchItem& i) { i.pod_uid = "p"; },
        [](MatchItem& i) { i.selinux = "a"; },
        [](MatchItem& i) { i.apparmor = "a"; },
        [](MatchItem& i) { i.socket = "a"; },
        [](MatchItem& i) { i.group_id = 1; },
    }));
    MatchItem item;
    set(item);
    CHECK_FALSE(matches(workload_of(item), bare));
}

TEST_CASE("match: uid 0 is a workload only by allow_root", "[agent][match]") {
    MatchItem item;
    item.uid = 0;
    CHECK_FALSE(matches(workload_of(item), caller_with(0)));
    CHECK(matches(workload_of(item, /*allow_root=*/true), caller_with(0)));
}

}  // namespace attestd::match_test
