#include "tests/mutation/campaign.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

#include "quote/base/encoding.h"
#include "verifier/claims_json.h"

namespace attestd::mutation {
namespace {

constexpr std::size_t kMostShown = 12;

enum class Kind : std::uint8_t { flip, cut, extra, length };

// What became of a mutant, as far as it is judged.
struct Outcome {
    Verdict verdict = Verdict::refused;
    std::string reason;  // the first error, without its TEE; empty when there is none
    std::string all;     // the whole result, when it got as far as claims
};

Outcome outcome_of(const AttestationResult& result) {
    Outcome out{result.verdict(), {}, {}};
    for (const Finding& finding : result.findings()) {
        if (finding.severity != Severity::error) continue;
        out.reason = finding.id.substr(finding.id.find('.') + 1);
        break;
    }
    if (!std::holds_alternative<std::monostate>(result.claims()))
        out.all = to_json(result).dump() + to_hex(result.evidence_digest());
    return out;
}

// One thread's share: its own verifier, which remembers.
class Worker {
 public:
    Worker(const Case& genuine, const Target& target)
        : case_(genuine), target_(target), verifier_(anchors()) {
        for (std::size_t i = 0; i < case_.endorsements.size(); ++i) {
            if (target_.endorsement == i) continue;
            add(others_, case_.endorsements[i]);
        }
        original_ = target_.endorsement ? ByteView(case_.endorsements[*target_.endorsement])
                                        : ByteView(case_.evidence);
        genuine_ = ask(verifier_, original_);
        if (genuine_.all.empty())
            throw std::runtime_error(case_.name +
                                     ": the genuine evidence does not verify: " + genuine_.reason);
    }

    ByteView original() const noexcept { return original_; }

    void judge(ByteView mutant, Kind kind, std::size_t where, bool cold_too) {
        ++tally_.num_mutants;
        const Outcome outcome = ask(verifier_, mutant);
        if (cold_too) {
            ++tally_.num_cold;
            LocalVerifier cold(anchors());
            const Outcome again = ask(cold, mutant);
            if (again.verdict != outcome.verdict || again.reason != outcome.reason)
                complain(kind, where, fmt::format("{} when cold", again.reason), outcome);
        }
        const auto harmless = why_harmless(mutant, kind, where);
        if (outcome.verdict == Verdict::accepted || outcome.all == genuine_.all) {
            if (!harmless) return complain(kind, where, "it VERIFIES", outcome);
            if (outcome.all != genuine_.all)
                return complain(kind, where, "it changes a claim or finding", outcome);
            ++tally_.num_unsigned;
            ++tally_.by_unsigned[*harmless];
            return;
        }
        if (outcome.verdict == Verdict::undecided) ++tally_.num_undecided;
        ++tally_.by_reason[outcome.reason];
        if (harmless) return complain(kind, where, "listed as not signed, and refused", outcome);
        if (!is_right(kind, where, outcome.reason))
            complain(kind, where, "not a reason for this place", outcome);
    }

    Tally take() { return std::move(tally_); }

 private:
    TrustAnchors anchors() const {
        TrustAnchors out;
        for (const Bytes& anchor : case_.anchors) {
            if (!out.add_certificate(anchor)) throw std::runtime_error("a bad trust anchor");
        }
        return out;
    }
    static void add(Endorsements& to, ByteView bytes) {
        if (const auto added = to.add(bytes, "genuine"); !added)
            throw std::runtime_error("a genuine endorsement: " + to_string(added.error()));
    }

    Outcome ask(LocalVerifier& verifier, ByteView input) const {
        if (!target_.endorsement)
            return outcome_of(verifier.appraise(input, others_, case_.policy, {}, case_.at));
        Endorsements given = others_;
        if (const auto added = given.add(input, "mutant"); !added)
            return {Verdict::refused, std::string(errc_name(added.error().code)), {}};
        return outcome_of(verifier.appraise(case_.evidence, given, case_.policy, {}, case_.at));
    }

    std::optional<std::string> why_harmless(ByteView mutant, Kind kind, std::size_t where) const {
        const Plan& plan = target_.plan;
        if (kind == Kind::flip) {
            const auto it = plan.unsigned_bits.find(where);
            if (it != plan.unsigned_bits.end()) return it->second;
        }
        if (kind == Kind::cut && plan.whole_from && where >= *plan.whole_from)
            return "what follows the end";
        const bool after = kind == Kind::extra && equal(mutant.first(mutant.size() - 1), original_);
        if (after && plan.tail == Tail::anything) return "what follows the end";
        if (after && plan.tail == Tail::zeros && mutant.back() == 0) return "one byte of padding";
        return std::nullopt;
    }

