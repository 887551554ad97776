// Secret: where its bytes can be seen, and that they are gone afterwards.
//
// That a secret cannot be printed or copied is shown by tests/unit/must_not_compile.
#include "quote/base/secret.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <optional>
#include <string>

#include "quote/base/fd.h"
#include "tests/support/catch.h"

using namespace attestd;

namespace {

constexpr std::size_t kArenaLen = std::size_t{4} << 20;

Bytes bytes_of(const Secret& secret) {
    return secret.expose([](ByteView bytes) { return to_bytes(bytes); });
}

const std::uint8_t* address_of(const Secret& secret) {
    return secret.expose([](ByteView bytes) { return bytes.data(); });
}

Secret filled(std::size_t len, std::uint8_t value) {
    return Secret::copy_of(Bytes(len, value)).value();
}

std::uintptr_t as_number(const void* p) { return reinterpret_cast<std::uintptr_t>(p); }

// The "VmFlags:" line of the mapping that holds `p`.
std::string vm_flags_of(const void* p) {
    std::ifstream maps("/proc/self/smaps");
    bool inside = false;
    for (std::string line; std::getline(maps, line);) {
        std::uintptr_t from = 0, to = 0;
        if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2) {
            inside = from <= as_number(p) && as_number(p) < to;
        } else if (inside && line.starts_with("VmFlags:")) {
            return line + " ";
        }
    }
    return {};
}

bool has_flag(const std::string& flags, const std::string& flag) {
    return flags.find(" " + flag + " ") != std::string::npos;
}

// Bytes of this process as a debugger would read them; empty when the kernel refuses.
std::optional<Bytes> through_proc_mem(const void* p, std::size_t len) {
    const Fd mem = open_file("/proc/self/mem", O_RDONLY).value();
    Bytes out(len);
    const ssize_t n = ::pread(mem.get(), out.data(), len, static_cast<off_t>(as_number(p)));
    if (n != static_cast<ssize_t>(len)) return std::nullopt;
    return out;
}

}  // namespace

TEST_CASE("Secret: it holds what it was given, and moving leaves nothing behind",
          "[base][secret]") {
    Secret first = filled(100, 7);
    CHECK(bytes_of(first) == Bytes(100, 7));
    Secret second(std::move(first));
    CHECK(first.empty());
    CHECK(second.size() == 100);
    Secret third = filled(5, 1);
    third = std::move(second);
    CHECK(bytes_of(third) == Bytes(100, 7));
    CHECK(second.empty());
}

TEST_CASE("Secret: an empty one is a value like any other", "[base][secret]") {
    const Secret none;
    CHECK(none.empty());
    CHECK(none == Secret::zeroed(0).value());
    CHECK(none == Secret::copy_of({}).value());
    CHECK(bytes_of(none).empty());
    CHECK(none.clone()->empty());
    CHECK_FALSE(none == filled(1, 0));
}

TEST_CASE("Secret: equality is over length and content", "[base][secret]") {
    const Secret a = filled(32, 1), same = filled(32, 1), other = filled(32, 2),
                 longer = filled(33, 1);
    CHECK(a == same);
    CHECK_FALSE(a == other);
    CHECK_FALSE(a == longer);
    CHECK(a == a.clone().value());
    CHECK(address_of(a) != address_of(a.clone().value()));
}

TEST_CASE("Secret: random ones differ", "[base][secret]") {
    const Secret a = Secret::random(32).value(), b = Secret::random(32).value();
    CHECK_FALSE(a == b);
    CHECK_FALSE(a == Secret::zeroed(32).value());
}

TEST_CASE("Secret: memory is handed out as zeroes, whatever was there before", "[base][secret]") {
    for (int i = 0; i < 10; ++i) {
        const Secret before = filled(1000, 0xff);
    }
    CHECK(bytes_of(Secret::zeroed(1000).value()) == Bytes(1000, 0));
}

TEST_CASE("Secret: its bytes are gone from memory when it ends", "[base][secret][invariant-5]") {
    const std::uint8_t* where = nullptr;
    {
        const Secret secret = filled(200, 0xab);
        where = address_of(secret);
        REQUIRE(where[0] == 0xab);
    }
    // The arena stays mapped for the life of the process, so that this may be looked at.
    CHECK(std::all_of(where, where + 200, [](std::uint8_t b) { return b == 0; }));
}

TEST_CASE("Secret: assignment wipes what was there", "[base][secret][invariant-5]") {
    Secret secret = filled(200, 0xab);
    const std::uint8_t* const where = address_of(secret);
    secret = filled(200, 0xcd);
    CHECK(std::all_of(where, where + 200, [](std::uint8_t b) { return b == 0; }));
    CHECK(bytes_of(secret) == Bytes(200, 0xcd));
}

