/*
 * hot_walk.c
 *		Looking at all entries: walks, the sweep of memory, statistics, and the
 *		check of the tier's own structure.
 *
 * A walk copies what it tells of the entries of some buckets under the shared
 * lock and hands it out without one.  It goes from bucket to bucket, and an
 * entry never changes its bucket, so one that is there all the time is seen
 * once whatever comes and goes meanwhile.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "hot/hot_table.h"

/* Buckets looked at under one lock. */
#define BUCKETS_AT_ONCE	256

#define BUFFER_SIZE		(64 * 1024)

/*
 * Begin a walk over the entries of a space (-1: of all) and of the stores whose
 * bits are set.  Its buffer is palloc'd in the current context.
 */
void
covet_hot_walk_begin(HotWalk *walk, int space, uint32 stores, TimestampTz now)
{
	memset(walk, 0, sizeof(*walk));
	walk->now = now;
	walk->space = space;
	walk->stores = stores;
	walk->buffer = palloc(BUFFER_SIZE);
	walk->size = BUFFER_SIZE;
}

static bool
wanted(const HotWalk *walk, const HotEntry *entry)
{
	const HotHome *home = covet_hot_home_by_id(entry->home);

	return (walk->space < 0 || home->space == walk->space) &&
		(walk->stores & ((uint32) 1 << home->store)) != 0;
}

static void
describe(const HotWalk *walk, HotEntry *entry, HotItem *item)
{
	item->home = covet_hot_home_by_id(entry->home);
	item->key_size = entry->key_size;
	item->head = entry->head;
	item->absent = (entry->flags & HOT_IS_ABSENT) != 0;
	item->live = (entry->flags & HOT_NO_VALUE) == 0 &&
		covet_entry_fresh(entry, walk->now) && !covet_entry_cleared(entry, true);
	item->touch_due = covet_entry_touch_due(entry);
	item->version = entry->version;
	item->expires_at = entry->expires_at;
	item->stale_until = (entry->flags & HOT_STALE_TAIL)
		? covet_entry_stale(entry)->stale_until : 0;
	item->idle = 0;
	item->seen_at = 0;
	if (entry->flags & HOT_IDLE)
	{
		item->idle = covet_entry_idle(entry)->idle;
		item->seen_at = (TimestampTz) pg_atomic_read_u64(&covet_entry_idle(entry)->seen);
	}
	item->size = entry->size;
}

/* Copy the entries of a bucket; false when they do not all fit. */
static bool
copy_bucket(HotWalk *walk, HotPartition *partition, const HotBucket *bucket)
{
	Size		used = walk->used;

	for (HotLink link = bucket->head; link != 0; link = entry_at(partition, link)->next)
	{
		HotEntry   *entry = entry_at(partition, link);
		HotItem    *item = (HotItem *) (walk->buffer + used);

		if (!wanted(walk, entry))
			continue;
		used += sizeof(HotItem) + MAXALIGN(entry->key_size);
		if (used > walk->size)
			return false;
		describe(walk, entry, item);
		memcpy(item + 1, covet_entry_key(entry), entry->key_size);
	}
	walk->used = used;
	return true;
}

/* Fill the empty buffer from where the walk stands; false at the end. */
static bool
fill_buffer(HotWalk *walk)
{
	walk->used = walk->next = 0;
	while (walk->used == 0 && walk->partition < covet_hot_table->npartitions)
	{
		HotPartition *partition = partition_at(walk->partition);
		uint32		end = Min(walk->bucket + BUCKETS_AT_ONCE, partition->bucket_mask + 1);
		bool		fits = true;

		CHECK_FOR_INTERRUPTS();
		LWLockAcquire(partition_lock(walk->partition), LW_SHARED);
		while (fits && walk->bucket < end)
		{
			fits = copy_bucket(walk, partition, &partition->buckets[walk->bucket]);
			if (fits)
				walk->bucket++;
		}
		LWLockRelease(partition_lock(walk->partition));

		if (!fits && walk->used == 0)
		{
			/* One bucket alone is too much for the buffer. */
			walk->size *= 2;
			walk->buffer = repalloc(walk->buffer, walk->size);
		}
		if (walk->bucket > partition->bucket_mask)
		{
			walk->partition++;
			walk->bucket = 0;
		}
	}
	return walk->used > 0;
}

/*
 * Step to the next entry; false after the last.  Can be cancelled.
 */
bool
covet_hot_walk_next(HotWalk *walk, HotItem *item)
{
	if (walk->next == walk->used && !fill_buffer(walk))
		return false;
	memcpy(item, walk->buffer + walk->next, sizeof(HotItem));
	item->key = walk->buffer + walk->next + sizeof(HotItem);
	walk->next += sizeof(HotItem) + MAXALIGN(item->key_size);
	return true;
}

/*
 * Give the buffer back, wherever the walk stands.
 */
void
covet_hot_walk_end(HotWalk *walk)
{
	pfree(walk->buffer);
}

/* Can a sweep take the entry?  A remnant still has something to tell the table. */
static bool
is_dead(HotEntry *entry, TimestampTz now)
{
	if (entry->flags & HOT_IS_REMNANT)
		return !covet_entry_seen_in_time(entry, now, false);
	return covet_entry_over(entry, now) || covet_entry_cleared(entry, false);
}

