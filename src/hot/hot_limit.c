/*
 * hot_limit.c
 *		Locks and rate limits: a store of their own, in shared memory.
 *
 * Each lock that is held and each rate limit that remembers a hit is one
 * record of 128 bytes.  Their number is fixed at start: a sixteenth of
 * covet.hot_size, on top of it, 2 GB at most.  A record is never evicted while
 * it is alive, that is until a lock's deadline or until the last hit of a limit
 * is forgotten; what is dead is reused.  A full store raises 53200; as a key has
 * its place in one partition, that comes a little before the last record.
 *
 * Layout: the header, the partitions, then for each partition its buckets and
 * its records (numbers count from 1 within the partition; 0 is none).  A record
 * is in the chain of its bucket or in the free list of its partition.
 *
 * A name is kept as 192 bits of its SHA-256, so no name is readable in shared
 * memory, and all keys have one size.  The place of a key is a hash of that
 * with a seed of this boot: who chooses names cannot choose a bucket.
 *
 * Locking: one LWLock a partition, exclusive for all but covet_limit_held.  No
 * two are ever held together, and nothing between acquisition and release
 * allocates, raises or looks at a catalog.  Fencing numbers are taken under
 * the lock, so they rise in the order in which a name is acquired.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/lwlock.h"

#include "base/compat.h"
#include "base/digest.h"
#include "base/guc.h"
#include "base/shmem.h"
#include "base/version.h"
#include "hot/hot_limit.h"

#define SHARE_OF_MEMORY			16
#define MAX_RECORDS				(16 * 1024 * 1024)
#define RECORDS_A_PARTITION		1024	/* about, as long as that is possible */
#define MAX_PARTITIONS			256
#define TRANCHE					"CovetLimit"

StaticAssertDecl(sizeof(LimitKey) == 36, "a key has no padding");
StaticAssertDecl(sizeof(LimitRecord) == 128, "a record is two cache lines");
StaticAssertDecl(sizeof(((LimitKey *) 0)->digest) <= COVET_DIGEST_SIZE, "a digest is long enough");

typedef struct Partition
{
	uint32		free;			/* first free record */
	uint32		used;			/* number of records in buckets */
	TimestampTz first_end;		/* no record ends before that */
	uint32	   *buckets;		/* as many as records */
	LimitRecord *records;
} Partition;

typedef struct LimitShared
{
	uint64		seed;
	uint32		npartitions;	/* a power of two */
	uint32		nrecords;		/* of each */
	Partition	partitions[FLEXIBLE_ARRAY_MEMBER];
} LimitShared;

static LimitShared *shared = NULL;

/* Which records are to go, beside the dead ones: see unwanted(). */
typedef struct Broom
{
	TimestampTz now;
	Oid			database;		/* only of this one; InvalidOid: of all */
	Oid			schema;			/* of that database, of all schemas but this */
} Broom;

/* How the store is cut, by covet.hot_size: partitions, records of each. */
static void
get_shape(uint32 *npartitions, uint32 *nrecords)
{
	uint64		records = (uint64) covet_hot_size * 1024 / SHARE_OF_MEMORY / sizeof(LimitRecord);

	records = Min(records, MAX_RECORDS);
	*npartitions = Min(pg_prevpower2_32((uint32) records / RECORDS_A_PARTITION), MAX_PARTITIONS);
	*nrecords = (uint32) records / *npartitions;
}

static Size
header_size(uint32 npartitions)
{
	return CACHELINEALIGN(offsetof(LimitShared, partitions) + npartitions * sizeof(Partition));
}

static Size
records_size(uint32 nrecords)
{
	return nrecords * sizeof(LimitRecord);
}

static Size
partition_size(uint32 nrecords)
{
	return records_size(nrecords) + CACHELINEALIGN(nrecords * sizeof(uint32));
}

/*
 * Bytes of shared memory that the store takes.
 */
Size
covet_limit_size(void)
{
	uint32		npartitions;
	uint32		nrecords;

	get_shape(&npartitions, &nrecords);
	/* The last is for the alignment of the first record. */
	return header_size(npartitions) + npartitions * partition_size(nrecords) +
		PG_CACHE_LINE_SIZE;
}

