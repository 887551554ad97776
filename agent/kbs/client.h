// KbsClient: the RCAR handshake with a Trustee key broker, and reads under the session that it
// gives (`spec/kbs.md` sections 2 to 4).
//
//      (no session) --auth--> challenge --evidence--> attest --token judged--> session --read--> …
//
// A session is a fresh key, the broker's cookie, and a token that was judged to be about that key.
// Anything that fails before it is whole drops all of it; none of it is ever used in another
// handshake. What a broker refuses for good is not asked again within one read; a machine that it
// refuses does not come back at once with the next.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>

#include "agent/kbs/answer.h"
#include "agent/kbs/messages.h"
#include "agent/kbs/tee_evidence.h"
#include "agent/kbs/token_judge.h"
#include "agent/network/fetcher.h"
#include "agent/sources/backoff.h"
#include "agent/sources/clocks.h"
#include "agent/sources/identity_token.h"
#include "config/config.h"
#include "quote/jose/jwe.h"

namespace attestd::kbs {

/// The machine as the client sees it; calls block and come from the client's thread.
class Attester {
 public:
    virtual ~Attester() = default;
    /// Errc::not_affirming when it is not known yet.
    [[nodiscard]] virtual Result<TeeKind> kind() = 0;
    /// Errors of Platform::collect().
    [[nodiscard]] virtual Result<Evidence> collect(const ReportData& report_data,
                                                   Fetcher::Deadline deadline) = 0;
};

struct Counters {
    std::uint64_t num_handshakes = 0;  ///< begun
    std::uint64_t num_attested = 0;    ///< ended in a session
    std::uint64_t num_reads = 0;       ///< secrets received
    std::uint64_t num_failed = 0;      ///< reads that failed
};

/// Who signs the broker's tokens, as configuration pins it; empty where it pins nobody. Errors of
/// TokenSigners::parse().
[[nodiscard]] Result<std::optional<TokenSigners>> broker_signers(const KbsSourceConfig& config);

class KbsClient final {
 public:
    /// `config` is a source's; its init-data and signer's file have been found good by make().
    [[nodiscard]] static Result<KbsClient> make(KbsSourceConfig config,
                                                std::shared_ptr<Fetcher> fetcher,
                                                std::shared_ptr<Attester> attester, Clocks clocks);

    /// Reads what lies at `path` (kbs_path_of()), with a handshake when there is no session. One
    /// call at a time; takes the configured time at most. Errors of answer.h and token_judge.h, of
    /// Jwe, of the fetcher and of the attester.
    [[nodiscard]] Result<Secret> read(const std::string& path);

    /// The token of the present session, or of a new one: where `age` asks for that, and when there
    /// is none. Errors of the handshake, which cost no session that is there.
    [[nodiscard]] Result<IdentityToken> token(TokenAge age, Fetcher::Deadline deadline);

    /// The same with the private key that it is about, as PEM, where `key` says so; of a session
    /// that has a minute left at least. Errors of the handshake and of JosePrivateKey::pem().
    [[nodiscard]] Result<GivenToken> give_token(KeyExport key, Fetcher::Deadline deadline);

    /// Drops session and key.
    void forget() noexcept { session_.reset(); }

    /// Until when what was read may be used: the end of the token's life; empty without a session.
    [[nodiscard]] std::optional<BootTime> expires() const noexcept;
    /// Until when the broker is left alone; empty when it may be asked.
    [[nodiscard]] std::optional<BootTime> next_try() const;
    /// Status and vector of the last token that was judged good; empty before.
    [[nodiscard]] const std::string& token_summary() const noexcept { return token_summary_; }
    [[nodiscard]] const Counters& counters() const noexcept { return counters_; }

 private:
    enum class Authorization : std::uint8_t { cookie, bearer };
    struct Session {
        JosePrivateKey key;
        std::string cookie;
        JudgedToken token;
        BootTime expires;
        Authorization by = Authorization::cookie;
    };

    KbsClient(KbsSourceConfig config, std::optional<TokenSigners> signers,
              std::shared_ptr<Fetcher> fetcher, std::shared_ptr<Attester> attester, Clocks clocks);
    [[nodiscard]] const Error* holds(const std::string& path) const;
    [[nodiscard]] Result<Secret> read_with_pauses(const std::string& path,
                                                  Fetcher::Deadline deadline);
    [[nodiscard]] Result<Secret> read_once(const std::string& path, Fetcher::Deadline deadline);
    [[nodiscard]] Result<Secret> read_by(const std::string& path, Authorization by,
                                         Fetcher::Deadline deadline);
    [[nodiscard]] Result<void> begin_session(unsigned& num_handshakes_left,
                                             Fetcher::Deadline deadline);
    [[nodiscard]] Result<Session> handshake(Fetcher::Deadline deadline);
    [[nodiscard]] Result<FetchResponse> send(FetchRequest request, Step step,
                                             Fetcher::Deadline deadline);
    [[nodiscard]] Result<SecretFetchResponse> send_secret(const FetchRequest& request, Step step,
                                                          Fetcher::Deadline deadline);
    [[nodiscard]] Result<Secret> read_as_bearer(FetchRequest request, Fetcher::Deadline deadline);
    [[nodiscard]] bool has_session() const noexcept;
    [[nodiscard]] static Result<void> check_backoff(const Error* held);
    [[nodiscard]] double jitter();

    KbsSourceConfig config_;
    std::optional<TokenSigners> signers_;
    std::shared_ptr<Fetcher> fetcher_;
    std::shared_ptr<Attester> attester_;
    Clocks clocks_;
    std::optional<Session> session_;
    Backoff backoff_;
    Backoff backoff_of_fresh_;                         // of tokens that another session has to give
    std::map<std::string, Backoff> backoff_of_one_;    // by path: configuration names them all
    std::optional<std::chrono::seconds> retry_after_;  // of the last answer that failed
    std::string token_summary_;
    Counters counters_;
    std::minstd_rand random_;
};

}  // namespace attestd::kbs
