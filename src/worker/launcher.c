/*
 * launcher.c
 *		The launcher: one process for the cluster that starts a tick in each
 *		database when it is due, one at a time.
 *
 * Which databases.  At its start the launcher visits every database that
 * allows connections and is no template, once: the tick looks for the extension
 * there.  From then on backends note their database in the registry (see
 * base/registry.c) and wake the launcher.
 *
 * When.  The interval of a database lies between covet.sweep_min_interval and
 * covet.sweep_max_interval.  A round that found nothing doubles it, one that
 * found more than a twentieth of the rows dead halves it; while a round is not
 * done ticks follow each other in the shortest interval, and a tick that
 * failed is tried again after the longest.  Between two rounds a tick comes
 * when touches are due to be saved.
 *
 * In whose way.  A tick is not started in a database whose lock somebody holds
 * or waits for, as DROP DATABASE, CREATE DATABASE ... TEMPLATE and ALTER
 * DATABASE do; one that is still there after its time is ended when such a
 * command has come.  A database that refuses connections or has vanished is
 * noticed here, not by a worker that dies.
 *
 * At most one tick runs, so covet takes two slots of max_worker_processes.
 * When none is free that is logged once, shown in covet.stat_workers, and tried
 * again; nothing but the sweep depends on it.
 *
 * Waiting: on the latch only, which backends, the postmaster (when a tick
 * starts or ends) and signals set.  Each turn of the loop has
 * CHECK_FOR_INTERRUPTS, so that barriers are answered.  Exit status 1 has the
 * postmaster start it again after RESTART_SECONDS.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/registry.h"
#include "hot/hot_limit.h"
#include "worker/worker.h"

/* The postmaster waits so long before it starts the launcher again. */
#define RESTART_SECONDS		3

/* A tick that runs longer may be in somebody's way: look every so often. */
#define OVERDUE_AFTER		(1500 * INT64CONST(1000))
#define OVERDUE_LOOK		(500 * INT64CONST(1000))

/* A tick that runs longer hangs: end it. */
#define HOPELESS_AFTER		(60 * USECS_PER_SEC)

/* Until a slot is looked for again, or a lock, unless the interval is shorter. */
#define RETRY_AFTER			(5 * USECS_PER_SEC)
#define LOCKED_RETRY		USECS_PER_SEC

/* The launcher looks around at least this often. */
#define LONGEST_SLEEP		(60 * USECS_PER_SEC)

typedef enum Condition
{
	CONDITION_FREE,
	CONDITION_LOCKED,
	CONDITION_REFUSES,
	CONDITION_GONE
} Condition;

/* A database that is still to be visited for the first time. */
typedef struct Visit
{
	Oid			database;
	TimestampTz due;
} Visit;

/* The tick under way; handle is NULL when there is none. */
static struct
{
	BackgroundWorkerHandle *handle;
	Oid			database;
	TimestampTz started;
	TimestampTz looked;			/* whether it is in somebody's way */
	bool		asked_to_leave;
} tick;

static List *visits = NIL;		/* of Visit, in TopMemoryContext */
static bool no_slot_logged = false;

/*
 * Register the launcher with the postmaster; while preloading only.  Not for
 * pg_upgrade, which wants nobody to write.
 */
void
covet_worker_init(void)
{
	BackgroundWorker worker = {0};

	if (IsBinaryUpgrade)
		return;
	strlcpy(worker.bgw_name, "covet launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "covet launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "covet", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "covet_launcher_main", BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = RESTART_SECONDS;
	RegisterBackgroundWorker(&worker);
}

static int64
min_interval(void)
{
	return (int64) covet_sweep_min_interval * 1000;
}

/* The longest interval; never below the shortest, whatever the settings. */
static int64
max_interval(void)
{
	return Max((int64) covet_sweep_max_interval * 1000, min_interval());
}

static void
begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
}

/* Does somebody hold or want the lock of the database? */
static bool
database_locked(Oid database)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, database, 0);
	return LockAcquire(&tag, RowExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL;
}

/*
 * Can a tick be started in the database, and who owns it?  Its lock is held
 * for this look only.
 */
static Condition
look_at(Oid database, Oid *owner)
{
	Condition	condition = CONDITION_GONE;
	Relation	rel;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	begin();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_database_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(database));
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);

		*owner = form->datdba;
		condition = CONDITION_FREE;
		if (!form->datallowconn || form->datconnlimit < -1)
			condition = CONDITION_REFUSES;	/* or left over from DROP DATABASE */
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	if (condition == CONDITION_FREE && database_locked(database))
		condition = CONDITION_LOCKED;
	CommitTransactionCommand();
	return condition;
}

/* Plan a visit to each database in which somebody may have used covet. */
static void
plan_visits(void)
{
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	begin();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext old;
		Visit	   *visit;

		if (!form->datallowconn || form->datistemplate || form->datconnlimit < -1)
			continue;
		old = MemoryContextSwitchTo(TopMemoryContext);
		visit = palloc0(sizeof(Visit));
		visit->database = form->oid;
		visits = lappend(visits, visit);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
}

