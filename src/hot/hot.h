/*
 * hot.h
 *		The contract of the hot tier: fixed shared memory that holds copies of
 *		rows for reading, and the entries of memory namespaces, which live
 *		nowhere else.
 *
 * Three words that the files here use:
 *
 *		space	one installation of the extension: (database, schema "covet")
 *		home	where an entry belongs: (space, store, namespace)
 *		stamp	a number that stands for "since the last clear"; see hot_stamp.c
 *
 * Nothing here raises an error unless its comment says so, and nothing between
 * the acquisition and the release of a partition's lock allocates, raises or
 * looks at a catalog: most of it can run in a COMMIT callback.
 */
#ifndef COVET_HOT_H
#define COVET_HOT_H

#include "port/atomics.h"
#include "datatype/timestamp.h"

#include "base/clock.h"
#include "covet.h"

typedef enum HotStore
{
	HOT_MEMORY,					/* entries of memory namespaces */
	HOT_CACHE,					/* copies of rows of _cache */
	HOT_SESSION,				/* copies of sessions, by the hash of the token */
	HOT_TOKEN,					/* revoked tokens */
	HOT_SUBJECT,				/* cutoffs of subjects */
	NUM_HOT_STORES
} HotStore;

/* A block of a partition; see hot_memory.h. */
typedef uint32 HotLink;

/* ------------------------------------------------------------------------
 * in hot_home.c: spaces, epochs, homes, keys
 * ------------------------------------------------------------------------ */

#define HOT_SPACES		1024	/* installations in the life of a server */

/*
 * Homes in the life of a server.  Anybody who may use the cache makes namespaces
 * by naming them, so those of tables leave room for memory namespaces, which
 * cannot do without, and both for sessions and tokens.
 */
#define HOT_HOMES			16384
#define HOT_CACHE_HOMES		(HOT_HOMES / 2)
#define HOT_MEMORY_HOMES	(HOT_HOMES / 8 * 7)

/*
 * A home; in shared memory, never freed or moved before the next start.  All
 * but the counters is constant once it is found.
 */
typedef struct HotHome
{
	uint16		id;				/* index + 1 */
	uint16		space;
	uint8		store;			/* a HotStore */
	uint8		name_size;		/* of the namespace; 0 where there is none */
	char		name[COVET_NAMESPACE_MAX];
	uint32		slot;			/* of the namespace's stamp; 0: it has none */
	pg_atomic_uint32 entries;	/* that are linked, but for "not there" ones */
	pg_atomic_uint64 bytes;		/* of keys and values, prepared ones too */
} HotHome;

/* A key, ready to be looked for; points to bytes of the caller. */
typedef struct HotKey
{
	HotHome    *home;
	uint64		hash;
	const char *bytes;
	uint16		size;
} HotKey;

extern void covet_hot_init(void);
extern bool covet_hot_available(void);
extern uint16 covet_hot_space(void);
extern uint32 covet_hot_epoch(uint16 space, HotStore store);
extern void covet_hot_epoch_move(uint16 space, HotStore store);
extern uint64 covet_hot_settings_epoch(uint16 space);
extern void covet_hot_settings_move(uint16 space);
extern HotHome *covet_hot_home(HotStore store, const char *name, Size name_size,
							   bool create);
extern HotHome *covet_hot_home_by_id(uint16 id);
extern int	covet_hot_homes(void);
extern void covet_hot_key(HotKey *key, HotHome *home, const void *bytes, Size size);

/* ------------------------------------------------------------------------
 * in hot_stamp.c: stamps
 * ------------------------------------------------------------------------ */

#define HOT_NAMESPACE_SLOTS	4096
#define HOT_TAG_SLOTS		65536
#define HOT_SLOTS			(1 + HOT_NAMESPACE_SLOTS + HOT_TAG_SLOTS)	/* slot 0 never moves */

extern uint32 covet_stamp_namespace_slot(const char *name, Size size);
extern uint32 covet_stamp_tag_slot(uint32 namespace_slot, const char *tag, Size size);
extern int64 covet_stamp_get(uint32 slot);
extern void covet_stamp_move(uint32 slot, int64 expected, int64 stamp);
extern bool covet_stamp_moved_since(uint32 slot, int64 version);

/* ------------------------------------------------------------------------
 * in hot_table.c: entries
 * ------------------------------------------------------------------------ */

/*
 * What a reader notes on a miss, before it takes the snapshot to read the
 * table with; see covet_hot_promote.
 */
typedef struct HotGuard
{
	uint32		change;			/* of the bucket */
	uint32		epoch;			/* of the store */
	bool		fenced;
} HotGuard;

