/*
 * stat.c
 *		SQL functions of the statistics.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "base/args.h"
#include "base/compat.h"
#include "hot/hot.h"

PG_FUNCTION_INFO_V1(covet__stat_hot);

/*
 * covet._stat_hot(): the row of the view stat_hot.
 */
Datum
covet__stat_hot(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	HotStat		stat;
	Datum		values[12];
	bool		nulls[12] = {0};

	covet_require_stateful(fcinfo);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	covet_hot_stat(&stat);
	values[0] = Int64GetDatum(stat.size);
	values[1] = Int64GetDatum(stat.used);
	values[2] = Int64GetDatum(stat.entries);
	values[3] = Int64GetDatum(stat.absent);
	values[4] = Int64GetDatum(stat.prepared);
	values[5] = Int64GetDatum(stat.unlinked);
	values[6] = Int64GetDatum(stat.hits);
	values[7] = Int64GetDatum(stat.misses);
	values[8] = Int64GetDatum(stat.promotions);
	values[9] = Int64GetDatum(stat.refused);
	values[10] = Int64GetDatum(stat.evictions);
	values[11] = Int64GetDatum(stat.full);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

PG_FUNCTION_INFO_V1(covet__hot_check);

/*
 * covet._hot_check(): NULL when the structure of the hot tier is sound, else
 * what is wrong with it.
 */
Datum
covet__hot_check(PG_FUNCTION_ARGS)
{
	const char *wrong;

	covet_require_stateful(fcinfo);
	wrong = covet_hot_check();
	if (wrong == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(wrong));
}
