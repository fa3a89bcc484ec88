/*
 * mongo.h
 *		What the files of this room share.
 *
 * A *connection* is what this backend knows about one user mapping: its
 * options, its client and the open cursors.  A *client* is libmongoc's
 * single-threaded mongoc_client_t with its sockets; it comes and goes.  The
 * *net* is the side of a connection that the streams see.
 */
#ifndef COVET_MONGO_H
#define COVET_MONGO_H

#include <sys/socket.h>

#include "mongo/mongoc_compat.h"

#include "foreign/foreign.h"
#include "lib/ilist.h"
#include "nodes/pg_list.h"

#include "base/compat.h"

#define MONGO_WRAPPER			"covet_mongo"

/* A document may have 16 MB at the server. */
#define MONGO_MAX_DOCUMENT		(16 * 1024 * 1024)

/* How long cleaning up may take in all, when nothing may fail or wait. */
#define MONGO_CLEANUP_MS		1000

/* How long a seed may be silent once another one has answered. */
#define MONGO_GRACE_MS			300

/* Addresses of one host name that are tried in turn. */
#define MONGO_MAX_ADDRESSES		8

typedef struct MongoAddress
{
	struct sockaddr_storage addr;
	socklen_t	len;
} MongoAddress;

/*
 * What the streams of one client share with the code that called the driver.
 * Streams never raise: they note here why they failed.
 */
typedef struct MongoNet
{
	/* set by the connection before the client exists */
	bool		tls;
	const mongoc_host_list_t *unix_hosts;	/* whose unix sockets may be used, or NULL */
	int			connect_timeout;	/* ms */
	mongoc_ssl_opt_t ssl;

	dlist_head	streams;		/* SocketStreams of the client */

	/* set for each call of the driver */
	bool		busy;			/* the driver is running */
	bool		cleanup;		/* ignore cancels, end at cleanup_ends */
	int64		cleanup_ends;	/* monotonic us */
	int			grace;			/* ms */

	/* noted by the streams during the call */
	int64		answered_at;	/* monotonic us: a stream's first byte */
	bool		cancelled;		/* gave up because of an interrupt */
	bool		lost;			/* a stream that had answered broke */
	bool		refused;		/* an address is not allowed */
	char		text[512];		/* the last failure in words, or "" */
} MongoNet;

typedef struct MongoConnection
{
	Oid			umid;			/* the user mapping */
	uint32		server_hash;	/* of the syscache entries, to hear of */
	uint32		mapping_hash;	/* changes */
	bool		stale;			/* options changed: use no more */
	bool		orphan;			/* out of the table, lives for its cursors */
	bool		keep;			/* option keep_connections */
	bool		fresh;			/* the client has not answered yet */
	bool		sent;			/* the operation's command went out */
	bool		malformed;		/* a batch ended in the middle of a document */
	int			selection_timeout;	/* ms */
	int			fetch_size;		/* documents in a batch, 0: MongoDB's choice */
	char		server_name[NAMEDATALEN];
	MemoryContext context;		/* this struct and all it points to */
	mongoc_uri_t *uri;
	mongoc_client_t *client;	/* or NULL */
	MongoNet	net;
	dlist_head	cursors;		/* open MongoCursors */
	List	   *kills;			/* MongoKill: cursors the server still has */
} MongoConnection;

typedef struct MongoCursor
{
	dlist_node	node;			/* in connection->cursors */
	MongoConnection *connection;
	mongoc_collection_t *collection;
	mongoc_cursor_t *handle;	/* NULL once the client is gone */
	const bson_t *pending;		/* fetched when opening, not yet delivered */
	bool		exhausted;
	bool		malformed;		/* a batch of it could not be read to its end */
	char	   *database;
	char	   *collection_name;
	MemoryContextCallback callback;
} MongoCursor;

/*
 * One operation on a client.  It calls the driver only, raises nothing,
 * initializes reply in any case, and tells whether it worked.
 */
typedef bool (*MongoOperation) (MongoConnection *connection, void *arg,
								bson_t *reply, bson_error_t *error);

typedef enum MongoEffect
{
	MONGO_READ,					/* may be repeated */
	MONGO_WRITE					/* repeated only when it was never sent */
} MongoEffect;

/* A failed operation, as covet_mongo_raise() wants it. */
typedef struct MongoProblem
{
	const bson_error_t *error;
	const bson_t *reply;		/* or NULL */
	bool		unknown_outcome;	/* a write that was sent */
	const char *progress;		/* sentence for the DETAIL, or NULL */
} MongoProblem;

