/*
 * store_table.c
 *		Reading rows by an index and changing them in place, without SPI.
 *
 * Reading.  A search takes the table's lock first and GetLatestSnapshot after
 * it, so it sees every transaction that was acknowledged before it began, in
 * every isolation level; the snapshot stays registered until the search ends,
 * so what is copied or detoasted before that is safe.  A transaction's own
 * writes are seen because each write here ends with CommandCounterIncrement.
 * The primary key index is asked for at each search: REINDEX CONCURRENTLY
 * swaps it.
 *
 * Changing.  A row is found, then locked: covet_store_lock waits for whoever
 * is changing it and follows the chain to its last version, which it leaves in
 * the slot.  The caller looks at that version again (its key may have changed)
 * and updates or deletes it.  Because the last version is locked, the update
 * cannot meet a serialization failure in READ COMMITTED or REPEATABLE READ; in
 * SERIALIZABLE it can.
 *
 * The oids of the tables are cached and dropped by relcache invalidation, so
 * DROP EXTENSION and CREATE EXTENSION are noticed.
 *
 * Rows are put into the indexes as those of catalogs are, which knows columns
 * only.  Where somebody gave one of the tables an index on an expression, or
 * one with a WHERE, no row is changed in place: an update raises 55000, and a
 * touch is skipped.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_index.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "hot/hot.h"
#include "store/store.h"
#include "store/store_table.h"

#define MAX_KEYS	2

static const char *const table_names[NUM_STORE_TABLES] = {
	[TABLE_SETTING] = "_setting",
	[TABLE_CACHE_NAMESPACE] = "_cache_namespace",
	[TABLE_CACHE] = "_cache",
	[TABLE_SESSION] = "_session",
	[TABLE_SESSION_LOGGED] = "_session_logged",
	[TABLE_TOKEN] = "_token",
	[TABLE_TOKEN_SUBJECT] = "_token_subject",
};

/* What is known of the indexes of a table; forgotten with its oid. */
typedef enum IndexKind
{
	INDEXES_UNKNOWN,
	INDEXES_PLAIN,				/* columns only */
	INDEXES_FOREIGN				/* one has an expression or a predicate */
} IndexKind;

static Oid	relids[NUM_STORE_TABLES];
static IndexKind index_kinds[NUM_STORE_TABLES];
static bool callback_registered = false;

static void
relcache_callback(Datum arg, Oid relid)
{
	for (int i = 0; i < NUM_STORE_TABLES; i++)
		if (relid == InvalidOid || relids[i] == relid || relids[i] == InvalidOid)
		{
			relids[i] = InvalidOid;
			index_kinds[i] = INDEXES_UNKNOWN;
		}
}

/*
 * The oid of one of covet's tables, or InvalidOid where the extension is not
 * installed.
 */
Oid
covet_store_relid(StoreTableId id)
{
	if (!callback_registered)
	{
		CacheRegisterRelcacheCallback(relcache_callback, (Datum) 0);
		callback_registered = true;
	}
	if (!OidIsValid(relids[id]))
	{
		Oid			schema = get_namespace_oid("covet", true);

		if (OidIsValid(schema))
			relids[id] = get_relname_relid(table_names[id], schema);
	}
	return relids[id];
}

/* Fill "table" for a relation that is open. */
static void
start(StoreTable *table, StoreTableId id, LOCKMODE lockmode, Relation rel)
{
	memset(table, 0, sizeof(*table));
	table->id = id;
	table->lockmode = lockmode;
	table->rel = rel;
	table->slot = table_slot_create(rel, NULL);
}

/*
 * Open a table with a lock of at least ACCESS SHARE, waiting for it.  Raises
 * 42P01 where the extension is not installed.  Closed by covet_store_close, or
 * by the end of the transaction after an error.
 */
