/*
 * bson_out.c
 *		BSON to jsonb and JSON text.
 *
 * One walk over the document feeds a JsonSink; no JSON text lies between BSON
 * and jsonb.  Documents come from the network: every size is checked before
 * it is believed, strings are checked to be UTF-8, and depth is limited.
 */
#include "postgres.h"

#include <math.h>

#include "common/base64.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "bson/bson_date.h"
#include "bson/bson_map.h"
#include "bson/bson_sink.h"

static void put_document(JsonSink *sink, const uint8_t *doc, uint32 size, bool array,
						 int depth);

static void
corrupt(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("BSON document is corrupt"),
			 errdetail_internal("%s", detail)));
}

/*
 * A string of BSON in the server encoding, with a NUL behind it: the bytes
 * themselves where that needs no conversion.
 */
static const char *
server_text(const char *str, uint32 len, int *server_len)
{
	char	   *converted;

	if (memchr(str, '\0', len) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
				 errmsg("string of a BSON document cannot be converted to text"),
				 errdetail("It contains U+0000, which text cannot hold.")));
	if (str[len] != '\0')
		corrupt("A string does not end where its size says.");

	converted = pg_any_to_server(str, (int) len, PG_UTF8);
	*server_len = converted == str ? (int) len : (int) strlen(converted);
	return converted;
}

static void
put_string(JsonSink *sink, const char *str, uint32 len)
{
	int			server_len;

	str = server_text(str, len, &server_len);
	sink->string(sink, str, server_len);
}

/* A key that this file names itself */
static void
put_name(JsonSink *sink, const char *name)
{
	sink->key(sink, name, strlen(name));
}

/* {"name": "str"}; "str" is ASCII and stays until the sink's end */
static void
put_wrapped(JsonSink *sink, const char *name, const char *str)
{
	sink->open(sink, false);
	put_name(sink, name);
	sink->string(sink, str, strlen(str));
	sink->close(sink, false);
}

static void
put_oid(JsonSink *sink, const bson_oid_t *oid)
{
	char	   *hex = palloc(25);

	bson_oid_to_string(oid, hex);
	put_wrapped(sink, "$oid", hex);
}

static void
put_double(JsonSink *sink, double value)
{
	if (isnan(value))
		put_wrapped(sink, "$numberDouble", "NaN");
	else if (isinf(value))
		put_wrapped(sink, "$numberDouble", value > 0 ? "Infinity" : "-Infinity");
	else if (value == 0 && signbit(value))
		put_wrapped(sink, "$numberDouble", "-0.0");
	else
		sink->real(sink, value);
}

/* Within int32's range a bare number would come back as int32. */
static void
put_int64(JsonSink *sink, int64 value)
{
	if (value < PG_INT32_MIN || value > PG_INT32_MAX)
		sink->integer(sink, value);
	else
		put_wrapped(sink, "$numberLong", psprintf(INT64_FORMAT, value));
}

static void
put_decimal(JsonSink *sink, const bson_iter_t *value)
{
	bson_decimal128_t decimal;
	char	   *str = palloc(BSON_DECIMAL128_STRING);

	bson_iter_decimal128(value, &decimal);
	bson_decimal128_to_string(&decimal, str);
	put_wrapped(sink, "$numberDecimal", str);
}

static void
put_date(JsonSink *sink, int64 ms)
{
	if (COVET_BSON_DATE_IS_TEXT(ms))
	{
		char	   *iso = palloc(COVET_BSON_DATE_LEN);

		covet_bson_date_format(ms, iso);
		put_wrapped(sink, "$date", iso);
		return;
	}
	sink->open(sink, false);
	put_name(sink, "$date");
	put_wrapped(sink, "$numberLong", psprintf(INT64_FORMAT, ms));
	sink->close(sink, false);
}

static void
put_uuid(JsonSink *sink, const uint8_t *bytes)
{
	char	   *str = palloc(37);
	char	   *out = str;

	for (int i = 0; i < 16; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		out += sprintf(out, "%02x", bytes[i]);
	}
	put_wrapped(sink, "$uuid", str);
}

