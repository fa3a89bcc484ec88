/*
 * mongo_absent.c
 *		covet_mongo.so built without the MongoDB driver: every function of it
 *		says so.  The SQL script is the same as with the driver.
 */
#include "postgres.h"

#include "catalog/pg_foreign_data_wrapper.h"
#include "fmgr.h"

#include "base/compat.h"

COVET_MODULE_MAGIC("covet_mongo");

static void
absent(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("covet was built without MongoDB"),
			 errhint("Build it again without WITH_MONGO=no.")));
}

#define COVET_ABSENT(function) \
	PG_FUNCTION_INFO_V1(function); \
	Datum \
	function(PG_FUNCTION_ARGS) \
	{ \
		absent(); \
		PG_RETURN_NULL(); \
	}

/* types */
COVET_ABSENT(covet_mongo_plain)
COVET_ABSENT(covet_mongo_oid)
COVET_ABSENT(covet__bson_from_json)
COVET_ABSENT(covet__bson_to_jsonb)
COVET_ABSENT(covet__bson_to_json)

/* servers and collections */
COVET_ABSENT(covet_mongo_ping)
COVET_ABSENT(covet__mongo_find)
COVET_ABSENT(covet__mongo_find_json)
COVET_ABSENT(covet_mongo_insert_one)
COVET_ABSENT(covet_mongo_insert_many)
COVET_ABSENT(covet_mongo_drop_collection)

PG_FUNCTION_INFO_V1(covet__mongo_validator);

/*
 * The SQL script makes the wrapper, which asks for a look at its options, of
 * which there are none.
 */
Datum
covet__mongo_validator(PG_FUNCTION_ARGS)
{
	if (PG_GETARG_OID(1) != ForeignDataWrapperRelationId)
		absent();
	PG_RETURN_VOID();
}
