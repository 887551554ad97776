#include "agent/hashivault/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/log.h"
#include "agent/network/wiped_request.h"
#include "config/secret_name.h"

namespace attestd::hashivault {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr unsigned kMostTries = 3;        // of one read, while Vault does not answer
constexpr milliseconds kMostPause{1000};  // between them
constexpr seconds kRevokePatience{2};     // when it is forgotten, perhaps at the stop
constexpr seconds kReloginPause{60};      // between logins that a refusal brings about
constexpr seconds kRenewalPause{5};       // after a renewal that was not answered
constexpr seconds kLongestLogin = std::chrono::hours(24);  // also of a token without an end
// attestd-fetch takes 24 KiB of head; a token to log in with is in a body.
constexpr std::size_t kMaxJwtLen = 65536;

Result<Secret> value_of(const ReadAnswer& answer, const VaultResource& resource) {
    ATTESTD_TRY(Secret out, answer.field(resource.field));
    if (resource.encoding == VaultResource::Encoding::base64) {
        auto bytes = decoded(out, "the field");
        if (!bytes) return fail(Errc::vault_field, "read: " + bytes.error().detail);
        out = *std::move(bytes);
    }
    return out;
}

Result<Value> checked(Value value) {
    if (value.secret.empty()) return fail(Errc::vault_field, "read: the secret is empty");
    if (value.secret.size() > kMaxSecretLen)
        return fail(Errc::secret_too_large, "read: over 1 MiB");
    return value;
}

// {"role": ..., "jwt": ...}: by hand, so that no copy of the token is left behind.
Result<Bytes> login_body(const std::string& role, const Secret& jwt) {
    const std::string begin = fmt::format("{{\"role\":{},\"jwt\":\"", nlohmann::json(role).dump());
    return jwt.expose([&](ByteView text) -> Result<Bytes> {
        const bool plain = std::all_of(text.begin(), text.end(), [](std::uint8_t c) {
            return c > ' ' && c <= '~' && c != '"' && c != '\\';
        });
        if (!plain || text.empty() || text.size() > kMaxJwtLen)
            return fail(Errc::identity_unavailable, "login: what should be a token is none");
        Bytes out;
        out.reserve(begin.size() + text.size() + 2);
        for (const char c : begin) out.push_back(static_cast<std::uint8_t>(c));
        for (const std::uint8_t c : text) out.push_back(c);
        out.push_back('"');
        out.push_back('}');
        return out;
    });
}

Sha256 digest_of_token(const Secret& token) {
    return token.expose([](ByteView text) { return sha256(text); });
}

}  // namespace

Client::Client(HashiVaultSourceConfig config, std::shared_ptr<Fetcher> fetcher,
               std::shared_ptr<IdentityTokens> tokens, Clocks clocks)
    : config_(std::move(config)),
      fetcher_(std::move(fetcher)),
      tokens_(std::move(tokens)),
      clocks_(std::move(clocks)),
      random_(std::random_device()()) {}

double Client::jitter() { return std::uniform_real_distribution<double>(0, 1)(random_); }

BootTime Client::renewal_time(seconds life) {
    const std::chrono::duration<double> until =
        std::chrono::duration<double>(life) * (2.0 / 3.0) * (0.9 + 0.2 * jitter());
    return clocks_.boot() + std::chrono::duration_cast<BootClock::duration>(until);
}

bool Client::has_login() const noexcept {
    return login_ && clocks_.boot() < login_->expires && login_->uses_left != 0U;
}

std::optional<BootTime> Client::expires() const noexcept {
    if (!login_) return std::nullopt;
    return login_->expires;
}

std::optional<BootTime> Client::upkeep_at() const noexcept {
    // A token of a few uses is not spent on its own renewal.
    if (!login_ || login_->uses_left) return std::nullopt;
    return login_->renew_at;
}

std::optional<BootTime> Client::next_try() const {
    if (backoff_.holds(clocks_.boot()) == nullptr) return std::nullopt;
    return backoff_.until();
}

// Only what Vault itself refuses for good is worth a long pause.
void Client::leave_alone(const Error& error) {
    const bool is_refusal =
        errc_name(error.code).starts_with("vault.") && remedy_of(error.code) != Remedy::later;
    backoff_.failed(error, is_refusal ? Backoff::kRefused : Backoff::kFailed, clocks_.boot(),
                    jitter(), retry_after_);
}

Result<Value> Client::read(const VaultResource& resource) {
    if (const Error* const held = backoff_.holds(clocks_.boot()))
        return fail(held->code, held->detail + " (Vault is not asked again yet)");
    return read_with_pauses(resource, steady_clock::now() + config_.timeout);
}

