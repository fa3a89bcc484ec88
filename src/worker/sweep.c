/*
 * sweep.c
 *		A round of sweeping, step by step, and covet.sweep().
 *
 * A round visits each table that has rows to sweep and then the quotas, and
 * ends with what is dead in memory.  A step is one range of blocks, or one batch
 * of evictions; between two steps a tick commits and looks at the clock, while
 * covet.sweep() goes on in the transaction of its caller until the round is
 * done.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/compat.h"
#include "hot/hot.h"
#include "hot/hot_limit.h"
#include "store/store.h"
#include "worker/worker.h"

/*
 * Blocks of one step: 2 MB, some ten thousand rows at most, so a few dozen
 * milliseconds when all of them are dead.
 */
#define STEP_BLOCKS		256

/* The steps of a round after the tables. */
#define STEP_QUOTAS		NUM_SWEEP_TARGETS
#define STEP_MEMORY		(STEP_QUOTAS + 1)
#define STEP_LIMITS		(STEP_MEMORY + 1)
#define STEP_DONE		(STEP_LIMITS + 1)

/*
 * What the next step of a round is about, for pg_stat_activity.
 */
const char *
covet_sweep_step_name(const SweepRound *round)
{
	switch (round->step)
	{
		case STEP_QUOTAS:
			return "quotas of cache namespaces";
		case STEP_MEMORY:
			return "memory";
		case STEP_LIMITS:
			return "locks and limits";
		default:
			return covet_store_sweep_name(round->step);
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

	covet_store_sweep(round->step, round->block, STEP_BLOCKS, now, &result);
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
		case STEP_QUOTAS:
			if (covet_store_evict(&round->removed))
				covet_sweep_skip(round);
			break;
		case STEP_MEMORY:
			round->removed += covet_hot_sweep(covet_hot_space(), now);
			covet_sweep_skip(round);
			break;
		case STEP_LIMITS:
			round->removed += covet_limit_sweep(now);
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
 * when NULL) and what is over quota; the number of rows and entries.  What has no deadline
 * is not dead at 'infinity' either.
 */
Datum
covet_sweep(PG_FUNCTION_ARGS)
{
	TimestampTz now = PG_ARGISNULL(0) ? covet_now() : PG_GETARG_TIMESTAMPTZ(0);
	TouchPlace	touches = {0};
	SweepRound	round = {0};

	covet_require_stateful(fcinfo);
	covet_store_require_writable("covet.sweep()");

	/* Room for whatever is added to the clock. */
	if (TIMESTAMP_IS_NOEND(now))
		now = END_TIMESTAMP - 1;
	else if (TIMESTAMP_IS_NOBEGIN(now))
		now = MIN_TIMESTAMP;

	/* What memory has seen is known by the real clock. */
	while (!covet_store_save_touches(&touches, covet_now()))
		CHECK_FOR_INTERRUPTS();
	while (covet_sweep_step(&round, now))
		CHECK_FOR_INTERRUPTS();

	PG_RETURN_INT64(round.removed);
}
