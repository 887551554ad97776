#include "agent/sources/remote_sources.h"

#include "agent/awaited_answer.h"
#include "agent/hashivault/source.h"
#include "agent/kbs/source.h"
#include "agent/network/socket_fetcher.h"
#include "agent/sealed/source.h"
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

// One of the other sources, asked on its own strand.
template <class Source>
struct Neighbour {
    std::shared_ptr<Source> source;
    Strand strand;
    Millis timeout;

    // What it is doing for another may take as long as what it does for us.
    template <class F>
    Result<SourcedSecret> ask(F what) const {
        const auto answer = make_answer<SourcedSecret>();
        asio::post(strand, [answer, asked = source, what] { answer->set_value(what(*asked)); });
        return wait_for_answer(answer, std::chrono::steady_clock::now() + 2 * timeout,
                               "the source behind the sealed secret gave nothing in time");
    }
};
using NeighbourBroker = Neighbour<kbs::KbsSource>;
using NeighbourVault = Neighbour<hashivault::HashiVaultSource>;

struct Neighbours {
    std::map<std::string, NeighbourBroker, std::less<>> brokers;
    std::map<std::string, NeighbourVault, std::less<>> vaults;
};

// Whom a sealed secret may lead to. Its own source asks neither without configuration naming it.
class SealedNeighbours final : public sealed::OtherSources {
 public:
    SealedNeighbours(const SealedSourceConfig& config, const Neighbours& all) {
        const auto broker = all.brokers.find(config.broker);
        if (broker != all.brokers.end()) broker_ = broker->second;
        const auto vault = all.vaults.find(config.hashi_vault);
        if (vault != all.vaults.end()) vault_ = vault->second;
    }

    Result<SourcedSecret> read_broker(const std::string& uri) override {
        if (!broker_) return fail(Errc::internal, "a sealed secret's source has no key broker");
        return broker_->ask([uri](kbs::KbsSource& broker) { return broker.get_resource(uri); });
    }
    Result<SourcedSecret> decrypt(const VaultResource& resource) override {
        if (!vault_) return fail(Errc::internal, "a sealed secret's source has no Vault");
        return vault_->ask(
            [resource](hashivault::HashiVaultSource& vault) { return vault.decrypt(resource); });
    }

 private:
    std::optional<NeighbourBroker> broker_;
    std::optional<NeighbourVault> vault_;
};

Result<std::shared_ptr<sealed::SealedSource>> make_sealed(
    const std::string& name, const SealedSourceConfig& config,
    std::shared_ptr<sealed::OtherSources> others) {
    auto source = sealed::SealedSource::make(config, std::move(others));
    if (!source) return fail_in("sources." + name, source.error());
    return source;
}

}  // namespace

Result<Vault::Remotes> make_remotes(Io& io, Session& session, const Config& config,
                                    const asio::thread_pool::executor_type& threads) {
    Vault::Remotes out;
    Brokers brokers;
    Neighbours neighbours;
    for (const auto& [name, broker] : config.brokers) {
        ATTESTD_TRY(auto source, make_broker(name, broker,
                                             std::make_shared<SessionAttester>(io, session, name)));
        const Strand strand(threads);
        brokers.emplace(name, std::make_shared<BrokerTokens>(source, strand));
        neighbours.brokers.emplace(name, NeighbourBroker{source, strand, broker.timeout});
        out.emplace(name, Vault::Asked{std::move(source), strand});
    }
    for (const auto& [name, vault] : config.hashi_vaults) {
        auto tokens = identity_tokens_for(vault, brokers, io, session);
        if (!tokens) return fail_in("sources." + name, tokens.error());
        auto fetcher =
            std::make_shared<SocketFetcher>(vault.fetch_socket.string(), kMaxVaultAnswer);
        ATTESTD_TRY(auto source, hashivault::HashiVaultSource::make(vault, std::move(fetcher),
                                                                    *std::move(tokens)));
        const Strand strand(threads);
        neighbours.vaults.emplace(name, NeighbourVault{source, strand, vault.timeout});
        out.emplace(name, Vault::Asked{std::move(source), strand, {vault.token_source}});
    }
    for (const auto& [name, sealed] : config.sealed_sources) {
        ATTESTD_TRY(
            auto source,
            make_sealed(name, sealed, std::make_shared<SealedNeighbours>(sealed, neighbours)));
        out.emplace(
            name,
            Vault::Asked{std::move(source), Strand(threads), {sealed.broker, sealed.hashi_vault}});
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
    for (const auto& [name, sealed] : config.sealed_sources)
        ATTESTD_CHECK(make_sealed(name, sealed, /*others=*/nullptr));
    return {};
}

}  // namespace attestd
