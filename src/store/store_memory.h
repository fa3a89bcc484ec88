/*
 * store_memory.h
 *		Inside the store: entries of namespaces with storage 'memory'.
 */
#ifndef COVET_STORE_MEMORY_H
#define COVET_STORE_MEMORY_H

#include "hot/hot.h"
#include "store/store.h"

/* A live entry as this transaction sees it. */
typedef struct MemoryEntry
{
	const PendingValue *own;			/* what this transaction has written, or NULL */
	HotValue	shared;			/* else this */
	ValueParts	value;			/* valid until the next look at memory */
	uint32		size;			/* bytes it takes stored */
	int64		version;
	TimestampTz ends_at;		/* if nobody reads it any more */
	int			ntags;
} MemoryEntry;

/* What the transaction sees at a key. */
typedef enum MemoryState
{
	MEMORY_ABSENT,				/* nothing */
	MEMORY_FOUND,				/* a live entry */
	MEMORY_OWN_ABSENT,			/* nothing, for it has removed or cleared it */
	MEMORY_OWN					/* a live entry that it has written */
} MemoryState;

static inline bool
covet_memory_live(MemoryState state)
{
	return state == MEMORY_FOUND || state == MEMORY_OWN;
}

/* in store_memory_read.c */
extern bool covet_memory_clear_pending(uint32 slot);
extern MemoryState covet_memory_find(const HotKey *key, TimestampTz now, int flags,
									 MemoryEntry *entry);
extern text **covet_memory_tags(const MemoryEntry *entry);
extern void covet_memory_read(CacheNamespace *ns, text **keys, int count, int flags,
							  CacheReceiver receive, void *arg);
extern void covet_memory_scan(CacheNamespace *ns, const text *prefix, const text *after,
							  int max_entries, int flags, CacheReceiver receive,
							  void *arg);
extern void covet_memory_usage(void (*receive) (const text *namespace, int64 entries,
												int64 bytes, int64 hot_bytes, void *arg),
							   void *arg);

extern bool covet_memory_look(CacheNamespace *ns, text *key, CacheReceiver receive,
							  void *arg, HotGuard *guard);

/* in store_memory_write.c */
extern void covet_memory_require_writable(const char *what);
extern int	covet_memory_set(CacheNamespace *ns, const CacheWrite *write, text **keys,
							 bytea **frames, int count);
extern bool covet_memory_add(CacheNamespace *ns, const CacheWrite *write,
							 const text *key, const bytea *frame);
extern bool covet_memory_replace(CacheNamespace *ns, const CacheWrite *write,
								 const text *key, const bytea *frame,
								 const int64 *if_version);
extern bool covet_memory_incr(CacheNamespace *ns, const CacheWrite *write,
							  const text *key, int64 by, const int64 *initial,
							  int64 *result);
extern bool covet_memory_take(CacheNamespace *ns, const text *key, ValueKind wanted,
							  Datum *value);
extern bool covet_memory_touch(CacheNamespace *ns, const text *key, TimestampTz now,
							   TimestampTz expires_at);
extern int	covet_memory_delete(CacheNamespace *ns, text **keys, int count);
extern bool covet_memory_fill(CacheNamespace *ns, const CacheWrite *write,
							  const text *key, int64 lease_id, const bytea *frame);

#endif							/* COVET_STORE_MEMORY_H */