// The same again while Vault does not answer; then it is left alone for a while.
Result<Value> Client::read_with_pauses(const VaultResource& resource, Fetcher::Deadline deadline) {
    for (unsigned i = 1;; ++i) {
        retry_after_.reset();
        auto value = read_once(resource, deadline);
        const bool is_over = value || remedy_of(value.error().code) != Remedy::later;
        if (value || (is_over && login_)) {
            backoff_.succeeded();
            return value;
        }
        const auto pause = std::chrono::duration_cast<milliseconds>(
            kMostPause * (0.25 * i * (0.5 + 0.5 * jitter())));
        const bool no_time = steady_clock::now() + pause >= deadline;
        if (is_over || i == kMostTries || no_time || retry_after_) {
            leave_alone(value.error());
            return value;
        }
        clocks_.sleep(pause);
    }
}

// Vault gives one answer to a token that it does not know any more and to one that may not: one new
// login tells which, once in a while.
Result<Value> Client::read_once(const VaultResource& resource, Fetcher::Deadline deadline) {
    const bool is_new = !has_login();
    if (is_new) ATTESTD_CHECK(log_in(deadline));
    auto value = ask(resource, deadline);
    if (value || is_new || remedy_of(value.error().code) != Remedy::login) return value;
    if (clocks_.boot() < next_relogin_) return value;
    next_relogin_ = clocks_.boot() + kReloginPause;
    ATTESTD_CHECK(log_in(deadline));
    return ask(resource, deadline);
}

Result<Value> Client::ask(const VaultResource& resource, Fetcher::Deadline deadline) {
    if (resource.kind == VaultResource::Kind::transit) return decrypt(resource, deadline);
    const bool is_kv2 = resource.kind == VaultResource::Kind::kv2;
    std::string path = fmt::format("{}/{}{}", resource.mount, is_kv2 ? "data/" : "", resource.path);
    if (resource.version) path += fmt::format("?version={}", *resource.version);
    ATTESTD_TRY(SecretFetchResponse came, send(request(path), Step::read, deadline));
    ATTESTD_TRY(const ReadAnswer answer, is_kv2 ? parse_kv2(std::move(came.body), resource.version)
                                                : parse_read(std::move(came.body)));
    ATTESTD_TRY(Secret secret, value_of(answer, resource));
    return checked(Value{std::move(secret), answer.version, answer.lease});
}

Result<Value> Client::decrypt(const VaultResource& resource, Fetcher::Deadline deadline) {
    nlohmann::json body{{"ciphertext", resource.ciphertext}};
    if (!resource.context.empty()) body["context"] = resource.context;
    FetchRequest asked =
        post(fmt::format("{}/decrypt/{}", resource.mount, resource.path), body.dump());
    ATTESTD_TRY(SecretFetchResponse came, send(std::move(asked), Step::decrypt, deadline));
    ATTESTD_TRY(Secret secret, parse_plaintext(std::move(came.body)));
    return checked(Value{std::move(secret), std::nullopt, std::nullopt});
}

Result<void> Client::log_in(Fetcher::Deadline deadline) {
    login_.reset();
    for (const TokenAge age : {TokenAge::any, TokenAge::fresh}) {
        ATTESTD_TRY(const IdentityToken token, tokens_->token(age, deadline));
        const Sha256 digest = digest_of_token(token.text);
        if (refused_ == digest) {
            if (age == TokenAge::any) continue;
            return fail(Errc::vault_unauthorized,
                        "login: this attestation token was refused already, and there is no other");
        }
        auto auth = show(token, deadline);
        if (auth) {
            refused_.reset();
            keep(*std::move(auth));
            return {};
        }
        if (auth.error().code != Errc::vault_unauthorized || age == TokenAge::fresh) {
            if (auth.error().code == Errc::vault_unauthorized) refused_ = digest;
            return tl::make_unexpected(std::move(auth).error());
        }
        refused_ = digest;
    }
    return fail(Errc::internal, "login: no token was tried");
}

Result<Auth> Client::show(const IdentityToken& token, Fetcher::Deadline deadline) {
    FetchRequest asked = post(fmt::format("auth/{}/login", config_.auth_mount), "");
    ATTESTD_TRY(asked.body, login_body(config_.role, token.text));
    ATTESTD_TRY(SecretFetchResponse came, send(std::move(asked), Step::login, deadline));
    return parse_auth(std::move(came.body), Step::login);
}

void Client::keep(Auth auth) {
    ++counters_.num_logins;
    const seconds life =
        auth.duration == seconds::zero() ? kLongestLogin : std::min(auth.duration, kLongestLogin);
    std::optional<std::uint32_t> uses;
    if (auth.num_uses != 0) uses = auth.num_uses;
    login_.emplace(Login{std::move(auth.token), life, clocks_.boot() + life, renewal_time(life),
                         auth.renewable, uses});
    log_event(LogLevel::debug, "vault.login",
              {{"url", config_.url},
               {"role", config_.role},
               {"life", std::to_string(life.count())},
               {"renewable", auth.renewable ? "yes" : "no"}});
}

