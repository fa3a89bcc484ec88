/*
 * hot_evict.c
 *		Room for entries: the lists of a partition, SIEVE, and blocks that are
 *		given back.
 *
 * Entries with a value stand in one list in the order they came.  A hit only
 * sets the byte "visited".  To evict, a hand goes from the oldest to newer
 * ones: it clears what was visited and takes the first that was not (SIEVE).
 * Among the entries that came after its round began it goes on as long as it
 * meets some that were read.  Where nothing new is read again it would stay
 * there for ever, taking each before it reaches the newest, and what was read
 * once long ago would never go: so it begins anew with the oldest once it has
 * taken a sixty-fourth of the partition from them without meeting one.
 * "Not there" entries have a list of their own, at most an eighth of the
 * partition, and are evicted before all others.
 *
 * An entry whose touch the table does not know yet is passed over: to evict it
 * would end a session more than a tenth of its idle time early.  Only when the
 * hand has passed many of them, or has come round twice, is one taken all the
 * same: a tier that gives nothing back could keep nothing new, and one in which
 * nearly all are such must not be searched from end to end for each request.
 *
 * What SIEVE frees lies anywhere.  After some evictions without a fit the
 * neighbours of the widest gap that came of them are cleared until the request
 * fits in, so that a partition full of small entries takes a large one and the
 * other way round.
 *
 * A reader that copies a large value without the lock names the entry in its
 * hazard slot.  An entry so named is only unlinked; it is freed by a later
 * request for room, once no slot names it.
 *
 * Locks: all functions need the partition's lock exclusively, except
 * covet_evict_home, which takes one lock after the other itself.
 */
#include "postgres.h"

#include "hot/hot_table.h"

/* Evictions by SIEVE before the neighbours of a gap are cleared. */
#define EVICTIONS_BEFORE_CLEARING	16

/* Entries with an unsaved touch that are passed over for one eviction. */
#define SPARED_MAX	64

/* Part of a partition that "not there" entries may take. */
#define ABSENT_FRACTION	8

/* Part of a partition whose new entries may go without one that was read. */
#define NEW_FRACTION	64

/* Part of a quota that is freed beyond it, so that not every write has to. */
#define QUOTA_SLACK		64

static HotList *
list_of_entry(HotPartition *partition, const HotEntry *entry)
{
	return (entry->flags & HOT_IS_ABSENT) ? &partition->absent : &partition->values;
}

static void
count_entry(HotPartition *partition, HotLink link, int sign)
{
	HotEntry   *entry = entry_at(partition, link);

	if (entry->flags & HOT_IS_ABSENT)
	{
		partition->nabsent += sign;
		partition->absent_units += sign * (int) covet_hot_block_units(&partition->arena, link);
	}
	else
		pg_atomic_fetch_add_u32(&covet_hot_home_by_id(entry->home)->entries, sign);
	partition->nentries += sign;
}

/*
 * Put an entry at the head of its list.
 */
void
covet_evict_link(HotPartition *partition, HotLink link)
{
	HotEntry   *entry = entry_at(partition, link);
	HotList    *list = list_of_entry(partition, entry);

	entry->newer = 0;
	entry->older = list->newest;
	if (list->newest != 0)
		entry_at(partition, list->newest)->newer = link;
	else
		list->oldest = link;
	list->newest = link;
	count_entry(partition, link, 1);
}

/*
 * The hand has come to what is newer than its round, or has met there an entry
 * that was read.
 */
static void
enter_new(HotPartition *partition)
{
	partition->round_end = 0;
	partition->round_left = partition->arena.units / NEW_FRACTION;
}

static void
unlist(HotPartition *partition, HotLink link)
{
	HotEntry   *entry = entry_at(partition, link);
	HotList    *list = list_of_entry(partition, entry);

	if (partition->hand == link)
		partition->hand = entry->newer;
	if (partition->round_end == link)
	{
		partition->round_end = entry->older;
		if (entry->older == 0)
			enter_new(partition);
	}
	if (entry->newer != 0)
		entry_at(partition, entry->newer)->older = entry->older;
	else
		list->newest = entry->older;
	if (entry->older != 0)
		entry_at(partition, entry->older)->newer = entry->newer;
	else
		list->oldest = entry->newer;
	count_entry(partition, link, -1);
}

/*
 * Free a block; *gap, the start of a free block, is followed to where the block
 * it is part of begins then.
 */
static HotLink
free_block(HotPartition *partition, HotLink block, HotLink *gap)
{
	HotLink		free = covet_hot_free(&partition->arena, block);

	if (*gap >= free && *gap < free + covet_hot_block_units(&partition->arena, free))
		*gap = free;
	return free;
}