    bool is_right(Kind kind, std::size_t where, std::string_view reason) const {
        const auto allows = [&](const Reasons& reasons) {
            return std::any_of(reasons.begin(), reasons.end(),
                               [&](Errc code) { return errc_name(code) == reason; });
        };
        if (kind != Kind::flip) return allows(target_.plan.form);
        return std::any_of(target_.plan.regions.begin(), target_.plan.regions.end(),
                           [&](const Region& region) {
                               return region.range.contains(where / 8) && allows(region.reasons);
                           });
    }

    std::string place_of(Kind kind, std::size_t where) const {
        if (kind == Kind::cut) return fmt::format("cut to {} bytes", where);
        if (kind == Kind::extra) return fmt::format("extra byte 0x{:02x}", where);
        if (kind == Kind::length) return fmt::format("a length of {}", where);
        std::string names;
        for (const Region& region : target_.plan.regions) {
            if (region.range.contains(where / 8)) names += " < " + region.name;
        }
        return fmt::format("byte 0x{:x} bit {}{}", where / 8, where % 8, names);
    }

    void complain(Kind kind, std::size_t where, std::string_view why, const Outcome& outcome) {
        if (++tally_.num_wrong > kMostShown) return;
        tally_.wrong.push_back(fmt::format("{} {}: {}: {} ({})", case_.name, target_.what,
                                           place_of(kind, where), why, outcome.reason));
    }

    const Case& case_;
    const Target& target_;
    ByteView original_;
    Endorsements others_;
    LocalVerifier verifier_;
    Outcome genuine_;
    Tally tally_;
};

// An odd step that leaves at most `most` of `count`, so that it does not hit one bit of each byte.
std::size_t step_for(std::size_t count, std::size_t most) {
    return most == 0 ? 1 : ((count + most - 1) / most) | 1;
}

// Calls use(mutant, kind, where) for every mutant of the effort, in an order that does not vary.
template <class F>
void for_each_mutant(ByteView original, const Target& target, const Effort& effort, F&& use) {
    const auto done = [&](std::size_t byte) {
        return std::any_of(target.done_before.begin(), target.done_before.end(),
                           [&](const ByteRange& range) { return range.contains(byte); });
    };
    test::for_each_bit_flip(original, {0, original.size()},
                            step_for(8 * original.size(), effort.most),
                            [&](ByteView mutant, std::size_t bit) {
                                if (!done(bit / 8)) use(mutant, Kind::flip, bit);
                            });
    test::for_each_truncation(
        original, step_for(original.size(), effort.most / 4),
        [&](ByteView mutant, std::size_t len) { use(mutant, Kind::cut, len); });
    test::for_each_extra_byte(
        original, [&](ByteView mutant, std::size_t byte) { use(mutant, Kind::extra, byte); });
    for (const LengthField& field : target.plan.lengths) {
        test::for_each_length_value(
            original, field.field, field.order,
            [&](ByteView mutant, std::size_t value) { use(mutant, Kind::length, value); });
    }
}

}  // namespace

void Tally::add(const Tally& other) {
    num_mutants += other.num_mutants;
    num_undecided += other.num_undecided;
    num_unsigned += other.num_unsigned;
    num_cold += other.num_cold;
    num_wrong += other.num_wrong;
    for (const auto& [reason, count] : other.by_reason) by_reason[reason] += count;
    for (const auto& [reason, count] : other.by_unsigned) by_unsigned[reason] += count;
    wrong.insert(wrong.end(), other.wrong.begin(), other.wrong.end());
}

Tally run(const Case& genuine, const Target& target, const Effort& effort) {
    std::vector<Tally> tallies(effort.num_threads);
    const auto work = [&](unsigned me) {
        Worker worker(genuine, target);
        std::size_t number = 0;
        for_each_mutant(
            worker.original(), target, effort, [&](ByteView mutant, Kind kind, std::size_t where) {
                const std::size_t n = number++;
                if (n % effort.num_threads != me) return;
                const bool cold =
                    effort.cold_every != 0 && n / effort.num_threads % effort.cold_every == 0;
                worker.judge(mutant, kind, where, cold);
            });
        tallies[me] = worker.take();
    };
    std::vector<std::thread> threads;
    for (unsigned i = 1; i < effort.num_threads; ++i) threads.emplace_back(work, i);
    work(0);
    for (std::thread& thread : threads) thread.join();
    Tally out;
    for (const Tally& tally : tallies) out.add(tally);
    return out;
}

}  // namespace attestd::mutation
