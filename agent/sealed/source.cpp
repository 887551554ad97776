#include "agent/sealed/source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>

#include "agent/log.h"
#include "config/sealed_resource.h"
#include "config/secret_name.h"
#include "quote/base/fd.h"

namespace attestd::sealed {
namespace {

// Every workload sees a source's last error in status: neither secrets nor their places are named
// in one. The log names the secret, and configuration its file.
tl::unexpected<Error> bad_file(std::string_view why) {
    return fail(Errc::sealed_file, fmt::format("the file of the sealed secret {}", why));
}

tl::unexpected<Error> too_large_file() {
    return bad_file(fmt::format("has over {} bytes", kMaxSealedLen));
}

// Refused for what the text is, and not because somebody behind it did not give.
bool is_refusal(Errc code) noexcept { return errc_name(code).starts_with("sealed."); }

Result<void> check_value(const Secret& value) {
    if (value.empty()) return fail(Errc::sealed_payload, "the sealed secret: its value is empty");
    if (value.size() > kMaxSecretLen)
        return fail(Errc::secret_too_large, "the sealed secret: its value is over 1 MiB");
    return {};
}

}  // namespace

Result<std::string> read_sealed_file(const std::filesystem::path& path) {
    // Neither a FIFO nor a terminal holds this up, or is changed by it.
    const auto fd = open_file(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (!fd && fd.error().code == Errc::not_found) {
        return fail(Errc::sealed_missing,
                    "the file of the sealed secret is not there: whoever delivers sealed secrets "
                    "has to put it there");
    }
    if (!fd) return bad_file(fmt::format("cannot be opened ({})", errc_name(fd.error().code)));
    struct stat st {};
    if (::fstat(fd->get(), &st) != 0 || !S_ISREG(st.st_mode)) return bad_file("is no regular file");
    const auto bytes = read_all(*fd, kMaxSealedLen + 1, "the file");
    if (!bytes && bytes.error().code == Errc::too_large) return too_large_file();
    if (!bytes) return bad_file(fmt::format("cannot be read ({})", errc_name(bytes.error().code)));
    std::string text(as_text(*bytes));
    if (text.ends_with('\n')) text.pop_back();
    if (text.size() > kMaxSealedLen) return too_large_file();
    return text;
}

Result<std::shared_ptr<SealedSource>> SealedSource::make(SealedSourceConfig config,
                                                         std::shared_ptr<OtherSources> others,
                                                         Clocks clocks) {
    ATTESTD_TRY(Signers signers, Signers::make(config));
    ATTESTD_TRY(ValueVersions versions, ValueVersions::make());
    return std::shared_ptr<SealedSource>(new SealedSource(std::move(config), std::move(signers),
                                                          std::move(others), std::move(clocks),
                                                          std::move(versions)));
}

Result<VerifiedSealed> SealedSource::verified_text(std::string_view text) {
    ATTESTD_TRY(const SealedText parsed, SealedText::parse(text));
    if (const Signer* const signer = signers_.pinned(parsed.kid()))
        return verify_sealed(parsed, *signer);
    if (!signers_.is_at_broker(parsed.kid())) {
        return fail(Errc::sealed_untrusted,
                    fmt::format("the sealed secret: its signer \"{}\" is neither in "
                                "\"trusted_keys\" nor one of \"trusted_kids\"",
                                escaped(parsed.kid(), 128)));
    }
    // Each time: a key that was taken away signs nothing any more.
    ATTESTD_TRY(const SourcedSecret key, others_->read_broker(parsed.kid()));
    ATTESTD_TRY(const Signer signer, key.value->expose([&](ByteView content) {
        return signer_at_broker(parsed.kid(), content);
    }));
    return verify_sealed(parsed, signer);
}

Result<void> SealedSource::check_name(const VerifiedSealed& sealed, const std::string& name,
                                      bool is_file) const {
    if (sealed.name() == name) return {};
    if (sealed.name()) {
        return fail(Errc::sealed_binding,
                    fmt::format("the sealed secret is signed for another one: its annotation {} is "
                                "not this secret's name",
                                kNameAnnotation));
    }
    if (!is_file || config_.unbound) return {};
    return fail(Errc::sealed_binding,
                fmt::format("the sealed secret does not say what it is for, and another could have "
                            "been put in its place: sign it with the secret's name as annotation "
                            "{}, or say \"unbound\" in its source",
                            kNameAnnotation));
}

Result<VerifiedSealed> SealedSource::verified(const std::string& resource,
                                              const std::string& name) {
    ATTESTD_TRY(const SealedForm form, sealed_form_of(resource));
    const bool is_file = form == SealedForm::file;
    std::string text;
    if (is_file) {
        ATTESTD_TRY(text, read_sealed_file(resource));
    }
    ATTESTD_TRY(VerifiedSealed sealed, verified_text(is_file ? text : resource));
    ATTESTD_CHECK(check_name(sealed, name, is_file));
    return sealed;
}

Result<SourcedSecret> SealedSource::get(const Grant& grant) {
    return get_resource(grant.secret().resource, grant.secret().name);
}

Result<SourcedSecret> SealedSource::get_resource(const std::string& resource,
                                                 const std::string& name) {
    auto opened = [&]() -> Result<SourcedSecret> {
        ATTESTD_TRY(const VerifiedSealed sealed, verified(resource, name));
        SourceProviders providers(config_, *others_);
        ATTESTD_TRY(Given given, unseal(sealed, providers));
        ATTESTD_CHECK(check_value(*given.value));
        const std::uint64_t version = versions_.of(name, *given.value, clocks_.wall());
        return SourcedSecret{std::move(given.value), version, given.expires};
    }();
    note(opened, name);
    return opened;
}

void SealedSource::note(const Result<SourcedSecret>& result, const std::string& name) {
    const std::string error = result ? std::string() : to_string(result.error());
    if (!result && error != last_error_)
        log_event(LogLevel::warn, "sealed.failed", {{"secret", name}, {"why", error}});
    last_error_ = error;
    if (result) ++num_unsealed_;
    if (!result && is_refusal(result.error().code)) ++num_refused_;
}

RemoteStatus SealedSource::status() const {
    RemoteStatus out;
    out.counts = {
        {"unsealed", "sealed_unsealed", "Sealed secrets opened.", num_unsealed_},
        {"refused", "sealed_refused",
         "Sealed secrets refused: their form, signer, signature, name or content.", num_refused_}};
    return out;
}

}  // namespace attestd::sealed
