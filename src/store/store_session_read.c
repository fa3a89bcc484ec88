/*
 * store_session_read.c
 *		Reading sessions, and the touch that reading one leaves behind.
 *
 * A token is looked for in the hot tier first.  On a miss its row is read, with
 * a snapshot taken after the miss was noted, and a copy promoted; see
 * store_session_hot.c for what has copies.  Lists and counts read the table.
 *
 * A touch lives in memory where the session has a copy: at once, in every
 * transaction, waiting for nobody.  covet_store_session_touch_back() is what a
 * worker keeps it with.  Without a copy it goes into the row, coarsely: only
 * when more than a tenth of the idle time has passed since the last one, so a
 * session can end up to a tenth of its idle time early.  It must never make the
 * read fail or wait, so it is skipped where it cannot be kept at once: in a READ
 * ONLY transaction and on a standby, when the table's or the row's lock is not
 * free, when the row has changed since it was read, and in SERIALIZABLE, where
 * any write can raise 40001.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/compat.h"
#include "codec/value.h"
#include "store/store.h"
#include "store/store_session_row.h"

/* A session is seen at most this often in its idle time. */
#define TOUCHES_PER_IDLE	10

/* A copy of a varlena column with a 4-byte header, or NULL. */
static void *
copy_column(StoreTable *table, AttrNumber column)
{
	bool		isnull;
	Datum		value = slot_getattr(table->slot, column, &isnull);

	return isnull ? NULL : PG_DETOAST_DATUM_COPY(value);
}

/* Copy the session in the slot. */
static void
copy_record(StoreTable *table, const SessionRow *row, SessionRecord *record)
{
	record->session_id = row->session_id;
	record->user_id = copy_column(table, SESSION_USER_ID);
	covet_frame_parts(copy_column(table, SESSION_DATA), &record->data);
	record->version = row->version;
	record->created_at = row->created_at;
	record->seen_at = row->seen_at;
	record->ends_at = covet_session_row_end_time(row);
	record->ip = copy_column(table, SESSION_IP);
	record->user_agent = copy_column(table, SESSION_USER_AGENT);
	record->saved = row->saved;
}

/*
 * Read the session that a token of this hash names from the table, after a miss
 * of memory was noted in *guard, and give memory a copy if that is allowed.
 * *record is palloc'd, and set with *row unless there is none.
 */
SessionMatch
covet_session_load(const TokenHash *hash, TimestampTz now, SessionGuard *guard,
				   SessionRow *row, SessionRecord *record)
{
	StoreTable	table;
	SessionMatch match;

	covet_session_row_open(&table, AccessShareLock);
	match = covet_session_row_find(&table, hash, now, row);
	if (match != MATCH_NONE)
		copy_record(&table, row, record);
	covet_store_close(&table);

	if (match == MATCH_CURRENT)
		covet_session_hot_promote(guard, row, record);
	else if (match == MATCH_NONE && !row->found)
		covet_session_hot_promote_absent(guard, hash);
	return match;
}

static bool
touch_due(const SessionRow *row, TimestampTz now)
{
	return row->idle != TTL_FOREVER &&
		now - row->seen_at > row->idle / TOUCHES_PER_IDLE;
}

/* Write that a session was seen into its row, if that can be done at once. */
static bool
touch_row(SessionRow *row)
{
	TokenHash	hash = row->token_hash;
	TimestampTz now = covet_now();
	StoreTable	table;
	bool		kept = false;

	if (!covet_session_row_try_open(&table, covet_session_row_table()))
		return false;
	if (covet_session_row_find(&table, &hash, now, row) == MATCH_CURRENT &&
		touch_due(row, now) &&
		covet_store_lock(&table, false) == STORE_LOCKED &&
		covet_session_hot_note_touch(&hash))
	{
		covet_store_touch(&table, SESSION_SEEN_AT, now);
		row->seen_at = now;
		kept = true;
	}
	covet_store_close(&table);
	return kept;
}

