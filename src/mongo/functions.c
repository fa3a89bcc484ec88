/*
 * functions.c
 *		The mongo_ functions that are one command: ping, insert, drop.
 *
 * Each unpacks its arguments, hands an operation to covet_mongo_run(), which
 * repeats it where that is right, and packs the reply.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "bson/bson_map.h"
#include "mongo/call.h"

#define DUPLICATE_KEY		11000
#define NAMESPACE_NOT_FOUND	26

static int64
reply_int64(const bson_t *reply, const char *key)
{
	bson_iter_t iter;

	if (bson_iter_init_find(&iter, reply, key) && BSON_ITER_HOLDS_NUMBER(&iter))
		return bson_iter_as_int64(&iter);
	return 0;
}

static text *
options_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : PG_GETARG_TEXT_PP(n);
}

/* ----------
 * mongo_ping
 * ----------
 */

/* A first ping pays for the connection; the time of the last one counts. */
static bool
ping_operation(MongoConnection *connection, void *arg, bson_t *reply, bson_error_t *error)
{
	int64	   *usec = (int64 *) arg;
	const mongoc_read_prefs_t *prefs = mongoc_client_get_read_prefs(connection->client);
	bson_t		command = BSON_INITIALIZER;
	int64		begin;
	bool		worked;

	BSON_APPEND_INT32(&command, "ping", 1);
	if (connection->fresh)
	{
		worked = mongoc_client_command_simple(connection->client, "admin", &command,
											  prefs, reply, error);
		if (!worked)
		{
			bson_destroy(&command);
			return false;
		}
		bson_destroy(reply);
	}
	begin = bson_get_monotonic_time();
	worked = mongoc_client_command_simple(connection->client, "admin", &command,
										  prefs, reply, error);
	*usec = bson_get_monotonic_time() - begin;
	bson_destroy(&command);
	return worked;
}

PG_FUNCTION_INFO_V1(covet_mongo_ping);

/*
 * covet.mongo_ping(server text): interval, the round trip.
 */
Datum
covet_mongo_ping(PG_FUNCTION_ARGS)
{
	MongoConnection *connection = covet_mongo_connect(covet_mongo_arg_name(fcinfo, 0, "server"));
	bson_error_t error;
	bson_t	   *reply;
	int64		usec = 0;
	Interval   *result;

	reply = covet_mongo_run(connection, ping_operation, &usec, MONGO_READ, &error);
	if (error.domain != 0)
		covet_mongo_raise(connection, &(MongoProblem) {.error = &error, .reply = reply});
	result = (Interval *) palloc0(sizeof(Interval));
	result->time = usec;
	PG_RETURN_INTERVAL_P(result);
}

/* ----------
 * Inserting
 * ----------
 */

typedef struct InsertArguments
{
	const MongoCall *call;
	const bson_t **docs;
	Size		count;
	const bson_t *opts;
} InsertArguments;

static bool
insert_operation(MongoConnection *connection, void *arg, bson_t *reply, bson_error_t *error)
{
	InsertArguments *insert = (InsertArguments *) arg;
	mongoc_collection_t *collection;
	bool		worked;

	collection = mongoc_client_get_collection(connection->client, insert->call->database,
											  insert->call->collection);
	if (insert->count == 1)
		worked = mongoc_collection_insert_one(collection, insert->docs[0], insert->opts,
											  reply, error);
	else
		worked = mongoc_collection_insert_many(collection, insert->docs, insert->count,
											   insert->opts, reply, error);
	mongoc_collection_destroy(collection);
	return worked;
}

/*
 * A document to insert: with an _id, which is made here so that the caller
 * knows it, and not larger than MongoDB takes.
 */
static bson_t *
document_to_insert(const text *json)
{
	bson_t	   *doc = covet_bson_from_json(json, "document");

	if (!bson_has_field(doc, "_id"))
	{
		bson_t	   *with_id = bson_sized_new(doc->len + 32);
		bson_oid_t	oid;

		covet_bson_own(with_id);
		bson_oid_init(&oid, NULL);
		BSON_APPEND_OID(with_id, "_id", &oid);
		if (!bson_concat(with_id, doc))
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("document is too large")));
		doc = with_id;
	}
	if (doc->len > MONGO_MAX_DOCUMENT)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("document is too large"),
				 errdetail("It has %u bytes as BSON; the limit is %d bytes.",
						   doc->len, MONGO_MAX_DOCUMENT)));
	return doc;
}

