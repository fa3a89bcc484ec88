/*
 * bson_extended.c
 *		The objects of Extended JSON, version 2 (canonical and relaxed) and
 *		the older version 1, as one table.
 *
 * Each is read from the BSON document it was first written as, with what is
 * inside it converted: {"$date": {"$numberLong": "5"}} arrives here as
 * {"$date": 5} with an int64.  A misshapen one is an error, never silently a
 * document.  What MongoDB's query language spells alike stays a document:
 * "$type" without "$binary", and "$regex" unless it has just "$options" beside
 * it and both are strings; under "$elemMatch", which takes no regular
 * expression, even then.  A DBRef ({"$ref": .., "$id": ..}) is a document in
 * BSON too.
 */
#include "postgres.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>

#include "common/base64.h"
#include "common/jsonapi.h"
#include "utils/float.h"

#include "bson/bson_date.h"
#include "bson/bson_extended.h"

typedef struct Form Form;

/*
 * Reads a value: appends its BSON bytes to "out" and returns its type, or
 * BSON_TYPE_EOD when the shape is wrong.  "other" is the companion, or NULL.
 */
typedef bson_type_t (*FormReader) (const Form *form, bson_iter_t *value,
								   bson_iter_t *other, StringInfo out);

struct Form
{
	const char *key;
	const char *other;			/* a companion it may have, or NULL */
	FormReader	read;
	const char *shape;			/* DETAIL when it is misshapen */
};

static void
out_of_range(const Form *form, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("\"%s\" in extended JSON is out of range", form->key),
			 errdetail_internal("%s", detail)));
}

/* A string value, or NULL when it is something else. */
static const char *
string_of(const bson_iter_t *value, uint32 *len)
{
	return BSON_ITER_HOLDS_UTF8(value) ? bson_iter_utf8(value, len) : NULL;
}

/* An integer value of either size. */
static bool
integer_of(const bson_iter_t *value, int64 *result)
{
	if (!BSON_ITER_HOLDS_INT32(value) && !BSON_ITER_HOLDS_INT64(value))
		return false;
	*result = bson_iter_as_int64(value);
	return true;
}

/* Find the two fields of a document that has exactly these. */
static bool
two_fields(const bson_iter_t *value, const char *key1, bson_iter_t *field1,
		   const char *key2, bson_iter_t *field2)
{
	bson_iter_t field;
	int			count = 0;
	bool		found1 = false;
	bool		found2 = false;

	if (!BSON_ITER_HOLDS_DOCUMENT(value) || !bson_iter_recurse(value, &field))
		return false;
	while (bson_iter_next(&field))
	{
		count++;
		if (strcmp(bson_iter_key(&field), key1) == 0)
		{
			*field1 = field;
			found1 = true;
		}
		else if (strcmp(bson_iter_key(&field), key2) == 0)
		{
			*field2 = field;
			found2 = true;
		}
	}
	return count == 2 && found1 && found2;
}