/* What an entry is made from.  Starts zeroed. */
typedef struct HotContent
{
	uint8		head;			/* of the caller: how to read the payload */
	bool		absent;			/* "not there": no payload, ends in 60 s */
	uint8		prefix_size;	/* bytes of the payload that stand in prefix */
	char		prefix[8];
	uint32		size;			/* bytes of the rest of the payload */
	const char *bytes;			/* of the rest */
	int64		version;		/* of a row; 0: taken when the block is linked */
	TimestampTz expires_at;		/* fresh until then */
	TimestampTz stale_until;	/* 0: not shown after that */
	Ttl			idle;			/* 0 or TTL_FOREVER: none */
	TimestampTz seen_at;		/* counts with idle */
	int64		stamp;			/* captured, of the namespace */
	int			ntags;
	const text *const *tags;
	const int64 *tag_stamps;	/* captured */
	int64		max_bytes;		/* quota of the home; 0: none */
} HotContent;

/* What a read found. */
typedef struct HotValue
{
	int64		version;
	TimestampTz expires_at;		/* fresh until then, if also seen in time */
	TimestampTz stale_until;	/* or 0 */
	Ttl			idle;			/* or 0 */
	TimestampTz seen_at;		/* this read included; counts with idle */
	uint8		head;
	bool		fresh;			/* false: only shown because of HOT_STALE */
	int			ntags;
	const char *tags;			/* each a byte of length and the bytes */
	uint32		size;			/* of the payload */
	const char *payload;		/* 8-byte aligned when not in a varlena */
	struct varlena *varlena;	/* a palloc'd one whose data is the payload, or NULL */
} HotValue;

typedef enum HotResult
{
	HOT_MISS,					/* memory does not know */
	HOT_ABSENT,					/* there is nothing: the table need not be read */
	HOT_HIT
} HotResult;

#define HOT_SEEN		0x01	/* the read counts as seen */
#define HOT_STALE		0x02	/* show also what is not fresh any more */
#define HOT_NO_PAYLOAD	0x04

/* When an entry that was found ends, if nobody reads it. */
static inline TimestampTz
covet_hot_value_end(const HotValue *value)
{
	if (value->idle == 0)
		return value->expires_at;
	return Min(value->expires_at, covet_deadline(value->seen_at, value->idle));
}

/* A block that is filled but not yet linked; entry 0: none. */
typedef struct HotBlock
{
	uint32		partition;
	HotLink		entry;
} HotBlock;

typedef enum HotLinkMode
{
	HOT_ALWAYS,
	HOT_IF_ABSENT,				/* no live entry */
	HOT_IF_VERSION,				/* a live entry with that version; 0: any */
	HOT_KEEP_TIMES,				/* the same, which leaves its deadlines and touch */
	HOT_IF_LEASE				/* the lease with that id is held */
} HotLinkMode;

extern Size covet_hot_max_value_size(void);
extern HotResult covet_hot_get(const HotKey *key, TimestampTz now, int flags,
							   HotValue *value, HotGuard *guard);
extern bool covet_hot_promote(const HotKey *key, const HotGuard *guard,
							  const HotContent *content);
extern bool covet_hot_prepare(const HotKey *key, const HotContent *content,
							  HotBlock *block);
extern bool covet_hot_link(const HotKey *key, HotBlock *block, HotLinkMode mode,
						   int64 expected, TimestampTz now, int64 *version);
extern void covet_hot_discard(HotBlock *block);

/* ------------------------------------------------------------------------
 * in hot_change.c: changing and removing entries
 * ------------------------------------------------------------------------ */

extern bool covet_hot_remove(const HotKey *key, int64 if_version, TimestampTz now);
extern bool covet_hot_set_deadline(const HotKey *key, TimestampTz now,
								   TimestampTz expires_at);
extern void covet_hot_fence(const HotKey *key);
extern void covet_hot_unfence(const HotKey *key);
extern void covet_hot_drop(const HotKey *key);

/* ------------------------------------------------------------------------
 * in hot_touch.c: what was seen of rows
 * ------------------------------------------------------------------------ */

extern bool covet_hot_seen(const HotKey *key, TimestampTz *seen_at);
extern void covet_hot_saved(const HotKey *key, TimestampTz seen_at);
extern bool covet_hot_expire(const HotKey *key, TimestampTz now);

/* ------------------------------------------------------------------------
 * in hot_prefetch.c: batches
 * ------------------------------------------------------------------------ */

#define HOT_PREFETCH	16		/* keys to ask for at once */

extern void covet_hot_prefetch(HotHome *home, text **keys, int count);

