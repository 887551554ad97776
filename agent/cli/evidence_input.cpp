#include "agent/cli/evidence_input.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>

#include "agent/cli/azure_input.h"
#include "agent/cli/evidence_file.h"
#include "agent/cli/output.h"
#include "agent/platform/evidence_json.h"
#include "quote/amd/snp_report.h"
#include "quote/intel/quote.h"

namespace attestd::cli {
namespace {

// A trust anchor is a key by its digest; its certificate is needed beside it, so it counts as
// given.
Outcome<int> read_anchors(EvidenceInput& out, const std::vector<std::string>& paths) {
    for (const std::string& path : paths) {
        ATTESTD_TRY(const Bytes bytes, read_bytes(path));
        auto added = out.anchors.add_certificate(bytes);
        if (added) added = out.add(bytes, path);
        if (!added) return wrong_usage({added.error().code, path + ": " + added.error().detail});
        out.anchors_added = true;
    }
    return 0;
}

// A report may come with the host's certificate table behind it: that part is endorsements.
Outcome<int> take_evidence(EvidenceInput& out, Bytes bytes, const std::string& name) {
    if (looks_like_azure_input(bytes)) return take_azure_evidence(out, std::move(bytes), name);
    if (!looks_like_intel_quote(bytes)) {
        if (!looks_like_snp_report(bytes)) {
            return wrong_usage(
                {Errc::unknown_format,
                 fmt::format("{}: {} bytes that are neither a TDX or SGX quote nor an SNP report, "
                             "bare or in a paravisor's blob",
                             name, bytes.size())});
        }
        if (bytes.size() > kSnpReportLen) {
            if (auto added = out.add(bytes, name); !added)
                return wrong_usage(std::move(added).error());
            bytes.resize(kSnpReportLen);
        }
    }
    out.evidence = std::move(bytes);
    return 0;
}

Outcome<int> take_bundle(EvidenceInput& out, ByteView bytes, const std::string& name) {
    auto bundle = parse_bundle(bytes, name);
    if (!bundle) return wrong_usage(std::move(bundle).error());
    if (bundle->evidence.empty()) {
        return wrong_usage({Errc::bundle_malformed,
                            name + ": a bundle of endorsements alone: give it as --endorsements"});
    }
    for (const Bundle::Item& item : bundle->endorsements) {
        if (auto added = out.add(item.data, fmt::format("{}: {}", name, item.name)); !added)
            return wrong_usage(std::move(added).error());
    }
    out.event_log = std::move(bundle->event_log);
    return take_evidence(out, std::move(bundle->evidence), name);
}

// What the daemon answers. Its endorsements are hints: what is none is passed over, with a word.
Outcome<int> take_document(EvidenceInput& out, ByteView bytes, const std::string& name) {
    auto document = parse_evidence_document(as_text(bytes), name);
    if (!document) return wrong_usage(std::move(document).error());
    Evidence& evidence = document->evidence;
    for (const Bytes& one : evidence.endorsements) {
        if (auto added = out.add(one, name + ": endorsements"); !added)
            print_warning(fmt::format("passed over: {}", added.error().detail));
    }
    out.event_log = std::move(evidence.event_log);
    out.service_manifest = std::move(evidence.service_manifest);
    return take_evidence(out, std::move(evidence.quote), name);
}

}  // namespace

Result<void> EvidenceInput::add(ByteView bytes, const std::string& name) {
    ATTESTD_CHECK(endorsements.add(bytes, name));
    files.push_back({name, Bytes(bytes.begin(), bytes.end())});
    return {};
}

Outcome<EvidenceInput> read_endorsement_input(const std::vector<std::string>& endorsements,
                                              const std::vector<std::string>& trust_anchors) {
    EvidenceInput out;
    ATTESTD_TRY(const auto files, read_endorsement_files(endorsements));
    for (const Bundle::Item& file : files) {
        if (auto added = out.add(file.data, file.name); !added)
            return wrong_usage(std::move(added).error());
    }
    ATTESTD_CHECK(read_anchors(out, trust_anchors));
    return out;
}

Outcome<EvidenceInput> read_evidence_input(const std::string& file,
                                           const std::vector<std::string>& endorsements,
                                           const std::vector<std::string>& trust_anchors) {
    ATTESTD_TRY(Bytes bytes, read_input(file));
    ATTESTD_TRY(EvidenceInput out, read_endorsement_input(endorsements, trust_anchors));
    if (looks_like_bundle(bytes)) {
        ATTESTD_CHECK(take_bundle(out, bytes, file));
    } else if (looks_like_evidence_document(as_text(bytes))) {
        ATTESTD_CHECK(take_document(out, bytes, file));
    } else {
        ATTESTD_CHECK(take_evidence(out, std::move(bytes), file));
    }
    return out;
}

Time present() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

Result<Time> parse_time_option(const std::string& text) {
    if (text.empty()) return present();
    if (!text.starts_with('@')) return parse_rfc3339(text, "--at");
    std::int64_t seconds = 0;
    const char* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + 1, end, seconds);
    constexpr std::int64_t kYear9999 = 253402300799;
    if (parsed.ec != std::errc{} || parsed.ptr != end || seconds < 0 || seconds > kYear9999) {
        return fail(
            Errc::bad_usage,
            "--at: expected is a time as 2026-11-22T07:54:00Z, or @ and seconds since 1970");
    }
    return Time{std::chrono::seconds{seconds}};
}

}  // namespace attestd::cli
