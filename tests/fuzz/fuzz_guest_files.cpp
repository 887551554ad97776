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
    holds(lies_in(firmware->image, input), "the image is part of the file");
    for (const FirmwareSection& section : firmware->sections)
        holds(section.size % kPageLen == 0, "sections are whole pages");
}

void run(ByteView input) {
    if (const auto report = parse_tdreport(input))
        holds(input.size() == kTdReportLen, "a TDREPORT has one length");
    if (const auto quote = parse_quote_answer(input)) {
        holds(quote->size() <= input.size(), "a quote is part of its message");
        static_cast<void>(QuoteOfReport::match(input, *quote));
    }
    if (const auto services = parse_service_manifest(input)) {
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

Seeds seeds() {
    const Bytes report = forge::tdreport({}, {});
    ByteArray<kTdReportLen> fixed{};
    std::copy(report.begin(), report.end(), fixed.begin());
    return {
        {"tdreport", report},
        {"request", quote_request(fixed)},
        {"answer", quote_answer()},
        {"firmware", firmware()},
        {"manifest", Bytes{0x0a, 0x63, 0x84, 0x63, 0x69, 0x04, 0xac, 0x4e, 0xb8, 0xd2, 0x1f, 0x08,
                           0x0f, 0x37, 0x9a, 0x52, 24,   0,    0,    0,    0,    0,    0,    0}}};
}

const bool kAdded =
    add({.name = "guest-files", .run = run, .seeds = seeds, .words = {}, .mutations = 3000});

}  // namespace
}  // namespace attestd::fuzz::guest_files
