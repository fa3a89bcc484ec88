# covet: two loadable modules from one PGXS Makefile.
#
#   make                  build covet.so and covet_mongo.so
#   make install          install both, the control file and the SQL script
#   make installcheck     run the tests against what is installed, in an
#                         instance of their own (not as root)
#   make layers           check the includes between the rooms of src/
#   make headers          check that each header compiles alone
#   make demo, make test  from a bare machine to a result: see README.md
#   make bench            the same for the figures of docs/benchmarks.md
#
# WITH_MONGO=no builds a covet_mongo.so without the MongoDB driver.

# These run on a machine without pg_config and compiler, which they install
# before they call make again: nothing below may be asked for their sake.
bare := demo test bench layers

ifeq ($(filter-out $(bare),$(or $(MAKECMDGOALS),all)),)

demo:
	@PG_CONFIG='$(PG_CONFIG)' KEEP='$(KEEP)' bash test/demo.sh

test:
	@PG_CONFIG='$(PG_CONFIG)' bash test/run_all.sh

bench:
	@PG_CONFIG='$(PG_CONFIG)' BENCH='$(BENCH)' QUICK='$(QUICK)' bash bench/run.sh

layers:
	@bash test/check_layers.sh

.PHONY: $(bare)

else

EXTENSION = covet
MODULE_big = covet

# In layer order: a file includes only what stands above it.
OBJS = \
	src/base/args.o \
	src/base/clock.o \
	src/base/digest.o \
	src/base/guc.o \
	src/base/json_merge.o \
	src/base/registry.o \
	src/base/shmem.o \
	src/base/version.o \
	src/codec/codec.o \
	src/codec/codec_raw.o \
	src/codec/codec_zstd.o \
	src/codec/frame.o \
	src/codec/value.o \
	src/codec/integer.o \
	src/hot/hot_memory.o \
	src/hot/hot_home.o \
	src/hot/hot_stamp.o \
	src/hot/hot_entry.o \
	src/hot/hot_evict.o \
	src/hot/hot_table.o \
	src/hot/hot_change.o \
	src/hot/hot_touch.o \
	src/hot/hot_prefetch.o \
	src/hot/hot_walk.o \
	src/hot/hot_lease.o \
	src/hot/hot_pending.o \
	src/hot/hot_publish.o \
	src/hot/hot_rate.o \
	src/hot/hot_limit.o \
	src/hot/hot_dump.o \
	src/store/store_table.o \
	src/store/store_plan.o \
	src/store/store_lock.o \
	src/store/store_namespace.o \
	src/store/store_cache_read.o \
	src/store/store_cache_write.o \
	src/store/store_cache_lease.o \
	src/store/store_memory_read.o \
	src/store/store_memory_write.o \
	src/store/store_cache.o \
	src/store/store_session_hot.o \
	src/store/store_session_row.o \
	src/store/store_session_read.o \
	src/store/store_session_write.o \
	src/store/store_session_end.o \
	src/store/store_token.o \
	src/store/store_sweep.o \
	src/store/store_quota.o \
	src/store/store_touch.o \
	src/store/store_trigger.o \
	src/store/store_warm.o \
	src/worker/sweep.o \
	src/worker/warm.o \
	src/worker/tick.o \
	src/worker/launcher.o \
	src/worker/worker_stat.o \
	src/stat.o \
	src/cache.o \
	src/lock.o \
	src/session.o \
	src/token.o \
	src/covet.o

ifeq ($(WITH_MONGO),no)
MONGO_OBJS = \
	src/mongo/mongo_absent.o
else
MONGO_OBJS = \
	src/bson/bson_date.o \
	src/bson/bson_extended.o \
	src/bson/bson_in.o \
	src/bson/bson_own.o \
	src/bson/bson_sink.o \
	src/bson/bson_out.o \
	src/bson/bson_plain.o \
	src/bson/bson_sql.o \
	src/mongo/mongo.o \
	src/mongo/net.o \
	src/mongo/address.o \
	src/mongo/stream.o \
	src/mongo/option.o \
	src/mongo/uri.o \
	src/mongo/error.o \
	src/mongo/connection.o \
	src/mongo/cursor.o \
	src/mongo/call.o \
	src/mongo/call_option.o \
	src/mongo/find.o \
	src/mongo/functions.o
endif

DATA = $(wildcard sql/$(EXTENSION)--*.sql)

PKG_CONFIG ?= pkg-config
PG_CONFIG ?= pg_config

# require(module, Debian package): stop with a name one can install
require = $(if $(shell $(PKG_CONFIG) --exists $(1) && echo yes),,$(error \
	covet needs $(1): install the package $(2) (pkg-config does not know $(1))))