/* A database has vanished: keep nothing of it. */
static void
forget(Oid database)
{
	covet_registry_forget(database, NULL);
	(void) covet_limit_forget(database);
}

/* Make room in a full registry by forgetting databases that have vanished. */
static void
forget_vanished(void)
{
	int			count;
	DatabaseEntry *entries = covet_registry_copy(&count);
	Oid			owner;

	for (int i = 0; i < count; i++)
		if (look_at(entries[i].database, &owner) == CONDITION_GONE)
			forget(entries[i].database);
	pfree(entries);
}

/* The settings have changed: nobody waits longer than they say now. */
static void
keep_to_settings(void)
{
	int			count;
	DatabaseEntry *entries = covet_registry_copy(&count);
	TimestampTz latest = GetCurrentTimestamp() + max_interval();

	for (int i = 0; i < count; i++)
	{
		DatabaseEntry *entry = covet_registry_lock(entries[i].database);

		if (entry == NULL)
			continue;
		entry->interval = Min(Max(entry->interval, min_interval()), max_interval());
		entry->next_tick = Min(entry->next_tick, latest);
		entry->next_sweep = Min(entry->next_sweep, latest);
		covet_registry_unlock();
	}
	pfree(entries);
}

/* Take a database off the list of those to visit, if it is there. */
static void
visited(Oid database)
{
	ListCell   *cell;

	foreach(cell, visits)
	{
		Visit	   *visit = lfirst(cell);

		if (visit->database == database)
		{
			visits = foreach_delete_current(visits, cell);
			pfree(visit);
		}
	}
}

/* Try a database again later, for the reason given. */
static void
postpone(Oid database, DatabaseState reason, int64 delay)
{
	TimestampTz due = GetCurrentTimestamp() + delay;
	DatabaseEntry *entry = covet_registry_lock(database);
	ListCell   *cell;

	if (entry != NULL)
	{
		entry->state = reason;
		entry->next_tick = due;
		covet_registry_unlock();
	}
	foreach(cell, visits)
	{
		Visit	   *visit = lfirst(cell);

		if (visit->database == database)
			visit->due = due;
	}
}

/* Start a tick; false when no slot is free. */
static bool
start_tick(Oid database, Oid owner)
{
	BackgroundWorker worker = {0};
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	DatabaseEntry *entry;
	bool		started;

	strlcpy(worker.bgw_name, "covet tick", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "covet tick", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "covet", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "covet_tick_main", BGW_MAXLEN);
	memcpy(worker.bgw_extra, &owner, sizeof(owner));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(database);
	worker.bgw_notify_pid = MyProcPid;

	/* Before it can say anything. */
	entry = covet_registry_lock(database);
	if (entry != NULL)
	{
		entry->state = DATABASE_RUNNING;
		entry->outcome = TICK_SILENT;
		covet_registry_unlock();
	}

	started = RegisterDynamicBackgroundWorker(&worker, &tick.handle);
	MemoryContextSwitchTo(old);
	if (!started)
	{
		tick.handle = NULL;
		return false;
	}
	tick.database = database;
	tick.started = tick.looked = GetCurrentTimestamp();
	tick.asked_to_leave = false;
	return true;
}

/* No background worker could be had for this database. */
static void
no_slot(Oid database)
{
	postpone(database, DATABASE_NO_SLOT, Min(RETRY_AFTER, max_interval()));
	if (no_slot_logged)
		return;
	no_slot_logged = true;
	ereport(LOG,
			(errmsg("covet could not start a background worker to sweep a database"),
			 errhint("Raise \"max_worker_processes\": covet needs two. It goes on trying.")));
}

/*
 * The database whose tick or first visit is due longest; InvalidOid, and when
 * the next one is, if none is due.
 */
static Oid
pick_due(TimestampTz now, TimestampTz *next)
{
	int			count;
	DatabaseEntry *entries = covet_registry_copy(&count);
	Oid			database = InvalidOid;
	ListCell   *cell;

	*next = now + LONGEST_SLEEP;
	for (int i = 0; i < count; i++)
		if (entries[i].next_tick < *next)
		{
			*next = entries[i].next_tick;
			database = entries[i].database;
		}
	foreach(cell, visits)
	{
		Visit	   *visit = lfirst(cell);

		if (visit->due < *next)
		{
			*next = visit->due;
			database = visit->database;
		}
	}
	pfree(entries);
	return *next <= now ? database : InvalidOid;
}

/*
 * Start the tick that is due, if one is.  Returns when there is something to
 * do again.
 */
