// Delivering: which secrets go into which files, and the loop that keeps them there.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/cli/command.h"
#include "agent/delivery/place.h"
#include "agent/delivery/secret_template.h"
#include "agent/delivery/service.h"
#include "config/duration.h"

namespace attestd::cli {

struct DeliveredFile {
    Place place;
    std::vector<std::size_t> secrets;  ///< numbers in DeliveryPlan::names; one without a template
    std::optional<SecretTemplate> form;
};

enum class AtEnd : std::uint8_t { remove_files, keep_files };

struct DeliveryPlan {
    std::vector<std::string> names;
    std::vector<DeliveredFile> files;
    std::vector<std::string> on_change;  ///< words; empty: none
    AtEnd at_end = AtEnd::remove_files;
};

/// Which of `names` the template uses. Errc::delivery_template when it wants another, or leaves one
/// out.
[[nodiscard]] Result<std::vector<std::size_t>> numbers_of(const SecretTemplate& form,
                                                          const std::vector<std::string>& names);

/// Each secret once, with up to `wait` for an affirming result, then all files.
[[nodiscard]] Outcome<void> deliver_once(const DeliveryPlan& plan, SecretService& service,
                                         Millis wait);

/// Until SIGTERM or SIGINT. Tells systemd when all files are there. Before that a refusal ends it;
/// later ones take the files away, and it goes on asking. `service` outlives the process.
[[nodiscard]] Outcome<void> keep_delivered(DeliveryPlan plan, SecretService& service);

}  // namespace attestd::cli
