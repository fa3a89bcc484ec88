/*
 * cursor.c
 *		Cursors that live as long as a memory context.
 *
 * A cursor holds memory of libmongoc and, at the server, a cursor with its
 * locks and snapshots.  It is closed when its memory context goes, which is
 * when the query ends, ends early (LIMIT), or fails; then the server hears of
 * it too.  When its client goes first, after a failure, the cursor goes with
 * it, and the server still has its half: the next operation that works on the
 * same connection kills that.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "bson/bson_map.h"
#include "mongo/mongo.h"

/* Cursors remembered for killing; MongoDB frees others after ten minutes. */
#define MAX_KILLS		32

typedef struct MongoKill
{
	int64		id;
	char	   *database;
	char	   *collection;
	char		host[300];		/* host:port that has it */
} MongoKill;

/* ----------
 * Closing
 * ----------
 */

static void
destroy_handle(MongoCursor *cursor)
{
	if (cursor->handle == NULL)
		return;
	mongoc_cursor_destroy(cursor->handle);
	mongoc_collection_destroy(cursor->collection);
	cursor->handle = NULL;
	cursor->pending = NULL;
	dlist_delete(&cursor->node);
}

/*
 * The memory context of the cursor goes.  If the driver is still inside of a
 * call, the process is ending and its memory is left alone.
 */
static void
close_cursor_cb(void *arg)
{
	MongoCursor *cursor = (MongoCursor *) arg;
	MongoConnection *connection = cursor->connection;
	bool		failed;

	if (cursor->handle == NULL || connection->net.busy)
		return;
	connection->net.lost = false;
	covet_mongo_net_begin_cleanup(&connection->net);
	destroy_handle(cursor);
	failed = connection->net.lost;
	covet_mongo_net_end(&connection->net);
	/* It could not tell the server in time, and so can nobody else. */
	if (failed)
		covet_mongo_discard(connection);
	covet_mongo_release_orphan(connection);
}

static void
remember_kill(MongoCursor *cursor)
{
	MongoConnection *connection = cursor->connection;
	int64		id = mongoc_cursor_get_id(cursor->handle);
	mongoc_host_list_t host;
	MemoryContext old;
	MongoKill  *kill;

	if (id == 0 || list_length(connection->kills) >= MAX_KILLS)
		return;
	mongoc_cursor_get_host(cursor->handle, &host);
	old = MemoryContextSwitchTo(connection->context);
	kill = palloc(sizeof(MongoKill));
	kill->id = id;
	kill->database = pstrdup(cursor->database);
	kill->collection = pstrdup(cursor->collection_name);
	strlcpy(kill->host, host.host_and_port, sizeof(kill->host));
	connection->kills = lappend(connection->kills, kill);
	MemoryContextSwitchTo(old);
}

/*
 * The client is about to be destroyed, and has been reset: its cursors go
 * first.
 */
void
covet_mongo_cursors_drop(MongoConnection *connection)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &connection->cursors)
	{
		MongoCursor *cursor = dlist_container(MongoCursor, node, iter.cur);

		remember_kill(cursor);
		destroy_handle(cursor);
	}
}

/* The driver's number for a server, or 0 when it does not know that host. */
static uint32
server_id_of(mongoc_client_t *client, const char *host)
{
	mongoc_server_description_t **servers;
	size_t		count;
	uint32		id = 0;

	servers = mongoc_client_get_server_descriptions(client, &count);
	for (size_t i = 0; i < count; i++)
	{
		if (strcmp(mongoc_server_description_host(servers[i])->host_and_port, host) == 0)
			id = mongoc_server_description_id(servers[i]);
	}
	mongoc_server_descriptions_destroy_all(servers, count);
	return id;
}

static void
kill_at_server(MongoConnection *connection, const MongoKill *kill)
{
	uint32		server_id = server_id_of(connection->client, kill->host);
	bson_error_t error;
	bson_t		command = BSON_INITIALIZER;
	bson_t		ids = BSON_INITIALIZER;

	if (server_id != 0)
	{
		BSON_APPEND_UTF8(&command, "killCursors", kill->collection);
		BSON_APPEND_INT64(&ids, "0", kill->id);
		BSON_APPEND_ARRAY(&command, "cursors", &ids);
		(void) mongoc_client_command_simple_with_server_id(connection->client, kill->database,
														   &command, NULL, server_id,
														   NULL, &error);
	}
	bson_destroy(&ids);
	bson_destroy(&command);
}

/*
 * Kill what former clients of this connection left open at the server.  Errors
 * do not matter: MongoDB frees a cursor nobody uses.
 */
void
covet_mongo_cursors_kill(MongoConnection *connection)
{
	ListCell   *cell;

	if (connection->kills == NIL)
		return;
	connection->net.lost = false;
	covet_mongo_net_begin_cleanup(&connection->net);
	foreach(cell, connection->kills)
	{
		MongoKill  *kill = (MongoKill *) lfirst(cell);

		if (!connection->net.lost)
			kill_at_server(connection, kill);
		pfree(kill->database);
		pfree(kill->collection);
	}
	covet_mongo_net_end(&connection->net);
	list_free_deep(connection->kills);
	connection->kills = NIL;
}

