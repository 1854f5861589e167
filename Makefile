# SPDX-License-Identifier: Apache-2.0
# One Makefile for all rooms. `make help` lists the targets.
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
CC      ?= gcc
O       ?= build
VERSION := $(shell sed -n 's/^\#\# \([0-9][0-9.]*\).*/\1/p' CHANGELOG.md | head -n 1)
Q        = $(if $(V),,@)

WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
CFLAGS  ?= -O2 -g
BASE    := -std=gnu11 $(WARN) -I. -D_GNU_SOURCE -DDPROF_VERSION='"$(VERSION)"' -MMD -MP
SAN     ?=
ifneq ($(SAN),)
O        := build/$(SAN)
BASE     += -fsanitize=$(SAN) -fno-omit-frame-pointer -DDPROF_SANITIZED
LDFLAGS  += -fsanitize=$(SAN)
endif

# The library: zstd is linked in and hidden, so that the program's own copy is undisturbed.
LIB_FLAGS := -fPIC -fvisibility=hidden -fexceptions -ftls-model=initial-exec -U_FORTIFY_SOURCE
LIB_LIBS  := -Wl,--exclude-libs,ALL -Wl,-Bstatic -lzstd -Wl,-Bdynamic -Wl,-z,now $(if $(SAN),,-Wl,-z,defs)
ANA_LIBS  := $(shell pkg-config --libs libzstd) -lm -lpthread

