#include "agent/cli/deliverer.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "agent/cli/on_change.h"
#include "agent/cli/output.h"
#include "agent/delivery/kept.h"
#include "agent/service_manager.h"
#include "quote/base/fd.h"

namespace attestd::cli {
namespace {

constexpr Millis kCommandPatience = std::chrono::seconds(30);
// The least time between two answers that bring nothing new: a daemon that does not wait must not
// be asked in a circle.
constexpr Millis kLeastBetween = std::chrono::seconds(1);

struct Told {
    std::size_t number;
    Result<SecretAnswer> answer;
};

// One secret's questions, on a thread of its own: it asks when it is given something to ask, and
// reports to the main thread. It lives as long as the process.
class Asking final {
 public:
    Asking(SecretService& service, std::string name) : service_(service), name_(std::move(name)) {}

    // Answers go into `told`, and `bell` rings.
    template <class Report>
    void run(Report report) {
        for (;;) {
            const NextAsk next = wait_for_order();
            std::this_thread::sleep_for(next.pause);
            report(service_.ask(name_, next.known, next.wait));
        }
    }

    void order(NextAsk next) {
        {
            const std::lock_guard lock(mutex_);
            order_ = std::move(next);
        }
        ordered_.notify_one();
    }

 private:
    NextAsk wait_for_order() {
        std::unique_lock lock(mutex_);
        ordered_.wait(lock, [&] { return order_.has_value(); });
        NextAsk out = *std::move(order_);
        order_.reset();
        return out;
    }

    SecretService& service_;
    const std::string name_;
    std::mutex mutex_;
    std::condition_variable ordered_;
    std::optional<NextAsk> order_;
};

// What the threads told, and a descriptor that is readable as long as there is something.
class Inbox final {
 public:
    Inbox() : bell_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

    void put(Told told) {
        const std::lock_guard lock(mutex_);
        told_.push_back(std::move(told));
        ::eventfd_write(bell_.get(), 1);
    }
    [[nodiscard]] std::deque<Told> take() {
        const std::lock_guard lock(mutex_);
        eventfd_t count = 0;
        ::eventfd_read(bell_.get(), &count);
        return std::exchange(told_, {});
    }
    [[nodiscard]] int fd() const noexcept { return bell_.get(); }

 private:
    Fd bell_;
    std::mutex mutex_;
    std::deque<Told> told_;
};

Result<Secret> content_of(const DeliveredFile& file, const DeliveryPlan& plan,
                          const std::vector<const Secret*>& values) {
    if (!file.form) return values[file.secrets.front()]->clone();
    return file.form->render([&](const std::string& name) -> const Secret& {
        const auto it = std::find(plan.names.begin(), plan.names.end(), name);
        return *values[static_cast<std::size_t>(it - plan.names.begin())];
    });
}

// SIGTERM and SIGINT as something to wait for. To be called before any thread starts.
Result<Fd> catch_signals() {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGTERM);
    ::sigaddset(&set, SIGINT);
    if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0)
        return fail_errno(error, "signals");
    Fd fd(::signalfd(-1, &set, SFD_CLOEXEC));
    if (!fd) return fail_errno(errno, "signals");
    return fd;
}

class Deliverer final {
 public:
    Deliverer(DeliveryPlan plan, SecretService& service, Fd signals)
        : plan_(std::move(plan)),
          signals_(std::move(signals)),
          kept_(plan_.names.size()),
          last_trouble_(plan_.names.size()) {
        for (const std::string& name : plan_.names)
            asking_.push_back(std::make_unique<Asking>(service, name));
    }

    Outcome<void> run() {
        // What an earlier run left may have expired long ago.
        ATTESTD_CHECK(remove_all());
        start_threads();
        for (;;) {
            const bool told_to_end = wait();
            if (told_to_end) break;
            auto done = look();
            if (done) continue;
            static_cast<void>(remove_all());
            return done;
        }
        manager_.notify_stopping();
        if (plan_.at_end == AtEnd::remove_files) ATTESTD_CHECK(remove_all());
        return {};
    }

 private:
    void start_threads() {
        for (std::size_t i = 0; i < asking_.size(); ++i) {
            const auto report = [this, i](Result<SecretAnswer> answer) {
                inbox_.put({i, std::move(answer)});
            };
            asked_.push_back(BootClock::now());
            asking_[i]->order(kept_[i].next(BootClock::now()));
            std::thread([this, i, report] { asking_[i]->run(report); }).detach();
        }
    }

    // True when a signal says that this is the end.
    bool wait() {
        std::array<pollfd, 2> fds{pollfd{signals_.get(), POLLIN, 0},
                                  pollfd{inbox_.fd(), POLLIN, 0}};
        ::poll(fds.data(), fds.size(), millis_to_expiry());
        return (fds[0].revents & POLLIN) != 0;
    }

    int millis_to_expiry() const {
        constexpr Millis kLongest = std::chrono::minutes(1);
        Millis out = kLongest;
        for (const Kept& kept : kept_) {
            if (!kept.until()) continue;
            const auto left = std::chrono::ceil<Millis>(*kept.until() - BootClock::now());
            out = std::clamp(left, Millis(0), out);
        }
        return static_cast<int>(out.count());
    }

