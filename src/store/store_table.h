/*
 * store_table.h
 *		Inside the store: how its files read and write tables.  Other rooms
 *		include store.h.
 */
#ifndef COVET_STORE_TABLE_H
#define COVET_STORE_TABLE_H

#include "access/genam.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "storage/lockdefs.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#include "base/clock.h"
#include "hot/hot.h"
#include "store/store.h"

/* ------------------------------------------------------------------------
 * in store_table.c: reading rows by an index and changing them in place
 * ------------------------------------------------------------------------ */

typedef enum StoreTableId
{
	TABLE_SETTING,
	TABLE_CACHE_NAMESPACE,
	TABLE_CACHE,
	TABLE_SESSION,
	TABLE_SESSION_LOGGED,
	TABLE_TOKEN,
	TABLE_TOKEN_SUBJECT,
	NUM_STORE_TABLES
} StoreTableId;

/* One table, opened; lives on the stack of its user. */
typedef struct StoreTable
{
	StoreTableId id;
	LOCKMODE	lockmode;
	Relation	rel;
	TupleTableSlot *slot;		/* the row found */
	Relation	index;			/* of the search under way, or NULL */
	IndexScanDesc scan;
	Snapshot	snapshot;		/* registered for the search */
} StoreTable;

typedef enum StoreLock
{
	STORE_LOCKED,				/* slot holds the last version, locked */
	STORE_GONE,					/* the row was deleted */
	STORE_BUSY					/* somebody else has it (only when not waiting) */
} StoreLock;

extern Oid	covet_store_relid(StoreTableId id);
extern void covet_store_open(StoreTable *table, StoreTableId id, LOCKMODE lockmode);
extern bool covet_store_try_open(StoreTable *table, StoreTableId id, LOCKMODE lockmode);
extern void covet_store_close(StoreTable *table);
extern void covet_store_search(StoreTable *table, AttrNumber first_key);
extern bool covet_store_find(StoreTable *table, const Datum *keys, int nkeys);
extern bool covet_store_find_from(StoreTable *table, Datum first, Datum low, bool above);
extern bool covet_store_next(StoreTable *table);
extern void covet_store_end_search(StoreTable *table);
extern StoreLock covet_store_lock(StoreTable *table, bool wait);
extern void covet_store_insert(StoreTable *table, const Datum *values, const bool *nulls);
extern bool covet_store_plain(StoreTable *table);
extern void covet_store_update(StoreTable *table, const AttrNumber *columns,
							   const Datum *values, const bool *nulls, int count);
extern void covet_store_touch(StoreTable *table, AttrNumber column, TimestampTz seen_at);
extern bool covet_store_can_touch(void);
extern void covet_store_delete(StoreTable *table);
extern Datum covet_store_get(StoreTable *table, AttrNumber column, bool *isnull);

/* ------------------------------------------------------------------------
 * in store_plan.c: kept SPI plans
 * ------------------------------------------------------------------------ */

/* One statement, prepared on first use and kept for the backend's life. */
typedef struct StorePlan
{
	const char *sql;
	int			nargs;
	Oid			argtypes[14];
	SPIPlanPtr	plan;
} StorePlan;

extern uint64 covet_store_execute(StorePlan *plan, StoreTableId table,
								  Datum *values, const char *nulls,
								  MemoryContext result_context,
								  void (*receive) (HeapTuple row, TupleDesc desc, void *arg),
								  void *arg);
extern bool covet_store_executing(void);

/* ------------------------------------------------------------------------
 * in store_lock.c: transaction locks on words
 * ------------------------------------------------------------------------ */

typedef enum StoreLockSpace
{
	LOCK_USER,					/* the sessions of a user */
	LOCK_SESSION_ID,			/* an id given by a framework */
	LOCK_CACHE_KEY				/* a key of the cache that has no row */
} StoreLockSpace;

extern void covet_store_lock_word(StoreLockSpace space, const text *word,
								  LOCKMODE lockmode);
extern void covet_store_lock_key(const text *namespace, const text *key,
								 LOCKMODE lockmode);

/* ------------------------------------------------------------------------
 * in store_cache.c
 * ------------------------------------------------------------------------ */

