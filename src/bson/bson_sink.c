/*
 * bson_sink.c
 *		The two places to which JSON made from BSON goes.
 *
 * A double must still be one when its JSON is read again, also after jsonb,
 * which prints no exponent: so it is written with its shortest exact digits,
 * never with an exponent and always with a fraction (1.0).
 */
#include "postgres.h"

#include "common/shortest_dec.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/numeric.h"

#include "bson/bson_sink.h"

/*
 * Integers up to here are scaled to a numeric with one decimal directly,
 * without going through text; ten times as much still fits an int64.
 */
#define DIRECT_REAL_MAX		1e15

/* A sign, 309 digits before or 324 behind the point, the point, "0." */
#define REAL_LEN			384

/* Write a finite double without exponent and with a fraction. */
static void
format_real(double value, char *buf)
{
	char		shortest[DOUBLE_SHORTEST_DECIMAL_LEN];
	char		digits[DOUBLE_SHORTEST_DECIMAL_LEN];
	const char *in = shortest;
	const char *exponent_at;
	int			count = 0;		/* of digits */
	int			point;			/* digits before the point; may be negative */
	char	   *out = buf;

	double_to_shortest_decimal_buf(value, shortest);
	exponent_at = strchr(shortest, 'e');
	if (exponent_at == NULL)
	{
		strcpy(buf, shortest);
		if (strchr(buf, '.') == NULL)
			strcat(buf, ".0");
		return;
	}

	/* d.ddde+x: one digit before the point */
	if (*in == '-')
		*out++ = *in++;
	for (; in < exponent_at; in++)
		if (*in != '.')
			digits[count++] = *in;
	point = 1 + atoi(exponent_at + 1);

	if (point <= 0)
	{
		*out++ = '0';
		*out++ = '.';
		for (int i = point; i < 0; i++)
			*out++ = '0';
		memcpy(out, digits, count);
		out += count;
	}
	else
	{
		for (int i = 0; i < Max(point, count); i++)
		{
			if (i == point)
				*out++ = '.';
			*out++ = i < count ? digits[i] : '0';
		}
		if (point >= count)
		{
			*out++ = '.';
			*out++ = '0';
		}
	}
	*out = '\0';
}

/* jsonb */

/*
 * Give a jsonb sink a scalar, or a container as jbvBinary.  What it points to
 * must stay until the sink's end.
 */
void
covet_bson_jsonb_push(JsonSink *sink, JsonbValue *value)
{
	JsonbSink  *jsonb = (JsonbSink *) sink;

	if (jsonb->state == NULL)
	{
		/* a scalar alone */
		jsonb->result = palloc(sizeof(JsonbValue));
		*jsonb->result = *value;
	}
	else
		jsonb->result = pushJsonbValue(&jsonb->state,
									   jsonb->state->contVal.type == jbvArray ?
									   WJB_ELEM : WJB_VALUE, value);
}

static void
jsonb_open(JsonSink *sink, bool array)
{
	JsonbSink  *jsonb = (JsonbSink *) sink;

	pushJsonbValue(&jsonb->state, array ? WJB_BEGIN_ARRAY : WJB_BEGIN_OBJECT, NULL);
}

static void
jsonb_close(JsonSink *sink, bool array)
{
	JsonbSink  *jsonb = (JsonbSink *) sink;

	jsonb->result = pushJsonbValue(&jsonb->state,
								   array ? WJB_END_ARRAY : WJB_END_OBJECT, NULL);
}

static void
jsonb_key(JsonSink *sink, const char *str, int len)
{
	JsonbSink  *jsonb = (JsonbSink *) sink;
	JsonbValue	value = {.type = jbvString};

	value.val.string.val = unconstify(char *, str);
	value.val.string.len = len;
	pushJsonbValue(&jsonb->state, WJB_KEY, &value);
}

static void
jsonb_string(JsonSink *sink, const char *str, int len)
{
	JsonbValue	value = {.type = jbvString};

	value.val.string.val = unconstify(char *, str);
	value.val.string.len = len;
	covet_bson_jsonb_push(sink, &value);
}

