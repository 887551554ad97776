// The places that a configuration means.
#include "agent/confine/places.h"

#include <algorithm>
#include <fstream>

#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"

namespace attestd::test {
namespace {

bool has(const std::vector<Place>& places, const std::filesystem::path& path, Access access) {
    return std::find(places.begin(), places.end(), Place{path, access}) != places.end();
}

Config config_with_all() {
    Config out;
    out.state_dir = "/state";
    out.audit.path = "/audit/log.jsonl";
    out.listeners.emplace_back().path = "/run/app/app.sock";
    out.verifier.policy.path = "/policies/appraisal.json";
    out.verifier.trust_anchors.push_back({"/anchors/root.pem", {}});
    out.verifier.endorsements = {"/endorsements/vcek.der"};
    out.verifier.collateral.cache = "/cache";
    out.stores["store"].path = "/stores/one";
    out.stores["store"].recovery_key = LoadedFile{"/keys/recovery.pem", {}};
    out.brokers["kbs"].token_signer = LoadedFile{"/signers/kbs.pem", {}};
    out.brokers["kbs"].init_data = LoadedFile{"/init/data.toml", {}};
    out.hashi_vaults["vault"].token_file = "/tokens/login.jwt";
    out.credentials["unit"] = {};
    out.sealed_sources["sealed"].trusted_keys = LoadedFile{"/sealers/keys.json", {}};
    out.secrets["a"].source = "sealed";
    out.secrets["a"].resource = "/sealed/a";
    out.secrets["b"].source = "sealed";
    out.secrets["b"].resource = "sealed.YQ.YQ.YQ";
    out.verifier.remote.emplace().api_key_file = "/api/key";
    out.verifier.remote->token_signer = LoadedFile{"/judges/keys.json", {}};
    out.verifier.remote->endorsements.push_back({"/certificates/vcek.pem", {}});
    out.verifier.broker.emplace().broker.token_signer = LoadedFile{"/brokers/ca.pem", {}};
    out.hand_over_policy = LoadedFile{"/next/policy.json", {}};
    return out;
}

}  // namespace

TEST_CASE("places: folders of all that a configuration names, as far as each is needed",
          "[confine]") {
    const auto places = places_of("/etc/attestd/attestd.json", config_with_all());
    for (const char* const written : {"/state", "/audit", "/run/app", "/cache", "/stores/one"}) {
        INFO(written);
        CHECK(has(places, written, Access::write));
    }
    for (const char* const read :
         {"/etc/attestd", "/policies", "/anchors", "/endorsements", "/keys", "/signers", "/init",
          "/next", "/proc", "/sys", "/tokens", "/run/credentials", "/api", "/judges",
          "/certificates", "/brokers", "/sealers", "/sealed"}) {
        INFO(read);
        CHECK(has(places, read, Access::read));
    }
    for (const char* const device : {"/dev/tdx_guest", "/dev/sev-guest", "/dev/null"})
        CHECK(has(places, device, Access::device));
    CHECK(std::none_of(places.begin(), places.end(), [](const Place& place) {
        return place.path == "/" || place.path.empty() || place.path.is_relative();
    }));
    CHECK(std::count_if(places.begin(), places.end(), [](const Place& place) {
              return place.access == Access::write;
          }) == (std::filesystem::exists("/sys/kernel/config") ? 6 : 5));
}

TEST_CASE("places: a link means both the folder that it lies in and the one it leads to",
          "[confine]") {
    const TempDir dir;
    std::filesystem::create_directories(dir / "real");
    std::filesystem::create_directories(dir / "links");
    std::ofstream(dir / "real" / "attestd.json") << "{}";
    std::filesystem::create_symlink(dir / "real" / "attestd.json", dir / "links" / "attestd.json");
    const auto places = places_of(dir / "links" / "attestd.json", config_with_all());
    CHECK(has(places, dir / "links", Access::read));
    CHECK(has(places, std::filesystem::canonical(dir / "real"), Access::read));
}

TEST_CASE("places: what an earlier confinement does not cover is named", "[confine]") {
    const std::vector<Place> given{{"/a", Access::write}, {"/b", Access::read}};
    const auto outside = [&](const std::filesystem::path& path, Access access) {
        const std::vector<Place> wanted{{"/a", Access::write}, {path, access}};
        const Place* const found = first_outside(wanted, given);
        return found != nullptr && found->path == path;
    };
    CHECK_FALSE(outside("/a/deep/er", Access::write));
    CHECK_FALSE(outside("/a/deep", Access::read));
    CHECK_FALSE(outside("/b", Access::read));
    CHECK_FALSE(outside("/b/c", Access::read));
    CHECK(outside("/b/c", Access::write));
    CHECK(outside("/bc", Access::read));
    CHECK(outside("/", Access::read));
    CHECK(outside("/c", Access::read));
    CHECK(outside("/a", Access::device));
}

}  // namespace attestd::test
