// What is read from a key broker: how configuration names it, and where it is on the server
// (`spec/kbs.md` sections 3.4 and 3.5).
#pragma once

#include <string>
#include <string_view>

#include "quote/base/result.h"

namespace attestd {

/// The path below "/kbs/v0/" of a resource, which is named in one of these forms:
///   REPOSITORY/TYPE/TAG, or kbs:///REPOSITORY/TYPE/TAG      resource/REPOSITORY/TYPE/TAG
///   kbs+PLUGIN:///PATH[?QUERY]                              PLUGIN/PATH[?QUERY]
/// At most 1024 characters; parts are `[A-Za-z0-9_-][A-Za-z0-9_.-]*`, as the server has it. The
/// server is the source's, so a host in the name is refused. Errc::bad_name.
[[nodiscard]] Result<std::string> kbs_path_of(std::string_view resource);

/// Whether `text` is "kbs:///REPOSITORY/TYPE/TAG": the one form of a URI that others' documents may
/// name a resource by.
[[nodiscard]] bool is_kbs_uri(std::string_view text);

}  // namespace attestd
