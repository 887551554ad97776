// refused: (is private|no matching|no default constructor)
// Nothing but appraising evidence makes an attestation result.
#include "verifier/result.h"

attestd::AttestationResult forged() { return attestd::AttestationResult(); }