static void
init_shared(void *segment)
{
	char	   *place;

	memset(segment, 0, covet_limit_size());
	shared = segment;
	if (!pg_strong_random(&shared->seed, sizeof(shared->seed)))
		shared->seed = (uint64) covet_now();
	get_shape(&shared->npartitions, &shared->nrecords);

	place = (char *) CACHELINEALIGN((char *) segment + header_size(shared->npartitions));
	for (uint32 p = 0; p < shared->npartitions; p++)
	{
		Partition  *partition = &shared->partitions[p];

		partition->records = (LimitRecord *) place;
		partition->buckets = (uint32 *) (place + records_size(shared->nrecords));
		place += partition_size(shared->nrecords);

		for (uint32 i = 0; i + 1 < shared->nrecords; i++)
			partition->records[i].next = i + 2;
		partition->free = 1;
		partition->first_end = DT_NOEND;
	}
}

static ShmemRoom room = {
	.name = TRANCHE,
	.size = covet_limit_size,
	.init = init_shared,
	.segment = (void **) &shared,
	.tranche = TRANCHE,
};

/*
 * Register the store; while preloading only, after the settings are defined.
 */
void
covet_limit_init(void)
{
	uint32		npartitions;
	uint32		nrecords;

	get_shape(&npartitions, &nrecords);
	room.locks = npartitions;
	covet_shmem_register(&room);
}

/*
 * Make the key of a name in the current database, whatever its length.  Raises
 * where SHA-256 does; must run in a transaction.
 */
void
covet_limit_key(LimitKey *key, LimitKind kind, const text *name)
{
	uint8		digest[COVET_DIGEST_SIZE];

	covet_digest(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name), digest);
	memcpy(key->digest, digest, sizeof(key->digest));
	key->database = MyDatabaseId;
	key->schema = get_namespace_oid("covet", true);
	key->kind = kind;
}

/* ------------------------------------------------------------------------
 * Records.  The caller holds the partition's lock.
 * ------------------------------------------------------------------------ */

static inline uint64
hash_of(const LimitKey *key)
{
	return hash_bytes_extended((const unsigned char *) key, sizeof(LimitKey), shared->seed);
}

static inline uint32
partition_of(uint64 hash)
{
	return (uint32) (hash >> 32) & (shared->npartitions - 1);
}

static inline uint32 *
bucket_of(Partition *partition, uint64 hash)
{
	return &partition->buckets[(uint32) hash % shared->nrecords];
}

static inline LWLock *
lock_of(uint32 p)
{
	static LWLockPadded *locks = NULL;

	if (locks == NULL)
		locks = GetNamedLWLockTranche(TRANCHE);
	return &locks[p].lock;
}

/* When a record ends; it is dead from then on. */
static TimestampTz
end_of(const LimitRecord *record)
{
	return record->key.kind == LIMIT_LOCK ?
		record->value.lock.expires_at : covet_rate_end(&record->value.rate);
}

/* Where the number of a key's record stands, or 0 would be put. */
static uint32 *
find(Partition *partition, const LimitKey *key, uint64 hash)
{
	uint32	   *link = bucket_of(partition, hash);

	while (*link != 0 &&
		   memcmp(&partition->records[*link - 1].key, key, sizeof(LimitKey)) != 0)
		link = &partition->records[*link - 1].next;
	return link;
}

/* Take the record that stands at "link" out of its bucket. */
static void
remove_at(Partition *partition, uint32 *link)
{
	uint32		number = *link;
	LimitRecord *record = &partition->records[number - 1];

	*link = record->next;
	memset(record, 0, sizeof(*record));
	record->next = partition->free;
	partition->free = number;
	partition->used--;
}

static bool
unwanted(const LimitRecord *record, const Broom *broom)
{
	if (OidIsValid(broom->database) &&
		record->key.database != broom->database)
		return false;
	return end_of(record) <= broom->now ||
		(OidIsValid(broom->database) && record->key.schema != broom->schema);
}

