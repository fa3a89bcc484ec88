/*
 * floor.c
 *		Functions of the signatures of covet's that do nothing but return a
 *		value: what no SQL function can beat.
 *
 * A measurement of floor_get() is the price of the protocol, of the executor
 * and of giving a value back. What covet.cache_get() costs beyond it is
 * covet's own work. Used by `make bench` only, and never installed.
 */
#include "postgres.h"

#include <sys/stat.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "storage/fd.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

/* The file with the value that floor_get() and floor_get_many() return. */
static char *value_file = NULL;

void		_PG_init(void);

PG_FUNCTION_INFO_V1(floor_get);
PG_FUNCTION_INFO_V1(floor_get_many);
PG_FUNCTION_INFO_V1(floor_set);

/* Define the setting that makes the values the same as those of the peers. */
void
_PG_init(void)
{
	DefineCustomStringVariable("floor.value_file",
							   "Sets the file with the value that is returned.",
							   NULL,
							   &value_file,
							   "",
							   PGC_SUSET, 0,
							   NULL, NULL, NULL);
}

/*
 * The value, read once in a backend.  It must be the real one: what it costs to
 * print depends on its characters.
 */
static const text *
the_value(void)
{
	static text *value = NULL;
	struct stat st;
	FILE	   *file;

	if (value != NULL)
		return value;
	file = AllocateFile(value_file, PG_BINARY_R);
	if (file == NULL || fstat(fileno(file), &st) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", value_file)));
	value = MemoryContextAlloc(TopMemoryContext, VARHDRSZ + st.st_size);
	SET_VARSIZE(value, VARHDRSZ + st.st_size);
	if (fread(VARDATA(value), 1, st.st_size, file) != (size_t) st.st_size)
		elog(ERROR, "could not read file \"%s\"", value_file);
	FreeFile(file);
	return value;
}

/* A copy of the value in the current memory context. */
static text *
make_value(void)
{
	const text *value = the_value();

	return memcpy(palloc(VARSIZE(value)), value, VARSIZE(value));
}

/* floor_get(key text, namespace text) | text, the value in floor.value_file. */
Datum
floor_get(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(make_value());
}

/* floor_get_many(keys text[], namespace text) | text[] with one for each key. */
Datum
floor_get_many(PG_FUNCTION_ARGS)
{
	ArrayType  *keys = PG_GETARG_ARRAYTYPE_P(0);
	int			n = ArrayGetNItems(ARR_NDIM(keys), ARR_DIMS(keys));
	Datum	   *values = palloc(sizeof(Datum) * Max(n, 1));

	for (int i = 0; i < n; i++)
		values[i] = PointerGetDatum(make_value());
	PG_RETURN_ARRAYTYPE_P(construct_array(values, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* floor_set(key, value, ttl, namespace, tags, idle) | true. */
Datum
floor_set(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(true);
}
