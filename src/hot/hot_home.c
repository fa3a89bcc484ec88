/*
 * hot_home.c
 *		Spaces, homes and the hash of keys.
 *
 * A space is one installation of the extension, a home one namespace of one
 * store of a space.  Both are small numbers that entries carry in place of
 * names, given out in the order of first use and never again before the next
 * start: after DROP EXTENSION and CREATE EXTENSION nothing old is found.
 *
 * Memory: one segment with an array of spaces, an array of homes and an index
 * of homes, which is open addressing over words of 32 bits: the id of a home
 * in the lower half, bits of its hash in the upper one.  Space 0 stands for
 * all who have none, because the extension is not there or the array is full:
 * no entry belongs to it, but its epochs move like those of any other.
 *
 * Locks: spaces and homes are added under one LWLock, which is never held while
 * another lock is taken.  Homes are found without it: a home is filled before
 * a word of the index names it, and neither changes afterwards.
 *
 * The hash of keys is SipHash-1-3 with a key drawn at each start: keys come
 * from outside, and nobody shall be able to make many of them fall into one
 * bucket.
 */
#include "postgres.h"

#include <unistd.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/lwlock.h"
#include "utils/inval.h"
#include "utils/syscache.h"

#include "base/shmem.h"
#include "hot/hot_shared.h"

#define TRANCHE		"CovetHotHome"
#define INDEX_SIZE	(2 * HOT_HOMES)	/* words; a power of two */

StaticAssertDecl(HOT_HOMES < PG_UINT16_MAX, "ids of homes have 16 bits");
StaticAssertDecl(COVET_NAMESPACE_MAX <= PG_UINT8_MAX, "the length of a name has 8 bits");

typedef struct HotSpace
{
	Oid			database;
	Oid			schema;
	pg_atomic_uint32 epochs[NUM_HOT_STORES];
	pg_atomic_uint64 settings;
} HotSpace;

typedef struct HomeShared
{
	LWLock	   *lock;
	uint64		seed[2];		/* of the hash */
	bool		recovery;		/* stamps and epochs must move once it is over */
	bool		warned;			/* that an array is full */
	int			nspaces;		/* given out, 1 to nspaces */
	pg_atomic_uint32 nhomes;
	HotSpace	spaces[1 + HOT_SPACES];
	pg_atomic_uint32 index[INDEX_SIZE];
	HotHome		homes[HOT_HOMES];
} HomeShared;

static HomeShared *shared = NULL;

/* The space of this backend, as it was at that count of invalidations. */
static uint64 invalidations = 1;
static uint64 looked_up_at = 0;
static Oid	my_schema = InvalidOid;
static uint16 my_space = 0;

/* The home found last in each store; they belong to my_space. */
static HotHome *last_home[NUM_HOT_STORES];

/* This backend has seen that recovery is over and stamps have moved. */
static bool recovery_over = false;

static Size
shared_size(void)
{
	return sizeof(HomeShared);
}

