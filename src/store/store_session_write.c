/*
 * store_session_write.c
 *		Creating, saving, changing and rotating sessions.
 *
 * Who adds a session to a user holds the word of that user: SHARE, so that
 * session_revoke_user (EXCLUSIVE) either waits for it and ends what it made, or
 * comes first; EXCLUSIVE under a limit, so that what is counted stays true
 * until the transaction ends.  Who gives a row an id that the caller chose
 * holds the word of that id, because the absence of a row cannot be locked.
 *
 * A rotation updates its row in place: whoever waits for the row (an end, an
 * update, another rotation) finds the new version when it goes on, so no
 * rotation outlives an end and of two rotations one finds the token gone.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/version.h"
#include "store/store.h"
#include "store/store_session_row.h"

#define TOKEN_BYTES		32		/* 256 random bits */
#define TOKEN_CHARS		43		/* of them in base64url without padding */

/*
 * A new token.
 */
static text *
make_token(void)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint8		bytes[TOKEN_BYTES + 1];
	text	   *token = palloc(VARHDRSZ + TOKEN_CHARS);
	char	   *out = VARDATA(token);

	if (!pg_strong_random(bytes, TOKEN_BYTES))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));

	/* A zero byte behind the last two makes the last group whole. */
	bytes[TOKEN_BYTES] = 0;
	for (int i = 0; i < TOKEN_CHARS; i++)
	{
		int			bit = i * 6;
		int			pair = bytes[bit / 8] << 8 | (bit / 8 < TOKEN_BYTES ? bytes[bit / 8 + 1] : 0);

		out[i] = alphabet[(pair >> (10 - bit % 8)) & 0x3f];
	}
	explicit_bzero(bytes, sizeof(bytes));
	SET_VARSIZE(token, VARHDRSZ + TOKEN_CHARS);
	return token;
}

/* The version after one that a row has. */
static int64
next_version(int64 old)
{
	int64		next = covet_next_version();

	return Max(next, old + 1);
}

/* Hold the word of the user of a session about to be made. */
static void
lock_user(const text *user_id)
{
	covet_store_lock_word(LOCK_USER, user_id,
						  covet_session_max_per_user > 0 ? ExclusiveLock : ShareLock);
}

/* A session that counts for a user's limit. */
typedef struct CountedSession
{
	TimestampTz created_at;
	pg_uuid_t	session_id;
} CountedSession;

static int
compare_counted(const void *a, const void *b)
{
	const CountedSession *left = a;
	const CountedSession *right = b;

	if (left->created_at != right->created_at)
		return left->created_at < right->created_at ? -1 : 1;
	return memcmp(&left->session_id, &right->session_id, sizeof(pg_uuid_t));
}

/* The live sessions of a user but "except" (when given), oldest first. */
static CountedSession *
count_sessions(StoreTable *table, const text *user_id, const pg_uuid_t *except,
			   TimestampTz now, int *count)
{
	int			room = 16;
	CountedSession *sessions = palloc(sizeof(CountedSession) * room);
	Datum		key = PointerGetDatum(user_id);

	*count = 0;
	covet_store_search(table, SESSION_USER_ID);
	for (bool found = covet_store_find(table, &key, 1); found; found = covet_store_next(table))
	{
		SessionRow	row;

		CHECK_FOR_INTERRUPTS();
		covet_session_row_load(table, &row);
		if (!covet_session_row_live(&row, now) ||
			(except != NULL && memcmp(except, &row.session_id, sizeof(pg_uuid_t)) == 0))
			continue;
		if (*count == room)
			sessions = repalloc_huge(sessions, sizeof(CountedSession) * (room *= 2));
		sessions[*count].created_at = row.created_at;
		sessions[(*count)++].session_id = row.session_id;
	}
	qsort(sessions, *count, sizeof(CountedSession), compare_counted);
	return sessions;
}

/* End a user's session, if it still is one and his. */
static void
end_session(StoreTable *table, const pg_uuid_t *session_id, const text *user_id)
{
	Datum		key = UUIDPGetDatum(session_id);
	SessionRow	row;
	TimestampTz now;

	covet_store_search(table, SESSION_SESSION_ID);
	if (!covet_store_find(table, &key, 1) || covet_store_lock(table, true) != STORE_LOCKED)
		return;
	now = covet_now();
	covet_session_row_load(table, &row);
	if (covet_session_row_live(&row, now) && covet_session_row_is_user(table, user_id))
		covet_session_row_end(table, now);
}

/*
 * See that a user, whose word is held, may have one session more.  "except" is
 * one that does not count (its session_id), or NULL.  At the limit the oldest
 * end, or the answer is false and nothing has changed.  With "lives" false
 * nothing will be added, so nothing has to end.
 */
