// The kernel's side of a request to configfs-tsm, for its tests.
#pragma once

#include "quote/platform/configfs_tsm.h"
#include "tests/support/catch.h"
#include "tests/unit/platform/samples.h"
#include "tests/unit/platform/scripted_system.h"

namespace attestd::test::configfs {

using namespace std::chrono_literals;

inline const std::string kReports = "/sys/kernel/config/tsm/report";
inline const std::string kFresh = kReports + "/attestd-*";
inline const std::string kPrepared = kReports + "/attestd";
inline const std::string kLog = "/sys/firmware/acpi/tables/data/CCEL";

/// The kernel's side of a request, step by step.
struct Tsm {
    ScriptedSystem system;
    std::string entry = kFresh;
    Bytes snp = sample_snp_report(sample_report_data()), table = sample_table();

    void opens_reports() { system.on_open(kReports); }
    void makes_entry() {
        opens_reports();
        system.on_mkdir(entry);
        system.on_open(entry);
    }
    void reads(const std::string& name, std::string_view text) {
        system.on_file(entry + '/' + name, text);
    }
    void generation(int value) { reads("generation", std::to_string(value) + "\n"); }
    void provider(std::string_view name) { reads("provider", name); }
    void takes_request() { system.on_put(entry + "/inblob", sample_report_data()); }
    /// Up to the moment at which the report is read.
    void takes_all(std::string_view provider_name = "sev_guest\n") {
        makes_entry();
        provider(provider_name);
        generation(0);
        takes_request();
        generation(1);
    }
    void gives(const std::string& name, ByteView bytes) {
        system.on_file(entry + '/' + name, bytes);
    }
    void fails(const std::string& name, int error, std::chrono::milliseconds after = 0ms) {
        system.on_bad_read(entry + '/' + name, error, after);
    }
    void gives_report() {
        gives("outblob", snp);
        gives("auxblob", table);
        generation(1);
    }
    void is_removed(int error = 0) { system.on_rmdir(entry, error); }
    void whole() {
        takes_all();
        gives_report();
        is_removed();
    }

    ConfigfsTsm platform{system};
    [[nodiscard]] Result<Evidence> collect(std::chrono::milliseconds patience = 30s) {
        return platform.collect(sample_report_data(), system.now() + patience);
    }
};

}  // namespace attestd::test::configfs
