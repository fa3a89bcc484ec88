/*
 * hot_stamp.c
 *		When namespaces and tags of the cache were last cleared.
 *
 * To clear a namespace or a tag moves its stamp, a 64-bit number that is never
 * used twice, whatever the number of entries.  An entry or row carries the
 * stamps that stood when it was written and is dead once one of them differs:
 * equality, not order, decides.  So a value from before somebody's clear does
 * not come back after it, whoever commits first.
 *
 * The slots are fixed in number and chosen by a hash that is the same at each
 * start, because rows keep their stamps: nothing grows, and two names of one
 * slot only clear each other.  Slot 0 is for what has no stamp: it is 0 and
 * never moves.
 *
 * Every slot begins with a number of its own, new in each boot.  Two things
 * follow.  A clean shutdown saves the vector (hot_dump.c); where the file is
 * missing, clears have been forgotten, but rows of the unlogged cache that were
 * written before carry none of the numbers that stand now and are dead, in all
 * boots to come.  And a row that CREATE DATABASE has copied, whose namespace has
 * another slot there, is dead too, rather than free of the clears it had lived
 * through.
 *
 * A stamp's number says nothing of when it moved: it was given out when the
 * clear was called, and moved at commit.  Who has to know that, because he
 * began to compute a value in between, asks for the version at the move, which
 * MOVE_SLOTS words keep, each for many slots.
 *
 * Locks: none, all are atomics.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"

#include "base/shmem.h"
#include "base/version.h"
#include "hot/hot_shared.h"

#define MOVE_SLOTS	4096		/* a power of two */

typedef struct StampShared
{
	pg_atomic_uint64 moves[MOVE_SLOTS]; /* version at the last move */
	pg_atomic_uint64 stamps[HOT_SLOTS];
} StampShared;

static StampShared *shared = NULL;

static Size
shared_size(void)
{
	return sizeof(StampShared);
}

static void
init_shared(void *segment)
{
	StampShared *new = segment;

	for (int i = 0; i < MOVE_SLOTS; i++)
		pg_atomic_init_u64(&new->moves[i], 0);
	pg_atomic_init_u64(&new->stamps[0], 0);
	for (uint32 slot = 1; slot < HOT_SLOTS; slot++)
		pg_atomic_init_u64(&new->stamps[slot], (uint64) covet_next_version());
}

static ShmemRoom room = {
	.name = "CovetHotStamp",
	.size = shared_size,
	.init = init_shared,
	.segment = (void **) &shared,
};

/*
 * Register the vector, after the room of versions; while preloading only.
 */
void
covet_stamp_init(void)
{
	covet_shmem_register(&room);
}

/*
 * The slot of a namespace of an installation.
 */
uint32
covet_stamp_slot_of(Oid database, Oid schema, const char *name, Size size)
{
	uint64		hash = hash_bytes_extended((const unsigned char *) name, (int) size,
										   (uint64) database << 32 | schema);

	return 1 + (uint32) (hash % HOT_NAMESPACE_SLOTS);
}

/*
 * The slot of a namespace in this database.
 */
uint32
covet_stamp_namespace_slot(const char *name, Size size)
{
	return covet_stamp_slot_of(MyDatabaseId, covet_hot_schema(), name, size);
}

/*
 * The slot of a tag within a namespace, which is given by its slot.
 */
uint32
covet_stamp_tag_slot(uint32 namespace_slot, const char *tag, Size size)
{
	uint64		hash = hash_bytes_extended((const unsigned char *) tag, (int) size,
										   namespace_slot);

	return 1 + HOT_NAMESPACE_SLOTS + (uint32) (hash % HOT_TAG_SLOTS);
}

/*
 * The stamp of a slot, as others see it.
 */
int64
covet_stamp_get(uint32 slot)
{
	Assert(slot < HOT_SLOTS);
	return (int64) pg_atomic_read_u64(&shared->stamps[slot]);
}

/* Note that a slot is about to move. */
static void
note_move(uint32 slot)
{
	pg_atomic_uint64 *word = &shared->moves[slot & (MOVE_SLOTS - 1)];
	uint64		version = (uint64) covet_next_version();
	uint64		seen = pg_atomic_read_u64(word);

	while (seen < version && !pg_atomic_compare_exchange_u64(word, &seen, version))
		;
}

/*
 * May the stamp of a slot have moved, by somebody's commit, since a version was
 * given out?  A stamp read before this is asked is from before the move, or the
 * answer is yes.
 */
bool
covet_stamp_moved_since(uint32 slot, int64 version)
{
	pg_read_barrier();
	return (int64) pg_atomic_read_u64(&shared->moves[slot & (MOVE_SLOTS - 1)]) > version;
}

/*
 * Move the stamp of a slot to "stamp", a new version, or where it is no longer
 * what was expected to a fresher one: what was written with either is then
 * from before somebody else's clear.
 */
void
covet_stamp_move(uint32 slot, int64 expected, int64 stamp)
{
	uint64		seen = (uint64) expected;

	Assert(slot > 0 && slot < HOT_SLOTS);
	note_move(slot);
	if (!pg_atomic_compare_exchange_u64(&shared->stamps[slot], &seen, (uint64) stamp))
		pg_atomic_exchange_u64(&shared->stamps[slot], (uint64) covet_next_version());
}

/*
 * Move all stamps: everything cached is dead.
 */
void
covet_stamp_move_all(void)
{
	for (uint32 slot = 1; slot < HOT_SLOTS; slot++)
		pg_atomic_exchange_u64(&shared->stamps[slot], (uint64) covet_next_version());
}

/*
 * Take over HOT_SLOTS stamps of an earlier boot; before anybody is served.
 */
void
covet_stamp_restore(const int64 *stamps)
{
	for (uint32 slot = 1; slot < HOT_SLOTS; slot++)
		pg_atomic_write_u64(&shared->stamps[slot], (uint64) stamps[slot]);
}
