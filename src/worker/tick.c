/*
 * tick.c
 *		A tick: a short-lived worker that connects to one database, does what is
 *		due there for about a second at most, and exits.
 *
 * DROP DATABASE, ALTER DATABASE ... RENAME and CREATE DATABASE ... TEMPLATE wait
 * five seconds for everybody else to leave the database; a tick is shorter. So
 * that DROP DATABASE ... WITH (FORCE) by a plain owner may end it too, it shows
 * the owner of the database as its role in the process array, though it works
 * with the rights of the bootstrap superuser.
 *
 * It saves touches that memory has seen, loads copies into memory if it is the
 * first one after a start, and sweeps.  Each step is a transaction of its own,
 * so locks on rows are short.  Where a tick runs out of time it leaves the place
 * in the registry, and the next one goes on there.  An error ends the tick; the
 * round goes on behind the table that raised it, so that one bad table does not
 * keep the others from being swept, and touches and copies are left alone the
 * next time.  What the launcher needs to know stands in the registry when the tick
 * exits; a tick that has said nothing has failed.
 *
 * SIGTERM is handled by die(), as in any backend: every wait and loop in here
 * has CHECK_FOR_INTERRUPTS, which also answers barriers.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "commands/extension.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "base/registry.h"
#include "store/store.h"
#include "worker/worker.h"

/* No step is begun after so much time: one second. */
#define TICK_TIME	USECS_PER_SEC

/* Part of an idle time after which touches are saved. */
#define TOUCH_FRACTION	10

/*
 * Settings of the database or the cluster that are not meant for a sweep.  A
 * lock on a catalog ends the tick instead of holding the launcher up, and it is
 * given up before anybody's deadlock check (deadlock_timeout is 1 s).
 */
static const char *const settings[][2] = {
	{"application_name", "covet tick"},
	{"search_path", ""},
	{"default_transaction_read_only", "off"},
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_deferrable", "off"},
	{"synchronous_commit", "off"},
	{"statement_timeout", "0"},
	{"transaction_timeout", "0"},
	{"idle_in_transaction_session_timeout", "0"},
	{"lock_timeout", "500ms"},
	{"max_parallel_workers_per_gather", "0"},
	{"work_mem", "16MB"},
	{"jit", "off"},
	{"row_security", "off"},
	{"zero_damaged_pages", "off"},
};

static void
connect_to(Oid database, Oid owner)
{
	MyProc->roleId = owner;
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	MyProc->roleId = owner;

	/* Not every setting exists in every version. */
	for (int i = 0; i < (int) lengthof(settings); i++)
		if (GetConfigOption(settings[i][0], true, false) != NULL)
			SetConfigOption(settings[i][0], settings[i][1],
							PGC_SUSET, PGC_S_OVERRIDE);
}

static void
begin(const char *activity)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, activity);
}

static void
commit(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_activity(STATE_IDLE, NULL);
}

static bool
extension_exists(void)
{
	bool		exists;

	begin("looking for the extension covet");
	exists = OidIsValid(get_extension_oid("covet", true));
	commit();
	return exists;
}

/* What a tick works on: copies of what stands in the registry. */
typedef struct Work
{
	Oid			database;
	TimestampTz started;
	int64		removed_before;
	DatabaseEntry entry;
	enum
	{
		WORK_TOUCHES,
		WORK_WARM,
		WORK_SWEEP
	}			phase;
} Work;

/* Static for the handler of an error. */
static Work work;

/* Take the work up where the last tick left it. */
static bool
start_work(Oid database)
{
	DatabaseEntry *entry = covet_registry_lock(database);

	if (entry == NULL)
		return false;
	entry->state = DATABASE_RUNNING;
	entry->outcome = TICK_SILENT;
	entry->swept = false;
	work.entry = *entry;
	covet_registry_unlock();

	work.database = database;
	work.started = GetCurrentTimestamp();
	work.removed_before = covet_sweep_done(&work.entry.round) ? 0 : work.entry.round.removed;
	return true;
}

/* Leave what came of the tick in the registry; sqlstate 0 is success. */
static void
report(int sqlstate)
{
	const DatabaseEntry *done = &work.entry;
	DatabaseEntry *entry = covet_registry_lock(work.database);

	if (entry == NULL)
		return;
	entry->swept = done->swept;
	entry->round = done->round;
	entry->round_done = covet_sweep_done(&done->round);
	entry->next_touches = done->next_touches;
	entry->skip_touches = done->skip_touches;
	entry->touches = done->touches;
	entry->warmed = done->warmed;
	entry->warm = done->warm;
	if (done->swept)
		entry->removed += done->round.removed - work.removed_before;
	entry->last_tick = GetCurrentTimestamp();
	entry->sqlstate = sqlstate;
	entry->outcome = sqlstate == 0 ? TICK_DONE : TICK_ERROR;
	if (sqlstate == 0)
		entry->ticks++;
	covet_registry_unlock();
}

