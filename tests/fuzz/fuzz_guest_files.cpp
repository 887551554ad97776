// What a guest reads of its own host and firmware: TDREPORTs, answers of the quote service,
// manifests of an SVSM, firmware images.
#include "quote/amd/firmware.h"
#include "quote/amd/service_manifest.h"
#include "quote/intel/quote_service.h"
#include "tests/fuzz/target.h"
#include "tests/support/forge/tdreport_forge.h"
#include "tests/support/forge/writer.h"

namespace attestd::fuzz::guest_files {
namespace {

void check_firmware(ByteView input) {
    const auto firmware = parse_firmware(input);
    if (!firmware) return;
    reached();
    holds(lies_in(firmware->image, input), "the image is part of the file");
    for (const FirmwareSection& section : firmware->sections)
        holds(section.size % kPageLen == 0, "sections are whole pages");
}

void run(ByteView input) {
    if (const auto report = parse_tdreport(input)) {
        reached();
        holds(input.size() == kTdReportLen, "a TDREPORT has one length");
    }
    if (const auto quote = parse_quote_answer(input)) {
        reached();
        holds(quote->size() <= input.size(), "a quote is part of its message");
        static_cast<void>(QuoteOfReport::match(input, *quote));
    }
    if (const auto services = parse_service_manifest(input)) {
        reached();
        holds(looks_like_service_manifest(input), "what parses is recognised");
        for (const SvsmService& service : *services)
            holds(lies_in(service.data, input), "a service's data is part of the manifest");
    }
    check_firmware(input);
}

// The smallest image with a table of GUIDs at its end: no entry but the table's own.
Bytes firmware() {
    Bytes out(kPageLen, 0);
    const Bytes footer{0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
                       0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d};
    std::copy(footer.begin(), footer.end(), out.end() - 48);
    out[out.size() - 50] = 18;
    return out;
}

Bytes quote_answer() {
    forge::Writer out;
    out.u16(1).u16(0).u32(1).u32(28).u32(0).u32(0).u32(4).u32(0x01020304);
    return std::move(out).take();
}

// One service, of the vTPM, with three bytes of its own.
Bytes manifest() {
    const Bytes all{0xbb, 0x9e, 0x84, 0x63, 0x92, 0x3d, 0x70, 0x46,
                    0xa1, 0xff, 0x58, 0xf9, 0xc9, 0x4b, 0x87, 0xbb};
    const Bytes vtpm{0xeb, 0xf1, 0x76, 0xc4, 0x23, 0x01, 0xa5, 0x45,
                     0x96, 0x41, 0xb4, 0xe7, 0xdd, 0xe5, 0xbf, 0xe3};
    forge::Writer out;
    out.bytes(all).u32(51).u32(1).bytes(vtpm).u32(48).u32(3).u8(1).u8(2).u8(3);
    return std::move(out).take();
}

Seeds seeds() {
    const Bytes report = forge::tdreport({}, {});
    ByteArray<kTdReportLen> fixed{};
    std::copy(report.begin(), report.end(), fixed.begin());
    return {{"tdreport", report},
            {"request", quote_request(fixed)},
            {"answer", quote_answer()},
            {"firmware", firmware()},
            {"manifest", manifest()}};
}

const bool kAdded =
    add({.name = "guest-files", .run = run, .seeds = seeds, .words = {}, .mutations = 3000});

}  // namespace
}  // namespace attestd::fuzz::guest_files
