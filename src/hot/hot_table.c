/*
 * hot_table.c
 *		The partitions of the hot tier: finding, linking, dropping entries.
 *
 * Memory.  covet.hot_size bytes are cut into partitions of about 4 MB (8 to
 * 256, a power of two).  Each has an array of buckets (one for every 256 bytes)
 * and an arena for blocks (hot_memory.c).  The hash of a key chooses partition
 * and bucket; entries of a bucket are a chain.
 *
 * Locks.  Each partition has one LWLock.  Shared: look up, copy out up to 8 kB,
 * set "visited", raise "seen" by compare-and-swap.  Exclusively: everything
 * else.  One partition's lock at a time, and no other lock inside.  Larger
 * values are copied after the lock was given back: the reader names the entry
 * in its hazard slot while it still has the lock, and hot_evict.c frees no
 * entry that is named.  Between acquisition and release nothing allocates,
 * raises or looks at a catalog.
 *
 * Writers fill a block that nobody can see yet ("prepared", counted) and link
 * it in a second step.  What can fail is in the first; the second is allowed
 * in a COMMIT callback.
 *
 * Rows.  A copy of a row may only come in through covet_hot_promote(), with
 * what covet_hot_get() noted when it missed.  Whoever writes the row moves the
 * bucket's change count when he commits (covet_hot_drop), so a reader that has
 * read the row before cannot put it in after.  From before the commit until
 * then a fence stands: readers do not trust what is there and promote nothing.
 * Fences are counters of groups of buckets.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/shmem.h"
#include "base/version.h"
#include "hot/hot_shared.h"
#include "hot/hot_table.h"

#define PARTITION_SIZE	(4 * 1024 * 1024)
#define PARTITIONS_MIN	8
#define BYTES_PER_BUCKET	256

/* A value is at most this part of a partition. */
#define VALUE_FRACTION	8

/* "Not there" is believed for so long. */
#define ABSENT_TTL		(60 * USECS_PER_SEC)

/* A touch that would move "seen" by less is not worth a write. */
#define TOUCH_GRAIN		1000
#define TOUCH_GRAINS_PER_IDLE	1024

HotTable   *covet_hot_table = NULL;

/* ------------------------------------------------------------------------
 * Shared memory
 * ------------------------------------------------------------------------ */

static uint32
count_partitions(void)
{
	uint32		count = PARTITIONS_MIN;

	while (count < HOT_PARTITIONS_MAX &&
		   (Size) covet_hot_size * 1024 / count > PARTITION_SIZE + PARTITION_SIZE / 2)
		count *= 2;
	return count;
}

static Size
partition_bytes(void)
{
	return TYPEALIGN_DOWN(PG_CACHE_LINE_SIZE,
						  (Size) covet_hot_size * 1024 / count_partitions());
}

static uint32
count_backends(void)
{
	return MaxBackends + NUM_AUXILIARY_PROCS;
}

static Size
table_size(void)
{
	Size		size = CACHELINEALIGN(sizeof(HotTable));

	size = add_size(size, mul_size(count_backends(), sizeof(HotBackend)));
	size = add_size(size, CACHELINEALIGN(mul_size(count_partitions(), sizeof(HotPartition))));
	size = add_size(size, mul_size(count_partitions(), partition_bytes()));
	return add_size(size, PG_CACHE_LINE_SIZE);
}

static void
init_partition(HotPartition *partition, char *memory, Size bytes)
{
	uint32		buckets = 1;

	while (buckets * 2 <= bytes / BYTES_PER_BUCKET)
		buckets *= 2;
	memset(partition, 0, sizeof(*partition));
	partition->buckets = (HotBucket *) memory;
	partition->bucket_mask = buckets - 1;
	memset(memory, 0, buckets * sizeof(HotBucket));
	memory += buckets * sizeof(HotBucket);
	covet_hot_arena_init(&partition->arena, memory, bytes - buckets * sizeof(HotBucket));
}

