/*
 * hot_change.c
 *		Changing and removing entries: those of memory namespaces, and copies
 *		whose rows were written.
 *
 * Rows.  Whoever writes a row puts a fence on its key before he commits, and
 * drops the copy, moves the bucket's change count and takes the fence away when
 * he has (hot_publish.c); covet_hot_get() and covet_hot_promote() look at both.
 *
 * Locks: each function takes the partition's lock once; see hot_table.c.
 */
#include "postgres.h"

#include "hot/hot_table.h"

/*
 * Take the value from a copy that is dropped, but not what it has seen; false
 * when it has seen nothing that the table does not know.
 */
static bool
keep_as_remnant(HotEntry *entry)
{
	if (!covet_entry_touched(entry))
		return false;
	entry->flags |= HOT_IS_REMNANT;
	return true;
}

/*
 * Remove an entry of a memory namespace, if it has the version asked for (0:
 * any); was there a live one?  Allowed in a COMMIT callback.
 */
bool
covet_hot_remove(const HotKey *key, int64 if_version, TimestampTz now)
{
	uint32		number = partition_of(key);
	HotPartition *partition = partition_at(number);
	HotBucket  *bucket = bucket_of(partition, key->hash);
	HotLink		link;
	bool		removed = false;

	LWLockAcquire(partition_lock(number), LW_EXCLUSIVE);
	link = covet_hot_find(partition, bucket, key);
	if (link != 0)
	{
		HotEntry   *entry = entry_at(partition, link);

		removed = covet_hot_is_live(entry, now) &&
			(if_version == 0 || if_version == entry->version);
		if (removed || if_version == 0)
			covet_evict_unlink(number, bucket, link);
	}
	LWLockRelease(partition_lock(number));
	return removed;
}

/*
 * Give a live entry of a memory namespace another deadline; one not after "now"
 * removes it.  False when there is none.
 */
bool
covet_hot_set_deadline(const HotKey *key, TimestampTz now, TimestampTz expires_at)
{
	uint32		number = partition_of(key);
	HotPartition *partition = partition_at(number);
	HotBucket  *bucket = bucket_of(partition, key->hash);
	HotLink		link;
	bool		live;

	LWLockAcquire(partition_lock(number), LW_EXCLUSIVE);
	link = covet_hot_find(partition, bucket, key);
	live = link != 0 && covet_hot_is_live(entry_at(partition, link), now);
	if (live && expires_at <= now)
		covet_evict_unlink(number, bucket, link);
	else if (live)
	{
		HotEntry   *entry = entry_at(partition, link);

		if (entry->flags & HOT_STALE_TAIL)
		{
			StaleTail  *stale = covet_entry_stale(entry);

			stale->stale_until = covet_deadline(expires_at,
												stale->stale_until - entry->expires_at);
		}
		entry->expires_at = expires_at;
	}
	LWLockRelease(partition_lock(number));
	return live;
}

/*
 * A row is about to be committed: until covet_hot_unfence() nobody trusts or
 * promotes a copy of it.
 */
void
covet_hot_fence(const HotKey *key)
{
	uint32		number = partition_of(key);

	LWLockAcquire(partition_lock(number), LW_EXCLUSIVE);
	++*fence_of(partition_at(number), key->hash);
	LWLockRelease(partition_lock(number));
}

/*
 * Take back one covet_hot_fence().
 */
void
covet_hot_unfence(const HotKey *key)
{
	uint32		number = partition_of(key);

	LWLockAcquire(partition_lock(number), LW_EXCLUSIVE);
	Assert(*fence_of(partition_at(number), key->hash) > 0);
	--*fence_of(partition_at(number), key->hash);
	LWLockRelease(partition_lock(number));
}

/*
 * A row was committed: forget the copy of it, and keep out whoever has read the
 * row before.  A touch that the table does not know is kept for the next copy.
 */
void
covet_hot_drop(const HotKey *key)
{
	uint32		number = partition_of(key);
	HotPartition *partition = partition_at(number);
	HotBucket  *bucket = bucket_of(partition, key->hash);
	HotLink		link;

	LWLockAcquire(partition_lock(number), LW_EXCLUSIVE);
	bucket->change++;
	link = covet_hot_find(partition, bucket, key);
	if (link != 0 && !keep_as_remnant(entry_at(partition, link)))
		covet_evict_unlink(number, bucket, link);
	LWLockRelease(partition_lock(number));
}
