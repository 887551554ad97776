// refused: (no match|no viable|no known conversion|conversion|could not convert|ambiguous)
// A secret does not become a JSON value.
#include <nlohmann/json.hpp>

#include "quote/base/secret.h"

nlohmann::json leak(const attestd::Secret& secret) {
    nlohmann::json document;
    document["secret"] = secret;
    return document;
}
