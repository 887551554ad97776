#include "quote/platform/deadline_platform.h"

#include <fmt/format.h>
#include <signal.h>

#include <exception>

namespace attestd {
namespace {

/// No signal is delivered to threads that are made during its life.
class SignalsBlocked final {
 public:
    SignalsBlocked() noexcept {
        sigset_t all;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
    sigset_t before_{};
};

tl::unexpected<Error> fail_late(std::string_view name, std::string_view what) {
    return fail(Errc::timed_out,
                fmt::format("{}: {}; the host is slow, or its quote service hangs", name, what));
}

}  // namespace

DeadlinePlatform::DeadlinePlatform(std::unique_ptr<Platform> inner) : inner_(std::move(inner)) {}

DeadlinePlatform::~DeadlinePlatform() {
    if (thread_.joinable()) thread_.join();
}

template <class T>
Result<T> DeadlinePlatform::run(std::function<Result<T>()> work, Deadline deadline) {
    if (done_.valid() && done_.wait_until(deadline) != std::future_status::ready)
        return fail_late(name(), "an earlier request is still with the device");
    if (thread_.joinable()) thread_.join();
    std::packaged_task<Result<T>()> task(std::move(work));
    std::future<Result<T>> answer = task.get_future();
    std::promise<void> ended;
    done_ = ended.get_future().share();
    {
        const SignalsBlocked blocked;
        thread_ = std::thread([task = std::move(task), ended = std::move(ended)]() mutable {
            task();
            ended.set_value();
        });
    }
    if (answer.wait_until(deadline) != std::future_status::ready)
        return fail_late(name(), "no answer by the deadline");
    try {
        return answer.get();
    } catch (const std::exception& bug) {
        return fail(Errc::internal, bug.what());
    }
}

Result<Evidence> DeadlinePlatform::collect(const ReportData& report_data, Deadline deadline) {
    return run<Evidence>([inner = inner_.get(), report_data,
                          deadline] { return inner->collect(report_data, deadline); },
                         deadline);
}

Result<Secret> DeadlinePlatform::derive_key(const DerivedKeyRequest& request, Deadline deadline) {
    return run<Secret>(
        [inner = inner_.get(), request, deadline] { return inner->derive_key(request, deadline); },
        deadline);
}

}  // namespace attestd