static void
init_table(void *segment)
{
	HotTable   *table = segment;
	Size		bytes = partition_bytes();
	char	   *memory = (char *) CACHELINEALIGN((char *) segment + sizeof(HotTable));

	table->npartitions = count_partitions();
	table->nbackends = count_backends();
	table->locks = GetNamedLWLockTranche("CovetHot");
	table->backends = (HotBackend *) memory;
	memory += sizeof(HotBackend) * table->nbackends;
	for (uint32 i = 0; i < table->nbackends; i++)
	{
		memset(&table->backends[i], 0, sizeof(HotBackend));
		pg_atomic_init_u64(&table->backends[i].hazard, 0);
	}
	table->partitions = (HotPartition *) memory;
	memory += CACHELINEALIGN(sizeof(HotPartition) * table->npartitions);
	for (uint32 i = 0; i < table->npartitions; i++)
		init_partition(&table->partitions[i], memory + i * bytes, bytes);
	table->max_payload = (Size) table->partitions[0].arena.units * HOT_UNIT / VALUE_FRACTION;
}

static ShmemRoom room = {
	.name = "CovetHot",
	.size = table_size,
	.init = init_table,
	.segment = (void **) &covet_hot_table,
	.tranche = "CovetHot",
};

/*
 * Register the tier's shared memory; while preloading only, after the settings.
 */
void
covet_hot_init(void)
{
	covet_hot_home_init();
	covet_hot_dump_init();
	room.locks = count_partitions();
	covet_shmem_register(&room);
}

/*
 * What this backend shows the others.
 */
HotBackend *
covet_hot_backend(void)
{
	return &covet_hot_table->backends[covet_proc_number()];
}

/*
 * The largest value (bytes as they are stored) that memory takes.
 */
Size
covet_hot_max_value_size(void)
{
	return Min((Size) covet_hot_max_value * 1024, covet_hot_table->max_payload);
}

/* ------------------------------------------------------------------------
 * Looking up
 * ------------------------------------------------------------------------ */

/*
 * The bucket of an entry.  The caller holds the partition's lock.
 */
HotBucket *
covet_hot_bucket_of(HotPartition *partition, const HotEntry *entry)
{
	HotKey		key;

	covet_hot_key(&key, covet_hot_home_by_id(entry->home),
				  covet_entry_key((HotEntry *) entry), entry->key_size);
	return bucket_of(partition, key.hash);
}

/*
 * The entry of a key in its bucket, or 0.  The caller holds the partition's
 * lock.
 */
HotLink
covet_hot_find(HotPartition *partition, const HotBucket *bucket, const HotKey *key)
{
	for (HotLink link = bucket->head; link != 0;)
	{
		HotEntry   *entry = entry_at(partition, link);

		if (entry->home == key->home->id && entry->key_size == key->size &&
			memcmp(covet_entry_key(entry), key->bytes, key->size) == 0)
			return link;
		link = entry->next;
	}
	return 0;
}

/* Raise "seen" of an entry that is alive; false when it has just ended. */
static bool
touch(HotEntry *entry, TimestampTz now)
{
	IdleTail   *idle = covet_entry_idle(entry);
	uint64		seen = pg_atomic_read_u64(&idle->seen);

	for (;;)
	{
		if (seen == SEEN_DEAD)
			return false;
		if (now - (TimestampTz) seen < Min(TOUCH_GRAIN, idle->idle / TOUCH_GRAINS_PER_IDLE) ||
			now <= (TimestampTz) seen)
			return true;
		if (pg_atomic_compare_exchange_u64(&idle->seen, &seen, (uint64) now))
			return true;
	}
}

/*
 * What an entry is to a reader: HOT_HIT when it can be given out.  Marks one
 * that has not been seen in time as over for good.
 */
