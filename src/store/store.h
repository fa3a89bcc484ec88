/*
 * store.h
 *		The contract of the store: the only room that reads and writes covet's
 *		tables.
 */
#ifndef COVET_STORE_H
#define COVET_STORE_H

#include "storage/block.h"
#include "utils/array.h"
#include "utils/inet.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/clock.h"
#include "base/registry.h"
#include "codec/codec.h"
#include "covet.h"

/* ------------------------------------------------------------------------
 * in store_table.c
 * ------------------------------------------------------------------------ */

extern void covet_store_require_writable(const char *what);
extern bool covet_store_writable(void);

/* ------------------------------------------------------------------------
 * in store_namespace.c
 * ------------------------------------------------------------------------ */

struct CacheOps;
struct HotGuard;
struct HotHome;

/* What the operations on a cache namespace need to know of it. */
typedef struct CacheNamespace
{
	const text *name;
	int			storage;		/* a CacheStorage */
	Ttl			default_ttl;
	int64		max_bytes;		/* of keys and values, as they are stored */
	int			codec;			/* a CodecId or CODEC_AUTO */
	uint32		slot;			/* of its stamp */
	struct HotHome *home;		/* of its entries in memory; NULL: there are none */
	const struct CacheOps *ops; /* of its storage */
} CacheNamespace;

extern void covet_namespace_get(const text *name, CacheNamespace *ns);
extern struct HotHome *covet_namespace_home(CacheNamespace *ns);
extern void covet_namespace_set(const text *name, const char *storage,
								const Interval *default_ttl, const int64 *max_bytes,
								const char *codec, Oid owner);
extern bool covet_namespace_drop(const text *name);

/* ------------------------------------------------------------------------
 * in store_cache.c: the cache, whatever the storage of the namespace
 * ------------------------------------------------------------------------ */

/* A live entry; its pointers are valid until the receiver returns. */
typedef struct CacheEntry
{
	const text *key;
	ValueParts	value;			/* but for its head, only with has_value */
	bool		has_value;
	int32		stored_size;	/* bytes the value takes where it is stored */
	int64		version;
	TimestampTz expires_at;		/* with the idle time, if any */
	bool		fresh;			/* set only with CACHE_SHOW_STALE */
	ArrayType  *tags;			/* or NULL */
} CacheEntry;

/* Called for the entry of keys[index]. */
typedef void (*CacheReceiver) (const CacheEntry *entry, int index, void *arg);

#define CACHE_SEEN		0x01	/* the read counts as seen */
#define CACHE_VALUES	0x02	/* the receiver wants the values */
#define CACHE_WITH_TAGS	0x04	/* it wants the tags too, and copies all it keeps */
#define CACHE_SHOW_STALE 0x10	/* it wants also what is not fresh any more */

/* What a write gives to its entries, beside key and value. */
typedef struct CacheWrite
{
	TimestampTz now;
	TimestampTz expires_at;		/* not after now: keep nothing */
	Ttl			idle;			/* 0: none */
	Ttl			stale;			/* from expires_at on shown to leases; 0: not */
	text	  **tags;
	int			ntags;
} CacheWrite;

/*
 * The operations of one kind of storage, with the meaning of the functions
 * below.
 */
typedef struct CacheOps
{
	void		(*require_writable) (const char *what);
	void		(*read) (CacheNamespace *ns, text **keys, int count, int flags,
						 CacheReceiver receive, void *arg);
	void		(*scan) (CacheNamespace *ns, const text *prefix, const text *after,
						 int max_entries, int flags, CacheReceiver receive, void *arg);
	int			(*set) (CacheNamespace *ns, const CacheWrite *write, text **keys,
						bytea **frames, int count);
	bool		(*add) (CacheNamespace *ns, const CacheWrite *write, const text *key,
						const bytea *frame);
	bool		(*replace) (CacheNamespace *ns, const CacheWrite *write, const text *key,
							const bytea *frame, const int64 *if_version);
	bool		(*incr) (CacheNamespace *ns, const CacheWrite *write, const text *key,
						 int64 by, const int64 *initial, int64 *result);
	bool		(*take) (CacheNamespace *ns, const text *key, ValueKind wanted, Datum *value);
	bool		(*touch) (CacheNamespace *ns, const text *key, TimestampTz now,
						  TimestampTz expires_at);
	int			(*delete) (CacheNamespace *ns, text **keys, int count);
	bool		(*look) (CacheNamespace *ns, text *key, CacheReceiver receive,
						 void *arg, struct HotGuard *guard);
	bool		(*fill) (CacheNamespace *ns, const CacheWrite *write, const text *key,
						 int64 lease_id, const bytea *frame);
} CacheOps;

extern const CacheOps *covet_cache_ops(int storage);
extern void covet_cache_require_writable(const CacheNamespace *ns, const char *what);
extern void covet_cache_read(CacheNamespace *ns, text **keys, int count, int flags,
							 CacheReceiver receive, void *arg);
extern void covet_cache_scan_range(CacheNamespace *ns, const text *prefix,
								   const text *after, int max_entries, int flags,
								   CacheReceiver receive, void *arg);
extern int	covet_cache_set_entries(CacheNamespace *ns, const CacheWrite *write,
									text **keys, bytea **frames, int count);
extern bool covet_cache_add_entry(CacheNamespace *ns, const CacheWrite *write,
								  const text *key, const bytea *frame);
extern bool covet_cache_replace_entry(CacheNamespace *ns, const CacheWrite *write,
									  const text *key, const bytea *frame,
									  const int64 *if_version);
extern bool covet_cache_incr_entry(CacheNamespace *ns, const CacheWrite *write,
								   const text *key, int64 by, const int64 *initial,
								   int64 *result);
