// Launch digests: every recorded case, and firmware that cannot be what it claims.
#include "quote/amd/launch_digest.h"

#include <nlohmann/json.hpp>

#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/support/mutations.h"
#include "tests/support/vectors.h"

namespace attestd {
namespace {

std::uint64_t number(const std::string& text) { return std::stoull(text, nullptr, 0); }

}  // namespace

TEST_CASE("launch digest: every recorded case gives its recorded measurement", "[quote][snp]") {
    NEED_VECTORS(dir, "snp/measure");
    const auto manifest = nlohmann::json::parse(test::load_text(dir / "manifest.json"));
    const Bytes kernel = test::load_file(dir / "kernel.bin");
    const Bytes initrd = test::load_file(dir / "initrd.bin");
    std::size_t compared = 0;
    for (const auto& entry : manifest["cases"]) {
        INFO(entry.dump());
        const Bytes image = test::load_file(dir / entry["ovmf"].get<std::string>());
        auto firmware = parse_firmware(image);
        REQUIRE(firmware);
        LaunchParameters parameters;
        parameters.firmware = *std::move(firmware);
        const std::string cmdline =
            entry["cmdline"].is_null() ? "" : entry["cmdline"].get<std::string>();
        if (!entry["kernel"].is_null()) {
            parameters.kernel = DirectKernel{
                kernel, entry["initrd"].is_null() ? ByteView() : ByteView(initrd), cmdline};
        }
        parameters.num_vcpus = entry["vcpus"].get<std::uint32_t>();
        parameters.vcpu_signature = static_cast<std::uint32_t>(number(entry["cpu_sig"]));
        parameters.guest_features = number(entry["guest_features"]);
        parameters.vmm = vmm_from_name(entry["vmm"].get<std::string>()).value();
        const auto digest = launch_digest(parameters);
        REQUIRE(digest);
        CHECK(to_hex(*digest) == entry["measurement"].get<std::string>());
        ++compared;
    }
    CHECK(compared == manifest["cases"].size());
    CHECK(compared > 100);
}

TEST_CASE("launch digest: a kernel that the firmware would not measure is refused",
          "[quote][snp]") {
    NEED_VECTORS(dir, "snp/measure");
    const Bytes image = test::load_file(dir / "ovmf_OvmfX64_suffix.bin");
    auto firmware = parse_firmware(image);
    REQUIRE(firmware);
    LaunchParameters parameters;
    parameters.firmware = *std::move(firmware);
    parameters.kernel = DirectKernel{};
    const auto digest = launch_digest(parameters);
    REQUIRE_FALSE(digest);
    CHECK(digest.error().code == Errc::bad_value);
    CHECK_THAT(digest.error().detail, test::ContainsSubstring("SNP_KERNEL_HASHES"));
}

TEST_CASE("launch digest: numbers of vCPUs that no machine has are refused", "[quote][snp]") {
    LaunchParameters parameters;
    for (const std::uint32_t vcpus : {0u, 4097u}) {
        parameters.num_vcpus = vcpus;
        const auto digest = launch_digest(parameters);
        REQUIRE_FALSE(digest);
        CHECK(digest.error().code == Errc::bad_value);
    }
}

// (Digests under an SVSM: tests/e2e/measure_test.py, against a second computation.)
TEST_CASE("launch digest: an SVSM that cannot be launched so is refused", "[quote][snp][svsm]") {
    struct Row {
        const char* name;
        void (*spoil)(LaunchParameters&);
    };
    const auto row = GENERATE(values<Row>({
        {"EC2", [](LaunchParameters& p) { p.vmm = Vmm::ec2; }},
        {"GCE", [](LaunchParameters& p) { p.vmm = Vmm::gce; }},
        {"a kernel", [](LaunchParameters& p) { p.kernel = DirectKernel{}; }},
        {"no entry", [](LaunchParameters& p) { p.svsm->image.svsm_entry.reset(); }},
        {"an entry outside", [](LaunchParameters& p) { p.svsm->image.svsm_entry = 8192; }},
        {"a variable store of half a page",
         [](LaunchParameters& p) { p.svsm->variable_store_len = 2048; }},
        {"a variable store over 64 MiB",
         [](LaunchParameters& p) { p.svsm->variable_store_len = (64U << 20) + 4096; }},
        {"no vCPU", [](LaunchParameters& p) { p.num_vcpus = 0; }},
    }));
    INFO(row.name);
    const Bytes image(8192);
    LaunchParameters parameters;
    parameters.firmware.image = image;
    parameters.num_vcpus = 2;  // no reset block is needed: all of them start in the SVSM
    parameters.svsm.emplace();
    parameters.svsm->image.image = image;
    parameters.svsm->image.svsm_entry = 8191;
    REQUIRE_OK(launch_digest(parameters));
    row.spoil(parameters);
    REQUIRE_ERRC(Errc::bad_value, launch_digest(parameters));
}

TEST_CASE("firmware: what is no OVMF image is refused", "[quote][snp]") {
    CHECK(parse_firmware(Bytes{}).error().code == Errc::bad_length);
    CHECK(parse_firmware(Bytes(4097)).error().code == Errc::bad_length);
    CHECK(parse_firmware(Bytes(4096)).error().code == Errc::bad_length);
}

TEST_CASE("firmware: no flipped bit of its metadata leads outside the image", "[quote][snp]") {
    NEED_VECTORS(dir, "snp/measure");
    const Bytes image = test::load_file(dir / "ovmf_AmdSev_suffix.bin");
    std::size_t accepted = 0, refused = 0;
    test::for_each_bit_flip(image, [&](ByteView mutant, std::size_t) {
        const auto firmware = parse_firmware(mutant);
        ++(firmware ? accepted : refused);
        if (firmware) CHECK(firmware->image.size() == image.size());
    });
    CHECK(refused > 0);
    CHECK(accepted > refused);  // most of an image is code
}

}  // namespace attestd
