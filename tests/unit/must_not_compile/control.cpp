// compiles
// Everything that the refused snippets do wrong, done right.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>

#include "agent/cli/html/html.h"
#include "quote/base/secret.h"

using namespace attestd;

std::string control(Secret secret) {
    Secret moved = std::move(secret);
    const Result<Secret> second = moved.clone();
    const std::size_t len = moved.expose([](ByteView bytes) { return bytes.size(); });
    nlohmann::json document;
    document["len"] = len;
    return fmt::format("{} bytes, {}", len, second.has_value());
}

void control_of_pages(cli::Html& page, const std::string& from_evidence) {
    page.put("<p>").text(from_evidence).put("</p>");
}
