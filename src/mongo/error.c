/*
 * error.c
 *		From the driver's errors to SQLSTATEs and messages.
 *
 * Two tables decide: codes of the server, and labels of its reply.  Before
 * them comes what the streams saw: a connection that broke is a lost
 * connection, whatever the driver was doing at that moment.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "mongo/mongo.h"

typedef struct CodeRule
{
	uint32		code;			/* of MongoDB */
	int			sqlstate;
} CodeRule;

/* Sorted by class of error. */
static const CodeRule code_rules[] = {
	{11000, ERRCODE_UNIQUE_VIOLATION},
	{11001, ERRCODE_UNIQUE_VIOLATION},
	{12582, ERRCODE_UNIQUE_VIOLATION},
	{112, ERRCODE_T_R_SERIALIZATION_FAILURE},	/* WriteConflict */
	{251, ERRCODE_T_R_SERIALIZATION_FAILURE},	/* NoSuchTransaction */
	{24, ERRCODE_LOCK_NOT_AVAILABLE},	/* LockTimeout */
	{13, ERRCODE_INSUFFICIENT_PRIVILEGE},	/* Unauthorized */
	{18, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION},	/* AuthenticationFailed */
	{50, ERRCODE_QUERY_CANCELED},	/* MaxTimeMSExpired */
	{262, ERRCODE_QUERY_CANCELED},	/* ExceededTimeLimit */
	{121, ERRCODE_CHECK_VIOLATION}, /* DocumentValidationFailure */
	{26, ERRCODE_UNDEFINED_TABLE},	/* NamespaceNotFound */
	{48, ERRCODE_DUPLICATE_TABLE},	/* NamespaceExists */
	{27, ERRCODE_UNDEFINED_OBJECT}, /* IndexNotFound */
	{85, ERRCODE_DUPLICATE_OBJECT}, /* IndexOptionsConflict */
	{86, ERRCODE_DUPLICATE_OBJECT}, /* IndexKeySpecsConflict */
	{59, ERRCODE_UNDEFINED_FUNCTION},	/* CommandNotFound */
	{2, ERRCODE_INVALID_PARAMETER_VALUE},	/* BadValue */
	{9, ERRCODE_INVALID_PARAMETER_VALUE},	/* FailedToParse */
	{14, ERRCODE_INVALID_PARAMETER_VALUE},	/* TypeMismatch */
	{40, ERRCODE_INVALID_PARAMETER_VALUE},	/* ConflictingUpdateOperators */
	{20, ERRCODE_ACTIVE_SQL_TRANSACTION},	/* IllegalOperation */
	{263, ERRCODE_ACTIVE_SQL_TRANSACTION},	/* OperationNotSupportedInTransaction */
	{43, ERRCODE_INVALID_CURSOR_STATE}, /* CursorNotFound */
	{286, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE},	/* ChangeStreamHistoryLost */
	{10334, ERRCODE_PROGRAM_LIMIT_EXCEEDED},	/* BSONObjectTooLarge */
	{146, ERRCODE_OUT_OF_MEMORY},	/* ExceededMemoryLimit */
	{292, ERRCODE_OUT_OF_MEMORY},	/* QueryExceededMemoryLimitNoDiskUseAllowed */
	{166, ERRCODE_WRONG_OBJECT_TYPE},	/* CommandNotSupportedOnView */
	{10107, ERRCODE_CONNECTION_FAILURE},	/* NotWritablePrimary */
	{13435, ERRCODE_CONNECTION_FAILURE},	/* NotPrimaryNoSecondaryOk */
	{11600, ERRCODE_CONNECTION_FAILURE},	/* InterruptedAtShutdown */
	{11602, ERRCODE_CONNECTION_FAILURE},	/* InterruptedDueToReplStateChange */
	{189, ERRCODE_CONNECTION_FAILURE},	/* PrimarySteppedDown */
	{91, ERRCODE_CONNECTION_FAILURE},	/* ShutdownInProgress */
};

