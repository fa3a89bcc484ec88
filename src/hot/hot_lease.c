/*
 * hot_lease.c
 *		Leases: who may compute the value of a key that is missing or stale.
 *
 * A lease lives in the entry of its key: in the tail of the stale value, or
 * where there is nothing to show in an entry without value, a placeholder.  So
 * whatever takes the entry away (a write, a delete, a drop, a clear, eviction)
 * voids the lease, and the ids are versions, which are never given out twice.
 * Nobody has to be told.
 *
 * A cleared tag is not seen in a placeholder, which has none: whoever fills
 * asks covet_stamp_moved_since() for the tags that the value is to have.
 *
 * Locks: the partition's, exclusively to win or end a lease, shared to ask.
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/version.h"
#include "hot/hot_table.h"

/* What an attempt under the lock came to, beside the HotLease values. */
#define NEEDS_BLOCK		(-1)

/* Does somebody hold a lease of the entry? */
static bool
is_leased(HotEntry *entry, TimestampTz now)
{
	return (entry->flags & HOT_STALE_TAIL) != 0 &&
		covet_entry_lease_held(entry, covet_entry_stale(entry)->lease_id, now);
}

/* Is there a value that may be shown though it is not fresh? */
static bool
shows_stale(HotEntry *entry, TimestampTz now)
{
	return (entry->flags & HOT_NO_VALUE) == 0 && (entry->flags & HOT_STALE_TAIL) != 0 &&
		covet_entry_stale(entry)->stale_until > now &&
		!covet_entry_cleared(entry, false) &&
		covet_entry_seen_in_time(entry, now, true);
}

/* Has the row been written since the guard was noted? */
static bool
has_changed(HotPartition *partition, const HotBucket *bucket, const HotKey *key,
			const HotGuard *guard, HotEntry *entry, TimestampTz now)
{
	bool		fenced = key->home->store != HOT_MEMORY &&
	*fence_of(partition, key->hash) > 0;

	if (guard != NULL &&
		(guard->change != bucket->change ||
		 guard->epoch != covet_hot_epoch(key->home->space, key->home->store)))
		return true;

	/* Under a fence a copy is not trusted: the row was looked at, and says no. */
	return entry != NULL && !fenced && covet_hot_is_live(entry, now);
}

/*
 * Try to win with the lock held: a HotLease, or NEEDS_BLOCK when a placeholder
 * has to be linked and *block is none.
 */
static int
try_lease(uint32 number, const HotKey *key, TimestampTz now, TimestampTz until,
		  const HotGuard *guard, HotBlock *block, int64 *lease_id)
{
	HotPartition *partition = partition_at(number);
	HotBucket  *bucket = bucket_of(partition, key->hash);
	HotLink		link = covet_hot_find(partition, bucket, key);
	HotEntry   *entry = link == 0 ? NULL : entry_at(partition, link);
	StaleTail  *tail;

	if (has_changed(partition, bucket, key, guard, entry, now))
		return HOT_LEASE_CHANGED;
	if (entry != NULL && is_leased(entry, now))
		return HOT_LEASE_HELD;
	if (until > now && (entry == NULL || !shows_stale(entry, now)))
	{
		if (block->entry == 0)
			return NEEDS_BLOCK;
		entry = entry_at(partition, block->entry);
		entry->flags |= HOT_PLACEHOLDER;
		covet_hot_link_entry(number, bucket, link, block->entry);
		block->entry = 0;
	}

	*lease_id = covet_next_version();
	if (until > now)
	{
		tail = covet_entry_stale(entry);
		tail->lease_id = *lease_id;
		tail->lease_until = until;
	}
	return HOT_LEASE_WON;
}

/* Make the entry of a lease without a value. */
static bool
prepare_placeholder(const HotKey *key, int64 max_bytes, HotBlock *block)
{
	HotContent	content = {0};

	/* Deadlines long over, but not 0: that would be "no tail". */
	content.expires_at = content.stale_until = 1;
	content.stamp = covet_stamp_get(key->home->slot);
	content.max_bytes = max_bytes;
	return covet_hot_prepare(key, &content, block);
}

/*
 * Ask for the lease of a key that the caller has found without a fresh value,
 * for so long from "now"; zero or less ends at once, so that it is given out
 * but never held.  "guard" is from the read of the row, or NULL; max_bytes is
 * the quota of a memory namespace, or 0.  With HOT_LEASE_WON *lease_id is set.
 */
HotLease
covet_hot_lease(const HotKey *key, TimestampTz now, Ttl lease, const HotGuard *guard,
				int64 max_bytes, int64 *lease_id)
{
	uint32		number = partition_of(key);
	TimestampTz until = covet_deadline(now, lease);
	HotBlock	block = {0};
	int			result;

	for (;;)
	{
		LWLockAcquire(partition_lock(number), LW_EXCLUSIVE);
		result = try_lease(number, key, now, until, guard, &block, lease_id);
		LWLockRelease(partition_lock(number));
		if (result != NEEDS_BLOCK)
			break;
		if (!prepare_placeholder(key, max_bytes, &block))
			return HOT_LEASE_FULL;
	}
	covet_hot_discard(&block);
	return result;
}

/*
 * Is a lease still held?  *fenced is whether a write of the row may be on its
 * way, which will void it; always false with a false result.
 */
bool
covet_hot_lease_held(const HotKey *key, int64 lease_id, TimestampTz now, bool *fenced)
{
	uint32		number = partition_of(key);
	HotPartition *partition = partition_at(number);
	HotLink		link;
	bool		held;

	LWLockAcquire(partition_lock(number), LW_SHARED);
	link = covet_hot_find(partition, bucket_of(partition, key->hash), key);
	held = link != 0 && covet_entry_lease_held(entry_at(partition, link), lease_id, now);
	*fenced = held && key->home->store != HOT_MEMORY &&
		*fence_of(partition, key->hash) > 0;
	LWLockRelease(partition_lock(number));
	return held;
}

/*
 * End a lease, if it is held, and with "remove" also the stale value that it is
 * for; was it held?
 */
bool
covet_hot_lease_end(const HotKey *key, int64 lease_id, TimestampTz now, bool remove)
{
	uint32		number = partition_of(key);
	HotPartition *partition = partition_at(number);
	HotBucket  *bucket = bucket_of(partition, key->hash);
	HotLink		link;
	bool		held;

	LWLockAcquire(partition_lock(number), LW_EXCLUSIVE);
	link = covet_hot_find(partition, bucket, key);
	held = link != 0 && covet_entry_lease_held(entry_at(partition, link), lease_id, now);
	if (held && (remove || (entry_at(partition, link)->flags & HOT_PLACEHOLDER)))
		covet_evict_unlink(number, bucket, link);
	else if (held)
		covet_entry_stale(entry_at(partition, link))->lease_id = 0;
	LWLockRelease(partition_lock(number));
	return held;
}
