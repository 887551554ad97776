#include "verifier/finding.h"

namespace attestd {

Finding finding_of(Tee tee, const Error& error) {
    std::string id(tee_name(tee));
    id += '.';
    id += errc_name(error.code);
    return {std::move(id), Severity::error, error.detail};
}

}  // namespace attestd
