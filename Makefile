# SPDX-License-Identifier: BSD-2-Clause-Patent
# Builds virtio-net.efi with GCC, binutils and gnu-efi. `make help` lists the targets.

VERSION := 0.2.0
ARCH    ?= x86_64
V       ?= 0

# What differs between architectures. Debian's gnu-efi for x86_64 also contains ia32's code.
# scripts/fetch-gnu-efi.sh unpacks the others' elsewhere, because dpkg would overwrite it.
# setup.sh --all fetches those of NEWER_ARCHES if the distribution can build and boot them.
GNU_EFI         ?= build/gnu-efi
NEWER_ARCHES    := riscv64 loongarch64
ARCHES          := x86_64 ia32 aarch64 $(foreach arch,$(NEWER_ARCHES),$(if $(wildcard $(GNU_EFI)/$(arch)/complete),$(arch)))
x86_64_CFLAGS   := -DGNU_EFI_USE_MS_ABI -mno-red-zone -mgeneral-regs-only -maccumulate-outgoing-args
x86_64_EFI      := /usr
ia32_CFLAGS     := -m32 -march=i686 -malign-double -mgeneral-regs-only
ia32_LDFLAGS    := -m elf_i386
ia32_EFI        := /usr
ia32_LIB        := lib32
# DMA memory may be uncached, and then allows aligned accesses only.
aarch64_CFLAGS  := -mgeneral-regs-only -mstrict-align
aarch64_LDFLAGS := -zmax-page-size=4096 # with ld's default of 64 KiB, sections would share pages
# Code without floating-point types gets no floating-point instructions, whatever the ABI.
riscv64_CFLAGS   := -march=rv64gc -mabi=lp64d -mcmodel=medany -mstrict-align -msmall-data-limit=0
loongarch64_CFLAGS  := -mstrict-align -msimd=none # firmware leaves it switched off
loongarch64_LDFLAGS := -zmax-page-size=4096
$(foreach arch,aarch64 $(NEWER_ARCHES),$(eval $(arch)_CROSS := $(arch)-linux-gnu-)$(eval $(arch)_EFI := $(GNU_EFI)/$(arch)/usr))
$(if $(filter $(ARCH),$(ARCHES)),,$(error ARCH=$(ARCH): not one of $(strip $(ARCHES))$(if $(filter $(ARCH),$(NEWER_ARCHES)), (scripts/setup.sh --all adds it on Debian 13 and later))))

CROSS        := $($(ARCH)_CROSS)
CC           := $(CROSS)gcc
OBJCOPY      := $(CROSS)objcopy
EFI_INCLUDE  ?= $($(ARCH)_EFI)/include/efi
# gnu-efi 4.0 keeps its archives in Debian's multiarch folder.
lib_folder    = $(if $(wildcard $($(1)_EFI)/lib/$(1)-linux-gnu/libgnuefi.a),lib/$(1)-linux-gnu,lib)
efi_lib       = $($(1)_EFI)/$(or $($(1)_LIB),$(lib_folder))
EFI_LIB      ?= $(call efi_lib,$(ARCH))
OUT          := build/$(ARCH)
Q            := $(if $(filter 1,$(V)),,@)

export SOURCE_DATE_EPOCH ?= 0
export TZ := UTC