static void
put_binary(JsonSink *sink, const bson_iter_t *value)
{
	bson_subtype_t subtype;
	uint32		size;
	const uint8_t *bytes;
	char	   *base64;
	int			len;

	bson_iter_binary(value, &subtype, &size, &bytes);
	if (subtype == BSON_SUBTYPE_UUID && size == 16)
	{
		put_uuid(sink, bytes);
		return;
	}

	len = pg_b64_enc_len((int) size);
	base64 = palloc(len + 1);
	len = pg_b64_encode((const void *) bytes, (int) size, base64, len);
	base64[len] = '\0';

	sink->open(sink, false);
	put_name(sink, "$binary");
	sink->open(sink, false);
	put_name(sink, "base64");
	sink->string(sink, base64, len);
	put_name(sink, "subType");
	sink->string(sink, psprintf("%02x", (unsigned int) subtype), 2);
	sink->close(sink, false);
	sink->close(sink, false);
}

static void
put_regex(JsonSink *sink, const bson_iter_t *value)
{
	const char *options;
	const char *pattern = bson_iter_regex(value, &options);

	sink->open(sink, false);
	put_name(sink, "$regularExpression");
	sink->open(sink, false);
	put_name(sink, "pattern");
	put_string(sink, pattern, strlen(pattern));
	put_name(sink, "options");
	put_string(sink, options, strlen(options));
	sink->close(sink, false);
	sink->close(sink, false);
}

static void
put_timestamp(JsonSink *sink, const bson_iter_t *value)
{
	uint32		t;
	uint32		i;

	bson_iter_timestamp(value, &t, &i);
	sink->open(sink, false);
	put_name(sink, "$timestamp");
	sink->open(sink, false);
	put_name(sink, "t");
	sink->integer(sink, t);
	put_name(sink, "i");
	sink->integer(sink, i);
	sink->close(sink, false);
	sink->close(sink, false);
}

static void
put_code(JsonSink *sink, const bson_iter_t *value, int depth)
{
	uint32		len;

	sink->open(sink, false);
	put_name(sink, "$code");
	if (bson_iter_type(value) == BSON_TYPE_CODE)
	{
		const char *code = bson_iter_code(value, &len);

		put_string(sink, code, len);
	}
	else
	{
		const uint8_t *scope;
		uint32		scope_size;
		const char *code = bson_iter_codewscope(value, &len, &scope_size, &scope);

		put_string(sink, code, len);
		put_name(sink, "$scope");
		put_document(sink, scope, scope_size, false, depth);
	}
	sink->close(sink, false);
}

static void
put_symbol(JsonSink *sink, const bson_iter_t *value)
{
	uint32		len;
	const char *str = bson_iter_symbol(value, &len);

	sink->open(sink, false);
	put_name(sink, "$symbol");
	put_string(sink, str, len);
	sink->close(sink, false);
}

static void
put_dbpointer(JsonSink *sink, const bson_iter_t *value)
{
	uint32		len;
	const char *name;
	const bson_oid_t *oid;

	bson_iter_dbpointer(value, &len, &name, &oid);
	sink->open(sink, false);
	put_name(sink, "$dbPointer");
	sink->open(sink, false);
	put_name(sink, "$ref");
	put_string(sink, name, len);
	put_name(sink, "$id");
	put_oid(sink, oid);
	sink->close(sink, false);
	sink->close(sink, false);
}

/* {"name": 1}, or true */
static void
put_marker(JsonSink *sink, const char *name, bool truth)
{
	sink->open(sink, false);
	put_name(sink, name);
	if (truth)
		sink->boolean(sink, true);
	else
		sink->integer(sink, 1);
	sink->close(sink, false);
}

