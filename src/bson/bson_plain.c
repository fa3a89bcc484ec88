/*
 * bson_plain.c
 *		Documents without the objects of Extended JSON: mongo_plain().
 *
 * For people and for code that only reads: hexadecimal digits for ObjectId
 * and binary, ISO 8601 for dates, numbers for numbers.  The types are lost.
 * An object that looks like Extended JSON but is misshapen is data of
 * somebody's own and stays an object, so nothing in a document is an error.
 */
#include "postgres.h"

#include <errno.h>

#include "common/base64.h"
#include "common/jsonapi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "base/compat.h"
#include "bson/bson_date.h"
#include "bson/bson_sink.h"

/* The longest text and largest exponent of a Decimal128, with room. */
#define NUMBER_LEN_MAX		64
#define NUMBER_EXPONENT_MAX 6200

/*
 * Makes a value plain; "other" is the companion's value or NULL.  False: the
 * object stays as it is.
 */
typedef bool (*PlainReader) (const JsonbValue *value, const JsonbValue *other,
							 JsonbValue *result);

static void walk(JsonSink *sink, JsonbContainer *container);

static void
set_string(JsonbValue *result, char *str)
{
	result->type = jbvString;
	result->val.string.val = str;
	result->val.string.len = strlen(str);
}

/* A string value as a palloc'd C string, or NULL. */
static char *
string_of(const JsonbValue *value)
{
	if (value->type != jbvString)
		return NULL;
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* A field of an object that has "count" fields, or NULL. */
static JsonbValue *
field_of(const JsonbValue *value, const char *name, int count)
{
	JsonbValue	key = {.type = jbvString};

	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data) ||
		(int) JsonContainerSize(value->val.binary.data) != count)
		return NULL;
	key.val.string.val = unconstify(char *, name);
	key.val.string.len = strlen(name);
	return findJsonbValueFromContainer(value->val.binary.data, JB_FOBJECT, &key);
}

static bool
plain_string(const JsonbValue *value, const JsonbValue *other, JsonbValue *result)
{
	*result = *value;
	return value->type == jbvString;
}

/* {"$code": ..}; with a scope there is nothing plainer than the object */
static bool
plain_code(const JsonbValue *value, const JsonbValue *other, JsonbValue *result)
{
	return other == NULL && plain_string(value, other, result);
}

/* Objects whose fields are plain already, or become it on the way. */
static bool
plain_object(const JsonbValue *value, const JsonbValue *other, JsonbValue *result)
{
	*result = *value;
	return value->type == jbvBinary;
}

/* A number, or the string where jsonb has no number: "NaN", "Infinity". */
static bool
plain_number(const JsonbValue *value, const JsonbValue *other, JsonbValue *result)
{
	char	   *str = string_of(value);
	const char *exponent;

	if (str == NULL || strlen(str) > NUMBER_LEN_MAX)
		return false;
	if (strcmp(str, "NaN") == 0 || strcmp(str + (*str == '-' ? 1 : 0), "Infinity") == 0)
	{
		*result = *value;
		return true;
	}
	if (!IsValidJsonNumber(str, strlen(str)))
		return false;
	exponent = strpbrk(str, "eE");
	if (exponent != NULL &&
		(strlen(exponent) > 6 || abs(atoi(exponent + 1)) > NUMBER_EXPONENT_MAX))
		return false;
	result->type = jbvNumeric;
	result->val.numeric =
		DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(str),
											ObjectIdGetDatum(InvalidOid),
											Int32GetDatum(-1)));
	return true;
}

/* ISO text, {"$numberLong": ..} or a number of milliseconds */
static bool
plain_date(const JsonbValue *value, const JsonbValue *other, JsonbValue *result)
{
	const JsonbValue *number = value;
	JsonbValue *field = field_of(value, "$numberLong", 1);
	char	   *str;
	char	   *end;
	int64		ms;

	if (plain_string(value, NULL, result))
		return true;
	if (field != NULL)
		number = field;
	if (number->type == jbvNumeric)
		str = DatumGetCString(DirectFunctionCall1(numeric_out,
												  NumericGetDatum(number->val.numeric)));
	else
		str = string_of(number);
	if (str == NULL || *str == '\0')
		return false;

	errno = 0;
	ms = strtoi64(str, &end, 10);
	if (errno != 0 || *end != '\0')
		return false;
	str = palloc(COVET_BSON_DATE_LEN);
	covet_bson_date_format(ms, str);
	set_string(result, str);
	return true;
}

/* The bytes as hexadecimal digits */
static bool
plain_binary(const JsonbValue *value, const JsonbValue *other, JsonbValue *result)
{
	const JsonbValue *base64 = value;
	int			len;
	char	   *bytes;
	char	   *hex;

	if (other == NULL)
	{
		base64 = field_of(value, "base64", 2);
		if (base64 == NULL || field_of(value, "subType", 2) == NULL)
			return false;
	}
	if (base64->type != jbvString)
		return false;
	len = pg_b64_dec_len(base64->val.string.len);
	bytes = palloc(len);
	len = pg_b64_decode(base64->val.string.val, base64->val.string.len, (void *) bytes, len);
	if (len < 0)
		return false;
	hex = palloc((Size) len * 2 + 1);
	hex[hex_encode(bytes, len, hex)] = '\0';
	set_string(result, hex);
	return true;
}

