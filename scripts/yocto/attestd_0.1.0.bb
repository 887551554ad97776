# attestd for minimal images. Put this file into a layer as recipes-security/attestd/attestd_0.1.0.bb.
#
# What an image needs beside it: systemd as init (the units are the service's hardening), a kernel with
# CONFIG_TSM_REPORTS or CONFIG_SEV_GUEST / CONFIG_TDX_GUEST_DRIVER, CONFIG_SECURITY_LANDLOCK and CONFIG_SECCOMP_FILTER,
# and, for memory that nobody else can read, CONFIG_SECRETMEM. Programs and libraries need nothing of /usr/share.
#
# With musl (TCLIBC = "musl"): nothing of glibc alone is used, and no locale and no NSS module is read; accounts come from
# /etc/passwd and /etc/group. musl's threads have small stacks (128 KiB): the flag below gives them glibc's room.
# nlohmann-json, tl-expected (headers) and cli11 come from meta-oe; nothing of them is in the image.
SUMMARY = "Attestation agent of confidential VMs"
HOMEPAGE = "https://attestd.example"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE;md5=${ATTESTD_LICENSE_MD5}"
# To be set by the layer: where the source lies, which commit, and the licence file's digest.
ATTESTD_LICENSE_MD5 ?= ""
SRC_URI ?= "git:///srv/attestd;protocol=file;branch=main"
SRCREV ?= "${AUTOREV}"
S = "${WORKDIR}/git"

DEPENDS = "openssl curl boost fmt spdlog nlohmann-json tl-expected libseccomp cli11"
inherit meson pkgconfig systemd useradd

PACKAGECONFIG ??= ""
PACKAGECONFIG[azure-vtpm] = "-Dazure_vtpm=enabled,-Dazure_vtpm=disabled,tpm2-tss"
EXTRA_OEMESON = "-Dtests=disabled -Dunity=on -Dunity_size=6"
LDFLAGS:append:libc-musl = " -Wl,-z,stack-size=8388608"

PACKAGES =+ "attestctl attestd-fetch attestd-azure-vtpm"
FILES:attestctl = "${bindir}/attestctl ${systemd_system_unitdir}/attestd-deliver@.service ${datadir}/bash-completion \
    ${datadir}/zsh ${datadir}/fish"
FILES:attestd-fetch = "${bindir}/attestd-fetch ${systemd_system_unitdir}/attestd-fetch*"
FILES:attestd-azure-vtpm = "${bindir}/attestd-azure-vtpm ${systemd_system_unitdir}/attestd-azure-vtpm*"
FILES:${PN} += "${systemd_system_unitdir} ${nonarch_libdir}/sysusers.d ${nonarch_libdir}/tmpfiles.d \
    ${nonarch_base_libdir}/udev ${nonarch_libdir}/udev ${datadir}/attestd"
RRECOMMENDS:${PN} = "attestctl attestd-fetch"

SYSTEMD_PACKAGES = "${PN} attestd-fetch"
SYSTEMD_SERVICE:${PN} = "attestd.socket attestd.service attestd-credentials.socket attestd-inspect.socket"
SYSTEMD_SERVICE:attestd-fetch = "attestd-fetch.socket"
# The image is measured and without state: enable what its owner decides, not what a package does.
SYSTEMD_AUTO_ENABLE = "disable"

# The users of systemd/sysusers.conf, for images that are read-only from the first boot.
USERADD_PACKAGES = "${PN}"
GROUPADD_PARAM:${PN} = "--system attestd-clients; --system tss"
USERADD_PARAM:${PN} = "--system --no-create-home --home /var/lib/attestd --shell /sbin/nologin attestd; \
    --system --no-create-home --shell /sbin/nologin attestd-fetch; \
    --system --no-create-home --shell /sbin/nologin attestd-inspect; \
    --system --no-create-home --shell /sbin/nologin --groups tss attestd-vtpm"
