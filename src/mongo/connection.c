/*
 * connection.c
 *		One client for each user mapping in this backend: making it, using it,
 *		destroying it.
 *
 * A client is made on first use and kept for the next statement.  It is
 * destroyed as soon as it has seen a network, selection or authentication
 * failure or a cancel: libmongoc would answer from its memory of the failure
 * for seconds, while a fresh client takes milliseconds.  Before it goes
 * mongoc_client_reset() makes it forget its server sessions and cursors, which
 * it would otherwise try to end over the network it has just lost; cursors go
 * before their client.
 *
 * covet and not the driver repeats what failed: reads that have delivered
 * nothing, and writes that were never sent, run again with a fresh client until
 * server_selection_timeout.
 *
 * Nothing is destroyed while the driver runs (net.busy): when a FATAL error
 * ends the process inside of a wait, the callbacks leave the client alone.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_foreign_server.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "bson/bson_map.h"
#include "mongo/mongo.h"

/* Pauses between two tries, ms: doubled from the first to the last. */
#define FIRST_PAUSE_MS	50
#define LAST_PAUSE_MS	500

/* Doublings of the grace that silent seeds get. */
#define MAX_GRACE_SHIFT	8

typedef struct ConnectionEntry
{
	Oid			umid;			/* key */
	MongoConnection *connection;
} ConnectionEntry;

static HTAB *connections = NULL;

/* ----------
 * The life of a client
 * ----------
 */

/* Commands that only prepare a connection: seeing them is no "sent". */
static bool
prepares(const char *command)
{
	static const char *const names[] = {
		"hello", "isMaster", "ismaster", "saslStart", "saslContinue", "authenticate",
		"getnonce", "endSessions", "killCursors"
	};

	for (int i = 0; i < (int) lengthof(names); i++)
	{
		if (strcmp(command, names[i]) == 0)
			return true;
	}
	return false;
}

static void
command_started_cb(const mongoc_apm_command_started_t *event)
{
	MongoConnection *connection = mongoc_apm_command_started_get_context(event);

	if (!prepares(mongoc_apm_command_started_get_command_name(event)))
		connection->sent = true;
}

/*
 * The driver takes a batch that cannot be read to its end for one that has
 * ended, and so would a query.  Walk over its documents, not into them.
 */
static void
command_succeeded_cb(const mongoc_apm_command_succeeded_t *event)
{
	MongoConnection *connection = mongoc_apm_command_succeeded_get_context(event);
	bson_iter_t iter;
	bson_iter_t cursor;
	bson_iter_t batch;

	if (!bson_iter_init_find(&iter, mongoc_apm_command_succeeded_get_reply(event), "cursor") ||
		!BSON_ITER_HOLDS_DOCUMENT(&iter) || !bson_iter_recurse(&iter, &cursor))
		return;
	while (bson_iter_next(&cursor))
	{
		if (!BSON_ITER_HOLDS_ARRAY(&cursor) || !bson_iter_recurse(&cursor, &batch))
			continue;
		while (bson_iter_next(&batch))
		{
			if (!BSON_ITER_HOLDS_DOCUMENT(&batch))
				connection->malformed = true;
		}
		if (batch.err_off != 0)
			connection->malformed = true;
	}
}

#if MONGO_HAS_USLEEP_IMPL
static void
usleep_cb(int64_t usec, void *user_data)
{
	covet_mongo_net_pause((MongoNet *) user_data, usec);
}
#endif

static void
make_client(MongoConnection *connection)
{
	mongoc_apm_callbacks_t *callbacks;
	bson_error_t error = {0};

	covet_mongo_net_begin(&connection->net);
	connection->client = mongoc_client_new_from_uri_with_error(connection->uri, &error);
	covet_mongo_net_end(&connection->net);
	if (connection->client == NULL)
	{
		MongoProblem problem = {.error = &error};

		covet_mongo_raise(connection, &problem);
	}
	connection->fresh = true;
	mongoc_client_set_error_api(connection->client, MONGOC_ERROR_API_VERSION_2);
	callbacks = mongoc_apm_callbacks_new();
	mongoc_apm_set_command_started_cb(callbacks, command_started_cb);
	mongoc_apm_set_command_succeeded_cb(callbacks, command_succeeded_cb);
	mongoc_client_set_apm_callbacks(connection->client, callbacks, connection);
	mongoc_apm_callbacks_destroy(callbacks);
	/* The driver reads the certificate's subject for X.509 from here. */
	if (connection->net.tls)
		mongoc_client_set_ssl_opts(connection->client, &connection->net.ssl);
	/* After that: it undoes the driver's own way of doing TLS. */
	mongoc_client_set_stream_initiator(connection->client, covet_mongo_stream_initiate,
									   &connection->net);
#if MONGO_HAS_USLEEP_IMPL
	mongoc_client_set_usleep_impl(connection->client, usleep_cb, &connection->net);
#endif
}

