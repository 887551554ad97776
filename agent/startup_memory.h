// Memory that only a start needs.
#pragma once

namespace attestd {

/// Gives back what starting has touched and serving does not: free heap, and the mapped pages of
/// programs' and libraries' code and constants, which come back from the page cache one by one as
/// they are used. To be called when everything is set up. Never fails; what cannot be given back
/// stays.
void release_startup_memory() noexcept;

}  // namespace attestd
