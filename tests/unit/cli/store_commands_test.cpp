// attestctl store on a folder of its own, and attestctl policy check.
#include <sys/stat.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "quote/base/digest.h"
#include "quote/base/encoding.h"
#include "tests/support/vectors.h"
#include "tests/unit/cli/run_attestctl.h"
#include "tests/unit/store/store_fixture.h"

namespace attestd::test {
namespace {

// A store with the slots snp and recovery, and the recovery key in the file that the fixture names.
class OfflineStore : public StoreFixture {
 public:
    OfflineStore() {
        { REQUIRE_OK(create().put(name_of("a"), secret_of("value"))); }
        pair.private_pem.expose([&](ByteView pem) { dir.write("key", pem); });
        dir.write("key.pub", std::string_view(pair.public_pem));
    }
    [[nodiscard]] std::string key() const { return (dir / "key").string(); }
    [[nodiscard]] std::string public_key() const { return (dir / "key.pub").string(); }
    [[nodiscard]] std::string folder() const { return path().string(); }
};

unsigned mode_of(const std::filesystem::path& path) {
    struct stat st {};
    REQUIRE(::stat(path.c_str(), &st) == 0);
    return st.st_mode & 07777;
}

}  // namespace

TEST_CASE("store recovery-key: a pair of files, the private one readable by its owner alone",
          "[cli]") {
    TempDir dir;
    const std::string file = (dir / "key").string();
    const std::string algorithm = GENERATE("x25519", "p256");
    const CliRun run = attestctl({"store", "recovery-key", file, "--algorithm", algorithm});
    INFO(run.err);
    CHECK(run.status == 0);
    CHECK(mode_of(file) == 0600);
    const auto own = RecoverySlotKey::from_private_pem(Secret::copy_of(load_file(file)).value());
    REQUIRE_OK(own);
    const auto published = RecoverySlotKey::from_public_pem(load_file(file + ".pub"));
    REQUIRE_OK(published);
    CHECK(own->fingerprint() == published->fingerprint());
    CHECK_THAT(run.out, ContainsSubstring(own->fingerprint()));
    CHECK(run.out.find("PRIVATE") == std::string::npos);

    const Bytes before = load_file(file);
    CHECK(attestctl({"store", "recovery-key", file}).status == 2);
    CHECK(load_file(file) == before);
}

TEST_CASE("store recovery-key: no half of a pair is left when the other file is in the way",
          "[cli]") {
    TempDir dir;
    dir.write("key.pub", std::string_view("mine"));
    CHECK(attestctl({"store", "recovery-key", (dir / "key").string()}).status == 2);
    CHECK_FALSE(std::filesystem::exists(dir / "key"));
    CHECK(load_text(dir / "key.pub") == "mine");
}

TEST_CASE("store slots: the folder's slots without any key", "[cli]") {
    OfflineStore store;
    const CliRun run = attestctl({"store", "slots", "--store", store.folder()});
    INFO(run.err);
    CHECK(run.status == 0);
    CHECK_THAT(run.out, ContainsSubstring("0\tsnp\tsound\tguest fields 0x09"));
    CHECK_THAT(run.out,
               ContainsSubstring("1\trecovery\tsound\tX25519 key " + store.recovery.fingerprint()));
    const CliRun json = attestctl({"store", "slots", "--json", "--store", store.folder()});
    CHECK_THAT(json.out, ContainsSubstring(R"("kind":"snp")"));
}

TEST_CASE("store slots: while the daemon has the store open it says so", "[cli]") {
    OfflineStore store;
    const SealedStore open = store.open();
    const CliRun run = attestctl({"store", "slots", "--store", store.folder()});
    CHECK(run.status == 1);
    CHECK_THAT(run.err, ContainsSubstring("another process has this store open"));
}

TEST_CASE("store add-slot and drop-slot: an operator replaces a recovery key offline", "[cli]") {
    OfflineStore store;
    const std::string fresh = (store.dir / "fresh").string();
    REQUIRE(attestctl({"store", "recovery-key", fresh, "--algorithm", "p256"}).status == 0);
    const CliRun added = attestctl({"store", "add-slot", "recovery", "--public-key", fresh + ".pub",
                                    "--store", store.folder(), "--recovery-key", store.key()});
    INFO(added.err);
    CHECK(added.status == 0);
    CHECK(added.out == "slot 2 added\n");
    const CliRun dropped =
        attestctl({"store", "drop-slot", "1", "--store", store.folder(), "--recovery-key", fresh});
    INFO(dropped.err);
    CHECK(dropped.status == 0);

    // The old key opens nothing any more, the new one does, and the secret is still there.
    CHECK(attestctl(
              {"store", "drop-slot", "0", "--store", store.folder(), "--recovery-key", store.key()})
              .status == 1);
    RecoverySlotKey key =
        RecoverySlotKey::from_private_pem(Secret::copy_of(load_file(fresh)).value()).value();
    auto opened = store.open_with({&key});
    REQUIRE_OK(opened);
    CHECK(text_of(opened->get(name_of("a")).value().value) == "value");
}

TEST_CASE("store drop-slot: the last sound slot stays", "[cli]") {
    OfflineStore store;
    CHECK(attestctl(
              {"store", "drop-slot", "0", "--store", store.folder(), "--recovery-key", store.key()})
              .status == 0);
    const CliRun run = attestctl(
        {"store", "drop-slot", "1", "--store", store.folder(), "--recovery-key", store.key()});
    CHECK(run.status == 1);
    CHECK_THAT(run.err, ContainsSubstring("last sound one"));
}

TEST_CASE("store: keys and folders that cannot be used are named", "[cli]") {
    OfflineStore store;
    const std::string other = (store.dir / "other").string();
    REQUIRE(attestctl({"store", "recovery-key", other}).status == 0);
    struct Row {
        const char* name;
        std::vector<std::string> args;
        int status;
        const char* words;
    };
    const std::vector<Row> rows{
        {"another operator's key",
         {"store", "drop-slot", "0", "--store", store.folder(), "--recovery-key", other},
         1,
         "was made for key"},
        {"a public key in place of the private one",
         {"store", "drop-slot", "0", "--store", store.folder(), "--recovery-key",
          store.public_key()},
         2,
         "BEGIN PRIVATE KEY"},
        {"no key", {"store", "drop-slot", "0", "--store", store.folder()}, 2, "--recovery-key"},
        {"no such key file",
         {"store", "drop-slot", "0", "--store", store.folder(), "--recovery-key", "/nonexistent"},
         2,
         "/nonexistent"},
        {"no such folder", {"store", "slots", "--store", "/nonexistent"}, 1, "/nonexistent"},
        {"a folder that is no store",
         {"store", "drop-slot", "0", "--store", store.dir.path().string(), "--recovery-key",
          store.key()},
         1,
         "no store"},
        {"an snp slot without a platform",
         {"store", "add-slot", "snp", "--store", store.folder(), "--recovery-key", store.key()},
         2,
         "--platform"},
        {"a private key to publish",
         {"store", "add-slot", "recovery", "--public-key", store.key(), "--store", store.folder(),
          "--recovery-key", store.key()},
         2,
         "BEGIN PUBLIC KEY"},
    };
    for (const Row& row : rows) {
        INFO(row.name);
        const CliRun run = attestctl(row.args);
        INFO(run.err);
        CHECK(run.status == row.status);
        CHECK_THAT(run.err, ContainsSubstring(row.words));
    }
}

namespace {

constexpr std::string_view kGoodPolicy = R"({
  // every reference value in so many words
  "snp": {"measurement": "any", "host_data": "any", "id_key_digest": "any",
          "author_key_digest": "any", "family_id": "any", "image_id": "any",
          "chip_id": "any", "csp_ids": "any", "min_tcb": "any"}
})";

