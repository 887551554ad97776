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
constexpr seconds kMostReloginPause = std::chrono::hours(1);  // at a path that stays refused
constexpr std::size_t kMostSuperseded = 8;
constexpr seconds kRenewalPause{5};                        // after a renewal that was not answered
constexpr seconds kLongestLogin = std::chrono::hours(24);  // also of a token without an end
// attestd-fetch takes 24 KiB of head; a token to log in with is in a body.
constexpr std::size_t kMaxJwtLen = 65536;

Result<Secret> checked(Secret secret) {
    if (secret.empty()) return fail(Errc::vault_field, "read: the secret is empty");
    if (secret.size() > kMaxSecretLen) return fail(Errc::secret_too_large, "read: over 1 MiB");
    return secret;
}

// Whether it says something of Vault as a whole, wherever it came up.
bool is_of_all_paths(Errc code) noexcept {
    return code == Errc::vault_sealed || errc_name(code).starts_with("fetch.");
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

// With `token` among the headers, and wiped at its end.
WipedRequest with_token(FetchRequest request, const Secret& token) {
    WipedRequest out(std::move(request));
    out.add_header("X-Vault-Token", "", token);
    return out;
}

}  // namespace

Result<Secret> value_of(AnswerPtr answer, const VaultResource& resource) {
    ATTESTD_TRY(Secret out, answer->field(resource.field));
    answer.reset();
    if (resource.encoding == VaultResource::Encoding::base64) {
        auto bytes = decoded(out, "the field");
        if (!bytes) return fail(Errc::vault_field, "read: " + bytes.error().detail);
        out = *std::move(bytes);
    }
    return checked(std::move(out));
}

std::string place_of(const VaultResource& resource) {
    std::string out =
        fmt::format("{}:{}/{}", static_cast<int>(resource.kind), resource.mount, resource.path);
    if (resource.version) out += fmt::format("?{}", *resource.version);
    return out;
}

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

bool Client::is_over(const Login& login) const noexcept {
    return clocks_.boot() >= login.expires || login.uses_left == 0U;
}

void Client::drop_ended() {
    if (login_ && is_over(*login_)) login_.reset();
    std::erase_if(superseded_, [this](const Login& login) { return is_over(login); });
}