static HotResult
judge(HotEntry *entry, TimestampTz now, int flags, HotValue *value)
{
	bool		memory = covet_hot_home_by_id(entry->home)->store == HOT_MEMORY;

	value->fresh = true;
	if (entry->flags & (HOT_IS_REMNANT | HOT_PLACEHOLDER) || covet_entry_cleared(entry, true))
		return memory ? HOT_ABSENT : HOT_MISS;
	if (entry->flags & HOT_IS_ABSENT)
		return entry->expires_at > now ? HOT_ABSENT : HOT_MISS;
	if (!covet_entry_seen_in_time(entry, now, true))
		return HOT_ABSENT;
	if (entry->expires_at <= now)
	{
		value->fresh = false;
		return (flags & HOT_STALE) && (entry->flags & HOT_STALE_TAIL) &&
			covet_entry_stale(entry)->stale_until > now ? HOT_HIT : HOT_ABSENT;
	}
	if ((flags & HOT_SEEN) && (entry->flags & HOT_IDLE) && !touch(entry, now))
		return HOT_ABSENT;
	return HOT_HIT;
}

/* Copy all but the payload. */
static void
copy_facts(HotEntry *entry, HotValue *value)
{
	value->version = entry->version;
	value->expires_at = entry->expires_at;
	value->stale_until = (entry->flags & HOT_STALE_TAIL)
		? covet_entry_stale(entry)->stale_until : 0;
	value->idle = 0;
	value->seen_at = 0;
	if (entry->flags & HOT_IDLE)
	{
		IdleTail   *idle = covet_entry_idle(entry);

		value->idle = idle->idle;
		value->seen_at = (TimestampTz) pg_atomic_read_u64(&idle->seen);
	}
	value->head = entry->head;
	value->ntags = entry->ntags;
	value->size = entry->size;
	value->payload = NULL;
	value->varlena = NULL;
}

/*
 * Copy what stands in the block of an entry: its tags, and a payload without
 * pieces unless it is not wanted.
 */
static void
copy_block(HotEntry *entry, int flags, HotValue *value)
{
	static uint64 buffer[HOT_BLOCK_MAX / sizeof(uint64)];
	char	   *out = (char *) buffer;
	const char *tags;
	const char *payload = covet_entry_payload(entry, &tags);

	if ((flags & HOT_NO_PAYLOAD) == 0 && (entry->flags & HOT_PIECES) == 0)
	{
		memcpy(out, payload, entry->size);
		value->payload = out;

		/* There is room for it: the block has a header, which is not copied. */
		out += MAXALIGN(entry->size);
	}
	memcpy(out, tags, payload - tags);
	value->tags = out;
}

/*
 * Copy the payload of an entry named in our hazard slot, which has pieces, and
 * clear the slot.  The result is palloc'd in the current context.
 */
static void
copy_pieces(HotPartition *partition, HotLink link, HotValue *value)
{
	HotBackend *backend = covet_hot_backend();
	struct varlena *result = palloc_extended(VARHDRSZ + (Size) value->size,
											 MCXT_ALLOC_NO_OOM);
	HotEntry   *entry = entry_at(partition, link);
	const char *tags;
	HotLink		piece;
	char	   *out;
	Size		left = value->size;

	if (result == NULL)
	{
		pg_atomic_write_u64(&backend->hazard, 0);
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Failed on a cached value of %u bytes.", value->size)));
	}

	SET_VARSIZE(result, VARHDRSZ + value->size);
	out = VARDATA(result);
	memcpy(&piece, covet_entry_payload(entry, &tags), sizeof(piece));
	while (left > 0)
	{
		HotPiece   *from = piece_at(partition, piece);
		Size		part = Min(left, PIECE_BYTES);

		memcpy(out, from->bytes, part);
		out += part;
		left -= part;
		piece = from->next;
	}
	pg_memory_barrier();
	pg_atomic_write_u64(&backend->hazard, 0);
	value->varlena = result;
	value->payload = VARDATA(result);
}

/*
 * Look for an entry.  With HOT_HIT *value is filled: its payload and tags stand
 * in a buffer that lasts until the next call, or in *value's varlena, palloc'd
 * in the current context.  *guard (may be NULL) is what covet_hot_promote()
 * needs; note it before a snapshot is taken.  Raises 53200 when a large value
 * cannot be copied.
 */
