// What an Azure confidential VM's paravisor does around a vTPM: when the guest writes NV index
// 0x01400002, the blob in NV index 0x01400001 speaks of what was written.
//
// It stands between a TPM's client and a TPM, passes commands on as they are, and signs with an
// emulated machine's hierarchy. It can be told to misbehave, command by command.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "quote/base/fd.h"
#include "quote/base/result.h"
#include "tests/emulator/machine.h"

namespace attestd::devsim {

/// What is done wrong until the file of faults changes; one a line, numbers in hexadecimal:
///   hang CODE          commands of this code get no answer
///   drop CODE          the connection ends instead of an answer
///   refuse CODE RC N   the first N commands of this code are answered RC
///   extend N           after each of the first N readings of PCRs, PCR 16 is extended
///   tear N             before each of the first N readings of the blob behind its start, it is
///                      made anew with other contents
///   stale              a write to user-data changes nothing
///   foreign-key        the blob vouches for another key than the vTPM's
///   no-user-data       the blob is of an older paravisor, which knows no user-data
class ParavisorFaults final {
 public:
    explicit ParavisorFaults(std::string file) : file_(std::move(file)) {}

    void reread();
    [[nodiscard]] bool has(const std::string& name, std::uint32_t code) const;
    [[nodiscard]] bool has(const std::string& name) const;
    /// Whether one more of a counted fault is due; counts it.
    [[nodiscard]] bool due(const std::string& name);
    /// The answer to a command of `code`, when it is refused.
    [[nodiscard]] std::optional<std::uint32_t> refused(std::uint32_t code);

 private:
    struct Line {
        std::string name;
        std::vector<std::uint32_t> numbers;
        std::uint32_t left = 0;
    };
    std::string file_, text_;
    std::vector<Line> lines_;
};

class Paravisor final {
 public:
    /// All outlive the object. `tpm` is a connection to a TPM that is started. In `dir` it keeps
    /// td_quote.bin, what a TDX guest's metadata service would answer; it reads `faults` there, and
    /// appends all that passes to `trace` when there is such a file.
    Paravisor(Machine& machine, Fd tpm, const Fd& dir, const std::string& dir_path)
        : machine_(machine),
          tpm_(std::move(tpm)),
          dir_(dir),
          faults_(dir_path + "/faults"),
          trace_(dir_path + "/trace") {}

    /// Serves a client until its connection ends. From any thread.
    void serve(const Fd& client);

 private:
    enum class Reply : std::uint8_t { answer, none, end };
    [[nodiscard]] Result<Bytes> exchange(ByteView command);
    void trace(ByteView message) const;
    [[nodiscard]] Result<Reply> handle(ByteView command, Bytes& answer);
    [[nodiscard]] Result<void> before(ByteView command);
    [[nodiscard]] Result<void> after(ByteView command);
    [[nodiscard]] Result<void> publish(ByteView user_data);

    std::mutex turn_;  // a TPM does one thing at a time
    Machine& machine_;
    Fd tpm_;
    const Fd& dir_;
    ParavisorFaults faults_;
    std::string trace_;
    Bytes user_data_ = Bytes(64);
    std::uint32_t num_published_ = 0;
};

}  // namespace attestd::devsim
