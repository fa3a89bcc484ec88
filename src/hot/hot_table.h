/*
 * hot_table.h
 *		Inside the hot tier: partitions and entries.  Other rooms include hot.h.
 */
#ifndef COVET_HOT_TABLE_H
#define COVET_HOT_TABLE_H

#include "storage/lwlock.h"

#include "hot/hot.h"
#include "hot/hot_memory.h"

/* ------------------------------------------------------------------------
 * Entries.  A block holds, in this order:
 *
 *		HotEntry		44 bytes
 *		IdleTail		with HOT_IDLE
 *		StaleTail		with HOT_STALE_TAIL
 *		TagTail			one for each tag
 *		key				key_size bytes
 *		tags			for each a byte of length and its bytes
 *		payload			size bytes; or with HOT_PIECES the link of the first piece
 *
 * Where there is no tail the key follows at once, else the tails begin at the
 * next multiple of 8.
 * ------------------------------------------------------------------------ */

#define HOT_IS_ABSENT	0x01	/* says that there is nothing */
#define HOT_IDLE		0x02
#define HOT_STALE_TAIL	0x04
#define HOT_PIECES		0x08	/* the payload is a chain of pieces */
#define HOT_IS_REMNANT	0x10	/* dropped, but its touch is not saved yet */
#define HOT_PLACEHOLDER	0x20	/* nothing but a lease */
#define HOT_PREPARED	0x40	/* not linked yet */
#define HOT_UNLINKED	0x80	/* no more linked, a reader copies from it */

/* Has no value to give. */
#define HOT_NO_VALUE	(HOT_IS_ABSENT | HOT_IS_REMNANT | HOT_PLACEHOLDER)

typedef struct HotEntry
{
	HotLink		next;			/* in the chain of its bucket */
	HotLink		newer;			/* in the list of its kind */
	HotLink		older;
	uint32		stamp;			/* see covet_hot_mix */
	int64		version;
	TimestampTz expires_at;
	uint32		size;			/* of the payload */
	uint16		home;
	uint16		key_size;
	uint8		head;
	uint8		flags;
	uint8		visited;		/* since the hand was here; set without a lock */
	uint8		ntags;
	char		data[FLEXIBLE_ARRAY_MEMBER];
} HotEntry;

typedef struct IdleTail
{
	Ttl			idle;
	pg_atomic_uint64 seen;		/* only rises; or SEEN_DEAD, for good */
	TimestampTz saved;			/* what the table knows of seen */
} IdleTail;

#define SEEN_DEAD		0		/* ended because nobody saw it in time */

typedef struct StaleTail
{
	TimestampTz stale_until;
	int64		lease_id;		/* 0: none */
	TimestampTz lease_until;
} StaleTail;

typedef struct TagTail
{
	uint32		slot;
	uint32		stamp;			/* see covet_hot_mix */
} TagTail;

/* A piece of a payload. */
typedef struct HotPiece
{
	HotLink		next;
	HotLink		owner;			/* the entry */
	char		bytes[FLEXIBLE_ARRAY_MEMBER];
} HotPiece;

#define PIECE_BYTES		(HOT_BLOCK_MAX - offsetof(HotPiece, bytes))

/* ------------------------------------------------------------------------
 * Partitions
 * ------------------------------------------------------------------------ */

typedef struct HotBucket
{
	HotLink		head;
	uint32		change;			/* moves whenever a row of it was written */
} HotBucket;

#define HOT_PARTITIONS_MAX	256
#define HOT_FENCES		64		/* counters a partition has for its buckets */

/* Entries in the order they came. */
typedef struct HotList
{
	HotLink		newest;
	HotLink		oldest;
} HotList;

/* All of it guarded by the partition's lock. */
typedef struct HotPartition
{
	HotArena	arena;
	HotBucket  *buckets;
	uint32		bucket_mask;
	HotList		values;
	HotLink		hand;			/* where SIEVE goes on, in values; 0: the oldest */
	HotLink		round_end;		/* the newest when its round began; 0: passed */
	int32		round_left;		/* units to take before it begins anew */
	HotList		absent;			/* of HOT_IS_ABSENT */
	uint32		absent_units;
	HotLink		unlinked;		/* chain of HOT_UNLINKED, by next */
	uint32		fences[HOT_FENCES];
	int64		nentries;
	int64		nabsent;
	int64		nprepared;
	int64		nunlinked;
	int64		promotions;
	int64		refused;
	int64		evictions;
	int64		full;
} HotPartition;

