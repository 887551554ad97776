// DeadlinePlatform: a platform whose calls return at their deadline, whatever the kernel does.
//
// A device call can stay in the kernel for a minute, cannot be taken back, and must not be killed:
// a broken-off request costs an SNP guest its key. So each call runs on a thread of its own with
// all signals blocked; a caller whose deadline comes leaves it there, and the next one waits for
// it.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <thread>

#include "quote/platform/platform.h"

namespace attestd {

class DeadlinePlatform final : public Platform {
 public:
    explicit DeadlinePlatform(std::unique_ptr<Platform> inner);
    /// Waits for the call that the kernel still has: the kernel's own limits are 30 and 60 seconds.
    ~DeadlinePlatform() override;
    DeadlinePlatform(const DeadlinePlatform&) = delete;
    DeadlinePlatform& operator=(const DeadlinePlatform&) = delete;

    [[nodiscard]] std::string_view name() const noexcept override { return inner_->name(); }
    /// As the inner platform; Errc::timed_out at the deadline.
    [[nodiscard]] Result<Evidence> collect(const ReportData& report_data,
                                           Deadline deadline) override;
    [[nodiscard]] Result<Secret> derive_key(const DerivedKeyRequest& request,
                                            Deadline deadline) override;

 private:
    template <class T>
    [[nodiscard]] Result<T> run(std::function<Result<T>()> work, Deadline deadline);

    std::unique_ptr<Platform> inner_;
    std::thread thread_;             // of the latest call
    std::shared_future<void> done_;  // that it ended; not valid before the first
};

}  // namespace attestd
