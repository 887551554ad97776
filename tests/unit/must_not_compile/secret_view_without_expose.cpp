// refused: (could not convert|cannot convert|no matching|no viable|conversion)
// A secret does not turn into a view of its bytes; expose() is the only way, and can be searched
// for.
#include "quote/base/secret.h"

std::size_t look(attestd::ByteView bytes) { return bytes.size(); }
std::size_t leak(const attestd::Secret& secret) { return look(secret); }