    // Takes in what was told and what has expired, and puts the files into that state.
    Outcome<void> look() {
        bool changed = false;
        for (Told& told : inbox_.take()) {
            ATTESTD_TRY(const bool is_other, take_in(std::move(told)));
            changed = changed || is_other;
        }
        for (std::size_t i = 0; i < kept_.size(); ++i) {
            if (kept_[i].pass(BootClock::now()) == KeptChange::none) continue;
            print_warning(plan_.names[i] + ": expired, and is removed");
            changed = true;
        }
        if (changed) ATTESTD_CHECK(settle());
        return {};
    }

    Outcome<bool> take_in(Told told) {
        const std::size_t i = told.number;
        const BootTime now = BootClock::now();
        const KeptChange change = kept_[i].answered(std::move(told.answer), now);
        const auto& trouble = kept_[i].trouble();
        if (trouble) {
            const bool is_final = !is_complete_once_ && !may_pass(trouble->code);
            if (is_final) return fail_in(plan_.names[i], *trouble);
            tell_trouble(i, *trouble);
        } else {
            last_trouble_[i].clear();
        }
        NextAsk next = kept_[i].next(now);
        const auto since = std::chrono::floor<Millis>(now - asked_[i]);
        if (change == KeptChange::none && since < kLeastBetween)
            next.pause = std::max(next.pause, kLeastBetween - since);
        asked_[i] = now + next.pause;
        asking_[i]->order(std::move(next));
        return change != KeptChange::none;
    }

    // Once for each kind of trouble.
    void tell_trouble(std::size_t i, const Error& trouble) {
        const std::string text = plan_.names[i] + ": " + to_string(trouble);
        if (text == last_trouble_[i]) return;
        last_trouble_[i] = text;
        print_warning(text);
        manager_.notify("STATUS=" + printable(text));
    }

    Outcome<void> settle() {
        std::vector<const Secret*> values;
        for (const Kept& kept : kept_) values.push_back(kept.value());
        bool is_complete = true;
        for (const DeliveredFile& file : plan_.files) {
            const bool has_all = std::all_of(file.secrets.begin(), file.secrets.end(),
                                             [&](std::size_t n) { return values[n] != nullptr; });
            is_complete = is_complete && has_all;
            if (!has_all) {
                ATTESTD_CHECK(file.place.remove());
                continue;
            }
            ATTESTD_TRY(const Secret content, content_of(file, plan_, values));
            ATTESTD_CHECK(file.place.write(content));
        }
        if (is_complete) manager_.notify_ready("delivered");
        if (is_complete_once_) tell_of_change();
        is_complete_once_ = is_complete_once_ || is_complete;
        return {};
    }

    // What fails here is the command's affair: the files are in place.
    void tell_of_change() {
        if (plan_.on_change.empty()) return;
        const auto done = run_command(plan_.on_change, kCommandPatience);
        if (!done) print_warning(to_string(done.error()));
    }

    Result<void> remove_all() const {
        for (const DeliveredFile& file : plan_.files) ATTESTD_CHECK(file.place.remove());
        return {};
    }

    const DeliveryPlan plan_;
    Fd signals_;
    Inbox inbox_;
    std::vector<Kept> kept_;
    std::vector<std::unique_ptr<Asking>> asking_;
    std::vector<BootTime> asked_;
    ServiceManager manager_;
    std::vector<std::string> last_trouble_;
    bool is_complete_once_ = false;
};

}  // namespace

Result<std::vector<std::size_t>> numbers_of(const SecretTemplate& form,
                                            const std::vector<std::string>& names) {
    const std::vector<std::string> used = form.names();
    std::vector<std::size_t> out;
    for (const std::string& name : used) {
        const auto it = std::find(names.begin(), names.end(), name);
        if (it == names.end()) {
            return fail(Errc::delivery_template,
                        fmt::format("the template wants \"{0}\": give --secret {0}", name));
        }
        out.push_back(static_cast<std::size_t>(it - names.begin()));
    }
    for (const std::string& name : names) {
        if (std::find(used.begin(), used.end(), name) == used.end())
            return fail(Errc::delivery_template, "the template does not use " + name);
    }
    return out;
}

Outcome<void> deliver_once(const DeliveryPlan& plan, SecretService& service, Millis wait) {
    std::vector<Secret> held;
    for (const std::string& name : plan.names) {
        auto answer = ask_patiently(service, name, wait);
        if (!answer) return fail_in(name, answer.error());
        held.push_back(*std::move(answer->value));
    }
    std::vector<const Secret*> values;
    for (const Secret& secret : held) values.push_back(&secret);
    for (const DeliveredFile& file : plan.files) {
        ATTESTD_TRY(const Secret content, content_of(file, plan, values));
        ATTESTD_CHECK(file.place.write(content));
    }
    return {};
}

Outcome<void> keep_delivered(DeliveryPlan plan, SecretService& service) {
    ATTESTD_TRY(Fd signals, catch_signals());
    // The threads wait on the daemon for up to a minute and use what it holds; so it is kept, and
    // they end with the process.
    auto* const deliverer = new Deliverer(std::move(plan), service, std::move(signals));
    return deliverer->run();
}

}  // namespace attestd::cli
