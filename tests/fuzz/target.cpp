#include "tests/fuzz/target.h"

#include <cstdio>
#include <cstdlib>
#include <functional>

namespace attestd::fuzz {
namespace {

std::size_t g_times_reached = 0;

std::vector<Target>& registry() {
    static std::vector<Target> targets;
    return targets;
}

}  // namespace

bool add(Target target) {
    registry().push_back(std::move(target));
    return true;
}

const std::vector<Target>& all_targets() { return registry(); }

const Target* find_target(std::string_view name) {
    for (const Target& target : registry()) {
        if (target.name == name) return &target;
    }
    return nullptr;
}

void holds(bool property, std::string_view what, std::source_location where) {
    if (property) return;
    std::fprintf(stderr, "%s:%u: does not hold: %.*s\n", where.file_name(), where.line(),
                 static_cast<int>(what.size()), what.data());
    std::abort();
}

void reached() noexcept { ++g_times_reached; }
std::size_t times_reached() noexcept { return g_times_reached; }

bool lies_in(ByteView part, ByteView whole) noexcept {
    if (part.empty()) return true;
    const std::less_equal<> before;
    return !whole.empty() && before(whole.data(), part.data()) &&
           before(part.data() + part.size(), whole.data() + whole.size());
}

Seed seed(std::string name, std::string_view text) {
    return {std::move(name), to_bytes(as_bytes(text))};
}

}  // namespace attestd::fuzz
