#include "tests/support/forge/report_forge.h"

#include <algorithm>

#include "quote/base/digest.h"
#include "quote/base/encoding.h"
#include "tests/support/forge/writer.h"

namespace attestd::forge {
namespace {

constexpr std::size_t kCoordinateLen = 48, kCoordinateField = 72;
constexpr std::size_t kTableEntryLen = 24;
constexpr std::uint32_t kMitigations = 0x3f;

struct Cpuid {
    std::uint8_t family, model, stepping;
};

Cpuid cpuid_of(Product product) {
    switch (product) {
        case Product::milan:
            return {0x19, 0x01, 1};
        case Product::genoa:
            return {0x19, 0x11, 1};
        case Product::turin:
            break;
    }
    return {0x1a, 0x02, 1};
}

void put_version(Writer& out, const FirmwareVersion& version) {
    out.u8(version.build).u8(version.minor).u8(version.major).u8(0);
}

// Offsets 0x000 to 0x188: the same in all versions.
void put_guest(Writer& out, const SnpFields& f) {
    out.u32(f.version).u32(f.guest_svn).u64(f.policy).bytes(f.family_id).bytes(f.image_id);
    out.u32(f.vmpl).u32(f.signature_algo).bytes(f.current_tcb).u64(f.platform_info);
    out.u32(f.key_info).u32(0).bytes(f.report_data).bytes(f.measurement).bytes(f.host_data);
    out.bytes(f.id_key_digest).bytes(f.author_key_digest);
    out.bytes(f.report_id).bytes(f.report_id_ma).bytes(f.reported_tcb);
}

// Offsets 0x188 to 0x2a0: these grew with the versions.
void put_platform(Writer& out, const SnpFields& f) {
    if (f.version >= 3) out.u8(f.cpuid_family).u8(f.cpuid_model).u8(f.cpuid_stepping);
    out.zeros_to(0x1a0).bytes(f.chip_id).bytes(f.committed_tcb);
    put_version(out, f.current_version);
    put_version(out, f.committed_version);
    out.bytes(f.launch_tcb);
    if (f.version >= 5) out.u64(f.launch_mit_vector).u64(f.current_mit_vector);
    out.zeros_to(kReportSignedLen);
}

Bytes guid_bytes(std::string_view text) {
    std::string digits(text);
    std::erase(digits, '-');
    return from_hex(digits, "GUID").value();
}

}  // namespace

void SnpFields::set_signing_key(ReportKey key) noexcept {
    key_info = (key_info & ~std::uint32_t{0x1c}) | (static_cast<std::uint32_t>(key) << 2);
}

void SnpFields::set_tcbs(const SnpTcb& tcb, Product product) {
    reported_tcb = committed_tcb = current_tcb = launch_tcb = tcb_bytes(tcb, product);
}

ByteArray<48> SnpFields::default_measurement() {
    return sha384(as_bytes("attestd synthetic launch measurement"));
}

ByteArray<32> SnpFields::default_report_id() {
    return sha256(as_bytes("attestd synthetic report id"));
}

ByteArray<32> SnpFields::no_migration_agent() {
    ByteArray<32> id{};
    id.fill(0xff);
    return id;
}

SnpFields snp_fields(Product product, std::uint32_t version) {
    SnpFields fields;
    fields.version = version;
    fields.set_tcbs(SnpTcb::typical(product), product);
    const Cpuid cpuid = cpuid_of(product);
    fields.cpuid_family = cpuid.family;
    fields.cpuid_model = cpuid.model;
    fields.cpuid_stepping = cpuid.stepping;
    fields.chip_id = default_chip_id(product);
    fields.launch_mit_vector = fields.current_mit_vector = kMitigations;
    return fields;
}

Bytes report_bytes(const SnpFields& fields) {
    Writer out;
    put_guest(out, fields);
    put_platform(out, fields);
    out.zeros_to(kReportLen);
    return std::move(out).take();
}

void sign_report(Bytes& report, const SigningKey& key) {
    const Bytes rs = key.sign_raw(ByteView(report).first(kReportSignedLen));
    if (rs.size() != 2 * kCoordinateLen) throw ForgeError("reports are signed with P-384 keys");
    const auto field = std::span(report).subspan(kReportSignedLen);
    std::fill(field.begin(), field.end(), std::uint8_t{0});
    const ByteView r = ByteView(rs).first(kCoordinateLen), s = ByteView(rs).last(kCoordinateLen);
    std::reverse_copy(r.begin(), r.end(), field.begin());
    std::reverse_copy(s.begin(), s.end(), field.subspan(kCoordinateField).begin());
}

Bytes forge_report(const SnpFields& fields, const SigningKey& key) {
    Bytes report = report_bytes(fields);
    sign_report(report, key);
    return report;
}

Bytes certificate_table(const std::vector<TableEntry>& entries, std::size_t padded_len) {
    Writer header, contents;
    const std::size_t header_len = (entries.size() + 1) * kTableEntryLen;
    for (const TableEntry& entry : entries) {
        header.bytes(guid_bytes(entry.guid));
        header.u32(static_cast<std::uint32_t>(header_len + contents.size()));
        header.u32(static_cast<std::uint32_t>(entry.content.size()));
        contents.bytes(entry.content);
    }
    header.zeros(kTableEntryLen).bytes(std::move(contents).take()).zeros_to(padded_len);
    return std::move(header).take();
}

}  // namespace attestd::forge
