# SPDX-License-Identifier: BSD-2-Clause-Patent
# Rules for all that tests or measures, and for the EFI programs used. The Makefile includes this file.

HOSTCC       ?= gcc
CLANG_FORMAT ?= clang-format-14
CLANG_TIDY   ?= clang-tidy
# Full path: a python3 from pyenv or conda lacks the distribution's modules.
PYTEST        = ARCHES='$(ARCHES)' PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m pytest -v --no-header --tb=short -o 'cache_dir=$(CURDIR)/build/pytest_cache' $(PYTEST_FLAGS)
HOST_OUT     ?= build/host
FUZZ_OUT     ?= build/fuzz
CLANG        ?= clang

LD           := $(CROSS)ld
# These programs write to I/O ports.
PORT_APPS    := $(if $(filter-out x86_64 ia32,$(ARCH)),tests/qemu/apps/canary.c tests/qemu/apps/snpbench.c)
APP_SOURCES  := $(filter-out $(PORT_APPS),$(sort $(wildcard tests/qemu/apps/*.c)))
APPS         := $(APP_SOURCES:tests/qemu/apps/%.c=$(OUT)/apps/%.efi)

FAKE_SOURCES := $(sort $(wildcard tests/fake/*.c))
UNIT_SOURCES := $(sort $(wildcard tests/unit/*/*_test.c))
FORMATTED    := $(sort $(shell find src include tests -name '*.[ch]' 2>/dev/null))
SCRIPTS      := $(sort $(shell find scripts tests debian -name "*.sh" 2>/dev/null) .ci/run)

# On the host libc and the fakes replace src/base/freestanding.c.
HOST_OBJS    := $(patsubst %.c,$(HOST_OUT)/%.o,$(filter-out src/base/freestanding.c src/driver/start.c,$(SOURCES)) $(FAKE_SOURCES))
UNIT_TESTS   := $(UNIT_SOURCES:%.c=$(HOST_OUT)/%)
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,$(FUZZ_OUT)/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_PARTS   := $(patsubst %.c,$(FUZZ_OUT)/%.o,$(filter-out tests/fuzz/fuzz_%,$(sort $(wildcard tests/fuzz/*.c))))
FUZZ_OBJS    := $(HOST_OBJS:$(HOST_OUT)/%=$(FUZZ_OUT)/%) $(FUZZ_PARTS)

HOST_INCLUDES := $(call includes,$(x86_64_EFI)/include/efi,x86_64)

# On the host setjmp comes from libc; efilib.h of gnu-efi 4.0 must not define another.
HOST_ABI    := -DGNU_EFI_USE_MS_ABI -DGNU_EFI_SETJMP_H
SANITIZE    ?= -fsanitize=address,undefined -fno-sanitize-recover=all
HOST_CFLAGS  = $(COMMON) $(HOST_ABI) -O1 $(SANITIZE)
HOST_LIBS   := -lcmocka
# Edges and loads are traced in the driver and in the target, not in the fakes.
TIME          ?= 60
SEED          ?=
FUZZ          ?=
FUZZ_SANITIZE ?= -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_TRACE    ?= -fsanitize=fuzzer-no-link -fsanitize-coverage=trace-loads
FUZZ_CFLAGS    = $(COMMON) -Wno-missing-field-initializers $(HOST_ABI) -O1 $(FUZZ_SANITIZE)
TIDY_CFLAGS := -std=gnu17 -ffreestanding -fshort-wchar -DGNU_EFI_USE_MS_ABI \
               -DVIRTIO_NET_VERSION_STRING='"$(VERSION)"' $(HOST_INCLUDES)

.PHONY: unit unit-build lint lint-format lint-tidy lint-analyzer lint-cppcheck lint-shell lint-layers lint-spec lint-names lint-chart lint-version spec image deploy \
        fuzz fuzz-build fuzz-coverage prove prove-mutations qemu clients soak check check-all distro package recipes bench bench-boot bench-modules bench-scaling bench-budgets coverage format

all: $(APPS)

# gnu-efi's Print and the console protocols take non-const strings, and CopyMem a non-const source in some releases.
$(OUT)/tests/qemu/apps/%.o: WARNINGS += -Wno-write-strings -Wno-discarded-qualifiers

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

$(OUT)/apps/%.efi: EFI_TARGET := efi-app-$(ARCH)
# Drivers, which stay loaded.
$(OUT)/apps/barless.efi $(OUT)/apps/rng.efi: EFI_TARGET := efi-bsdrv-$(ARCH)

all: $(OUT)/apps/rng.rom
$(OUT)/apps/rng.rom: ROM_IDS := 1af4:1045 # a balloon, which carries it
$(OUT)/apps/rng.rom: ROM_CHECKED := 1af4:1045

$(HOST_OUT)/%.o: %.c Makefile tests/tests.mk
	$(if $(Q),@echo "  HOSTCC  $@")
	$(Q)mkdir -p $(@D)
	$(Q)$(HOSTCC) $(HOST_CFLAGS) $(HOST_INCLUDES) -Itests/fake -Itests/unit -c -o $@ $<

$(HOST_OUT)/tests/unit/%: $(HOST_OUT)/tests/unit/%.o $(HOST_OBJS)
	$(if $(Q),@echo "  HOSTLD  $@")
	$(Q)$(HOSTCC) $(SANITIZE) -o $@ $^ $(HOST_LIBS)

$(FUZZ_OUT)/tests/fake/%.o: FUZZ_TRACE :=
$(FUZZ_PARTS): FUZZ_TRACE :=
$(FUZZ_OUT)/%.o: %.c Makefile tests/tests.mk
	$(if $(Q),@echo "  CLANG   $@")
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) $(FUZZ_TRACE) $(INCLUDES) -Itests/fake -Itests/fuzz -c -o $@ $<

$(FUZZ_OUT)/fuzz_%: $(FUZZ_OUT)/tests/fuzz/fuzz_%.o $(FUZZ_OBJS)
	$(if $(Q),@echo "  FUZZLD  $@")
	$(Q)$(CLANG) $(FUZZ_SANITIZE) -fsanitize=fuzzer -o $@ $^ $(HOST_LIBS)

fuzz-build: $(FUZZ_TARGETS)

fuzz: fuzz-build ## fuzz the driver and check-rom.py for TIME=60 seconds per target; FUZZ="rings config" selects targets, SEED=1 repeats a run
	$(Q)SEED=$(SEED) scripts/fuzz.sh $(TIME) $(FUZZ)

fuzz-coverage: ## report the line coverage of src/ by the committed fuzz corpora
	$(Q)$(MAKE) --no-print-directory FUZZ_OUT=build/fuzz-coverage \
	    FUZZ_SANITIZE='-fprofile-instr-generate -fcoverage-mapping' fuzz-build
	$(Q)scripts/fuzz.sh --coverage

prove: ## prove memory safety of the code that a device or the network reaches, with CBMC; PROVE="event_index" selects proofs
	$(Q)scripts/prove.sh $(PROVE)

prove-mutations: ## show that each proof fails when a check is removed from the code, as tests/prove/mutations.txt says
	$(Q)scripts/prove.sh --mutations $(PROVE)

unit-build: $(UNIT_TESTS)

unit: $(UNIT_TESTS) ## run the unit tests on this machine, with ASan and UBSan
	$(Q)failed=; for test in $(UNIT_TESTS); do ./$$test || failed="$$failed $$test"; done; \
	    [ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

lint: lint-format lint-tidy lint-analyzer lint-cppcheck lint-shell lint-layers lint-spec lint-names lint-chart lint-version ## check format, layers, names, documents and versions; run clang-tidy, gcc -fanalyzer, cppcheck and shellcheck

lint-format: # other versions break lines differently
	$(Q)command -v $(CLANG_FORMAT) >/dev/null || { echo "lint-format: left out: no $(CLANG_FORMAT), and other versions break lines differently" && exit; }; \
	    $(CLANG_FORMAT) --dry-run -Werror $(FORMATTED)

lint-tidy: # one process per file: clang-tidy is slow
	$(Q)printf '%s\n' $(SOURCES) | xargs -P $$(nproc) -I FILE $(CLANG_TIDY) --quiet FILE -- $(TIDY_CFLAGS)

# GCC 16 mistakes the end of a void MS ABI function for a use of its value.
lint-analyzer: # with the driver's compiler and flags
	$(Q)printf '%s\n' $(SOURCES) | xargs -P $$(nproc) -I FILE $(CC) $(filter-out -MMD -MP,$(CFLAGS)) $(INCLUDES) \
	    -fanalyzer $$($(CC) -dumpversion | sed -n 's/^16.*/-Wno-analyzer-use-of-uninitialized-value/p') -c -o /dev/null FILE

lint-cppcheck:
	$(Q)cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
	    --error-exitcode=1 --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches \
	    --force -DVIRTIO_NET_VERSION_STRING='""' -D'__has_attribute(name)=0' -Iinclude -Isrc $(SOURCES)

lint-shell:
	$(Q)shellcheck $(SCRIPTS)

lint-layers:
	$(Q)scripts/lint-layers.py

lint-spec:
	$(Q)scripts/spec.py --check

lint-names:
	$(Q)scripts/lint-names.py

lint-chart:
	$(Q)tests/bench/download_chart.py --check

lint-version:
	$(Q)scripts/lint-version.py

image: arches ## test the PE image and the option ROM: sections, fields, size, reproducible build
	$(Q)$(PYTEST) tests/image

deploy: esp dist ## test install.sh, the FAT image, the release archive, the Debian package, workflows and scripts/spec.py
	$(Q)$(PYTEST) tests/deploy

CASES ?= all
# A guest waits for timers a quarter of its time, so three keep two processors busy.
GUESTS ?= 3
qemu: arches esp ## run the whole QEMU matrix; CASES=check: as in `make check`; CASES=few: one case of each file; GUESTS=3 side by side
	$(Q)$(PYTEST) -n $(GUESTS) --cases=$(CASES) tests/qemu

clients: all ## time boot programs over the firmware's driver and this one: build/qemu/clients.md; CLIENTS="ipxe grub-http" selects
	$(Q)scripts/setup.sh --all
	$(Q)tests/qemu/client_times.py $(CLIENTS)

soak: all ## run the full load, for hours, SCALE=0.1 for a tenth of it: build/qemu/soak.log
	$(Q)rm -f build/qemu/soak.log
	$(Q)SCALE=$(or $(SCALE),1) $(PYTEST) tests/qemu/test_soak.py; status=$$?; cat build/qemu/soak.log; exit $$status

check: ## install missing packages, build, run every test; the last line is the result
	@scripts/check.sh

check-all: ## `make check` with the proofs and every case of the QEMU matrix, here and in the other Debian
	@CASES=all scripts/check.sh

distro: ## run the README's two commands in a fresh Debian, SUITE=bookworm, trixie or sid; needs root
	$(Q)tests/distro/run.sh '$(SUITE)'

package: ## build, install, use, upgrade and purge the Debian package in a fresh Debian, SUITE=bookworm, trixie or sid; needs root
	$(Q)tests/distro/package.sh '$(SUITE)'

recipes: ## follow docs/DEPLOY.md's recipes for libvirt and cloud-init in a fresh Debian, SUITE=bookworm, trixie (default) or sid; needs root
	$(Q)tests/distro/recipes.sh '$(or $(SUITE),trixie)'

bench: all ## measure this driver, the firmware's and iPXE's, ROUNDS=5 downloads each: build/bench/table.md, results.json
	$(Q)tests/bench/bench.py

bench-boot: all ## measure downloads over each network stack, also of 512 MiB and with loss, in ROUNDS=3: build/bench/boot.md
	$(Q)tests/bench/bench.py --boot

bench-modules: all ## count the instructions of an HTTP Boot and of TFTP by module of the firmware: build/bench/modules.md
	$(Q)tests/bench/bench.py --modules

FRAMES ?= 10000000
bench-scaling: all ## measure the cost per frame by ring size, by number of NICs, and over FRAMES frames: build/bench/scaling.md
	$(Q)tests/bench/bench.py --scaling $(FRAMES)

bench-budgets: all ## write this driver's exact figures to tests/bench/budgets.json, the limits that make check enforces
	$(Q)tests/bench/bench.py --budgets

coverage: ## report the line coverage of src/ by the unit tests; fails below 90 %
	$(Q)find build/coverage -name '*.gcda' -delete 2>/dev/null || true
	$(Q)$(MAKE) --no-print-directory HOST_OUT=build/coverage SANITIZE=--coverage \
	    UNIT_SOURCES="$(filter-out %/blocks_test.c,$(UNIT_SOURCES))" unit # which is about AddressSanitizer
	$(Q)gcovr --root . --filter src/ --fail-under-line 90 build/coverage

spec: ## write docs/SPEC.md from docs/SPEC.in and the tags in the tests
	$(Q)scripts/spec.py

format: ## rewrite the C files with clang-format
	$(Q)$(CLANG_FORMAT) -i $(FORMATTED)
