# Makefile
#		Builds, installs and checks the extension spark by PGXS.
#
#	make							spark.so and sql/spark--<version>.sql
#	make install					into the server that PG_CONFIG names
#	make installcheck				pg_regress and isolation tests against the server that runs
#	make unit						unit tests of the pure code, with sanitizers, without a server
#	make arrows						the check of who may include and call whom
#	make points						build/points/spark.so, which a test can hold at named points, or break
#	make fuzz						a short run of each fuzz target (clang)
#	make oracle						what ./dev test oracle compares
#
# Files are found by their place: a new src/<context>/*.c, sql/NN_*.sql,
# sql/tables/<context>/*.sql, test/unit/test_*.c, test/sql/*.sql,
# test/isolation/specs/*.spec or test/fuzz/*.c needs no line here.

EXTENSION = spark
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" spark.control)
MODULE_big = spark

PG_CONFIG ?= pg_config
WERROR ?= -Werror

# ---- what belongs to the extension

SOURCES := $(sort $(wildcard src/*.c src/*/*.c src/*/*/*.c))
TABLES := $(sort $(wildcard sql/tables/*/*.sql))
SCRIPTS_IN := $(sort $(wildcard sql/[0-9][0-9]_*.sql))
SCRIPT = sql/$(EXTENSION)--$(EXTVERSION).sql

OBJS = $(SOURCES:src/%.c=build/%.o) build/tables.o
DATA = $(filter-out $(SCRIPT),$(wildcard sql/$(EXTENSION)--*--*.sql))
DATA_built = $(SCRIPT)

# A library is linked where a source includes it.
uses = $(shell grep -lsE '^\#include <$(1)' $(SOURCES) $(wildcard src/*/*.h src/*/*/*.h) /dev/null)
LIBRARIES := $(if $(call uses,secp256k1),-lsecp256k1) $(if $(call uses,sodium),-lsodium) \
	$(if $(call uses,curl/),-lcurl) $(if $(call uses,jansson),-ljansson) \
	$(if $(call uses,openssl/),-lssl -lcrypto)

PG_CPPFLAGS = -Isrc -DSPARK_VERSION=\"$(EXTVERSION)\"
PG_CFLAGS = -std=gnu11 -Wall -Wextra -Wno-declaration-after-statement \
	-Wno-missing-field-initializers $(WERROR)

# Only what the server looks up leaves the library: our names never meet those
# of the server or of another extension.
SHLIB_LINK = $(LIBRARIES) -Wl,--version-script=src/exports.map

EXTRA_CLEAN = build results output_iso tmp_check tmp_check_iso log regression.diffs regression.out

# ---- tests that need a server