/* ------------------------------------------------------------------------
 * in hot_lease.c: leases
 * ------------------------------------------------------------------------ */

typedef enum HotLease
{
	HOT_LEASE_WON,
	HOT_LEASE_HELD,				/* somebody else has it */
	HOT_LEASE_CHANGED,			/* there is a value now, or the row was written */
	HOT_LEASE_FULL				/* no memory to keep a lease in */
} HotLease;

extern HotLease covet_hot_lease(const HotKey *key, TimestampTz now, Ttl lease,
								const HotGuard *guard, int64 max_bytes, int64 *lease_id);
extern bool covet_hot_lease_held(const HotKey *key, int64 lease_id, TimestampTz now,
								 bool *fenced);
extern bool covet_hot_lease_end(const HotKey *key, int64 lease_id, TimestampTz now,
								bool remove);

/* ------------------------------------------------------------------------
 * in hot_walk.c: looking at all entries
 * ------------------------------------------------------------------------ */

/* An entry met on a walk; pointers are valid until the next step. */
typedef struct HotItem
{
	HotHome    *home;
	const char *key;
	uint16		key_size;
	uint8		head;
	bool		absent;
	bool		live;			/* fresh, at the time the walk was begun with */
	bool		touch_due;		/* seen more than a tenth of idle after saved */
	int64		version;
	TimestampTz expires_at;
	TimestampTz stale_until;
	Ttl			idle;
	TimestampTz seen_at;
	uint32		size;			/* of the payload */
} HotItem;

/* A walk under way.  Sees each entry that is there all the time once. */
typedef struct HotWalk
{
	TimestampTz now;
	int			space;			/* or -1: all */
	uint32		stores;			/* bit n: entries of HotStore n */
	uint32		partition;
	uint32		bucket;			/* next one to copy from */
	char	   *buffer;			/* palloc'd */
	Size		size;
	Size		used;
	Size		next;
} HotWalk;

extern void covet_hot_walk_begin(HotWalk *walk, int space, uint32 stores, TimestampTz now);
extern bool covet_hot_walk_next(HotWalk *walk, HotItem *item);
extern void covet_hot_walk_end(HotWalk *walk);
extern int64 covet_hot_sweep(int space, TimestampTz now);

/* What the tier holds and has done; counters since the start of the server. */
typedef struct HotStat
{
	int64		size;			/* bytes of all partitions */
	int64		used;			/* bytes in blocks */
	int64		entries;
	int64		absent;			/* of them "not there" */
	int64		prepared;		/* blocks not yet linked */
	int64		unlinked;		/* blocks a reader still copies from */
	int64		hits;
	int64		misses;
	int64		promotions;
	int64		refused;		/* promotions that a change has overtaken */
	int64		evictions;
	int64		full;			/* times no room was found */
} HotStat;

extern void covet_hot_stat(HotStat *stat);
extern const char *covet_hot_check(void);

/* ------------------------------------------------------------------------
 * in hot_pending.c and hot_publish.c: what this transaction will publish
 * ------------------------------------------------------------------------ */

/* A write to a memory namespace that has not been published. */
typedef struct PendingValue
{
	HotContent	content;		/* its pointers live as long as this */
	int64		version;		/* a provisional one */
} PendingValue;

typedef enum PendingKind
{
	PENDING_NONE,				/* nothing: ask memory */
	PENDING_SET,				/* *value is the entry */
	PENDING_DELETED,			/* there is none */
	PENDING_TABLE				/* this transaction wrote the row: read the table */
} PendingKind;

extern PGDLLIMPORT bool covet_pending_any;

extern void covet_pending_init(void);
extern PendingKind covet_pending_find(const HotKey *key, TimestampTz now,
									  PendingValue **value);
extern void covet_pending_set(const HotKey *key, const HotContent *content,
							  int64 lease_id);
extern void covet_pending_delete(const HotKey *key);
extern bool covet_pending_set_deadline(const HotKey *key, TimestampTz expires_at);
extern void covet_pending_drop(const HotKey *key);
extern void covet_pending_clear(uint32 slot);
extern void covet_pending_epoch(HotStore store);
extern void covet_pending_settings(void);
extern bool covet_pending_settings_changed(void);
extern void covet_pending_note(void);
extern int64 covet_stamp_view(uint32 slot);
extern bool covet_pending_may_promote(void);
extern void covet_pending_walk(const HotHome *home,
							   void (*receive) (const char *key, Size size, void *arg),
							   void *arg);
extern void covet_debug_promote_delay(void);

#endif							/* COVET_HOT_H */