TEST_CASE("Secret: truncation wipes the rest and gives it back", "[base][secret][invariant-5]") {
    Secret secret = filled(1000, 0xab);
    const std::uint8_t* const where = address_of(secret);
    secret.truncate(10);
    CHECK(bytes_of(secret) == Bytes(10, 0xab));
    CHECK(std::all_of(where + 10, where + 1000, [](std::uint8_t b) { return b == 0; }));
    const Secret next = filled(900, 1);  // fits into what was given back, beyond the first 64 bytes
    CHECK(address_of(next) == where + 64);
    secret.truncate(10);
    CHECK(secret.size() == 10);
    secret.truncate(0);
    CHECK(secret.empty());
}

TEST_CASE("Secret: wipe_bytes clears a buffer that carried one", "[base][secret][invariant-5]") {
    Bytes buffer(100, 0x77);
    wipe_bytes(buffer);
    CHECK(buffer == Bytes(100, 0));
    wipe_bytes({});
}

TEST_CASE("Secret: memory for secrets runs out as an error and comes back whole",
          "[base][secret]") {
    std::vector<Secret> all;
    for (;;) {
        auto next = Secret::zeroed(65536);
        if (!next) {
            REQUIRE_ERRC(Errc::memory_locked, next);
            break;
        }
        all.push_back(*std::move(next));
        REQUIRE(all.size() <= kArenaLen / 65536);
    }
    CHECK(all.size() == kArenaLen / 65536);
    REQUIRE_ERRC(Errc::memory_locked, Secret::zeroed(1));
    // Freed in an order that leaves holes first, the pieces must become one again.
    for (std::size_t i = 0; i < all.size(); i += 2) all[i] = Secret();
    REQUIRE_ERRC(Errc::memory_locked, Secret::zeroed(65537));
    for (std::size_t i = all.size(); i-- > 0;) all[i] = Secret();
    REQUIRE_OK(Secret::zeroed(kArenaLen));
}

TEST_CASE("Secret: lengths beyond the arena are refused, up to the largest", "[base][secret]") {
    for (const std::size_t len : {kArenaLen + 1, kArenaLen * 2, SIZE_MAX - 63, SIZE_MAX}) {
        REQUIRE_ERRC(Errc::memory_locked, Secret::zeroed(len));
    }
}

TEST_CASE("Secret: its memory is locked and left out of core files",
          "[base][secret][invariant-5]") {
    if (secret_memory() == SecretMemory::unlocked) ATTESTD_SKIP("RLIMIT_MEMLOCK is too small");
    const Secret secret = filled(64, 1);
    const std::string flags = vm_flags_of(address_of(secret));
    INFO(flags);
    REQUIRE_FALSE(flags.empty());
    CHECK(has_flag(flags, "lo"));
    CHECK(has_flag(flags, "dd"));
    CHECK(has_flag(flags, secret_memory() == SecretMemory::locked ? "wf" : "dc"));
}

TEST_CASE("Secret: a debugger's way into the process does not reach it",
          "[base][secret][invariant-5]") {
    if (secret_memory() != SecretMemory::memfd_secret)
        ATTESTD_SKIP("the kernel has no memfd_secret");
    const Secret secret = filled(64, 0xab);
    const Bytes ordinary(64, 0xcd);
    CHECK(through_proc_mem(ordinary.data(), 64) == ordinary);  // the way itself is open
    CHECK_FALSE(through_proc_mem(address_of(secret), 64).has_value());
}

TEST_CASE("Secret: a forked child cannot read it", "[base][secret][invariant-5]") {
    const Secret secret = filled(64, 0xab);
    const std::uint8_t* const where = address_of(secret);
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        ::signal(SIGSEGV, SIG_DFL);  // the test program's own handler would write a report
        const rlimit none{0, 0};
        ::setrlimit(RLIMIT_CORE, &none);
        ::_exit(*static_cast<const volatile std::uint8_t*>(where) == 0xab ? 1 : 0);
    }
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    const bool faulted = WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
    const bool wiped = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (secret_memory() == SecretMemory::memfd_secret) {
        CHECK(faulted);  // the mapping is not there (MADV_DONTFORK)
    } else {
        CHECK((faulted || wiped));
    }
    CHECK(bytes_of(secret) == Bytes(64, 0xab));
}

TEST_CASE("Secret: fill writes in place", "[base][secret]") {
    Secret secret = Secret::zeroed(4).value();
    const auto n = secret.fill([](std::span<std::uint8_t> out) {
        std::fill(out.begin(), out.end(), std::uint8_t{9});
        return out.size();
    });
    CHECK(n == 4);
    CHECK(bytes_of(secret) == Bytes(4, 9));
}
