// A request with a token or key in its headers or body, wiped when it is over.
#pragma once

#include "agent/network/fetcher.h"

namespace attestd {

struct WipedRequest {
    explicit WipedRequest(FetchRequest taken) : request(std::move(taken)) {}
    ~WipedRequest() {
        for (auto& [name, value] : request.headers) wipe_text(value);
        wipe_bytes(request.body);
    }
    WipedRequest(WipedRequest&&) = default;
    WipedRequest& operator=(WipedRequest&&) = delete;

    /// Adds a header of `before` and the secret, without another copy of it.
    void add_header(std::string name, std::string_view before, const Secret& secret) {
        std::string& value = request.headers.emplace_back(std::move(name), std::string()).second;
        value.reserve(before.size() + secret.size());
        value.append(before);
        secret.expose([&](ByteView text) { value.append(as_text(text)); });
    }

    FetchRequest request;
};

}  // namespace attestd
