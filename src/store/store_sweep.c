/*
 * store_sweep.c
 *		The crawler: deletes the dead rows of a range of heap blocks.
 *
 * No column that a touch changes is indexed, so there is no index to find the
 * expired rows by; the crawler reads the table instead, some blocks at a time,
 * in the order they lie on disk.  Each range has a snapshot of its own.  Which
 * rows are dead is for the file that knows the table to say: a new table to
 * sweep is one line in "targets".
 *
 * The crawler waits for nobody.  A table whose lock is not to be had at once
 * counts as swept, until the next round.  A row that somebody has locked, or
 * has changed since the snapshot, is left as it is; because a row that is dead
 * stays dead, the one that holds it cannot bring it back, and the next round
 * deletes it.
 *
 * The hot copy of a dead row is dead by itself, so nothing is noted for it; only
 * where the clock of a sweep is ahead of the server's it has to go.
 *
 * Locks: ROW EXCLUSIVE on the table, until the transaction ends.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "hot/hot.h"
#include "store/store.h"
#include "store/store_table.h"

typedef struct SweepTargetInfo
{
	const char *name;
	StoreTableId table;
	bool		(*dead) (StoreTable *table, TimestampTz now);
} SweepTargetInfo;

static const SweepTargetInfo targets[NUM_SWEEP_TARGETS] = {
	[SWEEP_CACHE] = {"covet._cache", TABLE_CACHE, covet_cache_row_dead},
	[SWEEP_SESSION] = {"covet._session", TABLE_SESSION, covet_session_row_dead},
	[SWEEP_SESSION_LOGGED] = {"covet._session_logged", TABLE_SESSION_LOGGED,
	covet_session_row_dead},
	[SWEEP_TOKEN] = {"covet._token", TABLE_TOKEN, covet_token_row_dead},
	[SWEEP_TOKEN_SUBJECT] = {"covet._token_subject", TABLE_TOKEN_SUBJECT,
	covet_token_subject_row_dead},
};

/*
 * The name of a table to sweep, with its schema.
 */
const char *
covet_store_sweep_name(SweepTarget target)
{
	return targets[target].name;
}

/*
 * Note that the hot copy of the row in the slot must go, though it is alive.
 * What memory has seen goes with it, where that counts.
 */
static void
drop_copy(StoreTable *table)
{
	bool		should_free;
	HeapTuple	row = ExecFetchSlotHeapTuple(table->slot, false, &should_free);
	bool		isnull;
	bool		touched = table->id != TABLE_CACHE ||
		DatumGetInt64(covet_store_get(table, CACHE_IDLE, &isnull)) != 0;

	covet_store_drop_copy(table->id, row, RelationGetDescr(table->rel), touched);
	if (should_free)
		heap_freetuple(row);
}

/* Delete the row in the slot; false when somebody else has it. */
static bool
delete_row(StoreTable *table)
{
	TM_FailureData failure;

	return table_tuple_delete(table->rel, &table->slot->tts_tid,
							  GetCurrentCommandId(true),
							  table->snapshot, InvalidSnapshot, false,
							  &failure, false) == TM_Ok;
}

/* Sweep the blocks from "start" to before "end" of an open table. */
static void
sweep_blocks(StoreTable *table, const SweepTargetInfo *target,
			 BlockNumber start, BlockNumber end, TimestampTz now,
			 SweepResult *result)
{
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext,
													  "covet sweep row",
													  ALLOCSET_SMALL_SIZES);
	MemoryContext old = CurrentMemoryContext;
	bool		ahead = now > covet_now();
	ItemPointerData first;
	ItemPointerData last;
	TableScanDesc scan;

	ItemPointerSet(&first, start, FirstOffsetNumber);
	ItemPointerSet(&last, end - 1, MaxOffsetNumber);
	table->snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan = table_beginscan_tidrange(table->rel, table->snapshot, &first, &last);

	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, table->slot))
	{
		bool		dead;

		CHECK_FOR_INTERRUPTS();
		result->scanned++;
		MemoryContextReset(row_context);
		MemoryContextSwitchTo(row_context);
		dead = target->dead(table, now);
		MemoryContextSwitchTo(old);
		if (!dead)
			continue;
		covet_pending_note();
		if (!delete_row(table))
			continue;
		result->removed++;
		if (ahead)
			drop_copy(table);
	}

	ExecClearTuple(table->slot);
	table_endscan(scan);
	UnregisterSnapshot(table->snapshot);
	table->snapshot = NULL;
	MemoryContextDelete(row_context);
	if (result->removed > 0)
		CommandCounterIncrement();
}

/*
 * Delete the rows that are dead at the time "now" in at most "blocks" blocks
 * from "start" on.  A table that is locked or missing counts as complete.
 */
void
covet_store_sweep(SweepTarget target, BlockNumber start, BlockNumber blocks,
				  TimestampTz now, SweepResult *result)
{
	const SweepTargetInfo *info = &targets[target];
	StoreTable	table;
	BlockNumber size;
	BlockNumber end;

	memset(result, 0, sizeof(*result));
	result->complete = true;
	if (!covet_store_try_open(&table, info->table, RowExclusiveLock))
		return;

	/* The table may have been emptied or shortened since the last range. */
	size = RelationGetNumberOfBlocks(table.rel);
	if (start < size)
	{
		end = blocks < size - start ? start + blocks : size;
		sweep_blocks(&table, info, start, end, now, result);
		result->next = end;
		result->complete = end == size;
	}
	if (result->complete)
		result->next = 0;
	covet_store_close(&table);
}
