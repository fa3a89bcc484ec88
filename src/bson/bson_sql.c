/*
 * bson_sql.c
 *		SQL functions over the mapping: mongo_oid(), and private ones by which
 *		the tests see the bytes.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "bson/bson_map.h"

PG_FUNCTION_INFO_V1(covet_mongo_oid);
PG_FUNCTION_INFO_V1(covet__bson_from_json);
PG_FUNCTION_INFO_V1(covet__bson_to_jsonb);
PG_FUNCTION_INFO_V1(covet__bson_to_json);

/*
 * mongo_oid(hex text = NULL) -> json
 *
 * A new ObjectId, or the one given; 22P02 when that is none.
 */
Datum
covet_mongo_oid(PG_FUNCTION_ARGS)
{
	bson_oid_t	oid;
	char		hex[25];

	if (PG_ARGISNULL(0))
		bson_oid_init(&oid, NULL);
	else
	{
		const text *given = PG_GETARG_TEXT_PP(0);

		if (VARSIZE_ANY_EXHDR(given) != 24 ||
			!bson_oid_is_valid(VARDATA_ANY(given), 24))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					 errmsg("invalid ObjectId"),
					 errdetail("An ObjectId has 24 hexadecimal digits.")));
		memcpy(hex, VARDATA_ANY(given), 24);
		hex[24] = '\0';
		bson_oid_init_from_string(&oid, hex);
	}
	bson_oid_to_string(&oid, hex);
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("{\"$oid\": \"%s\"}", hex)));
}

/*
 * _bson_from_json(doc json) -> bytea
 */
Datum
covet__bson_from_json(PG_FUNCTION_ARGS)
{
	const bson_t *doc = covet_bson_from_json(PG_GETARG_TEXT_PP(0), "document");
	bytea	   *bytes = palloc(VARHDRSZ + doc->len);

	SET_VARSIZE(bytes, VARHDRSZ + doc->len);
	memcpy(VARDATA(bytes), bson_get_data(doc), doc->len);
	PG_RETURN_BYTEA_P(bytes);
}

/* Point a bson_t at the bytes of a bytea; raises XX001 when they are none. */
static void
view(bson_t *doc, const bytea *bytes)
{
	if (!bson_init_static(doc, (const uint8_t *) VARDATA_ANY(bytes),
						  VARSIZE_ANY_EXHDR(bytes)))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("BSON document is corrupt"),
				 errdetail("It does not end where its size says.")));
}

/*
 * _bson_to_jsonb(doc bytea) -> jsonb
 */
Datum
covet__bson_to_jsonb(PG_FUNCTION_ARGS)
{
	bson_t		doc;

	view(&doc, PG_GETARG_BYTEA_PP(0));
	PG_RETURN_JSONB_P(covet_bson_to_jsonb(&doc));
}

/*
 * _bson_to_json(doc bytea) -> json
 */
Datum
covet__bson_to_json(PG_FUNCTION_ARGS)
{
	bson_t		doc;

	view(&doc, PG_GETARG_BYTEA_PP(0));
	PG_RETURN_TEXT_P(covet_bson_to_json(&doc));
}