typedef struct KeyedFrame
{
	text	   *key;
	bytea	   *frame;
	int			index;			/* place in the call */
} KeyedFrame;

extern int	covet_cache_sort_keys(text **keys, bytea **frames, int count,
								  KeyedFrame *sorted);

/* ------------------------------------------------------------------------
 * in store_cache_read.c and store_cache_write.c: entries in the table
 * ------------------------------------------------------------------------ */

extern void covet_table_read(CacheNamespace *ns, text **keys, int count, int flags,
							 CacheReceiver receive, void *arg);
extern void covet_table_scan(CacheNamespace *ns, const text *prefix, const text *after,
							 int max_entries, int flags, CacheReceiver receive, void *arg);
extern void covet_table_usage(void (*receive) (const text *namespace, int64 entries,
											   int64 bytes, int64 hot_bytes, void *arg),
							  void *arg);
extern int	covet_table_set(CacheNamespace *ns, const CacheWrite *write, text **keys,
							bytea **frames, int count);
extern bool covet_table_add(CacheNamespace *ns, const CacheWrite *write,
							const text *key, const bytea *frame);
extern bool covet_table_replace(CacheNamespace *ns, const CacheWrite *write,
								const text *key, const bytea *frame,
								const int64 *if_version);
extern bool covet_table_incr(CacheNamespace *ns, const CacheWrite *write,
							 const text *key, int64 by, const int64 *initial,
							 int64 *result);
extern bool covet_table_take(CacheNamespace *ns, const text *key, ValueKind wanted,
							 Datum *value);
extern bool covet_table_touch(CacheNamespace *ns, const text *key, TimestampTz now,
							  TimestampTz expires_at);
extern int	covet_table_delete(CacheNamespace *ns, text **keys, int count);
extern bool covet_table_look(CacheNamespace *ns, text *key, CacheReceiver receive,
							 void *arg, HotGuard *guard);
extern bool covet_table_fill(CacheNamespace *ns, const CacheWrite *write,
							 const text *key, int64 lease_id, const bytea *frame);

/* ------------------------------------------------------------------------
 * in store_cache_read.c: rows of the cache, for those that write and sweep
 * ------------------------------------------------------------------------ */

/* Columns of covet._cache. */
enum CacheColumn
{
	CACHE_VERSION = 1,
	CACHE_EXPIRES_AT,
	CACHE_SEEN_AT,
	CACHE_IDLE,
	CACHE_STALE,
	CACHE_STAMP,
	CACHE_NAMESPACE,
	CACHE_KEY,
	CACHE_VALUE,
	CACHE_TAGS,
	CACHE_TAG_STAMPS
};

extern bool covet_cache_row_live(StoreTable *table, TimestampTz now);
extern bool covet_cache_row_dead(StoreTable *table, TimestampTz now);
extern bool covet_cache_touch_back(const HotItem *item, TimestampTz now);
extern int64 covet_cache_load(const text *namespace, text **keys, int count);

/* ------------------------------------------------------------------------
 * in store_trigger.c
 * ------------------------------------------------------------------------ */

extern void covet_store_drop_copy(StoreTableId id, HeapTuple row, TupleDesc desc,
								  bool forget);

/* ------------------------------------------------------------------------
 * in store_token.c
 * ------------------------------------------------------------------------ */

/* Columns of covet._token. */
enum TokenColumn
{
	TOKEN_VERSION = 1,
	TOKEN_EXPIRES_AT,
	TOKEN_ISSUER,
	TOKEN_JTI
};

/* Columns of covet._token_subject. */
enum SubjectColumn
{
	SUBJECT_ISSUED_BEFORE = 1,
	SUBJECT_EXPIRES_AT,
	SUBJECT_ISSUER,
	SUBJECT_SUBJECT
};

/* ------------------------------------------------------------------------
 * in store_session_row.c and store_token.c: what a sweep may delete
 * ------------------------------------------------------------------------ */

extern bool covet_session_row_dead(StoreTable *table, TimestampTz now);
extern bool covet_token_row_dead(StoreTable *table, TimestampTz now);
extern bool covet_token_subject_row_dead(StoreTable *table, TimestampTz now);

#endif							/* COVET_STORE_TABLE_H */
