/*
 * hot_memory.c
 *		One partition's memory: two-level segregated fit with immediate
 *		coalescing.
 *
 * The arena is an array of 8-byte units cut into blocks that lie side by side.
 * Each begins with a header of one unit: its size and that of the block before
 * it, so that a block being freed finds both neighbours and joins them when
 * they are free.  Free blocks hang in lists by size: a class for each power of
 * two, sixteen subclasses in each, and a bit for every list that is not empty,
 * so that a fit is found in constant time.  No request exceeds HOT_BLOCK_MAX
 * (larger values are chained), and space freed by any mix of sizes serves any
 * other: nothing calcifies.
 *
 * A link names the first unit after the header.  The first and the last block
 * are used sentinels, so that no neighbour has to be asked whether it exists.
 *
 * Nothing here locks, allocates or raises: the caller holds the partition's
 * lock.
 */
#include "postgres.h"

#include "port/pg_bitutils.h"

#include "hot/hot_memory.h"

/* What stands in the unit before a block's content. */
typedef struct BlockHeader
{
	uint32		size_and_flags; /* units with the header * 4, + flags below */
	uint32		before;			/* units of the block before, with header */
} BlockHeader;

/* The content of a free block. */
typedef struct FreeLinks
{
	HotLink		next;
	HotLink		prev;
} FreeLinks;

StaticAssertDecl(sizeof(BlockHeader) == HOT_UNIT, "a header is one unit");

#define USED		1
#define PIECE		2			/* of a used block: see covet_hot_mark_piece */

#define BLOCK_MIN	2			/* units: header and the links of a free one */
#define SENTINEL	2			/* units */

static inline BlockHeader *
header(const HotArena *arena, HotLink block)
{
	return (BlockHeader *) &arena->base[block - 1];
}

static inline FreeLinks *
links(const HotArena *arena, HotLink block)
{
	return (FreeLinks *) &arena->base[block];
}

static inline uint32
size_of(const HotArena *arena, HotLink block)
{
	return header(arena, block)->size_and_flags >> 2;
}

static inline bool
used(const HotArena *arena, HotLink block)
{
	return (header(arena, block)->size_and_flags & USED) != 0;
}

static inline void
set_block(HotArena *arena, HotLink block, uint32 size, bool is_used)
{
	header(arena, block)->size_and_flags = size << 2 | (is_used ? USED : 0);
	header(arena, block + size)->before = size;
}

static inline HotLink
after(const HotArena *arena, HotLink block)
{
	return block + size_of(arena, block);
}

static inline HotLink
before(const HotArena *arena, HotLink block)
{
	return block - header(arena, block)->before;
}

/* The list for free blocks of a size: all in it are at least that large. */
static inline void
list_of(uint32 size, int *class, int *subclass)
{
	*class = pg_leftmost_one_pos32(size);
	*subclass = *class < 4 ? (int) (size << (4 - *class)) & 15
		: (int) (size >> (*class - 4)) & 15;
}

static void
insert_free(HotArena *arena, HotLink block)
{
	int			class;
	int			subclass;
	HotLink    *head;

	list_of(size_of(arena, block), &class, &subclass);
	head = &arena->free_lists[class][subclass];
	links(arena, block)->next = *head;
	links(arena, block)->prev = 0;
	if (*head != 0)
		links(arena, *head)->prev = block;
	*head = block;
	arena->class_map |= (uint32) 1 << class;
	arena->subclass_map[class] |= 1 << subclass;
	arena->free_units += size_of(arena, block);
}

static void
remove_free(HotArena *arena, HotLink block)
{
	FreeLinks  *own = links(arena, block);
	int			class;
	int			subclass;

	list_of(size_of(arena, block), &class, &subclass);
	if (own->next != 0)
		links(arena, own->next)->prev = own->prev;
	if (own->prev != 0)
		links(arena, own->prev)->next = own->next;
	else
	{
		arena->free_lists[class][subclass] = own->next;
		if (own->next == 0)
		{
			arena->subclass_map[class] &= ~(1 << subclass);
			if (arena->subclass_map[class] == 0)
				arena->class_map &= ~((uint32) 1 << class);
		}
	}
	arena->free_units -= size_of(arena, block);
}

/*
 * Make "bytes" bytes at "base" an arena with one free block.
 */
void
covet_hot_arena_init(HotArena *arena, void *base, Size bytes)
{
	HotLink		first = 1;

	memset(arena, 0, sizeof(*arena));
	arena->base = base;
	arena->units = (uint32) Min(bytes / HOT_UNIT, ((uint32) 1 << HOT_SIZE_CLASSES) - 1);

	header(arena, first)->before = 0;
	set_block(arena, first, SENTINEL, true);
	set_block(arena, first + SENTINEL, arena->units - 2 * SENTINEL - 1, false);
	header(arena, arena->units - SENTINEL)->size_and_flags = SENTINEL << 2 | USED;
	insert_free(arena, first + SENTINEL);
}