extern bool covet_cache_take_entry(CacheNamespace *ns, const text *key,
								   ValueKind wanted, Datum *value);
extern bool covet_cache_touch_entry(CacheNamespace *ns, const text *key,
									TimestampTz now, TimestampTz expires_at);
extern int	covet_cache_delete_entries(CacheNamespace *ns, text **keys, int count);
extern void covet_cache_clear_namespace(const CacheNamespace *ns);
extern void covet_cache_invalidate(const CacheNamespace *ns, text **tags, int count);
extern void covet_cache_usage(void (*receive) (const text *namespace, int64 entries,
											   int64 bytes, int64 hot_bytes, void *arg),
							  void *arg);

/* ------------------------------------------------------------------------
 * in store_cache_lease.c
 * ------------------------------------------------------------------------ */

typedef enum CacheLeaseStatus
{
	LEASE_HIT,					/* a fresh value */
	LEASE_STALE,				/* an old one, somebody computes a new one */
	LEASE_WON,					/* the caller computes; the value may be an old one */
	LEASE_WAIT					/* nothing, somebody computes */
} CacheLeaseStatus;

typedef struct CacheLease
{
	CacheLeaseStatus status;
	bool		isnull;
	Datum		value;
	int64		lease_id;		/* of LEASE_WON; 0: it is no lease */
} CacheLease;

extern void covet_cache_lease_entry(CacheNamespace *ns, text *key, Ttl ttl, ValueKind wanted,
									CacheLease *lease);
extern bool covet_cache_lease_stands(CacheNamespace *ns, const CacheWrite *write,
									 const text *key, int64 lease_id);
extern bool covet_cache_fill_entry(CacheNamespace *ns, const CacheWrite *write, text *key,
								   int64 lease_id, bytea *frame);
extern bool covet_cache_give_back(CacheNamespace *ns, const text *key, int64 lease_id);

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

/* ------------------------------------------------------------------------
 * in store_touch.c and store_warm.c: between memory and the tables
 * ------------------------------------------------------------------------ */

extern bool covet_store_save_touches(TouchPlace *place, TimestampTz now);
extern bool covet_store_warm(WarmPlace *place, int64 max_entries, int64 *loaded);

/* ------------------------------------------------------------------------
 * sessions
 *
 * Tokens and ids here are of 1 to COVET_TOKEN_MAX bytes, "data" are frames.
 * Results are palloc'd in the caller's context.
 * ------------------------------------------------------------------------ */

/* A live session as it is shown. */
typedef struct SessionRecord
{
	pg_uuid_t	session_id;
	text	   *user_id;		/* or NULL */
	ValueParts	data;
	int64		version;
	TimestampTz created_at;
	TimestampTz seen_at;
	TimestampTz ends_at;
	inet	   *ip;				/* or NULL */
	text	   *user_agent;		/* or NULL */
	bool		saved;			/* reads do not move its end */
} SessionRecord;

/* What a session is made from; pointers may be NULL. */
typedef struct SessionSpec
{
	const text *user_id;
	const bytea *data;
	const inet *ip;
	const text *user_agent;
	Ttl			idle;			/* zero or less: it ends at once */
	Ttl			lifetime;		/* the same; unused when saving */
} SessionSpec;

typedef enum SaveMode
{
	SAVE_SET,
	SAVE_ADD,					/* only where no session is */
	SAVE_REPLACE				/* only over a live one */
} SaveMode;

/* Makes the new data of a session from the old. */
typedef bytea *(*SessionChange) (const bytea *old, void *arg);

/* in store_session_read.c */
extern bool covet_store_session_read(const text *token, bool seen,
									 SessionRecord *record);
extern bool covet_store_session_data(const text *token, ValueKind wanted, Datum *data);
extern void covet_store_session_data_many(text **tokens, int count, Datum *data,
										  bool *nulls);
extern SessionRecord *covet_store_session_list(text **user_ids, int nusers,
											   int *count);
extern int64 covet_store_session_count(const text *user_id);
extern int64 covet_store_session_count_all(void);

/* in store_session_write.c */
extern text *covet_store_session_create(const SessionSpec *spec);
extern text *covet_store_session_login(const text *token, const SessionSpec *spec,
									   const bytea *no_data);
extern bool covet_store_session_save(const text *id, const SessionSpec *spec,
									 SaveMode mode);
extern bool covet_store_session_update(const text *token, const int64 *if_version,
									   const bytea *data, SessionChange change,
									   void *arg, int64 *version);
extern bool covet_store_session_touch(const text *token, const Ttl *ttl,
									  TimestampTz *ends_at);
extern text *covet_store_session_rotate(const text *token, Ttl grace,
										const text *new_id);

/* in store_session_end.c */
extern bool covet_store_session_delete(const text *token);
extern bool covet_store_session_revoke(const pg_uuid_t *session_id,
									   const text *user_id);
extern int64 covet_store_session_revoke_user(const text *user_id,
											 const text *keep_token);
extern int64 covet_store_session_revoke_all(void);
extern void covet_store_session_move(bool logged);

/* ------------------------------------------------------------------------
 * in store_token.c: revoked tokens
 * ------------------------------------------------------------------------ */

extern int64 covet_store_token_revoke(const text *issuer, Datum *jtis,
									  const TimestampTz *expires_at, int count);
extern void covet_store_token_revoke_subject(const text *issuer, const text *subject,
											 TimestampTz issued_before,
											 TimestampTz expires_at);
extern void covet_store_token_revoked(const text *issuer, Datum *jtis, int count,
									  bool *revoked);
extern bool covet_store_token_cutoff(const text *issuer, const text *subject,
									 TimestampTz *issued_before);

#endif							/* COVET_STORE_H */
