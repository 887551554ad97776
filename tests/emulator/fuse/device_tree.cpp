#include "tests/emulator/fuse/device_tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "quote/base/digest.h"
#include "quote/base/encoding.h"

namespace attestd::devsim {
namespace {

using std::chrono::milliseconds;

const std::string kReports = "/sys/kernel/config/tsm/report";
const std::string kMeasurements = "/sys/devices/virtual/misc/tdx_guest/measurements";
constexpr unsigned kFolderMode = 0755, kDeviceMode = 0600;
constexpr std::size_t kRegisterLen = 48;
constexpr milliseconds kPoll{10};
// How long the driver waits for the host before it gives up (`spec/guest-interfaces.md` 2.3).
constexpr milliseconds kDriverPatience = std::chrono::seconds(30);

// The ACPI table that says where the log lies: 56 bytes whose sum is 0 modulo 256.
Bytes ccel_table(std::size_t log_len) {
    Bytes out(56);
    const auto put = [&](std::size_t at, std::string_view text) {
        std::copy(text.begin(), text.end(), out.begin() + static_cast<std::ptrdiff_t>(at));
    };
    put(0, "CCEL");
    out[4] = 56;
    out[8] = 1;
    put(10, "DEVSIMATTESTD");
    out[36] = 2;  // TDX
    for (std::size_t i = 0; i < 8; ++i) {
        out[40 + i] = static_cast<std::uint8_t>(std::uint64_t{log_len} >> (8 * i));
        out[48 + i] = static_cast<std::uint8_t>(std::uint64_t{0x7ff00000} >> (8 * i));
    }
    unsigned sum = 0;
    for (const std::uint8_t byte : out) sum += byte;
    out[9] = static_cast<std::uint8_t>(0x100 - (sum & 0xff));
    return out;
}

bool is_direct_child(const std::string& path, const std::string& folder) {
    const std::string prefix = folder == "/" ? "/" : folder + '/';
    return path.size() > prefix.size() && path.starts_with(prefix) &&
           path.find('/', prefix.size()) == std::string::npos;
}

std::string last_part(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

DeviceTree::DeviceTree(Machine& machine) : machine_(machine) {
    add("/", {.kind = Kind::folder, .mode = kFolderMode});
    add(kReports, {.kind = Kind::folder, .mode = kFolderMode});
    if (machine.tee() == Tee::tdx) {
        add_tdx();
        return;
    }
    add("/dev/sev-guest", {.kind = Kind::sev_device, .mode = kDeviceMode});
    add_fixed("/sys/devices/system/cpu/sev/vmpl", 0444, [] { return Bytes{'0', '\n'}; });
}

void DeviceTree::add_tdx() {
    add("/dev/tdx_guest", {.kind = Kind::tdx_device, .mode = kDeviceMode});
    const auto value_of = [this](const std::string& name) {
        for (const auto& [known, hex] : machine_.registers()) {
            if (known == name) return from_hex(hex, name).value();
        }
        return Bytes(kRegisterLen);
    };
    for (std::size_t i = 0; i < 4; ++i) {
        add(fmt::format("{}/rtmr{}:sha384", kMeasurements, i),
            {.kind = Kind::rtmr, .mode = 0644, .size = kRegisterLen, .rtmr = i, .content = [=] {
                 return value_of(fmt::format("rtmr{}", i));
             }});
    }
    add_fixed(kMeasurements + "/mrtd:sha384", 0444, [=] { return value_of("measurement"); });
    for (const char* const name : {"mrconfigid", "mrowner", "mrownerconfig"})
        add_fixed(kMeasurements + '/' + name, 0444, [=] { return value_of(name); });
    const std::string tables = "/sys/firmware/acpi/tables";
    add_fixed(tables + "/CCEL", 0400, [this] { return ccel_table(machine_.boot_log().size()); });
    add_fixed(tables + "/data/CCEL", 0400, [this] { return machine_.boot_log(); });
}

// With the folders above it.
void DeviceTree::add(const std::string& path, Node node) {
    for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1))
        nodes_.try_emplace(path.substr(0, at), Node{.kind = Kind::folder, .mode = kFolderMode});
    nodes_[path] = std::move(node);
}

void DeviceTree::add_fixed(const std::string& path, unsigned mode, std::function<Bytes()> content) {
    add(path, {.kind = Kind::fixed, .mode = mode, .content = std::move(content)});
}

bool DeviceTree::find(const std::string& path, Node& out) {
    if (const auto it = nodes_.find(path); it != nodes_.end()) {
        out = it->second;
        return true;
    }
    if (is_direct_child(path, kReports)) {
        const auto it = reports_.find(last_part(path));
        if (it == reports_.end()) return false;
        out = {.kind = Kind::folder,
               .mode = kFolderMode,
               .report = it->second,
               .owner = it->second->folder_owner};
        return true;
    }
    const std::string folder = path.substr(0, path.rfind('/'));
    if (!is_direct_child(folder, kReports)) return false;
    const auto it = reports_.find(last_part(folder));
    if (it == reports_.end()) return false;
    for (const TsmAttribute& attribute : tsm_attributes(machine_.tee(), machine_.device().svsm)) {
        if (attribute.name != last_part(path)) continue;
        const auto owner = it->second->owners.find(attribute.name);
        out = {.kind = Kind::attribute,
               .mode = attribute.mode,
               .size = attribute.is_binary ? 0 : std::int64_t{kTextLen},
               .name = attribute.name,
               .report = it->second,
               .owner = owner == it->second->owners.end() ? Owner{} : owner->second};
        return true;
    }
    return false;
}

int DeviceTree::getattr(const std::string& path, struct stat& out) {
    const auto turn = machine_.turn();
    Node node;
    if (!find(path, node)) return -ENOENT;
    out = {};
    const bool is_folder = node.kind == Kind::folder;
    out.st_mode = (is_folder ? S_IFDIR : S_IFREG) | node.mode;
    out.st_nlink = is_folder ? 2 : 1;
    out.st_size = node.size;
    // Root's, as in the kernel; an ordinary user's emulator can only show what is that user's.
    out.st_uid = node.owner.uid == 0 ? ::geteuid() : node.owner.uid;
    out.st_gid = node.owner.gid == 0 ? ::getegid() : node.owner.gid;
    return 0;
}

int DeviceTree::readdir(const std::string& path, std::vector<std::string>& names) {
    const auto turn = machine_.turn();
    Node node;
    if (!find(path, node)) return -ENOENT;
    if (node.kind != Kind::folder) return -ENOTDIR;
    if (node.report) {
        for (const auto& attribute : tsm_attributes(machine_.tee(), machine_.device().svsm))
            names.emplace_back(attribute.name);
    }
    for (const auto& [known, ignored] : nodes_) {
        if (is_direct_child(known, path)) names.push_back(last_part(known));
    }
    if (path == kReports) {
        for (const auto& [name, ignored] : reports_) names.push_back(name);
    }
    return 0;
}

int DeviceTree::mkdir(const std::string& path) {
    const auto turn = machine_.turn();
    Node node;
    if (find(path, node)) return -EEXIST;
    if (!is_direct_child(path, kReports)) return -EPERM;
    if (provider() == "none") return -ENXIO;
    reports_[last_part(path)] = std::make_shared<TsmReport>();
    return 0;
}

int DeviceTree::rmdir(const std::string& path) {
    const auto turn = machine_.turn();
    Node node;
    if (!find(path, node)) return -ENOENT;
    if (node.kind != Kind::folder) return -ENOTDIR;
    if (!node.report) return -EPERM;
    if (DeviceFaults::take(machine_.device().stuck_rmdirs)) return -EBUSY;
    node.report->is_removed = true;  // files that are open see it
    reports_.erase(last_part(path));
    return 0;
}

int DeviceTree::chown(const std::string& path, Owner owner) {
    constexpr auto kKeep = static_cast<std::uint32_t>(-1);
    const auto turn = machine_.turn();
    Node node;
    if (!find(path, node)) return -ENOENT;
    if (owner.uid == kKeep) owner.uid = node.owner.uid;
    if (owner.gid == kKeep) owner.gid = node.owner.gid;
    if (node.kind == Kind::attribute) {
        node.report->owners[node.name] = owner;
    } else if (node.report) {
        node.report->folder_owner = owner;
    } else {
        nodes_[path].owner = owner;
    }
    return 0;
}

int DeviceTree::chmod(const std::string& path, unsigned mode) {
    constexpr unsigned kPermissions = 07777;
    const auto turn = machine_.turn();
    Node node;
    if (!find(path, node)) return -ENOENT;
    const auto fixed = nodes_.find(path);
    if (fixed != nodes_.end()) fixed->second.mode = mode & kPermissions;
    return 0;
}

std::int64_t DeviceTree::open(const std::string& path, int flags) {
    const auto made = std::make_shared<OpenFile>();
    {
        const auto turn = machine_.turn();
        if (!find(path, made->node)) return -ENOENT;
        const Node& node = made->node;
        if (node.kind == Kind::folder) return -EISDIR;
        // As the kernel does, also for root, whom no mode stops.
        const int access = flags & O_ACCMODE;
        const bool reads = access != O_WRONLY, writes = access != O_RDONLY;
        if ((reads && (node.mode & 0444) == 0) || (writes && (node.mode & 0222) == 0))
            return -EACCES;
        if (node.content) made->snapshot = node.content();
    }
    const std::lock_guard lock(files_lock_);
    files_[next_handle_] = made;
    return static_cast<std::int64_t>(next_handle_++);
}

std::shared_ptr<DeviceTree::OpenFile> DeviceTree::file(std::uint64_t handle) {
    const std::lock_guard lock(files_lock_);
    return files_.at(handle);
}

void DeviceTree::release(std::uint64_t handle) {
    const std::lock_guard lock(files_lock_);
    files_.erase(handle);
}

std::string DeviceTree::provider() {
    const std::string& told = machine_.device().provider;
    if (!told.empty()) return told;
    return machine_.tee() == Tee::tdx ? "tdx_guest" : "sev_guest";
}

int DeviceTree::read(std::uint64_t handle, std::span<char> into, std::uint64_t offset,
                     const IsInterrupted& is_interrupted) {
    const auto open = file(handle);
    if (!open->snapshot) {
        if (const int error = take_snapshot(*open, is_interrupted); error != 0) return -error;
    }
    const Bytes& bytes = *open->snapshot;
    if (offset >= bytes.size()) return 0;
    std::size_t len = std::min<std::size_t>(into.size(), bytes.size() - offset);
    {
        const auto turn = machine_.turn();
        const std::size_t most = machine_.device().read_len;
        if (open->node.kind == Kind::attribute && most != 0) len = std::min(len, most);
    }
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), len, into.begin());
    return static_cast<int>(len);
}

