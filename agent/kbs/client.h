// KbsClient: the RCAR handshake with a Trustee key broker, and reads under the session that it
// gives (`spec/kbs.md` sections 2 to 4).
//
//      (no session) --auth--> challenge --evidence--> attest --token judged--> session --read--> …
//
// A session is a fresh key, the broker's cookie, and a token that was judged to be about that key.
// Anything that fails before it is whole drops all of it; none of it is ever used in another
// handshake. What a broker refuses for good is not asked again within one read, and not at once in
// the next.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>

#include "agent/clock.h"
#include "agent/kbs/answer.h"
#include "agent/kbs/backoff.h"
#include "agent/kbs/messages.h"
#include "agent/kbs/tee_evidence.h"
#include "agent/kbs/token_judge.h"
#include "agent/network/fetcher.h"
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

/// What time it is, and how to let some pass.
struct Clocks {
    std::function<Time()> wall;
    std::function<BootTime()> boot;
    std::function<void(std::chrono::milliseconds)> sleep;

    [[nodiscard]] static Clocks real();
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

    /// Drops session and key.
    void forget() noexcept { session_.reset(); }

    /// Until when what was read may be used: the end of the token's life; empty without a session.
    [[nodiscard]] std::optional<BootTime> expires() const noexcept;
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
    [[nodiscard]] bool has_session() const noexcept;
    [[nodiscard]] double jitter();

    KbsSourceConfig config_;
    std::optional<TokenSigners> signers_;
    std::shared_ptr<Fetcher> fetcher_;
    std::shared_ptr<Attester> attester_;
    Clocks clocks_;
    std::optional<Session> session_;
    Backoff backoff_;
    std::optional<std::chrono::seconds> retry_after_;  // of the last answer that failed
    std::string token_summary_;
    Counters counters_;
    std::minstd_rand random_;
};

}  // namespace attestd::kbs
