// refused: (invalid initialization|could not convert|no matching|no known conversion)
// What collateral says of a platform, without revocation lists, is no verified platform.
#include "verifier/intel/quote_verification.h"

void believe(const attestd::VerifiedPlatform& platform);
void skip(const attestd::PlatformFacts& facts) { believe(facts); }
