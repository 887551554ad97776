// refused: (is private|inaccessible)
// No verdict is changed after the fact.
#include "verifier/result.h"

void promote(attestd::AttestationResult& refused) { refused.verdict_ = attestd::Verdict::accepted; }
