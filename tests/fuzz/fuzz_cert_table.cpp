// The certificate table that a host hands to its SNP guests.
#include "quote/amd/cert_table.h"
#include "tests/fuzz/target.h"
#include "tests/support/forge/report_forge.h"

namespace attestd::fuzz::cert_table {
namespace {

void run(ByteView input) {
    const auto parsed = parse_cert_table(input);
    if (!parsed) return;
    reached();
    std::vector<forge::TableEntry> entries;
    for (const CertTableEntry& entry : *parsed) {
        holds(lies_in(entry.data, input), "an entry is part of the table");
        entries.push_back({entry.guid, to_bytes(entry.data)});
    }
    const Bytes again = forge::certificate_table(entries);
    const auto reparsed = must(parse_cert_table(again));
    holds(reparsed.size() == parsed->size(), "a table has its entries");
    for (std::size_t i = 0; i < reparsed.size(); ++i) {
        holds(reparsed[i].guid == (*parsed)[i].guid && reparsed[i].kind == (*parsed)[i].kind &&
                  equal(reparsed[i].data, (*parsed)[i].data),
              "an entry is written again");
    }
    holds(parsed->empty() || (*parsed)[0].kind == CertTableEntryKind::other ||
              looks_like_cert_table(input),
          "what parses is recognised");
}

Seeds seeds() {
    using namespace forge::guid;
    const Bytes some{0x30, 0x03, 0x02, 0x01, 0x05};
    return {
        {"one", forge::certificate_table({{kVcek, some}})},
        {"all", forge::certificate_table({{kVcek, some}, {kAsk, some}, {kArk, {}}, {kCrl, some}})},
        {"padded", forge::certificate_table({{kVlek, Bytes(100, 7)}}, 4096)},
        {"zeros", Bytes(4096)}};
}

const bool kAdded =
    add({.name = "cert-table", .run = run, .seeds = seeds, .words = {}, .mutations = 4000});

}  // namespace
}  // namespace attestd::fuzz::cert_table