/*
 * The first write error that counts, into code and index; false when there is
 * none.
 */
static bool
first_write_error(const bson_t *reply, bool skip_duplicates, bson_error_t *error,
				  int64 *index)
{
	bson_iter_t iter;
	bson_iter_t errors;

	if (!bson_iter_init_find(&iter, reply, "writeErrors") || !bson_iter_recurse(&iter, &errors))
		return false;
	while (bson_iter_next(&errors))
	{
		bson_iter_t field;
		const char *message = "";
		uint32		code = 0;

		*index = -1;
		if (!bson_iter_recurse(&errors, &field))
			continue;
		while (bson_iter_next(&field))
		{
			const char *key = bson_iter_key(&field);

			if (strcmp(key, "code") == 0)
				code = (uint32) bson_iter_as_int64(&field);
			else if (strcmp(key, "index") == 0)
				*index = bson_iter_as_int64(&field);
			else if (strcmp(key, "errmsg") == 0 && BSON_ITER_HOLDS_UTF8(&field))
				message = bson_iter_utf8(&field, NULL);
		}
		if (skip_duplicates && code == DUPLICATE_KEY)
			continue;
		bson_set_error(error, MONGOC_ERROR_SERVER, code, "%s", message);
		return true;
	}
	return false;
}

/*
 * Insert documents; returns how many went in.  Raises a write error with its
 * place and the number that did, and warns of an unmet write concern.
 */
static int64
run_insert(InsertArguments *insert, bool skip_duplicates)
{
	MongoConnection *connection = insert->call->connection;
	MongoProblem problem = {0};
	bson_error_t error;
	bson_error_t write_error = {0};
	bson_t	   *reply;
	int64		inserted;
	int64		index = -1;

	reply = covet_mongo_run(connection, insert_operation, insert, MONGO_WRITE, &error);
	inserted = reply_int64(reply, "insertedCount");
	problem.reply = reply;
	if (first_write_error(reply, skip_duplicates, &write_error, &index))
	{
		problem.error = &write_error;
		if (insert->count > 1)
			problem.progress = psprintf("It is the document with index " INT64_FORMAT "; " INT64_FORMAT " of %zu were inserted.",
										index, inserted, insert->count);
		covet_mongo_raise(connection, &problem);
	}
	/* Without a write error, the command itself may still have failed. */
	if (error.domain == MONGOC_ERROR_SERVER &&
		!(skip_duplicates && error.code == DUPLICATE_KEY))
	{
		problem.error = &error;
		if (insert->count > 1)
			problem.progress = psprintf(INT64_FORMAT " of %zu documents were inserted.",
										inserted, insert->count);
		covet_mongo_raise(connection, &problem);
	}
	covet_mongo_warn_write_concern(connection, reply);
	return inserted;
}

/* Our documents were checked; names with dots and dollars are MongoDB's matter. */
static void
append_no_validation(bson_t *opts)
{
	BSON_APPEND_BOOL(opts, "validate", false);
}

PG_FUNCTION_INFO_V1(covet_mongo_insert_one);

/*
 * covet.mongo_insert_one(server, database, collection, document json, options
 * json): jsonb, the _id.
 */
Datum
covet_mongo_insert_one(PG_FUNCTION_ARGS)
{
	MongoCall	call;
	MongoCallOptions *options;
	InsertArguments insert;
	const bson_t *doc;
	bson_iter_t id;

	PreventCommandIfReadOnly("mongo_insert_one()");
	call = covet_mongo_arg_call(fcinfo);
	doc = document_to_insert(covet_mongo_arg_text(fcinfo, 3, "document"));
	options = covet_mongo_call_options(options_argument(fcinfo, 4), MONGO_INSERT_ONE);
	append_no_validation(options->opts);

	insert = (InsertArguments) {.call = &call, .docs = &doc, .count = 1, .opts = options->opts};
	(void) run_insert(&insert, false);

	if (!bson_iter_init_find(&id, doc, "_id"))
		elog(ERROR, "inserted document has no _id");
	PG_RETURN_JSONB_P(covet_bson_iter_to_jsonb(&id));
}