int DeviceTree::take_snapshot(OpenFile& open, const IsInterrupted& is_interrupted) {
    if (open.node.kind != Kind::attribute) return EINVAL;  // a device is not read
    const std::string& name = open.node.name;
    Bytes bytes;
    if (name == "outblob" || name == "auxblob" || name == "manifestblob") {
        const int error = make_report(*open.node.report, name, bytes, is_interrupted);
        if (error != 0) return error;
    } else {
        const auto turn = machine_.turn();
        if (open.node.report->is_removed) return ENOENT;
        std::string text;
        const int error = read_tsm_text(*open.node.report, name, provider(), text);
        if (error != 0) return error;
        bytes = to_bytes(as_bytes(text));
    }
    open.snapshot = std::move(bytes);
    return 0;
}

// The first read after a commit makes the report, with one lock for all; later ones get the same.
int DeviceTree::make_report(TsmReport& report, const std::string& name, Bytes& out,
                            const IsInterrupted& is_interrupted) {
    const std::lock_guard generating(generating_);
    {
        const auto turn = machine_.turn();
        if (report.is_removed) return ENOENT;
        if (report.made) return blob_of(report, name, out);
        if (report.inblob.size() != kMaxInblobLen) return EINVAL;
    }
    if (const int error = wait_as_told(is_interrupted); error != 0) return error;
    const auto turn = machine_.turn();
    DeviceFaults& faults = machine_.device();
    if (DeviceFaults::take(faults.vanishing)) {
        std::erase_if(reports_, [&](const auto& entry) { return entry.second.get() == &report; });
        report.is_removed = true;
    }
    if (report.is_removed) return ENOENT;
    if (const int error = faults.take_error(); error != 0) return error;
    ReportData report_data{};
    std::copy(report.inblob.begin(), report.inblob.end(), report_data.begin());
    if (!report.service_provider.empty()) {
        if (report.service_provider != "svsm") return EINVAL;
        report_data = sha512({ByteView(report_data), ByteView(svsm_manifest())});
    }
    auto evidence = machine_.evidence(report_data, report.privlevel);
    if (!evidence) return EIO;
    if (machine_.fault() == Fault::garbage) evidence->evidence.assign(999, 0xa5);
    if (faults.empty) evidence->evidence.clear();
    report.made = *std::move(evidence);
    return blob_of(report, name, out);
}

