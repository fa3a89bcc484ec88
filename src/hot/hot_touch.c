/*
 * hot_touch.c
 *		What memory has seen of entries whose rows know less: the touches that
 *		are to be saved, and those that keep a row from being swept.
 *
 * Readers raise "seen" themselves, in covet_hot_get().  An entry that was
 * dropped keeps it in a remnant, until it is saved or the next copy inherits it.
 *
 * Locks: the partition's, exclusively where "saved" is changed.
 */
#include "postgres.h"

#include "base/clock.h"
#include "hot/hot_table.h"

/*
 * When an entry, or one that was dropped, was last seen; false when memory does
 * not know or has declared it over.
 */
bool
covet_hot_seen(const HotKey *key, TimestampTz *seen_at)
{
	uint32		number = partition_of(key);
	HotPartition *partition = partition_at(number);
	HotLink		link;
	uint64		seen = SEEN_DEAD;

	LWLockAcquire(partition_lock(number), LW_SHARED);
	link = covet_hot_find(partition, bucket_of(partition, key->hash), key);
	if (link != 0 && (entry_at(partition, link)->flags & HOT_IDLE))
		seen = pg_atomic_read_u64(&covet_entry_idle(entry_at(partition, link))->seen);
	LWLockRelease(partition_lock(number));
	*seen_at = (TimestampTz) seen;
	return seen != SEEN_DEAD;
}

/*
 * The table knows now that an entry was seen then.
 */
void
covet_hot_saved(const HotKey *key, TimestampTz seen_at)
{
	uint32		number = partition_of(key);
	HotPartition *partition = partition_at(number);
	HotBucket  *bucket = bucket_of(partition, key->hash);
	HotLink		link;

	LWLockAcquire(partition_lock(number), LW_EXCLUSIVE);
	link = covet_hot_find(partition, bucket, key);
	if (link != 0 && (entry_at(partition, link)->flags & HOT_IDLE))
	{
		IdleTail   *idle = covet_entry_idle(entry_at(partition, link));

		idle->saved = Max(idle->saved, seen_at);
		if ((entry_at(partition, link)->flags & HOT_IS_REMNANT) &&
			!covet_entry_touch_due(entry_at(partition, link)))
		{
			/* Who has read the row before it had the touch must not promote it. */
			bucket->change++;
			covet_evict_unlink(number, bucket, link);
		}
	}
	LWLockRelease(partition_lock(number));
}

/*
 * A sweep wants to remove a row whose idle time is over by its own columns:
 * true when memory has seen it since, so it must stay.  Otherwise it is over
 * for good, unless "now" lies ahead of the clock.
 */
bool
covet_hot_expire(const HotKey *key, TimestampTz now)
{
	uint32		number = partition_of(key);
	HotPartition *partition = partition_at(number);
	bool		mark = now <= covet_now();
	HotLink		link;
	bool		alive;

	LWLockAcquire(partition_lock(number), LW_SHARED);
	link = covet_hot_find(partition, bucket_of(partition, key->hash), key);
	alive = link != 0 && (entry_at(partition, link)->flags & HOT_IDLE) &&
		covet_entry_seen_in_time(entry_at(partition, link), now, mark);
	LWLockRelease(partition_lock(number));
	return alive;
}
