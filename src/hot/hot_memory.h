/*
 * hot_memory.h
 *		Inside the hot tier: one partition's memory.
 */
#ifndef COVET_HOT_MEMORY_H
#define COVET_HOT_MEMORY_H

#include "hot/hot.h"

/*
 * A HotLink is a place in a partition, in units of 8 bytes from the arena's start; 0 is
 * none.  Links are 32 bits wide, so an arena has at most 32 GB.
 */

#define HOT_UNIT		8		/* bytes */
#define HOT_BLOCK_MAX	8192	/* bytes one block can hold */

#define HOT_SIZE_CLASSES	29	/* powers of two, in units: below 4 GB */
#define HOT_SUBCLASSES		16	/* each is cut in */

/* One partition's memory; guarded by the partition's lock. */
typedef struct HotArena
{
	uint32		units;			/* size, sentinels included */
	uint32		free_units;		/* in free blocks, headers included */
	uint32		class_map;		/* bit n: class n has a free block */
	uint16		subclass_map[HOT_SIZE_CLASSES];
	HotLink		free_lists[HOT_SIZE_CLASSES][HOT_SUBCLASSES];
	uint64	   *base;			/* same address in every process */
} HotArena;

extern void covet_hot_arena_init(HotArena *arena, void *base, Size bytes);
extern HotLink covet_hot_alloc(HotArena *arena, Size bytes);
extern HotLink covet_hot_free(HotArena *arena, HotLink block);
extern uint32 covet_hot_block_units(const HotArena *arena, HotLink block);
extern void covet_hot_mark_piece(HotArena *arena, HotLink block);
extern bool covet_hot_is_piece(const HotArena *arena, HotLink block);
extern HotLink covet_hot_block_before(const HotArena *arena, HotLink block);
extern HotLink covet_hot_block_next(const HotArena *arena, HotLink block);
extern HotLink covet_hot_block_first(const HotArena *arena);
extern bool covet_hot_block_used(const HotArena *arena, HotLink block);
extern const char *covet_hot_arena_check(const HotArena *arena);

/* The address of a block's content. */
static inline void *
covet_hot_at(const HotArena *arena, HotLink block)
{
	return &arena->base[block];
}

#endif							/* COVET_HOT_MEMORY_H */