/* A session that was read from the table counts as seen. */
static void
touch(SessionRow *row, TimestampTz now, SessionRecord *record)
{
	HotValue	value;

	switch (covet_session_hot_get(&row->token_hash, now, HOT_SEEN | HOT_NO_PAYLOAD,
								  &value, NULL))
	{
		case HOT_HIT:
			row->seen_at = Max(row->seen_at, value.seen_at);
			break;
		case HOT_ABSENT:
			return;				/* it has just ended */
		case HOT_MISS:
			if (!touch_due(row, now) || !covet_store_can_touch() || !touch_row(row))
				return;
			break;
	}
	record->seen_at = row->seen_at;
	record->ends_at = covet_session_row_end_time(row);
}

/* The same for what memory did not know. */
static bool
read_table(const TokenHash *hash, bool seen, TimestampTz now, SessionGuard *guard,
		   SessionRecord *record)
{
	SessionRow	row;

	if (covet_session_load(hash, now, guard, &row, record) == MATCH_NONE)
		return false;
	if (seen)
		touch(&row, now, record);
	return true;
}

/*
 * Read the live session of a token; false when there is none.  With "seen" it
 * counts as seen, see above.
 */
bool
covet_store_session_read(const text *token, bool seen, SessionRecord *record)
{
	TimestampTz now = covet_now();
	SessionGuard guard;
	HotValue	value;
	TokenHash	hash;

	covet_session_row_hash(token, &hash);
	switch (covet_session_hot_get(&hash, now, seen ? HOT_SEEN : 0, &value, &guard))
	{
		case HOT_HIT:
			covet_session_hot_record(&value, true, record);
			return true;
		case HOT_ABSENT:
			return false;
		case HOT_MISS:
			break;
	}
	return read_table(&hash, seen, now, &guard, record);
}

/*
 * The data of the live session of a token, as a value of the wanted kind; false
 * when there is none.  Counts as seen.  Raises as covet_value_decode_parts().
 */
bool
covet_store_session_data(const text *token, ValueKind wanted, Datum *data)
{
	TimestampTz now = covet_now();
	SessionGuard guard;
	HotValue	value;
	SessionRecord record;
	TokenHash	hash;

	covet_session_row_hash(token, &hash);
	switch (covet_session_hot_get(&hash, now, HOT_SEEN, &value, &guard))
	{
		case HOT_HIT:
			covet_session_hot_data(&value, &record.data);
			break;
		case HOT_ABSENT:
			return false;
		case HOT_MISS:
			if (!read_table(&hash, true, now, &guard, &record))
				return false;
			break;
	}
	*data = covet_value_decode_parts(&record.data, wanted);
	return true;
}

/* ------------------------------------------------------------------------
 * Many tokens
 * ------------------------------------------------------------------------ */

/* A token that memory does not know, and its place in the result. */
typedef struct BatchToken
{
	TokenHash	hash;
	SessionGuard guard;
	int			place;
} BatchToken;

/* The result of a batch. */
typedef struct BatchResult
{
	Datum	   *data;
	bool	   *nulls;
	Size		size;			/* bytes of all data */
} BatchResult;

/* An interrupt is seen here, so that sorting millions can be cancelled. */
static int
compare_tokens(const void *a, const void *b)
{
	CHECK_FOR_INTERRUPTS();
	return memcmp(((const BatchToken *) a)->hash.bytes,
				  ((const BatchToken *) b)->hash.bytes, TOKEN_HASH_SIZE);
}

/*
 * Put data in its place, if it is jsonb.  Raises 54000 once that is more than
 * an array can hold, before the memory is full.
 */
static void
put_data(BatchResult *result, int place, const ValueParts *data)
{
	if (covet_head_kind(data->head) != VALUE_JSONB)
		return;
	result->data[place] = covet_value_decode_parts(data, VALUE_JSONB);
	result->nulls[place] = false;
	result->size += VARSIZE(DatumGetPointer(result->data[place]));
	if (result->size > MaxAllocSize)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("data of the sessions is too large for one array"),
				 errdetail("Together it has more than %zu bytes.", (Size) MaxAllocSize)));
}