/* What a backend shows the others: written by it alone. */
typedef struct HotBackend
{
	pg_atomic_uint64 hazard;	/* partition << 32 | entry it copies from; 0 none */
	uint64		hits;
	uint64		misses;
	char		pad[PG_CACHE_LINE_SIZE - 3 * sizeof(uint64)];
} HotBackend;

typedef struct HotTable
{
	uint32		npartitions;	/* a power of two */
	uint32		nbackends;
	Size		max_payload;
	LWLockPadded *locks;		/* one a partition */
	HotPartition *partitions;
	HotBackend *backends;
} HotTable;

extern HotTable *covet_hot_table;

static inline HotPartition *
partition_at(uint32 i)
{
	return &covet_hot_table->partitions[i];
}

static inline LWLock *
partition_lock(uint32 i)
{
	return &covet_hot_table->locks[i].lock;
}

/* The upper half of the hash chooses the partition, the lower the bucket. */
static inline uint32
partition_of(const HotKey *key)
{
	return (uint32) (key->hash >> 32) & (covet_hot_table->npartitions - 1);
}

static inline HotEntry *
entry_at(const HotPartition *partition, HotLink link)
{
	return covet_hot_at(&partition->arena, link);
}

static inline HotPiece *
piece_at(const HotPartition *partition, HotLink link)
{
	return covet_hot_at(&partition->arena, link);
}

static inline HotBucket *
bucket_of(HotPartition *partition, uint64 hash)
{
	return &partition->buckets[(uint32) hash & partition->bucket_mask];
}

static inline uint32 *
fence_of(HotPartition *partition, uint64 hash)
{
	return &partition->fences[(uint32) hash & partition->bucket_mask & (HOT_FENCES - 1)];
}

/*
 * What an entry keeps of a namespace's stamp and its store's epoch, or of a
 * tag's stamp (epoch 0).  Both halves of a stamp count: stamps outlive a clean
 * restart, and servers that do the same after each start use the same lower
 * halves in each boot.
 */
static inline uint32
covet_hot_mix(int64 stamp, uint32 epoch)
{
	return (uint32) stamp ^ (uint32) ((uint64) stamp >> 32) * 0x9E3779B1 ^ epoch * 0x85EBCA6B;
}

/* ------------------------------------------------------------------------
 * in hot_entry.c
 * ------------------------------------------------------------------------ */

extern IdleTail *covet_entry_idle(HotEntry *entry);
extern StaleTail *covet_entry_stale(HotEntry *entry);
extern TagTail *covet_entry_tags(HotEntry *entry);
extern char *covet_entry_key(HotEntry *entry);
extern char *covet_entry_payload(HotEntry *entry, const char **tags);
extern Size covet_entry_size(const HotKey *key, const HotContent *content, uint8 *flags);
extern void covet_entry_fill(HotPartition *partition, HotLink link, const HotKey *key,
							 const HotContent *content, uint8 flags, HotLink chain, uint32 epoch);
extern bool covet_entry_lease_held(HotEntry *entry, int64 lease_id, TimestampTz now);
extern bool covet_entry_cleared(HotEntry *entry, bool view);
extern bool covet_entry_seen_in_time(HotEntry *entry, TimestampTz now, bool mark);
extern bool covet_entry_touched(HotEntry *entry);
extern bool covet_entry_touch_due(HotEntry *entry);
extern bool covet_entry_fresh(HotEntry *entry, TimestampTz now);
extern bool covet_entry_over(HotEntry *entry, TimestampTz now);

/* ------------------------------------------------------------------------
 * in hot_evict.c; the caller holds the partition's lock exclusively
 * ------------------------------------------------------------------------ */

extern void covet_evict_link(HotPartition *partition, HotLink link);
extern void covet_evict_unlink(uint32 number, HotBucket *bucket, HotLink link);
extern HotLink covet_evict_alloc(uint32 number, Size bytes, TimestampTz now);
extern void covet_evict_free(HotPartition *partition, HotLink link);
extern void covet_evict_absent(uint32 number);
extern void covet_evict_home(HotHome *home, int64 max_bytes, uint32 first, TimestampTz now);

/* ------------------------------------------------------------------------
 * in hot_table.c
 * ------------------------------------------------------------------------ */

extern HotBackend *covet_hot_backend(void);
extern HotBucket *covet_hot_bucket_of(HotPartition *partition, const HotEntry *entry);
extern HotLink covet_hot_find(HotPartition *partition, const HotBucket *bucket,
							  const HotKey *key);
extern bool covet_hot_is_live(HotEntry *entry, TimestampTz now);
extern void covet_hot_link_entry(uint32 number, HotBucket *bucket, HotLink old, HotLink link);

#endif							/* COVET_HOT_TABLE_H */