/* "/pattern/options" */
static bool
plain_regex(const JsonbValue *value, const JsonbValue *other, JsonbValue *result)
{
	JsonbValue *pattern = field_of(value, "pattern", 2);
	JsonbValue *options = field_of(value, "options", 2);

	if (pattern == NULL || options == NULL ||
		pattern->type != jbvString || options->type != jbvString)
		return false;
	set_string(result, psprintf("/%s/%s", string_of(pattern), string_of(options)));
	return true;
}

static bool
plain_min_key(const JsonbValue *value, const JsonbValue *other, JsonbValue *result)
{
	set_string(result, "MinKey");
	return value->type == jbvNumeric;
}

static bool
plain_max_key(const JsonbValue *value, const JsonbValue *other, JsonbValue *result)
{
	set_string(result, "MaxKey");
	return value->type == jbvNumeric;
}

static bool
plain_undefined(const JsonbValue *value, const JsonbValue *other, JsonbValue *result)
{
	result->type = jbvNull;
	return value->type == jbvBool;
}

static const struct
{
	const char *key;
	const char *other;			/* companion it may have, or NULL */
	PlainReader read;
}			forms[] = {
	{"$oid", NULL, plain_string},
	{"$date", NULL, plain_date},
	{"$numberLong", NULL, plain_number},
	{"$numberInt", NULL, plain_number},
	{"$numberDouble", NULL, plain_number},
	{"$numberDecimal", NULL, plain_number},
	{"$uuid", NULL, plain_string},
	{"$binary", "$type", plain_binary},
	{"$regularExpression", NULL, plain_regex},
	{"$timestamp", NULL, plain_object},
	{"$code", "$scope", plain_code},
	{"$symbol", NULL, plain_string},
	{"$dbPointer", NULL, plain_object},
	{"$minKey", NULL, plain_min_key},
	{"$maxKey", NULL, plain_max_key},
	{"$undefined", NULL, plain_undefined},
};

static bool
is_key(const JsonbValue *key, const char *name)
{
	return name != NULL && key->val.string.len == (int) strlen(name) &&
		memcmp(key->val.string.val, name, key->val.string.len) == 0;
}

/*
 * The plain value of an object of Extended JSON, or false when it is none.
 */
static bool
unwrap(JsonbContainer *object, JsonbValue *result)
{
	JsonbIterator *iter;
	JsonbValue	keys[2];
	JsonbValue	values[2];
	JsonbValue	head;
	int			count = JsonContainerSize(object);

	if (!JsonContainerIsObject(object) || count < 1 || count > 2)
		return false;
	iter = JsonbIteratorInit(object);
	(void) JsonbIteratorNext(&iter, &head, true);
	for (int i = 0; i < count; i++)
	{
		(void) JsonbIteratorNext(&iter, &keys[i], true);
		(void) JsonbIteratorNext(&iter, &values[i], true);
		if (keys[i].val.string.len == 0 || keys[i].val.string.val[0] != '$')
			return false;
	}

	for (size_t f = 0; f < lengthof(forms); f++)
		for (int i = 0; i < count; i++)
		{
			if (!is_key(&keys[i], forms[f].key))
				continue;
			if (count == 2 && !is_key(&keys[1 - i], forms[f].other))
				return false;
			return forms[f].read(&values[i], count == 2 ? &values[1 - i] : NULL, result);
		}
	return false;
}

static void
put_value(JsonSink *sink, JsonbValue *value)
{
	JsonbValue	plain;

	if (value->type == jbvBinary && unwrap(value->val.binary.data, &plain))
		value = &plain;
	if (value->type == jbvBinary)
		walk(sink, value->val.binary.data);
	else
		covet_bson_jsonb_push(sink, value);
}

static void
walk(JsonSink *sink, JsonbContainer *container)
{
	JsonbIterator *iter = JsonbIteratorInit(container);
	JsonbIteratorToken token;
	JsonbValue	value;

	check_stack_depth();
	while ((token = JsonbIteratorNext(&iter, &value, true)) != WJB_DONE)
	{
		switch (token)
		{
			case WJB_BEGIN_ARRAY:
			case WJB_BEGIN_OBJECT:
				if (!(token == WJB_BEGIN_ARRAY && value.val.array.rawScalar))
					sink->open(sink, token == WJB_BEGIN_ARRAY);
				break;
			case WJB_END_ARRAY:
			case WJB_END_OBJECT:
				if (!JsonContainerIsScalar(container))
					sink->close(sink, token == WJB_END_ARRAY);
				break;
			case WJB_KEY:
				sink->key(sink, value.val.string.val, value.val.string.len);
				break;
			default:
				put_value(sink, &value);
				break;
		}
	}
}

PG_FUNCTION_INFO_V1(covet_mongo_plain);

/*
 * mongo_plain(doc jsonb) -> jsonb
 */
Datum
covet_mongo_plain(PG_FUNCTION_ARGS)
{
	Jsonb	   *doc = PG_GETARG_JSONB_P(0);
	JsonbValue	root = {.type = jbvBinary};
	JsonbSink	jsonb;

	root.val.binary.data = &doc->root;
	root.val.binary.len = VARSIZE(doc) - VARHDRSZ;
	covet_bson_jsonb_sink(&jsonb);
	put_value(&jsonb.sink, &root);
	PG_RETURN_JSONB_P(JsonbValueToJsonb(jsonb.result));
}
