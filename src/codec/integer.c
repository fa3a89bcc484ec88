/*
 * integer.c
 *		Values that are integers, written out in decimal.
 *
 * A counter is stored as its digits, so that it can be read as any other value
 * of its kind.
 */
#include "postgres.h"

#include "common/int.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "base/compat.h"
#include "codec/value.h"

/*
 * The integer that a value is.  Raises 22023 where it is none, XX001 for a
 * damaged one.
 */
int64
covet_integer_decode(const ValueParts *parts)
{
	bytea	   *bytes = DatumGetByteaPP(covet_value_decode_parts(parts, VALUE_BYTEA));
	char	   *digits = pnstrdup(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	char	   *end;
	int64		result;

	errno = 0;
	result = strtoi64(digits, &end, 10);
	if (errno != 0 || end == digits || *end != '\0' ||
		end != digits + VARSIZE_ANY_EXHDR(bytes) || isspace((unsigned char) digits[0]))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cached value is not an integer")));
	return result;
}

/*
 * The frame of an integer as a value of the given kind, palloc'd.
 */
bytea *
covet_integer_encode(int64 value, ValueKind kind)
{
	char		digits[32];
	Datum		datum;

	snprintf(digits, sizeof(digits), INT64_FORMAT, value);
	datum = kind == VALUE_JSONB ? DirectFunctionCall1(jsonb_in, CStringGetDatum(digits))
		: CStringGetTextDatum(digits);
	return covet_value_encode(kind, datum, CODEC_RAW);
}

/*
 * The sum of two integers.  Raises 22003 where there is none.
 */
int64
covet_integer_add(int64 a, int64 b)
{
	int64		sum;

	if (pg_add_s64_overflow(a, b, &sum))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("cached value is out of range for type %s", "bigint")));
	return sum;
}