COMMON  := $(wildcard common/*.c)
MAINS   := preload/salvage_main.c preload/ctl_main.c preload/ctl.c analyzer/main.c
PRELOAD := $(filter-out $(MAINS),$(wildcard preload/*.c preload/*.S))
ANALYZE := $(filter-out $(MAINS),$(wildcard analyzer/*.c analyzer/*/*.c))
UNITS   := $(patsubst tests/unit/%.c,$(O)/unit/%,$(wildcard tests/unit/*_test.c))
TOOLS   := $(patsubst tests/tools/%.c,$(O)/tools/%,$(wildcard tests/tools/*.c))
obj      = $(patsubst %,$(O)/obj/%.o,$(basename $(1)))
pic      = $(patsubst %,$(O)/pic/%.o,$(basename $(1)))

all: $(O)/libdprof.so $(O)/dprof $(O)/dprof-analyze $(O)/dprof-salvage $(O)/dprof-doctor $(O)/dprof-record $(O)/dprof-ctl ## build the library and the analyzer

$(O)/obj/%.o: %.c ; $(Q)mkdir -p $(@D) && $(CC) $(BASE) $(CFLAGS) -c $< -o $@
$(O)/pic/%.o: %.c ; $(Q)mkdir -p $(@D) && $(CC) $(BASE) $(LIB_FLAGS) $(CFLAGS) -c $< -o $@
$(O)/pic/%.o: %.S ; $(Q)mkdir -p $(@D) && $(CC) $(BASE) $(LIB_FLAGS) -c $< -o $@

$(O)/libdprof.so: $(call pic,$(COMMON) $(PRELOAD))
	$(Q)$(CC) -shared $(LDFLAGS) $^ -o $@ $(LIB_LIBS)
$(O)/dprof-salvage: $(call pic,$(COMMON) $(PRELOAD) preload/salvage_main.c)
	$(Q)$(CC) $(LDFLAGS) $^ -o $@ $(LIB_LIBS)
# They stand outside of the traced program: of the library they have the settings and the formats only.
OUTSIDE := common/window.c preload/config.c preload/say.c preload/text.c
OUTSIDE += $(filter-out %_main.c,$(wildcard preload/outside/*.c))
$(O)/dprof: $(call obj,preload/outside/dprof_main) ; $(Q)$(CC) $(LDFLAGS) $^ -o $@
$(O)/dprof-doctor $(O)/dprof-record: $(O)/dprof-%: $(call obj,$(OUTSIDE)) $(O)/obj/preload/outside/%_main.o ; $(Q)$(CC) $(LDFLAGS) $^ -o $@
$(O)/dprof-ctl: $(call obj,$(COMMON) preload/ctl.c preload/ctl_main.c) ; $(Q)$(CC) $(LDFLAGS) $^ -o $@ $(ANA_LIBS)
$(O)/dprof-analyze: $(call obj,$(COMMON) $(ANALYZE) analyzer/main.c)
	$(Q)$(CC) $(LDFLAGS) $^ -o $@ $(ANA_LIBS)
$(O)/preload.a: $(call pic,$(COMMON) $(PRELOAD)) ; $(Q)rm -f $@ && $(AR) rcs $@ $^
$(O)/analyzer.a: $(call obj,$(COMMON) $(ANALYZE)) ; $(Q)rm -f $@ && $(AR) rcs $@ $^

# A unit test links the room it mirrors: preload tests are named preload_*_test.c.
$(O)/unit/preload_%_test: tests/unit/preload_%_test.c $(O)/preload.a
	$(Q)mkdir -p $(@D) && $(CC) $(BASE) $(CFLAGS) $(LDFLAGS) $< -o $@ $(O)/preload.a -lcmocka -lpthread -Wl,-Bstatic -lzstd -Wl,-Bdynamic
$(O)/unit/secret_%_test: tests/unit/secret_%_test.c $(O)/preload.a $(O)/analyzer.a # what one masks the other reads
	$(Q)mkdir -p $(@D) && $(CC) $(BASE) $(CFLAGS) $(LDFLAGS) $< -o $@ $(O)/analyzer.a $(O)/preload.a -lcmocka $(ANA_LIBS)
$(O)/unit/%_test: tests/unit/%_test.c $(O)/analyzer.a
	$(Q)mkdir -p $(@D) && $(CC) $(BASE) $(CFLAGS) $(LDFLAGS) $< -o $@ $(O)/analyzer.a -lcmocka $(ANA_LIBS)
$(O)/tools/%: tests/tools/%.c $(O)/analyzer.a
	$(Q)mkdir -p $(@D) && $(CC) $(BASE) $(CFLAGS) $(LDFLAGS) $< -o $@ $(O)/analyzer.a $(ANA_LIBS)

$(O)/fuzz/secret_fuzz: tests/fuzz/secret_fuzz.c $(call pic,$(wildcard preload/secret*.c))
	$(Q)mkdir -p $(@D) && $(CC) $(BASE) $(CFLAGS) -DFUZZ_MAIN $(LDFLAGS) $(filter %.c %.o,$^) -o $@
$(O)/fuzz/%: tests/fuzz/%.c $(O)/analyzer.a
	$(Q)mkdir -p $(@D) && $(CC) $(BASE) $(CFLAGS) -DFUZZ_MAIN $(LDFLAGS) $< -o $@ $(O)/analyzer.a $(ANA_LIBS)

$(O)/fuzz/elf_fuzz: tests/fuzz/elf_fuzz.c $(call obj,preload/outside/elf preload/outside/script)
	$(Q)mkdir -p $(@D) && $(CC) $(BASE) $(CFLAGS) -DFUZZ_MAIN $(LDFLAGS) $(filter %.c %.o,$^) -o $@
fuzzers: $(O)/fuzz/load_fuzz $(O)/fuzz/proto_fuzz $(O)/fuzz/elf_fuzz $(O)/fuzz/secret_fuzz
sanitized: ## library, analyzer and fuzzers under ASan and UBSan, the library under TSan
	$(Q)$(MAKE) SAN=address,undefined build/address,undefined/dprof-analyze build/address,undefined/libdprof.so fuzzers
	$(Q)$(MAKE) SAN=thread build/thread/libdprof.so
unit: $(UNITS) $(TOOLS) ## build the unit tests and test tools
test: all unit sanitized ## run every test (scripts/test also installs what they need)
	$(Q)tests/run
golden: all unit ## rewrite the expected output of tests/golden; read the diff
	$(Q)tests/run --rewrite golden
$(O)/bench/%: tests/bench/%.c
	$(Q)mkdir -p $(@D) && $(CC) $(BASE) $(CFLAGS) $< -o $@ -lpthread

bench: all $(O)/bench/call_cost $(O)/tools/traffic ## measure: cost per call, servers bare and traced, bytes per record, analyzer speed
	$(Q)tests/bench/run
check-style: ## clang-format over the C sources
	$(Q)clang-format --dry-run -Werror $$(git ls-files '*.c' '*.h')
install: all ## DESTDIR=, PREFIX=/usr/local, LIBDIR=
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(LIBDIR)/dprof $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 755 $(O)/dprof $(O)/dprof-analyze $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $(O)/libdprof.so $(O)/dprof-salvage $(O)/dprof-doctor $(O)/dprof-record $(O)/dprof-ctl $(DESTDIR)$(LIBDIR)/dprof/
	install -m 644 preload/dprof.1 analyzer/dprof-analyze.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -d $(DESTDIR)$(PREFIX)/share/doc/dprof/recipes
	install -m 644 scripts/recipes/* $(DESTDIR)$(PREFIX)/share/doc/dprof/recipes/
clean: ## remove build/
	$(Q)rm -rf build
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1	\2/p' Makefile | expand -t 14

.PHONY: all fuzzers sanitized unit test golden bench check-style install clean help
-include $(shell find $(O) -name '*.d' 2>/dev/null)