/* What the driver itself finds wrong with a request. */
static const uint32 request_domains[] = {
	MONGOC_ERROR_COMMAND, MONGOC_ERROR_BSON, MONGOC_ERROR_CURSOR,
	MONGOC_ERROR_NAMESPACE, MONGOC_ERROR_MATCHER
};

/* Does the error tell what a server answered? */
static bool
from_server(const bson_error_t *error)
{
	return error->domain == MONGOC_ERROR_SERVER ||
		error->domain == MONGOC_ERROR_WRITE_CONCERN;
}

/*
 * Did the server (or its half of a TLS or SCRAM exchange) refuse who we are?
 */
bool
covet_mongo_is_authentication(const bson_error_t *error)
{
	return error->domain == MONGOC_ERROR_SCRAM ||
		error->domain == MONGOC_ERROR_SASL ||
		(error->domain == MONGOC_ERROR_CLIENT &&
		 error->code == MONGOC_ERROR_CLIENT_AUTHENTICATE);
}

/*
 * Was it the way to the server that failed?  Then the client is of no use any
 * more.
 */
bool
covet_mongo_is_transport(MongoConnection *connection, const bson_error_t *error)
{
	if (from_server(error))
		return false;
	return connection->net.lost ||
		error->domain == MONGOC_ERROR_STREAM ||
		error->domain == MONGOC_ERROR_SERVER_SELECTION ||
		error->domain == MONGOC_ERROR_PROTOCOL;
}

/*
 * Did a server answer that it is not, or no longer, the primary?
 */
bool
covet_mongo_is_not_primary(const bson_error_t *error)
{
	if (!from_server(error))
		return false;
	for (int i = 0; i < (int) lengthof(code_rules); i++)
	{
		if (code_rules[i].code == error->code)
			return code_rules[i].sqlstate == ERRCODE_CONNECTION_FAILURE;
	}
	return false;
}

static bool
has_label(const MongoProblem *problem, const char *label)
{
	return problem->reply && mongoc_error_has_label(problem->reply, label);
}

static int
server_sqlstate(const MongoProblem *problem)
{
	if (has_label(problem, "UnknownTransactionCommitResult"))
		return ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN;
	if (has_label(problem, "TransientTransactionError"))
		return ERRCODE_T_R_SERIALIZATION_FAILURE;
	for (int i = 0; i < (int) lengthof(code_rules); i++)
	{
		if (code_rules[i].code == problem->error->code)
			return code_rules[i].sqlstate;
	}
	return ERRCODE_FDW_ERROR;
}

/* "codeName" of the reply, of its first write error, or NULL. */
static const char *
code_name(const bson_t *reply)
{
	static const char *const paths[] = {
		"codeName", "writeErrors.0.codeName", "writeConcernErrors.0.codeName",
		"writeConcernError.codeName"
	};
	bson_iter_t iter;
	bson_iter_t found;

	for (int i = 0; reply && i < (int) lengthof(paths); i++)
	{
		if (bson_iter_init(&iter, reply) &&
			bson_iter_find_descendant(&iter, paths[i], &found) &&
			BSON_ITER_HOLDS_UTF8(&found))
			return covet_mongo_from_utf8(bson_iter_utf8(&found, NULL));
	}
	/* Bulk replies leave it out; this one everybody meets. */
	return NULL;
}

static void
raise_server_error(MongoConnection *connection, const MongoProblem *problem)
{
	const char *name = code_name(problem->reply);

	if (name == NULL && problem->error->code == 11000)
		name = "DuplicateKey";
	ereport(ERROR,
			(errcode(server_sqlstate(problem)),
			 errmsg("MongoDB server \"%s\" reported: %s", connection->server_name,
					covet_mongo_from_utf8(problem->error->message)),
			 errdetail("Code %u%s%s%s.%s%s", problem->error->code,
					   name ? " (" : "", name ? name : "", name ? ")" : "",
					   problem->progress ? " " : "",
					   problem->progress ? problem->progress : "")));
}

