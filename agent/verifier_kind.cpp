#include "agent/verifier_kind.h"

#include "agent/local_kind.h"

namespace attestd {

Result<std::unique_ptr<VerifierKind>> make_verifier(const VerifierConfig& config) {
    return LocalKind::make(config);
}

}  // namespace attestd
