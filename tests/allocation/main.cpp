// attestd-allocation-failures: every C++ allocation of a whole appraisal fails once, or each N-th.
//
// Endorsements are read, a verifier is made and forged evidence is appraised; then the same again
// with the first allocation failing, the second, and so on to the last.
// What must come of it is std::bad_alloc or an error, never a crash, a leak, or another result than
// the right one; and a verifier that remembers must be none the worse for it. OpenSSL's own
// allocations are not among them.
//
//   attestd-allocation-failures [EVERY [KIND...]]    each EVERY-th allocation only; TAP
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>

#include "tests/support/forge/case_forge.h"
#include "verifier/claims_json.h"
#include "verifier/verifier.h"

namespace {

std::size_t g_num_live = 0;  // allocations that were not freed
std::size_t g_num_made = 0;  // since the last arm()
std::size_t g_failing = 0;   // the number of the one that fails; 0 for none

void arm(std::size_t failing) {
    g_num_made = 0;
    g_failing = failing;
}

void* allocate(std::size_t len, std::size_t alignment) {
    if (++g_num_made == g_failing) return nullptr;
    const std::size_t rounded = (len + alignment - 1) / alignment * alignment;
    void* const made = alignment <= alignof(std::max_align_t)
                           ? std::malloc(len == 0 ? 1 : len)
                           : std::aligned_alloc(alignment, rounded);
    if (made != nullptr) ++g_num_live;
    return made;
}

void* allocate_or_throw(std::size_t len, std::size_t alignment) {
    void* const made = allocate(len, alignment);
    if (made == nullptr) throw std::bad_alloc();
    return made;
}

void release(void* made) noexcept {
    if (made != nullptr) --g_num_live;
    std::free(made);
}

constexpr std::size_t kPlain = alignof(std::max_align_t);

}  // namespace

// The array forms and those that do not throw come down to these (C++ [new.delete]).
void* operator new(std::size_t len) { return allocate_or_throw(len, kPlain); }
void* operator new(std::size_t len, std::align_val_t alignment) {
    return allocate_or_throw(len, static_cast<std::size_t>(alignment));
}
void operator delete(void* made) noexcept { release(made); }
void operator delete(void* made, std::size_t) noexcept { release(made); }
void operator delete(void* made, std::align_val_t) noexcept { release(made); }
void operator delete(void* made, std::size_t, std::align_val_t) noexcept { release(made); }

namespace {

using namespace attestd;

struct Case {
    std::string kind;
    Bytes evidence;
    std::vector<Bytes> endorsements;
    Bytes root;
    Time at;
};

Case make_case(const std::string& kind) {
    const Time at = make_time(2026, 11, 22, 8, 0, 0, "now").value();
    const auto files = forge::forge_case(kind, at).value();
    Case out{kind, {}, {}, forge::content_of(files, "root.der"), at};
    if (!kind.starts_with("snp-")) {
        out.evidence = forge::content_of(files, "quote.bin");
        out.endorsements = {forge::content_of(files, "collateral.json")};
        return out;
    }
    out.evidence = forge::content_of(files, "report.bin");
    out.endorsements = {forge::content_of(files, "table.bin"), forge::content_of(files, "crl.der")};
    return out;
}

TrustAnchors anchors_of(const Case& c) {
    TrustAnchors anchors;
    if (!anchors.add_certificate(c.root)) return {};
    return anchors;
}

using Outcome = std::optional<AttestationResult>;

// Empty when an endorsement was refused.
Outcome appraised_by(LocalVerifier& verifier, const Case& c) {
    Endorsements given;
    for (const Bytes& one : c.endorsements) {
        if (!given.add(one, "forged")) return {};
    }
    return verifier.appraise(c.evidence, given, {}, {}, c.at);
}

Outcome appraised(const Case& c) {
    LocalVerifier verifier(anchors_of(c));
    return appraised_by(verifier, c);
}

// What one attempt came to; empty also when std::bad_alloc came out of it, which is counted.
template <class Attempt>
Outcome attempted(std::size_t failing, std::size_t& num_thrown, const Attempt& attempt) {
    Outcome out;
    arm(failing);
    try {
        out = attempt();
    } catch (const std::bad_alloc&) {
        ++num_thrown;
    }
    arm(0);
    return out;
}

std::string text_of(const Outcome& outcome) {
    return outcome ? to_json(*outcome).dump() : std::string();
}

class Campaign {
 public:
    explicit Campaign(const Case& c) : case_(c) {
        static_cast<void>(appraised(case_));  // whatever is made once for the process is made
        arm(0);
        const Outcome right = appraised(case_);
        num_allocations_ = g_num_made;
        right_ = text_of(right);
        is_accepted_ = right && right->verdict() == Verdict::accepted;
    }

    // An explanation of the first thing that is wrong; empty when nothing is.
    std::string run(std::size_t every) {
        if (!is_accepted_) return "the evidence is not accepted: " + right_;
        if (num_allocations_ == 0) return "no allocation was counted";
        for (std::size_t n = 1; n <= num_allocations_; n += every) {
            if (std::string wrong = run_one(n); !wrong.empty())
                return fmt::format("allocation {}: {}", n, wrong);
        }
        if (num_thrown_ == 0) return "no allocation was made to fail";
        return {};
    }
    std::size_t num_allocations() const { return num_allocations_; }
    std::size_t num_thrown() const { return num_thrown_; }

 private:
    // Nothing accepts but with the right result.
    bool is_right(const Outcome& outcome) const {
        return !outcome || outcome->verdict() != Verdict::accepted || text_of(outcome) == right_;
    }

    std::string run_one(std::size_t n) {
        const std::size_t before = g_num_live;
        if (!is_right(attempted(n, num_thrown_, [&] { return appraised(case_); })))
            return "another result is accepted";
        if (g_num_live != before)
            return fmt::format("{} allocations leak", static_cast<long>(g_num_live - before));
        LocalVerifier warm(anchors_of(case_));
        std::size_t ignored = 0;
        if (!is_right(attempted(n, ignored, [&] { return appraised_by(warm, case_); })))
            return "another result is accepted by a verifier that remembers";
        if (text_of(appraised_by(warm, case_)) != right_)
            return "the verifier remembers the failure";
        return {};
    }

    const Case& case_;
    std::string right_;
    bool is_accepted_ = false;
    std::size_t num_allocations_ = 0, num_thrown_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    const std::size_t every = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1;
    std::vector<std::string> kinds{"tdx-v4", "tdx-v5-td15ex", "sgx-v3", "snp-milan-v3",
                                   "snp-turin-v5"};
    if (argc > 2) kinds.assign(argv + 2, argv + argc);
    int num_wrong = 0, number = 0;
    fmt::print("1..{}\n", kinds.size());
    for (const std::string& kind : kinds) {
        const Case c = make_case(kind);
        Campaign campaign(c);
        const std::string wrong = campaign.run(every == 0 ? 1 : every);
        num_wrong += wrong.empty() ? 0 : 1;
        fmt::print("{} {} - {}: {} allocations, {} failures thrown on\n",
                   wrong.empty() ? "ok" : "not ok", ++number, kind, campaign.num_allocations(),
                   campaign.num_thrown());
        if (!wrong.empty()) fmt::print("# {}\n", wrong);
        std::fflush(stdout);
    }
    return num_wrong == 0 ? 0 : 1;
}
