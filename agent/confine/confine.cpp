#include "agent/confine/confine.h"

#include "agent/confine/landlock.h"
#include "agent/confine/syscall_filter.h"
#include "agent/log.h"

namespace attestd {

Result<void> confine(const std::vector<Place>& places) {
    ATTESTD_TRY(const int abi, confine_files(places));
    ATTESTD_TRY(const bool is_filtered, filter_syscalls());
    log_event(abi > 0 && is_filtered ? LogLevel::info : LogLevel::warn, "process.confined",
              {{"files", abi > 0 ? "Landlock " + std::to_string(abi)
                                 : std::string("not confined: this kernel has no Landlock")},
               {"calls", is_filtered ? "filtered" : "not filtered: this build is for tests"}});
    return {};
}

}  // namespace attestd
