/*
 * call.c
 *		Arguments that the mongo_ functions share.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/compat.h"
#include "mongo/call.h"

/* Limits of MongoDB, in bytes; the driver expects names that keep them. */
#define MAX_DATABASE		63
#define MAX_COLLECTION		255

static void
null_not_allowed(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("%s must not be null", what)));
}

/*
 * A text (or json) argument that must not be NULL; raises 22004.
 */
text *
covet_mongo_arg_text(FunctionCallInfo fcinfo, int n, const char *what)
{
	if (PG_ARGISNULL(n))
		null_not_allowed(what);
	return PG_GETARG_TEXT_PP(n);
}

/*
 * A name as a palloc'd string in the server encoding; raises 22004 for NULL.
 */
char *
covet_mongo_arg_name(FunctionCallInfo fcinfo, int n, const char *what)
{
	return text_to_cstring(covet_mongo_arg_text(fcinfo, n, what));
}

static char *
mongo_name(FunctionCallInfo fcinfo, int n, const char *what, Size limit,
		   const char *forbidden)
{
	char	   *name = covet_mongo_to_utf8(covet_mongo_arg_name(fcinfo, n, what));

	if (*name == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be empty", what)));
	if (strlen(name) > limit)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is too long", what),
				 errdetail("The limit is %zu bytes.", limit)));
	if (strpbrk(name, forbidden))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not contain any of the characters %s", what, forbidden)));
	return name;
}

/*
 * The arguments server, database and collection, checked, and the connection
 * to the server.  Raises 22004 and 22023 for the names, and what
 * covet_mongo_connect() raises.
 */
MongoCall
covet_mongo_arg_call(FunctionCallInfo fcinfo)
{
	char	   *server = covet_mongo_arg_name(fcinfo, 0, "server");
	MongoCall	call;

	call.database = mongo_name(fcinfo, 1, "database", MAX_DATABASE, "/\\. \"$");
	call.collection = mongo_name(fcinfo, 2, "collection", MAX_COLLECTION, "$");
	call.connection = covet_mongo_connect(server);
	return call;
}
