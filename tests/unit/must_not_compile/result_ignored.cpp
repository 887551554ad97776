// refused: (unused-result|nodiscard|ignoring return value)
// The outcome of something that can fail is not dropped.
#include "quote/base/fd.h"

void careless(const attestd::Fd& fd) { attestd::write_all(fd, {}, "x"); }
