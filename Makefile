# SPDX-License-Identifier: BSD-2-Clause-Patent
# Builds virtio-net.efi with GCC, binutils and gnu-efi. `make help` lists the targets.

VERSION := 0.1.0
ARCH    ?= x86_64
V       ?= 0

# What differs from one architecture to the next. Debian's gnu-efi for x86_64 brings ia32's
# code along; scripts/fetch-gnu-efi.sh unpacks the others', which dpkg would put over it.
# setup.sh --all fetches those of NEWER_ARCHES where the distribution can build and boot them.
NEWER_ARCHES    := riscv64 loongarch64
ARCHES          := x86_64 ia32 aarch64 $(foreach arch,$(NEWER_ARCHES),$(if $(wildcard build/gnu-efi/$(arch)/complete),$(arch)))
x86_64_CFLAGS   := -DGNU_EFI_USE_MS_ABI -mno-red-zone -mgeneral-regs-only -maccumulate-outgoing-args
x86_64_EFI      := /usr
x86_64_LIB       = $(lib_folder)
ia32_CFLAGS     := -m32 -march=i686 -malign-double -mgeneral-regs-only
ia32_LDFLAGS    := -m elf_i386
ia32_EFI        := /usr
ia32_LIB        := lib32
# Memory for DMA may be uncached, where only aligned access is allowed.
aarch64_CFLAGS  := -mgeneral-regs-only -mstrict-align
aarch64_LDFLAGS := -zmax-page-size=4096 # ld would let sections share its 64 KiB
aarch64_CROSS   := aarch64-linux-gnu-
aarch64_EFI     := build/gnu-efi/aarch64/usr
aarch64_LIB      = $(lib_folder)
# No instruction for an ABI's floating-point registers comes of code without such types.
riscv64_CFLAGS   := -march=rv64gc -mabi=lp64d -mcmodel=medany -mstrict-align -msmall-data-limit=0
riscv64_CROSS    := riscv64-linux-gnu-
riscv64_EFI      := build/gnu-efi/riscv64/usr
riscv64_LIB       = $(lib_folder)
loongarch64_CFLAGS  := -mstrict-align -msimd=none # which firmware leaves switched off
loongarch64_LDFLAGS := -zmax-page-size=4096
loongarch64_CROSS   := loongarch64-linux-gnu-
loongarch64_EFI     := build/gnu-efi/loongarch64/usr
loongarch64_LIB      = $(lib_folder)
$(if $(filter $(ARCH),$(ARCHES)),,$(error ARCH=$(ARCH): not one of $(ARCHES)$(if $(filter $(ARCH),$(NEWER_ARCHES)), (scripts/setup.sh --all adds it, from Debian 13 on))))

CROSS        := $($(ARCH)_CROSS)
CC           := $(CROSS)gcc
LD           := $(CROSS)ld
OBJCOPY      := $(CROSS)objcopy
HOSTCC       ?= gcc
CLANG_FORMAT ?= clang-format-14
CLANG_TIDY   ?= clang-tidy
# Named in full: a python3 from pyenv or conda lacks the distribution's modules.
PYTEST        = ARCHES='$(ARCHES)' PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m pytest -v --no-header --tb=short -o 'cache_dir=$(CURDIR)/build/pytest_cache' $(PYTEST_FLAGS)
EFI_INCLUDE  ?= $($(ARCH)_EFI)/include/efi
# gnu-efi 4.0 has its archives where Debian has libraries of several architectures.
lib_folder    = $(if $(wildcard $($(1)_EFI)/lib/$(1)-linux-gnu/libgnuefi.a),lib/$(1)-linux-gnu,lib)
efi_lib       = $($(1)_EFI)/$($(1)_LIB)
EFI_LIB      ?= $(call efi_lib,$(ARCH))
OUT          := build/$(ARCH)
HOST_OUT     ?= build/host
FUZZ_OUT     ?= build/fuzz
CLANG        ?= clang
Q            := $(if $(filter 1,$(V)),,@)

