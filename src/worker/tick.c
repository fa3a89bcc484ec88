/*
 * tick.c
 *		A tick: a short-lived worker that connects to one database, sweeps it for
 *		about a second at most, and exits.
 *
 * DROP DATABASE, ALTER DATABASE ... RENAME and CREATE DATABASE ... TEMPLATE wait
 * five seconds for everybody else to leave the database; a tick is shorter. So
 * that DROP DATABASE ... WITH (FORCE) by a plain owner may end it too, it shows
 * the owner of the database as its role in the process array, though it works
 * with the rights of the bootstrap superuser.
 *
 * Each step is a transaction of its own, so locks on rows are short.  Where a
 * tick runs out of time it leaves the place in the registry, and the next one
 * goes on there.  An error ends the tick; the round goes on behind the table
 * that raised it, so that one bad table does not keep the others from being
 * swept.  What the launcher needs to know stands in the registry when the tick
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
#include "base/registry.h"
#include "worker/worker.h"

/* No step is begun after so much time: one second. */
#define TICK_TIME	USECS_PER_SEC

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

/* Take up the round where the last tick left it, or begin a new one. */
static bool
start_round(Oid database, SweepRound *round)
{
	DatabaseEntry *entry = covet_registry_lock(database);

	if (entry == NULL)
		return false;
	if (covet_sweep_done(&entry->round))
		memset(&entry->round, 0, sizeof(SweepRound));
	*round = entry->round;
	entry->state = DATABASE_RUNNING;
	entry->outcome = TICK_SILENT;
	covet_registry_unlock();
	return true;
}

/* Leave what came of the tick in the registry; sqlstate 0 is success. */
static void
report(Oid database, const SweepRound *round, int64 removed, int sqlstate)
{
	DatabaseEntry *entry = covet_registry_lock(database);

	if (entry == NULL)
		return;
	entry->round = *round;
	entry->round_done = covet_sweep_done(round);
	entry->removed += removed;
	entry->last_tick = GetCurrentTimestamp();
	entry->sqlstate = sqlstate;
	entry->outcome = sqlstate == 0 ? TICK_DONE : TICK_ERROR;
	if (sqlstate == 0)
		entry->ticks++;
	covet_registry_unlock();
}

/* Sweep until the round is done or the time is over. */
static void
sweep(Oid database)
{
	/* Kept in static variables for the handler of an error. */
	static SweepRound round;
	static int64 removed_before;
	TimestampTz end = GetCurrentTimestamp() + TICK_TIME;

	if (!start_round(database, &round))
		return;
	removed_before = round.removed;

	PG_TRY();
	{
		bool		more = true;

		while (more && GetCurrentTimestamp() < end)
		{
			SweepRound	next = round;

			begin(covet_sweep_step_name(&round));
			more = covet_sweep_step(&next, covet_now());
			commit();

			/* Only what is committed counts. */
			round = next;
			CHECK_FOR_INTERRUPTS();
		}
	}
	PG_CATCH();
	{
		int			sqlstate = geterrcode();

		EmitErrorReport();
		AbortOutOfAnyTransaction();
		FlushErrorState();
		covet_sweep_skip(&round);
		report(database, &round, round.removed - removed_before, sqlstate);
		proc_exit(1);
	}
	PG_END_TRY();

	report(database, &round, round.removed - removed_before, 0);
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
		sweep(database);
	proc_exit(0);
}
