#include "agent/provisioning.h"

#include <algorithm>

namespace attestd {
namespace {

constexpr JsonLimits kJudgeLimits{.max_len = kMaxProvisionLen, .max_depth = 8};

Result<std::vector<SecretName>> names_of(JsonObject& in) {
    std::vector<SecretName> out;
    const auto list = in.optional("names");
    if (!list) return out;
    ATTESTD_TRY(const auto items, list->array(kMaxPackageSecrets));
    for (const JsonValue& item : items) {
        ATTESTD_TRY(const std::string text, item.text());
        ATTESTD_TRY(SecretName name, SecretName::parse(text));
        out.push_back(std::move(name));
    }
    if (out.empty()) return list->fail_here(Errc::bad_value, "leave it out to mean all secrets");
    return out;
}

Result<JudgedRequest> judge_now(const Config& config, const Bytes& text) {
    ATTESTD_TRY(const JsonDocument document,
                JsonDocument::parse(as_text(text), "request", kJudgeLimits));
    ATTESTD_TRY(JsonObject in, document.root().object());
    ATTESTD_TRY(const JsonValue request_value, in.required("request"));
    ATTESTD_TRY(std::vector<SecretName> names, names_of(in));
    ATTESTD_CHECK(in.finish());
    ATTESTD_TRY(ProvisionRequest request, parse_provision_request(request_value));
    const Time now = wall_now();
    ATTESTD_CHECK(check_provision_times(request.body, now));
    ATTESTD_TRY(const auto verifier, make_hand_over_verifier(config));
    ATTESTD_TRY(const AttestationResult result,
                verifier->appraise(request.evidence, provision_expectations(request), now));
    Result<void> verdict = check_provision_result(request, result);
    return JudgedRequest{std::move(request), std::move(names),   result.evidence_digest(),
                         result.grade(),     std::move(verdict), verifier->take_wanted()};
}

}  // namespace

Result<std::unique_ptr<VerifierKind>> make_hand_over_verifier(const Config& config) {
    VerifierConfig verifier = config.verifier;
    if (config.hand_over_policy) {
        // That policy is this daemon's to judge by, whoever appraises this machine.
        verifier.type = VerifierType::local;
        verifier.policy = *config.hand_over_policy;
    }
    return make_verifier(verifier);
}

Provisioning::Provisioning(Io& io, Strand platform_strand, Strand work_strand, ProvisionDesk desk)
    : platform_strand_(std::move(platform_strand)),
      work_strand_(std::move(work_strand)),
      desk_(std::move(desk)),
      wipe_(io) {}

// Keys end when their requests do, not when somebody next looks.
void Provisioning::arm() {
    const BootTime now = BootClock::now();
    const BootTime next = desk_.expire(now);
    wipe_.cancel();
    if (next == BootTime::max()) return;
    // Timers stand still during suspend, CLOCK_BOOTTIME does not: so no sleep is longer than this.
    constexpr auto kLongestSleep = std::chrono::seconds(15);
    wipe_.expires_after(std::min<BootClock::duration>(next - now, kLongestSleep));
    wipe_.async_wait([this](error_code ec) {
        if (!ec) arm();
    });
}

Task<Result<ProvisionDocument>> Provisioning::make_request(Session& session, std::string machine,
                                                           std::chrono::seconds life) {
    const auto body = desk_.issue(std::move(machine), life, wall_now(), BootClock::now());
    if (!body) co_return tl::make_unexpected(body.error());
    arm();
    const std::string text = write_provision_body(*body);
    // No workload's name is empty: this one waits in nobody's place.
    const auto evidence = co_await session.collect(std::string(), provision_report_data(text));
    if (!evidence) {
        desk_.withdraw(body->id);
        co_return tl::make_unexpected(evidence.error());
    }
    ProvisionDocument out{body->id, write_provision_request(text, *evidence)};
    if (out.text.size() > kMaxProvisionLen) {
        desk_.withdraw(body->id);
        co_return fail(Errc::too_large,
                       "the evidence with its event log is longer than a request may be (2 MiB)");
    }
    co_return out;
}

Task<Result<OpenedPackage>> Provisioning::open(Bytes text) {
    auto parse = [text = std::move(text)] { return parse_package(as_text(text), "package"); };
    auto parsed = co_await run_blocking(work_strand_, std::move(parse));
    if (!parsed) co_return tl::make_unexpected(std::move(parsed).error());
    const ProvisionId id = parsed->id;
    const auto key = desk_.take(parsed->instance, id, BootClock::now());
    if (!key) co_return tl::make_unexpected(key.error());
    auto decrypt = [key = *key, sealed = std::move(*parsed)] { return open_package(sealed, *key); };
    auto package = co_await run_blocking(work_strand_, std::move(decrypt));
    if (!package) {
        settle(id, Settled::not_taken);
        co_return tl::make_unexpected(std::move(package).error());
    }
    OpenedPackage out{id, std::move(*package)};
    co_return out;
}

void Provisioning::settle(const ProvisionId& id, Settled how) {
    if (how == Settled::taken)
        desk_.consume(id);
    else
        desk_.put_back(id);
    arm();
}

Task<Result<JudgedRequest>> Provisioning::judge(PolicyPtr policy, Bytes text) {
    auto work = [policy = std::move(policy), text = std::move(text)] {
        return judge_now(*policy, text);
    };
    co_return co_await run_blocking(platform_strand_, std::move(work));
}

Task<Result<std::string>> Provisioning::seal(ProvisionBody request,
                                             std::vector<NewSecret> secrets) {
    auto work = [request = std::move(request), secrets = std::move(secrets)] {
        return seal_package(request, PackageNames::store, secrets);
    };
    co_return co_await run_blocking(work_strand_, std::move(work));
}

void Provisioning::stop() {
    wipe_.cancel();
    desk_.clear();
}

}  // namespace attestd