REGRESS_FOUND := $(sort $(basename $(notdir $(wildcard test/sql/*.sql))))
REGRESS = $(filter install,$(REGRESS_FOUND)) $(filter-out install,$(REGRESS_FOUND))
REGRESS_OPTS = --inputdir=test
ISOLATION = $(sort $(basename $(notdir $(wildcard test/isolation/specs/*.spec))))
ISOLATION_OPTS = --inputdir=test/isolation

# Bitcode for the JIT compiler doubles the time of a build and helps nothing
# here: only when asked for, by make with_llvm=yes.
ifneq ($(origin with_llvm),command line)
override with_llvm := no
endif

PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq ($(wildcard $(PGXS)),)
$(error PGXS of PostgreSQL not found: run ./dev setup, or set PG_CONFIG)
endif
include $(PGXS)

# Without these two, an empty list would make pg_regress run nothing and fail.
ifeq ($(strip $(REGRESS)),)
undefine REGRESS
endif

build/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	@echo "cc $<"
	@$(CC) $(CFLAGS) $(CPPFLAGS) -MMD -MP -c -o $@ $<

build/%.bc: src/%.c Makefile
	@mkdir -p $(@D)
	$(COMPILE.c.bc) -Isrc -o $@ $<

build/tables.o: build/tables.c src/postgres/tables.h Makefile
	$(CC) $(CFLAGS) $(CPPFLAGS) -c -o $@ $<

build/tables.bc: build/tables.c src/postgres/tables.h
	$(COMPILE.c.bc) -Isrc -o $@ $<

spark.so: src/exports.map

-include $(wildcard $(OBJS:.o=.d))

# Written only when the content differs, so that a file that was taken away
# counts as a change and an unchanged one rebuilds nothing.
replace = if cmp -s $@.$$$$ $@; then rm $@.$$$$; else mv $@.$$$$ $@; echo "wrote $@"; fi

build/tables.c: FORCE
	@mkdir -p $(@D); tools/embed_tables.sh $(TABLES) > $@.$$$$ || { rm $@.$$$$; exit 1; }; $(replace)

$(SCRIPT): FORCE
	@{ printf '%s\n' '\echo Use "CREATE EXTENSION $(EXTENSION)" to load this file. \quit'; \
	   cat /dev/null $(SCRIPTS_IN); } > $@.$$$$ || { rm $@.$$$$; exit 1; }; $(replace)

FORCE:

# ---- pure code: its own compiler flags, no PGXS, no server

SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all
PURE_CFLAGS = -std=c11 -g -O1 -fno-omit-frame-pointer -Wall -Wextra -Wconversion -Wshadow \
	-Wswitch-enum $(WERROR) -Isrc
# Tests are shorter with POSIX and unused state arguments.
TEST_CFLAGS = -std=gnu11 -g -O1 -fno-omit-frame-pointer -Wall -Wextra -Wno-unused-parameter \
	-Wno-missing-field-initializers \
	$(WERROR) -Isrc -Itest/unit

PURE_SOURCES := $(shell tools/check_arrows.pl --list pure)
LIBRARY_SOURCES := $(shell tools/check_arrows.pl --list library)
PURE_OBJS = $(PURE_SOURCES:src/%.c=build/unit/src/%.o)
LIBRARY_OBJS = $(LIBRARY_SOURCES:src/%.c=build/unit/src/%.o)
UNIT_TESTS = $(patsubst test/unit/%.c,build/unit/%,$(sort $(wildcard test/unit/test_*.c)))
UNIT_HELPERS = $(patsubst test/unit/%.c,build/unit/test/%.o, \
	$(filter-out test/unit/test_%,$(wildcard test/unit/*.c)))

build/unit/src/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	@echo "cc $<"
	@$(CC) $(PURE_CFLAGS) $(SANITIZE) -MMD -MP -c -o $@ $<

build/unit/test/%.o: test/unit/%.c Makefile
	@mkdir -p $(@D)
	@echo "cc $<"
	@$(CC) $(TEST_CFLAGS) $(SANITIZE) -MMD -MP -c -o $@ $<

# An archive, so that each test takes what it calls and nothing else.
build/unit/libspark.a: $(PURE_OBJS) $(LIBRARY_OBJS)
	@rm -f $@
	@$(AR) crs $@ $^

$(UNIT_TESTS): build/unit/%: build/unit/test/%.o $(UNIT_HELPERS) build/unit/libspark.a
	@$(CC) $(SANITIZE) -o $@ $< $(UNIT_HELPERS) build/unit/libspark.a $(LIBRARIES) -lcmocka

unit: $(UNIT_TESTS)
	@tools/run_unit.sh $(UNIT_TESTS)

pure-objects: $(PURE_OBJS)

arrows: pure-objects
	@tools/check_arrows.pl

-include $(wildcard build/unit/*/*.d build/unit/*/*/*.d)

# ---- the library with points at which a test can hold it (src/postgres/test_point.h),
# and with broken twins of the batch rule (src/postgres/bus/twin.h)

POINTED := $(shell grep -lwE 'TEST_POINT|COMMIT_POINT|TWIN|SPARK_TEST_POINTS' $(SOURCES))
POINTED_OBJS = $(POINTED:src/%.c=build/points/%.o)

build/points/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	@echo "cc $< with points"
	@$(CC) $(CFLAGS) $(CPPFLAGS) -DSPARK_TEST_POINTS -MMD -MP -c -o $@ $<

build/points/spark.so: $(filter-out $(POINTED:src/%.c=build/%.o),$(OBJS)) $(POINTED_OBJS)
	@$(CC) $(CFLAGS) $^ $(LDFLAGS) $(LDFLAGS_SL) -shared $(SHLIB_LINK) -o $@

# The names of all points, a line each.
build/points/names: $(SOURCES)
	@mkdir -p $(@D)
	@sed -nE 's/.*(TEST|COMMIT)_POINT\("([a-z_]+)"\).*/\2/p' $^ | sort -u > $@

points: build/points/spark.so build/points/names

-include $(wildcard build/points/*/*.d build/points/*/*/*.d)

# ---- fuzzing

FUZZ_CC ?= clang
FUZZ_SECONDS ?= 10
FUZZ_FLAGS = -std=gnu11 -g -O1 -fno-sanitize-recover=all -Isrc -Itest/unit
FUZZERS = $(patsubst test/fuzz/%.c,build/fuzz/%,$(sort $(wildcard test/fuzz/*.c)))
FUZZ_OBJS = $(patsubst src/%.c,build/fuzz/src/%.o,$(PURE_SOURCES) $(LIBRARY_SOURCES))

build/fuzz/src/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	@$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link,address,undefined -MMD -MP -c -o $@ $<

build/fuzz/libspark.a: $(FUZZ_OBJS)
	@rm -f $@
	@$(AR) crs $@ $^

$(FUZZERS): build/fuzz/%: test/fuzz/%.c build/fuzz/libspark.a
	@echo "fuzz cc $<"
	@$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer,address,undefined -o $@ $< build/fuzz/libspark.a $(LIBRARIES)

-include $(wildcard build/fuzz/src/*/*.d)

fuzz: $(FUZZERS)
	@tools/run_fuzz.sh $(FUZZ_SECONDS) $(FUZZERS)

# ---- beside another reader of invoices (test/oracle)

build/oracle/invoices: test/oracle/invoices.c build/unit/libspark.a
	@mkdir -p $(@D)
	@$(CC) $(TEST_CFLAGS) $(SANITIZE) -o $@ $< build/unit/libspark.a $(LIBRARIES)

oracle: build/oracle/invoices

# ---- for ./dev

list-regress:
	@echo $(REGRESS)

list-isolation:
	@echo $(ISOLATION)

.PHONY: FORCE points unit arrows pure-objects fuzz oracle list-regress list-isolation
.DELETE_ON_ERROR:
