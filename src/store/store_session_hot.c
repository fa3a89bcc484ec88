/*
 * store_session_hot.c
 *		Copies of sessions in the hot tier.
 *
 * A copy stands under the 32 bytes of the hash of the token that the session
 * has now; a token in its grace always goes to the table.  "Not there" is kept
 * for a hash under which the table has no row at all, not even a tombstone.
 *
 * Its payload is, in this order: the data, in the form values have in memory;
 * the bytes of user_id, ip and user_agent; a SessionTail.  The data comes first
 * so that a large one, which is copied out as a varlena, can be given away with
 * the rest cut off.
 *
 * It expires at hard_end.  The idle time of the entry is that of the session,
 * so that the tier itself ends what nobody has seen; where reads do not move
 * the end it is only there to remember when they came.  Touches live in that
 * word of memory, and a worker writes them to the rows now and then; so whoever
 * loads a row asks here when the session was last seen.
 *
 * Who writes a row notes that its copy is to be dropped; from then on his
 * transaction reads the table.  Only the touch of a read, which must not keep
 * the transaction from being prepared, is noted here, in "touched".
 */
#include "postgres.h"

#include "access/xact.h"

#include "base/compat.h"
#include "hot/hot.h"
#include "store/store_session_row.h"

/* What a copy knows beside the data and three columns. */
typedef struct SessionTail
{
	pg_uuid_t	session_id;
	TimestampTz created_at;
	int16		user_size;		/* -1: NULL */
	int16		ip_size;
	int16		agent_size;
	bool		saved;
} SessionTail;

StaticAssertDecl(COVET_USER_MAX <= PG_INT16_MAX && COVET_USER_AGENT_MAX <= PG_INT16_MAX,
				 "sizes fit a SessionTail");

/* Longer than anybody lives; the copy never ends by it. */
#define SEEN_ONLY		(TTL_MAX - 1)

/* A row that a read of this transaction has touched. */
typedef struct TouchedKey
{
	HotKey		key;
	TokenHash	hash;
} TouchedKey;

#define MAX_TOUCHED		32

static TouchedKey touched[MAX_TOUCHED];
static int	ntouched = 0;

/* Make the key of a hash; false when there is no memory to look it up in. */
static bool
make_key(const TokenHash *hash, HotKey *key)
{
	HotHome    *home = covet_hot_available() ? covet_hot_home(HOT_SESSION, "", 0, true) : NULL;

	if (home == NULL)
		return false;
	covet_hot_key(key, home, hash->bytes, TOKEN_HASH_SIZE);
	return true;
}

/*
 * Look for the session of a hash in memory.  "flags" are those of
 * covet_hot_get, HOT_SEEN counts as seen.  On HOT_MISS *guard (may be NULL) is
 * ready for a promotion, if the table's snapshot is taken after this.
 */
HotResult
covet_session_hot_get(const TokenHash *hash, TimestampTz now, int flags, HotValue *value,
					  SessionGuard *guard)
{
	HotKey		key;
	PendingValue *pending;
	HotResult	result;

	if (guard != NULL)
		guard->valid = guard->promoted = false;
	if (!make_key(hash, &key) ||
		(covet_pending_any && covet_pending_find(&key, now, &pending) == PENDING_TABLE))
		return HOT_MISS;
	result = covet_hot_get(&key, now, flags, value, guard == NULL ? NULL : &guard->guard);
	if (guard != NULL)
		guard->valid = result == HOT_MISS;
	return result;
}

/* The tail of a payload, and how many bytes its data has. */
static uint32
get_tail(const HotValue *value, SessionTail *tail)
{
	memcpy(tail, value->payload + value->size - sizeof(SessionTail), sizeof(SessionTail));
	return value->size - sizeof(SessionTail) - Max(tail->user_size, 0) -
		Max(tail->ip_size, 0) - Max(tail->agent_size, 0);
}

/* The parts of the data. */
static void
get_data(const HotValue *value, uint32 size, ValueParts *data)
{
	if (value->varlena != NULL)
		SET_VARSIZE(value->varlena, VARHDRSZ + size);
	covet_payload_parts(value->head, value->payload, size, value->varlena, data);
}

/*
 * The data of a session that was found in memory.  Valid until memory is asked
 * again.
 */
void
covet_session_hot_data(const HotValue *value, ValueParts *data)
{
	SessionTail tail;

	get_data(value, get_tail(value, &tail), data);
}

/* A copy of "size" bytes as a varlena, NULL for -1; goes on in *at. */
static void *
take_varlena(const char **at, int size)
{
	struct varlena *result;

	if (size < 0)
		return NULL;
	result = palloc(VARHDRSZ + size);
	SET_VARSIZE(result, VARHDRSZ + size);
	memcpy(VARDATA(result), *at, size);
	*at += size;
	return result;
}

/*
 * All of a session that was found in memory.  Its data is palloc'd with the
 * rest when "data" is wanted, else empty.
 */