HotResult
covet_hot_get(const HotKey *key, TimestampTz now, int flags, HotValue *value,
			  HotGuard *guard)
{
	uint32		number = partition_of(key);
	HotPartition *partition = partition_at(number);
	HotBucket  *bucket = bucket_of(partition, key->hash);
	HotBackend *backend = covet_hot_backend();
	HotResult	result;
	HotLink		link;
	bool		fenced;
	bool		pieces = false;

	LWLockAcquire(partition_lock(number), LW_SHARED);
	fenced = key->home->store != HOT_MEMORY && *fence_of(partition, key->hash) > 0;
	link = fenced ? 0 : covet_hot_find(partition, bucket, key);
	if (link == 0)
		result = key->home->store == HOT_MEMORY ? HOT_ABSENT : HOT_MISS;
	else
		result = judge(entry_at(partition, link), now, flags, value);

	if (result == HOT_HIT)
	{
		HotEntry   *entry = entry_at(partition, link);

		if (!entry->visited)
			entry->visited = 1;
		copy_facts(entry, value);
		pieces = (entry->flags & HOT_PIECES) != 0 && (flags & HOT_NO_PAYLOAD) == 0;
		if (pieces)
			pg_atomic_write_u64(&backend->hazard, (uint64) number << 32 | link);
		copy_block(entry, flags, value);
	}
	if (guard != NULL)
	{
		guard->change = bucket->change;
		guard->epoch = covet_hot_epoch(key->home->space, key->home->store);
		guard->fenced = fenced;
	}
	LWLockRelease(partition_lock(number));

	if (result == HOT_HIT)
		backend->hits++;
	else
		backend->misses++;
	if (pieces)
		copy_pieces(partition, link, value);
	return result;
}

/* ------------------------------------------------------------------------
 * Coming in
 * ------------------------------------------------------------------------ */

/*
 * Take the pieces for a payload, the last one, which is the smallest, first;
 * *chain is the first of the chain.  False when there is no room for all.
 */
static bool
take_pieces(uint32 number, HotLink owner, Size payload, HotLink *chain, TimestampTz now)
{
	HotPartition *partition = partition_at(number);
	Size		part = payload % PIECE_BYTES;

	*chain = 0;
	while (payload > 0)
	{
		HotLink		link;

		if (part == 0)
			part = PIECE_BYTES;
		link = covet_evict_alloc(number, offsetof(HotPiece, bytes) + part, now);
		if (link == 0)
			return false;
		covet_hot_mark_piece(&partition->arena, link);
		piece_at(partition, link)->owner = owner;
		piece_at(partition, link)->next = *chain;
		*chain = link;
		payload -= part;
		part = 0;
	}
	return true;
}

/*
 * Take the blocks of an entry to be made, and mark it as prepared; 0 when there
 * is no room.  The caller holds the lock exclusively.
 */
static HotLink
take_blocks(uint32 number, const HotKey *key, const HotContent *content, Size size,
			uint8 flags, HotLink *chain, TimestampTz now)
{
	HotPartition *partition = partition_at(number);
	HotLink		link = covet_evict_alloc(number, size, now);
	HotEntry   *entry;

	*chain = 0;
	if (link == 0)
		return 0;

	/* As much as whoever meets or frees an unfinished entry has to know. */
	entry = entry_at(partition, link);
	entry->flags = flags & ~HOT_PIECES;
	entry->home = key->home->id;
	entry->key_size = key->size;
	entry->size = content->prefix_size + content->size;
	pg_atomic_fetch_add_u64(&key->home->bytes, (int64) entry->key_size + entry->size);

	if ((flags & HOT_PIECES) && !take_pieces(number, link, entry->size, chain, now))
	{
		while (*chain != 0)
		{
			HotLink		next = piece_at(partition, *chain)->next;

			covet_hot_free(&partition->arena, *chain);
			*chain = next;
		}
		covet_evict_free(partition, link);
		return 0;
	}
	partition->nprepared++;
	return link;
}

/* Would the entry take its home over the quota? */
static bool
over_quota(const HotKey *key, const HotContent *content, Size payload)
{
	return content->max_bytes > 0 &&
		(int64) (pg_atomic_read_u64(&key->home->bytes) + key->size + payload) > content->max_bytes;
}