/* Give back the blocks of an entry; returns the free block it became part of. */
static HotLink
free_entry(HotPartition *partition, HotLink link, HotLink *gap)
{
	HotEntry   *entry = entry_at(partition, link);

	pg_atomic_fetch_sub_u64(&covet_hot_home_by_id(entry->home)->bytes,
							(int64) entry->key_size + entry->size);
	if (entry->flags & HOT_PIECES)
	{
		const char *tags;
		HotLink		piece;

		memcpy(&piece, covet_entry_payload(entry, &tags), sizeof(piece));
		while (piece != 0)
		{
			HotLink		next = piece_at(partition, piece)->next;

			(void) free_block(partition, piece, gap);
			piece = next;
		}
	}
	return free_block(partition, link, gap);
}

/*
 * Give back the blocks of an entry that is in no list.
 */
void
covet_evict_free(HotPartition *partition, HotLink link)
{
	HotLink		gap = 0;

	(void) free_entry(partition, link, &gap);
}

static bool
in_use(uint32 number, HotLink link)
{
	uint64		name = (uint64) number << 32 | link;

	for (uint32 i = 0; i < covet_hot_table->nbackends; i++)
		if (pg_atomic_read_u64(&covet_hot_table->backends[i].hazard) == name)
			return true;
	return false;
}

/* Unlink an entry; returns the free block it became part of, if any did. */
static HotLink
unlink_entry(uint32 number, HotBucket *bucket, HotLink link, HotLink *gap)
{
	HotPartition *partition = partition_at(number);
	HotEntry   *entry = entry_at(partition, link);
	HotLink    *at = &bucket->head;

	while (*at != link)
		at = &entry_at(partition, *at)->next;
	*at = entry->next;
	unlist(partition, link);

	if ((entry->flags & HOT_PIECES) && in_use(number, link))
	{
		entry->flags |= HOT_UNLINKED;
		entry->next = partition->unlinked;
		partition->unlinked = link;
		partition->nunlinked++;
		return 0;
	}
	return free_entry(partition, link, gap);
}

/*
 * Take an entry out of its bucket and its list, and free it, now or when the
 * last reader is done with it.
 */
void
covet_evict_unlink(uint32 number, HotBucket *bucket, HotLink link)
{
	HotLink		gap = 0;

	(void) unlink_entry(number, bucket, link, &gap);
}

/* Free unlinked entries that nobody copies from any more. */
static void
free_unlinked(uint32 number)
{
	HotPartition *partition = partition_at(number);
	HotLink    *at = &partition->unlinked;

	while (*at != 0)
	{
		HotLink		link = *at;

		if (in_use(number, link))
			at = &entry_at(partition, link)->next;
		else
		{
			*at = entry_at(partition, link)->next;
			partition->nunlinked--;
			covet_evict_free(partition, link);
		}
	}
}

static HotLink
evict(uint32 number, HotLink link, HotLink *gap)
{
	HotPartition *partition = partition_at(number);

	partition->evictions++;
	return unlink_entry(number, covet_hot_bucket_of(partition, entry_at(partition, link)),
						link, gap);
}

/*
 * The entry after one at which the hand stands, and which is evicted or not; 0
 * where a round ends.
 */
static HotLink
advance(HotPartition *partition, const HotHome *home, HotLink link, bool evicts)
{
	HotEntry   *entry = entry_at(partition, link);

	if (home == NULL && link == partition->round_end)
		enter_new(partition);
	else if (home == NULL && partition->round_end == 0 && evicts)
	{
		partition->round_left -= (entry->key_size + entry->size) / HOT_UNIT;
		if (partition->round_left <= 0)
			return 0;
	}
	return entry->newer;
}

/*
 * The entry to evict next, or 0 when there is none; the search begins at *hand
 * (0: the oldest) and leaves there where it is to go on.  With a home only
 * entries of that.
 */
static HotLink
sieve(HotPartition *partition, const HotHome *home, HotLink *hand, TimestampTz now)
{
	HotLink		link = *hand;
	bool		all = false;	/* this round began with the oldest */
	bool		met = false;	/* one that could go */
	int			spared = 0;

	for (int rounds = 0; rounds < 4; rounds++)
	{
		if (link == 0)
		{
			if (all && !met)
				return 0;
			all = true;
			link = partition->values.oldest;
			if (home == NULL)
				partition->round_end = partition->values.newest;
		}
		while (link != 0)
		{
			HotEntry   *entry = entry_at(partition, link);

			if (home == NULL || entry->home == home->id)
			{
				bool		due = !entry->visited && rounds < 3 && spared < SPARED_MAX &&
					covet_entry_touch_due(entry);

				met = true;
				if (!(entry->visited || due) || !covet_entry_fresh(entry, now))
				{
					*hand = advance(partition, home, link, true);
					return link;
				}
				if (home == NULL && entry->visited && partition->round_end == 0)
					enter_new(partition);
				entry->visited = 0;
				spared += due;
			}
			link = advance(partition, home, link, false);
		}
	}
	return 0;
}

