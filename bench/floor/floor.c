/*
 * floor.c
 *		Functions of the signatures of covet's that do nothing but return a
 *		value of the right size: what no SQL function can beat.
 *
 * A measurement of floor_get() is the price of the protocol, of the executor
 * and of giving a value back. What covet.cache_get() costs beyond it is
 * covet's own work. Used by `make bench` only, and never installed.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

#define MAX_VALUE_SIZE (1024 * 1024)

/* What values are made of: copied, as a real value would be. */
static const char bytes[MAX_VALUE_SIZE];

/* Bytes of a value that floor_get() and floor_get_many() return. */
static int	value_size = 200;

void		_PG_init(void);

PG_FUNCTION_INFO_V1(floor_get);
PG_FUNCTION_INFO_V1(floor_get_many);
PG_FUNCTION_INFO_V1(floor_set);

/* Define the setting that makes the values as large as those of the peers. */
void
_PG_init(void)
{
	DefineCustomIntVariable("floor.value_size",
							"Sets the size of the values returned.",
							NULL,
							&value_size,
							200, 0, MAX_VALUE_SIZE,
							PGC_USERSET, GUC_UNIT_BYTE,
							NULL, NULL, NULL);
}

/* A value in the current memory context. */
static text *
make_value(void)
{
	return cstring_to_text_with_len(bytes, value_size);
}

/* floor_get(key text, namespace text) | text of floor.value_size bytes. */
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
