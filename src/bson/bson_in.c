/*
 * bson_in.c
 *		JSON to BSON in one pass.
 *
 * PostgreSQL's JSON lexer drives; each event appends to one buffer of BSON
 * bytes.  An object of Extended JSON ({"$oid": ".."}) is written like any
 * other object first, what is inside it already converted, and is replaced by
 * the value it stands for when it closes: so no tree is built.
 */
#include "postgres.h"

#include <errno.h>
#include <math.h>

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonfuncs.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "bson/bson_extended.h"
#include "bson/bson_map.h"

/* One object or array that is open. */
typedef struct Level
{
	int			type_at;		/* offset of the type byte of its element */
	int			start;			/* offset of its own first byte */
	uint32		count;			/* elements of an array so far */
	bool		array;
	bool		extended;		/* has a key of Extended JSON */
} Level;

typedef struct Reader
{
	StringInfoData out;			/* the document being written */
	StringInfoData payload;		/* what replaces an object of Extended JSON */
	const char *what;			/* name of the input in errors */
	bool		want_array;		/* at the top; else an object */
	int			type_at;		/* type byte of the element whose value comes */
	int			depth;			/* open levels */
	Level		levels[COVET_BSON_MAX_DEPTH];
} Reader;

static void
wrong_top(const Reader *reader)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg(reader->want_array ? "%s must be a JSON array" : "%s must be a JSON object",
					reader->what)));
}

static void
open_level(Reader *reader, bool array)
{
	Level	   *level;

	if (reader->depth == 0 && array != reader->want_array)
		wrong_top(reader);
	if (reader->depth == COVET_BSON_MAX_DEPTH)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%s is nested too deeply", reader->what),
				 errdetail("The limit is %d levels.", COVET_BSON_MAX_DEPTH)));

	level = &reader->levels[reader->depth++];
	level->type_at = reader->type_at;
	level->start = reader->out.len;
	level->count = 0;
	level->array = array;
	level->extended = false;
	covet_bson_put_int(&reader->out, 0, 4); /* its size, known when it closes */
}

/*
 * Put the value that an object of Extended JSON stands for in its place.
 * Returns the value's type, or BSON_TYPE_DOCUMENT when it is an object.
 */
static bson_type_t
replace_extended(Reader *reader, const Level *level)
{
	StringInfo	out = &reader->out;
	bson_type_t type;

	resetStringInfo(&reader->payload);
	type = covet_bson_extended_read((uint8_t *) out->data + level->start,
									out->len - level->start,
									out->data + level->type_at + 1,
									&reader->payload);
	if (type != BSON_TYPE_DOCUMENT)
	{
		out->len = level->start;
		appendBinaryStringInfo(out, reader->payload.data, reader->payload.len);
	}
	return type;
}

static void
close_level(Reader *reader)
{
	StringInfo	out = &reader->out;
	const Level *level = &reader->levels[--reader->depth];
	bson_type_t type = level->array ? BSON_TYPE_ARRAY : BSON_TYPE_DOCUMENT;

	appendStringInfoCharMacro(out, '\0');
	covet_bson_set_size(out, level->start, out->len - level->start);

	if (reader->depth == 0)
		return;
	if (level->extended)
		type = replace_extended(reader, level);
	out->data[level->type_at] = (char) type;
}

/* Begin an element; its type is filled in with its value. */
static void
put_key(Reader *reader, const char *key, int len)
{
	reader->type_at = reader->out.len;
	appendStringInfoCharMacro(&reader->out, '\0');
	covet_bson_put_cstring(&reader->out, key, len);
}

static bson_type_t
put_integer(Reader *reader, const char *token)
{
	int64		value;

	errno = 0;
	value = strtoi64(token, NULL, 10);
	if (errno == ERANGE)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("integer in %s is out of range", reader->what),
				 errdetail("An integer of MongoDB has 64 bits."),
				 errhint("Write it with a fraction or as {\"$numberDecimal\": \"...\"}.")));
	if (value >= PG_INT32_MIN && value <= PG_INT32_MAX)
	{
		covet_bson_put_int(&reader->out, (uint64) value, 4);
		return BSON_TYPE_INT32;
	}
	covet_bson_put_int(&reader->out, (uint64) value, 8);
	return BSON_TYPE_INT64;
}

static bson_type_t
put_double(Reader *reader, const char *token)
{
	double		value;

	errno = 0;
	value = strtod(token, NULL);
	if (errno == ERANGE && (value == 0.0 || isinf(value)))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("number in %s is out of range", reader->what),
				 errdetail("It does not fit a double."),
				 errhint("Write it as {\"$numberDecimal\": \"...\"}.")));
	covet_bson_put_double(&reader->out, value);
	return BSON_TYPE_DOUBLE;
}