void
covet_session_hot_record(const HotValue *value, bool data, SessionRecord *record)
{
	SessionTail tail;
	uint32		size = get_tail(value, &tail);
	const char *at = value->payload + size;

	memset(record, 0, sizeof(*record));
	record->session_id = tail.session_id;
	record->created_at = tail.created_at;
	record->saved = tail.saved;
	record->version = value->version;
	record->seen_at = value->seen_at;
	record->ends_at = value->idle == SEEN_ONLY ? value->expires_at
		: covet_hot_value_end(value);
	if (!data)
		return;
	record->user_id = take_varlena(&at, tail.user_size);
	record->ip = take_varlena(&at, tail.ip_size);
	record->user_agent = take_varlena(&at, tail.agent_size);
	get_data(value, size, &record->data);
	if (value->varlena == NULL)
	{
		uint32		body_size = record->data.body_size;

		record->data.body = memcpy(palloc(Max(body_size, 1)), record->data.body, body_size);
	}
}

static Size
varlena_size(const void *value)
{
	return value == NULL ? 0 : VARSIZE_ANY_EXHDR(value);
}

/* Add the bytes of a varlena; its size, or -1 for NULL. */
static int16
put_varlena(char **at, const void *value)
{
	Size		size = varlena_size(value);

	if (value == NULL)
		return -1;
	memcpy(*at, VARDATA_ANY(value), size);
	*at += size;
	return (int16) size;
}

/* The payload of a session but for the prefix of its data, palloc'd. */
static char *
make_payload(const SessionRecord *record, SessionTail *tail, Size *size)
{
	char	   *bytes;
	char	   *at;

	*size = record->data.body_size + varlena_size(record->user_id) +
		varlena_size(record->ip) + varlena_size(record->user_agent) + sizeof(*tail);
	bytes = at = palloc(*size);
	memcpy(at, record->data.body, record->data.body_size);
	at += record->data.body_size;
	tail->user_size = put_varlena(&at, record->user_id);
	tail->ip_size = put_varlena(&at, record->ip);
	tail->agent_size = put_varlena(&at, record->user_agent);
	memcpy(at, tail, sizeof(*tail));
	return bytes;
}

/*
 * Give memory a copy of the live session *record that was read, with its *row,
 * after the guard was noted; guard->promoted tells if it has taken it.
 */
void
covet_session_hot_promote(SessionGuard *guard, const SessionRow *row,
						  const SessionRecord *record)
{
	HotContent	content = {0};
	SessionTail tail = {
		.session_id = row->session_id,
		.created_at = row->created_at,
		.saved = row->saved,
	};
	HotKey		key;
	Size		size;
	char	   *bytes;

	/* Columns that our functions did not write may have any size. */
	if (!guard->valid || guard->guard.fenced || !covet_pending_may_promote() ||
		record->data.body_size > covet_hot_max_value_size() ||
		varlena_size(record->user_id) > COVET_USER_MAX ||
		varlena_size(record->user_agent) > COVET_USER_AGENT_MAX ||
		!make_key(&row->token_hash, &key))
		return;

	bytes = make_payload(record, &tail, &size);
	content.head = record->data.head;
	content.prefix_size = covet_payload_prefix(&record->data, content.prefix);
	content.bytes = bytes;
	content.size = size;
	content.version = row->version;
	content.expires_at = row->hard_end;
	content.idle = row->saved || row->idle == TTL_FOREVER ? SEEN_ONLY : row->idle;

	/* What the table knows; a later touch is in what this replaces. */
	content.seen_at = row->written_seen_at;
	covet_debug_promote_delay();
	guard->promoted = covet_hot_promote(&key, &guard->guard, &content);
	pfree(bytes);
}

/*
 * Tell memory that the table has nothing at all for a hash.
 */
void
covet_session_hot_promote_absent(const SessionGuard *guard, const TokenHash *hash)
{
	HotContent	content = {.absent = true};
	HotKey		key;

	if (!guard->valid || !covet_pending_may_promote() || !make_key(hash, &key))
		return;
	covet_debug_promote_delay();
	(void) covet_hot_promote(&key, &guard->guard, &content);
}

/*
 * A row of this hash is written: what memory says of it ends at commit, and
 * until then this transaction reads the table.
 */
void
covet_session_hot_drop(const TokenHash *hash)
{
	HotKey		key;

	if (make_key(hash, &key))
		covet_pending_drop(&key);
}

/*
 * When memory has last seen a session; false when it does not know.
 */
bool
covet_session_hot_seen(const TokenHash *hash, TimestampTz *seen_at)
{
	HotKey		key;

	return make_key(hash, &key) && covet_hot_seen(&key, seen_at);
}

/*
 * A sweep finds that nobody has seen a session in time: false when memory says
 * so too, which is then final; true when it has to stay.
 */
bool
covet_session_hot_keeps(const TokenHash *hash, TimestampTz now)
{
	HotKey		key;

	return make_key(hash, &key) && covet_hot_expire(&key, now);
}

/* Allocates nothing and raises nothing: this runs after the commit. */
static void
drop_touched(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			for (int i = 0; i < ntouched; i++)
				covet_hot_drop(&touched[i].key);
			ntouched = 0;
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			ntouched = 0;
			break;
		default:
			break;
	}
}

/*
 * A read is about to touch the row of this hash, of which memory has no copy:
 * a copy that somebody makes from the row as it was before goes at commit.
 * False when too many are noted, so that the touch has to be skipped.
 */
bool
covet_session_hot_note_touch(const TokenHash *hash)
{
	static bool registered = false;
	TouchedKey *new = &touched[ntouched];

	if (!registered)
	{
		RegisterXactCallback(drop_touched, NULL);
		registered = true;
	}
	if (ntouched == MAX_TOUCHED)
		return false;
	new->hash = *hash;
	if (make_key(&new->hash, &new->key))
		ntouched++;
	return true;
}