BootTime Client::end_of_login(std::uint64_t generation) const noexcept {
    // Vault revokes a token, with its leases, at its last use.
    const auto end = [](const Login& login) {
        return login.uses_left == 0U ? BootTime::min() : login.expires;
    };
    if (login_ && login_->generation == generation) return end(*login_);
    for (const Login& old : superseded_) {
        if (old.generation == generation) return end(old);
    }
    return BootTime::min();
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
void Client::leave_alone(Backoff& what, const Error& error) {
    const bool is_refusal =
        errc_name(error.code).starts_with("vault.") && remedy_of(error.code) != Remedy::later;
    what.failed(error, is_refusal ? Backoff::kRefused : Backoff::kFailed, clocks_.boot(), jitter(),
                retry_after_);
}

// Of Vault, or of one path alone.
const Error* Client::holds(const std::string& path) const {
    const BootTime now = clocks_.boot();
    if (const Error* const held = backoff_.holds(now)) return held;
    const auto found = of_path_.find(path);
    return found == of_path_.end() ? nullptr : found->second.backoff.holds(now);
}

Fetcher::Deadline Client::deadline() const { return steady_clock::now() + config_.timeout; }

Result<Value> Client::read(const VaultResource& resource) {
    if (resource.kind == VaultResource::Kind::transit) {
        ATTESTD_TRY(Secret secret,
                    ask_patiently(place_of(resource), [&](Fetcher::Deadline deadline) {
                        return decrypt(resource, deadline);
                    }));
        ATTESTD_TRY(secret, checked(std::move(secret)));
        return Value{std::move(secret), std::nullopt, std::nullopt};
    }
    ATTESTD_TRY(AnswerPtr answer, read_answer(resource));
    const auto version = answer->version;
    auto lease = answer->lease;
    ATTESTD_TRY(Secret secret, value_of(std::move(answer), resource));
    return Value{std::move(secret), version, std::move(lease)};
}

Result<AnswerPtr> Client::read_answer(const VaultResource& resource) {
    return ask_patiently(place_of(resource),
                         [&](Fetcher::Deadline deadline) { return get(resource, deadline); });
}

// The same again while Vault does not answer; then it, or the path alone, is left alone for a
// while.
template <class F>
std::invoke_result_t<F&, Fetcher::Deadline> Client::ask_patiently(const std::string& path, F ask) {
    if (const Error* const held = holds(path))
        return fail(held->code, held->detail + " (Vault is not asked again yet)");
    const Fetcher::Deadline until = deadline();
    for (unsigned i = 1;; ++i) {
        retry_after_.reset();
        auto answer = ask_logged_in(path, ask, until);
        const bool is_over = answer || remedy_of(answer.error().code) != Remedy::later;
        if (answer || (is_over && login_)) {
            backoff_.succeeded();
            of_path_[path].backoff.succeeded();
            return answer;
        }
        const auto pause = std::chrono::duration_cast<milliseconds>(
            kMostPause * (0.25 * i * (0.5 + 0.5 * jitter())));
        const bool no_time = steady_clock::now() + pause >= until;
        if (is_over || i == kMostTries || no_time || retry_after_) {
            const bool is_of_one = login_ && !is_of_all_paths(answer.error().code);
            leave_alone(is_of_one ? of_path_[path].backoff : backoff_, answer.error());
            return answer;
        }
        clocks_.sleep(pause);
    }
}

// Vault gives one answer to a token that it does not know any more and to one that may not: one new
// login tells which, once in a while.
template <class F>
std::invoke_result_t<F&, Fetcher::Deadline> Client::ask_logged_in(const std::string& path, F& ask,
                                                                  Fetcher::Deadline deadline) {
    drop_ended();
    if (!login_) {
        ATTESTD_CHECK(log_in(TokenAge::any, deadline));
        return ask(deadline);
    }
    auto answer = ask(deadline);
    if (answer || remedy_of(answer.error().code) != Remedy::login) return answer;
    OfPath& of_path = of_path_[path];
    if (clocks_.boot() < std::max(next_relogin_, of_path.next_relogin)) return answer;
    next_relogin_ = clocks_.boot() + kReloginPause;
    return ask_by_another_login(of_path, ask, std::move(answer).error(), deadline);
}

// The present login stays unless the other one is of more use.
template <class F>
std::invoke_result_t<F&, Fetcher::Deadline> Client::ask_by_another_login(
    OfPath& path, F& ask, Error denied, Fetcher::Deadline deadline) {
    std::optional<Login> old = std::exchange(login_, std::nullopt);
    if (!log_in(TokenAge::any, deadline)) {
        login_ = std::move(old);
        return tl::make_unexpected(std::move(denied));
    }
    auto answer = ask(deadline);
    const bool is_denied = !answer && answer.error().code == Errc::vault_denied;
    path.relogin_pause = is_denied
                             ? std::clamp(path.relogin_pause * 2, kReloginPause, kMostReloginPause)
                             : seconds::zero();
    path.next_relogin = clocks_.boot() + path.relogin_pause;
    if (is_denied && is_known(*old, deadline)) {
        revoke(*login_, std::min(deadline, steady_clock::now() + kRevokePatience));
        login_ = std::move(old);
    } else {
        supersede(*std::move(old));
    }
    return answer;
}

// Whether Vault still knows its token. One of a few uses is not spent on that.
bool Client::is_known(const Login& login, Fetcher::Deadline deadline) {
    if (login.uses_left) return false;
    const WipedRequest wiped = with_token(request("auth/token/lookup-self"), login.token);
    const auto answer = fetcher_->fetch_secret(wiped.request, deadline);
    return answer && answer->status == 200;
}

Result<AnswerPtr> Client::get(const VaultResource& resource, Fetcher::Deadline deadline) {
    const bool is_kv2 = resource.kind == VaultResource::Kind::kv2;
    std::string path = fmt::format("{}/{}{}", resource.mount, is_kv2 ? "data/" : "", resource.path);
    if (resource.version) path += fmt::format("?version={}", *resource.version);
    ATTESTD_TRY(SecretFetchResponse came, send(request(path), Step::read, deadline));
    ATTESTD_TRY(ReadAnswer answer, is_kv2 ? parse_kv2(std::move(came.body), resource.version)
                                          : parse_read(std::move(came.body)));
    return std::make_shared<const ReadAnswer>(std::move(answer));
}

Result<Secret> Client::decrypt(const VaultResource& resource, Fetcher::Deadline deadline) {
    nlohmann::json body{{"ciphertext", resource.ciphertext}};
    if (!resource.context.empty()) body["context"] = resource.context;
    FetchRequest asked =
        post(fmt::format("{}/decrypt/{}", resource.mount, resource.path), body.dump());
    ATTESTD_TRY(SecretFetchResponse came, send(std::move(asked), Step::decrypt, deadline));
    return parse_plaintext(std::move(came.body));
}

Result<void> Client::log_in(TokenAge first, Fetcher::Deadline deadline) {
    for (const TokenAge age : {TokenAge::any, TokenAge::fresh}) {
        if (age < first) continue;
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
    if (login_) supersede(*std::exchange(login_, std::nullopt));
    login_.emplace(Login{std::move(auth.token), life, clocks_.boot() + life, renewal_time(life),
                         auth.renewable, uses, counters_.num_logins});
    log_event(LogLevel::debug, "vault.login",
              {{"url", config_.url},
               {"role", config_.role},
               {"life", std::to_string(life.count())},
               {"renewable", auth.renewable ? "yes" : "no"}});
}

// Its leases last; its token is revoked with the others.
void Client::supersede(Login old) {
    drop_ended();
    if (is_over(old)) return;
    if (superseded_.size() == kMostSuperseded) {
        revoke(superseded_.front(), steady_clock::now() + kRevokePatience);
        superseded_.erase(superseded_.begin());
    }
    superseded_.push_back(std::move(old));
}

Result<void> Client::upkeep(Fetcher::Deadline deadline) {
    drop_ended();
    if (!login_ || login_->uses_left || clocks_.boot() < login_->renew_at) return {};
    auto renewed = login_->renewable ? renew_token(deadline)
                                     : Result<void>(fail(Errc::vault_refused, "not renewable"));
    if (renewed) return {};
    const bool is_refused = renewed.error().code == Errc::vault_denied;
    if (remedy_of(renewed.error().code) != Remedy::later) {
        renewed = log_in(TokenAge::fresh, deadline);
        if (renewed) return {};
    }
    if (is_refused) {
        login_.reset();
        leave_alone(backoff_, renewed.error());  // whoever reads next has the same error at hand
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

Result<Lease> Client::renew(const Lease& lease, Fetcher::Deadline deadline) {
    if (!login_ || is_over(*login_))
        return fail(Errc::vault_denied, "renew: the lease ended with its login");
    const nlohmann::json body{{"lease_id", lease.id}, {"increment", lease.duration.count()}};
    ATTESTD_TRY(SecretFetchResponse came,
                send(post("sys/leases/renew", body.dump()), Step::renew, deadline));
    ATTESTD_TRY(Lease out, parse_lease(std::move(came.body)));
    if (out.id != lease.id)
        return fail(Errc::vault_protocol, "renew: the answer is about another lease");
    if (out.duration == seconds::zero())
        return fail(Errc::vault_refused, "renew: the lease has come to its end");
    ++counters_.num_renewed;
    return out;
}

void Client::revoke(const Login& login, Fetcher::Deadline deadline) {
    FetchRequest asked = post("auth/token/revoke-self", "");
    asked.at_stop = AtStop::go_on;
    const WipedRequest wiped = with_token(std::move(asked), login.token);
    const auto answer = fetcher_->fetch_secret(wiped.request, deadline);
    if (answer && (answer->status == 204 || answer->status == 200)) {
        ++counters_.num_revoked;
        return;
    }
    log_event(LogLevel::warn, "vault.not-revoked",
              {{"url", config_.url},
               {"why", answer ? to_string(error_of(answer->status, answer->body, Step::revoke))
                              : to_string(answer.error())},
               {"effect", "the token ends by itself"}});
}

void Client::forget() noexcept {
    drop_ended();
    const auto until = steady_clock::now() + kRevokePatience;
    if (login_) revoke(*login_, until);
    for (const Login& old : superseded_) revoke(old, until);
    login_.reset();
    superseded_.clear();
    of_path_.clear();
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
    const bool is_login = step == Step::login;
    if (!is_login && !login_) return fail(Errc::vault_denied, "there is no login");
    const WipedRequest wiped =
        is_login ? WipedRequest{std::move(request)} : with_token(std::move(request), login_->token);
    if (!is_login && login_->uses_left && *login_->uses_left > 0) --*login_->uses_left;
    ATTESTD_TRY(SecretFetchResponse answer, fetcher_->fetch_secret(wiped.request, deadline));
    if (auto good = check_answer(answer, step); !good) {
        retry_after_ = parse_retry_after(answer.header("retry-after"));
        return tl::make_unexpected(std::move(good).error());
    }
    return answer;
}

}  // namespace attestd::hashivault