export SOURCE_DATE_EPOCH ?= 0
export TZ := UTC

SOURCES      := $(sort $(wildcard src/*/*.c))
# These write to I/O ports.
PORT_APPS    := $(if $(filter-out x86_64 ia32,$(ARCH)),tests/qemu/apps/canary.c tests/qemu/apps/snpbench.c)
APP_SOURCES  := $(filter-out $(PORT_APPS),$(sort $(wildcard tests/qemu/apps/*.c)))
FAKE_SOURCES := $(sort $(wildcard tests/fake/*.c))
UNIT_SOURCES := $(sort $(wildcard tests/unit/*/*_test.c))
FORMATTED    := $(sort $(shell find src include tests -name '*.[ch]' 2>/dev/null))
SCRIPTS      := $(sort $(shell find scripts tests -name "*.sh" 2>/dev/null) .ci/run)

DRIVER_OBJS  := $(SOURCES:%.c=$(OUT)/%.o)
APPS         := $(APP_SOURCES:tests/qemu/apps/%.c=$(OUT)/apps/%.efi)
OTHER_ARCHES := $(filter-out $(ARCH),$(ARCHES))
ALL_DRIVERS  := $(ARCHES:%=build/%/virtio-net.efi)
# On the host libc and the fakes provide what src/base/freestanding.c does.
HOST_OBJS    := $(patsubst %.c,$(HOST_OUT)/%.o,$(filter-out src/base/freestanding.c src/driver/start.c,$(SOURCES)) $(FAKE_SOURCES))
UNIT_TESTS   := $(UNIT_SOURCES:%.c=$(HOST_OUT)/%)
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,$(FUZZ_OUT)/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_PARTS   := $(patsubst %.c,$(FUZZ_OUT)/%.o,$(filter-out tests/fuzz/fuzz_%,$(sort $(wildcard tests/fuzz/*.c))))
FUZZ_OBJS    := $(HOST_OBJS:$(HOST_OUT)/%=$(FUZZ_OUT)/%) $(FUZZ_PARTS)

WARNINGS := -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wcast-qual -Wstrict-prototypes \
            -Wmissing-prototypes -Wundef -Wvla -Wwrite-strings -Werror=incompatible-pointer-types -Werror \
            -Wno-unused-result # gcc warns in spite of (void), clang does not: lint-tidy checks it
# -isystem: gnu-efi's own headers warn under -I.
includes = -Iinclude -Isrc -isystem $(1) -isystem $(1)/$(2)
INCLUDES := $(call includes,$(EFI_INCLUDE),$(ARCH))
HOST_INCLUDES := $(call includes,$(x86_64_EFI)/include/efi,x86_64)
COMMON    = -std=gnu17 -g -MMD -MP -fshort-wchar '-ffile-prefix-map=$(CURDIR)=.' $(WARNINGS) \
            -DVIRTIO_NET_VERSION_STRING='"$(VERSION)"'

# No unwind tables: nothing in firmware reads them; .debug_frame still serves the debugger.
CFLAGS   = $(COMMON) $($(ARCH)_CFLAGS) -O2 -ffreestanding -fPIC -fno-stack-protector \
           -fno-asynchronous-unwind-tables -fvisibility=hidden -ffunction-sections -fdata-sections
# The driver is optimized as a whole: what a frame passes through lies in several files.
LTO     := -flto=auto -fno-fat-lto-objects
HOT      := snp/snp_frames net/net_frames net/net_filter ring/virtqueue ring/virtqueue_packed
aarch64_HOT := snp/snp_frames net/net_frames ring/virtqueue # leaves room below 64 KiB
ia32_HOT    := snp/snp_frames net/net_frames ring/virtqueue # gcc 14 makes more of it than gcc 12
loongarch64_HOT := ring/virtqueue
HOT_OBJS := $(patsubst %,$(OUT)/src/%.o,$(or $($(ARCH)_HOT),$(HOT)))
LDS     := elf_$(ARCH)_efi.lds elf_sections.lds
LDFLAGS := $($(ARCH)_LDFLAGS) -nostdlib -shared -Bsymbolic -znocombreloc -znoexecstack --gc-sections --hash-style=sysv \
           --build-id=none --no-undefined --fatal-warnings -T $(firstword $(LDS))
GNUEFI  := $(EFI_LIB)/libgnuefi.a
# Exactly the sections that the linker script names; the rest of the .so is for debuggers.
EFI_SECTIONS := -j .text -j .rodata -j .rela -j .rel -j .data -j .dynamic -j .sbat -j .reloc

# What the driver binds: transitional and modern.
ROM_IDS := 1af4:1000,1041
define make_rom
$(if $(Q),@echo "  ROM     $@")
$(Q)scripts/make-rom.py $@ $(ROM_IDS) $(or $(ROM_DRIVERS),$(filter %.efi,$^))
$(Q)scripts/check-rom.py --sum $@ 1af4:1000 1af4:1041 $(if $(Q),>/dev/null)
endef

# On the host setjmp is libc's, and efilib.h of gnu-efi 4.0 must not bring another.
HOST_ABI    := -DGNU_EFI_USE_MS_ABI -DGNU_EFI_SETJMP_H
SANITIZE    ?= -fsanitize=address,undefined -fno-sanitize-recover=all
HOST_CFLAGS  = $(COMMON) $(HOST_ABI) -O1 $(SANITIZE)
HOST_LIBS   := -lcmocka
# Edges and loads are traced in the driver and in the target, not in the fakes.
TIME          ?= 60
FUZZ          ?=
FUZZ_SANITIZE ?= -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_TRACE    ?= -fsanitize=fuzzer-no-link -fsanitize-coverage=trace-loads
FUZZ_CFLAGS    = $(COMMON) -Wno-missing-field-initializers $(HOST_ABI) -O1 $(FUZZ_SANITIZE)
TIDY_CFLAGS := -std=gnu17 -ffreestanding -fshort-wchar -DGNU_EFI_USE_MS_ABI \
               -DVIRTIO_NET_VERSION_STRING='"$(VERSION)"' $(HOST_INCLUDES)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all arches $(OTHER_ARCHES:%=arch-%) rom rom-all sign unit unit-build lint lint-format lint-tidy lint-analyzer lint-cppcheck \
        lint-shell lint-layers lint-spec lint-names image deploy fuzz fuzz-build fuzz-coverage qemu clients soak esp dist check check-all distro bench bench-scaling bench-budgets demo run coverage format clean help

all: $(OUT)/virtio-net.efi $(OUT)/virtio-net.debug rom $(APPS) ## build the driver, its debug file, its option ROM and the EFI test programs

rom: $(OUT)/virtio-net.rom ## build the option ROM; ROM_DRIVERS="a.efi b.efi" puts several architectures into it

arches: all $(OTHER_ARCHES:%=arch-%) rom-all ## `make all` for every architecture, and rom-all

$(OTHER_ARCHES:%=arch-%): arch-%:
	$(Q)$(MAKE) --no-print-directory ARCH=$* all

$(OTHER_ARCHES:%=build/%/virtio-net.efi): build/%/virtio-net.efi: arch-% ;

rom-all: build/virtio-net.rom ## build/virtio-net.rom, an option ROM that carries the driver for every architecture

build/virtio-net.rom: $(ALL_DRIVERS) scripts/make-rom.py scripts/check-rom.py scripts/rom_image.py scripts/whole_file.py
	$(make_rom)

.PHONY: compiler
compiler:
	@command -v $(CC) >/dev/null || { echo "$(CC): missing (run scripts/setup.sh --all)" >&2; false; }

$(GNUEFI):
	@echo "$@: missing (run scripts/setup.sh --all)" >&2; false

.PHONY: headers
headers: | compiler $(GNUEFI)
	@printf '#include <efi.h>\n#include <pci22.h>\n' | $(CC) $(filter-out -MMD -MP,$(CFLAGS)) $(INCLUDES) -fsyntax-only -x c - 2>/dev/null || \
	    { echo "$(EFI_INCLUDE): no headers of gnu-efi 3.0.15 or newer (run scripts/setup.sh --all)" >&2; false; }

# gnu-efi's Print and the console protocols take non-const strings, and CopyMem a non-const source in some releases.
$(OUT)/tests/qemu/apps/%.o: WARNINGS += -Wno-write-strings -Wno-discarded-qualifiers

$(OUT)/%.o: %.c Makefile | headers
	$(if $(Q),@echo "  CC      $@")
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(INCLUDES) -c -o $@ $<

$(OUT)/src/%.o: CFLAGS += -Os $(LTO)
# The processors that matter do not need loops aligned, and what is jumped over would be executed.
$(HOT_OBJS): CFLAGS += -O2 -fno-align-functions -fno-align-loops -fno-align-jumps -fno-align-labels
# What the compiler calls by itself must be there to the end, and what runs before the image is relocated, alone.
$(OUT)/src/base/freestanding.o $(OUT)/src/driver/start.o: LTO :=

$(OUT)/virtio-net.so: $(DRIVER_OBJS) $(LDS)
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(CFLAGS) $(LTO) -nostdlib $(LDFLAGS:%=-Wl,%) -o $@ $(DRIVER_OBJS) -L$(EFI_LIB) -lgnuefi

loongarch64_APP_START := loongarch64
APP_START := $(addprefix $(OUT)/tests/qemu/apps/,$(addsuffix .o,$($(ARCH)_APP_START)))
$(OUT)/tests/qemu/apps/%.o: tests/qemu/apps/%.S Makefile
	$(if $(Q),@echo "  AS      $@")
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -c -o $@ $<

$(OUT)/apps/%.so: $(OUT)/tests/qemu/apps/%.o $(OUT)/src/driver/start.o $(APP_START) $(LDS)
	$(if $(Q),@echo "  LD      $@")
	$(Q)mkdir -p $(@D)
	$(Q)$(LD) $(LDFLAGS) $(if $(APP_START),-e app_start) -o $@ $(filter %.o,$^) -L$(EFI_LIB) -lefi -lgnuefi

$(OUT)/virtio-net.efi: EFI_TARGET := efi-bsdrv-$(ARCH)
$(OUT)/apps/%.efi: EFI_TARGET := efi-app-$(ARCH)
$(OUT)/apps/barless.efi: EFI_TARGET := efi-bsdrv-$(ARCH) # stays
$(OUT)/%.efi: $(OUT)/%.so scripts/finish-pe.py scripts/whole_file.py
	$(if $(Q),@echo "  EFI     $@")
	$(Q)$(OBJCOPY) $(EFI_SECTIONS) --strip-all --output-target $(EFI_TARGET) $< $@
	$(Q)scripts/finish-pe.py $@

%.rom: %.efi scripts/make-rom.py scripts/check-rom.py scripts/rom_image.py scripts/whole_file.py
	$(make_rom)

sign: $(OUT)/virtio-net.efi ## sign for Secure Boot: make sign KEY=db.key CERT=db.pem writes virtio-net.signed.efi and .signed.rom
	$(Q)scripts/sign.sh '$(KEY)' '$(CERT)' $< $(OUT)/virtio-net.signed.efi
	$(Q)$(MAKE) --no-print-directory $(OUT)/virtio-net.signed.rom

$(OUT)/%.debug: $(OUT)/%.so
	$(Q)$(OBJCOPY) --only-keep-debug $< $@

# EFI_SHELL="FILE...": UEFI shells to boot, for firmware that has none of its own.
build/esp.img: $(ALL_DRIVERS) $(EFI_SHELL) scripts/make-esp.sh $(wildcard scripts/esp/*)
	$(if $(Q),@echo "  ESP     $@")
	$(Q)scripts/make-esp.sh $@ $(ALL_DRIVERS) $(EFI_SHELL)

$(HOST_OUT)/%.o: %.c Makefile
	$(if $(Q),@echo "  HOSTCC  $@")
	$(Q)mkdir -p $(@D)
	$(Q)$(HOSTCC) $(HOST_CFLAGS) $(HOST_INCLUDES) -Itests/fake -Itests/unit -c -o $@ $<

$(HOST_OUT)/tests/unit/%: $(HOST_OUT)/tests/unit/%.o $(HOST_OBJS)
	$(if $(Q),@echo "  HOSTLD  $@")
	$(Q)$(HOSTCC) $(SANITIZE) -o $@ $^ $(HOST_LIBS)

$(FUZZ_OUT)/tests/fake/%.o: FUZZ_TRACE :=
$(FUZZ_PARTS): FUZZ_TRACE :=
$(FUZZ_OUT)/%.o: %.c Makefile
	$(if $(Q),@echo "  CLANG   $@")
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) $(FUZZ_TRACE) $(INCLUDES) -Itests/fake -Itests/fuzz -c -o $@ $<

$(FUZZ_OUT)/fuzz_%: $(FUZZ_OUT)/tests/fuzz/fuzz_%.o $(FUZZ_OBJS)
	$(if $(Q),@echo "  FUZZLD  $@")
	$(Q)$(CLANG) $(FUZZ_SANITIZE) -fsanitize=fuzzer -o $@ $^ $(HOST_LIBS)

fuzz-build: $(FUZZ_TARGETS)

fuzz: fuzz-build ## fuzz the driver and check-rom.py, TIME=60 seconds each; FUZZ="rings config" runs these alone
	$(Q)scripts/fuzz.sh $(TIME) $(FUZZ)

fuzz-coverage: ## line coverage of src/ by the committed fuzz corpora
	$(Q)$(MAKE) --no-print-directory FUZZ_OUT=build/fuzz-coverage \
	    FUZZ_SANITIZE='-fprofile-instr-generate -fcoverage-mapping' fuzz-build
	$(Q)scripts/fuzz-coverage.sh build/fuzz-coverage

unit-build: $(UNIT_TESTS)

unit: $(UNIT_TESTS) ## run the unit tests on this machine, under ASan and UBSan
	$(Q)failed=; for test in $(UNIT_TESTS); do ./$$test || failed="$$failed $$test"; done; \
	    [ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

lint: lint-format lint-tidy lint-analyzer lint-cppcheck lint-shell lint-layers lint-spec lint-names ## format, clang-tidy, gcc -fanalyzer, cppcheck, shellcheck, layers, SPEC.md, names of targets and files

lint-format: # other versions set other line breaks
	$(Q)command -v $(CLANG_FORMAT) >/dev/null || { echo "lint-format: left out: no $(CLANG_FORMAT), which alone judges line breaks" && exit; }; \
	    $(CLANG_FORMAT) --dry-run -Werror $(FORMATTED)

lint-tidy: # one process per file: clang-tidy is slow
	$(Q)printf '%s\n' $(SOURCES) | xargs -P $$(nproc) -I FILE $(CLANG_TIDY) --quiet FILE -- $(TIDY_CFLAGS)

# GCC 16 takes the end of a void function of the MS ABI for the use of its value.
lint-analyzer: # the compiler that builds the driver, with the driver's own flags
	$(Q)printf '%s\n' $(SOURCES) | xargs -P $$(nproc) -I FILE $(CC) $(filter-out -MMD -MP,$(CFLAGS)) $(INCLUDES) \
	    -fanalyzer $$($(CC) -dumpversion | sed -n 's/^16.*/-Wno-analyzer-use-of-uninitialized-value/p') -c -o /dev/null FILE

lint-cppcheck:
	$(Q)cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
	    --error-exitcode=1 --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches \
	    --force -DVIRTIO_NET_VERSION_STRING='""' -Iinclude -Isrc $(SOURCES)

lint-shell:
	$(Q)shellcheck $(SCRIPTS)

lint-layers:
	$(Q)scripts/lint-layers.py

lint-spec:
	$(Q)scripts/lint-spec.py

lint-names:
	$(Q)scripts/lint-names.py

esp: build/esp.img ## FAT image that loads the driver on every architecture; EFI_SHELL="FILE..." adds shells

dist: arches ## release archive build/dist/virtio-net-VERSION.tar.gz: every architecture's binaries, symbols, scripts, bill of materials
	$(Q)scripts/dist.sh $(VERSION) build build/dist $(foreach arch,$(ARCHES),$(arch)=$(call efi_lib,$(arch)))

image: arches ## test the PE image and the option ROM: sections, fields, size, reproducible build
	$(Q)$(PYTEST) tests/image

deploy: esp dist ## test install.sh, the FAT image and the release archive
	$(Q)$(PYTEST) tests/deploy

CASES ?= all
qemu: arches esp ## run the QEMU matrix; CASES=check leaves out what `make check` does, CASES=few runs one case of each file and what is new
	$(Q)$(PYTEST) -n 2 --cases=$(CASES) tests/qemu

clients: all ## time real boot programs over the firmware's driver and this one: build/qemu/clients.md; CLIENTS="ipxe grub-http" runs these alone
	$(Q)scripts/setup.sh --all
	$(Q)tests/qemu/client_times.py $(CLIENTS)

soak: all ## the full load, hours: SCALE=0.1 for a tenth of it; the figures are in build/qemu/soak.log
	$(Q)rm -f build/qemu/soak.log
	$(Q)SCALE=$(or $(SCALE),1) $(PYTEST) tests/qemu/test_soak.py; status=$$?; cat build/qemu/soak.log; exit $$status

check: ## install what is missing, build, run every test; the last line is the result
	@scripts/check.sh

check-all: ## `make check` with every case of the QEMU matrix, and everything on the other Debian
	@CASES=all scripts/check.sh

distro: ## the two commands in a fresh Debian: SUITE=bookworm, trixie or sid; as root
	$(Q)tests/distro/run.sh '$(SUITE)'

bench: all ## measure this driver, the firmware's and iPXE's side by side: build/bench/table.md, results.json; ROUNDS=5 downloads each
	$(Q)tests/bench/bench.py

FRAMES ?= 10000000
bench-scaling: all ## cost per frame by ring size and number of NICs, and over FRAMES frames: build/bench/scaling.md
	$(Q)tests/bench/bench.py --scaling $(FRAMES)

bench-budgets: all ## write this driver's exact figures to tests/bench/budgets.json, which make check compares with
	$(Q)tests/bench/bench.py --budgets

demo: ## install what is missing, build, show the driver at work in QEMU
	@scripts/setup.sh $(if $(filter-out x86_64,$(ARCH)),--all)
	@$(MAKE) --no-print-directory all
	@ARCH=$(ARCH) scripts/demo.sh

run: all ## UEFI shell in QEMU on this terminal, driver loaded
	@ARCH=$(ARCH) scripts/run.sh

coverage: ## line coverage of src/ by the unit tests; fails under 90 %
	$(Q)find build/coverage -name '*.gcda' -delete 2>/dev/null || true
	$(Q)$(MAKE) --no-print-directory HOST_OUT=build/coverage SANITIZE=--coverage unit
	$(Q)gcovr --root . --filter src/ --fail-under-line 90 build/coverage

format: ## rewrite the C files with clang-format
	$(Q)$(CLANG_FORMAT) -i $(FORMATTED)

clean: ## remove build/
	$(Q)rm -rf build

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

-include $(shell find $(OUT) $(HOST_OUT) $(FUZZ_OUT) -type f -name '*.d' 2>/dev/null)
