/*
 * store_plan.c
 *		Kept SPI plans: every INSERT goes through one, with ON CONFLICT, because
 *		to search and then insert would raise 23505 in a race.
 *
 * A plan runs as the owner of the table, with SECURITY_RESTRICTED_OPERATION
 * (callers have no rights on private tables), and with the latest snapshot, so
 * that a transaction in REPEATABLE READ can overwrite what was committed after
 * it began.  A plan is analysed again under whatever search_path the caller
 * has, so statements name every operator, function and type with its schema.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "hot/hot.h"
#include "store/store_table.h"

/* Is a plan of ours being executed?  See store_trigger.c. */
static bool executing = false;

/*
 * Is the row that is being written, if any, written by a plan of covet?
 */
bool
covet_store_executing(void)
{
	return executing;
}

static Oid
table_owner(StoreTableId id)
{
	Oid			relid = covet_store_relid(id);
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the tables of covet do not exist"),
				 errhint("Is the extension covet installed in this database?")));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * Execute a kept plan, preparing it on first use.  "table" is the one whose
 * owner it runs as.  "nulls" is as SPI takes it, or NULL.  Each row of its
 * result is handed to "receive" (when given) in result_context.  Returns the
 * number of rows processed.
 */
uint64
covet_store_execute(StorePlan *plan, StoreTableId table,
					Datum *values, const char *nulls,
					MemoryContext result_context,
					void (*receive) (HeapTuple row, TupleDesc desc, void *arg),
					void *arg)
{
	Oid			user;
	int			context;
	uint64		processed;
	int			result;
	Oid			owner = table_owner(table);

	covet_pending_note();
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	SPI_connect();

	if (plan->plan == NULL)
	{
		SPIPlanPtr	prepared = SPI_prepare(plan->sql, plan->nargs, plan->argtypes);

		if (prepared == NULL)
			elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
		SPI_keepplan(prepared);
		plan->plan = prepared;
	}

	executing = true;
	PG_TRY();
	{
		result = SPI_execute_snapshot(plan->plan, values, nulls, GetLatestSnapshot(),
									  InvalidSnapshot, false, true, 0);
	}
	PG_FINALLY();
	{
		executing = false;
	}
	PG_END_TRY();
	if (result < 0)
		elog(ERROR, "SPI_execute_snapshot failed: %s", SPI_result_code_string(result));
	processed = SPI_processed;

	if (receive != NULL && SPI_tuptable != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(result_context);

		for (uint64 i = 0; i < SPI_tuptable->numvals; i++)
			receive(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, arg);
		MemoryContextSwitchTo(old);
	}

	SPI_finish();
	SetUserIdAndSecContext(user, context);
	CommandCounterIncrement();
	return processed;
}
