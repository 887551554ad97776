#include "quote/amd/launch_digest.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace attestd {
namespace {

constexpr std::uint32_t kMaxVcpus = 4096;
constexpr std::uint64_t kFirmwareEnd = std::uint64_t{1} << 32;
constexpr std::uint64_t kVmsaGpa = 0x0000fffffffff000;
constexpr std::uint32_t kResetEip = 0xfffffff0;
constexpr std::uint64_t kMaxVariableStoreLen = std::uint64_t{64} << 20;

enum class PageType : std::uint8_t {
    normal = 1,
    vmsa = 2,
    zero = 3,
    unmeasured = 4,
    secrets = 5,
    cpuid = 6
};

using Page = ByteArray<kPageLen>;

template <class T>
void put(std::span<std::uint8_t> out, std::size_t at, T value) {
    for (std::size_t i = 0; i < sizeof value; ++i)
        out[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

void put_bytes(std::span<std::uint8_t> out, std::size_t at, ByteView bytes) {
    std::copy(bytes.begin(), bytes.end(), out.subspan(at, bytes.size()).begin());
}

// The running digest; each page replaces it by SHA-384 of PAGE_INFO, which holds the old one.
class Digest {
 public:
    void add(PageType type, std::uint64_t gpa, const Sha384& contents = {}) {
        constexpr std::size_t kInfoLen = 0x70;
        std::array<std::uint8_t, kInfoLen> info{};
        put_bytes(info, 0x00, value_);
        put_bytes(info, 0x30, contents);
        put(info, 0x60, static_cast<std::uint16_t>(kInfoLen));
        info[0x62] = static_cast<std::uint8_t>(type);
        put(info, 0x68, gpa);
        value_ = sha384(info);
    }
    void add_pages(PageType type, std::uint64_t gpa, std::uint64_t len) {
        for (std::uint64_t at = 0; at < len; at += kPageLen) add(type, gpa + at);
    }
    void add_image(std::uint64_t gpa, ByteView image) {
        for (std::size_t at = 0; at < image.size(); at += kPageLen) {
            add(PageType::normal, gpa + at, sha384(image.subspan(at, kPageLen)));
        }
    }
    [[nodiscard]] const Sha384& value() const noexcept { return value_; }

 private:
    Sha384 value_{};
};

// GUIDs of the hash table, as they are stored.
constexpr ByteArray<16> kTableGuid{0x06, 0xd6, 0x38, 0x94, 0x22, 0x4f, 0xc9, 0x4c,
                                   0xb4, 0x79, 0xa7, 0x93, 0xd4, 0x11, 0xfd, 0x21};
constexpr ByteArray<16> kCmdlineGuid{0xd8, 0x2d, 0xd0, 0x97, 0x20, 0xbd, 0x94, 0x4c,
                                     0xaa, 0x78, 0xe7, 0x71, 0x4d, 0x36, 0xab, 0x2a};
constexpr ByteArray<16> kInitrdGuid{0x31, 0xf7, 0xba, 0x44, 0x2f, 0x3a, 0xd7, 0x4b,
                                    0x9a, 0xf1, 0x41, 0xe2, 0x91, 0x69, 0x78, 0x1d};
constexpr ByteArray<16> kKernelGuid{0x37, 0x94, 0xe7, 0x4d, 0xd2, 0xab, 0x7f, 0x42,
                                    0xb8, 0x35, 0xd5, 0xb1, 0x72, 0xd2, 0x04, 0x5b};

// The page that holds the kernel's hashes at the offset that the firmware asks for.
Result<Page> kernel_hashes_page(const DirectKernel& kernel, std::uint32_t table_gpa) {
    constexpr std::uint16_t kTableLen = 168, kPaddedLen = 176, kHashEntryLen = 50;
    const std::size_t at = table_gpa % kPageLen;
    if (at + kPaddedLen > kPageLen)
        return fail(Errc::bad_value, "firmware: the hash table crosses a page");
    const ByteArray<1> nul{};  // the command line is hashed with its closing NUL
    const std::pair<ByteArray<16>, Sha256> entries[] = {
        {kCmdlineGuid, sha256({as_bytes(kernel.cmdline), nul})},
        {kInitrdGuid, sha256(kernel.initrd)},
        {kKernelGuid, sha256(kernel.kernel)},
    };
    Page page{};
    const auto table = std::span(page).subspan(at, kPaddedLen);
    put_bytes(table, 0, kTableGuid);
    put(table, 16, kTableLen);
    std::size_t entry_at = 18;
    for (const auto& [guid, hash] : entries) {
        put_bytes(table, entry_at, guid);
        put(table, entry_at + 16, kHashEntryLen);
        put_bytes(table, entry_at + 18, hash);
        entry_at += kHashEntryLen;
    }
    return page;
}

struct Segment {
    std::uint16_t selector, attributes;
    std::uint32_t limit;
    std::uint64_t base;
};

void put_segment(Page& page, std::size_t at, const Segment& segment) {
    put(std::span(page), at, segment.selector);
    put(std::span(page), at + 2, segment.attributes);
    put(std::span(page), at + 4, segment.limit);
    put(std::span(page), at + 8, segment.base);
}

// The save area of a vCPU whose first instruction is at `eip`.
Page vmsa_page(const LaunchParameters& p, std::uint32_t eip) {
    const bool qemu = p.vmm == Vmm::qemu, ec2 = p.vmm == Vmm::ec2;
    const std::uint16_t cs_attributes = ec2 && eip == kResetEip ? 0x9a : 0x9b;
    Page page{};
    for (const std::size_t at : {0x000u, 0x030u, 0x040u, 0x050u})
        put_segment(page, at, {0, 0x93, 0xffff, 0});
    put_segment(page, 0x010, {0xf000, cs_attributes, 0xffff, eip & 0xffff0000});
    put_segment(page, 0x020, {0, static_cast<std::uint16_t>(ec2 ? 0x92 : 0x93), 0xffff, 0});
    for (const std::size_t at : {0x060u, 0x080u}) put_segment(page, at, {0, 0, 0xffff, 0});
    put_segment(page, 0x070, {0, 0x82, 0xffff, 0});
    put_segment(page, 0x090, {0, static_cast<std::uint16_t>(ec2 ? 0x83 : 0x8b), 0xffff, 0});

    const auto out = std::span(page);
    const auto word = [&](std::size_t at, std::uint64_t value) { put(out, at, value); };
    word(0x0d0, 0x1000);                                               // EFER
    word(0x148, 0x40);                                                 // CR4
    word(0x158, 0x10);                                                 // CR0
    word(0x160, 0x400);                                                // DR7
    word(0x168, 0xffff0ff0);                                           // DR6
    word(0x170, 0x2);                                                  // RFLAGS
    word(0x178, eip & 0xffff);                                         // RIP
    word(0x268, p.vmm == Vmm::gce ? 0x00070106 : 0x0007040600070406);  // G_PAT
    word(0x310, qemu ? p.vcpu_signature : 0x600);                      // RDX
    word(0x3b0, p.guest_features);                                     // SEV_FEATURES
    word(0x3e8, 0x1);                                                  // XCR0
    put(out, 0x408, static_cast<std::uint32_t>(qemu ? 0x1f80 : 0));    // MXCSR
    put(out, 0x410, static_cast<std::uint16_t>(qemu ? 0x37f : 0));     // FCW
    return page;
}

// The same for a vCPU that starts in an SVSM, in protected mode.
Page svsm_vmsa_page(const LaunchParameters& p, std::uint64_t entry) {
    Page page = vmsa_page(p, kResetEip);
    for (const std::size_t at : {0x000u, 0x020u, 0x030u, 0x040u})  // ES, SS, DS, FS; GS stays
        put_segment(page, at, {0x10, 0xc93, 0xffffffff, 0});
    put_segment(page, 0x010, {0x08, 0xc9b, 0xffffffff, 0});
    const auto out = std::span(page);
    put(out, 0x158, std::uint64_t{0x11});  // CR0
    put(out, 0x178, entry);                // RIP
    put(out, 0x410, p.svsm->fcw);          // FCW
    return page;
}

std::uint64_t firmware_gpa(const LaunchParameters& p) {
    return kFirmwareEnd - p.firmware.image.size();
}

std::uint64_t svsm_gpa(const LaunchParameters& p) {
    return firmware_gpa(p) - p.svsm->variable_store_len - p.svsm->image.image.size();
}

Result<void> add_section(Digest& digest, const LaunchParameters& p,
                         const FirmwareSection& section) {
    switch (section.type) {
        case FirmwareSectionType::snp_sec_mem:
            digest.add_pages(p.vmm == Vmm::gce ? PageType::unmeasured : PageType::zero, section.gpa,
                             section.size);
            return {};
        case FirmwareSectionType::snp_secrets:
            digest.add(PageType::secrets, section.gpa);
            return {};
        case FirmwareSectionType::cpuid:
            digest.add(PageType::cpuid, section.gpa);
            return {};
        case FirmwareSectionType::svsm_caa:
            digest.add_pages(PageType::zero, section.gpa, section.size);
            return {};
        case FirmwareSectionType::snp_kernel_hashes:
            break;
    }
    if (!p.kernel) {
        digest.add_pages(PageType::zero, section.gpa, section.size);
        return {};
    }
    if (!p.firmware.hash_table_gpa)
        return fail(Errc::bad_value, "firmware: no place for the kernel's hashes");
    ATTESTD_TRY(const Page page, kernel_hashes_page(*p.kernel, *p.firmware.hash_table_gpa));
    digest.add(PageType::normal, section.gpa, sha384(page));
    return {};
}

// In file order; EC2 puts the CPUID page last.
Result<void> add_sections(Digest& digest, const LaunchParameters& p,
                          const std::vector<FirmwareSection>& sections) {
    const auto comes_last = [&](const FirmwareSection& section) {
        return p.vmm == Vmm::ec2 && section.type == FirmwareSectionType::cpuid;
    };
    for (const FirmwareSection& section : sections) {
        if (!comes_last(section)) ATTESTD_CHECK(add_section(digest, p, section));
    }
    for (const FirmwareSection& section : sections) {
        if (comes_last(section)) ATTESTD_CHECK(add_section(digest, p, section));
    }
    return {};
}

Result<void> check_svsm(const LaunchParameters& p) {
    const Svsm& svsm = *p.svsm;
    const auto bad = [](std::string_view why) {
        return fail(Errc::bad_value, fmt::format("SVSM: {}", why));
    };
    if (p.vmm != Vmm::qemu) return bad("how other hypervisors than QEMU launch one is not known");
    if (p.kernel) return bad("a kernel that QEMU loads beside it would not be measured");
    if (!svsm.image.svsm_entry)
        return bad("the image has no SVSM info: nothing says where it starts");
    if (*svsm.image.svsm_entry >= svsm.image.image.size())
        return bad("its first instruction lies outside the image");
    if (svsm.variable_store_len % kPageLen != 0 || svsm.variable_store_len > kMaxVariableStoreLen)
        return bad("the firmware's variable store must be whole pages of 4096, at most 64 MiB");
    return {};
}

Result<void> check(const LaunchParameters& p) {
    if (p.num_vcpus == 0 || p.num_vcpus > kMaxVcpus) {
        return fail(Errc::bad_value,
                    fmt::format("{} vCPUs; between 1 and {} are possible", p.num_vcpus, kMaxVcpus));
    }
    if (p.svsm) return check_svsm(p);
    if (p.num_vcpus > 1 && !p.firmware.ap_entry) {
        return fail(Errc::bad_value, "firmware: no SEV-ES reset block, so only one vCPU can start");
    }
    const auto& sections = p.firmware.sections;
    const bool has_hashes = std::any_of(sections.begin(), sections.end(), [](const auto& s) {
        return s.type == FirmwareSectionType::snp_kernel_hashes;
    });
    if (p.kernel && !has_hashes) {
        return fail(Errc::bad_value,
                    "firmware: no SNP_KERNEL_HASHES section: the kernel would not be measured");
    }
    return {};
}

// Behind the firmware's pages: the SVSM's image, its sections (not the firmware's), the vCPUs.
Result<Sha384> svsm_launch_digest(Digest digest, const LaunchParameters& p) {
    const Firmware& image = p.svsm->image;
    digest.add_image(svsm_gpa(p), image.image);
    ATTESTD_CHECK(add_sections(digest, p, image.sections));
    const Sha384 vmsa = sha384(svsm_vmsa_page(p, svsm_gpa(p) + *image.svsm_entry));
    for (std::uint32_t i = 0; i < p.num_vcpus; ++i) digest.add(PageType::vmsa, kVmsaGpa, vmsa);
    return digest.value();
}

}  // namespace

std::optional<Vmm> vmm_from_name(std::string_view name) noexcept {
    if (name == "qemu") return Vmm::qemu;
    if (name == "ec2") return Vmm::ec2;
    if (name == "gce") return Vmm::gce;
    return std::nullopt;
}

std::optional<std::uint32_t> vcpu_signature(std::string_view model) noexcept {
    constexpr std::pair<std::string_view, std::uint32_t> kModels[] = {
        {"EPYC", 0x800f12},          {"EPYC-v1", 0x800f12},      {"EPYC-v2", 0x800f12},
        {"EPYC-IBPB", 0x800f12},     {"EPYC-v3", 0x800f12},      {"EPYC-v4", 0x800f12},
        {"EPYC-Rome", 0x830f10},     {"EPYC-Rome-v1", 0x830f10}, {"EPYC-Rome-v2", 0x830f10},
        {"EPYC-Rome-v3", 0x830f10},  {"EPYC-Milan", 0xa00f11},   {"EPYC-Milan-v1", 0xa00f11},
        {"EPYC-Milan-v2", 0xa00f11}, {"EPYC-Genoa", 0xa10f10},   {"EPYC-Genoa-v1", 0xa10f10},
        {"EPYC-Turin", 0xb00f00},
    };
    for (const auto& [name, signature] : kModels) {
        if (name == model) return signature;
    }
    return std::nullopt;
}

Result<Sha384> launch_digest(const LaunchParameters& p) {
    ATTESTD_CHECK(check(p));
    Digest digest;
    digest.add_image(firmware_gpa(p), p.firmware.image);
    if (p.svsm) return svsm_launch_digest(digest, p);
    ATTESTD_CHECK(add_sections(digest, p, p.firmware.sections));
    const Sha384 first = sha384(vmsa_page(p, kResetEip));
    digest.add(PageType::vmsa, kVmsaGpa, first);
    if (p.num_vcpus == 1) return digest.value();
    const Sha384 further = sha384(vmsa_page(p, *p.firmware.ap_entry));
    for (std::uint32_t i = 1; i < p.num_vcpus; ++i) digest.add(PageType::vmsa, kVmsaGpa, further);
    return digest.value();
}

}  // namespace attestd
