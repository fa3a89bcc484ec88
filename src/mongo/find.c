/*
 * find.c
 *		covet.mongo_find and covet.mongo_find_json.
 *
 * Both are SQL wrappers of a value-per-call function here: PostgreSQL inlines
 * the wrapper, so that also in FROM documents stream from the server one batch
 * at a time instead of being collected first.  The wrappers take cache_ttl and
 * do not pass it on: there is no result cache, results are always read from
 * the server.
 */
#include "postgres.h"

#include "funcapi.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "bson/bson_map.h"
#include "mongo/call.h"

/* Arguments of the private functions after server, database, collection. */
enum
{
	ARG_FILTER = 3,
	ARG_PROJECTION,
	ARG_SORT,
	ARG_MAX_DOCS,
	ARG_SKIP,
	ARG_OPTIONS
};

/* A count that may be NULL (-1); raises 22023 when negative. */
static int64
count_argument(FunctionCallInfo fcinfo, int n, const char *what)
{
	int64		value;

	if (PG_ARGISNULL(n))
		return -1;
	value = PG_GETARG_INT64(n);
	if (value < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be negative", what)));
	return value;
}

static void
append_document(FunctionCallInfo fcinfo, int n, const char *key, bson_t *opts)
{
	if (!PG_ARGISNULL(n))
		BSON_APPEND_DOCUMENT(opts, key, covet_bson_from_json(PG_GETARG_TEXT_PP(n), key));
}

/*
 * Open the cursor the arguments ask for, in the current memory context; NULL
 * when there can be no rows.
 */
static MongoCursor *
open_cursor(FunctionCallInfo fcinfo)
{
	MongoCall	call = covet_mongo_arg_call(fcinfo);
	int64		limit = count_argument(fcinfo, ARG_MAX_DOCS, "max_docs");
	int64		skip = count_argument(fcinfo, ARG_SKIP, "skip");
	text	   *options = PG_ARGISNULL(ARG_OPTIONS) ? NULL : PG_GETARG_TEXT_PP(ARG_OPTIONS);
	MongoCallOptions *call_options = covet_mongo_call_options(options, MONGO_FIND);
	bson_t	   *opts = call_options->opts;
	bson_t	   *filter;

	if (PG_ARGISNULL(ARG_FILTER))
		filter = covet_bson_from_json(cstring_to_text("{}"), "filter");
	else
		filter = covet_bson_from_json(PG_GETARG_TEXT_PP(ARG_FILTER), "filter");
	append_document(fcinfo, ARG_PROJECTION, "projection", opts);
	append_document(fcinfo, ARG_SORT, "sort", opts);
	if (limit == 0)
		return NULL;
	if (limit > 0)
		BSON_APPEND_INT64(opts, "limit", limit);
	if (skip > 0)
		BSON_APPEND_INT64(opts, "skip", skip);
	if (call.connection->fetch_size > 0 && !bson_has_field(opts, "batchSize"))
		BSON_APPEND_INT64(opts, "batchSize", call.connection->fetch_size);

	return covet_mongo_cursor_open(call.connection, call.database, call.collection,
								   filter, call_options);
}

/* The next document for both functions, or NULL at the end. */
static const bson_t *
next_document(FunctionCallInfo fcinfo, FuncCallContext **funcctx)
{
	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;

		*funcctx = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo((*funcctx)->multi_call_memory_ctx);
		(*funcctx)->user_fctx = open_cursor(fcinfo);
		MemoryContextSwitchTo(old);
	}
	*funcctx = SRF_PERCALL_SETUP();
	if ((*funcctx)->user_fctx == NULL)
		return NULL;
	return covet_mongo_cursor_next((MongoCursor *) (*funcctx)->user_fctx);
}

PG_FUNCTION_INFO_V1(covet__mongo_find);

/*
 * covet._mongo_find(server, database, collection, filter, projection, sort,
 * max_docs, skip, options): SETOF jsonb.
 */
Datum
covet__mongo_find(PG_FUNCTION_ARGS)
{
	FuncCallContext *funcctx;
	const bson_t *doc = next_document(fcinfo, &funcctx);

	if (doc == NULL)
		SRF_RETURN_DONE(funcctx);
	SRF_RETURN_NEXT(funcctx, JsonbPGetDatum(covet_bson_to_jsonb(doc)));
}

PG_FUNCTION_INFO_V1(covet__mongo_find_json);

/*
 * covet._mongo_find_json: the same as json, with the order of keys kept.
 */
Datum
covet__mongo_find_json(PG_FUNCTION_ARGS)
{
	FuncCallContext *funcctx;
	const bson_t *doc = next_document(fcinfo, &funcctx);

	if (doc == NULL)
		SRF_RETURN_DONE(funcctx);
	SRF_RETURN_NEXT(funcctx, PointerGetDatum(covet_bson_to_json(doc)));
}
