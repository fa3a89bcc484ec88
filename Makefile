# covet: two loadable modules from one PGXS Makefile.
#
#   make                  build covet.so and covet_mongo.so
#   make install          install both, the control file and the SQL script
#   make installcheck     run the tests against what is installed, in an
#                         instance of their own (not as root)
#   make demo, make test  from a bare machine to a result: see README.md
#
# WITH_MONGO=no builds a covet_mongo.so without the MongoDB driver.

EXTENSION = covet
MODULE_big = covet

# In layer order: a file includes only what stands above it.
OBJS = \
	src/base/args.o \
	src/base/clock.o \
	src/base/guc.o \
	src/base/shmem.o \
	src/base/version.o \
	src/codec/codec.o \
	src/codec/codec_raw.o \
	src/codec/codec_zstd.o \
	src/codec/frame.o \
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

building := $(filter-out clean distclean uninstall demo test layers,$(or $(MAKECMDGOALS),all))
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
MONGO_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(MONGOC))
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

PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq ($(PGXS),)
ifneq ($(building),)
$(error covet needs pg_config: install postgresql-server-dev-NN or set PG_CONFIG)
endif
else
include $(PGXS)
endif

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

.PHONY: install-mongo uninstall-mongo
