/*
 * store_cache_lease.c
 *		Leases: one of many who miss a key computes it, the others get the old
 *		value or wait.
 *
 * A lease is kept in the hot tier, whatever the storage (see hot_lease.c).  It
 * is neither undone by a rollback nor does it end with the transaction, but by
 * its time, when it is filled or given back, and by any write, delete, clear or
 * invalidation of the key.  So what is filled in was computed from data that is
 * newer than all of those.
 *
 * That holds only for data which everybody can see.  A transaction that has
 * written, or reads by an old snapshot, computes from something else: it gets
 * the id 0, which stands for no lease, and its fill is a plain set.
 *
 * A fill of a table namespace looks at the lease once more when it has locked
 * or inserted the row.  Whoever wrote the key since the lease was won has then
 * either committed, and with that voided the lease, or is about to, and has put
 * a fence on the key: then the fill waits for what comes of it.  A fill of a
 * memory namespace takes effect at once, on the condition that the lease is
 * held; in a transaction that has written it waits for the commit, and the
 * condition is asked then.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"

#include "base/compat.h"
#include "codec/value.h"
#include "hot/hot.h"
#include "store/store.h"
#include "store/store_table.h"

/* Microseconds between looks at a fence. */
#define FENCE_PAUSE		1000

static uint32
tag_slot(const CacheNamespace *ns, const text *tag)
{
	return covet_stamp_tag_slot(ns->slot, VARDATA_ANY(tag), VARSIZE_ANY_EXHDR(tag));
}

/* The key in memory; false when there cannot be a home for its namespace. */
static bool
lease_key(CacheNamespace *ns, const text *key, HotKey *hot_key)
{
	HotHome    *home = covet_hot_available() ? covet_namespace_home(ns) : NULL;

	if (home == NULL)
		return false;
	covet_hot_key(hot_key, home, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
	return true;
}

/*
 * Has this transaction written, cleared or invalidated what the lease is about,
 * so that it sees something else than everybody?
 */
static bool
has_own_view(const CacheNamespace *ns, const HotKey *key, const CacheWrite *write)
{
	PendingValue *value;

	if (!covet_pending_any)
		return false;
	if (covet_pending_find(key, covet_now(), &value) != PENDING_NONE ||
		covet_stamp_view(ns->slot) != covet_stamp_get(ns->slot))
		return true;
	for (int i = 0; write != NULL && i < write->ntags; i++)
	{
		uint32		slot = tag_slot(ns, write->tags[i]);

		if (covet_stamp_view(slot) != covet_stamp_get(slot))
			return true;
	}
	return false;
}

/* What a look for a key came to. */
typedef struct LeaseLook
{
	ValueKind	wanted;
	CacheLease *lease;
	bool		fresh;
} LeaseLook;

static void
receive_look(const CacheEntry *entry, int index, void *arg)
{
	LeaseLook  *look = arg;

	look->lease->value = covet_value_decode_parts(&entry->value, look->wanted);
	look->lease->isnull = false;
	look->fresh = entry->fresh;
}

/*
 * Ask for a key, as seen, and if it has no fresh value for its lease, for so
 * long.  *lease is filled; its value, as the wanted kind, is palloc'd.  Raises
 * what decoding it may raise, before a lease is given out.
 */
void
covet_cache_lease_entry(CacheNamespace *ns, text *key, Ttl ttl, ValueKind wanted,
				  CacheLease *lease)
{
	HotKey		hot_key;
	bool		known = lease_key(ns, key, &hot_key);
	bool		may_win = known && covet_pending_may_promote() &&
	!IsolationUsesXactSnapshot();
	HotLease	answer;

	do
	{
		LeaseLook	look = {.wanted = wanted,.lease = lease};
		HotGuard	guard;
		bool		guarded;

		CHECK_FOR_INTERRUPTS();
		lease->isnull = true;
		lease->lease_id = 0;
		guarded = ns->ops->look(ns, key, receive_look, &look, &guard);
		if (look.fresh)
		{
			lease->status = LEASE_HIT;
			return;
		}
		answer = HOT_LEASE_FULL;
		if (known && !has_own_view(ns, &hot_key, NULL))
			answer = covet_hot_lease(&hot_key, covet_now(), may_win ? ttl : 0,
									 guarded ? &guard : NULL, ns->max_bytes,
									 &lease->lease_id);
	} while (answer == HOT_LEASE_CHANGED && may_win);

	if (answer == HOT_LEASE_HELD)
		lease->status = lease->isnull ? LEASE_WAIT : LEASE_STALE;
	else
		lease->status = LEASE_WON;
	if (answer != HOT_LEASE_WON || !may_win)
		lease->lease_id = 0;
}

/*
 * Is a lease still held, and has no tag been invalidated since it was won that
 * its value is to have?  Stamps that were captured before are then from the
 * time of the lease.  Waits while a row is on its way that may void it.
 */
bool
covet_cache_lease_stands(CacheNamespace *ns, const CacheWrite *write, const text *key,
						 int64 lease_id)
{
	HotKey		hot_key;
	bool		fenced;

	if (!lease_key(ns, key, &hot_key))
		return false;
	for (;;)
	{
		if (!covet_hot_lease_held(&hot_key, lease_id, covet_now(), &fenced))
			return false;
		if (!fenced)
			break;
		CHECK_FOR_INTERRUPTS();
		pg_usleep(FENCE_PAUSE);
	}
	for (int i = 0; i < write->ntags; i++)
		if (covet_stamp_moved_since(tag_slot(ns, write->tags[i]), lease_id))
			return false;
	return true;
}

/*
 * Store the value that was computed under a lease, with the id 0 as a plain set
 * does: was the lease still held, and the value stored?
 */
bool
covet_cache_fill_entry(CacheNamespace *ns, const CacheWrite *write, text *key, int64 lease_id,
				 bytea *frame)
{
	HotKey		hot_key;

	if (lease_id == 0)
		return ns->ops->set(ns, write, &key, &frame, 1) == 1;
	if (!lease_key(ns, key, &hot_key) || has_own_view(ns, &hot_key, write))
		return false;
	return ns->ops->fill(ns, write, key, lease_id, frame);
}

/*
 * Give a lease back and keep what is there; was it still held?
 */
bool
covet_cache_give_back(CacheNamespace *ns, const text *key, int64 lease_id)
{
	HotKey		hot_key;

	return lease_id != 0 && lease_key(ns, key, &hot_key) &&
		covet_hot_lease_end(&hot_key, lease_id, covet_now(), false);
}
