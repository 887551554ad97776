// refused: deleted
// A secret is not written to a stream.
#include <iostream>

#include "quote/base/secret.h"

void leak(const attestd::Secret& secret) { std::cout << secret; }
