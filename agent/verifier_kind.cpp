#include "agent/verifier_kind.h"

#include <thread>

#include "agent/external_kind.h"
#include "agent/local_kind.h"
#include "agent/network/socket_fetcher.h"
#include "agent/remote/coco_as.h"
#include "agent/remote/ita.h"
#include "agent/remote/kbs_kind.h"
#include "agent/remote/maa.h"
#include "agent/remote/veraison.h"
#include "quote/base/digest.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxRemoteAnswer = std::size_t{1} << 20;  // a key set is the largest

remote::Surroundings surroundings_of(const VerifierConfig& config) {
    const auto& socket =
        config.broker ? config.broker->broker.fetch_socket : config.remote->fetch_socket;
    return {std::make_shared<SocketFetcher>(socket.string(), kMaxRemoteAnswer),
            [] { return BootClock::now(); },
            [](std::chrono::milliseconds time) { std::this_thread::sleep_for(time); }};
}

}  // namespace

ReportData session_report_data(ByteView nonce) {
    constexpr std::string_view kLabel("attestd session v1\0", 19);
    return sha512({as_bytes(kLabel), nonce});
}

Result<std::unique_ptr<VerifierKind>> make_verifier(const VerifierConfig& config) {
    switch (config.type) {
        case VerifierType::local:
            return LocalKind::make(config);
        case VerifierType::external:
            return std::make_unique<ExternalKind>(config);
        case VerifierType::ita:
            return remote::ItaKind::make(config, surroundings_of(config));
        case VerifierType::maa:
            return remote::MaaKind::make(config, surroundings_of(config));
        case VerifierType::veraison:
            return remote::VeraisonKind::make(config, surroundings_of(config));
        case VerifierType::kbs:
            return remote::KbsKind::make(config, surroundings_of(config));
        case VerifierType::coco_as:
            return remote::CocoAsKind::make(config, surroundings_of(config));
    }
    return fail(Errc::bad_config, "verifier.type: unknown");
}

}  // namespace attestd