static void
init_shared(void *segment)
{
	HomeShared *new = segment;

	memset(new, 0, sizeof(*new));
	new->lock = &GetNamedLWLockTranche(TRANCHE)->lock;
	if (!pg_strong_random(new->seed, sizeof(new->seed)))
		ereport(FATAL,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not get random numbers for the hash of covet's keys")));

	/* Sessions are let in during recovery only if one of these files stands. */
	new->recovery = access(STANDBY_SIGNAL_FILE, F_OK) == 0 ||
		access(RECOVERY_SIGNAL_FILE, F_OK) == 0;

	pg_atomic_init_u32(&new->nhomes, 0);
	for (int i = 0; i <= HOT_SPACES; i++)
	{
		for (int store = 0; store < NUM_HOT_STORES; store++)
			pg_atomic_init_u32(&new->spaces[i].epochs[store], 0);
		pg_atomic_init_u64(&new->spaces[i].settings, 0);
	}
	for (int i = 0; i < INDEX_SIZE; i++)
		pg_atomic_init_u32(&new->index[i], 0);
	for (int i = 0; i < HOT_HOMES; i++)
	{
		pg_atomic_init_u32(&new->homes[i].entries, 0);
		pg_atomic_init_u64(&new->homes[i].bytes, 0);
	}
}

static ShmemRoom room = {
	.name = "CovetHotHome",
	.size = shared_size,
	.init = init_shared,
	.segment = (void **) &shared,
	.tranche = TRANCHE,
	.locks = 1,
};

/*
 * Register spaces, homes and stamps; while preloading only.
 */
void
covet_hot_home_init(void)
{
	covet_shmem_register(&room);
	covet_stamp_init();
}

/* Say once that something is full: there is only one remedy. */
static void
warn_full(const char *what)
{
	ereport(LOG,
			(errmsg("covet has no room for another %s in memory", what),
			 errdetail("Until the next start tables are read in its place, and memory namespaces refuse writes.")));
}

/* ------------------------------------------------------------------------
 * Spaces
 * ------------------------------------------------------------------------ */

/*
 * The space of an installation, made if there is none; 0 when there is no
 * room.
 */
uint16
covet_hot_space_of(Oid database, Oid schema)
{
	uint16		found = 0;
	bool		warn = false;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 1; i <= shared->nspaces && found == 0; i++)
		if (shared->spaces[i].database == database && shared->spaces[i].schema == schema)
			found = (uint16) i;
	if (found == 0 && shared->nspaces < HOT_SPACES)
	{
		found = (uint16) ++shared->nspaces;
		shared->spaces[found].database = database;
		shared->spaces[found].schema = schema;
	}
	else if (found == 0)
	{
		warn = !shared->warned;
		shared->warned = true;
	}
	LWLockRelease(shared->lock);

	if (warn)
		warn_full("installation of the extension");
	return found;
}

/*
 * The installation a space was made for.
 */
void
covet_hot_space_oids(uint16 space, Oid *database, Oid *schema)
{
	*database = shared->spaces[space].database;
	*schema = shared->spaces[space].schema;
}

static void
schema_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	invalidations++;
}

/*
 * Look the schema of this database up, if it may have changed.  Outside a
 * transaction (a COMMIT callback, a worker without database) what was found
 * last stays.
 */
static void
look_up_space(void)
{
	static bool registered = false;
	uint64		now = invalidations;
	Oid			schema;

	if (!OidIsValid(MyDatabaseId) || !IsTransactionState())
		return;
	if (!registered)
	{
		CacheRegisterSyscacheCallback(NAMESPACENAME, schema_callback, (Datum) 0);
		registered = true;
	}

	schema = get_namespace_oid("covet", true);
	if (schema != my_schema)
	{
		memset(last_home, 0, sizeof(last_home));
		my_space = OidIsValid(schema) ? covet_hot_space_of(MyDatabaseId, schema) : 0;
		my_schema = schema;
	}
	looked_up_at = now;
}

/*
 * The space of the extension in this database; 0 when it is not installed or
 * there was no room.  May look into the catalog, but not where that is
 * forbidden: see above.
 */
uint16
covet_hot_space(void)
{
	if (unlikely(looked_up_at != invalidations) && shared != NULL)
		look_up_space();
	return my_space;
}

/*
 * The oid of schema "covet" of this database, or InvalidOid.
 */
Oid
covet_hot_schema(void)
{
	(void) covet_hot_space();
	return my_schema;
}

/* Is recovery over?  The first to see it moves all stamps and epochs. */
static bool
leave_recovery(void)
{
	if (RecoveryInProgress())
		return false;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	if (shared->recovery)
	{
		covet_stamp_move_all();
		for (int i = 0; i <= HOT_SPACES; i++)
		{
			for (int store = 0; store < NUM_HOT_STORES; store++)
				covet_hot_epoch_move(i, store);
			covet_hot_settings_move(i);
		}
		shared->recovery = false;
	}
	LWLockRelease(shared->lock);
	recovery_over = true;
	return true;
}