void
covet_store_open(StoreTable *table, StoreTableId id, LOCKMODE lockmode)
{
	/* The oid may change between the look and the lock, a few times at most. */
	for (int tries = 0; tries < 3; tries++)
	{
		Oid			relid = covet_store_relid(id);
		Relation	rel = OidIsValid(relid) ? try_table_open(relid, lockmode) : NULL;

		if (rel != NULL)
		{
			start(table, id, lockmode, rel);
			return;
		}
		relids[id] = InvalidOid;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_TABLE),
			 errmsg("table \"covet.%s\" does not exist", table_names[id]),
			 errhint("Is the extension covet installed in this database?")));
}

/*
 * The same without waiting for the lock: false when it is not to be had at
 * once or there is no such table.
 */
bool
covet_store_try_open(StoreTable *table, StoreTableId id, LOCKMODE lockmode)
{
	Oid			relid = covet_store_relid(id);
	Relation	rel;

	if (!OidIsValid(relid) || !ConditionalLockRelationOid(relid, lockmode))
		return false;
	rel = try_table_open(relid, NoLock);
	if (rel == NULL)
	{
		UnlockRelationOid(relid, lockmode);
		return false;
	}
	start(table, id, lockmode, rel);
	return true;
}

/*
 * Close a table.  A lock for reading is given back, one for writing stays
 * until the transaction ends.
 */
void
covet_store_close(StoreTable *table)
{
	covet_store_end_search(table);
	ExecDropSingleTupleTableSlot(table->slot);
	table_close(table->rel,
				table->lockmode == AccessShareLock ? AccessShareLock : NoLock);
}

/* The valid index whose first column is "first_key". */
static Oid
index_on(Relation rel, AttrNumber first_key)
{
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *cell;
	Oid			result = InvalidOid;

	foreach(cell, indexes)
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
		Form_pg_index form;

		if (!HeapTupleIsValid(tuple))
			continue;
		form = (Form_pg_index) GETSTRUCT(tuple);
		if (form->indisvalid && form->indkey.values[0] == first_key)
			result = lfirst_oid(cell);
		ReleaseSysCache(tuple);
	}
	list_free(indexes);
	return result;
}

/*
 * Begin a search by the primary key (first_key 0) or by the index whose first
 * column is "first_key", with a snapshot taken now.  A search under way is
 * ended.
 */
void
covet_store_search(StoreTable *table, AttrNumber first_key)
{
	Oid			index;

	covet_store_end_search(table);
	index = first_key == 0 ? covet_primary_key_index(table->rel)
		: index_on(table->rel, first_key);
	if (!OidIsValid(index))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("an index of table \"covet.%s\" is missing or invalid",
						table_names[table->id]),
				 errhint("Drop and create the extension covet, or reindex the table.")));

	table->snapshot = RegisterSnapshot(GetLatestSnapshot());
	table->index = index_open(index, AccessShareLock);
}

/* A condition on index column i, counted from 0. */
static void
init_scankey(Relation index, ScanKey key, int i, StrategyNumber strategy, Datum value)
{
	Oid			opcintype = index->rd_opcintype[i];
	Oid			opr = get_opfamily_member(index->rd_opfamily[i], opcintype, opcintype,
										  strategy);

	ScanKeyEntryInitialize(key, 0, i + 1, strategy, InvalidOid,
						   index->rd_indcollation[i], get_opcode(opr), value);
}

static void
begin_scan(StoreTable *table, ScanKey keys, int nkeys)
{
	if (table->scan == NULL)
		table->scan = covet_index_beginscan(table->rel, table->index,
											table->snapshot, nkeys);
	index_rescan(table->scan, keys, nkeys, NULL, 0);
}

/*
 * Look for the first row whose leading index columns equal the keys; it is
 * left in table->slot until the next call.  Needs a search.
 */
bool
covet_store_find(StoreTable *table, const Datum *keys, int nkeys)
{
	ScanKeyData scankeys[MAX_KEYS];

	for (int i = 0; i < nkeys; i++)
		init_scankey(table->index, &scankeys[i], i, BTEqualStrategyNumber, keys[i]);
	begin_scan(table, scankeys, nkeys);
	return covet_store_next(table);
}

/*
 * Look for the first row whose first index column equals "first" and whose
 * second is at least "low", or above it when "above"; covet_store_next goes on
 * in index order.  Needs a search.
 */