static TimestampTz
start_due(void)
{
	TimestampTz next;
	Oid			database;
	Oid			owner;

	while (OidIsValid(database = pick_due(GetCurrentTimestamp(), &next)))
	{
		CHECK_FOR_INTERRUPTS();
		switch (look_at(database, &owner))
		{
			case CONDITION_GONE:
				visited(database);
				forget(database);
				break;
			case CONDITION_REFUSES:
				/* Once it is used again it is noted; no need to visit it. */
				visited(database);
				postpone(database, DATABASE_REFUSED, max_interval());
				break;
			case CONDITION_LOCKED:
				postpone(database, DATABASE_LOCKED, Max(LOCKED_RETRY, min_interval()));
				break;
			case CONDITION_FREE:
				if (!start_tick(database, owner))
				{
					no_slot(database);
					break;
				}
				no_slot_logged = false;
				visited(database);
				return GetCurrentTimestamp() + USECS_PER_SEC;
		}
	}
	return next;
}

/* Set the time of the next tick, after one whose interval is known. */
static void
schedule_next(DatabaseEntry *entry)
{
	TimestampTz now = GetCurrentTimestamp();

	if (entry->swept || entry->outcome != TICK_DONE)
		entry->next_sweep = now + entry->interval;
	entry->next_tick = entry->next_sweep;
	if (entry->outcome == TICK_DONE)
	{
		if (entry->next_touches != 0)
			entry->next_tick = Min(entry->next_tick, entry->next_touches);
		if (!entry->warmed)
			entry->next_tick = now;
	}
	entry->next_tick = Max(entry->next_tick, now + min_interval());
}

/* When a tick has ended: what it found decides when the next one is due. */
static void
schedule_locked(DatabaseEntry *entry)
{
	if (entry->outcome == TICK_DONE)
	{
		const SweepRound *round = &entry->round;

		if (!entry->swept)
			 /* it had other work */ ;
		else if (!entry->round_done)
			entry->interval = min_interval();
		else if (round->removed == 0)
			entry->interval *= 2;
		else if (round->removed * 20 >= round->scanned)
			entry->interval /= 2;
		entry->state = DATABASE_WAITING;
	}
	else if (tick.asked_to_leave && entry->outcome == TICK_SILENT)
		entry->state = DATABASE_LOCKED;
	else
	{
		if (entry->outcome == TICK_SILENT)
			entry->sqlstate = 0;	/* only the log knows why */
		entry->failures++;
		entry->interval = max_interval();
		entry->state = DATABASE_FAILED;
	}
	entry->interval = Min(Max(entry->interval, min_interval()), max_interval());
	schedule_next(entry);
}

/* The tick under way has ended. */
static void
finish_tick(void)
{
	DatabaseEntry *entry;
	Oid			owner;
	bool		failed = false;

	pfree(tick.handle);
	tick.handle = NULL;
	entry = covet_registry_lock(tick.database);
	if (entry != NULL)
	{
		schedule_locked(entry);
		failed = entry->state == DATABASE_FAILED;
		covet_registry_unlock();
	}

	/* One whose database was dropped under it has not failed. */
	if (failed && look_at(tick.database, &owner) == CONDITION_GONE)
		forget(tick.database);
}

/*
 * Look after the tick under way: has it ended, is it in somebody's way, does
 * it hang?  Returns when to look again.
 */
static TimestampTz
watch_tick(void)
{
	TimestampTz now = GetCurrentTimestamp();
	pid_t		pid;
	Oid			owner;

	switch (GetBackgroundWorkerPid(tick.handle, &pid))
	{
		case BGWH_STOPPED:
		case BGWH_POSTMASTER_DIED:
			finish_tick();
			return now;
		default:
			break;
	}

	if (!tick.asked_to_leave && now - tick.started > OVERDUE_AFTER &&
		now - tick.looked >= OVERDUE_LOOK)
	{
		bool		hopeless = now - tick.started > HOPELESS_AFTER;

		tick.looked = now;
		if (hopeless || look_at(tick.database, &owner) != CONDITION_FREE)
		{
			/* A tick that hangs counts as failed, one that yields does not. */
			tick.asked_to_leave = !hopeless;
			TerminateBackgroundWorker(tick.handle);
		}
	}
	return now + OVERDUE_LOOK;
}

static void
detach(int code, Datum arg)
{
	covet_registry_wake(NULL);
}

/* Sleep until then, or until somebody sets the latch. */
static void
sleep_until(TimestampTz then)
{
	static uint32 wait_event = 0;
	long		timeout = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), then);

	if (timeout > 0)
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 timeout, covet_wait_event("CovetLauncherMain", wait_event));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/*
 * Entry of the launcher.
 */
void
covet_launcher_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	SetConfigOption("application_name", "covet launcher", PGC_SUSET, PGC_S_OVERRIDE);
	pgstat_report_activity(STATE_IDLE, NULL);

	covet_registry_wake(MyLatch);
	before_shmem_exit(detach, (Datum) 0);
	plan_visits();

	while (!ShutdownRequestPending)
	{
		TimestampTz then;

		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			keep_to_settings();
		}
		if (tick.handle == NULL && covet_registry_overflowed())
			forget_vanished();

		then = tick.handle != NULL ? watch_tick() : start_due();
		if (!ShutdownRequestPending)
			sleep_until(then);
	}
	/* It goes with its tick, so that the next one need not run beside it. */
	if (tick.handle != NULL)
		TerminateBackgroundWorker(tick.handle);
	proc_exit(1);
}
