/*
 * store_session_row.c
 *		A row of the session tables: which table is in use, what state a row is
 *		in, how a token finds it, how it comes and how it ends.
 *
 * Words.  A *session* is a row without ended_until.  It is *live* until
 * min(seen_at + idle, hard_end), or until hard_end exactly when it was saved
 * under a framework's id; then it is *expired*, which is final.  A *tombstone*
 * is a row with ended_until: an ended session whose id must not be saved again
 * before that time.  It keeps what is indexed, so that ending is a HOT update.
 *
 * A rotation gives the row another token_hash, in place, and leaves a tombstone
 * for the token before.  That is an *alias*: until alias_until (the *grace*) it
 * leads to the session by its session_id, and the token stays forbidden as an id
 * for covet.session_tombstone more.  So whatever a token names, live session,
 * alias or tombstone, stands under its hash in the primary key.
 *
 * The table in use.  covet._setting names it; each backend keeps the answer
 * until a relcache invalidation of one of the two tables.  Who changes it holds
 * ACCESS EXCLUSIVE on both, so an answer found unchanged after the table's lock
 * was taken holds as long as the lock.
 *
 * Lock order: the table, then the word of the user, then the word of an id,
 * then rows.  A row is searched only after the words are held, with a snapshot
 * taken then; it is locked and looked at again before it is changed.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/digest.h"
#include "base/guc.h"
#include "store/store.h"
#include "store/store_session_row.h"

StaticAssertDecl(TOKEN_HASH_SIZE == COVET_DIGEST_SIZE, "a token is kept as its SHA-256");
StaticAssertDecl(sizeof(TokenHash) == VARHDRSZ + TOKEN_HASH_SIZE, "a TokenHash is a bytea");

/* The answer kept; counts while table_known. */
static StoreTableId table_in_use;
static bool table_known = false;
static Oid	watched[2];			/* relids whose invalidation ends it */

static void
relcache_callback(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == watched[0] || relid == watched[1])
		table_known = false;
}

/* Read covet._setting; no row means unlogged. */
static StoreTableId
read_setting(void)
{
	StoreTable	table;
	Datum		key = PointerGetDatum(cstring_to_text("session_durability"));
	StoreTableId result = TABLE_SESSION;

	covet_store_open(&table, TABLE_SETTING, AccessShareLock);
	covet_store_search(&table, 0);
	if (covet_store_find(&table, &key, 1))
	{
		bool		isnull;
		text	   *value = DatumGetTextPP(covet_store_get(&table, 2, &isnull));

		if (VARSIZE_ANY_EXHDR(value) == 6 &&
			memcmp(VARDATA_ANY(value), "logged", 6) == 0)
			result = TABLE_SESSION_LOGGED;
	}
	covet_store_close(&table);
	return result;
}

/*
 * Which of the two tables is in use; certain only under a lock on it.
 */
StoreTableId
covet_session_row_table(void)
{
	static bool registered = false;

	if (!registered)
	{
		CacheRegisterRelcacheCallback(relcache_callback, (Datum) 0);
		registered = true;
	}
	while (!table_known)
	{
		CHECK_FOR_INTERRUPTS();
		watched[0] = covet_store_relid(TABLE_SESSION);
		watched[1] = covet_store_relid(TABLE_SESSION_LOGGED);

		/* An invalidation that arrives during the read takes this back. */
		table_known = true;
		PG_TRY();
		{
			table_in_use = read_setting();
		}
		PG_CATCH();
		{
			table_known = false;
			PG_RE_THROW();
		}
		PG_END_TRY();
	}
	return table_in_use;
}

/*
 * Open the table in use, waiting for its lock.  Raises 55000 on a standby when
 * that is the unlogged one, which is not there.
 */
void
covet_session_row_open(StoreTable *table, LOCKMODE lockmode)
{
	for (;;)
	{
		StoreTableId id = covet_session_row_table();

		if (id == TABLE_SESSION && RecoveryInProgress())
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("sessions are not available on a standby"),
					 errdetail("They are stored unlogged."),
					 errhint("Call covet.session_durability('logged') on the primary.")));
		covet_store_open(table, id, lockmode);
		if (table_known && table_in_use == id)
			return;
		covet_store_close(table);
	}
}