bool
covet_store_find_from(StoreTable *table, Datum first, Datum low, bool above)
{
	ScanKeyData scankeys[2];

	init_scankey(table->index, &scankeys[0], 0, BTEqualStrategyNumber, first);
	init_scankey(table->index, &scankeys[1], 1,
				 above ? BTGreaterStrategyNumber : BTGreaterEqualStrategyNumber, low);
	begin_scan(table, scankeys, 2);
	return covet_store_next(table);
}

/*
 * Go on to the next row of what was looked for.
 */
bool
covet_store_next(StoreTable *table)
{
	return index_getnext_slot(table->scan, ForwardScanDirection, table->slot);
}

/*
 * End the search, if one is under way, and give its snapshot back.
 */
void
covet_store_end_search(StoreTable *table)
{
	ExecClearTuple(table->slot);
	if (table->scan != NULL)
		index_endscan(table->scan);
	if (table->index != NULL)
		index_close(table->index, AccessShareLock);
	if (table->snapshot != NULL)
		UnregisterSnapshot(table->snapshot);
	table->scan = NULL;
	table->index = NULL;
	table->snapshot = NULL;
}

/*
 * Lock the row in the slot for a change and bring its last version into the
 * slot.  With wait false a row that somebody else is changing, or has changed
 * since the search began, is STORE_BUSY.  Raises 40001 in SERIALIZABLE only.
 */
StoreLock
covet_store_lock(StoreTable *table, bool wait)
{
	ItemPointerData tid = table->slot->tts_tid;
	TM_FailureData failure;
	TM_Result	result;

	result = table_tuple_lock(table->rel, &tid, table->snapshot, table->slot,
							  GetCurrentCommandId(true), LockTupleExclusive,
							  wait ? LockWaitBlock : LockWaitSkip,
							  wait ? TUPLE_LOCK_FLAG_FIND_LAST_VERSION : 0,
							  &failure);
	switch (result)
	{
		case TM_Ok:
			return STORE_LOCKED;
		case TM_WouldBlock:
		case TM_Updated:
			return STORE_BUSY;
		case TM_Deleted:
			return STORE_GONE;
		case TM_SelfModified:
		case TM_Invisible:
			/* The statement that called us is changing this very row itself. */
			ereport(ERROR,
					(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
					 errmsg("row of covet.%s was already modified by the current command",
							table_names[table->id])));
			break;
		default:
			elog(ERROR, "unexpected table_tuple_lock status: %u", result);
	}
	return STORE_GONE;			/* keep the compiler quiet */
}

/*
 * Does every index of a table, which is open for writing, hold columns only?
 * The lock keeps an index that does not from being filled before we look again.
 */
bool
covet_store_plain(StoreTable *table)
{
	List	   *indexes;
	ListCell   *cell;

	if (likely(index_kinds[table->id] == INDEXES_PLAIN))
		return true;

	/* An invalidation that arrives while we look takes this back. */
	index_kinds[table->id] = INDEXES_PLAIN;
	indexes = RelationGetIndexList(table->rel);
	foreach(cell, indexes)
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));

		if (!HeapTupleIsValid(tuple))
			continue;
		if (!heap_attisnull(tuple, Anum_pg_index_indexprs, NULL) ||
			!heap_attisnull(tuple, Anum_pg_index_indpred, NULL))
			index_kinds[table->id] = INDEXES_FOREIGN;
		ReleaseSysCache(tuple);
	}
	list_free(indexes);
	return index_kinds[table->id] == INDEXES_PLAIN;
}

