/*
 * store_cache_write.c
 *		Writing cache entries of namespaces with storage 'table'.
 *
 * A set of one key overwrites its row where that stands; any other set is one
 * INSERT ... ON CONFLICT DO UPDATE over all its keys, in the
 * order of the "C" collation, as every writer here goes through its keys: two
 * batches in opposite order do not deadlock.  Operations that depend on what is
 * there (add, replace, incr, take, touch, delete) find the row, lock its last
 * version and decide then; where there is none they insert with ON CONFLICT DO
 * NOTHING and begin again when somebody else was first.  All take the stamps
 * that stand when they are called, and note each key they write, so that its
 * copy in the hot tier is dropped at commit.
 *
 * Plans run with the latest snapshot, so that in REPEATABLE READ a row which was
 * committed after the transaction began can be overwritten.  Only when a set or
 * an add had to wait there for another writer of the same key, and that one
 * committed, does it end in 40001, as any upsert would.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/version.h"
#include "codec/value.h"
#include "hot/hot.h"
#include "store/store.h"
#include "store/store_table.h"

/*
 * Note that the row of a key was written.  Where the registry of homes is full
 * there are no copies.
 */
static void
note_write(const CacheNamespace *ns, const text *key)
{
	HotKey		hot = {.home = covet_hot_home(HOT_CACHE, VARDATA_ANY(ns->name),
											  VARSIZE_ANY_EXHDR(ns->name), true)};

	if (hot.home != NULL)
		covet_hot_key(&hot, hot.home, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
	covet_pending_drop(&hot);
}

/* Values of the columns a write sets, in the order of write_columns. */
typedef struct RowValues
{
	Datum		values[9];
	bool		nulls[9];
} RowValues;

static const AttrNumber write_columns[9] = {
	CACHE_VERSION, CACHE_EXPIRES_AT, CACHE_SEEN_AT, CACHE_IDLE, CACHE_STALE,
	CACHE_STAMP, CACHE_VALUE, CACHE_TAGS, CACHE_TAG_STAMPS
};

#define WRITE_VERSION	0
#define WRITE_VALUE		6
#define WRITE_TAGS		7

/*
 * What a write sets, with the stamps that stand now.
 */
static void
make_row(const CacheNamespace *ns, const CacheWrite *write, const bytea *frame,
		 RowValues *row)
{
	Datum	   *tags = palloc(sizeof(Datum) * write->ntags);
	Datum	   *tag_stamps = palloc(sizeof(Datum) * write->ntags);

	memset(row, 0, sizeof(*row));
	row->values[WRITE_VERSION] = Int64GetDatum(covet_next_version());
	row->values[1] = TimestampTzGetDatum(write->expires_at);
	row->values[2] = TimestampTzGetDatum(write->now);
	row->values[3] = Int64GetDatum(write->idle);
	row->values[4] = Int64GetDatum(write->stale);
	row->values[5] = Int64GetDatum(covet_stamp_view(ns->slot));
	row->values[WRITE_VALUE] = PointerGetDatum(frame);
	row->nulls[WRITE_TAGS] = row->nulls[WRITE_TAGS + 1] = write->ntags == 0;
	if (write->ntags > 0)
	{
		for (int i = 0; i < write->ntags; i++)
		{
			uint32		slot = covet_stamp_tag_slot(ns->slot, VARDATA_ANY(write->tags[i]),
													VARSIZE_ANY_EXHDR(write->tags[i]));

			tags[i] = PointerGetDatum(write->tags[i]);
			tag_stamps[i] = Int64GetDatum(covet_stamp_view(slot));
		}
		row->values[WRITE_TAGS] =
			PointerGetDatum(construct_array(tags, write->ntags, TEXTOID, -1, false,
											TYPALIGN_INT));
		row->values[WRITE_TAGS + 1] =
			PointerGetDatum(construct_array(tag_stamps, write->ntags, INT8OID, sizeof(int64),
											FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	}
}

/* Give the row in the slot, which is locked, the values of a write. */
static void
overwrite(const CacheNamespace *ns, const text *key, StoreTable *table, RowValues *row)
{
	bool		isnull;
	int64		old = DatumGetInt64(covet_store_get(table, CACHE_VERSION, &isnull));

	/* A version taken before the lock may be older than the row's. */
	row->values[WRITE_VERSION] =
		Int64GetDatum(Max(DatumGetInt64(row->values[WRITE_VERSION]), old + 1));
	covet_store_update(table, write_columns, row->values, row->nulls, lengthof(write_columns));
	note_write(ns, key);
}

/* Delete the row in the slot, which is locked. */
static void
delete_row(const CacheNamespace *ns, const text *key, StoreTable *table)
{
	covet_store_delete(table);
	note_write(ns, key);
}

/*
 * Delete the row of a key, if there is one; was it live?  Where there is none
 * the key itself is locked: nobody can fill a lease of it before we commit, and
 * then the lease is void.
 */
static bool
delete_key(const CacheNamespace *ns, const text *key, StoreTable *table, TimestampTz now)
{
	Datum		keys[2] = {PointerGetDatum(ns->name), PointerGetDatum(key)};
	bool		locked = false;

	note_write(ns, key);
	for (;;)
	{
		if (covet_store_find(table, keys, 2))
		{
			if (covet_store_lock(table, true) == STORE_LOCKED)
			{
				bool		live = covet_cache_row_live(table, now);

				covet_store_delete(table);
				return live;
			}
			/* Somebody removed it; somebody may have put it back. */
		}
		else if (locked)
			return false;
		else
		{
			covet_store_lock_key(ns->name, key, ShareLock);
			locked = true;
		}
		covet_store_search(table, 0);
	}
}

/* Delete sorted keys; returns how many live entries there were. */
static int
delete_sorted(const CacheNamespace *ns, const KeyedFrame *sorted, int count)
{
	StoreTable	table;
	TimestampTz now = covet_now();
	int			removed = 0;

	covet_store_open(&table, TABLE_CACHE, RowExclusiveLock);
	covet_store_search(&table, 0);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		removed += delete_key(ns, sorted[i].key, &table, now);
	}
	covet_store_close(&table);
	return removed;
}

/*
 * Open the cache and lock the last version of a key's row, into the slot;
 * false when there is no row.  The table is open afterwards in any case.
 */
static bool
find_and_lock(const CacheNamespace *ns, const text *key, StoreTable *table)
{
	Datum		keys[2] = {PointerGetDatum(ns->name), PointerGetDatum(key)};

	covet_store_open(table, TABLE_CACHE, RowExclusiveLock);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		covet_store_search(table, 0);
		if (!covet_store_find(table, keys, 2))
			return false;
		if (covet_store_lock(table, true) == STORE_LOCKED)
			return true;
	}
}

/*
 * Overwrite the row of a key where it stands, without a plan; false when there
 * is none, or the table has indexes that need one.
 */
static bool
set_in_place(const CacheNamespace *ns, const CacheWrite *write, const text *key,
			 const bytea *frame)
{
	StoreTable	table;
	RowValues	row;
	bool		found;

	make_row(ns, write, frame, &row);
	found = find_and_lock(ns, key, &table) && covet_store_plain(&table);
	if (found)
		overwrite(ns, key, &table, &row);
	covet_store_close(&table);
	return found;
}

/*
 * covet_cache_set_entries, in one statement.
 */
int
covet_table_set(CacheNamespace *ns, const CacheWrite *write,
				text **keys, bytea **frames, int count)
{
	static StorePlan plan = {
		.sql = "INSERT INTO covet._cache AS c (namespace, key, value, version,"
		" expires_at, seen_at, idle, stale, stamp, tags, tag_stamps)"
		" SELECT $1, u.key, u.value, $4, $5, $6, $7, $8, $9, $10, $11"
		" FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3)) AS u(key, value)"
		" ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value,"
		" version = GREATEST(excluded.version, c.version OPERATOR(pg_catalog.+) 1),"
		" expires_at = excluded.expires_at, seen_at = excluded.seen_at,"
		" idle = excluded.idle, stale = excluded.stale, stamp = excluded.stamp,"
		" tags = excluded.tags, tag_stamps = excluded.tag_stamps",
		.nargs = 11,
		.argtypes = {TEXTOID, TEXTARRAYOID, BYTEAARRAYOID, INT8OID, TIMESTAMPTZOID,
		TIMESTAMPTZOID, INT8OID, INT8OID, INT8OID, TEXTARRAYOID, INT8ARRAYOID},
	};
	KeyedFrame *sorted = palloc(sizeof(KeyedFrame) * Max(count, 1));
	int			distinct = covet_cache_sort_keys(keys, frames, count, sorted);
	Datum	   *key_values;
	Datum	   *frame_values;
	RowValues	row;
	Datum		values[11];
	char		nulls[12] = "           ";

	if (distinct == 0)
		return 0;
	if (write->expires_at <= write->now)
	{
		(void) delete_sorted(ns, sorted, distinct);
		return distinct;
	}
	if (distinct == 1 && set_in_place(ns, write, sorted[0].key, sorted[0].frame))
		return 1;

	key_values = palloc(sizeof(Datum) * distinct);
	frame_values = palloc(sizeof(Datum) * distinct);
	for (int i = 0; i < distinct; i++)
	{
		key_values[i] = PointerGetDatum(sorted[i].key);
		frame_values[i] = PointerGetDatum(sorted[i].frame);
	}
	make_row(ns, write, NULL, &row);

	values[0] = PointerGetDatum(ns->name);
	values[1] = PointerGetDatum(construct_array(key_values, distinct, TEXTOID, -1,
												false, TYPALIGN_INT));
	values[2] = PointerGetDatum(construct_array(frame_values, distinct, BYTEAOID, -1,
												false, TYPALIGN_INT));
	memcpy(&values[3], row.values, sizeof(Datum) * WRITE_VALUE);
	values[9] = row.values[WRITE_TAGS];
	values[10] = row.values[WRITE_TAGS + 1];
	nulls[9] = nulls[10] = row.nulls[WRITE_TAGS] ? 'n' : ' ';
	covet_store_execute(&plan, TABLE_CACHE, values, nulls, NULL, NULL, NULL);
	for (int i = 0; i < distinct; i++)
		note_write(ns, sorted[i].key);
	return distinct;
}

/* Insert one entry; false when the key is there already. */
static bool
insert_row(const CacheNamespace *ns, const text *key, const RowValues *row)
{
	static StorePlan plan = {
		.sql = "INSERT INTO covet._cache (namespace, key, version, expires_at,"
		" seen_at, idle, stale, stamp, value, tags, tag_stamps)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
		" ON CONFLICT (namespace, key) DO NOTHING",
		.nargs = 11,
		.argtypes = {TEXTOID, TEXTOID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID,
		INT8OID, INT8OID, INT8OID, BYTEAOID, TEXTARRAYOID, INT8ARRAYOID},
	};
	Datum		values[11];
	char		nulls[12] = "           ";

	values[0] = PointerGetDatum(ns->name);
	values[1] = PointerGetDatum(key);
	for (int i = 0; i < (int) lengthof(write_columns); i++)
	{
		values[i + 2] = row->values[i];
		nulls[i + 2] = row->nulls[i] ? 'n' : ' ';
	}
	if (covet_store_execute(&plan, TABLE_CACHE, values, nulls, NULL, NULL, NULL) == 0)
		return false;
	note_write(ns, key);
	return true;
}

/*
 * covet_cache_add_entry.  Locks the key.
 */
bool
covet_table_add(CacheNamespace *ns, const CacheWrite *write,
				const text *key, const bytea *frame)
{
	bool		keep = write->expires_at > write->now;

	for (;;)
	{
		StoreTable	table;
		RowValues	row;
		bool		found = find_and_lock(ns, key, &table);
		bool		live = found && covet_cache_row_live(&table, write->now);

		if (!live && keep)
			make_row(ns, write, frame, &row);
		if (found && !live && keep)
			overwrite(ns, key, &table, &row);
		covet_store_close(&table);
		if (live)
			return false;
		if (found || !keep || insert_row(ns, key, &row))
			return true;
	}
}

/*
 * covet_cache_replace_entry.  Locks the key.
 */
bool
covet_table_replace(CacheNamespace *ns, const CacheWrite *write,
					const text *key, const bytea *frame, const int64 *if_version)
{
	StoreTable	table;
	bool		isnull;
	bool		stored;

	stored = find_and_lock(ns, key, &table) && covet_cache_row_live(&table, write->now) &&
		(if_version == NULL ||
		 *if_version == DatumGetInt64(covet_store_get(&table, CACHE_VERSION, &isnull)));
	if (stored && write->expires_at <= write->now)
		delete_row(ns, key, &table);
	else if (stored)
	{
		RowValues	row;

		make_row(ns, write, frame, &row);
		overwrite(ns, key, &table, &row);
	}
	covet_store_close(&table);
	return stored;
}

/*
 * covet_cache_incr_entry.  Locks the key.
 */
bool
covet_table_incr(CacheNamespace *ns, const CacheWrite *write, const text *key,
				 int64 by, const int64 *initial, int64 *result)
{
	bool		keep = write->expires_at > write->now;

	for (;;)
	{
		StoreTable	table;
		RowValues	row;
		bool		isnull;
		bool		found = find_and_lock(ns, key, &table);
		bool		live = found && covet_cache_row_live(&table, write->now);

		if (live)
		{
			const bytea *frame = DatumGetByteaPP(covet_store_get(&table, CACHE_VALUE, &isnull));
			AttrNumber	columns[2] = {CACHE_VERSION, CACHE_VALUE};
			Datum		values[2];
			ValueParts	parts;

			covet_frame_parts(frame, &parts);
			*result = covet_integer_add(covet_integer_decode(&parts), by);
			values[0] = Int64GetDatum(Max(covet_next_version(),
										  DatumGetInt64(covet_store_get(&table, CACHE_VERSION, &isnull)) + 1));
			values[1] = PointerGetDatum(covet_integer_encode(*result, covet_head_kind(parts.head)));
			covet_store_update(&table, columns, values, NULL, 2);
			note_write(ns, key);
		}
		else if (initial != NULL)
		{
			*result = covet_integer_add(*initial, by);
			make_row(ns, write, covet_integer_encode(*result, VALUE_TEXT), &row);
			if (found && keep)
				overwrite(ns, key, &table, &row);
		}
		covet_store_close(&table);
		if (live)
			return true;
		if (initial == NULL)
			return false;
		if (found || !keep || insert_row(ns, key, &row))
			return true;
	}
}

/*
 * covet_cache_take_entry.  Locks the key.
 */
bool
covet_table_take(CacheNamespace *ns, const text *key, ValueKind wanted, Datum *value)
{
	StoreTable	table;
	bool		isnull;
	bool		taken = find_and_lock(ns, key, &table) && covet_cache_row_live(&table, covet_now());

	if (taken)
	{
		*value = covet_value_decode(DatumGetByteaPP(covet_store_get(&table, CACHE_VALUE, &isnull)),
									wanted);
		delete_row(ns, key, &table);
	}
	covet_store_close(&table);
	return taken;
}

/*
 * covet_cache_touch_entry.  Locks the key.
 */
bool
covet_table_touch(CacheNamespace *ns, const text *key, TimestampTz now,
				  TimestampTz expires_at)
{
	StoreTable	table;
	bool		touched = find_and_lock(ns, key, &table) && covet_cache_row_live(&table, now);

	if (touched && expires_at <= now)
		delete_row(ns, key, &table);
	else if (touched)
	{
		AttrNumber	column = CACHE_EXPIRES_AT;
		Datum		value = TimestampTzGetDatum(expires_at);

		covet_store_update(&table, &column, &value, NULL, 1);
		note_write(ns, key);
	}
	covet_store_close(&table);
	return touched;
}

/*
 * covet_cache_delete_entries.  Locks the keys.
 */
int
covet_table_delete(CacheNamespace *ns, text **keys, int count)
{
	KeyedFrame *sorted = palloc(sizeof(KeyedFrame) * Max(count, 1));

	return delete_sorted(ns, sorted, covet_cache_sort_keys(keys, NULL, count, sorted));
}

/*
 * covet_cache_fill_entry.  Locks the key, its row or inserts that before it looks
 * at the lease for good: who wrote or deleted the key before has then voided the
 * lease or has put up a fence.
 */
bool
covet_table_fill(CacheNamespace *ns, const CacheWrite *write, const text *key,
				 int64 lease_id, const bytea *frame)
{
	bool		keep = write->expires_at > write->now;

	covet_store_lock_key(ns->name, key, ExclusiveLock);
	while (covet_cache_lease_stands(ns, write, key, lease_id))
	{
		StoreTable	table;
		RowValues	row;
		bool		found = find_and_lock(ns, key, &table);
		bool		stands = true;

		make_row(ns, write, frame, &row);
		if (found)
		{
			stands = covet_cache_lease_stands(ns, write, key, lease_id);
			if (stands && keep)
				overwrite(ns, key, &table, &row);
			else if (stands)
				delete_row(ns, key, &table);
		}
		covet_store_close(&table);
		if (found)
			return stands;
		if (!keep)
		{
			/* There is nothing to remove but the lease. */
			note_write(ns, key);
			return true;
		}
		if (insert_row(ns, key, &row))
		{
			KeyedFrame	inserted = {.key = (text *) key};

			if (covet_cache_lease_stands(ns, write, key, lease_id))
				return true;
			(void) delete_sorted(ns, &inserted, 1);
			return false;
		}
	}
	return false;
}