/* Remove the records that are unwanted; how many. */
static int64
clean(Partition *partition, const Broom *broom)
{
	int64		removed = 0;

	partition->first_end = DT_NOEND;
	for (uint32 b = 0; partition->used > 0 && b < shared->nrecords; b++)
	{
		uint32	   *link = &partition->buckets[b];

		while (*link != 0)
		{
			LimitRecord *record = &partition->records[*link - 1];

			if (unwanted(record, broom))
			{
				remove_at(partition, link);
				removed++;
			}
			else
			{
				partition->first_end = Min(partition->first_end, end_of(record));
				link = &record->next;
			}
		}
	}
	return removed;
}

/* A new record for a key that has none, or NULL when the store is full. */
static LimitRecord *
insert(Partition *partition, const LimitKey *key, uint64 hash, TimestampTz now)
{
	Broom		dead = {.now = now};
	uint32	   *bucket = bucket_of(partition, hash);
	uint32		number;
	LimitRecord *record;

	/* Nothing ends before first_end, so a full store is not searched in vain. */
	if (partition->free == 0 && partition->first_end <= now)
		(void) clean(partition, &dead);
	number = partition->free;
	if (number == 0)
		return NULL;

	record = &partition->records[number - 1];
	partition->free = record->next;
	partition->used++;
	record->key = *key;
	record->next = *bucket;
	*bucket = number;
	return record;
}

/* A record got another end. */
static void
note_end(Partition *partition, const LimitRecord *record)
{
	partition->first_end = Min(partition->first_end, end_of(record));
}

static void
raise_full(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("memory for locks and rate limits is full"),
			 errdetail("There is room for %u of them.", shared->npartitions * shared->nrecords),
			 errhint("Increase \"covet.hot_size\" and restart the server.")));
}

/* ------------------------------------------------------------------------
 * Locks
 * ------------------------------------------------------------------------ */

/*
 * Take a lock until now + ttl, if nobody has it; false when somebody has.  The
 * fencing number is higher than all before it.  With a ttl of zero or less the
 * lock is over at once: nothing is kept.  Raises 53200 when the store is full.
 */
bool
covet_limit_acquire(const LimitKey *key, Ttl ttl, TimestampTz now, int64 *fence)
{
	uint64		hash = hash_of(key);
	uint32		p = partition_of(hash);
	Partition  *partition = &shared->partitions[p];
	LimitRecord *record = NULL;
	uint32	   *link;
	bool		held = false;

	LWLockAcquire(lock_of(p), LW_EXCLUSIVE);
	link = find(partition, key, hash);
	if (*link != 0)
	{
		record = &partition->records[*link - 1];
		held = end_of(record) > now;
	}
	if (!held)
	{
		*fence = covet_next_version();
		if (ttl <= 0 && record != NULL)
			remove_at(partition, link);
		else if (ttl > 0)
		{
			if (record == NULL)
				record = insert(partition, key, hash, now);
			if (record != NULL)
			{
				record->value.lock.fence = *fence;
				record->value.lock.expires_at = covet_deadline(now, ttl);
				note_end(partition, record);
			}
		}
	}
	LWLockRelease(lock_of(p));

	if (!held && ttl > 0 && record == NULL)
		raise_full();
	return !held;
}

/*
 * Let a lock end at now + ttl, at once when that is zero or less; false when it
 * is not held under that fencing number.
 */
bool
covet_limit_extend(const LimitKey *key, int64 fence, Ttl ttl, TimestampTz now)
{
	uint64		hash = hash_of(key);
	uint32		p = partition_of(hash);
	Partition  *partition = &shared->partitions[p];
	uint32	   *link;
	bool		held = false;

	LWLockAcquire(lock_of(p), LW_EXCLUSIVE);
	link = find(partition, key, hash);
	if (*link != 0)
	{
		LimitRecord *record = &partition->records[*link - 1];

		held = record->value.lock.fence == fence && end_of(record) > now;
		if (held && ttl <= 0)
			remove_at(partition, link);
		else if (held)
		{
			record->value.lock.expires_at = covet_deadline(now, ttl);
			note_end(partition, record);
		}
	}
	LWLockRelease(lock_of(p));
	return held;
}

/*
 * Is a lock held?  Then it is left in "lock".
 */
