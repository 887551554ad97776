// Waiting, on a thread of the pool, for what the event loop or another of its threads gives.
#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <string>

#include "quote/base/result.h"

namespace attestd {

/// Kept by whoever answers and by whoever asks: one of them may give up.
template <class T>
using Answer = std::shared_ptr<std::promise<Result<T>>>;

template <class T>
[[nodiscard]] Answer<T> make_answer() {
    return std::make_shared<std::promise<Result<T>>>();
}

/// Errc::timed_out, in these words, when nothing came by `deadline`.
template <class T>
[[nodiscard]] Result<T> wait_for_answer(const Answer<T>& answer,
                                        std::chrono::steady_clock::time_point deadline,
                                        std::string why_not) {
    auto coming = answer->get_future();
    if (coming.wait_until(deadline) == std::future_status::ready) return coming.get();
    return fail(Errc::timed_out, std::move(why_not));
}

}  // namespace attestd
