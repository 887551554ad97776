#include "agent/audit/journal.h"

#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <nlohmann/json.hpp>

#include "agent/log.h"
#include "quote/base/unix_address.h"

namespace attestd {
namespace {

constexpr std::string_view kJournalPrefix = "ATTESTD_";

// Names of fields: capitals, digits and underscores.
std::string field_name(std::string_view member) {
    std::string name(kJournalPrefix);
    for (const char c : member) {
        const auto byte = static_cast<unsigned char>(c);
        name.push_back(std::isalnum(byte) != 0 ? static_cast<char>(std::toupper(byte)) : '_');
    }
    return name;
}

// A record's texts have no line end: the writer escapes them, so the plain form of a field serves.
void put_field(std::string& out, std::string_view name, std::string_view value) {
    out.append(name).append("=").append(value).append("\n");
}

Result<Fd> connect_to_journal(const std::filesystem::path& path) {
    ATTESTD_TRY(const UnixAddress address, UnixAddress::of_path(path.native()));
    Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd || ::connect(fd.get(), address.get(), address.len()) != 0)
        return fail_errno(errno, path.string());
    return fd;
}

}  // namespace

Result<std::string> journal_entry(std::string_view line) {
    const auto record = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!record.is_object()) return fail(Errc::bad_json, "an audit record is one JSON object");
    const bool is_denial = record.value("decision", std::string()) == "deny";
    std::string out;
    put_field(out, "MESSAGE", line);
    put_field(out, "PRIORITY", is_denial ? "5" : "6");  // notice, info
    put_field(out, "SYSLOG_IDENTIFIER", "attestd-audit");
    for (const auto& [member, value] : record.items()) {
        std::string text = value.is_string() ? value.get<std::string>() : value.dump();
        std::replace(text.begin(), text.end(), '\n', ' ');
        put_field(out, field_name(member), text);
    }
    return out;
}

Journal::Journal(std::filesystem::path socket) : path_(std::move(socket)) {}

bool Journal::send_one(std::string_view line) {
    const auto entry = journal_entry(line);
    if (!entry) return false;
    for (int i = 0; i < 2; ++i) {  // a journal that was started anew has another socket
        if (!socket_) {
            auto connected = connect_to_journal(path_);
            if (!connected) return false;
            socket_ = *std::move(connected);
        }
        const ssize_t n =
            ::send(socket_.get(), entry->data(), entry->size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n == static_cast<ssize_t>(entry->size())) return true;
        if (n < 0 && errno == EAGAIN) return false;
        socket_.reset();
    }
    return false;
}

void Journal::send(std::string_view lines) {
    while (!lines.empty()) {
        const auto end = lines.find('\n');
        const bool sent = send_one(lines.substr(0, end));
        lines.remove_prefix(end == lines.npos ? lines.size() : end + 1);
        if (sent) {
            is_told_ = false;
            continue;
        }
        ++num_lost_;
        if (std::exchange(is_told_, true)) continue;
        log_event(LogLevel::warn, "audit.journal-lost",
                  {{"effect", "the audit file has the records; the journal lacks some"},
                   {"socket", path_.string()}});
    }
}

}  // namespace attestd