/*
 * Destroy the client after a failure, and its cursors before it, without a
 * word to the server.
 */
void
covet_mongo_discard(MongoConnection *connection)
{
	if (connection->client == NULL || connection->net.busy)
		return;
	mongoc_client_reset(connection->client);
	covet_mongo_cursors_drop(connection);
	mongoc_client_destroy(connection->client);
	connection->client = NULL;
}

/* Destroy a client that works, ending its sessions at the server. */
static void
close_client(MongoConnection *connection)
{
	if (connection->client == NULL || connection->net.busy)
		return;
	covet_mongo_net_begin_cleanup(&connection->net);
	mongoc_client_destroy(connection->client);
	connection->client = NULL;
	covet_mongo_net_end(&connection->net);
}

static void
free_connection(MongoConnection *connection)
{
	close_client(connection);
	if (connection->client == NULL)
		MemoryContextDelete(connection->context);
}

/*
 * A cursor of this connection has gone; if it was the last one of a connection
 * no longer in use, so does that.
 */
void
covet_mongo_release_orphan(MongoConnection *connection)
{
	if (connection->orphan && dlist_is_empty(&connection->cursors))
		free_connection(connection);
}

/* ----------
 * The table of connections
 * ----------
 */

/* Options changed: every connection they concern is used no more. */
static void
invalidate_cb(Datum arg, int cacheid, uint32 hash)
{
	HASH_SEQ_STATUS scan;
	ConnectionEntry *entry;

	hash_seq_init(&scan, connections);
	while ((entry = hash_seq_search(&scan)))
	{
		MongoConnection *connection = entry->connection;

		if (hash == 0 ||
			(cacheid == FOREIGNSERVEROID && connection->server_hash == hash) ||
			(cacheid == USERMAPPINGOID && connection->mapping_hash == hash))
			connection->stale = true;
	}
}

/* Take a connection out of the table; cursors may still read from it. */
static void
forget(MongoConnection *connection)
{
	hash_search(connections, &connection->umid, HASH_REMOVE, NULL);
	connection->orphan = true;
	covet_mongo_release_orphan(connection);
}

/* At the end of a transaction: what is stale or not to be kept goes. */
static void
xact_cb(XactEvent event, void *arg)
{
	HASH_SEQ_STATUS scan;
	ConnectionEntry *entry;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT)
		return;
	hash_seq_init(&scan, connections);
	while ((entry = hash_seq_search(&scan)))
	{
		MongoConnection *connection = entry->connection;

		if ((connection->stale || !connection->keep) &&
			dlist_is_empty(&connection->cursors))
			forget(connection);
	}
}

static void
make_table(void)
{
	HASHCTL		ctl = {
		.keysize = sizeof(Oid),
		.entrysize = sizeof(ConnectionEntry),
		.hcxt = CacheMemoryContext
	};

	if (connections)
		return;
	connections = hash_create("covet MongoDB connections", 8, &ctl,
							  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, invalidate_cb, (Datum) 0);
	CacheRegisterSyscacheCallback(USERMAPPINGOID, invalidate_cb, (Datum) 0);
	RegisterXactCallback(xact_cb, NULL);
}

/*
 * What the validator checked may have been set by a superuser and the server
 * since given to somebody else.
 */
static void
check_rights(ForeignServer *server, UserMapping *mapping)
{
	if (!superuser_arg(server->owner))
		covet_mongo_options_check(server->options, MONGO_ON_SERVER, false,
								  "The owner of the server is not a superuser.");

	if (superuser_arg(mapping->userid) ||
		!covet_mongo_option_bool(mapping->options, "password_required", true))
		return;
	if (covet_mongo_option(mapping->options, "username") == NULL ||
		covet_mongo_option(mapping->options, "password") == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_S_R_E_PROHIBITED_SQL_STATEMENT_ATTEMPTED),
				 errmsg("a user name and a password are required"),
				 errdetail("The user mapping of a user who is not a superuser needs the options \"username\" and \"password\"."),
				 errhint("A superuser may set \"password_required\" to \"false\" on it.")));
}

