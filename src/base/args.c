/*
 * args.c
 *		Checks of arguments that many SQL functions share.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "replication/walsender.h"
#include "utils/lsyscache.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/registry.h"
#include "base/shmem.h"
#include "covet.h"

/*
 * Can a key, token or name of this text exist: 1 to max_bytes bytes?  NULL
 * cannot.
 */
bool
covet_fits(const text *value, Size max_bytes)
{
	if (value == NULL)
		return false;
	return VARSIZE_ANY_EXHDR(value) >= 1 && VARSIZE_ANY_EXHDR(value) <= max_bytes;
}

/*
 * Raise 22004 for NULL and 22023 for a length outside min_bytes to max_bytes.
 * "what" names the argument in the message, as in "cache key".
 */
void
covet_require_fits(const text *value, Size min_bytes, Size max_bytes,
				   const char *what)
{
	Size		size;

	if (value == NULL)
		covet_null_not_allowed(what);
	size = VARSIZE_ANY_EXHDR(value);
	if (size < min_bytes)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be empty", what)));
	if (size > max_bytes)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is too long", what),
				 errdetail("It has %zu bytes; the limit is %zu bytes.",
						   size, max_bytes)));
}

/*
 * Raise 22004 for the argument named "what".
 */
void
covet_null_not_allowed(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("%s must not be null", what)));
}

/*
 * Guard at the head of every stateful SQL function: covet is preloaded
 * (55000), no parallel operation is under way, in a worker or around the leader
 * (25000), and this is no walsender (0A000).  Notes the database for the
 * workers.
 */
void
covet_require_stateful(FunctionCallInfo fcinfo)
{
	covet_require_preload();
	if (IsInParallelMode())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("function %s cannot be executed during a parallel operation",
						get_func_name(fcinfo->flinfo->fn_oid))));
	if (am_walsender)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("function %s cannot be executed in a replication connection",
						get_func_name(fcinfo->flinfo->fn_oid))));
	covet_registry_note();
}

/*
 * Compare as the "C" collation does, for sorting keys.  An interrupt is seen
 * here, so that a batch of millions can be cancelled while it is sorted.
 */
int
covet_compare_texts(const text *a, const text *b)
{
	Size		la = VARSIZE_ANY_EXHDR(a);
	Size		lb = VARSIZE_ANY_EXHDR(b);
	int			order = memcmp(VARDATA_ANY(a), VARDATA_ANY(b), Min(la, lb));

	CHECK_FOR_INTERRUPTS();
	return order != 0 ? order : (la > lb) - (la < lb);
}

/*
 * Take apart an array of any number of dimensions into palloc'd values and
 * nulls in the current context.  The element type is text, bytea, jsonb,
 * json, interval or timestamptz.  Raises 54000 for more than COVET_BATCH_MAX
 * elements.
 */
void
covet_deconstruct(ArrayType *array, Oid element_type,
				  Datum **values, bool **nulls, int *count)
{
	int16		typlen;
	bool		typbyval;
	char		typalign;

	if (ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) > COVET_BATCH_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("array has too many elements"),
				 errdetail("A call takes %d elements at most.", COVET_BATCH_MAX)));
	get_typlenbyvalalign(element_type, &typlen, &typbyval, &typalign);
	deconstruct_array(array, element_type, typlen, typbyval, typalign,
					  values, nulls, count);
}