Result<void> Client::upkeep() {
    if (!has_login()) {
        login_.reset();
        return {};
    }
    if (login_->uses_left || clocks_.boot() < login_->renew_at) return {};
    const auto deadline = steady_clock::now() + config_.timeout;
    auto renewed = login_->renewable ? renew_token(deadline)
                                     : Result<void>(fail(Errc::vault_denied, "not renewable"));
    if (renewed) return {};
    if (remedy_of(renewed.error().code) != Remedy::later) {
        renewed = log_in(deadline);
        if (renewed) return {};
        leave_alone(renewed.error());  // whoever reads next has the same refusal at hand
        return renewed;
    }
    // It serves until its end, whatever becomes of the renewal.
    const auto left = std::chrono::duration_cast<seconds>(login_->expires - clocks_.boot());
    const seconds pause =
        std::max(left / 4, std::max(kRenewalPause, retry_after_.value_or(seconds(0))));
    login_->renew_at = clocks_.boot() + pause;
    return renewed;
}

Result<void> Client::renew_token(Fetcher::Deadline deadline) {
    retry_after_.reset();
    const seconds wanted = login_->duration;
    const std::string body = fmt::format("{{\"increment\":\"{}s\"}}", wanted.count());
    ATTESTD_TRY(SecretFetchResponse came,
                send(post("auth/token/renew-self", body), Step::renew, deadline));
    ATTESTD_TRY(const Auth auth, parse_auth(std::move(came.body), Step::renew));
    if (auth.duration == seconds::zero())
        return fail(Errc::vault_refused, "renew: the token has come to its end");
    const seconds life = std::min(auth.duration, kLongestLogin);
    login_->expires = clocks_.boot() + life;
    login_->renew_at = renewal_time(life);
    // Less than was asked for, but for a rounding: it nears the most that it may live, and a new
    // one is next.
    login_->renewable = auth.renewable && life * 20 >= wanted * 19;
    ++counters_.num_renewed;
    return {};
}

Result<Lease> Client::renew(const Lease& lease) {
    if (!has_login()) return fail(Errc::vault_denied, "renew: the lease ended with its login");
    const nlohmann::json body{{"lease_id", lease.id}, {"increment", lease.duration.count()}};
    ATTESTD_TRY(SecretFetchResponse came, send(post("sys/leases/renew", body.dump()), Step::renew,
                                               steady_clock::now() + config_.timeout));
    ATTESTD_TRY(Lease out, parse_lease(std::move(came.body)));
    if (out.id != lease.id)
        return fail(Errc::vault_protocol, "renew: the answer is about another lease");
    if (out.duration == seconds::zero())
        return fail(Errc::vault_refused, "renew: the lease has come to its end");
    ++counters_.num_renewed;
    return out;
}

void Client::forget() noexcept {
    if (has_login()) {
        FetchRequest asked = post("auth/token/revoke-self", "");
        const auto deadline = steady_clock::now() + kRevokePatience;
        WipedRequest wiped{std::move(asked)};
        wiped.add_header("X-Vault-Token", "", login_->token);
        const auto answer = fetcher_->fetch_secret(wiped.request, deadline);
        const bool done = answer && (answer->status == 204 || answer->status == 200);
        if (done) ++counters_.num_revoked;
        if (!done) {
            log_event(
                LogLevel::warn, "vault.not-revoked",
                {{"url", config_.url},
                 {"why", answer ? to_string(error_of(answer->status, answer->body, Step::revoke))
                                : to_string(answer.error())},
                 {"effect", "the token ends by itself"}});
        }
    }
    login_.reset();
    refused_.reset();
}

FetchRequest Client::request(std::string_view path) const {
    FetchRequest out;
    out.url = fmt::format("{}/v1/{}", config_.url, path);
    out.headers.emplace_back("X-Vault-Request", "true");
    if (!config_.name_space.empty())
        out.headers.emplace_back("X-Vault-Namespace", config_.name_space + "/");
    return out;
}

FetchRequest Client::post(std::string_view path, std::string_view body) const {
    FetchRequest out = request(path);
    out.method = "POST";
    out.content_type = "application/json";
    out.body = to_bytes(as_bytes(body));
    return out;
}

// The token goes with everything but the login.
Result<SecretFetchResponse> Client::send(FetchRequest request, Step step,
                                         Fetcher::Deadline deadline) {
    WipedRequest wiped{std::move(request)};
    if (step != Step::login) {
        if (!login_) return fail(Errc::vault_denied, "there is no login");
        wiped.add_header("X-Vault-Token", "", login_->token);
        if (login_->uses_left && *login_->uses_left > 0) --*login_->uses_left;
    }
    ATTESTD_TRY(SecretFetchResponse answer, fetcher_->fetch_secret(wiped.request, deadline));
    if (auto good = check_answer(answer, step); !good) {
        retry_after_ = parse_retry_after(answer.header("retry-after"));
        return tl::make_unexpected(std::move(good).error());
    }
    return answer;
}

}  // namespace attestd::hashivault