/* Remove the dead entries of some buckets; returns how many lived in memory. */
static int64
sweep_buckets(uint32 number, uint32 first, uint32 end, int space, TimestampTz now)
{
	HotPartition *partition = partition_at(number);
	int64		removed = 0;

	LWLockAcquire(partition_lock(number), LW_EXCLUSIVE);
	for (uint32 i = first; i < end; i++)
	{
		HotBucket  *bucket = &partition->buckets[i];

		for (HotLink link = bucket->head; link != 0;)
		{
			HotEntry   *entry = entry_at(partition, link);
			HotHome    *home = covet_hot_home_by_id(entry->home);
			HotLink		next = entry->next;

			if ((space < 0 || home->space == space) && is_dead(entry, now))
			{
				if (home->store == HOT_MEMORY && (entry->flags & HOT_NO_VALUE) == 0)
					removed++;
				covet_evict_unlink(number, bucket, link);
			}
			link = next;
		}
	}
	LWLockRelease(partition_lock(number));
	return removed;
}

/*
 * Remove the entries of a space (-1: of all) that are dead at the time "now";
 * returns how many of them lived nowhere else.  Can be cancelled.
 */
int64
covet_hot_sweep(int space, TimestampTz now)
{
	int64		removed = 0;

	for (uint32 number = 0; number < covet_hot_table->npartitions; number++)
	{
		uint32		buckets = partition_at(number)->bucket_mask + 1;

		for (uint32 i = 0; i < buckets; i += BUCKETS_AT_ONCE)
		{
			CHECK_FOR_INTERRUPTS();
			removed += sweep_buckets(number, i, Min(i + BUCKETS_AT_ONCE, buckets), space, now);
		}
	}
	return removed;
}

/*
 * What the tier holds and has done, summed over its partitions one by one.
 */
void
covet_hot_stat(HotStat *stat)
{
	memset(stat, 0, sizeof(*stat));
	for (uint32 number = 0; number < covet_hot_table->npartitions; number++)
	{
		HotPartition *partition = partition_at(number);

		LWLockAcquire(partition_lock(number), LW_SHARED);
		stat->size += (int64) partition->arena.units * HOT_UNIT +
			(int64) (partition->bucket_mask + 1) * sizeof(HotBucket);
		stat->used += (int64) (partition->arena.units - partition->arena.free_units) * HOT_UNIT;
		stat->entries += partition->nentries;
		stat->absent += partition->nabsent;
		stat->prepared += partition->nprepared;
		stat->unlinked += partition->nunlinked;
		stat->promotions += partition->promotions;
		stat->refused += partition->refused;
		stat->evictions += partition->evictions;
		stat->full += partition->full;
		LWLockRelease(partition_lock(number));
	}
	for (uint32 i = 0; i < covet_hot_table->nbackends; i++)
	{
		stat->hits += covet_hot_table->backends[i].hits;
		stat->misses += covet_hot_table->backends[i].misses;
	}
}

/* How many entries the chains of a partition hold, each in its own bucket. */
static int64
count_chained(HotPartition *partition, const char **wrong)
{
	int64		count = 0;

	for (uint32 i = 0; i <= partition->bucket_mask; i++)
		for (HotLink link = partition->buckets[i].head; link != 0;
			 link = entry_at(partition, link)->next)
		{
			HotEntry   *entry = entry_at(partition, link);

			if (covet_hot_bucket_of(partition, entry) != &partition->buckets[i])
				*wrong = "an entry is in the wrong bucket";
			if (entry->flags & (HOT_PREPARED | HOT_UNLINKED))
				*wrong = "an entry that is not linked is in a bucket";
			count++;
		}
	return count;
}

/* How many entries a list holds, each knowing its neighbours. */
static int64
count_listed(HotPartition *partition, const HotList *list, const char **wrong)
{
	int64		count = 0;
	HotLink		newer = 0;

	for (HotLink link = list->newest; link != 0; link = entry_at(partition, link)->older)
	{
		if (entry_at(partition, link)->newer != newer)
			*wrong = "an entry does not know the newer one";
		newer = link;
		count++;
	}
	if (list->oldest != newer)
		*wrong = "a list does not end with its oldest entry";
	return count;
}

/*
 * Look at every block, chain and list; NULL when all is as it should be, else
 * what is not.  Holds up each partition while it is looked at.
 */
const char *
covet_hot_check(void)
{
	const char *wrong = NULL;

	for (uint32 number = 0; number < covet_hot_table->npartitions && wrong == NULL; number++)
	{
		HotPartition *partition = partition_at(number);

		LWLockAcquire(partition_lock(number), LW_SHARED);
		wrong = covet_hot_arena_check(&partition->arena);
		if (wrong == NULL && count_chained(partition, &wrong) != partition->nentries)
			wrong = "the count of entries is not that of the buckets";
		if (wrong == NULL &&
			count_listed(partition, &partition->values, &wrong) +
			count_listed(partition, &partition->absent, &wrong) != partition->nentries)
			wrong = "the count of entries is not that of the lists";
		LWLockRelease(partition_lock(number));
	}
	return wrong;
}