/*
 * A block for "bytes" bytes, HOT_BLOCK_MAX at most; 0 when there is none
 * large enough.
 */
HotLink
covet_hot_alloc(HotArena *arena, Size bytes)
{
	uint32		size = Max(BLOCK_MIN, (bytes + HOT_UNIT - 1) / HOT_UNIT + 1);
	uint32		rounded = size;
	uint32		map;
	int			class;
	int			subclass;
	HotLink		block;

	Assert(bytes <= HOT_BLOCK_MAX);

	/* Every block of the list that the rounded size belongs to is a fit. */
	if (size >= 16)
		rounded += ((uint32) 1 << (pg_leftmost_one_pos32(size) - 4)) - 1;
	list_of(rounded, &class, &subclass);

	map = arena->subclass_map[class] & ~((1 << subclass) - 1);
	if (map == 0)
	{
		uint32		larger = arena->class_map & ~(((uint32) 2 << class) - 1);

		if (larger == 0)
			return 0;
		class = pg_rightmost_one_pos32(larger);
		map = arena->subclass_map[class];
	}
	block = arena->free_lists[class][pg_rightmost_one_pos32(map)];
	remove_free(arena, block);

	if (size_of(arena, block) >= size + BLOCK_MIN)
	{
		HotLink		rest = block + size;

		set_block(arena, rest, size_of(arena, block) - size, false);
		set_block(arena, block, size, true);
		insert_free(arena, rest);
	}
	else
		set_block(arena, block, size_of(arena, block), true);
	return block;
}

/*
 * Give a block back; returns the free block that it is part of now.
 */
HotLink
covet_hot_free(HotArena *arena, HotLink block)
{
	HotLink		next = after(arena, block);
	HotLink		prev = before(arena, block);
	uint32		size = size_of(arena, block);

	Assert(used(arena, block));
	if (!used(arena, next))
	{
		remove_free(arena, next);
		size += size_of(arena, next);
	}
	if (!used(arena, prev))
	{
		remove_free(arena, prev);
		size += size_of(arena, prev);
		block = prev;
	}
	set_block(arena, block, size, false);
	insert_free(arena, block);
	return block;
}

/*
 * Units a block takes, its header included.
 */
uint32
covet_hot_block_units(const HotArena *arena, HotLink block)
{
	return size_of(arena, block);
}

/*
 * Say that a used block is a piece of a larger value and not an entry, for
 * those who meet it from a neighbouring block.
 */
void
covet_hot_mark_piece(HotArena *arena, HotLink block)
{
	header(arena, block)->size_and_flags |= PIECE;
}

bool
covet_hot_is_piece(const HotArena *arena, HotLink block)
{
	return (header(arena, block)->size_and_flags & PIECE) != 0;
}

/*
 * The block before another; 0 for the first.
 */
HotLink
covet_hot_block_before(const HotArena *arena, HotLink block)
{
	HotLink		prev = before(arena, block);

	return prev < 1 + SENTINEL ? 0 : prev;
}

/*
 * The blocks side by side, for a walk: the first, the one after, 0 at the end.
 */
HotLink
covet_hot_block_first(const HotArena *arena)
{
	return 1 + SENTINEL;
}

HotLink
covet_hot_block_next(const HotArena *arena, HotLink block)
{
	HotLink		next = after(arena, block);

	return next >= arena->units - SENTINEL ? 0 : next;
}

bool
covet_hot_block_used(const HotArena *arena, HotLink block)
{
	return used(arena, block);
}

/*
 * Look at every block; NULL when all is as it should be, else what is not.
 */
const char *
covet_hot_arena_check(const HotArena *arena)
{
	uint32		free_units = 0;
	uint32		listed = 0;
	bool		previous_free = false;

	for (HotLink block = covet_hot_block_first(arena); block != 0;
		 block = covet_hot_block_next(arena, block))
	{
		if (size_of(arena, block) < BLOCK_MIN)
			return "a block is smaller than the smallest";
		if (header(arena, after(arena, block))->before != size_of(arena, block))
			return "a block does not know the size of the one before it";
		if (!used(arena, block))
		{
			if (previous_free)
				return "two free blocks lie side by side";
			free_units += size_of(arena, block);
		}
		previous_free = !used(arena, block);
	}
	if (free_units != arena->free_units)
		return "the count of free units is wrong";

	for (int class = 0; class < HOT_SIZE_CLASSES; class++)
		for (int subclass = 0; subclass < HOT_SUBCLASSES; subclass++)
			for (HotLink block = arena->free_lists[class][subclass]; block != 0;
				 block = links(arena, block)->next)
			{
				if (used(arena, block))
					return "a used block is in a free list";
				listed += size_of(arena, block);
			}
	return listed == free_units ? NULL : "the free lists do not hold all free blocks";
}
