/*
 * store_session_end.c
 *		Ending sessions, one, a user's or all; and moving them between the
 *		unlogged and the logged table.
 *
 * A row is looked at again after it was locked: the last version decides
 * whether it still is the session that was meant.  session_revoke_user holds
 * the user's word in EXCLUSIVE mode before it looks, so it waits for every
 * transaction that is adding a session to that user.  session_revoke_all holds
 * SHARE ROW EXCLUSIVE on the table, which no writer of sessions can share.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "store/store.h"
#include "store/store_session_row.h"

/* Up to so many ends in one call are listed for dropping their hot copies. */
#define ENDS_LISTED		4096

/*
 * End the session of a token; false when there is none.
 */
bool
covet_store_session_delete(const text *token)
{
	TimestampTz now = covet_now();
	StoreTable	table;
	TokenHash	hash;
	SessionRow	row;
	bool		found;

	covet_session_row_hash(token, &hash);
	covet_session_row_open(&table, RowExclusiveLock);
	found = covet_session_row_lock(&table, &hash, &now, &row) != MATCH_NONE;
	if (found)
		covet_session_row_end(&table, &row, now);
	covet_store_close(&table);
	return found;
}

/*
 * End the row in the slot if, once locked, it is a live session of "user_id"
 * (any when NULL) and not the one with session_id "keep" (none when NULL).
 */
static bool
end_found(StoreTable *table, const text *user_id, const pg_uuid_t *keep)
{
	TimestampTz now = covet_now();
	SessionRow	row;

	/* Expired and ended are final: only what is live is worth a lock. */
	covet_session_row_load(table, &row);
	if (!covet_session_row_live(&row, now) ||
		covet_store_lock(table, true) != STORE_LOCKED)
		return false;

	now = covet_now();
	covet_session_row_load(table, &row);
	if (!covet_session_row_live(&row, now) ||
		(user_id != NULL && !covet_session_row_is_user(table, user_id)) ||
		(keep != NULL && memcmp(keep, &row.session_id, sizeof(pg_uuid_t)) == 0))
		return false;
	covet_session_row_end(table, &row, now);
	return true;
}

/* Count one more that was ended.  Of many, the copies go all at once. */
static void
count_ended(int64 *count)
{
	if (++*count == ENDS_LISTED)
		covet_pending_epoch(HOT_SESSION);
}

/*
 * End the session with a public handle, if it is that user's when "user_id" is
 * given; false when there is none.
 */
bool
covet_store_session_revoke(const pg_uuid_t *session_id, const text *user_id)
{
	Datum		key = UUIDPGetDatum(session_id);
	StoreTable	table;
	bool		ended;

	covet_session_row_open(&table, RowExclusiveLock);
	covet_store_search(&table, SESSION_SESSION_ID);
	ended = covet_store_find(&table, &key, 1) && end_found(&table, user_id, NULL);
	covet_store_close(&table);
	return ended;
}

/*
 * End all sessions of a user but the one of keep_token (may be NULL); returns
 * how many.
 */
int64
covet_store_session_revoke_user(const text *user_id, const text *keep_token)
{
	Datum		key = PointerGetDatum(user_id);
	StoreTable	table;
	SessionRow	kept;
	bool		keeps = false;
	int64		count = 0;

	covet_session_row_open(&table, RowExclusiveLock);
	covet_store_lock_word(LOCK_USER, user_id, ExclusiveLock);
	if (keep_token != NULL)
	{
		TokenHash	hash;

		covet_session_row_hash(keep_token, &hash);
		keeps = covet_session_row_find(&table, &hash, covet_now(), &kept) != MATCH_NONE;
	}
	covet_store_search(&table, SESSION_USER_ID);
	for (bool found = covet_store_find(&table, &key, 1); found; found = covet_store_next(&table))
	{
		CHECK_FOR_INTERRUPTS();
		if (end_found(&table, user_id, keeps ? &kept.session_id : NULL))
			count_ended(&count);
	}
	covet_store_close(&table);
	return count;
}

/*
 * End all sessions; returns how many.
 */
int64
covet_store_session_revoke_all(void)
{
	TimestampTz now;
	StoreTable	table;
	Snapshot	snapshot;
	TableScanDesc scan;
	int64		count = 0;

	covet_session_row_open(&table, ShareRowExclusiveLock);
	now = covet_now();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan = table_beginscan(table.rel, snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, table.slot))
	{
		SessionRow	row;

		CHECK_FOR_INTERRUPTS();
		covet_session_row_load(&table, &row);
		if (covet_session_row_live(&row, now))
		{
			covet_session_row_end(&table, &row, now);
			count_ended(&count);
		}
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	covet_store_close(&table);
	return count;
}

#define MOVE(source, target) \
	"WITH moved AS (DELETE FROM covet." source " RETURNING *)" \
	" INSERT INTO covet." target " SELECT * FROM moved"

/*
 * Move all sessions to the logged or the unlogged table.  Waits for and keeps
 * out everybody who reads or writes sessions until the transaction ends.
 */
void
covet_store_session_move(bool logged)
{
	static StorePlan to_logged = {.sql = MOVE("_session", "_session_logged")};
	static StorePlan to_unlogged = {.sql = MOVE("_session_logged", "_session")};
	static StorePlan set = {
		.sql = "INSERT INTO covet._setting (name, value) VALUES ('session_durability', $1)"
		" ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value",
		.nargs = 1,
		.argtypes = {TEXTOID}
	};
	Datum		value = CStringGetTextDatum(logged ? "logged" : "unlogged");
	StoreTable	tables[2];

	covet_store_open(&tables[0], TABLE_SESSION, AccessExclusiveLock);
	covet_store_open(&tables[1], TABLE_SESSION_LOGGED, AccessExclusiveLock);

	/* Nobody else can change the answer from here on. */
	if ((covet_session_row_table() == TABLE_SESSION_LOGGED) != logged)
	{
		covet_pending_epoch(HOT_SESSION);
		covet_store_execute(logged ? &to_logged : &to_unlogged, TABLE_SESSION,
							NULL, NULL, NULL, NULL, NULL);

		/*
		 * Every backend must read the setting again: this one from the next
		 * statement on, which follows at once, and after a ROLLBACK once more.
		 */
		CacheInvalidateRelcache(tables[0].rel);
		CacheInvalidateRelcache(tables[1].rel);
		covet_store_execute(&set, TABLE_SETTING, &value, NULL, NULL, NULL, NULL);
	}
	covet_store_close(&tables[1]);
	covet_store_close(&tables[0]);
}
