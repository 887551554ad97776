// A key broker and a Vault behind a source of sealed secrets, as tests want them.
#pragma once

#include <map>

#include "agent/sealed/unseal.h"
#include "tests/unit/sealed/sealing.h"

namespace attestd::sealed {

class ScriptedSources final : public OtherSources {
 public:
    std::map<std::string, std::string> resources;  // of the broker, by URI
    std::vector<VaultResource> decrypted;
    Bytes data_key = kDataKey;
    std::optional<Error> error;  // whatever is asked
    std::size_t num_asked = 0;
    BootTime brokers_end{std::chrono::seconds(500)}, vaults_end{std::chrono::seconds(700)};

    Result<SourcedSecret> read_broker(const std::string& uri) override {
        ++num_asked;
        if (error) return tl::make_unexpected(*error);
        const auto found = resources.find(uri);
        if (found == resources.end()) return fail(Errc::kbs_missing, "not there");
        return given(as_bytes(found->second), brokers_end);
    }
    Result<SourcedSecret> decrypt(const VaultResource& resource) override {
        ++num_asked;
        decrypted.push_back(resource);
        if (error) return tl::make_unexpected(*error);
        return given(data_key, vaults_end);
    }

 private:
    static Result<SourcedSecret> given(ByteView bytes, BootTime until) {
        ATTESTD_TRY(Secret value, Secret::copy_of(bytes));
        return SourcedSecret{std::make_shared<const Secret>(std::move(value)), 1, until};
    }
};

inline std::string text_of(const Secret& value) {
    return value.expose([](ByteView bytes) { return std::string(as_text(bytes)); });
}

}  // namespace attestd::sealed
