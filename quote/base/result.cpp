#include "quote/base/result.h"

namespace attestd {

tl::unexpected<Error> fail_in(std::string_view where, const Error& inner) {
    std::string detail(where);
    detail += ": ";
    detail += inner.detail;
    return fail(inner.code, std::move(detail));
}

std::string to_string(const Error& error) {
    std::string text(errc_name(error.code));
    text += ": ";
    text += error.detail;
    return text;
}

}  // namespace attestd
