// The source of sealed secrets: files of a host that is not trusted, names, signers and versions.
#include "agent/sealed/source.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>

#include "config/sealed_resource.h"
#include "config/secret_name.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/sealed/scripted_sources.h"

namespace attestd::sealed::source_test {
namespace {

const std::string kUri = "kbs:///default/db/password";
const std::string kName = "db/password";

struct Setting {
    test::TempDir dir;
    Sealer sealer, at_broker{kBrokersKid};
    SealedSourceConfig config;
    std::shared_ptr<ScriptedSources> others = std::make_shared<ScriptedSources>();
    std::string file = (dir / "db.sealed").string();

    Setting() {
        config.trusted_keys = LoadedFile{"/signers", to_bytes(as_bytes(sealer.jwk().dump()))};
        config.trusted_kids = {kBrokersKid};
        config.broker = "broker";
        config.hashi_vault = "vault";
        others->resources[kUri] = "value";
    }
    [[nodiscard]] std::shared_ptr<SealedSource> source() const {
        auto made = SealedSource::make(config, others);
        REQUIRE_OK(made);
        return *made;
    }
    void deliver(const std::string& text) const { dir.write("db.sealed", text); }
};

std::uint64_t count_of(const RemoteStatus& status, std::string_view name) {
    for (const RemoteCount& count : status.counts) {
        if (count.name == name) return count.value;
    }
    return 999;
}

}  // namespace

TEST_CASE("sealed source: a delivered file, read each time", "[sealed]") {
    const Setting s;
    const auto source = s.source();
    s.deliver(s.sealer.seal_for(kName, pointer_to(kUri)) + "\n");
    const auto first = source->get_resource(s.file, kName);
    REQUIRE_OK(first);
    CHECK(text_of(*first->value) == "value");
    CHECK(first->expires == s.others->brokers_end);
    CHECK(source->get_resource(s.file, kName)->version == first->version);
    s.deliver(s.sealer.seal_for(kName, envelope_of("another")));
    const auto second = source->get_resource(s.file, kName);
    REQUIRE_OK(second);
    CHECK(text_of(*second->value) == "another");
    CHECK(second->version > first->version);
    CHECK(source->type() == "sealed");
    CHECK(count_of(source->status(), "unsealed") == 3);
    CHECK(count_of(source->status(), "refused") == 0);
}

TEST_CASE("sealed source: a signed file in the place of another is refused", "[sealed]") {
    const Setting s;
    const auto source = s.source();
    s.deliver(s.sealer.seal_for("db/user", pointer_to(kUri)));
    const auto swapped = source->get_resource(s.file, kName);
    REQUIRE_ERRC(Errc::sealed_binding, swapped);
    CHECK_THAT(swapped.error().detail, test::ContainsSubstring("signed for another one"));
    s.deliver(s.sealer.seal(pointer_to(kUri)));
    const auto nameless = source->get_resource(s.file, kName);
    REQUIRE_ERRC(Errc::sealed_binding, nameless);
    CHECK_THAT(nameless.error().detail, test::ContainsSubstring("does not say what it is for"));
    CHECK(s.others->num_asked == 0);
    CHECK(count_of(source->status(), "refused") == 2);
}

TEST_CASE("sealed source: \"unbound\" takes files without a name, and none with another",
          "[sealed]") {
    Setting s;
    s.config.unbound = true;
    const auto source = s.source();
    s.deliver(s.sealer.seal(pointer_to(kUri)));
    REQUIRE_OK(source->get_resource(s.file, kName));
    s.deliver(s.sealer.seal_for("db/user", pointer_to(kUri)));
    REQUIRE_ERRC(Errc::sealed_binding, source->get_resource(s.file, kName));
}

TEST_CASE("sealed source: text in configuration needs no name, and must not have another",
          "[sealed]") {
    const Setting s;
    const auto source = s.source();
    REQUIRE_OK(source->get_resource(s.sealer.seal(pointer_to(kUri)), kName));
    REQUIRE_OK(source->get_resource(s.sealer.seal_for(kName, pointer_to(kUri)), kName));
    REQUIRE_ERRC(Errc::sealed_binding,
                 source->get_resource(s.sealer.seal_for("x", pointer_to(kUri)), kName));
    REQUIRE_ERRC(Errc::bad_name, source->get_resource("db/password", kName));
}

TEST_CASE("sealed source: only signers that configuration names", "[sealed]") {
    const Setting s;
    const auto source = s.source();
    const Sealer stranger("stranger"), namesake;
    s.deliver(stranger.seal_for(kName, pointer_to(kUri)));
    const auto refused = source->get_resource(s.file, kName);
    REQUIRE_ERRC(Errc::sealed_untrusted, refused);
    CHECK_THAT(refused.error().detail, test::ContainsSubstring("signer \"stranger\""));
    s.deliver(namesake.seal_for(kName, pointer_to(kUri)));
    REQUIRE_ERRC(Errc::sealed_signature, source->get_resource(s.file, kName));
    // Whatever the broker has elsewhere: that URI is not on the list, and is not asked for.
    const Sealer unlisted("kbs:///default/keys/unlisted");
    s.others->resources["kbs:///default/keys/unlisted"] = unlisted.jwk().dump();
    s.deliver(unlisted.seal_for(kName, pointer_to(kUri)));
    REQUIRE_ERRC(Errc::sealed_untrusted, source->get_resource(s.file, kName));
    CHECK(s.others->num_asked == 0);
}

TEST_CASE("sealed source: a key at the broker counts as it is at that moment", "[sealed]") {
    const Setting s;
    const auto source = s.source();
    s.deliver(s.at_broker.seal_for(kName, pointer_to(kUri)));
    REQUIRE_ERRC(Errc::kbs_missing, source->get_resource(s.file, kName));
    CHECK(count_of(source->status(), "refused") == 0);
    s.others->resources[kBrokersKid] = s.at_broker.jwk().dump();
    REQUIRE_OK(source->get_resource(s.file, kName));
    const Sealer rotated(kBrokersKid);
    s.others->resources[kBrokersKid] = rotated.jwk().dump();
    REQUIRE_ERRC(Errc::sealed_signature, source->get_resource(s.file, kName));
    s.deliver(rotated.seal_for(kName, pointer_to(kUri)));
    REQUIRE_OK(source->get_resource(s.file, kName));
    s.others->resources[kBrokersKid] = "no key";
    REQUIRE_ERRC(Errc::sealed_untrusted, source->get_resource(s.file, kName));
}

TEST_CASE("sealed source: values that nobody can use", "[sealed]") {
    const Setting s;
    const auto source = s.source();
    s.deliver(s.sealer.seal_for(kName, envelope_of("")));
    REQUIRE_ERRC(Errc::sealed_payload, source->get_resource(s.file, kName));
    s.others->resources[kUri] = std::string(kMaxSecretLen + 1, 'x');
    s.deliver(s.sealer.seal_for(kName, pointer_to(kUri)));
    REQUIRE_ERRC(Errc::secret_too_large, source->get_resource(s.file, kName));
}

TEST_CASE("sealed source: a file is a regular one of bounded size", "[sealed]") {
    const Setting s;
    REQUIRE_ERRC(Errc::sealed_missing, read_sealed_file(s.file));
    REQUIRE_ERRC(Errc::sealed_file, read_sealed_file(s.dir.path()));
    REQUIRE_ERRC(Errc::sealed_file, read_sealed_file("/dev/null"));
    const std::string fifo = (s.dir / "fifo").string();
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    REQUIRE_ERRC(Errc::sealed_file, read_sealed_file(fifo));
    const std::string full(kMaxSealedLen, 'a');
    s.deliver(full + "\n");
    CHECK(read_sealed_file(s.file) == full);
    REQUIRE_ERRC(Errc::sealed_missing, read_sealed_file(s.file + "/below"));
    s.deliver(full + "a");
    REQUIRE_ERRC(Errc::sealed_file, read_sealed_file(s.file));
    s.deliver(full + "aa");
    REQUIRE_ERRC(Errc::sealed_file, read_sealed_file(s.file));
    // As Kubernetes delivers.
    s.dir.write("..data/db.sealed", std::string_view("linked"));
    std::filesystem::create_symlink("..data/db.sealed", s.dir / "link");
    CHECK(read_sealed_file(s.dir / "link") == "linked");
}

TEST_CASE("sealed source: a file of two newlines at its end is no sealed secret", "[sealed]") {
    const Setting s;
    s.deliver(s.sealer.seal_for(kName, pointer_to(kUri)) + "\n\n");
    REQUIRE_ERRC(Errc::sealed_malformed, s.source()->get_resource(s.file, kName));
}

TEST_CASE("sealed source: signers that cannot be pinned are told when it is made", "[sealed]") {
    Setting s;
    s.config.trusted_keys->bytes = to_bytes(as_bytes(std::string_view("{}")));
    REQUIRE_ERRC(Errc::missing_key, SealedSource::make(s.config, s.others));
}

}  // namespace attestd::sealed::source_test
