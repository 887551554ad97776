#include "agent/startup_memory.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace attestd {
namespace {

// Segments that were never writable hold nothing that is not in their file. Those that were, the
// relocated constants among them, do.
int release_segments(dl_phdr_info* object, std::size_t /*size*/, void* /*unused*/) noexcept {
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    for (ElfW(Half) i = 0; i < object->dlpi_phnum; ++i) {
        const ElfW(Phdr)& segment = object->dlpi_phdr[i];
        if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
        const std::uintptr_t from = (object->dlpi_addr + segment.p_vaddr) & ~(page - 1);
        const std::uintptr_t to = object->dlpi_addr + segment.p_vaddr + segment.p_memsz;
        // lint: allow reinterpret_cast: addresses come from the loader as numbers
        auto* const at = reinterpret_cast<void*>(from);
        // The kernel's own page (vdso) is no file's: it refuses, and nothing is lost.
        static_cast<void>(::madvise(at, to - from, MADV_DONTNEED));
    }
    return 0;
}

}  // namespace

void release_startup_memory() noexcept {
    ::malloc_trim(0);
    ::dl_iterate_phdr(release_segments, nullptr);
}

}  // namespace attestd