PG_FUNCTION_INFO_V1(covet_mongo_insert_many);

/*
 * covet.mongo_insert_many(server, database, collection, documents json[],
 * ordered boolean, options json): bigint, how many went in.  With onDuplicate
 * 'skip' the documents are sent unordered, for an ordered insert ends at the
 * first duplicate.
 */
Datum
covet_mongo_insert_many(PG_FUNCTION_ARGS)
{
	MongoCall	call;
	MongoCallOptions *options;
	InsertArguments insert;
	const bson_t **docs;
	Datum	   *values;
	bool	   *nulls;
	int			count;
	bool		ordered = PG_ARGISNULL(4) || PG_GETARG_BOOL(4);

	PreventCommandIfReadOnly("mongo_insert_many()");
	call = covet_mongo_arg_call(fcinfo);
	if (PG_ARGISNULL(3))
		(void) covet_mongo_arg_text(fcinfo, 3, "documents");
	options = covet_mongo_call_options(options_argument(fcinfo, 5), MONGO_INSERT_MANY);
	append_no_validation(options->opts);

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(3), JSONOID, -1, false, TYPALIGN_INT,
					  &values, &nulls, &count);
	docs = (const bson_t **) palloc(Max(count, 1) * sizeof(bson_t *));
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s must not be null", "document")));
		docs[i] = document_to_insert(DatumGetTextPP(values[i]));
	}
	if (count == 0)
		PG_RETURN_INT64(0);

	/* A single document goes as such, and that knows no order. */
	if (count > 1)
		BSON_APPEND_BOOL(options->opts, "ordered", ordered && !options->skip_duplicates);
	insert = (InsertArguments) {.call = &call, .docs = docs, .count = count, .opts = options->opts};
	PG_RETURN_INT64(run_insert(&insert, options->skip_duplicates));
}

/* ----------
 * Collections
 * ----------
 */

typedef struct CommandArguments
{
	const char *database;
	const bson_t *command;
	const bson_t *opts;
} CommandArguments;

static bool
write_command_operation(MongoConnection *connection, void *arg, bson_t *reply,
						bson_error_t *error)
{
	CommandArguments *command = (CommandArguments *) arg;

	return mongoc_client_write_command_with_opts(connection->client, command->database,
												 command->command, command->opts,
												 reply, error);
}

PG_FUNCTION_INFO_V1(covet_mongo_drop_collection);

/*
 * covet.mongo_drop_collection(server, database, collection, options json):
 * boolean, there was one.
 */
Datum
covet_mongo_drop_collection(PG_FUNCTION_ARGS)
{
	MongoCall	call;
	MongoCallOptions *options;
	CommandArguments arguments;
	bson_error_t error;
	bson_t	   *command = bson_new();
	bson_t	   *reply;

	covet_bson_own(command);
	PreventCommandIfReadOnly("mongo_drop_collection()");
	call = covet_mongo_arg_call(fcinfo);
	options = covet_mongo_call_options(options_argument(fcinfo, 3), MONGO_DROP);
	BSON_APPEND_UTF8(command, "drop", call.collection);

	arguments = (CommandArguments) {.database = call.database, .command = command, .opts = options->opts};
	reply = covet_mongo_run(call.connection, write_command_operation, &arguments,
							MONGO_WRITE, &error);
	if (error.domain == MONGOC_ERROR_SERVER && error.code == NAMESPACE_NOT_FOUND)
		PG_RETURN_BOOL(false);
	if (error.domain == MONGOC_ERROR_SERVER)
		covet_mongo_raise(call.connection, &(MongoProblem) {.error = &error, .reply = reply});
	covet_mongo_warn_write_concern(call.connection, reply);
	/* MongoDB 7 answers "ok" for a collection that is not there, and no more. */
	PG_RETURN_BOOL(bson_has_field(reply, "ns") || bson_has_field(reply, "nIndexesWas"));
}
