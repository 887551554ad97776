#include "tests/emulator/vtpm/paravisor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "quote/base/digest.h"
#include "quote/base/encoding.h"
#include "tests/emulator/vtpm/tpm_wire.h"
#include "tests/support/forge/azure_forge.h"

namespace attestd::devsim {
namespace {

constexpr std::uint32_t kBlobNv = 0x01400001, kDataNv = 0x01400002, kAkHandle = 0x81000003;
constexpr std::uint32_t kExtendedPcr = 16;
constexpr std::size_t kBlobLen = 2048, kWriteLen = 512, kMaxFaultsLen = 4096;
// swtpm knows SHA-512 and takes 66 bytes; a vTPM of Azure's does not.
constexpr std::size_t kMaxNonceLen = 50;
constexpr std::uint32_t kWrongSize = 0x1d5;  // TPM_RC_SIZE of the first parameter
constexpr unsigned kTdQuoteMode = 0644;
constexpr std::uint32_t kSnpType = 2, kTdxType = 4;

std::string upper_hex(ByteView bytes) {
    std::string out = to_hex(bytes);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c; });
    return out;
}

}  // namespace

void ParavisorFaults::reread() {
    const auto bytes = read_file(file_, kMaxFaultsLen);
    const std::string text(bytes ? as_text(*bytes) : std::string_view());
    if (text == text_) return;
    text_ = text;
    lines_.clear();
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
        std::istringstream words(line);
        Line one;
        words >> one.name >> std::hex;
        for (std::uint32_t number = 0; words >> number;) one.numbers.push_back(number);
        if (!one.numbers.empty()) one.left = one.numbers.back();
        if (!one.name.empty()) lines_.push_back(std::move(one));
    }
}

bool ParavisorFaults::has(const std::string& name) const {
    return std::any_of(lines_.begin(), lines_.end(),
                       [&](const Line& line) { return line.name == name; });
}

bool ParavisorFaults::has(const std::string& name, std::uint32_t code) const {
    return std::any_of(lines_.begin(), lines_.end(), [&](const Line& line) {
        return line.name == name && !line.numbers.empty() && line.numbers[0] == code;
    });
}

bool ParavisorFaults::due(const std::string& name) {
    for (Line& line : lines_) {
        if (line.name != name || line.left == 0) continue;
        --line.left;
        return true;
    }
    return false;
}

std::optional<std::uint32_t> ParavisorFaults::refused(std::uint32_t code) {
    for (Line& line : lines_) {
        if (line.name != "refuse" || line.numbers.size() != 3 || line.numbers[0] != code) continue;
        if (line.left == 0) continue;
        --line.left;
        return line.numbers[1];
    }
    return std::nullopt;
}

Result<Bytes> Paravisor::exchange(ByteView command) {
    ATTESTD_CHECK(write_tpm_message(tpm_.get(), command));
    return read_tpm_message(tpm_.get());
}

void Paravisor::trace(ByteView message) const {
    const Fd file(::open(trace_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    if (file && ::write(file.get(), message.data(), message.size()) < 0)
        fmt::print(stderr, "attestd-paravisor: {}: cannot be written\n", trace_);
}

// The blob that speaks of `user_data`, written where the guest reads it, and what the quoting
// service would make of its TDREPORT. Without a blob's index or a key there is nothing to publish.
Result<void> Paravisor::publish(ByteView user_data) {
    forge::RuntimeSpec runtime;
    runtime.endorsement_key = false;  // with it a blob is longer than swtpm's NV indexes may be
    ATTESTD_TRY(const Bytes public_answer, exchange(read_public(kAkHandle)));
    if (const auto modulus = modulus_of(public_answer); modulus && !faults_.has("foreign-key"))
        runtime.key = forge::VtpmKey::of_tpm(*modulus);
    runtime.user_data = upper_hex(user_data);
    if (faults_.has("no-user-data")) runtime.user_data.reset();
    runtime.more_json = fmt::format(R"(,"published":"{:08}")", ++num_published_);
    forge::HclSpec blob;
    blob.blob_len = kBlobLen;
    blob.runtime = forge::runtime_json(runtime);
    const ReportData bound = forge::bound_report_data(blob.runtime);
    const bool snp = machine_.tee() == Tee::snp;
    blob.report_type = snp ? kSnpType : kTdxType;
    const auto turn = machine_.turn();
    ATTESTD_TRY(MachineEvidence evidence, machine_.evidence(bound));
    if (snp) {
        blob.hardware_report = std::move(evidence.evidence);
    } else {
        ATTESTD_TRY(blob.hardware_report, machine_.tdreport(bound));
        ATTESTD_CHECK(replace_file(dir_, "td_quote.bin", evidence.evidence, kTdQuoteMode));
    }
    const Bytes bytes = forge::hcl_blob(blob);
    for (std::size_t at = 0; at < bytes.size(); at += kWriteLen) {
        const ByteView part = ByteView(bytes).subspan(at, std::min(kWriteLen, bytes.size() - at));
        const Bytes command = nv_write(kBlobNv, part, static_cast<std::uint16_t>(at));
        ATTESTD_CHECK(exchange(command));
    }
    return {};
}

Result<void> Paravisor::before(ByteView command) {
    const auto at = nv_read_of(command, kBlobNv);
    if (at.value_or(0) != 0 && faults_.due("tear")) return publish(user_data_);
    return {};
}

Result<void> Paravisor::after(ByteView command) {
    if (code_of(command) == tpm_cc::kPcrRead && faults_.due("extend"))
        ATTESTD_CHECK(exchange(pcr_extend(kExtendedPcr, sha256(as_bytes("meanwhile")))));
    auto written = nv_write_of(command, kDataNv);
    if (!written || faults_.has("stale")) return {};
    user_data_ = *std::move(written);
    user_data_.resize(sizeof(ReportData));
    return publish(user_data_);
}

Result<Paravisor::Reply> Paravisor::handle(ByteView command, Bytes& answer) {
    const std::scoped_lock turn(turn_);
    faults_.reread();
    if (faults_.has("hang", code_of(command))) return Reply::none;
    if (faults_.has("drop", code_of(command))) return Reply::end;
    if (const auto code = faults_.refused(code_of(command))) {
        answer = answer_of(*code);
        return Reply::answer;
    }
    if (quote_nonce_len(command) > kMaxNonceLen) {
        answer = answer_of(kWrongSize);
        return Reply::answer;
    }
    ATTESTD_CHECK(before(command));
    trace(command);
    ATTESTD_TRY(answer, exchange(command));
    trace(answer);
    if (code_of(answer) == 0) ATTESTD_CHECK(after(command));
    return Reply::answer;
}

void Paravisor::serve(const Fd& client) {
    for (;;) {
        const auto command = read_tpm_message(client.get());
        if (!command || command->empty()) return;
        Bytes answer;
        const auto reply = handle(*command, answer);
        if (!reply) fmt::print(stderr, "attestd-paravisor: {}\n", to_string(reply.error()));
        if (!reply || *reply == Reply::end) return;
        if (*reply == Reply::none) {
            pollfd gone{client.get(), 0, 0};
            ::poll(&gone, 1, -1);  // until the client leaves
            return;
        }
        if (!write_tpm_message(client.get(), answer)) return;
    }
}

}  // namespace attestd::devsim
