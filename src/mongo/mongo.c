/*
 * mongo.c
 *		The door of covet_mongo.so, and the start of the driver.
 *
 * Nothing here is preloaded: PostgreSQL maps this library, and with it
 * libmongoc, when a backend first calls one of its functions.  The driver
 * starts later still, when a backend first needs it, so that it can never run
 * in the postmaster.
 */
#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"

#include "base/compat.h"
#include "mongo/mongo.h"

COVET_MODULE_MAGIC("covet_mongo");

void		_PG_init(void);

/* An object of the driver that dies with a memory context. */
typedef struct OwnedObject
{
	MemoryContextCallback callback;
	void	   *object;
	void		(*destroy) (void *);
} OwnedObject;

/*
 * The settings of both libraries are defined by covet.so, which reserves the
 * prefix.
 */
void
_PG_init(void)
{
	load_file("$libdir/covet", false);
}

/*
 * The driver's own log.  Its lines hold no credentials: those come in through
 * setters, never as part of a URI that it could quote.
 */
static void
log_cb(mongoc_log_level_t level, const char *domain, const char *message,
	   void *user_data)
{
	if (level <= MONGOC_LOG_LEVEL_INFO)
		elog(DEBUG1, "covet_mongo: %s: %s", domain, message);
}

/*
 * Start the driver in this backend, once.
 */
void
covet_mongo_start(void)
{
	static bool started = false;

	if (started)
		return;
	mongoc_log_set_handler(log_cb, NULL);
	mongoc_init();
	started = true;
}

static void
destroy_owned_cb(void *arg)
{
	OwnedObject *owned = (OwnedObject *) arg;

	owned->destroy(owned->object);
}

/*
 * Tie an object that the driver allocated to the current memory context:
 * destroy(object) runs when that is reset or deleted, also after an error.
 */
void
covet_mongo_own(void *object, void (*destroy) (void *))
{
	OwnedObject *owned = (OwnedObject *) palloc(sizeof(OwnedObject));

	owned->object = object;
	owned->destroy = destroy;
	owned->callback.func = destroy_owned_cb;
	owned->callback.arg = owned;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &owned->callback);
}

/*
 * A string of the server encoding as MongoDB wants it; palloc'd or value
 * itself.  Raises 22P05 for characters UTF-8 does not have.
 */
char *
covet_mongo_to_utf8(const char *value)
{
	return pg_server_to_any(value, strlen(value), PG_UTF8);
}

/*
 * Text from the driver or the server, for a message: palloc'd, in the server
 * encoding.  Never raises: the driver cuts its texts to a length, and a server
 * may send anything, so what is no UTF-8 becomes question marks.
 */
char *
covet_mongo_from_utf8(const char *value)
{
	char	   *copy = pstrdup(value);
	int			len = strlen(copy);
	bool		convertible = GetDatabaseEncoding() == PG_UTF8;

	if (convertible && pg_verify_mbstr(PG_UTF8, copy, len, true))
		return copy;
	for (char *p = copy; *p; p++)
	{
		if (IS_HIGHBIT_SET(*p))
			*p = '?';
	}
	return copy;
}
