// Where container runtimes put a container's control group (spec/workload-identity.md section 4).
//
// A pattern is a path from the root, matched by whole components: "/docker/<id>". "*" stands for
// one component of any name, "<id>" for 64 lower-case hexadecimal digits, "<pod>" for a pod's uid;
// the last two may have text around them within their component. What lies below a match is inside
// the container and says nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quote/base/result.h"

namespace attestd {

class ContainerPattern final {
 public:
    struct Match {
        std::string id, pod_uid;
        std::size_t depth = 0;  ///< components down to the container's own

        friend bool operator==(const Match&, const Match&) = default;
    };

    /// "<id>" stands in the last component, once. Errc::bad_value.
    [[nodiscard]] static Result<ContainerPattern> parse(std::string_view text);

    /// Components of a cgroup's path, the root's child first.
    [[nodiscard]] std::optional<Match> match(const std::vector<std::string_view>& path) const;

    /// Whether some path may match both. Errs on this side.
    [[nodiscard]] bool may_overlap(const ContainerPattern& other) const;

    [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
    // One component: `before` + what `kind` stands for + `after`; a literal is all `before`.
    struct Part {
        enum class Kind : std::uint8_t { literal, any, id, pod } kind;
        std::string before, after;

        [[nodiscard]] std::optional<std::string_view> match(std::string_view component) const;
        [[nodiscard]] bool may_overlap(const Part& other) const;
    };
    [[nodiscard]] static Result<Part> parse_part(std::string_view text);

    std::string text_;
    std::vector<Part> parts_;
};

/// Those of Docker, Podman, CRI-O, containerd and nerdctl.
[[nodiscard]] const std::vector<ContainerPattern>& known_container_patterns();

}  // namespace attestd
