/*
 * sweep.c
 *		A round of sweeping, step by step, and covet.sweep().
 *
 * A round visits each table that has rows to sweep, then the quotas, then the
 * locks and limits.  A step is one range of blocks, one batch of evictions, or
 * all locks and limits; between two steps a tick commits and looks at the
 * clock, while covet.sweep() goes on in the transaction of its caller until the
 * round is done.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/compat.h"
#include "hot/hot_limit.h"
#include "store/store.h"
#include "worker/worker.h"

/*
 * Blocks of one step: 2 MB, some ten thousand rows at most, so a few dozen
 * milliseconds when all of them are dead.
 */
#define STEP_BLOCKS		256

/* The steps of a round beside the tables. */
#define STEP_QUOTAS		NUM_SWEEP_TARGETS
#define STEP_LIMITS		(NUM_SWEEP_TARGETS + 1)
#define STEP_DONE		(NUM_SWEEP_TARGETS + 2)

/*
 * What the next step of a round is about, for pg_stat_activity.
 */
const char *
covet_sweep_step_name(const SweepRound *round)
{
	return round->step < NUM_SWEEP_TARGETS ? covet_store_sweep_name(round->step) :
		round->step == STEP_QUOTAS ? "quotas of cache namespaces" : "locks and limits";
}

/*
 * Go on to the next table, or from the last to what is beside the tables.
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

/*
 * Do the next step of a round with the clock at "now", in a transaction; false
 * when that was the last one.  Never waits for the lock of a table or a row.
 */
bool
covet_sweep_step(SweepRound *round, TimestampTz now)
{
	if (round->step < NUM_SWEEP_TARGETS)
	{
		SweepResult result;

		covet_store_sweep(round->step, round->block, STEP_BLOCKS, now, &result);
		round->scanned += result.scanned;
		round->removed += result.removed;
		round->block = result.next;
		if (result.complete)
			covet_sweep_skip(round);
	}
	else if (round->step == STEP_QUOTAS)
	{
		if (covet_store_evict(&round->removed))
			covet_sweep_skip(round);
	}
	else if (round->step == STEP_LIMITS)
	{
		round->removed += covet_limit_sweep(now);
		covet_sweep_skip(round);
	}
	return !covet_sweep_done(round);
}

PG_FUNCTION_INFO_V1(covet_sweep);

/*
 * covet.sweep(now): remove all that is dead at that time (the server's clock
 * when NULL) and what is over quota; the number of rows and entries.  What has no deadline
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
