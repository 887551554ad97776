#include "agent/cli/event_logs.h"

#include "agent/cli/evidence_file.h"
#include "quote/boot/event_log.h"

namespace attestd::cli {

Outcome<Bytes> read_event_logs(const std::vector<std::string>& files, Bytes first) {
    for (const std::string& file : files) {
        ATTESTD_TRY(Bytes bytes, read_input(file));
        if (first.empty()) {
            first = std::move(bytes);
            continue;
        }
        auto merged = merge_event_logs(first, bytes);
        if (!merged) return wrong_usage({merged.error().code, file + ": " + merged.error().detail});
        first = *std::move(merged);
    }
    return first;
}

}  // namespace attestd::cli