/*
 * May this backend use the tier?  Not without preloading, where the extension
 * is not installed or has no space, nor during recovery.
 */
bool
covet_hot_available(void)
{
	return covet_hot_space() != 0 && (likely(recovery_over) || leave_recovery());
}

/*
 * The number that hot copies of a store carry; they are dead once it has
 * moved.
 */
uint32
covet_hot_epoch(uint16 space, HotStore store)
{
	return pg_atomic_read_u32(&shared->spaces[space].epochs[store]);
}

/*
 * Make all hot copies of a store dead.
 */
void
covet_hot_epoch_move(uint16 space, HotStore store)
{
	pg_atomic_fetch_add_u32(&shared->spaces[space].epochs[store], 1);
}

/*
 * The number that settings of namespaces are cached with, read before them.
 */
uint64
covet_hot_settings_epoch(uint16 space)
{
	return pg_atomic_read_u64(&shared->spaces[space].settings);
}

/*
 * Make every backend read the settings of its namespaces again.
 */
void
covet_hot_settings_move(uint16 space)
{
	pg_atomic_fetch_add_u64(&shared->spaces[space].settings, 1);
}

/* ------------------------------------------------------------------------
 * The hash
 * ------------------------------------------------------------------------ */

static inline void
sip_round(uint64 v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = (v[1] << 13 | v[1] >> 51) ^ v[0];
	v[3] = (v[3] << 16 | v[3] >> 48) ^ v[2];
	v[0] = v[0] << 32 | v[0] >> 32;
	v[2] += v[1];
	v[0] += v[3];
	v[1] = (v[1] << 17 | v[1] >> 47) ^ v[2];
	v[3] = (v[3] << 21 | v[3] >> 43) ^ v[0];
	v[2] = v[2] << 32 | v[2] >> 32;
}

static inline void
sip_word(uint64 v[4], uint64 word)
{
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
}

