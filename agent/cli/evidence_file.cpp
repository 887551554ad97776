#include "agent/cli/evidence_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "agent/cli/output.h"
#include "quote/base/fd.h"
#include "quote/base/text_form.h"

namespace attestd::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxInputLen = std::size_t{16} << 20;
constexpr std::size_t kMaxEndorsementLen = std::size_t{4} << 20;
constexpr std::size_t kMaxFolderFiles = 4096;

Result<Bytes> read_stdin() {
    const Fd copy(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0));
    if (!copy) return fail(Errc::io_failed, "standard input is closed");
    return read_all(copy, kMaxInputLen, "standard input");
}

// Regular files below `folder`, in an order that does not depend on the file system.
Result<std::vector<fs::path>> files_below(const fs::path& folder) {
    std::vector<fs::path> files;
    std::error_code error;
    for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
         it.increment(error)) {
        std::error_code ignored;
        if (it->is_regular_file(ignored)) files.push_back(it->path());
        if (files.size() > kMaxFolderFiles) {
            return fail(Errc::too_large,
                        fmt::format("{}: over {} files", folder.string(), kMaxFolderFiles));
        }
    }
    if (error) return fail_errno(error.value(), folder.string());
    std::sort(files.begin(), files.end());
    return files;
}

// The endorsements of a folder, each as a file; what is none is passed over.
Result<void> add_folder(std::vector<Bundle::Item>& out, const fs::path& folder) {
    ATTESTD_TRY(const auto files, files_below(folder));
    for (const fs::path& file : files) {
        auto bytes = read_file(file, kMaxEndorsementLen);
        if (!bytes) {
            print_warning(fmt::format("passed over: {}", bytes.error().detail));
            continue;
        }
        Endorsements tried;
        if (auto added = add_endorsement_file(tried, *bytes, file.string()); added)
            out.push_back({file.string(), *std::move(bytes)});
        else if (added.error().code != Errc::unknown_format)
            print_warning(fmt::format("passed over: {}", added.error().detail));
    }
    return {};
}

// A bundle counts as the files it was made from.
Result<std::vector<Bundle::Item>> unpacked(std::vector<Bundle::Item> files) {
    std::vector<Bundle::Item> out;
    for (Bundle::Item& file : files) {
        if (!looks_like_bundle(file.data)) {
            out.push_back(std::move(file));
            continue;
        }
        ATTESTD_TRY(Bundle bundle, parse_bundle(file.data, file.name));
        for (Bundle::Item& item : bundle.endorsements) out.push_back(std::move(item));
    }
    return out;
}

}  // namespace

Outcome<Bytes> read_bytes(const std::string& path) {
    auto bytes = path == "-" ? read_stdin() : read_file(path, kMaxInputLen);
    if (!bytes) return wrong_usage(std::move(bytes).error());
    return *std::move(bytes);
}

Outcome<Bytes> read_input(const std::string& path) {
    auto bytes = path == "-" ? read_stdin() : read_file(path, kMaxInputLen);
    if (!bytes) return wrong_usage(std::move(bytes).error());
    if (bytes->empty()) return wrong_usage({Errc::truncated, path + ": is empty"});
    return decode_text_form(*bytes);
}

Outcome<std::vector<Bundle::Item>> read_endorsement_files(const std::vector<std::string>& paths) {
    std::vector<Bundle::Item> files;
    for (const std::string& path : paths) {
        std::error_code ignored;
        if (fs::is_directory(path, ignored)) {
            if (auto added = add_folder(files, path); !added)
                return wrong_usage(std::move(added).error());
            continue;
        }
        ATTESTD_TRY(Bytes bytes, read_bytes(path));
        files.push_back({path, std::move(bytes)});
    }
    auto out = unpacked(std::move(files));
    if (!out) return wrong_usage(std::move(out).error());
    return *std::move(out);
}

Outcome<Endorsements> read_endorsements(const std::vector<std::string>& paths) {
    ATTESTD_TRY(const auto files, read_endorsement_files(paths));
    Endorsements out;
    for (const Bundle::Item& file : files) {
        if (auto added = out.add(file.data, file.name); !added)
            return wrong_usage(std::move(added).error());
    }
    return out;
}

}  // namespace attestd::cli