/* PLAIN shows the password to whoever listens, or answers. */
static void
check_plain(MongoConnection *connection, ForeignServer *server)
{
	const char *mechanism = mongoc_uri_get_auth_mechanism(connection->uri);

	if (mechanism == NULL || pg_strcasecmp(mechanism, "PLAIN") != 0 ||
		superuser_arg(server->owner))
		return;
	if (!connection->net.tls || connection->net.ssl.weak_cert_validation)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("authMechanism PLAIN needs TLS that checks the certificate"),
				 errhint("The owner of the server is not a superuser.")));
}

static MongoConnection *
new_connection(ForeignServer *server, UserMapping *mapping)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "covet MongoDB connection",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	MongoConnection *connection = palloc0(sizeof(MongoConnection));
	ConnectionEntry *entry;

	connection->context = context;
	connection->umid = mapping->umid;
	connection->server_hash = GetSysCacheHashValue1(FOREIGNSERVEROID,
													ObjectIdGetDatum(server->serverid));
	connection->mapping_hash = GetSysCacheHashValue1(USERMAPPINGOID,
													 ObjectIdGetDatum(mapping->umid));
	strlcpy(connection->server_name, server->servername, NAMEDATALEN);
	dlist_init(&connection->cursors);
	dlist_init(&connection->net.streams);
	covet_mongo_uri_build(connection, server->options, mapping->options);
	if (superuser_arg(server->owner))
		connection->net.unix_hosts = mongoc_uri_get_hosts(connection->uri);
	check_plain(connection, server);
	MemoryContextSwitchTo(old);

	/* Complete: from here on it lives until it is forgotten. */
	entry = hash_search(connections, &mapping->umid, HASH_ENTER, NULL);
	entry->connection = connection;
	MemoryContextSetParent(context, CacheMemoryContext);
	return connection;
}

static ForeignServer *
usable_server(const char *name)
{
	ForeignServer *server = GetForeignServerByName(name, false);
	ForeignDataWrapper *wrapper = GetForeignDataWrapper(server->fdwid);
	AclResult	result;

	if (strcmp(wrapper->fdwname, MONGO_WRAPPER) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" is not a server of foreign-data wrapper \"%s\"",
						name, MONGO_WRAPPER)));
	result = covet_server_aclcheck(server->serverid, GetUserId(), ACL_USAGE);
	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_FOREIGN_SERVER, server->servername);
	return server;
}

/*
 * The connection of the current user to a server.  Raises 42704 for a server
 * or user mapping that does not exist, 42809 for one of another wrapper, 42501
 * without the right, 2F003 without a password.  It is valid until the caller
 * comes back from covet_mongo_run() or a cursor's function, and while a cursor
 * is open on it.  Opens no socket.
 */
MongoConnection *
covet_mongo_connect(const char *server_name)
{
	ForeignServer *server;
	UserMapping *mapping;
	ConnectionEntry *entry;

	make_table();
	server = usable_server(server_name);
	mapping = GetUserMapping(GetUserId(), server->serverid);
	check_rights(server, mapping);

	entry = hash_search(connections, &mapping->umid, HASH_FIND, NULL);
	if (entry && entry->connection->stale)
	{
		forget(entry->connection);
		entry = NULL;
	}
	if (entry)
		return entry->connection;
	return new_connection(server, mapping);
}

/* ----------
 * Running operations
 * ----------
 */

static void
cancelled_write_cb(void *arg)
{
	errcontext("write to MongoDB server \"%s\", which may or may not have happened",
			   ((MongoConnection *) arg)->server_name);
}

/*
 * The streams gave up because of an interrupt: destroy the client and raise
 * what the interrupt asks for.
 */
void
covet_mongo_raise_cancelled(MongoConnection *connection, MongoEffect effect)
{
	ErrorContextCallback context;

	covet_mongo_discard(connection);
	if (effect == MONGO_WRITE && connection->sent)
	{
		context.callback = cancelled_write_cb;
		context.arg = connection;
		context.previous = error_context_stack;
		error_context_stack = &context;
	}
	CHECK_FOR_INTERRUPTS();
	/* The interrupt was withdrawn meanwhile, but the operation is lost. */
	ereport(ERROR,
			(errcode(ERRCODE_QUERY_CANCELED),
			 errmsg("canceling statement due to user request")));
}

