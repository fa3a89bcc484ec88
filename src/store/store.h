/*
 * store.h
 *		The contract of the store: the only room that reads and writes covet's
 *		tables.
 */
#ifndef COVET_STORE_H
#define COVET_STORE_H

#include "storage/block.h"

#include "base/clock.h"
#include "covet.h"

/* ------------------------------------------------------------------------
 * in store_table.c
 * ------------------------------------------------------------------------ */

extern void covet_store_init(void);
extern void covet_store_require_writable(const char *what);
extern bool covet_store_writable(void);

/* ------------------------------------------------------------------------
 * in store_sweep.c and store_quota.c
 * ------------------------------------------------------------------------ */

/* The tables that have rows to sweep, in the order a round visits them. */
typedef enum SweepTarget
{
	SWEEP_CACHE,
	SWEEP_SESSION,
	SWEEP_SESSION_LOGGED,
	SWEEP_TOKEN,
	SWEEP_TOKEN_SUBJECT,
	NUM_SWEEP_TARGETS
} SweepTarget;

/* What the sweep of one range of blocks came to. */
typedef struct SweepResult
{
	int64		scanned;		/* rows seen */
	int64		removed;		/* rows deleted */
	BlockNumber next;			/* where to go on */
	bool		complete;		/* that was the end of the table */
} SweepResult;

extern const char *covet_store_sweep_name(SweepTarget target);
extern void covet_store_sweep(SweepTarget target, BlockNumber start,
							  BlockNumber blocks, TimestampTz now,
							  SweepResult *result);
extern bool covet_store_evict(int64 *removed);

#endif							/* COVET_STORE_H */
