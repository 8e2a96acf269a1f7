# make help         lists the targets
# make MODE=asan    picks a build: release (default), debug, asan, tsan, coverage
# make V=1          shows the commands
.DEFAULT_GOAL := build
SHELL         := /bin/sh

MODE   ?= release
PREFIX ?= /usr/local
CC     ?= cc
B      := build/$(MODE)

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wcast-qual \
        -Wformat=2 -Wmissing-prototypes -Wstrict-prototypes -Wold-style-definition \
        -Wpointer-arith -Wundef -Wvla -Wwrite-strings -Wnull-dereference
# err.c and log.c cut messages to fit on purpose; clang does not warn of that.
WARN += $(if $(findstring clang,$(CC)),,-Wno-format-truncation)
# Warnings stop the build for us and in CI, never for someone with a newer compiler.
WERROR ?= 1
WARN   += $(if $(filter 1,$(WERROR)),-Werror)

OPT_release  := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection
OPT_debug    := -O0 -g3 -fstack-protector-strong
OPT_coverage := -O0 -g --coverage
OPT_asan     := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT_tsan     := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
OPT_fuzz     := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
                -fno-sanitize-recover=all -fprofile-instr-generate -fcoverage-mapping

# Where Debian and most others put libpq-fe.h.
PQ_INCLUDE := $(or $(shell pkg-config --cflags-only-I libpq 2>/dev/null),-I/usr/include/postgresql)
CPPFLAGS   += -I. $(patsubst -I%,-isystem %,$(PQ_INCLUDE)) -D_GNU_SOURCE -MMD -MP
CFLAGS   += -std=c17 -pthread -fPIE $(WARN) $(OPT_$(MODE))
LDFLAGS  += -pthread -pie -Wl,--as-needed -Wl,-z,relro,-z,now,-z,noexecstack
LDFLAGS  += $(filter -fsanitize=% --coverage -fprofile-instr-generate,$(OPT_$(MODE)))
Q := $(if $(V),,@)