static bool
make_room(StoreTableId id, const text *user_id, const pg_uuid_t *except, bool lives,
		  TimestampTz now)
{
	StoreTable	table;
	CountedSession *sessions;
	int			count;
	bool		fits;

	if (user_id == NULL || covet_session_max_per_user == 0)
		return true;
	covet_store_open(&table, id, RowExclusiveLock);
	sessions = count_sessions(&table, user_id, except, now, &count);
	fits = count < covet_session_max_per_user || covet_session_limit_policy == LIMIT_OLDEST;
	if (fits && lives)
		for (int i = 0; i <= count - covet_session_max_per_user; i++)
			end_session(&table, &sessions[i].session_id, user_id);
	covet_store_close(&table);
	pfree(sessions);
	return fits;
}

/* Insert a session under a new token, if it lives at all. */
static text *
insert_created(StoreTable *table, const SessionSpec *spec, const bytea *data, TimestampTz now)
{
	text	   *token = make_token();
	TokenHash	hash;
	SessionNew	new = {
		.version = covet_next_version(),
		.created_at = now,
		.hard_end = covet_deadline(now, spec->lifetime),
		.idle = spec->idle,
		.token_hash = &hash,
		.user_id = spec->user_id,
		.ip = spec->ip,
		.data = data,
		.user_agent = spec->user_agent,
	};

	covet_session_row_hash(token, &hash);
	if (spec->idle > 0 && spec->lifetime > 0)
		covet_session_row_insert(table, &new);
	return token;
}

/*
 * Create a session and return its token; NULL when the user's limit refuses it.
 */
text *
covet_store_session_create(const SessionSpec *spec)
{
	bool		lives = spec->idle > 0 && spec->lifetime > 0;
	StoreTable	table;
	TimestampTz now;
	text	   *token = NULL;

	covet_session_row_open(&table, RowExclusiveLock);
	if (spec->user_id != NULL)
		lock_user(spec->user_id);
	now = covet_now();
	if (make_room(table.id, spec->user_id, NULL, lives, now))
		token = insert_created(&table, spec, spec->data, now);
	covet_store_close(&table);
	return token;
}

/*
 * Create a session for spec->user_id and end the one of "token" (may be NULL)
 * in the same step; the new one gets the old one's data, or no_data, when
 * spec->data is NULL.  NULL and nothing changed when the limit refuses it or
 * the token was rotated and is in its grace.
 */
text *
covet_store_session_login(const text *token, const SessionSpec *spec, const bytea *no_data)
{
	bool		lives = spec->idle > 0 && spec->lifetime > 0;
	const bytea *data = spec->data;
	SessionMatch match = MATCH_NONE;
	StoreTable	table;
	SessionRow	old;
	TimestampTz now;
	text	   *new_token = NULL;

	covet_session_row_open(&table, RowExclusiveLock);
	lock_user(spec->user_id);
	now = covet_now();
	if (token != NULL)
	{
		TokenHash	hash;

		covet_session_row_hash(token, &hash);
		match = covet_session_row_lock(&table, &hash, &now, &old);
	}

	if (match != MATCH_GRACE &&
		make_room(table.id, spec->user_id,
				  match == MATCH_CURRENT ? &old.session_id : NULL, lives, now))
	{
		if (match == MATCH_CURRENT)
		{
			bool		isnull;

			if (data == NULL)
				data = (bytea *) PG_DETOAST_DATUM_COPY(slot_getattr(table.slot, SESSION_DATA,
																	&isnull));
			covet_session_row_end(&table, now);
		}
		new_token = insert_created(&table, spec, data != NULL ? data : no_data, now);
	}
	covet_store_close(&table);
	return new_token;
}

/*
 * Is an id, whose word is held, free for a session?  Not while it is the token
 * of a live session, or was one and its tombstone lasts.  A dead row that
 * stands in the way is deleted.
 */
static bool
free_id(StoreTable *table, const TokenHash *hash)
{
	Datum		key = PointerGetDatum(hash);

	for (;;)
	{
		SessionRow	row;
		StoreLock	lock;

		CHECK_FOR_INTERRUPTS();
		covet_store_search(table, 0);
		if (!covet_store_find(table, &key, 1))
			return true;
		lock = covet_store_lock(table, true);
		if (lock != STORE_LOCKED)
			continue;
		covet_session_row_load(table, &row);
		if (memcmp(row.token_hash.bytes, hash->bytes, TOKEN_HASH_SIZE) != 0)
			continue;			/* rotated: look again what it left */
		if (!covet_session_row_dead(table, covet_now()))
			return false;
		covet_store_delete(table);
		return true;
	}
}