/* where options stand */
#define MONGO_ON_SERVER		(1 << 0)
#define MONGO_ON_MAPPING	(1 << 1)
#define MONGO_ON_TABLE		(1 << 2)
#define MONGO_ON_COLUMN		(1 << 3)

/* the function (or kind of command) that takes an options argument */
#define MONGO_FIND			(1 << 0)
#define MONGO_INSERT_ONE	(1 << 1)
#define MONGO_INSERT_MANY	(1 << 2)
#define MONGO_DROP			(1 << 3)

/* What an options argument holds, in the driver's terms. */
typedef struct MongoCallOptions
{
	bson_t	   *opts;			/* for the ..._with_opts functions */
	mongoc_read_prefs_t *read_prefs;	/* or NULL */
	bool		skip_duplicates;
} MongoCallOptions;

/* Finds the word nearest to a misspelled one. */
typedef struct MongoClosest
{
	const char *word;
	const char *best;
	int			distance;
} MongoClosest;

/* mongo.c */
extern void covet_mongo_start(void);
extern void covet_mongo_own(void *object, void (*destroy) (void *));
extern char *covet_mongo_to_utf8(const char *value);
extern char *covet_mongo_from_utf8(const char *value);

/* net.c */
extern void covet_mongo_net_begin(MongoNet *net);
extern void covet_mongo_net_end(MongoNet *net);
extern void covet_mongo_net_begin_cleanup(MongoNet *net);
extern bool covet_mongo_net_stop(MongoNet *net);
extern void covet_mongo_net_pause(MongoNet *net, int64 usec);
extern int64 covet_mongo_earlier(int64 a, int64 b);
extern int64 covet_mongo_deadline(MongoNet *net, int32 timeout);
extern bool covet_mongo_wait(const int *fds, const uint32 *wanted, uint32 *seen,
							 int count, int64 deadline);

/* address.c */
extern int	covet_mongo_resolve(MongoNet *net, const mongoc_host_list_t *host,
								MongoAddress *addresses);
extern void covet_mongo_address_text(const MongoAddress *address, char *text,
									 Size size);

/* stream.c */
extern mongoc_stream_t *covet_mongo_stream_initiate(const mongoc_uri_t *uri,
													const mongoc_host_list_t *host,
													void *user_data,
													bson_error_t *error);
extern bool covet_mongo_streams_closed(MongoNet *net);

/* option.c */
extern void covet_mongo_closest_init(MongoClosest *state, const char *word);
extern void covet_mongo_closest_offer(MongoClosest *state, const char *candidate);
extern const char *covet_mongo_option(List *options, const char *name);
extern bool covet_mongo_option_bool(List *options, const char *name, bool missing);
extern int	covet_mongo_option_int(List *options, const char *name, int missing);
extern int	covet_mongo_option_ms(List *options, const char *name, int missing);
extern void covet_mongo_options_check(List *options, int where, bool privileged,
									  const char *hint);

/* uri.c */
extern mongoc_uri_t *covet_mongo_uri_parse(const char *value);
extern void covet_mongo_uri_check(const char *value, bool privileged,
								  const char *hint);
extern void covet_mongo_uri_build(MongoConnection *connection, List *server,
								  List *mapping);

/* error.c */
extern void covet_mongo_raise(MongoConnection *connection,
							  const MongoProblem *problem) pg_attribute_noreturn();
extern bool covet_mongo_is_transport(MongoConnection *connection,
									 const bson_error_t *error);
extern bool covet_mongo_is_authentication(const bson_error_t *error);
extern bool covet_mongo_is_not_primary(const bson_error_t *error);
extern void covet_mongo_warn_write_concern(MongoConnection *connection,
										   const bson_t *reply);

/* connection.c */
extern MongoConnection *covet_mongo_connect(const char *server_name);
extern bson_t *covet_mongo_run(MongoConnection *connection,
							   MongoOperation operation, void *arg,
							   MongoEffect effect, bson_error_t *error);
extern void covet_mongo_discard(MongoConnection *connection);
extern void covet_mongo_raise_cancelled(MongoConnection *connection,
										MongoEffect effect) pg_attribute_noreturn();
extern void covet_mongo_release_orphan(MongoConnection *connection);

/* cursor.c */
extern MongoCursor *covet_mongo_cursor_open(MongoConnection *connection,
											const char *database,
											const char *collection,
											const bson_t *filter,
											const MongoCallOptions *options);
extern const bson_t *covet_mongo_cursor_next(MongoCursor *cursor);
extern void covet_mongo_cursors_drop(MongoConnection *connection);
extern void covet_mongo_cursors_kill(MongoConnection *connection);

/* call_option.c */
extern MongoCallOptions *covet_mongo_call_options(const text *options, int function);

#endif							/* COVET_MONGO_H */