std::string good_configuration(const std::string& policy_path) {
    return R"({
  "platform": {"type": "auto"},
  "verifier": {"type": "local", "policy": ")" +
           policy_path + R"("},
  "sources": {"store": {"type": "store", "path": "/var/lib/attestd/store", "measured_image": true}},
  "workloads": {"app": {"match": [{"user": "root"}], "allow_root": true}},
  "secrets": {"db/password": {"source": "store", "allow": ["app"]}},
  "config_binding": "none"
})";
}

}  // namespace

TEST_CASE("policy check: a good policy and a good configuration are told apart", "[cli]") {
    TempDir dir;
    const std::string policy = dir.write("policy.json", kGoodPolicy).string();
    const std::string config =
        dir.write("attestd.json", std::string_view(good_configuration(policy))).string();
    const CliRun one = attestctl({"policy", "check", policy});
    INFO(one.err);
    CHECK(one.status == 0);
    CHECK(one.out == policy + ": a valid appraisal policy\n");
    const CliRun two = attestctl({"policy", "check", config});
    INFO(two.err);
    CHECK(two.status == 0);
    CHECK_THAT(two.out, ContainsSubstring(config + ": a valid configuration\n"));
    CHECK_THAT(two.err,
               ContainsSubstring("(config.unbound)") && ContainsSubstring("(workload.root)"));
}

