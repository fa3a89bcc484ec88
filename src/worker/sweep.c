/*
 * sweep.c
 *		A round of sweeping, step by step, and covet.sweep().
 *
 * A round saves what memory has seen, visits each table that has rows to sweep
 * and then the quotas, and ends with what is dead in memory.  A step is one
 * batch of touches, one range of blocks, or one batch of evictions; between two
 * steps a tick commits and looks at the clock, while covet.sweep() goes on in
 * the transaction of its caller until the round is done.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/compat.h"
#include "hot/hot.h"
#include "store/store.h"
#include "worker/worker.h"

/*
 * Blocks of one step: 2 MB, some ten thousand rows at most, so a few dozen
 * milliseconds when all of them are dead.
 */
#define STEP_BLOCKS		256

/* The steps of a round; between the first and the quotas one for each table. */
#define STEP_TOUCHES	0
#define STEP_TABLES		1
#define STEP_QUOTAS		(STEP_TABLES + NUM_SWEEP_TARGETS)
#define STEP_MEMORY		(STEP_QUOTAS + 1)
#define STEP_DONE		(STEP_MEMORY + 1)

/*
 * What the next step of a round is about, for pg_stat_activity.
 */
const char *
covet_sweep_step_name(const SweepRound *round)
{
	switch (round->step)
	{
		case STEP_TOUCHES:
			return "saving touches";
		case STEP_QUOTAS:
			return "sweeping quotas of cache namespaces";
		case STEP_MEMORY:
			return "sweeping memory";
		default:
			return psprintf("sweeping %s", covet_store_sweep_name(round->step - STEP_TABLES));
	}
}

/*
 * Go on to the next table, or what comes after the last.
 */
void
covet_sweep_skip(SweepRound *round)
{
	round->step++;
	round->block = 0;
}

/*
 * Is there nothing left to do in this round?
 */
bool
covet_sweep_done(const SweepRound *round)
{
	return round->step >= STEP_DONE;
}

/* Sweep the next range of a table. */
static void
sweep_table(SweepRound *round, TimestampTz now)
{
	SweepResult result;

	covet_store_sweep(round->step - STEP_TABLES, round->block, STEP_BLOCKS, now, &result);
	round->scanned += result.scanned;
	round->removed += result.removed;
	round->block = result.next;
	if (result.complete)
		covet_sweep_skip(round);
}

/*
 * Do the next step of a round with the clock at "now", in a transaction; false
 * when that was the last one.  Never waits for the lock of a table or a row.
 */
bool
covet_sweep_step(SweepRound *round, TimestampTz now)
{
	switch (round->step)
	{
		case STEP_TOUCHES:
			if (covet_store_save_touches(&round->touches, now))
				covet_sweep_skip(round);
			break;
		case STEP_QUOTAS:
			if (covet_store_evict(&round->removed))
				covet_sweep_skip(round);
			break;
		case STEP_MEMORY:
			round->removed += covet_hot_sweep(covet_hot_space(), now);
			covet_sweep_skip(round);
			break;
		default:
			sweep_table(round, now);
			break;
	}
	return !covet_sweep_done(round);
}

PG_FUNCTION_INFO_V1(covet_sweep);

/*
 * covet.sweep(now): remove all that is dead at that time (the server's clock
 * when NULL) and what is over quota; the number of rows.  What has no deadline
 * is not dead at 'infinity' either.
 */
Datum
covet_sweep(PG_FUNCTION_ARGS)
{
	TimestampTz now = PG_ARGISNULL(0) ? covet_now() : PG_GETARG_TIMESTAMPTZ(0);
	SweepRound	round = {0};

	covet_require_stateful(fcinfo);
	covet_store_require_writable("covet.sweep()");

	/* Room for whatever is added to the clock. */
	if (TIMESTAMP_IS_NOEND(now))
		now = END_TIMESTAMP - 1;
	else if (TIMESTAMP_IS_NOBEGIN(now))
		now = MIN_TIMESTAMP;

	while (covet_sweep_step(&round, now))
		CHECK_FOR_INTERRUPTS();

	PG_RETURN_INT64(round.removed);
}