/* The session in the slot is the answer for a token: put it and promote it. */
static void
put_row(StoreTable *table, const SessionRow *row, BatchToken *token, BatchResult *result,
		MemoryContext row_context)
{
	MemoryContext old = MemoryContextSwitchTo(row_context);
	SessionRecord record;

	copy_record(table, row, &record);
	covet_session_hot_promote(&token->guard, row, &record);
	MemoryContextSwitchTo(old);
	put_data(result, token->place, &record.data);
	MemoryContextReset(row_context);
}

/*
 * Look for tokens that memory does not know.  The primary key is gone through
 * once, in its order; only aliases are then followed one by one.
 */
static void
read_batch(BatchToken *batch, int count, TimestampTz now, BatchResult *result)
{
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext,
													  "covet session row",
													  ALLOCSET_SMALL_SIZES);
	StoreTable	table;
	SessionRow	row;
	int			aliases = 0;

	qsort(batch, count, sizeof(BatchToken), compare_tokens);
	covet_session_row_open(&table, AccessShareLock);
	covet_store_search(&table, 0);
	for (int i = 0; i < count; i++)
	{
		Datum		key = PointerGetDatum(&batch[i].hash);

		CHECK_FOR_INTERRUPTS();
		if (!covet_store_find(&table, &key, 1))
		{
			covet_session_hot_promote_absent(&batch[i].guard, &batch[i].hash);
			continue;
		}
		covet_session_row_load(&table, &row);
		if (row.is_alias)
			batch[aliases++] = batch[i];
		else if (covet_session_row_match(&row, &batch[i].hash, now) != MATCH_NONE)
			put_row(&table, &row, &batch[i], result, row_context);
	}
	for (int i = 0; i < aliases; i++)
	{
		CHECK_FOR_INTERRUPTS();
		batch[i].guard.valid = false;
		if (covet_session_row_find(&table, &batch[i].hash, now, &row) != MATCH_NONE)
			put_row(&table, &row, &batch[i], result, row_context);
	}
	covet_store_close(&table);
	MemoryContextDelete(row_context);
}

/*
 * The data of many sessions as jsonb, aligned with the tokens: nulls[i] where
 * there is no session, for data that is not jsonb, and for a NULL token.
 * Raises 54000 for more than 1 GB of it.  Does not count as seen.
 */
void
covet_store_session_data_many(text **tokens, int count, Datum *data, bool *nulls)
{
	TimestampTz now = covet_now();
	BatchToken *batch = palloc_extended(sizeof(BatchToken) * Max(count, 1), MCXT_ALLOC_HUGE);
	BatchResult result = {data, nulls, 0};
	int			misses = 0;

	for (int i = 0; i < count; i++)
	{
		BatchToken *token = &batch[misses];
		HotValue	value;
		ValueParts	parts;

		CHECK_FOR_INTERRUPTS();
		nulls[i] = true;
		if (tokens[i] == NULL)
			continue;
		covet_session_row_hash(tokens[i], &token->hash);
		token->place = i;
		switch (covet_session_hot_get(&token->hash, now, 0, &value, &token->guard))
		{
			case HOT_HIT:
				covet_session_hot_data(&value, &parts);
				put_data(&result, i, &parts);
				break;
			case HOT_ABSENT:
				break;
			case HOT_MISS:
				misses++;
				break;
		}
	}
	if (misses > 0)
		read_batch(batch, misses, now, &result);
	pfree(batch);
}

/* ------------------------------------------------------------------------
 * What workers do
 * ------------------------------------------------------------------------ */

/*
 * Keep in its row that memory has seen a session: true when the row has it now,
 * or has no use for it.  Waits for nobody: false when somebody has the row or
 * the table.
 */
bool
covet_session_touch_back(const HotItem *item, TimestampTz now)
{
	TokenHash	hash;
	Datum		key = PointerGetDatum(&hash);
	StoreTable	table;
	SessionRow	row;
	StoreLock	lock = STORE_GONE;

	SET_VARSIZE(&hash, sizeof(TokenHash));
	memcpy(hash.bytes, item->key, TOKEN_HASH_SIZE);
	if (!covet_session_row_try_open(&table, covet_session_row_table()))
		return false;
	covet_store_search(&table, 0);
	if (covet_store_find(&table, &key, 1))
	{
		covet_session_row_load(&table, &row);
		if (!row.ended && row.written_seen_at < item->seen_at)
			lock = covet_store_lock(&table, false);
		if (lock == STORE_LOCKED)
			covet_store_touch(&table, SESSION_SEEN_AT, item->seen_at);
	}
	covet_store_close(&table);
	return lock != STORE_BUSY;
}