SOURCES      := $(sort $(wildcard src/*/*.c))
DRIVER_OBJS  := $(SOURCES:%.c=$(OUT)/%.o)
OTHER_ARCHES := $(filter-out $(ARCH),$(ARCHES))
ALL_DRIVERS  := $(ARCHES:%=build/%/virtio-net.efi)
WARNINGS := -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wcast-qual -Wstrict-prototypes \
            -Wmissing-prototypes -Wundef -Wvla -Wwrite-strings -Werror=incompatible-pointer-types -Werror \
            -Wno-unused-result # gcc warns even about (void) calls; clang does not, so lint-tidy checks them
# -isystem: gnu-efi's own headers warn under -I.
includes = -Iinclude -Isrc -isystem $(1) -isystem $(1)/$(2)
INCLUDES := $(call includes,$(EFI_INCLUDE),$(ARCH))
COMMON    = -std=gnu17 -g -MMD -MP -fshort-wchar '-ffile-prefix-map=$(CURDIR)=.' $(WARNINGS) \
            -DVIRTIO_NET_VERSION_STRING='"$(VERSION)"'

# No unwind tables: firmware does not read them, and the debugger has .debug_frame. What may be uninitialized depends on
# what LTO inlines, and so on GCC's version: that guess is no reason to have no driver.
CFLAGS   = $(COMMON) $($(ARCH)_CFLAGS) -Wno-error=maybe-uninitialized -O2 -ffreestanding -fPIC -fno-stack-protector \
           -fno-asynchronous-unwind-tables -fvisibility=hidden -ffunction-sections -fdata-sections
# The driver is optimized as a whole, because the path of a frame spans several files.
LTO     := -flto=auto -fno-fat-lto-objects
HOT      := snp/snp_frames net/net_frames net/net_filter ring/virtqueue ring/virtqueue_split ring/virtqueue_packed \
            mnp/tcp_segment base/inet_sum
loongarch64_HOT := ring/virtqueue ring/virtqueue_split # all of HOT would add 5.5 KiB
HOT_OBJS := $(patsubst %,$(OUT)/src/%.o,$(or $($(ARCH)_HOT),$(HOT)))
LDS     := elf_$(ARCH)_efi.lds elf_sections.lds
LDFLAGS := $($(ARCH)_LDFLAGS) -nostdlib -shared -Bsymbolic -znocombreloc -znoexecstack --gc-sections --hash-style=sysv \
           --build-id=none --no-undefined --fatal-warnings -T $(firstword $(LDS))
GNUEFI  := $(EFI_LIB)/libgnuefi.a
# Exactly the sections named in the linker script; the rest of the .so is for debuggers.
EFI_SECTIONS := -j .text -j .rodata -j .rela -j .rel -j .data -j .dynamic -j .sbat -j .reloc

# The devices that the driver binds: transitional and modern.
ROM_IDS     := 1af4:1000,1041
ROM_CHECKED := 1af4:1000 1af4:1041
define make_rom
$(if $(Q),@echo "  ROM     $@")
$(Q)scripts/make-rom.py $@ $(ROM_IDS) $(or $(ROM_DRIVERS),$(filter %.efi,$^))
$(Q)scripts/check-rom.py --sum $@ $(ROM_CHECKED) $(if $(Q),>/dev/null)
endef

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all arches $(OTHER_ARCHES:%=arch-%) rom rom-all sign always esp dist deb demo run clean help compiler headers

all: $(OUT)/virtio-net.efi $(OUT)/virtio-net.debug rom ## build the driver, its debug file, its option ROM and the EFI test programs

rom: $(OUT)/virtio-net.rom ## build the option ROM; ROM_DRIVERS="a.efi b.efi" combines several architectures

arches: all $(OTHER_ARCHES:%=arch-%) rom-all ## build everything for every architecture, and rom-all

$(OTHER_ARCHES:%=arch-%): arch-%:
	$(Q)$(MAKE) --no-print-directory ARCH=$* all

$(OTHER_ARCHES:%=build/%/virtio-net.efi): build/%/virtio-net.efi: arch-% ;

rom-all: build/virtio-net.rom ## build/virtio-net.rom, one option ROM for every architecture

build/virtio-net.rom: $(ALL_DRIVERS) scripts/make-rom.py scripts/check-rom.py scripts/rom_image.py scripts/whole_file.py
	$(make_rom)

compiler:
	@command -v $(CC) >/dev/null || { echo "$(CC): missing (run scripts/setup.sh --all)" >&2; false; }

$(GNUEFI):
	@echo "$@: missing (run scripts/setup.sh --all)" >&2; false

headers: | compiler $(GNUEFI)
	@printf '#include <efi.h>\n#include <pci22.h>\n' | $(CC) $(filter-out -MMD -MP,$(CFLAGS)) $(INCLUDES) -fsyntax-only -x c - 2>/dev/null || \
	    { echo "$(EFI_INCLUDE): no headers of gnu-efi 3.0.15 or newer (run scripts/setup.sh --all)" >&2; false; }

$(OUT)/%.o: %.c Makefile | headers
	$(if $(Q),@echo "  CC      $@")
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(INCLUDES) -c -o $@ $<

$(OUT)/src/%.o: CFLAGS += -Os $(LTO)
# Current processors do not need aligned loops, and alignment padding would execute as NOPs.
$(HOT_OBJS): CFLAGS += -O2 -fno-align-functions -fno-align-loops -fno-align-jumps -fno-align-labels
# No LTO: calls to the first appear only in the last pass, and the second runs before relocation, so nothing may be merged into it.
$(OUT)/src/base/freestanding.o $(OUT)/src/driver/start.o: LTO :=

$(OUT)/virtio-net.so: $(DRIVER_OBJS) $(LDS)
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(CFLAGS) $(LTO) -nostdlib $(LDFLAGS:%=-Wl,%) -o $@ $(DRIVER_OBJS) -L$(EFI_LIB) -lgnuefi

$(OUT)/virtio-net.efi: EFI_TARGET := efi-bsdrv-$(ARCH)
$(OUT)/%.efi: $(OUT)/%.so scripts/finish-pe.py scripts/whole_file.py
	$(if $(Q),@echo "  EFI     $@")
	$(Q)$(OBJCOPY) $(EFI_SECTIONS) --strip-all --output-target $(EFI_TARGET) $< $@
	$(Q)scripts/finish-pe.py $@

%.rom: %.efi scripts/make-rom.py scripts/check-rom.py scripts/rom_image.py scripts/whole_file.py
	$(make_rom)

sign: $(OUT)/virtio-net.signed.rom ## sign for Secure Boot: KEY=db.key CERT=db.pem; writes virtio-net.signed.efi and virtio-net.signed.rom

$(OUT)/virtio-net.signed.efi: $(OUT)/virtio-net.efi always
	$(Q)scripts/sign.sh '$(KEY)' '$(CERT)' $< $@

$(OUT)/%.debug: $(OUT)/%.so
	$(Q)$(OBJCOPY) --only-keep-debug $< $@

# EFI_SHELL="FILE...": UEFI shells to boot, for firmware without one.
build/esp.img: $(ALL_DRIVERS) $(EFI_SHELL) scripts/make-esp.sh $(wildcard scripts/esp/*)
	$(if $(Q),@echo "  ESP     $@")
	$(Q)scripts/make-esp.sh $@ $(ALL_DRIVERS) $(EFI_SHELL)

esp: build/esp.img ## write build/esp.img, a FAT image that loads the driver on every architecture; EFI_SHELL="FILE..." adds shells

dist: arches ## pack the release, build/dist/virtio-net-VERSION.tar.gz: all binaries, symbols, scripts, bill of materials
	$(Q)scripts/dist.sh $(VERSION) build build/dist $(foreach arch,$(ARCHES),$(arch)=$(call efi_lib,$(arch)))

deb: ## install missing packages, build the Debian package of the committed tree: build/deb
	@scripts/setup.sh --deb
	$(Q)GNU_EFI='$(abspath $(GNU_EFI))' scripts/deb.sh build/deb

demo: ## install missing packages, build, show the driver working in QEMU
	@scripts/setup.sh $(if $(filter-out x86_64,$(ARCH)),--all)
	@$(MAKE) --no-print-directory all
	@ARCH=$(ARCH) tests/qemu/demo.py

run: all ## open a UEFI shell in QEMU on this terminal, with the driver loaded
	@ARCH=$(ARCH) scripts/run.sh

clean: ## remove build/
	$(Q)rm -rf build

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

# The driver builds without the tests.
include $(wildcard tests/tests.mk)
-include $(shell find $(OUT) $(HOST_OUT) $(FUZZ_OUT) -type f -name '*.d' 2>/dev/null)
