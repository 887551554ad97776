// Looks in the environment because it is test code; the product's libraries never do.
#include "tests/support/vectors.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace attestd::test {

std::optional<std::filesystem::path> find_vectors(const std::string& below) {
    const char* const given = std::getenv("ATTESTD_VECTORS");
    const std::filesystem::path root =
        given != nullptr
            ? std::filesystem::path(given)
            : std::filesystem::path(ATTESTD_SOURCE_ROOT).parent_path() / "shared/vectors";
    std::filesystem::path found = root / below;
    if (!std::filesystem::exists(found)) return std::nullopt;
    return found;
}

std::string load_text(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    if (!in || in.bad()) throw std::runtime_error("cannot read " + path.string());
    return text;
}

Bytes load_file(const std::filesystem::path& path) { return to_bytes(as_bytes(load_text(path))); }

}  // namespace attestd::test