/* SipHash-1-3 of "prefix" and then the bytes. */
static uint64
sip_hash(uint64 prefix, const char *bytes, Size size)
{
	uint64		v[4] = {
		shared->seed[0] ^ UINT64CONST(0x736f6d6570736575),
		shared->seed[1] ^ UINT64CONST(0x646f72616e646f6d),
		shared->seed[0] ^ UINT64CONST(0x6c7967656e657261),
		shared->seed[1] ^ UINT64CONST(0x7465646279746573)
	};
	const char *end = bytes + (size & ~(Size) 7);
	uint64		last = (uint64) size << 56;
	uint64		word;

	sip_word(v, prefix);
	for (; bytes < end; bytes += sizeof(word))
	{
		memcpy(&word, bytes, sizeof(word));
		sip_word(v, word);
	}
	for (int i = 0; i < (int) (size & 7); i++)
		last |= (uint64) (unsigned char) bytes[i] << (8 * i);
	sip_word(v, last);

	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/*
 * Make a key of some bytes in a home; the bytes stay the caller's.
 */
void
covet_hot_key(HotKey *key, HotHome *home, const void *bytes, Size size)
{
	Assert(size <= PG_UINT16_MAX);
	key->home = home;
	key->hash = sip_hash(home->id, bytes, size);
	key->bytes = bytes;
	key->size = (uint16) size;
}

/* ------------------------------------------------------------------------
 * Homes
 * ------------------------------------------------------------------------ */

static inline bool
is_home(const HotHome *home, uint16 space, HotStore store, const char *name, Size size)
{
	return home->space == space && home->store == store && home->name_size == size &&
		(size == 0 || memcmp(home->name, name, size) == 0);
}

/*
 * The home of a hash, or NULL; *word is then the free word of the index where
 * it would be looked for.
 */
static HotHome *
find_home(uint64 hash, uint16 space, HotStore store, const char *name, Size size,
		  uint32 *word)
{
	for (*word = (uint32) hash & (INDEX_SIZE - 1);;
		 *word = (*word + 1) & (INDEX_SIZE - 1))
	{
		uint32		found = pg_atomic_read_u32(&shared->index[*word]);
		HotHome    *home;

		if (found == 0)
			return NULL;
		if (found >> 16 != hash >> 48)
			continue;
		pg_read_barrier();
		home = &shared->homes[(found & 0xffff) - 1];
		if (is_home(home, space, store, name, size))
			return home;
	}
}

/* How many homes there may be in all when one is added for a store. */
static uint32
home_limit(HotStore store)
{
	switch (store)
	{
		case HOT_MEMORY:
			return HOT_MEMORY_HOMES;
		case HOT_CACHE:
			return HOT_CACHE_HOMES;
		default:
			return HOT_HOMES;
	}
}

/*
 * Fill the next home; the lock is held.  NULL when all that the store may have
 * are given out.
 */
static HotHome *
add_home(uint64 hash, uint32 word, uint16 space, HotStore store,
		 const char *name, Size size)
{
	uint32		n = pg_atomic_read_u32(&shared->nhomes);
	HotSpace   *owner = &shared->spaces[space];
	HotHome    *home;

	if (n >= home_limit(store))
		return NULL;

	home = &shared->homes[n];
	home->id = (uint16) (n + 1);
	home->space = space;
	home->store = store;
	home->name_size = (uint8) size;
	if (size > 0)
		memcpy(home->name, name, size);
	home->slot = store == HOT_MEMORY || store == HOT_CACHE
		? covet_stamp_slot_of(owner->database, owner->schema, name, size) : 0;
	pg_write_barrier();
	pg_atomic_write_u32(&shared->nhomes, n + 1);
	pg_atomic_write_u32(&shared->index[word], (uint32) (hash >> 48) << 16 | home->id);
	return home;
}

/*
 * The home of a namespace in any space; NULL when there is none and it was not
 * asked for or there is no room for it.
 */
HotHome *
covet_hot_home_in(uint16 space, HotStore store, const char *name, Size name_size,
				  bool create)
{
	uint64		hash = sip_hash((uint64) 1 << 32 | (uint32) space << 8 | store, name, name_size);
	uint32		word;
	HotHome    *home = find_home(hash, space, store, name, name_size, &word);
	bool		warn = false;

	Assert(space != 0 && name_size <= COVET_NAMESPACE_MAX);
	if (home != NULL || !create)
		return home;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	home = find_home(hash, space, store, name, name_size, &word);
	if (home == NULL)
		home = add_home(hash, word, space, store, name, name_size);
	if (home == NULL)
	{
		warn = !shared->warned;
		shared->warned = true;
	}
	LWLockRelease(shared->lock);

	if (warn)
		warn_full("namespace");
	return home;
}

/*
 * The home of a namespace ("name", of name_size bytes; none for sessions and
 * revocations) in this database.  NULL when there is no space, or no such home
 * and it was not asked for, or there is no room for it.
 */
HotHome *
covet_hot_home(HotStore store, const char *name, Size name_size, bool create)
{
	uint16		space = covet_hot_space();
	HotHome    *home = last_home[store];

	if (home != NULL && is_home(home, space, store, name, name_size))
		return home;
	if (space == 0)
		return NULL;
	home = covet_hot_home_in(space, store, name, name_size, create);
	if (home != NULL)
		last_home[store] = home;
	return home;
}

/*
 * The home an entry names.
 */
HotHome *
covet_hot_home_by_id(uint16 id)
{
	Assert(id >= 1 && id <= pg_atomic_read_u32(&shared->nhomes));
	return &shared->homes[id - 1];
}

/*
 * How many homes there are; their ids are 1 to that number.
 */
int
covet_hot_homes(void)
{
	int			n = (int) pg_atomic_read_u32(&shared->nhomes);

	pg_read_barrier();
	return n;
}
