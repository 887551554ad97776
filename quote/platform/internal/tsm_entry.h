// One report entry of configfs-tsm: made, written, read, removed (`spec/guest-interfaces.md`
// section 2).
//
// An entry is a folder of attribute files. A fresh one is made for one request and removed at the
// end of its scope, whatever happened; a prepared one was made and handed over by root, and stays.
#pragma once

#include <optional>

#include "quote/platform/configfs_tsm.h"
#include "quote/platform/platform.h"
#include "quote/platform/system.h"

namespace attestd {

class TsmEntry final {
 public:
    /// A fresh entry: `prefix` and 128 random bits.
    [[nodiscard]] static Result<TsmEntry> make(System& system, SystemFile reports,
                                               const std::string& prefix);
    /// The same with the errno of the step that failed; EEXIST when many names were taken.
    [[nodiscard]] static SysResult<TsmEntry> try_make(System& system, SystemFile reports,
                                                      const std::string& prefix);
    /// The entry `name`, if it is there and belongs to this process's user; empty otherwise.
    [[nodiscard]] static std::optional<TsmEntry> prepared(System& system, SystemFile& reports,
                                                          const std::string& name);

    TsmEntry(TsmEntry&& other) noexcept = default;
    TsmEntry& operator=(TsmEntry&&) = delete;
    TsmEntry(const TsmEntry&) = delete;
    TsmEntry& operator=(const TsmEntry&) = delete;
    ~TsmEntry() { static_cast<void>(remove()); }

    [[nodiscard]] bool is_fresh() const noexcept { return is_fresh_; }
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    /// The whole path of an attribute, for errors.
    [[nodiscard]] std::string path_of(std::string_view attribute) const;

    /// An attribute to its end.
    [[nodiscard]] SysResult<Bytes> read(const std::string& attribute, std::size_t max_len) const;
    /// All of `bytes` in one write, and the close that commits them. Both may succeed although the
    /// kernel dropped the request: the generation tells.
    [[nodiscard]] SysResult<void> write(const std::string& attribute, ByteView bytes) const;

    /// Removes a fresh entry, once. False when the kernel refused.
    bool remove() noexcept;

 private:
    TsmEntry(System& system, SystemFile reports, SystemFile folder, std::string name, bool is_fresh)
        : system_(system),
          reports_(std::move(reports)),
          folder_(std::move(folder)),
          name_(std::move(name)),
          is_fresh_(is_fresh) {}

    System& system_;
    SystemFile reports_, folder_;
    std::string name_;
    bool is_fresh_;
};

}  // namespace attestd