/*
 * Load the session with this hash of its token into memory, where it is not
 * there; has memory taken it?
 */
bool
covet_session_warm(const TokenHash *hash)
{
	TimestampTz now = covet_now();
	SessionGuard guard;
	SessionRow	row;
	SessionRecord record;
	HotValue	value;

	if (covet_session_hot_get(hash, now, HOT_NO_PAYLOAD, &value, &guard) != HOT_MISS)
		return false;
	(void) covet_session_load(hash, now, &guard, &row, &record);
	return guard.promoted;
}

/* ------------------------------------------------------------------------
 * Sessions of users
 * ------------------------------------------------------------------------ */

static int
compare_users(const void *a, const void *b)
{
	return covet_compare_texts(*(text *const *) a, *(text *const *) b);
}

/* Newest first. */
static int
compare_records(const void *a, const void *b)
{
	const SessionRecord *left = a;
	const SessionRecord *right = b;

	if (left->created_at != right->created_at)
		return left->created_at > right->created_at ? -1 : 1;
	return memcmp(&left->session_id, &right->session_id, sizeof(pg_uuid_t));
}

/*
 * The live sessions of some users, by user in byte order, each user's newest
 * first.  "user_ids" is sorted in place.
 */
SessionRecord *
covet_store_session_list(text **user_ids, int nusers, int *count)
{
	TimestampTz now = covet_now();
	int			room = 16;
	SessionRecord *records = palloc(sizeof(SessionRecord) * room);
	StoreTable	table;

	*count = 0;
	if (nusers > 0)
		qsort(user_ids, nusers, sizeof(text *), compare_users);
	covet_session_row_open(&table, AccessShareLock);
	covet_store_search(&table, SESSION_USER_ID);
	for (int i = 0; i < nusers; i++)
	{
		Datum		key = PointerGetDatum(user_ids[i]);
		int			first = *count;

		if (i > 0 && compare_users(&user_ids[i - 1], &user_ids[i]) == 0)
			continue;
		for (bool found = covet_store_find(&table, &key, 1); found;
			 found = covet_store_next(&table))
		{
			SessionRow	row;

			CHECK_FOR_INTERRUPTS();
			covet_session_row_load(&table, &row);
			if (!covet_session_row_live(&row, now))
				continue;
			if (*count == room)
				records = repalloc_huge(records, sizeof(SessionRecord) * (room *= 2));
			copy_record(&table, &row, &records[(*count)++]);
		}
		qsort(records + first, *count - first, sizeof(SessionRecord), compare_records);
	}
	covet_store_close(&table);
	return records;
}

/*
 * The number of live sessions of a user.
 */
int64
covet_store_session_count(const text *user_id)
{
	TimestampTz now = covet_now();
	Datum		key = PointerGetDatum(user_id);
	StoreTable	table;
	int64		count = 0;

	covet_session_row_open(&table, AccessShareLock);
	covet_store_search(&table, SESSION_USER_ID);
	for (bool found = covet_store_find(&table, &key, 1); found;
		 found = covet_store_next(&table))
	{
		SessionRow	row;

		CHECK_FOR_INTERRUPTS();
		covet_session_row_load(&table, &row);
		if (covet_session_row_live(&row, now))
			count++;
	}
	covet_store_close(&table);
	return count;
}

/*
 * The number of all live sessions; scans the table.
 */
int64
covet_store_session_count_all(void)
{
	TimestampTz now = covet_now();
	StoreTable	table;
	Snapshot	snapshot;
	TableScanDesc scan;
	int64		count = 0;

	covet_session_row_open(&table, AccessShareLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan = table_beginscan(table.rel, snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, table.slot))
	{
		SessionRow	row;

		CHECK_FOR_INTERRUPTS();
		covet_session_row_load(&table, &row);
		if (covet_session_row_live(&row, now))
			count++;
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	covet_store_close(&table);
	return count;
}