int DeviceTree::blob_of(TsmReport& report, const std::string& name, Bytes& out) {
    const MachineEvidence& made = *report.made;
    if (name == "auxblob") {
        if (!made.endorsements.empty()) out = made.endorsements.front();
        return 0;
    }
    if (name == "manifestblob") {
        if (!report.service_provider.empty()) out = svsm_manifest();
        return 0;
    }
    out = made.evidence;
    // Somebody else's request, right after ours was read.
    if (DeviceFaults::take(machine_.device().foreign_writes)) report.commit(report.inblob);
    return 0;
}

// The host's time. A driver gives up at last, and a signal ends the wait sooner.
int DeviceTree::wait_as_told(const IsInterrupted& is_interrupted) {
    const auto begin = std::chrono::steady_clock::now();
    for (;;) {
        milliseconds delay{};
        {
            const auto turn = machine_.turn();
            delay = machine_.fault() == Fault::timeout ? kDriverPatience : machine_.delay();
        }
        const auto passed = std::chrono::steady_clock::now() - begin;
        if (passed >= kDriverPatience) return ETIMEDOUT;
        if (passed >= delay) return 0;
        if (is_stopping_ || is_interrupted()) return EINTR;
        std::this_thread::sleep_for(kPoll);
    }
}

int DeviceTree::write(std::uint64_t handle, ByteView bytes, std::uint64_t offset) {
    const auto open = file(handle);
    const auto turn = machine_.turn();
    const Node& node = open->node;
    if (node.kind == Kind::rtmr) {
        if (offset != 0 || bytes.size() != kRegisterLen) return -EINVAL;
        ByteArray<kRegisterLen> digest{};
        std::copy(bytes.begin(), bytes.end(), digest.begin());
        if (machine_.device().fixed_registers || !machine_.extend(node.rtmr, digest)) return -EIO;
        return static_cast<int>(bytes.size());
    }
    if (node.kind != Kind::attribute) return -EINVAL;
    if (node.name != "inblob") {
        if (node.report->is_removed) return -ENOENT;
        const int error = write_tsm_text(*node.report, node.name, bytes);
        return error == 0 ? static_cast<int>(bytes.size()) : -error;
    }
    open->has_written = true;
    if (offset + bytes.size() > kMaxInblobLen) {
        open->has_failed = true;
        return -EFBIG;
    }
    open->written.resize(std::max<std::size_t>(open->written.size(), offset + bytes.size()));
    std::copy(bytes.begin(), bytes.end(),
              open->written.begin() + static_cast<std::ptrdiff_t>(offset));
    return static_cast<int>(bytes.size());
}

void DeviceTree::flush(std::uint64_t handle) {
    const auto open = file(handle);
    const auto turn = machine_.turn();
    if (!open->has_written) return;
    open->has_written = false;
    if (open->node.report->is_removed) return;
    if (DeviceFaults::take(machine_.device().lost_commits)) return;
    // After a write that failed, the kernel commits an empty request all the same.
    open->node.report->commit(open->has_failed ? Bytes{} : open->written);
}

int DeviceTree::ioctl(std::uint64_t handle, std::uint32_t command, std::span<std::uint8_t> block,
                      const IoctlCaller& caller, const IsInterrupted& is_interrupted) {
    const auto open = file(handle);
    const Kind kind = open->node.kind;
    if (kind != Kind::sev_device && kind != Kind::tdx_device) return -ENOTTY;
    if (block.size() != (kind == Kind::sev_device ? kSevBlockLen : kTdxBlockLen)) return -ENOTTY;
    const std::lock_guard generating(generating_);
    if (const int error = wait_as_told(is_interrupted); error != 0) return -error;
    const auto turn = machine_.turn();
    return kind == Kind::sev_device ? -sev_ioctl(machine_, command, block, caller)
                                    : -tdx_ioctl(machine_, command, block);
}

}  // namespace attestd::devsim
