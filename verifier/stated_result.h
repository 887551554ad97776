// What another verifier states of evidence, held against the evidence itself: how its word becomes
// an AttestationResult.
//
// Whether the statement is that verifier's, whoever brings it has made sure of. Here it is looked
// at whether it speaks of this evidence and of the report data that was asked for, and whether it
// agrees with itself; what it does not say is a no.
#pragma once

#include <optional>

#include "quote/platform/evidence.h"
#include "verifier/result.h"

namespace attestd {

struct Expectations;

struct VerifierStatement {
    Verdict verdict = Verdict::refused;
    Grade grade = Grade::test;
    std::optional<ReportData> report_data;  ///< that it found in the evidence, or was asked for
    std::optional<Time> valid_until;        ///< an accepting statement has one
    Findings findings;                      ///< ids without the TEE before them: "tcb.out-of-date"
};

/// Accepted only when the statement accepts without an error among its findings, names the expected
/// report data, is of production grade unless `grade` is test, and ends after `now`; and when the
/// evidence parses as what it is called, is of no debuggable machine and carries the expected
/// report data. The claims are those
/// of the evidence, for whose truth the other verifier stands. Findings of the statement are named
/// `<tee>.stated.<id>`. `expected` without report data is refused.
[[nodiscard]] AttestationResult result_of_statement(const Evidence& evidence,
                                                    const VerifierStatement& statement,
                                                    const Expectations& expected, Grade grade,
                                                    Time now);

}  // namespace attestd
