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
