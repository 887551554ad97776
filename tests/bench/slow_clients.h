// SlowClients: callers that never get to the end of their request, a byte at a time.
#pragma once

#include <filesystem>
#include <stop_token>
#include <thread>
#include <vector>

#include "quote/base/fd.h"
#include "quote/base/result.h"

namespace attestd::bench {

class SlowClients final {
 public:
    /// Opens `num` connections and begins a request on each; from then on each sends one byte more
    /// in a second, as long as the object lives.
    [[nodiscard]] static Result<SlowClients> start(const std::filesystem::path& path, int num);

 private:
    explicit SlowClients(std::vector<Fd> connections);

    std::jthread thread_;  // holds the connections
};

}  // namespace attestd::bench
