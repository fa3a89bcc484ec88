/*
 * store_session_read.c
 *		Reading sessions, and the touch that reading one leaves behind.
 *
 * A touch is coarse: last seen is written only when more than a tenth of the
 * idle time has passed since it was, so a session can end up to a tenth of its
 * idle time early.  It must never make the read fail or wait, so it is skipped
 * where it cannot be kept at once: in a READ ONLY transaction and on a standby,
 * when the table's or the row's lock is not free, when the row has changed
 * since it was read, and in SERIALIZABLE, where any write can raise 40001.
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
	record->data = copy_column(table, SESSION_DATA);
	record->version = row->version;
	record->created_at = row->created_at;
	record->seen_at = row->seen_at;
	record->ends_at = covet_session_row_end_time(row);
	record->ip = copy_column(table, SESSION_IP);
	record->user_agent = copy_column(table, SESSION_USER_AGENT);
}

static bool
touch_due(const SessionRow *row, TimestampTz now)
{
	return row->idle != TTL_FOREVER &&
		now - row->seen_at > row->idle / TOUCHES_PER_IDLE;
}

/*
 * Write that a session was seen, if that is due and can be done at once; *row
 * then has it.
 */
static bool
touch(StoreTableId id, SessionRow *row, TimestampTz now)
{
	TokenHash	hash = row->token_hash;
	StoreTable	table;
	bool		kept = false;

	if (!touch_due(row, now) || !covet_store_can_touch())
		return false;
	if (!covet_session_row_try_open(&table, id))
		return false;
	if (covet_session_row_find(&table, &hash, now, row) == MATCH_CURRENT &&
		touch_due(row, now) &&
		covet_store_lock(&table, false) == STORE_LOCKED)
	{
		covet_store_touch(&table, SESSION_SEEN_AT, now);
		row->seen_at = now;
		kept = true;
	}
	covet_store_close(&table);
	return kept;
}

/*
 * Read the live session of a token; false when there is none.  With "seen" it
 * counts as seen, see above.
 */
bool
covet_store_session_read(const text *token, bool seen, SessionRecord *record)
{
	TimestampTz now = covet_now();
	StoreTable	table;
	TokenHash	hash;
	SessionRow	row;
	bool		found;

	covet_session_row_hash(token, &hash);
	covet_session_row_open(&table, AccessShareLock);
	found = covet_session_row_find(&table, &hash, now, &row) != MATCH_NONE;
	if (found)
		copy_record(&table, &row, record);
	covet_store_close(&table);

	if (found && seen && touch(table.id, &row, now))
	{
		record->seen_at = row.seen_at;
		record->ends_at = covet_session_row_end_time(&row);
	}
	return found;
}

/* A token of a batch and its place in it. */
typedef struct BatchToken
{
	TokenHash	hash;
	int			place;
} BatchToken;

/* An interrupt is seen here, so that sorting millions can be cancelled. */
static int
compare_tokens(const void *a, const void *b)
{
	CHECK_FOR_INTERRUPTS();
	return memcmp(((const BatchToken *) a)->hash.bytes,
				  ((const BatchToken *) b)->hash.bytes, TOKEN_HASH_SIZE);
}

/*
 * A copy of the data of the session in the slot, adding to *size.  Raises
 * 54000 once that is more than an array can hold, before the memory is full.
 */
static bytea *
copy_data(StoreTable *table, Size *size)
{
	bytea	   *frame = copy_column(table, SESSION_DATA);

	*size += VARSIZE(frame);
	if (*size > MaxAllocSize)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("data of the sessions is too large for one array"),
				 errdetail("Together it has more than %zu bytes.", (Size) MaxAllocSize)));
	return frame;
}

/*
 * The data of many sessions, aligned with the tokens, NULL where there is no
 * session and for a NULL token; raises 54000 for more than 1 GB of it.  Does
 * not count as seen.  The primary key is gone through once, in its order; only
 * tokens that it does not know, and aliases, are then looked for one by one.
 */
bytea **
covet_store_session_read_many(text **tokens, int count)
{
	TimestampTz now = covet_now();
	bytea	  **result = palloc0(sizeof(bytea *) * Max(count, 1));
	BatchToken *batch = palloc(sizeof(BatchToken) * Max(count, 1));
	StoreTable	table;
	SessionRow	row;
	Size		size = 0;
	int			tried = 0;
	int			left = 0;

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (tokens[i] == NULL)
			continue;
		covet_session_row_hash(tokens[i], &batch[tried].hash);
		batch[tried++].place = i;
	}
	qsort(batch, tried, sizeof(BatchToken), compare_tokens);

	covet_session_row_open(&table, AccessShareLock);
	covet_store_search(&table, 0);
	for (int i = 0; i < tried; i++)
	{
		Datum		key = PointerGetDatum(&batch[i].hash);

		CHECK_FOR_INTERRUPTS();
		if (covet_store_find(&table, &key, 1))
		{
			covet_session_row_load(&table, &row);
			if (!row.is_alias)
			{
				if (covet_session_row_match(&row, &batch[i].hash, now) != MATCH_NONE)
					result[batch[i].place] = copy_data(&table, &size);
				continue;
			}
		}
		batch[left++] = batch[i];
	}
	for (int i = 0; i < left; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (covet_session_row_find(&table, &batch[i].hash, now, &row) != MATCH_NONE)
			result[batch[i].place] = copy_data(&table, &size);
	}
	covet_store_close(&table);
	pfree(batch);
	return result;
}

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
