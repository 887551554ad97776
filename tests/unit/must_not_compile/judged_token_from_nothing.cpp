// refused: (is private|deleted|no matching|could not convert|no default constructor)
// Nothing but the judge makes a broker's token that may be relied upon.
#include "agent/kbs/token_judge.h"

attestd::kbs::JudgedToken forged() { return attestd::kbs::JudgedToken(); }