/* Is there still time in the first "percent" of the tick? */
static bool
in_time(int percent)
{
	CHECK_FOR_INTERRUPTS();
	return GetCurrentTimestamp() - work.started < TICK_TIME / 100 * percent;
}

/*
 * Save what memory has seen.  A walk is due with each sweep, and after a tenth
 * of the shortest idle time that the last one met: so not much more than that
 * is lost when memory is.
 */
static void
save_touches(void)
{
	DatabaseEntry *entry = &work.entry;
	bool		begun = entry->touches.partition != 0 || entry->touches.bucket != 0;
	bool		done = false;

	if (entry->skip_touches)
	{
		entry->skip_touches = false;
		return;
	}
	if (!begun && work.started < entry->next_sweep &&
		(entry->next_touches == 0 || work.started < entry->next_touches))
		return;
	while (!done && in_time(50))
	{
		TouchPlace	place = entry->touches;

		begin("saving touches");
		done = covet_store_save_touches(&place, covet_now());
		commit();
		entry->touches = place;
	}
	entry->next_touches = work.started;
	if (!done)
		return;
	if (entry->touches.shortest_idle == 0)
		entry->next_touches = 0;
	else
		entry->next_touches += entry->touches.shortest_idle / TOUCH_FRACTION;
	memset(&entry->touches, 0, sizeof(entry->touches));
}

/* Load copies of rows into memory, once after a start of the server. */
static void
warm(void)
{
	DatabaseEntry *entry = &work.entry;
	int64		loaded = 0;

	if (!covet_warm_on_start)
		entry->warmed = true;
	while (!entry->warmed && in_time(75))
	{
		WarmPlace	place = entry->warm;
		bool		done;

		begin("loading copies into memory");
		done = covet_store_warm(&place, PG_INT64_MAX, &loaded);
		commit();
		entry->warm = place;
		entry->warmed = done;
	}
}

/* Sweep until the round is done or the time is over. */
static void
sweep(void)
{
	DatabaseEntry *entry = &work.entry;
	bool		more = true;

	if (covet_sweep_done(&entry->round))
	{
		if (work.started < entry->next_sweep)
			return;
		memset(&entry->round, 0, sizeof(SweepRound));
	}
	entry->swept = true;
	while (more && in_time(100))
	{
		SweepRound	next = entry->round;

		begin(psprintf("sweeping %s", covet_sweep_step_name(&next)));
		more = covet_sweep_step(&next, covet_now());
		commit();

		/* Only what is committed counts. */
		entry->round = next;
	}
}

/* What the next tick does not try again, because it raised an error. */
static void
give_up(void)
{
	DatabaseEntry *entry = &work.entry;

	switch (work.phase)
	{
		case WORK_TOUCHES:
			memset(&entry->touches, 0, sizeof(entry->touches));
			entry->skip_touches = true;
			break;
		case WORK_WARM:
			entry->warmed = true;
			break;
		case WORK_SWEEP:
			covet_sweep_skip(&entry->round);
			break;
	}
}

/* Do all that is due. */
static void
work_off(Oid database)
{
	if (!start_work(database))
		return;

	PG_TRY();
	{
		work.phase = WORK_TOUCHES;
		save_touches();
		work.phase = WORK_WARM;
		warm();
		work.phase = WORK_SWEEP;
		sweep();
	}
	PG_CATCH();
	{
		int			sqlstate = geterrcode();

		EmitErrorReport();
		AbortOutOfAnyTransaction();
		FlushErrorState();
		give_up();
		report(sqlstate);
		proc_exit(1);
	}
	PG_END_TRY();

	report(0);
}

/*
 * Entry of the worker.  The argument is the oid of the database; the oid of
 * its owner is in bgw_extra.
 */
void
covet_tick_main(Datum arg)
{
	Oid			database = DatumGetObjectId(arg);
	Oid			owner;
	uint32		notes;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	memcpy(&owner, MyBgworkerEntry->bgw_extra, sizeof(owner));
	connect_to(database, owner);

	/* Whoever notes the database after this keeps it from being forgotten. */
	notes = covet_registry_notes(database);
	if (!extension_exists())
		covet_registry_forget(database, &notes);
	else if (notes > 0 || covet_registry_add(database))
		work_off(database);
	proc_exit(0);
}
