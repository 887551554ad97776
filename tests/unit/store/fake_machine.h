// A machine that derives keys, for tests of the sealed store.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>

#include "quote/base/digest.h"
#include "quote/platform/platform.h"

namespace attestd::test {

/// An SNP guest in words: the key depends on the chip, the image and what is asked for, as the
/// firmware's does.
class FakeMachine final : public Platform {
 public:
    std::string chip = "chip 1";
    std::string image = "image 1";
    std::string tcb = "tcb 1";   ///< as reported: the key's root is another one for each
    std::optional<Errc> broken;  ///< what every request fails with
    int num_requests = 0;

    [[nodiscard]] std::string_view name() const noexcept override { return "fake"; }
    [[nodiscard]] Result<Evidence> collect(const ReportData&, Deadline) override {
        return fail(Errc::platform_unsupported, "not in this test");
    }
    [[nodiscard]] Result<Secret> derive_key(const DerivedKeyRequest& request, Deadline) override {
        ++num_requests;
        if (broken) return fail(*broken, "the machine is told to fail");
        const std::string asked = fmt::format("{}/{}/{}/{}", request.guest_field_select,
                                              request.vmpl, request.guest_svn, request.tcb_version);
        const std::string all = fmt::format("{}\n{}\n{}\n{}", chip, image, tcb, asked);
        return Secret::copy_of(sha256(as_bytes(all)));
    }
};

}  // namespace attestd::test