/* The value on which an iterator stands; "depth" levels are open around it. */
static void
put_value(JsonSink *sink, const bson_iter_t *value, int depth)
{
	const char *str;
	const uint8_t *doc;
	uint32		len;

	switch (bson_iter_type(value))
	{
		case BSON_TYPE_DOUBLE:
			put_double(sink, bson_iter_double(value));
			break;
		case BSON_TYPE_UTF8:
			str = bson_iter_utf8(value, &len);
			put_string(sink, str, len);
			break;
		case BSON_TYPE_DOCUMENT:
			bson_iter_document(value, &len, &doc);
			put_document(sink, doc, len, false, depth);
			break;
		case BSON_TYPE_ARRAY:
			bson_iter_array(value, &len, &doc);
			put_document(sink, doc, len, true, depth);
			break;
		case BSON_TYPE_BINARY:
			put_binary(sink, value);
			break;
		case BSON_TYPE_UNDEFINED:
			put_marker(sink, "$undefined", true);
			break;
		case BSON_TYPE_OID:
			put_oid(sink, bson_iter_oid(value));
			break;
		case BSON_TYPE_BOOL:
			sink->boolean(sink, bson_iter_bool(value));
			break;
		case BSON_TYPE_DATE_TIME:
			put_date(sink, bson_iter_date_time(value));
			break;
		case BSON_TYPE_NULL:
			sink->null(sink);
			break;
		case BSON_TYPE_REGEX:
			put_regex(sink, value);
			break;
		case BSON_TYPE_DBPOINTER:
			put_dbpointer(sink, value);
			break;
		case BSON_TYPE_CODE:
		case BSON_TYPE_CODEWSCOPE:
			put_code(sink, value, depth);
			break;
		case BSON_TYPE_SYMBOL:
			put_symbol(sink, value);
			break;
		case BSON_TYPE_INT32:
			sink->integer(sink, bson_iter_int32(value));
			break;
		case BSON_TYPE_TIMESTAMP:
			put_timestamp(sink, value);
			break;
		case BSON_TYPE_INT64:
			put_int64(sink, bson_iter_int64(value));
			break;
		case BSON_TYPE_DECIMAL128:
			put_decimal(sink, value);
			break;
		case BSON_TYPE_MAXKEY:
			put_marker(sink, "$maxKey", false);
			break;
		case BSON_TYPE_MINKEY:
			put_marker(sink, "$minKey", false);
			break;
		default:
			corrupt("It has a value of a type that does not exist.");
	}
}

static void
put_document(JsonSink *sink, const uint8_t *doc, uint32 size, bool array, int depth)
{
	bson_iter_t iter;

	check_stack_depth();
	if (depth >= COVET_BSON_MAX_DEPTH)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("BSON document is nested too deeply"),
				 errdetail("The limit is %d levels.", COVET_BSON_MAX_DEPTH)));
	/* the size is that of the bytes there are, and the last one is a NUL */
	if (size < 5 || doc[size - 1] != '\0' || !bson_iter_init_from_data(&iter, doc, size))
		corrupt("A document does not end where its size says.");

	sink->open(sink, array);
	while (bson_iter_next(&iter))
	{
		if (!array)
		{
			int			len;
			const char *key = bson_iter_key(&iter);

			key = server_text(key, strlen(key), &len);
			sink->key(sink, key, len);
		}
		put_value(sink, &iter, depth + 1);
	}
	if (iter.err_off != 0)
		corrupt("A value does not end where its size says, or its type does not exist.");
	sink->close(sink, array);
}

/*
 * A document as jsonb, palloc'd in the current memory context, where some
 * garbage is left as well.  Of duplicate keys the last wins.  Raises XX001
 * for a corrupt document, 22021 for text that is not UTF-8, 22P05 for U+0000
 * and for characters the server encoding lacks, 54000 or 54001 when it is
 * nested too deeply.
 */
Jsonb *
covet_bson_to_jsonb(const bson_t *doc)
{
	JsonbSink	jsonb;

	covet_bson_jsonb_sink(&jsonb);
	put_document(&jsonb.sink, bson_get_data(doc), doc->len, false, 0);
	return JsonbValueToJsonb(jsonb.result);
}

/*
 * The value on which the iterator stands as jsonb, a scalar as a scalar;
 * otherwise as covet_bson_to_jsonb().
 */
Jsonb *
covet_bson_iter_to_jsonb(bson_iter_t *iter)
{
	JsonbSink	jsonb;

	covet_bson_jsonb_sink(&jsonb);
	put_value(&jsonb.sink, iter, 0);
	return JsonbValueToJsonb(jsonb.result);
}

/*
 * A document as JSON text with the order of its keys and duplicates kept;
 * otherwise as covet_bson_to_jsonb().
 */
text *
covet_bson_to_json(const bson_t *doc)
{
	TextSink	json;
	text	   *result;

	covet_bson_text_sink(&json);
	put_document(&json.sink, bson_get_data(doc), doc->len, false, 0);
	result = cstring_to_text_with_len(json.out.data, json.out.len);
	pfree(json.out.data);
	return result;
}
