// The steps to an Azure confidential VM's evidence, on a vTPM and a clock that do as a test says.
#include "agent/azure_vtpm/collect.h"

#include "quote/azure/hcl_blob.h"
#include "quote/platform/echo.h"
#include "tests/support/catch.h"
#include "tests/unit/azure_vtpm/azure_samples.h"

namespace attestd::test {
namespace {

using namespace std::chrono_literals;

const ReportData kReportData = [] {
    ReportData out{};
    out.fill(0x5a);
    return out;
}();

struct Run {
    FakeTpm tpm;
    FakeFetcher fetcher;
    Deadline time{};
    int num_sleeps = 0;

    Result<Evidence> collect(const ReportData& report_data = kReportData,
                             std::chrono::seconds time_left = 25s) {
        vtpm::Metadata metadata(fetcher);
        vtpm::Waiting waiting;
        waiting.now = [this] { return time; };
        waiting.sleep = [this](std::chrono::milliseconds pause) {
            ++num_sleeps;
            time += pause;
        };
        const Deadline until = time + time_left;
        ATTESTD_TRY(AzureEvidence azure, vtpm::collect_from_tpm(tpm, report_data, until, waiting));
        return vtpm::complete_evidence(std::move(azure), metadata, until, waiting);
    }
};

}  // namespace

TEST_CASE("azure_vtpm: evidence carries report data in user-data, and in the quote what fits",
          "[azure_vtpm]") {
    const auto len = GENERATE(as<std::size_t>{}, 1, 48, 49, 64);
    Run run;
    ReportData asked{};
    std::fill_n(asked.begin(), len, 0x77);
    const auto evidence = run.collect(asked);
    REQUIRE_OK(evidence);
    CHECK(evidence->tee == Tee::snp);
    CHECK(evidence->interface == "azure_vtpm");
    CHECK(is_azure(*evidence));
    CHECK(run.num_sleeps == 0);
    CHECK(run.tpm.data == asked);
    CHECK(run.tpm.last_nonce.size() == 48);
    CHECK((run.tpm.last_nonce == to_bytes(ByteView(asked).first(48))) == (len <= 48));
    // Who asks for the digest of 64 bytes does not get what those 64 bytes get.
    CHECK(run.tpm.last_nonce != to_bytes(sha384({ByteView(asked)})));
    REQUIRE_OK(check_echo(*evidence, asked));
}

TEST_CASE("azure_vtpm: evidence for other report data is no echo", "[azure_vtpm]") {
    Run run;
    auto evidence = run.collect();
    REQUIRE_OK(evidence);
    REQUIRE_ERRC(Errc::platform_wrong_echo, check_echo(*evidence, ReportData{}));
    run.tpm.on_quote = [&] { run.tpm.last_nonce = Bytes(48, 1); };
    auto other = run.collect();
    REQUIRE_OK(other);
    REQUIRE_ERRC(Errc::platform_failed, check_echo(*other, run.tpm.data));
    evidence->tee = Tee::tdx;
    REQUIRE_ERRC(Errc::platform_failed, check_echo(*evidence, run.tpm.data));
}

TEST_CASE("azure_vtpm: a blob that is slow to take up user-data is waited for", "[azure_vtpm]") {
    Run run;
    run.tpm.on_read_blob = [&]() -> Result<Bytes> {
        return blob_with(run.tpm.num_reads < 10 ? ReportData{} : run.tpm.data);
    };
    REQUIRE_OK(run.collect());
    CHECK(run.tpm.num_writes == 1);
    CHECK(run.num_sleeps == 9);
}

TEST_CASE("azure_vtpm: what another program wrote in between is written over, three times at most",
          "[azure_vtpm]") {
    Run run;
    ReportData foreign{};
    foreign.fill(0xee);
    SECTION("once") {
        run.tpm.on_read_blob = [&]() -> Result<Bytes> {
            return blob_with(run.tpm.num_writes < 2 ? foreign : run.tpm.data);
        };
        REQUIRE_OK(run.collect());
        CHECK(run.tpm.num_writes == 2);
    }
    SECTION("always") {
        run.tpm.on_read_blob = [&]() -> Result<Bytes> { return blob_with(foreign); };
        const auto refused = run.collect();
        REQUIRE_ERRC(Errc::vtpm_failed, refused);
        CHECK_THAT(refused.error().detail, ContainsSubstring("its user-data is eeeeee"));
        CHECK(run.tpm.num_writes == 3);
    }
    SECTION("and not beyond the deadline") {
        run.tpm.on_read_blob = [&]() -> Result<Bytes> { return blob_with(foreign); };
        REQUIRE_ERRC(Errc::vtpm_failed, run.collect(kReportData, 1s));
        CHECK(run.tpm.num_writes == 1);
        CHECK(run.num_sleeps == 5);
    }
}

TEST_CASE("azure_vtpm: a blob that was read while it changed is read again", "[azure_vtpm]") {
    Run run;
    run.tpm.on_read_blob = [&]() -> Result<Bytes> {
        Bytes blob = blob_with(run.tpm.data);
        if (run.tpm.num_reads == 1) blob[0x20 + 0x50] ^= 1;  // REPORT_DATA binds something else
        if (run.tpm.num_reads == 2) blob.resize(100);
        return blob;
    };
    REQUIRE_OK(run.collect());
    CHECK(run.tpm.num_reads == 3);
}

TEST_CASE("azure_vtpm: PCRs that move between reading and quote are read and quoted again",
          "[azure_vtpm]") {
    Run run;
    int moves = GENERATE(0, 1, 4, 5);
    const int asked = moves;
    run.tpm.on_quote = [&] {
        if (moves-- > 0) run.tpm.pcrs[16][0] ^= static_cast<std::uint8_t>(moves + 1);
    };
    const auto evidence = run.collect();
    if (asked == 5) {
        REQUIRE_ERRC(Errc::vtpm_failed, evidence);
        CHECK_THAT(evidence.error().detail, ContainsSubstring("PCRs changed"));
    } else {
        REQUIRE_OK(evidence);
        CHECK(run.tpm.num_quotes == asked + 1);
    }
}

TEST_CASE("azure_vtpm: what the TPM refuses is passed on as it is", "[azure_vtpm]") {
    Run run;
    SECTION("writing") {
        run.tpm.on_write = [] { return fail(Errc::timed_out, "TPM2_NV_Write"); };
        REQUIRE_ERRC(Errc::timed_out, run.collect());
    }
    SECTION("reading") {
        run.tpm.on_read_blob = [] { return fail(Errc::vtpm_failed, "TPM2_NV_Read"); };
        REQUIRE_ERRC(Errc::vtpm_failed, run.collect());
    }
}

TEST_CASE("azure_vtpm: a TDX guest without the metadata service has no evidence", "[azure_vtpm]") {
    Run run;
    run.tpm.on_read_blob = [&]() -> Result<Bytes> { return blob_with(run.tpm.data, 4); };
    REQUIRE_ERRC(Errc::fetch_unreachable, run.collect());
    REQUIRE(run.fetcher.asked.size() == 1);
    CHECK(run.fetcher.asked[0].url == "http://169.254.169.254/acc/tdquote");
}

}  // namespace attestd::test
