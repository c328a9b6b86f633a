/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * SBAT (shim's SBAT.md): what a revocation list can name. The generation of
 * virtio-net.efi goes up by one with each release that closes a hole in Secure
 * Boot, and only then. Who changes and signs the driver adds a line of his own.
 */
#define SBAT_TEXT                                                                                  \
    "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\n"                \
    "virtio-net.efi,1,virtio-net.efi,virtio-net.efi," VIRTIO_NET_VERSION_STRING ",README.md\n"

/* CSV has no place for a NUL. GCC 15 and Clang 21 must be told that none is missing. */
#if __has_attribute(nonstring)
#define NOT_TERMINATED __attribute__((nonstring))
#else
#define NOT_TERMINATED
#endif

/* Found by the name of its section; nothing refers to it. */
__attribute__((section(".sbat"), used))
NOT_TERMINATED static const char sbat[sizeof SBAT_TEXT - 1] = SBAT_TEXT;