/* Make an entry that carries the epoch of its store. */
static bool
prepare(const HotKey *key, const HotContent *content, uint32 epoch, HotBlock *block)
{
	TimestampTz now = covet_now();
	Size		payload = (Size) content->prefix_size + content->size;
	uint32		number = partition_of(key);
	uint8		flags;
	Size		size = covet_entry_size(key, content, &flags);
	HotLink		chain;

	block->partition = number;
	block->entry = 0;
	if (payload > covet_hot_max_value_size())
		return false;
	if (over_quota(key, content, payload))
	{
		covet_evict_home(key->home, content->max_bytes - key->size - payload, number, now);

		/* One transaction may have prepared more than its namespace can hold. */
		if (over_quota(key, content, payload))
			return false;
	}

	LWLockAcquire(partition_lock(number), LW_EXCLUSIVE);
	block->entry = take_blocks(number, key, content, size, flags, &chain, now);
	LWLockRelease(partition_lock(number));
	if (block->entry == 0)
		return false;
	covet_entry_fill(partition_at(number), block->entry, key, content, flags, chain, epoch);
	return true;
}

/*
 * Make an entry of a memory namespace, to be linked later; evicts what has to
 * go.  False when there is no room or the value is too large.
 */
bool
covet_hot_prepare(const HotKey *key, const HotContent *content, HotBlock *block)
{
	return prepare(key, content,
				   covet_hot_epoch(key->home->space, key->home->store), block);
}

/*
 * Give a prepared block back; nothing to do where there is none.
 */
void
covet_hot_discard(HotBlock *block)
{
	if (block->entry == 0)
		return;
	LWLockAcquire(partition_lock(block->partition), LW_EXCLUSIVE);
	partition_at(block->partition)->nprepared--;
	covet_evict_free(partition_at(block->partition), block->entry);
	LWLockRelease(partition_lock(block->partition));
	block->entry = 0;
}

/* Let a copy have the touch that the one before it has seen. */
static void
inherit_touch(HotEntry *old, HotEntry *entry)
{
	IdleTail   *idle;
	uint64		seen;

	if (!(old->flags & HOT_IDLE) || !(entry->flags & HOT_IDLE))
		return;
	idle = covet_entry_idle(entry);
	seen = pg_atomic_read_u64(&covet_entry_idle(old)->seen);
	if (seen != SEEN_DEAD && (TimestampTz) seen > (TimestampTz) pg_atomic_read_u64(&idle->seen))
		pg_atomic_write_u64(&idle->seen, seen);
}

/*
 * Link a prepared entry, in the place of "old" unless that is 0.  The caller
 * holds the partition's lock exclusively.
 */
void
covet_hot_link_entry(uint32 number, HotBucket *bucket, HotLink old, HotLink link)
{
	HotPartition *partition = partition_at(number);
	HotEntry   *entry = entry_at(partition, link);

	if (old != 0)
		covet_evict_unlink(number, bucket, old);
	entry->flags &= ~HOT_PREPARED;
	entry->next = bucket->head;
	bucket->head = link;
	partition->nprepared--;
	covet_evict_link(partition, link);
}

/*
 * Does an entry have a value that everybody can see?  One that was not seen in
 * time is marked as over.  The caller holds the partition's lock.
 */
bool
covet_hot_is_live(HotEntry *entry, TimestampTz now)
{
	return (entry->flags & HOT_NO_VALUE) == 0 && entry->expires_at > now &&
		!covet_entry_cleared(entry, false) &&
		covet_entry_seen_in_time(entry, now, true);
}

static bool
may_link(HotEntry *old, HotLinkMode mode, int64 expected, TimestampTz now)
{
	switch (mode)
	{
		case HOT_ALWAYS:
			return true;
		case HOT_IF_ABSENT:
			return old == NULL || !covet_hot_is_live(old, now);
		case HOT_IF_VERSION:
		case HOT_KEEP_TIMES:
			return old != NULL && covet_hot_is_live(old, now) &&
				(expected == 0 || expected == old->version);
		case HOT_IF_LEASE:
			return old != NULL && covet_entry_lease_held(old, expected, now);
	}
	return false;
}