# Removing things and running tests need neither library.
building := $(filter-out clean distclean uninstall installcheck $(bare),$(or $(MAKECMDGOALS),all))
ifneq ($(building),)
$(call require,libzstd,libzstd-dev)
ZSTD_CFLAGS := $(shell $(PKG_CONFIG) --cflags libzstd)
ZSTD_LIBS := $(shell $(PKG_CONFIG) --libs libzstd)

# The driver is libmongoc-1.0 (1.x) or mongoc2 (2.x).
ifneq ($(WITH_MONGO),no)
MONGOC := $(firstword $(foreach m,libmongoc-1.0 mongoc2,$(shell $(PKG_CONFIG) --exists $(m) && echo $(m))))
ifeq ($(MONGOC),)
$(error covet needs the MongoDB C driver: install the package libmongoc-dev (pkg-config knows neither libmongoc-1.0 nor mongoc2), or build with WITH_MONGO=no)
endif
# As headers of the system, for they do not pass PostgreSQL's own warnings.
MONGO_CFLAGS := $(patsubst -I%,-isystem%,$(shell $(PKG_CONFIG) --cflags $(MONGOC)))
MONGO_LIBS := $(shell $(PKG_CONFIG) --libs $(MONGOC))
endif
endif

COVET_VERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" covet.control)

# PostgreSQL's own headers do not pass -Wextra, and its callbacks have fixed
# signatures: -isystem and -Wno-unused-parameter leave -Werror to our code.
PG_CPPFLAGS = -isystem $(shell $(PG_CONFIG) --includedir-server) -I$(CURDIR)/src -DCOVET_VERSION='"$(COVET_VERSION)"' $(ZSTD_CFLAGS)
PG_CFLAGS = $(COVET_CFLAGS) -Wno-unused-parameter
SHLIB_LINK = $(ZSTD_LIBS)

EXTRA_CLEAN = covet_mongo.so $(MONGO_OBJS) $(wildcard src/mongo/*.o src/bson/*.o)

# Nothing here is worth inlining into a JIT-compiled expression, and bitcode
# would need clang on every machine that builds.
override with_llvm := no

# installcheck starts its own instance, because covet must be preloaded. With
# TEST_SERVER= it uses the running server that the environment names.
TEST_SERVER = --temp-instance=tmp_check --temp-config=test/covet.conf
REGRESS := $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test --encoding=UTF8 --no-locale --load-extension=covet $(TEST_SERVER)
ISOLATION := $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --outputdir=. --load-extension=covet $(TEST_SERVER)
EXTRA_CLEAN += tmp_check results regression.diffs regression.out log

TAP_FILES := $(sort $(wildcard test/t/*.pl))
ifneq ($(filter installcheck,$(MAKECMDGOALS)),)
ifneq ($(TAP_FILES),)
ifeq ($(shell perl -MIPC::Run -e 'print 1' 2>/dev/null),1)
TAP_TESTS = 1
PROVE_TESTS = $(TAP_FILES)
PROVE_FLAGS += -I test/t
# The MongoDB server that test/install_mongo_server.sh has fetched
COVET_MONGO_SERVER ?= $(lastword $(sort $(wildcard $(CURDIR)/tmp/mongo-server-*/secantusdb.scripts/secantusd-rs)))
export COVET_MONGO_SERVER
else
$(info The TAP tests are skipped: install libipc-run-perl, they need the Perl module IPC::Run)
endif
endif
endif

PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq ($(wildcard $(PGXS)),)
$(error covet needs pg_config and PGXS: install postgresql-server-dev-NN, or set PG_CONFIG=/path/to/pg_config)
endif
include $(PGXS)

# PGXS does not track headers.
$(OBJS) $(MONGO_OBJS): $(wildcard src/*.h src/*/*.h) Makefile

$(MONGO_OBJS): override CPPFLAGS += $(MONGO_CFLAGS)

all: covet_mongo.so

covet_mongo.so: $(MONGO_OBJS)
	$(LINK.shared) -o $@ $(MONGO_OBJS) $(LDFLAGS) $(LDFLAGS_SL) $(MONGO_LIBS)

install: install-mongo
install-mongo: covet_mongo.so
	$(MKDIR_P) '$(DESTDIR)$(pkglibdir)'
	$(INSTALL_SHLIB) covet_mongo.so '$(DESTDIR)$(pkglibdir)/covet_mongo.so'

uninstall: uninstall-mongo
uninstall-mongo:
	rm -f '$(DESTDIR)$(pkglibdir)/covet_mongo.so'

# Each header must compile alone, after postgres.h.
headers:
	@for h in $(filter-out $(if $(filter no,$(WITH_MONGO)),src/bson/%.h src/mongo/%.h),$(sort $(wildcard src/*.h src/*/*.h))); do \
		$(CC) $(CPPFLAGS) $(MONGO_CFLAGS) $(CFLAGS) -fsyntax-only -include postgres.h -x c $$h || exit 1; \
	done

.PHONY: headers install-mongo uninstall-mongo

endif