TEST_CASE("policy check: --json gives the digests to launch with, and what is suspicious",
          "[cli]") {
    TempDir dir;
    const std::string policy = dir.write("policy.json", kGoodPolicy).string();
    const std::string text = good_configuration(policy);
    const std::string config = dir.write("attestd.json", std::string_view(text)).string();
    const CliRun run = attestctl({"policy", "check", config, "--json"});
    INFO(run.err);
    REQUIRE(run.status == 0);
    const auto out = nlohmann::json::parse(run.out);
    const auto part = [](std::string_view bytes) {
        std::string prefixed(8, '\0');
        prefixed[6] = static_cast<char>(bytes.size() >> 8);
        prefixed[7] = static_cast<char>(bytes.size());
        return prefixed.append(bytes);
    };
    const std::string digested = part(text) + part(kGoodPolicy) + part("user root=0");
    CHECK(out.at("host_data") == to_hex(sha256(as_bytes(digested))));
    CHECK(out.at("mrconfigid") == to_hex(sha384(as_bytes(digested))));
    CHECK(out.at("valid") == true);
    CHECK(out.at("warnings").at(0).at("id") == "workload.root");
}

TEST_CASE("policy check: an appraisal policy that a configuration names is judged with it",
          "[cli]") {
    TempDir dir;
    const std::string policy =
        dir.write("policy.json", std::string_view(R"({"snp": {"no_such": 1}})")).string();
    const std::string config =
        dir.write("attestd.json", std::string_view(good_configuration(policy))).string();
    const CliRun run = attestctl({"policy", "check", config});
    CHECK(run.status == 1);
    CHECK_THAT(run.err, ContainsSubstring("policy.json:1: snp"));
}

TEST_CASE("policy check: --root reads an image's file system", "[cli]") {
    TempDir dir;
    dir.write("image/etc/attestd/policy.json", kGoodPolicy);
    dir.write("image/etc/passwd", std::string_view("root:x:0:0::/:/bin/sh\n"));
    dir.write("image/etc/attestd/attestd.json",
              std::string_view(good_configuration("/etc/attestd/policy.json")));
    const CliRun run = attestctl(
        {"policy", "check", "--root", (dir / "image").string(), "/etc/attestd/attestd.json"});
    INFO(run.err);
    CHECK(run.status == 0);
    CHECK(attestctl({"policy", "check", "/etc/attestd/no-such.json"}).status == 2);
    CHECK(attestctl({"policy", "check", "--root", "/", "--live", "/x"}).status == 2);
}

TEST_CASE("policy check: a file is judged by the parser of its kind", "[cli]") {
    TempDir dir;
    struct Row {
        const char* name;
        const char* text;
        int status;
        const char* words;
    };
    const auto row = GENERATE(values<Row>({
        {"policy with a wrong type", "{\n\"snp\": {\n\"allow_debug\": 1\n}\n}", 1,
         ":3: snp.allow_debug"},
        {"configuration with an unknown key",
         "{\n\"platform\": {\"type\": \"auto\",\n\"no_such_key\": 1}}", 1,
         ":3: platform.no_such_key"},
        {"both at once", R"({"snp": {}, "sources": {}})", 1, "neither"},
        {"neither", R"({"hello": 1})", 1, "neither"},
        {"no JSON", "hello", 1, ":1:"},
        {"doubled key", "{\"snp\": {},\n\"snp\": {}}", 1, ":2:"},
    }));
    INFO(row.name);
    const CliRun run =
        attestctl({"policy", "check", dir.write("file.json", std::string_view(row.text)).string()});
    INFO(run.err);
    CHECK(run.status == row.status);
    CHECK_THAT(run.err, ContainsSubstring(row.words) && ContainsSubstring("file.json"));
}

}  // namespace attestd::test
