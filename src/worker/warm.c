/*
 * warm.c
 *		covet.warm().
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "base/args.h"
#include "base/compat.h"
#include "store/store.h"

PG_FUNCTION_INFO_V1(covet_warm);

/*
 * covet.warm(max_entries): load copies of rows into memory, those used last
 * first, until it is full or there are max_entries (NULL: no limit); how many
 * were loaded.
 */
Datum
covet_warm(PG_FUNCTION_ARGS)
{
	int64		max_entries = PG_ARGISNULL(0) ? PG_INT64_MAX : PG_GETARG_INT64(0);
	WarmPlace	place = {0};
	int64		loaded = 0;

	covet_require_stateful(fcinfo);
	if (max_entries < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_entries must not be negative")));
	while (!covet_store_warm(&place, max_entries, &loaded))
		CHECK_FOR_INTERRUPTS();
	PG_RETURN_INT64(loaded);
}