/* What the driver says, and what the stream saw, as one text. */
static char *
driver_text(MongoConnection *connection, const MongoProblem *problem)
{
	const char *seen = connection->net.text;
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, covet_mongo_from_utf8(problem->error->message));
	if (text.len > 0 && text.data[text.len - 1] != '.')
		appendStringInfoChar(&text, '.');
	/* The driver repeats what the initiator told it. */
	if (seen[0] && strstr(problem->error->message, seen) == NULL)
		appendStringInfo(&text, " %s", covet_mongo_from_utf8(seen));
	if (problem->progress)
		appendStringInfo(&text, " %s", problem->progress);
	return text.data;
}

/* Did it fail before there was a connection to lose? */
static bool
never_connected(MongoConnection *connection, const bson_error_t *error)
{
	return error->domain == MONGOC_ERROR_SERVER_SELECTION ||
		(error->domain == MONGOC_ERROR_STREAM && !connection->net.lost);
}

static void
raise_lost(MongoConnection *connection, const MongoProblem *problem)
{
	const char *text = driver_text(connection, problem);

	if (problem->unknown_outcome)
		ereport(ERROR,
				(errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN),
				 errmsg("connection to MongoDB server \"%s\" was lost during a write",
						connection->server_name),
				 errdetail("%s", text),
				 errhint("The write may or may not have happened.")));
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("connection to MongoDB server \"%s\" was lost", connection->server_name),
			 errdetail("%s", text)));
}

static bool
is_request_error(const bson_error_t *error)
{
	for (int i = 0; i < (int) lengthof(request_domains); i++)
	{
		if (error->domain == request_domains[i])
			return true;
	}
	return false;
}

/*
 * Raise the error of a failed operation.
 */
void
covet_mongo_raise(MongoConnection *connection, const MongoProblem *problem)
{
	const bson_error_t *error = problem->error;
	MongoNet   *net = &connection->net;

	if (from_server(error))
		raise_server_error(connection, problem);
	if (net->lost || (problem->unknown_outcome && covet_mongo_is_transport(connection, error)))
		raise_lost(connection, problem);
	if (net->refused && never_connected(connection, error))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("connection to MongoDB server \"%s\" is not allowed",
						connection->server_name),
				 errdetail("%s", driver_text(connection, problem))));
	if (covet_mongo_is_authentication(error))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				 errmsg("MongoDB server \"%s\" did not accept the credentials of the user mapping",
						connection->server_name),
				 errdetail("%s", driver_text(connection, problem))));
	if (never_connected(connection, error))
		ereport(ERROR,
				(errcode(ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION),
				 errmsg("could not connect to MongoDB server \"%s\"", connection->server_name),
				 errdetail("%s", driver_text(connection, problem))));
	if (covet_mongo_is_transport(connection, error))
		raise_lost(connection, problem);
	ereport(ERROR,
			(errcode(is_request_error(error) ? ERRCODE_INVALID_PARAMETER_VALUE : ERRCODE_FDW_ERROR),
			 errmsg("the MongoDB driver refused the request"),
			 errdetail("%s", driver_text(connection, problem))));
}

/*
 * Warn when a write was done but its write concern was not met.
 */
void
covet_mongo_warn_write_concern(MongoConnection *connection, const bson_t *reply)
{
	static const char *const paths[] = {
		"writeConcernErrors.0.errmsg", "writeConcernError.errmsg"
	};
	bson_iter_t iter;
	bson_iter_t found;

	for (int i = 0; i < (int) lengthof(paths); i++)
	{
		if (bson_iter_init(&iter, reply) &&
			bson_iter_find_descendant(&iter, paths[i], &found) &&
			BSON_ITER_HOLDS_UTF8(&found))
		{
			ereport(WARNING,
					(errcode(ERRCODE_WARNING),
					 errmsg("MongoDB server \"%s\" did the write, but not with the write concern asked for",
							connection->server_name),
					 errdetail("%s", covet_mongo_from_utf8(bson_iter_utf8(&found, NULL)))));
			return;
		}
	}
}