/* Append a string in the server encoding as UTF-8. */
static bson_type_t
put_string(Reader *reader, const char *token)
{
	int			len = strlen(token);
	char	   *utf8 = pg_server_to_any(token, len, PG_UTF8);

	covet_bson_put_string(&reader->out, utf8, utf8 == token ? len : (int) strlen(utf8));
	if (utf8 != token)
		pfree(utf8);
	return BSON_TYPE_UTF8;
}

/* The lexer's events */

static CovetJsonActionResult
object_start(void *state)
{
	open_level((Reader *) state, false);
	COVET_JSON_ACTION_OK;
}

static CovetJsonActionResult
array_start(void *state)
{
	open_level((Reader *) state, true);
	COVET_JSON_ACTION_OK;
}

static CovetJsonActionResult
level_end(void *state)
{
	close_level((Reader *) state);
	COVET_JSON_ACTION_OK;
}

static CovetJsonActionResult
field_start(void *state, char *name, bool isnull)
{
	Reader	   *reader = (Reader *) state;
	int			len = strlen(name);
	char	   *utf8 = pg_server_to_any(name, len, PG_UTF8);

	if (name[0] == '$' && covet_bson_extended_key(name))
		reader->levels[reader->depth - 1].extended = true;
	put_key(reader, utf8, utf8 == name ? len : (int) strlen(utf8));
	if (utf8 != name)
		pfree(utf8);
	COVET_JSON_ACTION_OK;
}

static CovetJsonActionResult
field_end(void *state, char *name, bool isnull)
{
	pfree(name);
	COVET_JSON_ACTION_OK;
}

static CovetJsonActionResult
element_start(void *state, bool isnull)
{
	Reader	   *reader = (Reader *) state;
	char		key[10];

	put_key(reader, key,
			pg_ultoa_n(reader->levels[reader->depth - 1].count++, key));
	COVET_JSON_ACTION_OK;
}

static CovetJsonActionResult
scalar(void *state, char *token, JsonTokenType token_type)
{
	Reader	   *reader = (Reader *) state;
	bson_type_t type = BSON_TYPE_NULL;

	if (reader->depth == 0)
		wrong_top(reader);

	switch (token_type)
	{
		case JSON_TOKEN_STRING:
			type = put_string(reader, token);
			break;
		case JSON_TOKEN_NUMBER:
			if (strpbrk(token, ".eE") != NULL)
				type = put_double(reader, token);
			else
				type = put_integer(reader, token);
			break;
		case JSON_TOKEN_TRUE:
		case JSON_TOKEN_FALSE:
			type = BSON_TYPE_BOOL;
			appendStringInfoChar(&reader->out, token_type == JSON_TOKEN_TRUE ? 1 : 0);
			break;
		default:
			break;				/* null has no bytes */
	}
	reader->out.data[reader->type_at] = (char) type;
	pfree(token);
	COVET_JSON_ACTION_OK;
}

static bson_t *
read_json(const text *json, bool want_array, const char *what)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch;
	Reader	   *reader;
	JsonSemAction actions = {
		.object_start = object_start,
		.object_end = level_end,
		.array_start = array_start,
		.array_end = level_end,
		.object_field_start = field_start,
		.object_field_end = field_end,
		.array_element_start = element_start,
		.scalar = scalar,
	};
	JsonLexContext *lex;
	bson_t	   *doc;

	scratch = AllocSetContextCreate(caller, "covet JSON to BSON", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(scratch);

	reader = palloc(sizeof(Reader));
	initStringInfo(&reader->out);
	initStringInfo(&reader->payload);
	reader->what = what;
	reader->want_array = want_array;
	reader->type_at = 0;
	reader->depth = 0;
	actions.semstate = reader;

	lex = covet_json_lexer((char *) VARDATA_ANY(json), VARSIZE_ANY_EXHDR(json));
	pg_parse_json_or_ereport(lex, &actions);

	MemoryContextSwitchTo(caller);
	doc = bson_new_from_data((uint8_t *) reader->out.data, reader->out.len);
	if (doc == NULL)
		elog(ERROR, "could not make a BSON document of %d bytes", reader->out.len);
	covet_bson_own(doc);
	MemoryContextDelete(scratch);
	return doc;
}

/*
 * The BSON document of a JSON object.  "json" is detoasted and need not have
 * been checked; "what" names it in errors.  Duplicate keys are kept.  The
 * result belongs to the current memory context and may be changed, not
 * destroyed.  Raises 22023 when it is not an object, 22P02 for malformed JSON
 * or Extended JSON, 22003 for numbers out of range, 22P05 for U+0000, 54000
 * or 54001 when it is nested too deeply.
 */
bson_t *
covet_bson_from_json(const text *json, const char *what)
{
	return read_json(json, false, what);
}

/*
 * The same for a JSON array: a document with the keys "0", "1" and so on.
 * Raises 22023 when it is not an array.
 */
bson_t *
covet_bson_array_from_json(const text *json, const char *what)
{
	return read_json(json, true, what);
}