/*
 * Let an entry have the deadlines and the touch of the one it was made from:
 * both may have moved since, and that has not changed the version.
 */
static void
keep_times(HotEntry *old, HotEntry *entry)
{
	entry->expires_at = old->expires_at;
	if ((old->flags & HOT_STALE_TAIL) && (entry->flags & HOT_STALE_TAIL))
		covet_entry_stale(entry)->stale_until = covet_entry_stale(old)->stale_until;
	inherit_touch(old, entry);
}

/*
 * Link a prepared block if "mode" allows it ("expected" is the version or the
 * lease it asks for), else give it back; *version (may be NULL) is the entry's.
 * Allowed in a COMMIT callback.
 */
bool
covet_hot_link(const HotKey *key, HotBlock *block, HotLinkMode mode, int64 expected,
			   TimestampTz now, int64 *version)
{
	uint32		number = block->partition;
	HotPartition *partition = partition_at(number);
	HotBucket  *bucket = bucket_of(partition, key->hash);
	HotEntry   *entry = entry_at(partition, block->entry);
	HotLink		old;
	bool		linked;

	LWLockAcquire(partition_lock(number), LW_EXCLUSIVE);
	old = covet_hot_find(partition, bucket, key);
	linked = may_link(old == 0 ? NULL : entry_at(partition, old), mode, expected, now);
	if (linked)
	{
		if (entry->version == 0)
			entry->version = covet_next_version();
		if (version != NULL)
			*version = entry->version;
		if (mode == HOT_KEEP_TIMES)
			keep_times(entry_at(partition, old), entry);
		covet_hot_link_entry(number, bucket, old, block->entry);
		block->entry = 0;
	}
	LWLockRelease(partition_lock(number));
	covet_hot_discard(block);
	return linked;
}

/*
 * May an entry for this key come in, by what was noted before its row was read?
 * Whatever is there already wins, except what nobody can see any more.
 */
static bool
may_promote(HotPartition *partition, HotBucket *bucket, const HotKey *key,
			const HotGuard *guard, HotEntry *old, const HotContent *content)
{
	if (bucket->change != guard->change || *fence_of(partition, key->hash) > 0 ||
		covet_hot_epoch(key->home->space, key->home->store) != guard->epoch)
		return false;
	if (old == NULL || covet_entry_cleared(old, false))
		return true;
	if (old->flags & HOT_PLACEHOLDER)
		return covet_entry_over(old, covet_now());
	if (old->flags & HOT_IS_REMNANT)
		return !content->absent;
	return (old->flags & HOT_IS_ABSENT) != 0;
}

/*
 * Keep a copy of a row, or with content->absent that there is none, unless
 * something has moved since covet_hot_get() filled the guard.  The content's
 * stamps are those of the row.
 */
bool
covet_hot_promote(const HotKey *key, const HotGuard *guard, const HotContent *content)
{
	uint32		number = partition_of(key);
	HotPartition *partition = partition_at(number);
	HotBucket  *bucket = bucket_of(partition, key->hash);
	HotContent	absent;
	HotBlock	block;
	HotLink		old;
	bool		promoted;

	if (guard->fenced)
		return false;
	if (content->absent)
	{
		memset(&absent, 0, sizeof(absent));
		absent.absent = true;
		absent.stamp = content->stamp;
		absent.expires_at = covet_now() + ABSENT_TTL;
		content = &absent;
	}
	if (!prepare(key, content, guard->epoch, &block))
		return false;

	LWLockAcquire(partition_lock(number), LW_EXCLUSIVE);
	old = covet_hot_find(partition, bucket, key);
	promoted = may_promote(partition, bucket, key, guard,
						   old == 0 ? NULL : entry_at(partition, old), content);
	if (promoted)
	{
		if (old != 0)
			inherit_touch(entry_at(partition, old), entry_at(partition, block.entry));
		covet_hot_link_entry(number, bucket, old, block.entry);
		block.entry = 0;
		partition->promotions++;
		covet_evict_absent(number);
	}
	else
		partition->refused++;
	LWLockRelease(partition_lock(number));
	covet_hot_discard(&block);
	return promoted;
}