/* Value of "count" hexadecimal digits, or -1. */
static int64
hex_of(const char *str, int count)
{
	int64		value = 0;

	for (int i = 0; i < count; i++)
	{
		unsigned char c = (unsigned char) str[i];

		if (!isxdigit(c))
			return -1;
		value = value * 16 + (isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
	}
	return value;
}

static bson_type_t
read_oid(const Form *form, bson_iter_t *value, bson_iter_t *other, StringInfo out)
{
	uint32		len;
	const char *hex = string_of(value, &len);
	bson_oid_t	oid;

	if (hex == NULL || !bson_oid_is_valid(hex, len) || len != 24)
		return BSON_TYPE_EOD;
	bson_oid_init_from_string(&oid, hex);
	appendBinaryStringInfo(out, (const char *) oid.bytes, sizeof(oid.bytes));
	return BSON_TYPE_OID;
}

static bson_type_t
read_symbol(const Form *form, bson_iter_t *value, bson_iter_t *other, StringInfo out)
{
	uint32		len;
	const char *str = string_of(value, &len);

	if (str == NULL)
		return BSON_TYPE_EOD;
	covet_bson_put_string(out, str, len);
	return BSON_TYPE_SYMBOL;
}

/* The integer in a string; raises 22003 over 64 bits. */
static bool
integer_in_string(const Form *form, const bson_iter_t *value, int64 *result)
{
	uint32		len;
	const char *str = string_of(value, &len);
	const char *digits;

	if (str == NULL)
		return false;
	digits = str + (*str == '-' || *str == '+' ? 1 : 0);
	if (*digits == '\0' || strspn(digits, "0123456789") != strlen(digits))
		return false;
	errno = 0;
	*result = strtoi64(str, NULL, 10);
	if (errno == ERANGE)
		out_of_range(form, "It does not fit 64 bits.");
	return true;
}

static bson_type_t
read_int32(const Form *form, bson_iter_t *value, bson_iter_t *other, StringInfo out)
{
	int64		number;

	if (!integer_in_string(form, value, &number))
		return BSON_TYPE_EOD;
	if (number < PG_INT32_MIN || number > PG_INT32_MAX)
		out_of_range(form, "It does not fit 32 bits.");
	covet_bson_put_int(out, (uint64) number, 4);
	return BSON_TYPE_INT32;
}

static bson_type_t
read_int64(const Form *form, bson_iter_t *value, bson_iter_t *other, StringInfo out)
{
	int64		number;

	if (!integer_in_string(form, value, &number))
		return BSON_TYPE_EOD;
	covet_bson_put_int(out, (uint64) number, 8);
	return BSON_TYPE_INT64;
}

static bson_type_t
read_double(const Form *form, bson_iter_t *value, bson_iter_t *other, StringInfo out)
{
	uint32		len;
	const char *str = string_of(value, &len);
	double		number;

	if (str == NULL)
		return BSON_TYPE_EOD;
	if (strcmp(str, "NaN") == 0)
		number = get_float8_nan();
	else if (strcmp(str, "Infinity") == 0)
		number = get_float8_infinity();
	else if (strcmp(str, "-Infinity") == 0)
		number = -get_float8_infinity();
	else
	{
		if (!IsValidJsonNumber(str, len))
			return BSON_TYPE_EOD;
		errno = 0;
		number = strtod(str, NULL);
		if (errno == ERANGE && (number == 0.0 || isinf(number)))
			out_of_range(form, "It does not fit a double.");
	}
	covet_bson_put_double(out, number);
	return BSON_TYPE_DOUBLE;
}

static bson_type_t
read_decimal(const Form *form, bson_iter_t *value, bson_iter_t *other, StringInfo out)
{
	uint32		len;
	const char *str = string_of(value, &len);
	bson_decimal128_t number;

	if (str == NULL)
		return BSON_TYPE_EOD;
	if (!bson_decimal128_from_string(str, &number))
	{
		if (IsValidJsonNumber(str, len))
			out_of_range(form, "A Decimal128 has 34 digits and exponents from -6176 to 6111.");
		return BSON_TYPE_EOD;
	}
	covet_bson_put_int(out, number.low, 8);
	covet_bson_put_int(out, number.high, 8);
	return BSON_TYPE_DECIMAL128;
}

/* The subtype of a binary: one or two hexadecimal digits, or -1. */
static int
subtype_of(const bson_iter_t *value)
{
	uint32		len;
	const char *hex = string_of(value, &len);

	if (hex == NULL || len < 1 || len > 2)
		return -1;
	return (int) hex_of(hex, len);
}

/* {"base64": .., "subType": ..}, or a base64 string beside "$type" */
static bson_type_t
read_binary(const Form *form, bson_iter_t *value, bson_iter_t *other, StringInfo out)
{
	bson_iter_t base64_field = *value;
	bson_iter_t subtype_field;
	const char *base64;
	uint32		len;
	int64		subtype;
	int			size;
	int			size_at = out->len;

	if (other != NULL)
	{
		if (!integer_of(other, &subtype))
			subtype = subtype_of(other);
	}
	else
	{
		if (!two_fields(value, "base64", &base64_field, "subType", &subtype_field))
			return BSON_TYPE_EOD;
		subtype = subtype_of(&subtype_field);
	}
	base64 = string_of(&base64_field, &len);
	if (base64 == NULL || subtype < 0 || subtype > 255)
		return BSON_TYPE_EOD;

	covet_bson_put_int(out, 0, 4);
	covet_bson_put_int(out, (uint64) subtype, 1);
	if (subtype == BSON_SUBTYPE_BINARY_DEPRECATED)
		covet_bson_put_int(out, 0, 4);	/* it repeats the size */

	enlargeStringInfo(out, pg_b64_dec_len(len));
	size = pg_b64_decode(base64, len, (void *) (out->data + out->len),
						 pg_b64_dec_len(len));
	if (size < 0)
		return BSON_TYPE_EOD;
	out->len += size;

	if (subtype == BSON_SUBTYPE_BINARY_DEPRECATED)
	{
		covet_bson_set_size(out, size_at + 5, size);
		size += 4;
	}
	covet_bson_set_size(out, size_at, size);
	return BSON_TYPE_BINARY;
}

static bson_type_t
read_uuid(const Form *form, bson_iter_t *value, bson_iter_t *other, StringInfo out)
{
	uint32		len;
	const char *str = string_of(value, &len);

	if (str == NULL || len != 36)
		return BSON_TYPE_EOD;
	covet_bson_put_int(out, 16, 4);
	covet_bson_put_int(out, BSON_SUBTYPE_UUID, 1);
	for (int i = 0; i < 36;)
	{
		int64		byte;

		if (i == 8 || i == 13 || i == 18 || i == 23)
		{
			if (str[i++] != '-')
				return BSON_TYPE_EOD;
			continue;
		}
		byte = hex_of(str + i, 2);
		if (byte < 0)
			return BSON_TYPE_EOD;
		covet_bson_put_int(out, (uint64) byte, 1);
		i += 2;
	}
	return BSON_TYPE_BINARY;
}

static bson_type_t
read_code(const Form *form, bson_iter_t *value, bson_iter_t *other, StringInfo out)
{
	uint32		len;
	const char *code = string_of(value, &len);
	const uint8_t *scope;
	uint32		scope_size;

	if (code == NULL)
		return BSON_TYPE_EOD;
	if (other == NULL)
	{
		covet_bson_put_string(out, code, len);
		return BSON_TYPE_CODE;
	}
	if (!BSON_ITER_HOLDS_DOCUMENT(other))
		return BSON_TYPE_EOD;
	bson_iter_document(other, &scope_size, &scope);
	covet_bson_put_int(out, (uint64) 4 + 4 + len + 1 + scope_size, 4);
	covet_bson_put_string(out, code, len);
	appendBinaryStringInfo(out, (const char *) scope, scope_size);
	return BSON_TYPE_CODEWSCOPE;
}

static bson_type_t
read_timestamp(const Form *form, bson_iter_t *value, bson_iter_t *other, StringInfo out)
{
	bson_iter_t t_field;
	bson_iter_t i_field;
	int64		t;
	int64		i;

	if (!two_fields(value, "t", &t_field, "i", &i_field) ||
		!integer_of(&t_field, &t) || t < 0 || t > PG_UINT32_MAX ||
		!integer_of(&i_field, &i) || i < 0 || i > PG_UINT32_MAX)
		return BSON_TYPE_EOD;
	covet_bson_put_int(out, (uint64) i, 4);
	covet_bson_put_int(out, (uint64) t, 4);
	return BSON_TYPE_TIMESTAMP;
}

/* Append a regular expression, its options in the order BSON wants. */
static bool
put_regex(const bson_iter_t *pattern_field, const bson_iter_t *options_field,
		  StringInfo out)
{
	uint32		pattern_len;
	uint32		options_len;
	const char *pattern = string_of(pattern_field, &pattern_len);
	const char *options = string_of(options_field, &options_len);

	if (pattern == NULL || options == NULL)
		return false;
	covet_bson_put_cstring(out, pattern, pattern_len);
	for (int c = 1; c < 256; c++)
		for (uint32 i = 0; i < options_len; i++)
			if ((unsigned char) options[i] == c)
				appendStringInfoChar(out, (char) c);
	appendStringInfoChar(out, '\0');
	return true;
}

static bson_type_t
read_regex(const Form *form, bson_iter_t *value, bson_iter_t *other, StringInfo out)
{
	bson_iter_t pattern;
	bson_iter_t options;

	if (!two_fields(value, "pattern", &pattern, "options", &options) ||
		!put_regex(&pattern, &options, out))
		return BSON_TYPE_EOD;
	return BSON_TYPE_REGEX;
}

/* Version 1: {"$regex": .., "$options": ..}; else it is a query operator. */
static bson_type_t
read_old_regex(const Form *form, bson_iter_t *value, bson_iter_t *other, StringInfo out)
{
	if (other == NULL || !put_regex(value, other, out))
		return BSON_TYPE_DOCUMENT;
	return BSON_TYPE_REGEX;
}

static bson_type_t
read_dbpointer(const Form *form, bson_iter_t *value, bson_iter_t *other, StringInfo out)
{
	bson_iter_t ref;
	bson_iter_t id;
	const char *name;
	uint32		len;

	if (!two_fields(value, "$ref", &ref, "$id", &id) ||
		(name = string_of(&ref, &len)) == NULL || !BSON_ITER_HOLDS_OID(&id))
		return BSON_TYPE_EOD;
	covet_bson_put_string(out, name, len);
	appendBinaryStringInfo(out, (const char *) bson_iter_oid(&id)->bytes, 12);
	return BSON_TYPE_DBPOINTER;
}

static bson_type_t
read_date(const Form *form, bson_iter_t *value, bson_iter_t *other, StringInfo out)
{
	uint32		len;
	const char *str = string_of(value, &len);
	int64		ms;

	if (str != NULL ? !covet_bson_date_parse(str, &ms) : !integer_of(value, &ms))
		return BSON_TYPE_EOD;
	covet_bson_put_int(out, (uint64) ms, 8);
	return BSON_TYPE_DATE_TIME;
}

static bool
is_one(const bson_iter_t *value)
{
	return BSON_ITER_HOLDS_INT32(value) && bson_iter_int32(value) == 1;
}

static bson_type_t
read_min_key(const Form *form, bson_iter_t *value, bson_iter_t *other, StringInfo out)
{
	return is_one(value) ? BSON_TYPE_MINKEY : BSON_TYPE_EOD;
}

static bson_type_t
read_max_key(const Form *form, bson_iter_t *value, bson_iter_t *other, StringInfo out)
{
	return is_one(value) ? BSON_TYPE_MAXKEY : BSON_TYPE_EOD;
}

static bson_type_t
read_undefined(const Form *form, bson_iter_t *value, bson_iter_t *other, StringInfo out)
{
	return BSON_ITER_HOLDS_BOOL(value) && bson_iter_bool(value) ?
		BSON_TYPE_UNDEFINED : BSON_TYPE_EOD;
}

static const Form forms[] = {
	{"$oid", NULL, read_oid,
	"It must be a string of 24 hexadecimal digits."},
	{"$date", NULL, read_date,
	"It must be a date and time in ISO 8601, or an integer of milliseconds since 1970."},
	{"$numberLong", NULL, read_int64,
	"It must be a string with an integer."},
	{"$numberInt", NULL, read_int32,
	"It must be a string with an integer."},
	{"$numberDouble", NULL, read_double,
	"It must be a string with a number, \"NaN\", \"Infinity\" or \"-Infinity\"."},
	{"$numberDecimal", NULL, read_decimal,
	"It must be a string with a number, \"NaN\", \"Infinity\" or \"-Infinity\"."},
	{"$uuid", NULL, read_uuid,
	"It must be a string of 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12."},
	{"$binary", "$type", read_binary,
	"It must be {\"base64\": string, \"subType\": string}, or a base64 string beside \"$type\"."},
	{"$regularExpression", NULL, read_regex,
	"It must be {\"pattern\": string, \"options\": string}."},
	{"$regex", "$options", read_old_regex, NULL},
	{"$timestamp", NULL, read_timestamp,
	"It must be {\"t\": integer, \"i\": integer}, both from 0 to 4294967295."},
	{"$code", "$scope", read_code,
	"It must be a string, alone or beside an object \"$scope\"."},
	{"$symbol", NULL, read_symbol,
	"It must be a string."},
	{"$dbPointer", NULL, read_dbpointer,
	"It must be {\"$ref\": string, \"$id\": ObjectId}."},
	{"$minKey", NULL, read_min_key,
	"It must be 1."},
	{"$maxKey", NULL, read_max_key,
	"It must be 1."},
	{"$undefined", NULL, read_undefined,
	"It must be true."},
};

static const Form *
find_form(const char *key)
{
	for (size_t i = 0; i < lengthof(forms); i++)
		if (strcmp(forms[i].key, key) == 0)
			return &forms[i];
	return NULL;
}

/*
 * Does an object with this key have to be looked at by
 * covet_bson_extended_read()?
 */
bool
covet_bson_extended_key(const char *key)
{
	return find_form(key) != NULL;
}

/*
 * Read an object that has a key of Extended JSON.  "doc" is its BSON of "size"
 * bytes as written by bson_in.c, so it is sound; "field" is the key under
 * which it stands.  Appends the bytes of the value to "payload" and returns
 * the value's type, or BSON_TYPE_DOCUMENT when it is to stay a document (what
 * is in "payload" then means nothing).  Raises 22P02 when it is misshapen and
 * 22003 for a number out of range.
 */
bson_type_t
covet_bson_extended_read(const uint8_t *doc, uint32 size, const char *field,
						 StringInfo payload)
{
	const Form *form = NULL;
	bson_iter_t iter;
	bson_iter_t value;
	bson_iter_t other;
	int			fields = 0;
	bool		has_other = false;
	bson_type_t type = BSON_TYPE_EOD;

	if (!bson_iter_init_from_data(&iter, doc, size))
		elog(ERROR, "BSON document just written is not sound");
	while (form == NULL && bson_iter_next(&iter))
		form = find_form(bson_iter_key(&iter));
	if (form == NULL)
		elog(ERROR, "no key of extended JSON in the document");
	value = iter;

	bson_iter_init_from_data(&iter, doc, size);
	while (bson_iter_next(&iter))
	{
		fields++;
		if (form->other != NULL && strcmp(bson_iter_key(&iter), form->other) == 0)
		{
			other = iter;
			has_other = true;
		}
	}

	if (form->read == read_old_regex &&
		(fields != 2 || !has_other || strcmp(field, "$elemMatch") == 0))
		return BSON_TYPE_DOCUMENT;
	if (fields == (has_other ? 2 : 1))
		type = form->read(form, &value, has_other ? &other : NULL, payload);
	if (type == BSON_TYPE_EOD)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("malformed \"%s\" in extended JSON", form->key),
				 errdetail_internal("%s", form->shape),
				 fields == (has_other ? 2 : 1) ? 0 :
				 errhint("No other keys can stand beside it.")));
	return type;
}