/* The entry that a used block belongs to, unless it cannot be evicted. */
static HotLink
evictable(HotPartition *partition, HotLink block)
{
	HotEntry   *entry;

	if (covet_hot_is_piece(&partition->arena, block))
		block = piece_at(partition, block)->owner;
	entry = entry_at(partition, block);
	return (entry->flags & (HOT_PREPARED | HOT_UNLINKED)) == 0 &&
		!covet_entry_touch_due(entry) ? block : 0;
}

/* Evict the neighbours of a free block until it has "units", if that can be. */
static void
clear_around(uint32 number, HotLink gap, uint32 units)
{
	HotPartition *partition = partition_at(number);
	HotArena   *arena = &partition->arena;

	while (covet_hot_block_units(arena, gap) < units)
	{
		HotLink		next = covet_hot_block_next(arena, gap);
		HotLink		prev = covet_hot_block_before(arena, gap);
		HotLink		victim = next != 0 ? evictable(partition, next) : 0;

		if (victim == 0 && prev != 0)
			victim = evictable(partition, prev);

		/* One that is still copied from leaves its blocks where they are. */
		if (victim == 0 || evict(number, victim, &gap) == 0)
			return;
	}
}

/*
 * A block of "bytes" bytes, HOT_BLOCK_MAX at most, evicting what has to go; 0
 * when nothing more can.
 */
HotLink
covet_evict_alloc(uint32 number, Size bytes, TimestampTz now)
{
	HotPartition *partition = partition_at(number);
	HotArena   *arena = &partition->arena;
	uint32		units = (bytes + HOT_UNIT - 1) / HOT_UNIT + 1;
	HotLink		widest = 0;		/* the widest gap that evictions left */
	int			evictions = 0;

	if (partition->unlinked != 0)
		free_unlinked(number);
	for (;;)
	{
		HotLink		link = covet_hot_alloc(arena, bytes);

		if (link != 0)
			return link;
		if (evictions >= EVICTIONS_BEFORE_CLEARING && widest != 0)
		{
			/* Rounded up, as the request will be. */
			clear_around(number, widest, units + units / HOT_SUBCLASSES + 1);
			evictions = 0;
			widest = 0;
			continue;
		}

		link = partition->absent.oldest;
		if (link == 0)
			link = sieve(partition, NULL, &partition->hand, now);
		if (link == 0)
		{
			partition->full++;
			return 0;
		}
		link = evict(number, link, &widest);
		evictions++;
		if (link != 0 && (widest == 0 || covet_hot_block_units(arena, link) >
						  covet_hot_block_units(arena, widest)))
			widest = link;
	}
}

/*
 * Keep the "not there" entries of a partition below their part of it.
 */
void
covet_evict_absent(uint32 number)
{
	HotPartition *partition = partition_at(number);

	while (partition->absent_units > partition->arena.units / ABSENT_FRACTION)
	{
		HotLink		gap = 0;

		(void) evict(number, partition->absent.oldest, &gap);
	}
}

/* Has a home more bytes than that, and entries to evict? */
static bool
has_excess(HotHome *home, int64 max_bytes)
{
	return (int64) pg_atomic_read_u64(&home->bytes) > max_bytes &&
		pg_atomic_read_u32(&home->entries) > 0;
}

/*
 * Evict entries of a home, beginning with a partition, until it has at most
 * max_bytes or none is left: the rest is prepared, by transactions that write
 * more than a quota, and nobody searches memory in vain for that.  Called
 * without a lock.
 */
void
covet_evict_home(HotHome *home, int64 max_bytes, uint32 first, TimestampTz now)
{
	uint32		count = covet_hot_table->npartitions;
	int64		goal = max_bytes - max_bytes / QUOTA_SLACK;

	for (uint32 i = 0; i < count && has_excess(home, goal); i++)
	{
		uint32		number = (first + i) & (count - 1);
		HotPartition *partition = partition_at(number);
		HotLink		hand = 0;
		HotLink		gap = 0;

		LWLockAcquire(partition_lock(number), LW_EXCLUSIVE);
		while (has_excess(home, goal))
		{
			HotLink		link = sieve(partition, home, &hand, now);

			if (link == 0)
				break;
			(void) evict(number, link, &gap);
		}
		LWLockRelease(partition_lock(number));
	}
}