static bool
may_repeat(MongoConnection *connection, MongoEffect effect, const bson_error_t *error)
{
	if (covet_mongo_is_not_primary(error))
		return effect == MONGO_READ || error->code == 10107 || error->code == 13435;
	if (!covet_mongo_is_transport(connection, error))
		return false;
	if (connection->net.refused)
		return false;
	return effect == MONGO_READ || !connection->sent;
}

static void
pause_before_retry(MongoConnection *connection, int attempt)
{
	int			ms = Min(FIRST_PAUSE_MS << Min(attempt, 8), LAST_PAUSE_MS);

	covet_mongo_net_begin(&connection->net);
	covet_mongo_net_pause(&connection->net, ms * INT64CONST(1000));
	covet_mongo_net_end(&connection->net);
	CHECK_FOR_INTERRUPTS();
}

/*
 * A server that was restarted has closed our connection; a write should not
 * have to find that out.
 */
static void
discard_closed(MongoConnection *connection)
{
	if (connection->client && dlist_is_empty(&connection->cursors) &&
		covet_mongo_streams_closed(&connection->net))
		covet_mongo_discard(connection);
}

/* How far a bulk write came before its connection broke, or NULL. */
static const char *
progress_of(const bson_t *reply)
{
	bson_iter_t iter;

	if (!bson_iter_init_find(&iter, reply, "insertedCount") || !BSON_ITER_HOLDS_NUMBER(&iter))
		return NULL;
	return psprintf("At least " INT64_FORMAT " documents were inserted.",
					(int64) bson_iter_as_int64(&iter));
}

/* One try; true when it worked. */
static bool
attempt_operation(MongoConnection *connection, MongoOperation operation, void *arg,
				  bson_t **reply, bson_error_t *error)
{
	bson_t		local;
	bool		worked;

	memset(error, 0, sizeof(*error));
	connection->sent = false;
	covet_mongo_net_begin(&connection->net);
	worked = operation(connection, arg, &local, error);
	covet_mongo_net_end(&connection->net);

	*reply = bson_copy(&local);
	bson_destroy(&local);
	covet_bson_own(*reply);
	return worked;
}

/*
 * Run an operation, again with a fresh client where that may help.  Returns
 * the reply, owned by the current memory context, when it worked or when the
 * server answered with an error; then error says so (domain not 0) and the
 * caller judges it.  Everything else is raised: cancels, and failures of the
 * connection.
 */
bson_t *
covet_mongo_run(MongoConnection *connection, MongoOperation operation, void *arg,
				MongoEffect effect, bson_error_t *error)
{
	int64		give_up = bson_get_monotonic_time() +
		connection->selection_timeout * INT64CONST(1000);

	discard_closed(connection);
	for (int attempt = 0;; attempt++)
	{
		bool		unknown_outcome;
		bson_t	   *reply;
		bool		worked;

		CHECK_FOR_INTERRUPTS();
		if (connection->client == NULL)
			make_client(connection);
		connection->net.grace = MONGO_GRACE_MS << Min(attempt, MAX_GRACE_SHIFT);
		worked = attempt_operation(connection, operation, arg, &reply, error);
		if (worked)
		{
			connection->fresh = false;
			memset(error, 0, sizeof(*error));
			covet_mongo_cursors_kill(connection);
			return reply;
		}
		if (connection->net.cancelled)
			covet_mongo_raise_cancelled(connection, effect);
		if (may_repeat(connection, effect, error) && bson_get_monotonic_time() < give_up)
		{
			covet_mongo_discard(connection);
			pause_before_retry(connection, attempt);
			continue;
		}
		if (covet_mongo_is_transport(connection, error) ||
			covet_mongo_is_authentication(error) || covet_mongo_is_not_primary(error))
			covet_mongo_discard(connection);
		if (error->domain == MONGOC_ERROR_SERVER || error->domain == MONGOC_ERROR_WRITE_CONCERN)
			return reply;
		unknown_outcome = effect == MONGO_WRITE && connection->sent;
		covet_mongo_raise(connection,
						  &(MongoProblem) {.error = error, .reply = reply,
						  .unknown_outcome = unknown_outcome,
						  .progress = unknown_outcome ? progress_of(reply) : NULL});
	}
}
