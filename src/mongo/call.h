/*
 * call.h
 *		Arguments that the mongo_ functions share.
 */
#ifndef COVET_MONGO_CALL_H
#define COVET_MONGO_CALL_H

#include "fmgr.h"

#include "mongo/mongo.h"

/* The first three arguments of most functions. */
typedef struct MongoCall
{
	MongoConnection *connection;
	char	   *database;		/* UTF-8 */
	char	   *collection;
} MongoCall;

extern char *covet_mongo_arg_name(FunctionCallInfo fcinfo, int n, const char *what);
extern text *covet_mongo_arg_text(FunctionCallInfo fcinfo, int n, const char *what);
extern MongoCall covet_mongo_arg_call(FunctionCallInfo fcinfo);

#endif							/* COVET_MONGO_CALL_H */