# services/some_name is the program shapewire-some-name; the libraries it links stand here.
SERVICES                 := $(notdir $(patsubst %/main.c,%,$(wildcard services/*/main.c)))
LIBS_orchestrator        := -lcivetweb -lnng -lmsgpackc
LIBS_connection          := -lpq -lcivetweb -lnng -lmsgpackc
LIBS_shape_log_collector := -lsqlite3 -lpg_query -lprotobuf-c -lm -lcivetweb -lnng -lmsgpackc
LIBS_api                 := -lcivetweb -lnng -lmsgpackc -lz -lzstd
LIBS_shapewire           :=
# Unit tests and benchmarks link all of them; the linker drops what a program does not use.
LIBS_tests               := -lpq -lsqlite3 -lpg_query -lprotobuf-c -lm -lcivetweb -lnng -lmsgpackc -ljansson -lz -lzstd
BIN                      := $(if $(filter release,$(MODE)),build/bin,$(B)/bin)
program                   = $(BIN)/$(if $(filter shapewire,$1),shapewire,shapewire-$(subst _,-,$1))
BINS                     := $(foreach s,$(SERVICES),$(call program,$s))

objects = $(patsubst %.c,$(B)/%.o,$(wildcard $1))
LIB    := $(call objects,common/*.c common/core/*.c proto/*.c)
# What tests link: everything but the mains and the real file system, which
# tests/lib/sys_fault.c stands in for. An archive, so that a test pulls in only what it uses.
TESTED := $(filter-out $(B)/common/sys.o %/main.o,$(LIB) $(call objects,services/*/*.c tests/lib/*.c))
# What benchmarks link: the same with the real file system.
BENCHED := $(filter-out %/main.o,$(LIB) $(call objects,services/*/*.c))
UNIT   := $(patsubst %.c,$(B)/bin/%,$(notdir $(wildcard tests/unit/test_*.c tests/sim/test_*.c)))
BENCH  := $(patsubst tests/bench/%.c,$(B)/bin/%,$(wildcard tests/bench/bench_*.c))
PROBES := $(patsubst tests/probe/%.c,$(B)/bin/%,$(wildcard tests/probe/*_probe.c))
FUZZ   := $(patsubst tests/fuzz/%.c,build/fuzz/bin/%,$(wildcard tests/fuzz/fuzz_*.c))
SRC    := $(wildcard $(addsuffix /*.[ch],common common/core proto services/* tests/*))

PG ?=
.PHONY: help build run test oracle faults docs-check coverage check unit asan tsan asan-all tsan-all bench fuzz lint tidy format format-check install clean
help: ## this list
	@grep -hE '^[a-z0-9 -]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t20

build: $(BINS) $(PROBES) ## every service; the default

run: ## install what is missing, build, run the engine (DATABASE_URL, or a Postgres of its own)
	tools/install-deps build $(if $(DATABASE_URL),,run)
	$(MAKE) -j$$(nproc) build
	tools/run-dev

test: ## install what is missing, then every test against a real Postgres (PG=14|16|17|18: from npm)
	tools/install-deps build test
	$(MAKE) -j$$(nproc) build $(UNIT)
	PG=$(PG) SHAPEWIRE_BIN=$(BIN) tools/run-tests $(UNIT)

faults: ## ten minutes of random faults under load (SHAPEWIRE_SEED, SHAPEWIRE_FAULT_SECONDS)
	tools/install-deps build test
	$(MAKE) -j$$(nproc) build
	SHAPEWIRE_FAULT_SECONDS=$${SHAPEWIRE_FAULT_SECONDS:-600} \
	    /usr/bin/python3 -m pytest -q -s tests/faults/test_random.py

unit: $(UNIT) ## unit tests and simulations, under 30 seconds
	@tests/run $(UNIT)

asan: ## the unit tests under AddressSanitizer and UBSan
	$(MAKE) MODE=asan unit

tsan: ## the unit tests under ThreadSanitizer
	$(MAKE) MODE=tsan unit

asan-all tsan-all: ## every test under it: what test does, a quarter of an hour and more
	$(MAKE) MODE=$(@:-all=) test

ORACLE_PAIRS ?= 1000000
oracle: ## where clauses against Postgres: ORACLE_PAIRS (expression, row) pairs, every operator at least 200
	tools/install-deps build test
	$(MAKE) -j$$(nproc) build
	cd tests && SHAPEWIRE_ORACLE_PAIRS=$(ORACLE_PAIRS) \
	    /usr/bin/python3 -m pytest -q -s integration/test_where_oracle.py

bench: ## figures of the whole engine, each beside a limit measured in the same run
	tools/install-deps build test bench
	$(MAKE) -j$$(nproc) build $(BENCH)
	/usr/bin/python3 tests/bench/run.py

FUZZ_SECONDS ?= 20
fuzz: ## each fuzzer from nothing for FUZZ_SECONDS: no crash, 80 % of its module's lines
	tools/install-deps build lint
	$(MAKE) CC="$(if $(findstring clang,$(CC)),$(CC),clang)" MODE=fuzz $(FUZZ)
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tools/fuzz-coverage $(FUZZ)

check: lint docs-check test asan tsan fuzz ## what one runs before handing in

docs-check: $(B)/bin/test_config $(B)/bin/test_where_docs ## settings, messages and metrics of docs/ are those of the code
	tools/docs-check
	$(B)/bin/test_config
	$(B)/bin/test_where_docs

coverage: ## lines of each file that the unit tests reach
	$(MAKE) MODE=coverage unit
	tools/coverage build/coverage

# Where cppcheck 2.10 errs: compound literals after ?, a sizeof that is meant, an empty buffer, numbers
# like 0x1p63.
CPPCHECK_WRONG := $(addprefix --suppress=,internalAstError pointerSize \
    nullPointerArithmeticRedundantCheck incorrectLogicOperator)
lint: tidy format-check ## style rules, format, cppcheck, clang-tidy
	@cppcheck --quiet --error-exitcode=1 --enable=warning,portability --inline-suppr -I. \
	    $(CPPCHECK_WRONG) common proto services
	@printf '%s\n' $(filter %.c,$(SRC)) | xargs -P$$(nproc) -I{} \
	    clang-tidy --quiet {} -- -std=c17 -I. $(PQ_INCLUDE) -D_GNU_SOURCE

tidy: ## the rules of docs/style.md that a script can check
	@tools/tidy $(SRC)

format: ## rewrite every file to .clang-format
	@clang-format -i $(SRC)

format-check: ## fail when `make format` would change anything
	@clang-format --dry-run --Werror $(SRC)

install: build ## into $(DESTDIR)$(PREFIX)/bin
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(BINS) $(DESTDIR)$(PREFIX)/bin

clean: ## remove build/
	rm -rf build

$(B)/libshapewire.a: $(LIB)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(B)/libtested.a: $(TESTED)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(B)/bin/test_%: $(B)/tests/unit/test_%.o $(B)/libtested.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS_tests)

$(B)/bin/test_sim_%: $(B)/tests/sim/test_sim_%.o $(B)/libtested.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS_tests)

$(B)/libbenched.a: $(BENCHED)
	@rm -f $@
	$(AR) rcs $@ $^

$(B)/bin/bench_%: $(B)/tests/bench/bench_%.o $(B)/libbenched.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_tests)

# Programs that let outside tests ask one module: built with the services.
$(B)/bin/%_probe: $(B)/tests/probe/%_probe.o $(B)/libshapewire.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_tests)

# Each service is its own objects, then everything below it.
define service
$(call program,$1): $(call objects,services/$1/*.c) $(B)/libshapewire.a
	@mkdir -p $$(@D)
	@echo "  LD $$@"
	$(Q)$(CC) $(LDFLAGS) -o $$@ $$^ $(LIBS_$1)
endef
$(foreach s,$(SERVICES),$(eval $(call service,$s)))

$(B)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

build/fuzz/bin/fuzz_%: build/fuzz/tests/fuzz/fuzz_%.o build/fuzz/libtested.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS_tests)

.SECONDARY:
-include $(shell find $(B) -name "*.d" 2>/dev/null)
