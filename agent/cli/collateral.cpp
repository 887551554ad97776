// attestctl collateral: endorsements for offline use: fetch them, look at them, put them in one
// file.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "agent/cli/command.h"
#include "agent/cli/evidence_file.h"
#include "agent/cli/evidence_input.h"
#include "agent/cli/network_options.h"
#include "agent/cli/output.h"
#include "agent/collateral/bundle.h"
#include "agent/collateral/needs.h"
#include "quote/base/encoding.h"

namespace attestd::cli {
namespace {

constexpr unsigned kCollateralMode = 0644;  // what vendors sign is public

struct CollateralOptions {
    std::vector<std::string> files;  // evidence to fetch for; endorsements to show or bundle
    std::vector<std::string> endorsements, trust_anchors;
    std::vector<std::string> fmspcs, products;
    std::string tee = "tdx", ca, output, at;
    NetworkOptions network;
    bool always = false, json = false;
};

// -- fetch --

void add_new(std::vector<EndorsementId>& ids, const std::vector<EndorsementId>& more) {
    for (const EndorsementId& id : more) {
        if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
    }
}

// A platform model: which of the two CAs its certificates come from is not known, so both lists.
Outcome<std::vector<EndorsementId>> ids_of_fmspc(const std::string& hex,
                                                 const CollateralOptions& options) {
    const auto fmspc = array_from_hex<6>(hex, "--fmspc");
    if (!fmspc) return wrong_usage(fmspc.error());
    const bool tdx = options.tee == "tdx";
    std::vector<EndorsementId> ids{TcbInfoId{tdx, *fmspc}, QeIdentityId{tdx}};
    if (options.ca != "processor") ids.emplace_back(PckCrlId{PckCa::platform});
    if (options.ca != "platform") ids.emplace_back(PckCrlId{PckCa::processor});
    ids.emplace_back(RootCrlId{});
    return ids;
}

Outcome<std::vector<EndorsementId>> ids_of_product(const std::string& name) {
    const auto product = product_from_name(name);
    if (!product) {
        return wrong_usage({Errc::bad_usage, "--product: Milan, Genoa or Turin is expected"});
    }
    return std::vector<EndorsementId>{AmdIssuersId{*product, false}, AmdIssuersId{*product, true},
                                      AmdCrlId{*product, false}, AmdCrlId{*product, true}};
}

Outcome<std::vector<EndorsementId>> ids_of_evidence(const std::string& file, EvidenceInput& given) {
    ATTESTD_TRY(EvidenceInput input, read_evidence_input(file, {}, {}));
    for (const Bundle::Item& item : input.files) ATTESTD_CHECK(given.add(item.data, item.name));
    auto ids = needed_endorsements(input.evidence, given.endorsements);
    if (!ids) return wrong_usage({ids.error().code, file + ": " + ids.error().detail});
    return *std::move(ids);
}

// Named nothing: what the cache holds is renewed.
Outcome<std::vector<EndorsementId>> wanted(const CollateralOptions& options, EvidenceInput& given,
                                           const CollateralProvider& provider) {
    std::vector<EndorsementId> ids;
    for (const std::string& file : options.files) {
        ATTESTD_TRY(const auto more, ids_of_evidence(file, given));
        add_new(ids, more);
    }
    for (const std::string& fmspc : options.fmspcs) {
        ATTESTD_TRY(const auto more, ids_of_fmspc(fmspc, options));
        add_new(ids, more);
    }
    for (const std::string& product : options.products) {
        ATTESTD_TRY(const auto more, ids_of_product(product));
        add_new(ids, more);
    }
    if (!options.files.empty() || !ids.empty()) return ids;
    ATTESTD_TRY(ids, provider.cached_ids());
    if (!ids.empty()) return ids;
    return wrong_usage(
        {Errc::bad_usage, "the cache is empty: name evidence, --fmspc or --product to fetch for"});
}

std::string_view source_word(ObtainedFrom from) {
    switch (from) {
        case ObtainedFrom::given:
            return "given";
        case ObtainedFrom::cache:
            return "cached";
        case ObtainedFrom::service:
            return "fetched";
        case ObtainedFrom::nowhere:
            break;
    }
    return "missing";
}

bool is_reachable(const Error& error) noexcept {
    switch (error.code) {
        case Errc::fetch_unreachable:
        case Errc::fetch_timed_out:
        case Errc::fetch_process:
        case Errc::collateral_throttled:
            return false;
        default:
            return true;
    }
}

nlohmann::ordered_json json_of(const CheckedEndorsement& checked) {
    nlohmann::ordered_json out{{"key", checked.key},
                               {"from", to_rfc3339(checked.validity.from)},
                               {"until", to_rfc3339(checked.validity.until)},
                               {"grade", grade_name(checked.grade)}};
    if (checked.evaluation_data_number)
        out["tcb_evaluation_data_number"] = *checked.evaluation_data_number;
    return out;
}

nlohmann::ordered_json json_of(const Error& error) {
    return {{"code", errc_name(error.code)}, {"detail", error.detail}};
}

Outcome<int> report(const std::vector<Obtained>& all, const CollateralOptions& options,
                    const std::string& folder) {
    int status = exit_status::done;
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    std::string text;
    for (const Obtained& one : all) {
        nlohmann::ordered_json entry{{"file", endorsement_file(one.id)},
                                     {"source", source_word(one.from)}};
        if (one.checked) entry.update(json_of(*one.checked));
        text += fmt::format("{:<8} {}", source_word(one.from), endorsement_words(one.id));
        if (one.checked) text += ", until " + to_rfc3339(one.checked->validity.until);
        text += '\n';
        for (const auto* problem : {&one.cache_problem, &one.problem}) {
            if (!*problem) continue;
            entry["problem"] = json_of(**problem);
            print_warning(to_string(**problem));
        }
        if (one.from == ObtainedFrom::nowhere) {
            const bool reached = !one.problem || is_reachable(*one.problem);
            status = std::max(status, reached ? exit_status::refused : exit_status::unreachable);
        }
        list.push_back(std::move(entry));
    }
    if (options.json) {
        const nlohmann::ordered_json out{{"cache", folder}, {"endorsements", std::move(list)}};
        ATTESTD_CHECK(print(out.dump() + "\n"));
    } else {
        ATTESTD_CHECK(print(text));
    }
    return status;
}

Outcome<int> run_fetch(const CollateralOptions& options) {
    ATTESTD_TRY(EvidenceInput given,
                read_endorsement_input(options.endorsements, options.trust_anchors));
    ATTESTD_TRY(const auto provider,
                make_provider(options.network, given.anchors, given.anchors_added));
    ATTESTD_TRY(const auto ids, wanted(options, given, *provider));
    // What evidence carries must be in the cache as well: it is to serve without the evidence.
    const auto when = options.always ? WhenToAsk::always : WhenToAsk::when_missing;
    ATTESTD_TRY(const EvidenceInput roots, read_endorsement_input({}, options.trust_anchors));
    const auto obtained = provider->obtain(ids, roots.endorsements, when, present(),
                                           std::chrono::steady_clock::now() + kServicePatience);
    return report(obtained, options, provider->cache().path().string());
}

// -- show --

std::string state_text(const Result<CheckedEndorsement>& checked, Time now) {
    if (!checked) return to_string(checked.error());
    const auto left = checked->validity.until - now;
    constexpr auto kDay = std::chrono::hours(24);
    std::string out =
        fmt::format("{}  {} to {} ({} days left)", checked->key, to_rfc3339(checked->validity.from),
                    to_rfc3339(checked->validity.until), left / kDay);
    if (checked->evaluation_data_number)
        out += fmt::format(", evaluation data {}", *checked->evaluation_data_number);
    if (checked->grade == Grade::test) out += ", test grade";
    return out;
}

// The files that were named, or the cache's.
Outcome<std::vector<CacheEntry>> entries_of(const CollateralOptions& options, Time now) {
    ATTESTD_TRY(const EvidenceInput given,
                read_endorsement_input(options.files, options.trust_anchors));
    if (options.files.empty()) {
        ATTESTD_TRY(const auto provider,
                    make_provider(options.network, given.anchors, given.anchors_added));
        ATTESTD_TRY(auto entries, provider->cache().list(now));
        return entries;
    }
    std::vector<CacheEntry> entries;
    for (const Bundle::Item& file : given.files) {
        Endorsements item;
        ATTESTD_CHECK(item.add(file.data, file.name));
        entries.push_back({file.name, file.data.size(),
                           check_endorsements(item, given.endorsements, given.anchors, now)});
    }
    return entries;
}

Outcome<int> run_show(const CollateralOptions& options) {
    const auto now = parse_time_option(options.at);
    if (!now) return wrong_usage(now.error());
    ATTESTD_TRY(const auto entries, entries_of(options, *now));
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    std::string text;
    bool all_good = true;
    for (const CacheEntry& entry : entries) {
        nlohmann::ordered_json members = nlohmann::ordered_json::array();
        text += fmt::format("{} ({} bytes)\n", printable(entry.file), entry.len);
        if (entry.checked.empty()) text += "    issuers only\n";
        for (const auto& checked : entry.checked) {
            members.push_back(checked
                                  ? json_of(*checked)
                                  : nlohmann::ordered_json{{"problem", json_of(checked.error())}});
            text += fmt::format("    {}\n", printable(state_text(checked, *now)));
            all_good = all_good && checked.has_value();
        }
        list.push_back({{"file", entry.file}, {"len", entry.len}, {"holds", std::move(members)}});
    }
    if (entries.empty()) text = "no endorsements\n";
    ATTESTD_CHECK(print(options.json ? list.dump() + "\n" : text));
    return all_good ? exit_status::done : exit_status::refused;
}

// -- bundle --

Outcome<int> run_collateral_bundle(const CollateralOptions& options) {
    Bundle bundle;
    ATTESTD_TRY(bundle.endorsements, read_endorsement_files(options.files));
    if (options.files.empty()) {
        ATTESTD_TRY(const auto given, read_endorsement_input({}, options.trust_anchors));
        ATTESTD_TRY(const auto provider,
                    make_provider(options.network, given.anchors, given.anchors_added));
        ATTESTD_TRY(const auto files, provider->cache().read_all_files());
        for (const auto& [name, bytes] : files) bundle.endorsements.push_back({name, bytes});
    }
    if (bundle.endorsements.empty())
        return wrong_usage({Errc::bad_usage, "there are no endorsements to bundle"});
    ATTESTD_CHECK(write_file(options.output, as_bytes(write_bundle(bundle)), kCollateralMode));
    ATTESTD_CHECK(print(fmt::format("{}: {} endorsements\n", printable(options.output),
                                    bundle.endorsements.size())));
    return exit_status::done;
}

using RunCollateral = Outcome<int> (*)(const CollateralOptions&);

CLI::App* add_command(CLI::App& parent, const char* name, const char* help,
                      const std::shared_ptr<CollateralOptions>& options, Action& chosen,
                      RunCollateral run) {
    CLI::App* const command = parent.add_subcommand(name, help);
    add_network_options(*command, options->network);
    command->add_option("--trust-anchor", options->trust_anchors,
                        "a further root certificate: a cache of its own; repeatable");
    command->callback(
        [options, run, &chosen] { chosen = [options, run] { return run(*options); }; });
    return command;
}

}  // namespace

void add_collateral_command(CLI::App& app, Action& chosen) {
    CLI::App* const parent = app.add_subcommand("collateral", "Endorsements for offline use");
    parent->require_subcommand(1);

    const auto fetch_options = std::make_shared<CollateralOptions>();
    CLI::App* const fetch =
        add_command(*parent, "fetch", "Fetch what evidence or a platform needs into the cache",
                    fetch_options, chosen, run_fetch);
    fetch->add_option("FILE", fetch_options->files,
                      "evidence; without any, and nothing else named, the cache is renewed");
    fetch->add_option("--endorsements", fetch_options->endorsements,
                      "what the evidence does not carry itself, as a PCK chain");
    fetch->add_option("--fmspc", fetch_options->fmspcs, "an Intel platform model; repeatable");
    fetch->add_option("--tee", fetch_options->tee, "of --fmspc")
        ->check(CLI::IsMember({"tdx", "sgx"}));
    fetch->add_option("--ca", fetch_options->ca, "of --fmspc (both)")
        ->check(CLI::IsMember({"platform", "processor"}));
    fetch->add_option("--product", fetch_options->products,
                      "an AMD product: Milan, Genoa, Turin; repeatable");
    fetch->add_flag("--always", fetch_options->always, "also what is cached and fresh");
    fetch->add_flag("--json", fetch_options->json, "as JSON");

    const auto show_options = std::make_shared<CollateralOptions>();
    CLI::App* const show =
        add_command(*parent, "show", "Show endorsements and until when they hold", show_options,
                    chosen, run_show);
    show->add_option("PATH", show_options->files, "files and folders (the cache)");
    show->add_option("--at", show_options->at, "the time to judge at (now)");
    show->add_flag("--json", show_options->json, "as JSON");

    const auto bundle_options = std::make_shared<CollateralOptions>();
    CLI::App* const bundle =
        add_command(*parent, "bundle", "Put endorsements in one file, for --endorsements",
                    bundle_options, chosen, run_collateral_bundle);
    bundle->add_option("PATH", bundle_options->files, "files and folders (the cache)");
    bundle->add_option("-o,--output", bundle_options->output, "the file to write")->required();
}

}  // namespace attestd::cli
