/*
 * value.c
 *		A value as SQL gives it, to a frame and back.
 *
 * A value may be read as another type than it was stored as: bytea is the
 * bytes of the text, jsonb is the text parsed.  What cannot be read so is
 * 22021 or 22P02, and the message never quotes the value.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "base/compat.h"
#include "codec/value.h"

/*
 * The frame of a value of the given kind, palloc'd.  "value" is a text, bytea
 * or jsonb, toasted or not.
 */
bytea *
covet_value_encode(ValueKind kind, Datum value, int codec_choice)
{
	struct varlena *raw = PG_DETOAST_DATUM_PACKED(value);
	bytea	   *frame;

	/* The binary form of jsonb holds 4-byte integers. */
	if (kind == VALUE_JSONB)
		raw = PG_DETOAST_DATUM(PointerGetDatum(raw));
	frame = covet_frame_encode(kind, VARDATA_ANY(raw), VARSIZE_ANY_EXHDR(raw),
							   codec_choice);
	if ((Pointer) raw != DatumGetPointer(value))
		pfree(raw);
	return frame;
}

/* Raise 22021 unless the bytes are a text of the server's encoding. */
static void
require_text(const bytea *bytes)
{
	if (!pg_verifymbstr(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), true))
		ereport(ERROR,
				(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				 errmsg("stored bytes are not a text in encoding \"%s\"",
						GetDatabaseEncodingName())));
}

/*
 * Text to jsonb.  jsonb_in would quote the value in its errors, so the text is
 * parsed for validity first.
 */
static Datum
parse_jsonb(const bytea *bytes)
{
	char	   *json = pnstrdup(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	JsonLexContext *lex = covet_json_lexer(json, VARSIZE_ANY_EXHDR(bytes));
	JsonParseErrorType result = pg_parse_json(lex, &nullSemAction);
	Datum		jsonb;

	if (result != JSON_SUCCESS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("stored value is not valid JSON")));
	jsonb = DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
	pfree(json);
	return jsonb;
}

/*
 * The value of some parts as a Datum of the wanted kind: palloc'd, or the
 * varlena of the parts.  Raises XX001 for a damaged one, 22021 and 22P02 for
 * what cannot be read as that kind.
 */
Datum
covet_value_decode_parts(const ValueParts *parts, ValueKind wanted)
{
	const ValueKind stored = covet_head_kind(parts->head);
	bytea	   *value = covet_parts_decode(parts);

	if (wanted == stored || (stored == VALUE_TEXT && wanted == VALUE_BYTEA))
		return PointerGetDatum(value);

	if (stored == VALUE_JSONB)
	{
		char	   *json = JsonbToCString(NULL, &((Jsonb *) value)->root, VARSIZE(value));

		/* text and bytea have the same form */
		return PointerGetDatum(cstring_to_text(json));
	}

	if (stored == VALUE_BYTEA)
		require_text(value);
	return wanted == VALUE_JSONB ? parse_jsonb(value) : PointerGetDatum(value);
}

/*
 * The same for a detoasted frame from a table.
 */
Datum
covet_value_decode(const bytea *frame, ValueKind wanted)
{
	ValueParts	parts;

	covet_frame_parts(frame, &parts);
	return covet_value_decode_parts(&parts, wanted);
}

/*
 * The name of a kind as cache_entry shows it.
 */
const char *
covet_value_kind_name(ValueKind kind)
{
	switch (kind)
	{
		case VALUE_TEXT:
			return "text";
		case VALUE_BYTEA:
			return "bytea";
		case VALUE_JSONB:
			return "jsonb";
	}
	return NULL;
}

/*
 * The SQL type of a kind.
 */
Oid
covet_value_kind_type(ValueKind kind)
{
	switch (kind)
	{
		case VALUE_TEXT:
			return TEXTOID;
		case VALUE_BYTEA:
			return BYTEAOID;
		case VALUE_JSONB:
			return JSONBOID;
	}
	return InvalidOid;
}