/* Save over the live session in the slot, which is locked. */
static void
save_over(StoreTable *table, const SessionSpec *spec, const SessionRow *row, TimestampTz now)
{
	AttrNumber	columns[9] = {
		SESSION_VERSION, SESSION_SEEN_AT, SESSION_HARD_END, SESSION_IDLE, SESSION_SAVED,
		SESSION_DATA
	};
	Datum		values[9];
	int			count = 6;

	values[0] = Int64GetDatum(next_version(row->version));
	values[1] = TimestampTzGetDatum(now);
	values[2] = TimestampTzGetDatum(covet_deadline(now, Max(spec->idle, 0)));
	values[3] = Int64GetDatum(spec->idle);
	values[4] = BoolGetDatum(true);
	values[5] = PointerGetDatum(spec->data);
	if (spec->user_id != NULL)
	{
		columns[count] = SESSION_USER_ID;
		values[count++] = PointerGetDatum(spec->user_id);
	}
	if (spec->ip != NULL)
	{
		columns[count] = SESSION_IP;
		values[count++] = PointerGetDatum(spec->ip);
	}
	if (spec->user_agent != NULL)
	{
		columns[count] = SESSION_USER_AGENT;
		values[count++] = PointerGetDatum(spec->user_agent);
	}
	covet_store_update(table, columns, values, NULL, count);
}

/* Insert a session under an id, whose word is held, if it lives at all. */
static void
insert_saved(StoreTable *table, const TokenHash *hash, const SessionSpec *spec, TimestampTz now)
{
	SessionNew	new = {
		.version = covet_next_version(),
		.created_at = now,
		.hard_end = covet_deadline(now, spec->idle),
		.idle = spec->idle,
		.saved = true,
		.token_hash = hash,
		.user_id = spec->user_id,
		.ip = spec->ip,
		.data = spec->data,
		.user_agent = spec->user_agent,
	};

	if (spec->idle > 0)
		covet_session_row_insert(table, &new);
}

/*
 * Save a session under an id: it ends spec->idle from now.  False when "mode"
 * does not allow it, the id was ended or rotated away too recently, or the
 * user's limit refuses it.
 */
bool
covet_store_session_save(const text *id, const SessionSpec *spec, SaveMode mode)
{
	StoreTable	table;
	TokenHash	hash;
	SessionRow	row;
	SessionMatch match;
	TimestampTz now;
	bool		saved = false;

	covet_session_row_hash(id, &hash);
	covet_session_row_open(&table, RowExclusiveLock);
	if (spec->user_id != NULL)
		lock_user(spec->user_id);
	covet_store_lock_word(LOCK_SESSION_ID, id, ExclusiveLock);
	now = covet_now();
	match = covet_session_row_lock(&table, &hash, &now, &row);

	if (match == MATCH_CURRENT && mode != SAVE_ADD)
	{
		/* A user's own session is not one more. */
		saved = (spec->user_id != NULL && covet_session_row_is_user(&table, spec->user_id)) ||
			make_room(table.id, spec->user_id, NULL, spec->idle > 0, now);
		if (saved)
			save_over(&table, spec, &row, now);
	}
	else if (match == MATCH_NONE && mode != SAVE_REPLACE && free_id(&table, &hash))
	{
		saved = make_room(table.id, spec->user_id, NULL, spec->idle > 0, now);
		if (saved)
			insert_saved(&table, &hash, spec, now);
	}
	covet_store_close(&table);
	return saved;
}

/*
 * Replace the data of a live session (if *if_version is its version, when
 * given) by "data", or by what change(old, arg) makes of the old when "data"
 * is NULL; that is called with the row locked and may raise.  *version is the
 * new one; false when the session is gone or has another version.
 */
bool
covet_store_session_update(const text *token, const int64 *if_version, const bytea *data,
						   SessionChange change, void *arg, int64 *version)
{
	static const AttrNumber columns[] = {SESSION_VERSION, SESSION_SEEN_AT, SESSION_DATA};
	TimestampTz now = covet_now();
	Datum		values[3];
	StoreTable	table;
	TokenHash	hash;
	SessionRow	row;
	bool		isnull;
	bool		updated = false;

	covet_session_row_hash(token, &hash);
	covet_session_row_open(&table, RowExclusiveLock);
	if (covet_session_row_lock(&table, &hash, &now, &row) != MATCH_NONE &&
		(if_version == NULL || *if_version == row.version))
	{
		if (data == NULL)
			data = change(DatumGetByteaPP(slot_getattr(table.slot, SESSION_DATA, &isnull)), arg);
		*version = next_version(row.version);
		values[0] = Int64GetDatum(*version);
		values[1] = TimestampTzGetDatum(Max(now, row.seen_at));
		values[2] = PointerGetDatum(data);
		covet_store_update(&table, columns, values, NULL, lengthof(columns));
		updated = true;
	}
	covet_store_close(&table);
	return updated;
}

