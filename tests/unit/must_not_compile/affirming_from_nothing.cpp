// refused: (is private|deleted|no matching|could not convert|no default constructor)
// Nothing but an accepted attestation result makes an affirming one.
#include "verifier/result.h"

attestd::AffirmingResult forged() { return attestd::AffirmingResult(nullptr); }
