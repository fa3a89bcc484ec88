/*
 * store.h
 *		The contract of the store: the only room that reads and writes covet's
 *		tables.
 */
#ifndef COVET_STORE_H
#define COVET_STORE_H

#include "storage/block.h"
#include "utils/array.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "covet.h"

/* ------------------------------------------------------------------------
 * in store_table.c
 * ------------------------------------------------------------------------ */

extern void covet_store_init(void);
extern void covet_store_require_writable(const char *what);
extern bool covet_store_writable(void);

/* ------------------------------------------------------------------------
 * in store_namespace.c
 * ------------------------------------------------------------------------ */

/* What the operations on a cache namespace need to know of it. */
typedef struct CacheNamespace
{
	const text *name;
	Ttl			default_ttl;
	int			codec;			/* a CodecId or CODEC_AUTO */
} CacheNamespace;

extern void covet_namespace_get(const text *name, CacheNamespace *ns);
extern void covet_namespace_set(const text *name, const char *storage,
								const Interval *default_ttl, const int64 *max_bytes,
								const char *codec, Oid owner);
extern bool covet_namespace_drop(const text *name);

/* ------------------------------------------------------------------------
 * in store_cache_read.c
 * ------------------------------------------------------------------------ */

/* A live entry; its pointers are valid until the receiver returns. */
typedef struct CacheEntry
{
	const text *key;
	const bytea *frame;			/* detoasted; NULL unless asked for */
	int32		stored_size;	/* bytes of the frame */
	int64		version;
	TimestampTz expires_at;		/* with the idle time, if any */
	ArrayType  *tags;			/* or NULL */
} CacheEntry;

/* Called for the entry of keys[index]. */
typedef void (*CacheReceiver) (const CacheEntry *entry, int index, void *arg);

extern void covet_cache_read(const CacheNamespace *ns, text **keys, int count,
							 bool seen, CacheReceiver receive, void *arg);
extern void covet_cache_scan_range(const CacheNamespace *ns, const text *prefix,
							 const text *after, int max_entries,
							 CacheReceiver receive, void *arg);
extern void covet_cache_usage(void (*receive) (const text *namespace, int64 entries,
											   int64 bytes, void *arg), void *arg);

/* ------------------------------------------------------------------------
 * in store_cache_write.c
 * ------------------------------------------------------------------------ */

/* What a write gives to its entries, beside key and value. */
typedef struct CacheWrite
{
	TimestampTz now;
	TimestampTz expires_at;		/* not after now: keep nothing */
	Ttl			idle;			/* 0: none */
	text	  **tags;
	int			ntags;
} CacheWrite;

extern int	covet_cache_set_entries(const CacheNamespace *ns, const CacheWrite *write,
							text **keys, bytea **frames, int count);
extern bool covet_cache_add_entry(const CacheNamespace *ns, const CacheWrite *write,
							const text *key, const bytea *frame);
extern bool covet_cache_replace_entry(const CacheNamespace *ns, const CacheWrite *write,
								const text *key, const bytea *frame,
								const int64 *if_version);
extern bool covet_cache_incr_entry(const CacheNamespace *ns, const CacheWrite *write,
							 const text *key, int64 by, const int64 *initial,
							 int64 *result);
extern bool covet_cache_take_entry(const CacheNamespace *ns, const text *key,
							 ValueKind wanted, Datum *value);
extern bool covet_cache_touch_entry(const CacheNamespace *ns, const text *key,
							  TimestampTz now, TimestampTz expires_at);
extern int	covet_cache_delete_entries(const CacheNamespace *ns, text **keys, int count);
extern void covet_cache_clear_namespace(const CacheNamespace *ns);
extern void covet_cache_invalidate(const CacheNamespace *ns, text **tags, int count);

/* ------------------------------------------------------------------------
 * in store_sweep.c and store_quota.c
 * ------------------------------------------------------------------------ */

/* The tables that have rows to sweep, in the order a round visits them. */
typedef enum SweepTarget
{
	SWEEP_CACHE,
	SWEEP_SESSION,
	SWEEP_SESSION_LOGGED,
	SWEEP_TOKEN,
	SWEEP_TOKEN_SUBJECT,
	NUM_SWEEP_TARGETS
} SweepTarget;

/* What the sweep of one range of blocks came to. */
typedef struct SweepResult
{
	int64		scanned;		/* rows seen */
	int64		removed;		/* rows deleted */
	BlockNumber next;			/* where to go on */
	bool		complete;		/* that was the end of the table */
} SweepResult;

extern const char *covet_store_sweep_name(SweepTarget target);
extern void covet_store_sweep(SweepTarget target, BlockNumber start,
							  BlockNumber blocks, TimestampTz now,
							  SweepResult *result);
extern bool covet_store_evict(int64 *removed);

#endif							/* COVET_STORE_H */