/*
 * Count a session as seen, with another idle timeout (or time to live of what
 * was saved) when "ttl" is given; *ends_at is when it now ends.  False when it
 * is gone.  Where nothing can be written (only to be called without a ttl
 * there) the answer is its end as it stands.
 */
bool
covet_store_session_touch(const text *token, const Ttl *ttl, TimestampTz *ends_at)
{
	static const AttrNumber columns[] = {SESSION_SEEN_AT, SESSION_HARD_END, SESSION_IDLE};
	bool		writable = covet_store_writable();
	TimestampTz now = covet_now();
	Datum		values[3];
	StoreTable	table;
	TokenHash	hash;
	SessionRow	row;
	SessionMatch match;

	covet_session_row_hash(token, &hash);
	covet_session_row_open(&table, writable ? RowExclusiveLock : AccessShareLock);
	if (writable)
		match = covet_session_row_lock(&table, &hash, &now, &row);
	else
		match = covet_session_row_find(&table, &hash, now, &row);

	if (match != MATCH_NONE && writable)
	{
		row.seen_at = Max(now, row.seen_at);
		if (ttl != NULL && *ttl <= 0)
			row.hard_end = now;
		else
		{
			if (ttl != NULL)
				row.idle = *ttl;
			if (row.saved)
				row.hard_end = covet_deadline(now, row.idle);
		}
		values[0] = TimestampTzGetDatum(row.seen_at);
		values[1] = TimestampTzGetDatum(row.hard_end);
		values[2] = Int64GetDatum(row.idle);
		covet_store_update(&table, columns, values, NULL, lengthof(columns));
	}
	covet_store_close(&table);
	if (match == MATCH_NONE)
		return false;
	*ends_at = covet_session_row_end_time(&row);
	return true;
}

/*
 * Hold the word of the user whose session a token names, and that of the new
 * id when one is given; false when there is no such session or the id is taken.
 */
static bool
prepare_rotation(StoreTable *table, const TokenHash *hash, const text *new_id,
				 const TokenHash *new_hash)
{
	SessionRow	row;
	bool		isnull;
	Datum		user_id;

	if (covet_session_row_find(table, hash, covet_now(), &row) != MATCH_CURRENT)
		return false;
	user_id = covet_store_get(table, SESSION_USER_ID, &isnull);
	if (!isnull)
		covet_store_lock_word(LOCK_USER, DatumGetTextPP(user_id), ShareLock);
	if (new_id == NULL)
		return true;
	covet_store_lock_word(LOCK_SESSION_ID, new_id, ExclusiveLock);
	return free_id(table, new_hash);
}

/*
 * The token of a session has just been replaced: leave a tombstone for it
 * while it must not be saved again, an alias while its grace lasts.
 */
static void
leave_alias(StoreTable *table, const SessionRow *row, const TokenHash *hash, Ttl grace,
			TimestampTz now)
{
	TimestampTz until = covet_deadline(now, Max(grace, 0));
	SessionNew	tombstone = {
		.version = covet_next_version(),
		.created_at = now,
		.hard_end = now,
		.token_hash = hash,
	};

	/* It leads nowhere when the session has ended. */
	if (!row->saved)
		until = Min(until, row->hard_end);
	if (until > now)
	{
		tombstone.alias_of = &row->session_id;
		tombstone.alias_until = until;
	}
	tombstone.ended_until = covet_deadline(until,
										   covet_ttl_from_seconds(covet_session_tombstone));
	if (tombstone.ended_until > now)
		covet_session_row_insert(table, &tombstone);
}

/*
 * Give a session a new token, new_id when that is given, and return it; the
 * old one works until the grace is over.  NULL when the session is gone, the
 * token was rotated before, or new_id is not free.
 */
text *
covet_store_session_rotate(const text *token, Ttl grace, const text *new_id)
{
	static const AttrNumber columns[] = {SESSION_SEEN_AT, SESSION_TOKEN_HASH};
	text	   *new_token = new_id != NULL ? (text *) new_id : make_token();
	text	   *result = NULL;
	Datum		values[2];
	StoreTable	table;
	TokenHash	hash;
	TokenHash	new_hash;
	SessionRow	row;
	TimestampTz now;

	covet_session_row_hash(token, &hash);
	covet_session_row_hash(new_token, &new_hash);
	covet_session_row_open(&table, RowExclusiveLock);
	if (prepare_rotation(&table, &hash, new_id, &new_hash))
	{
		now = covet_now();
		if (covet_session_row_lock(&table, &hash, &now, &row) == MATCH_CURRENT)
		{
			values[0] = TimestampTzGetDatum(Max(now, row.seen_at));
			values[1] = PointerGetDatum(&new_hash);
			covet_store_update(&table, columns, values, NULL, lengthof(columns));
			leave_alias(&table, &row, &hash, grace, now);
			result = new_token;
		}
	}
	covet_store_close(&table);
	return result;
}