/*
 * Open table "id" for writing if its lock is to be had at once and it is still
 * the one in use; false when not.
 */
bool
covet_session_row_try_open(StoreTable *table, StoreTableId id)
{
	if (!covet_store_try_open(table, id, RowExclusiveLock))
		return false;
	if (table_known && table_in_use == id)
		return true;
	covet_store_close(table);
	return false;
}

/*
 * SHA-256 of a token, any text.
 */
void
covet_session_row_hash(const text *token, TokenHash *hash)
{
	covet_digest(VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token), hash->bytes);
	SET_VARSIZE(hash, sizeof(TokenHash));
}

static int64
get_int64(StoreTable *table, AttrNumber column)
{
	bool		isnull;
	Datum		value = slot_getattr(table->slot, column, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

static void
get_hash(StoreTable *table, TokenHash *hash)
{
	bool		isnull;
	Datum		value = covet_store_get(table, SESSION_TOKEN_HASH, &isnull);

	SET_VARSIZE(hash, sizeof(TokenHash));
	if (VARSIZE_ANY_EXHDR(DatumGetPointer(value)) != TOKEN_HASH_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("hash of a session token has %d bytes instead of %d",
						(int) VARSIZE_ANY_EXHDR(DatumGetPointer(value)), TOKEN_HASH_SIZE)));
	memcpy(hash->bytes, VARDATA_ANY(DatumGetPointer(value)), TOKEN_HASH_SIZE);
}

/*
 * Copy what decides over the row in the slot.
 */
void
covet_session_row_load(StoreTable *table, SessionRow *row)
{
	TimestampTz seen_at;
	bool		isnull;

	row->version = get_int64(table, SESSION_VERSION);
	row->created_at = get_int64(table, SESSION_CREATED_AT);
	row->written_seen_at = get_int64(table, SESSION_SEEN_AT);
	row->hard_end = get_int64(table, SESSION_HARD_END);
	row->idle = get_int64(table, SESSION_IDLE);
	row->alias_until = get_int64(table, SESSION_ALIAS_UNTIL);
	row->ended_until = get_int64(table, SESSION_ENDED_UNTIL);
	row->ended = !slot_attisnull(table->slot, SESSION_ENDED_UNTIL);
	row->saved = DatumGetBool(slot_getattr(table->slot, SESSION_SAVED, &isnull));
	row->session_id = *DatumGetUUIDP(slot_getattr(table->slot, SESSION_SESSION_ID, &isnull));
	get_hash(table, &row->token_hash);
	row->is_alias = row->ended && !slot_attisnull(table->slot, SESSION_ALIAS_OF);
	if (row->is_alias)
		row->alias_of = *DatumGetUUIDP(slot_getattr(table->slot, SESSION_ALIAS_OF, &isnull));
	row->grace_until = 0;
	row->found = true;

	/* Touches live in memory first. */
	row->seen_at = row->written_seen_at;
	if (!row->ended && covet_session_hot_seen(&row->token_hash, &seen_at))
		row->seen_at = Max(row->seen_at, seen_at);
}

/*
 * Is the row in the slot of this user?
 */
bool
covet_session_row_is_user(StoreTable *table, const text *user_id)
{
	bool		isnull;
	Datum		value = covet_store_get(table, SESSION_USER_ID, &isnull);

	return !isnull &&
		VARSIZE_ANY_EXHDR(DatumGetPointer(value)) == VARSIZE_ANY_EXHDR(user_id) &&
		memcmp(VARDATA_ANY(DatumGetPointer(value)), VARDATA_ANY(user_id),
			   VARSIZE_ANY_EXHDR(user_id)) == 0;
}

/*
 * When the session of a row ends if it is not seen again; 'infinity' when
 * nothing ends it.
 */
TimestampTz
covet_session_row_end_time(const SessionRow *row)
{
	if (row->saved)
		return row->hard_end;
	return Min(covet_deadline(row->seen_at, row->idle), row->hard_end);
}

/*
 * Is it a session that has not ended?
 */
bool
covet_session_row_live(const SessionRow *row, TimestampTz now)
{
	return !row->ended && covet_session_row_end_time(row) > now;
}

/*
 * Is a token of this hash the one of the row's session, and is that live?
 */
SessionMatch
covet_session_row_match(const SessionRow *row, const TokenHash *hash, TimestampTz now)
{
	return covet_session_row_live(row, now) &&
		memcmp(row->token_hash.bytes, hash->bytes, TOKEN_HASH_SIZE) == 0
		? MATCH_CURRENT : MATCH_NONE;
}

/* Go on from an alias, which *row is, to its session. */
static SessionMatch
follow_alias(StoreTable *table, TimestampTz now, SessionRow *row)
{
	pg_uuid_t	session_id = row->alias_of;
	TimestampTz until = row->alias_until;
	Datum		key = UUIDPGetDatum(&session_id);

	covet_store_search(table, SESSION_SESSION_ID);
	if (!covet_store_find(table, &key, 1))
		return MATCH_NONE;
	covet_session_row_load(table, row);
	row->grace_until = until;
	return covet_session_row_live(row, now) ? MATCH_GRACE : MATCH_NONE;
}

/*
 * Find the live session that a token of this hash names: the row in the slot
 * and in *row.  With MATCH_NONE row->found tells if there is any row of the hash.
 */
SessionMatch
covet_session_row_find(StoreTable *table, const TokenHash *hash, TimestampTz now,
					   SessionRow *row)
{
	Datum		key = PointerGetDatum(hash);

	row->found = false;
	covet_store_search(table, 0);
	if (!covet_store_find(table, &key, 1))
		return MATCH_NONE;
	covet_session_row_load(table, row);
	if (row->is_alias && row->alias_until > now)
		return follow_alias(table, now, row);
	return covet_session_row_match(row, hash, now);
}

/*
 * The same with the row locked until the transaction ends, waiting for whoever
 * is changing it.  *now is moved on by a wait.
 */
SessionMatch
covet_session_row_lock(StoreTable *table, const TokenHash *hash, TimestampTz *now,
					   SessionRow *row)
{
	while (covet_session_row_find(table, hash, *now, row) != MATCH_NONE)
	{
		TimestampTz grace_until = row->grace_until;
		StoreLock	lock = covet_store_lock(table, true);

		*now = covet_now();
		if (lock == STORE_LOCKED)
		{
			SessionMatch match;

			covet_session_row_load(table, row);
			if (grace_until > *now && covet_session_row_live(row, *now))
				match = MATCH_GRACE;
			else
				match = covet_session_row_match(row, hash, *now);
			if (match != MATCH_NONE)
				return match;
		}

		/* Ended, rotated or replaced meanwhile: look for what is there now. */
		CHECK_FOR_INTERRUPTS();
	}
	return MATCH_NONE;
}

/*
 * Make a session_id: a version 7 UUID, as uuidv7() of PostgreSQL 18 makes it.
 * It begins with the time, so that new ones stand together in the index, and
 * ends with 62 random bits.
 */
static void
make_session_id(pg_uuid_t *id, TimestampTz created_at)
{
	const int64 epoch_days = POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE;
	int64		us = created_at + epoch_days * USECS_PER_DAY;
	uint64		time = (uint64) (us / 1000) << 16 | 7 << 12 | (us % 1000) * 4096 / 1000;

	time = pg_hton64(time);
	memcpy(id->data, &time, sizeof(time));
	if (!pg_strong_random(id->data + sizeof(time), UUID_LEN - sizeof(time)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	id->data[8] = (id->data[8] & 0x3f) | 0x80;
}

/*
 * Insert a row with a new session_id.  No row may have its token_hash: the
 * caller brings random bits, or has looked while he held the id's word, or has
 * just taken the hash from a row that he holds.
 */
void
covet_session_row_insert(StoreTable *table, const SessionNew *new)
{
	pg_uuid_t	session_id;
	Datum		values[SESSION_COLUMNS] = {0};
	bool		nulls[SESSION_COLUMNS] = {0};

	make_session_id(&session_id, new->created_at);
	values[SESSION_VERSION - 1] = Int64GetDatum(new->version);
	values[SESSION_CREATED_AT - 1] = TimestampTzGetDatum(new->created_at);
	values[SESSION_SEEN_AT - 1] = TimestampTzGetDatum(new->created_at);
	values[SESSION_HARD_END - 1] = TimestampTzGetDatum(new->hard_end);
	values[SESSION_IDLE - 1] = Int64GetDatum(new->idle);
	values[SESSION_ALIAS_UNTIL - 1] = TimestampTzGetDatum(new->alias_until);
	nulls[SESSION_ALIAS_UNTIL - 1] = new->alias_of == NULL;
	values[SESSION_ALIAS_OF - 1] = PointerGetDatum(new->alias_of);
	nulls[SESSION_ALIAS_OF - 1] = new->alias_of == NULL;
	values[SESSION_ENDED_UNTIL - 1] = TimestampTzGetDatum(new->ended_until);
	nulls[SESSION_ENDED_UNTIL - 1] = new->ended_until == 0;
	values[SESSION_SESSION_ID - 1] = UUIDPGetDatum(&session_id);
	values[SESSION_SAVED - 1] = BoolGetDatum(new->saved);
	values[SESSION_TOKEN_HASH - 1] = PointerGetDatum(new->token_hash);
	values[SESSION_USER_ID - 1] = PointerGetDatum(new->user_id);
	nulls[SESSION_USER_ID - 1] = new->user_id == NULL;
	values[SESSION_IP - 1] = PointerGetDatum(new->ip);
	nulls[SESSION_IP - 1] = new->ip == NULL;
	values[SESSION_DATA - 1] = PointerGetDatum(new->data);
	nulls[SESSION_DATA - 1] = new->data == NULL;
	values[SESSION_USER_AGENT - 1] = PointerGetDatum(new->user_agent);
	nulls[SESSION_USER_AGENT - 1] = new->user_agent == NULL;
	covet_store_insert(table, values, nulls);
}

/*
 * Replace columns, none of them by NULL, of the session in the slot, which is
 * locked and loaded in *row.
 */
void
covet_session_row_update(StoreTable *table, const SessionRow *row, const AttrNumber *columns,
						 const Datum *values, int count)
{
	covet_session_hot_drop(&row->token_hash);
	covet_store_update(table, columns, values, NULL, count);
}

/*
 * End the session in the slot, which is locked and loaded in *row: leave a
 * tombstone, or nothing when covet.session_tombstone is 0.
 */
void
covet_session_row_end(StoreTable *table, const SessionRow *row, TimestampTz now)
{
	static const AttrNumber columns[] = {
		SESSION_ENDED_UNTIL, SESSION_DATA, SESSION_IP, SESSION_USER_AGENT
	};
	static const bool nulls[] = {false, true, true, true};
	Datum		values[4] = {0};

	covet_session_hot_drop(&row->token_hash);
	if (covet_session_tombstone == 0)
	{
		covet_store_delete(table);
		return;
	}
	values[0] = TimestampTzGetDatum(covet_deadline(now,
												   covet_ttl_from_seconds(covet_session_tombstone)));
	covet_store_update(table, columns, values, nulls, lengthof(columns));
}

/*
 * Can the row in the slot be deleted at the time "now"?  Yes for a tombstone
 * whose time is over and for an expired session, which memory then declares
 * over for good.
 */
bool
covet_session_row_dead(StoreTable *table, TimestampTz now)
{
	SessionRow	row;

	covet_session_row_load(table, &row);
	if (row.ended)
		return row.ended_until <= now;
	return !covet_session_row_live(&row, now) &&
		(row.hard_end <= now || !covet_session_hot_keeps(&row.token_hash, now));
}