/* Replace columns of the row in the slot. */
static void
replace_columns(StoreTable *table, const AttrNumber *columns,
				   const Datum *values, const bool *nulls, int count)
{
	TupleDesc	desc = RelationGetDescr(table->rel);
	Datum	   *all_values = palloc0(sizeof(Datum) * desc->natts);
	bool	   *all_nulls = palloc0(sizeof(bool) * desc->natts);
	bool	   *replace = palloc0(sizeof(bool) * desc->natts);
	ItemPointerData tid = table->slot->tts_tid;
	bool		should_free;
	HeapTuple	old = ExecFetchSlotHeapTuple(table->slot, true, &should_free);
	HeapTuple	new;

	for (int i = 0; i < count; i++)
	{
		all_values[columns[i] - 1] = values[i];
		all_nulls[columns[i] - 1] = nulls != NULL && nulls[i];
		replace[columns[i] - 1] = true;
	}
	new = heap_modify_tuple(old, desc, all_values, all_nulls, replace);
	CatalogTupleUpdate(table->rel, &tid, new);
	CommandCounterIncrement();

	heap_freetuple(new);
	if (should_free)
		heap_freetuple(old);
	pfree(all_values);
	pfree(all_nulls);
	pfree(replace);
}

static void
require_plain_indexes(StoreTable *table)
{
	if (!covet_store_plain(table))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"covet.%s\" has an index that covet did not make",
						table_names[table->id]),
				 errdetail("Indexes with expressions or predicates are not supported on it."),
				 errhint("Drop that index.")));
}

/*
 * Insert a row, of as many values as the table has columns.  Seen by this
 * transaction at once.  For keys that nobody else can insert at the same time:
 * one that is there, or comes while we wait for its transaction, is 23505.
 * Raises 55000 where the table has an index that is not one of columns.
 */
void
covet_store_insert(StoreTable *table, const Datum *values, const bool *nulls)
{
	HeapTuple	row;

	require_plain_indexes(table);
	covet_pending_note();
	row = heap_form_tuple(RelationGetDescr(table->rel), (Datum *) values, (bool *) nulls);
	CatalogTupleInsert(table->rel, row);
	CommandCounterIncrement();
	heap_freetuple(row);
}

/*
 * Replace columns of the row in the slot, which is locked.  Seen by this
 * transaction at once.  A search under way keeps its old snapshot.  Raises
 * 55000 where the table has an index that is not one of columns.
 */
void
covet_store_update(StoreTable *table, const AttrNumber *columns,
				   const Datum *values, const bool *nulls, int count)
{
	require_plain_indexes(table);
	covet_pending_note();
	replace_columns(table, columns, values, nulls, count);
}

/*
 * Set the time the row in the slot, which is locked, was last seen.  The
 * transaction can still be prepared: a read is not a write because it happens
 * to keep this.  Skipped where covet_store_update() would raise an error.
 */
void
covet_store_touch(StoreTable *table, AttrNumber column, TimestampTz seen_at)
{
	Datum		value = TimestampTzGetDatum(seen_at);

	if (covet_store_plain(table))
		replace_columns(table, &column, &value, NULL, 1);
}

/*
 * May a read keep that it has seen a row?  Not where it would have to raise an
 * error: in a READ ONLY transaction, on a standby, and in SERIALIZABLE, where
 * any update can end in 40001.
 */
bool
covet_store_can_touch(void)
{
	return covet_store_writable() && !IsolationIsSerializable();
}

/*
 * Delete the row in the slot, which is locked.
 */
void
covet_store_delete(StoreTable *table)
{
	ItemPointerData tid = table->slot->tts_tid;

	covet_pending_note();
	simple_heap_delete(table->rel, &tid);
	CommandCounterIncrement();
}

/*
 * A column of the row in the slot, detoasted if it is a varlena; valid as long
 * as the row is there, or palloc'd.
 */
Datum
covet_store_get(StoreTable *table, AttrNumber column, bool *isnull)
{
	Form_pg_attribute attr = TupleDescAttr(RelationGetDescr(table->rel), column - 1);
	Datum		value = slot_getattr(table->slot, column, isnull);

	if (!*isnull && attr->attlen == -1)
		value = PointerGetDatum(PG_DETOAST_DATUM_PACKED(value));
	return value;
}

/*
 * Raise 25006 in a READ ONLY transaction and on a standby.  "what" is the
 * function's name as a user writes it.
 */
void
covet_store_require_writable(const char *what)
{
	PreventCommandIfReadOnly(what);
}

/*
 * May this transaction write?
 */
bool
covet_store_writable(void)
{
	return !XactReadOnly && !RecoveryInProgress();
}
