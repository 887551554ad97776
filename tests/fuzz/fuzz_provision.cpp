// Provisioning: requests of a machine, and packages for it.
#include "agent/provision/package.h"
#include "tests/fuzz/target.h"

namespace attestd::fuzz::provision {
namespace {

Time at(std::int64_t seconds) { return Time{std::chrono::seconds{seconds}}; }

struct Setting {
    JosePrivateKey key = must(JosePrivateKey::generate(JoseKeyKind::p256));
    ProvisionBody body{{1}, {2}, "db-7", at(1'800'000'000), at(1'800'003'600), key.public_key()};
    std::string package, replacing;

    Setting() {
        std::vector<NewSecret> secrets;
        for (const char* name : {"db/password", "app/key"}) {
            secrets.push_back(
                {must(SecretName::parse(name)), must(Secret::copy_of(as_bytes("value"))), 7});
        }
        package = must(seal_package(body, PackageNames::policy, secrets));
        replacing = must(seal_package(body, PackageNames::store, secrets));
    }
};
const Setting& setting() {
    static const Setting made;
    return made;
}

Evidence evidence() {
    Evidence out{};
    out.tee = Tee::snp;
    out.quote = Bytes{1, 2, 3};
    out.endorsements = {Bytes{4}};
    return out;
}

void run_request(ByteView input) {
    const auto request = parse_provision_request(as_text(input), "request");
    if (!request) return;
    reached();
    const std::string written = write_provision_request(request->body_text, request->evidence);
    const auto again = must(parse_provision_request(written, "written"));
    holds(again.body_text == request->body_text && again.body.id == request->body.id &&
              again.body.key == request->body.key &&
              again.evidence.quote == request->evidence.quote,
          "a request is written as it was read");
    holds(write_provision_body(again.body) == write_provision_body(request->body),
          "a body is written as it was read");
    holds(check_machine_label(request->body.machine).has_value(), "the label is a label");
    holds(request->body.issued <= request->body.expires, "a life does not end before it begins");
    holds(provision_expectations(*request).report_data == provision_report_data(request->body_text),
          "the text as received is what is bound");
    static_cast<void>(check_provision_times(request->body, at(1'800'000'100)));
}

Seeds request_seeds() {
    const std::string body = write_provision_body(setting().body);
    return {seed("request", write_provision_request(body, evidence())), seed("body", body)};
}

void run_package(ByteView input) {
    const auto sealed = parse_package(as_text(input), "package");
    if (!sealed) return;
    const auto opened = open_package(*sealed, setting().key);
    if (!opened) return;
    reached();
    holds(sealed->id == setting().body.id && sealed->instance == setting().body.instance,
          "only what was sealed for this request opens");
    holds(opened->secrets.size() == 2, "all that was sealed is there");
    for (const NewSecret& secret : opened->secrets) {
        holds(secret.min_version == 7, "the version is the one sealed");
        secret.value.expose([](ByteView bytes) {
            holds(as_text(bytes) == "value", "the value is the one sealed");
        });
    }
}

Seeds package_seeds() {
    return {seed("policy", setting().package), seed("store", setting().replacing)};
}

const bool kRequest = add({"provision-request",
                           run_request,
                           request_seeds,
                           {"\"attestd_provision_request\":", "\"request\":", "\"evidence\":",
                            "\\\"expires\\\":", "\\\"id\\\":", "\\\"instance\\\":",
                            "\\\"issued\\\":", "\\\"key\\\":", "\\\"machine\\\":", "\\u0022"},
                           1000});
const bool kPackage = add(
    {"provision-package",
     run_package,
     package_seeds,
     {"\"protected\":", "\"ciphertext\":", "\"encrypted_key\":", "\"iv\":", "\"tag\":", "\"aad\":"},
     1000});

}  // namespace
}  // namespace attestd::fuzz::provision