/* ----------
 * Reading
 * ----------
 */

typedef struct OpenArguments
{
	MongoCursor *cursor;
	const bson_t *filter;
	const MongoCallOptions *options;
} OpenArguments;

/* Fetch one document; false at the end or on an error, which is then set. */
static bool
fetch(MongoCursor *cursor, const bson_t **doc, bson_t *reply, bson_error_t *error)
{
	const bson_t *error_reply = NULL;

	cursor->connection->malformed = false;
	if (mongoc_cursor_next(cursor->handle, doc))
	{
		cursor->malformed |= cursor->connection->malformed;
		return true;
	}
	cursor->malformed |= cursor->connection->malformed;
	*doc = NULL;
	cursor->exhausted = true;
	if (mongoc_cursor_error_document(cursor->handle, error, &error_reply) &&
		error_reply != NULL)
		bson_concat(reply, error_reply);
	return false;
}

/*
 * The driver sends a find only when the first document is wanted, so that is
 * part of opening: up to there everything can be repeated.
 */
static bool
open_operation(MongoConnection *connection, void *arg, bson_t *reply, bson_error_t *error)
{
	OpenArguments *open = (OpenArguments *) arg;
	MongoCursor *cursor = open->cursor;

	bson_init(reply);
	cursor->exhausted = false;
	cursor->collection = mongoc_client_get_collection(connection->client, cursor->database,
													  cursor->collection_name);
	cursor->handle = mongoc_collection_find_with_opts(cursor->collection, open->filter,
													  open->options->opts,
													  open->options->read_prefs);
	dlist_push_tail(&connection->cursors, &cursor->node);
	if (fetch(cursor, &cursor->pending, reply, error) || error->domain == 0)
		return true;
	destroy_handle(cursor);
	return false;
}

/*
 * Open a cursor over the documents of a collection that match, and fetch the
 * first batch.  It lives until the current memory context is reset or deleted.
 * Raises what the server or the connection reports.  Names are UTF-8.
 */
MongoCursor *
covet_mongo_cursor_open(MongoConnection *connection, const char *database,
						const char *collection, const bson_t *filter,
						const MongoCallOptions *options)
{
	MongoCursor *cursor = (MongoCursor *) palloc0(sizeof(MongoCursor));
	OpenArguments open = {.cursor = cursor, .filter = filter, .options = options};
	bson_error_t error;
	bson_t	   *reply;

	cursor->connection = connection;
	cursor->database = pstrdup(database);
	cursor->collection_name = pstrdup(collection);
	cursor->callback.func = close_cursor_cb;
	cursor->callback.arg = cursor;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &cursor->callback);

	reply = covet_mongo_run(connection, open_operation, &open, MONGO_READ, &error);
	if (error.domain != 0)
		covet_mongo_raise(connection, &(MongoProblem) {.error = &error, .reply = reply});
	return cursor;
}

/* No document is left: was that all of them? */
static void
check_complete(MongoCursor *cursor)
{
	if (cursor->malformed)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("reply of MongoDB server \"%s\" is corrupt",
						cursor->connection->server_name),
				 errdetail("A batch of documents cannot be read to its end.")));
}

static void
raise_client_gone(MongoCursor *cursor)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("connection to MongoDB server \"%s\" was lost",
					cursor->connection->server_name),
			 errdetail("Another operation of this transaction failed on it while the result was being read.")));
}

/* A getMore failed; documents were delivered, so nothing is repeated. */
static void
raise_fetch_error(MongoCursor *cursor, const bson_t *reply, const bson_error_t *error)
{
	MongoConnection *connection = cursor->connection;

	if (covet_mongo_is_transport(connection, error))
		covet_mongo_discard(connection);
	covet_mongo_raise(connection, &(MongoProblem) {.error = error, .reply = reply});
}

/*
 * The next document, which the driver owns until the next call, or NULL at the
 * end.  Raises what the server or the connection reports.
 */
const bson_t *
covet_mongo_cursor_next(MongoCursor *cursor)
{
	MongoConnection *connection = cursor->connection;
	const bson_t *doc = cursor->pending;
	bson_error_t error = {0};
	bson_t		local;
	bson_t	   *reply;

	if (cursor->handle == NULL)
		raise_client_gone(cursor);
	if (doc != NULL)
	{
		cursor->pending = NULL;
		return doc;
	}
	if (cursor->exhausted)
	{
		check_complete(cursor);
		return NULL;
	}

	CHECK_FOR_INTERRUPTS();
	bson_init(&local);
	covet_mongo_net_begin(&connection->net);
	(void) fetch(cursor, &doc, &local, &error);
	covet_mongo_net_end(&connection->net);
	if (doc != NULL || error.domain == 0)
	{
		bson_destroy(&local);
		if (doc == NULL)
			check_complete(cursor);
		return doc;
	}
	reply = bson_copy(&local);
	bson_destroy(&local);
	covet_bson_own(reply);
	if (connection->net.cancelled)
		covet_mongo_raise_cancelled(connection, MONGO_READ);
	raise_fetch_error(cursor, reply, &error);
	return NULL;
}