static void
jsonb_integer(JsonSink *sink, int64 number)
{
	JsonbValue	value = {.type = jbvNumeric};

	value.val.numeric = int64_to_numeric(number);
	covet_bson_jsonb_push(sink, &value);
}

static void
jsonb_real(JsonSink *sink, double number)
{
	JsonbValue	value = {.type = jbvNumeric};

	if (number > -DIRECT_REAL_MAX && number < DIRECT_REAL_MAX &&
		number == (double) (int64) number)
		value.val.numeric = int64_div_fast_to_numeric((int64) number * 10, 1);
	else
	{
		char		buf[REAL_LEN];

		format_real(number, buf);
		value.val.numeric =
			DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(buf),
												ObjectIdGetDatum(InvalidOid),
												Int32GetDatum(-1)));
	}
	covet_bson_jsonb_push(sink, &value);
}

static void
jsonb_boolean(JsonSink *sink, bool boolean)
{
	JsonbValue	value = {.type = jbvBool};

	value.val.boolean = boolean;
	covet_bson_jsonb_push(sink, &value);
}

static void
jsonb_null(JsonSink *sink)
{
	JsonbValue	value = {.type = jbvNull};

	covet_bson_jsonb_push(sink, &value);
}

/*
 * A sink that builds jsonb in the current memory context; what came is in
 * "result", for JsonbValueToJsonb().
 */
void
covet_bson_jsonb_sink(JsonbSink *sink)
{
	static const JsonSink events = {
		.open = jsonb_open,
		.close = jsonb_close,
		.key = jsonb_key,
		.string = jsonb_string,
		.integer = jsonb_integer,
		.real = jsonb_real,
		.boolean = jsonb_boolean,
		.null = jsonb_null,
	};

	sink->sink = events;
	sink->state = NULL;
	sink->result = NULL;
}

/* JSON text */

/* Begin a key, or a value that is not behind one. */
static StringInfo
text_item(JsonSink *sink)
{
	TextSink   *text = (TextSink *) sink;

	if (text->comma)
		appendBinaryStringInfo(&text->out, ", ", 2);
	text->comma = true;
	return &text->out;
}

static void
text_open(JsonSink *sink, bool array)
{
	appendStringInfoChar(text_item(sink), array ? '[' : '{');
	((TextSink *) sink)->comma = false;
}

static void
text_close(JsonSink *sink, bool array)
{
	TextSink   *text = (TextSink *) sink;

	appendStringInfoChar(&text->out, array ? ']' : '}');
	text->comma = true;
}

static void
text_key(JsonSink *sink, const char *str, int len)
{
	TextSink   *text = (TextSink *) sink;

	escape_json(text_item(sink), str);
	appendBinaryStringInfo(&text->out, ": ", 2);
	text->comma = false;
}

static void
text_string(JsonSink *sink, const char *str, int len)
{
	escape_json(text_item(sink), str);
}

static void
text_integer(JsonSink *sink, int64 number)
{
	char		buf[MAXINT8LEN + 1];

	appendBinaryStringInfo(text_item(sink), buf, pg_lltoa(number, buf));
}

static void
text_real(JsonSink *sink, double number)
{
	char		buf[REAL_LEN];

	format_real(number, buf);
	appendStringInfoString(text_item(sink), buf);
}

static void
text_boolean(JsonSink *sink, bool boolean)
{
	appendStringInfoString(text_item(sink), boolean ? "true" : "false");
}

static void
text_null(JsonSink *sink)
{
	appendBinaryStringInfo(text_item(sink), "null", 4);
}

/*
 * A sink that writes JSON text into "out", in the current memory context.
 */
void
covet_bson_text_sink(TextSink *sink)
{
	static const JsonSink events = {
		.open = text_open,
		.close = text_close,
		.key = text_key,
		.string = text_string,
		.integer = text_integer,
		.real = text_real,
		.boolean = text_boolean,
		.null = text_null,
	};

	sink->sink = events;
	initStringInfo(&sink->out);
	sink->comma = false;
}
