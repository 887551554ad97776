#include "tests/fuzz/seed_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "quote/base/fd.h"

namespace attestd::fuzz {
namespace {

constexpr std::size_t kMaxFileLen = std::size_t{4} << 20;

void write_file(const std::filesystem::path& path, std::string_view text) {
    std::ofstream out(path, std::ios::binary);
    out << text;
    out.close();
    holds(out.good(), path.string() + " can be written");
}

}  // namespace

void write_seed(const Seed& one, const std::filesystem::path& dir) {
    write_file(dir / one.name, as_text(one.bytes));
}

void write_seeds(const Target& target, const Seeds& seeds, const std::filesystem::path& dir) {
    std::filesystem::create_directories(dir);
    for (const Seed& one : seeds) write_seed(one, dir);
    if (target.words.empty()) return;
    std::string words;
    for (const std::string_view word : target.words) {
        words += '"';
        for (const std::uint8_t byte : as_bytes(word)) words += fmt::format("\\x{:02x}", byte);
        words += "\"\n";
    }
    write_file(dir.string() + ".dict", words);
}

Seeds read_seeds(const std::filesystem::path& dir) {
    Seeds out;
    if (!std::filesystem::is_directory(dir)) return out;
    for (const auto& entry : std::filesystem::directory_iterator(dir)) {
        out.push_back(
            {entry.path().filename().string(), must(read_file(entry.path(), kMaxFileLen))});
    }
    std::sort(out.begin(), out.end(), [](const Seed& a, const Seed& b) { return a.name < b.name; });
    return out;
}

}  // namespace attestd::fuzz
