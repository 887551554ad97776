// Parts that Intel's signed JSON documents share.
#pragma once

#include <string>
#include <vector>

#include "quote/base/encoding.h"
#include "quote/base/json.h"
#include "quote/base/result.h"
#include "quote/base/time.h"
#include "verifier/intel/tcb_info.h"

namespace attestd {

/// Bytes of a member that is hexadecimal text of exactly N bytes.
template <std::size_t N>
[[nodiscard]] Result<ByteArray<N>> hex_member(JsonObject& object, std::string_view key) {
    ATTESTD_TRY(const JsonValue value, object.required(key));
    ATTESTD_TRY(const std::string text, value.text());
    return array_from_hex<N>(text, value.where());
}

[[nodiscard]] Result<std::string> text_member(JsonObject& object, std::string_view key);
[[nodiscard]] Result<std::uint16_t> u16_member(JsonObject& object, std::string_view key);
[[nodiscard]] Result<Time> time_member(JsonObject& object, std::string_view key);

/// issueDate and nextUpdate.
[[nodiscard]] Result<Window> validity_members(JsonObject& object);

/// Optional `advisoryIDs`: a list of text.
[[nodiscard]] Result<std::vector<std::string>> advisory_member(JsonObject& object);

/// `tcbLevels` of a TDX module or an enclave, sorted newest first. A doubled ISVSVN is refused.
[[nodiscard]] Result<std::vector<IsvLevel>> isv_levels_member(JsonObject& object);

}  // namespace attestd
