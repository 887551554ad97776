// Asking patiently: what passes is asked again, a refusal is not.
#include "agent/delivery/service.h"

#include "tests/support/catch.h"

using namespace attestd;
using namespace std::chrono_literals;

namespace {

// Fails `failures` times with `code`, then answers.
class FakeService final : public SecretService {
 public:
    FakeService(Errc code, int failures) : code_(code), failures_(failures) {}
    Result<SecretAnswer> ask(const std::string&, const std::string&,
                             std::chrono::seconds) override {
        ++num_asked;
        if (num_asked <= failures_) return fail(code_, "x");
        SecretAnswer out;
        out.value = Secret();
        return out;
    }
    int num_asked = 0;

 private:
    Errc code_;
    int failures_;
};

}  // namespace

TEST_CASE("delivery: what may pass is asked for again", "[delivery][service]") {
    FakeService service(Errc::not_affirming, 2);
    REQUIRE_OK(ask_patiently(service, "a", 1min));
    CHECK(service.num_asked == 3);
}

TEST_CASE("delivery: a refusal is final", "[delivery][service]") {
    FakeService service(Errc::secret_unavailable, 1);
    REQUIRE_ERRC(Errc::secret_unavailable, ask_patiently(service, "a", 1min));
    CHECK(service.num_asked == 1);
}

TEST_CASE("delivery: patience ends", "[delivery][service]") {
    FakeService service(Errc::unavailable, 1000);
    REQUIRE_ERRC(Errc::unavailable, ask_patiently(service, "a", 0ms));
    CHECK(service.num_asked == 1);
}