bool
covet_limit_held(const LimitKey *key, TimestampTz now, LimitLock *lock)
{
	uint64		hash = hash_of(key);
	uint32		p = partition_of(hash);
	Partition  *partition = &shared->partitions[p];
	uint32		number;

	LWLockAcquire(lock_of(p), LW_SHARED);
	number = *find(partition, key, hash);
	if (number != 0)
		*lock = partition->records[number - 1].value.lock;
	LWLockRelease(lock_of(p));
	return number != 0 && lock->expires_at > now;
}

/* ------------------------------------------------------------------------
 * Rate limits
 * ------------------------------------------------------------------------ */

/*
 * Ask a rate limit; see covet_rate_ask.  Only a limit that remembers a hit
 * takes a record.  Raises 53200 when the store is full; then nothing counts.
 */
void
covet_limit_hit(const LimitKey *key, TimestampTz now, Ttl period,
				int32 max_hits, int32 cost, RateAnswer *answer)
{
	uint64		hash = hash_of(key);
	uint32		p = partition_of(hash);
	Partition  *partition = &shared->partitions[p];
	LimitRate	rate = {0};
	uint32	   *link;
	bool		full = false;

	LWLockAcquire(lock_of(p), LW_EXCLUSIVE);
	link = find(partition, key, hash);
	if (*link != 0)
		rate = partition->records[*link - 1].value.rate;
	covet_rate_ask(&rate, now, period, max_hits, cost, answer);

	if (!TIMESTAMP_IS_NOBEGIN(covet_rate_end(&rate)))
	{
		LimitRecord *record = *link != 0 ? &partition->records[*link - 1] :
			insert(partition, key, hash, now);

		full = record == NULL;
		if (!full)
		{
			record->value.rate = rate;
			note_end(partition, record);
		}
	}
	else if (*link != 0)
		remove_at(partition, link);
	LWLockRelease(lock_of(p));

	if (full)
		raise_full();
}

/* ------------------------------------------------------------------------
 * All records
 * ------------------------------------------------------------------------ */

static int64
clean_all(const Broom *broom)
{
	int64		removed = 0;

	for (uint32 p = 0; p < shared->npartitions; p++)
	{
		CHECK_FOR_INTERRUPTS();
		LWLockAcquire(lock_of(p), LW_EXCLUSIVE);
		removed += clean(&shared->partitions[p], broom);
		LWLockRelease(lock_of(p));
	}
	return removed;
}

/*
 * Remove the records of the current database that are dead at "now", and those
 * of an installation of covet that is no more; how many.  Needs a transaction.
 */
int64
covet_limit_sweep(TimestampTz now)
{
	Broom		broom = {
		.now = now,
		.database = MyDatabaseId,
		.schema = get_namespace_oid("covet", true)
	};

	return clean_all(&broom);
}

/*
 * Remove the records of a database that is no more, or has no covet; how many.
 */
int64
covet_limit_forget(Oid database)
{
	Broom		broom = {.now = DT_NOBEGIN, .database = database};

	return clean_all(&broom);
}

/*
 * Show the records that are alive at "now" to "receive".  For the postmaster
 * when its children are gone: takes no lock.
 */
void
covet_limit_dump(TimestampTz now,
				 void (*receive) (const LimitRecord *record, void *arg),
				 void *arg)
{
	for (uint32 p = 0; p < shared->npartitions; p++)
		for (uint32 i = 0; i < shared->nrecords; i++)
		{
			const LimitRecord *record = &shared->partitions[p].records[i];

			if (record->key.kind != LIMIT_FREE && end_of(record) > now)
				receive(record, arg);
		}
}

/*
 * Take in a record of covet_limit_dump; false when there is no room or it
 * cannot be one.  For the postmaster before it has children, after the store's
 * memory was set up: takes no lock.
 */
bool
covet_limit_load(const LimitRecord *record)
{
	uint64		hash = hash_of(&record->key);
	Partition  *partition = &shared->partitions[partition_of(hash)];
	LimitRecord *copy;

	if ((record->key.kind != LIMIT_LOCK && record->key.kind != LIMIT_RATE) ||
		(record->key.kind == LIMIT_RATE && record->value.rate.width <= 0) ||
		*find(partition, &record->key, hash) != 0)
		return false;
	copy = insert(partition, &record->key, hash, DT_NOBEGIN);
	if (copy == NULL)
		return false;
	copy->value = record->value;
	note_end(partition, copy);
	return true;
}
