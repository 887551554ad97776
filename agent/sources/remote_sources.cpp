#include "agent/sources/remote_sources.h"

#include "agent/awaited_answer.h"
#include "agent/hashivault/source.h"
#include "agent/kbs/source.h"
#include "agent/network/socket_fetcher.h"
#include "agent/session_attester.h"
#include "agent/sources/credential_source.h"
#include "agent/sources/verifier_tokens.h"
#include "quote/platform/host.h"

namespace attestd {
namespace {

// An answer with a secret of a mebibyte, in base64 and in JSON.
constexpr std::size_t kMaxVaultAnswer = std::size_t{3} << 19;

Result<std::shared_ptr<kbs::KbsSource>> make_broker(const std::string& name,
                                                    const KbsSourceConfig& config,
                                                    std::shared_ptr<kbs::Attester> attester) {
    auto fetcher = std::make_shared<SocketFetcher>(config.fetch_socket.string());
    auto source = kbs::KbsSource::make(config, std::move(fetcher), std::move(attester));
    if (!source) return fail_in("sources." + name, source.error());
    return source;
}

// The token that a key broker issued. It is asked on its own strand, as by every other.
class BrokerTokens final : public IdentityTokens {
 public:
    BrokerTokens(std::shared_ptr<kbs::KbsSource> broker, Strand strand)
        : broker_(std::move(broker)), strand_(std::move(strand)) {}

    Result<IdentityToken> token(TokenAge age, Deadline deadline) override {
        const auto answer = make_answer<IdentityToken>();
        asio::post(strand_, [answer, broker = broker_, age, deadline] {
            answer->set_value(broker->identity_token(age, deadline));
        });
        return wait_for_answer(answer, deadline, "the key broker gave no token in time");
    }

 private:
    std::shared_ptr<kbs::KbsSource> broker_;
    Strand strand_;
};

using Brokers = std::map<std::string, std::shared_ptr<IdentityTokens>, std::less<>>;

// Who gives the token that this source logs in with.
Result<std::shared_ptr<IdentityTokens>> identity_tokens_for(const HashiVaultSourceConfig& config,
                                                            const Brokers& brokers, Io& io,
                                                            Session& session) {
    if (config.login_token == LoginToken::file) return tokens_of_file(config.token_file);
    // Loading made sure that the verifier gives one.
    if (config.login_token == LoginToken::verifier) return tokens_of_verifier(io, session);
    const auto broker = brokers.find(config.token_source);
    if (config.login_token == LoginToken::source && broker != brokers.end()) return broker->second;
    return fail(Errc::bad_reference, "no key broker is called \"" + config.token_source + "\"");
}

}  // namespace

Result<Vault::Remotes> make_remotes(Io& io, Session& session, const Config& config,
                                    const asio::thread_pool::executor_type& threads) {
    Vault::Remotes out;
    Brokers brokers;
    for (const auto& [name, broker] : config.brokers) {
        ATTESTD_TRY(auto source, make_broker(name, broker,
                                             std::make_shared<SessionAttester>(io, session, name)));
        const Strand strand(threads);
        brokers.emplace(name, std::make_shared<BrokerTokens>(source, strand));
        out.emplace(name, Vault::Asked{std::move(source), strand});
    }
    for (const auto& [name, vault] : config.hashi_vaults) {
        auto tokens = identity_tokens_for(vault, brokers, io, session);
        if (!tokens) return fail_in("sources." + name, tokens.error());
        auto fetcher =
            std::make_shared<SocketFetcher>(vault.fetch_socket.string(), kMaxVaultAnswer);
        ATTESTD_TRY(auto source, hashivault::HashiVaultSource::make(vault, std::move(fetcher),
                                                                    *std::move(tokens)));
        out.emplace(name, Vault::Asked{std::move(source), Strand(threads)});
    }
    for (const auto& [name, credentials] : config.credentials) {
        ATTESTD_TRY(auto source, CredentialSource::make(host_system(), credentials_directory()));
        out.emplace(name, Vault::Asked{std::move(source), Strand(threads)});
    }
    return out;
}

Result<void> check_remotes(const Config& config) {
    for (const auto& [name, broker] : config.brokers)
        ATTESTD_CHECK(make_broker(name, broker, /*attester=*/nullptr));
    return {};
}

}  // namespace attestd
