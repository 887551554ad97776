// FakeServices: a Fetcher that answers from a table, for machines of the forge.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/collateral/cache.h"
#include "agent/collateral/provider.h"
#include "agent/network/fetcher.h"
#include "tests/support/catch.h"
#include "tests/support/forge/case_forge.h"

namespace attestd::test {

class FakeServices final : public Fetcher {
 public:
    Result<FetchResponse> fetch(const FetchRequest& request, Deadline) override {
        asked.push_back(request.url);
        if (down) return fail(*down, "as the test wants it");
        for (const auto& [part, response] : special) {
            if (request.url.find(part) != std::string::npos) return response;
        }
        const auto it = answers.find(request.url);
        return it != answers.end() ? it->second : FetchResponse{404, {}, {}};
    }

    void serve(const std::string& base, const std::vector<forge::ServiceAnswer>& set) {
        for (const forge::ServiceAnswer& answer : set) {
            FetchResponse response{200, {}, answer.body};
            for (auto [name, value] : answer.headers) {
                for (char& c : name) c = static_cast<char>(std::tolower(c));
                response.headers.emplace_back(name, value);
            }
            answers[base + answer.path] = response;
        }
    }

    std::map<std::string, FetchResponse> answers;
    std::map<std::string, FetchResponse> special;  ///< by a part of the address; these come first
    std::optional<Errc> down;
    std::vector<std::string> asked;
};

inline constexpr const char* kPcs = "https://pcs.test";
inline constexpr const char* kKds = "https://kds.test";

inline ServiceAddresses test_addresses() {
    ServiceAddresses out;
    out.pcs = kPcs;
    out.root_crl = std::string(kPcs) + "/IntelSGXRootCA.der";
    out.kds = kKds;
    return out;
}

/// A synthetic machine: its evidence, its trust anchor, and its services at three moments.
struct Machine {
    explicit Machine(const std::string& kind_name, Time at) : kind(kind_name), now(at) {
        const auto files = forge::forge_case(kind, now);
        REQUIRE_OK(files);
        const bool snp = kind.starts_with("snp");
        evidence = forge::content_of(*files, snp ? "report.bin" : "quote.bin");
        root = forge::content_of(*files, "root.der");
        REQUIRE_OK(anchors.add_certificate(root));
    }

    void serve(FakeServices& services, std::string_view set_name, Time at) const {
        const auto sets = forge::forge_services(kind, at);
        REQUIRE_OK(sets);
        for (const forge::ServiceSet& set : *sets) {
            if (set.name != set_name) continue;
            services.serve(kPcs, set.answers);
            services.serve(kKds, set.answers);
        }
    }
    void serve(FakeServices& services, std::string_view set_name) const {
        serve(services, set_name, now);
    }

    std::string kind;
    Time now;
    Bytes evidence, root;
    TrustAnchors anchors;
};

}  // namespace attestd::test
