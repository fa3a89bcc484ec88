/*
 * worker_stat.c
 *		What the view covet.stat_workers shows.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/elog.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/registry.h"
#include "base/shmem.h"

#define COLUMNS 9

static const char *const state_names[NUM_DATABASE_STATES] = {
	[DATABASE_WAITING] = "waiting",
	[DATABASE_RUNNING] = "running",
	[DATABASE_NO_SLOT] = "no worker slot",
	[DATABASE_REFUSED] = "connections refused",
	[DATABASE_LOCKED] = "database locked",
	[DATABASE_FAILED] = "failed",
};

static Datum
interval_from(int64 microseconds)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = microseconds;
	return IntervalPGetDatum(interval);
}

PG_FUNCTION_INFO_V1(covet__stat_workers);

/*
 * covet._stat_workers(): a row for each database in the registry.
 */
Datum
covet__stat_workers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	DatabaseEntry *entries;
	int			count;

	covet_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	entries = covet_registry_copy(&count);

	for (int i = 0; i < count; i++)
	{
		const DatabaseEntry *entry = &entries[i];
		Datum		values[COLUMNS];
		bool		nulls[COLUMNS] = {false};

		values[0] = ObjectIdGetDatum(entry->database);
		values[1] = CStringGetTextDatum(state_names[entry->state]);
		values[2] = TimestampTzGetDatum(entry->last_tick);
		nulls[2] = entry->last_tick == 0;
		values[3] = TimestampTzGetDatum(entry->next_tick);
		values[4] = interval_from(entry->interval);
		values[5] = Int64GetDatum(entry->ticks);
		values[6] = Int64GetDatum(entry->removed);
		values[7] = Int64GetDatum(entry->failures);
		nulls[8] = entry->sqlstate == 0;
		values[8] = nulls[8] ? (Datum) 0 :
			CStringGetTextDatum(unpack_sql_state(entry->sqlstate));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
