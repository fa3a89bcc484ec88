/*
 * store_stamp.c
 *		When namespaces and tags of the cache were last cleared.
 *
 * To clear a namespace or a tag moves its stamp, whatever the number of
 * entries; an entry carries the stamps that stood when it was written and is
 * dead once one of them has moved.  Stamps are rows of covet._cache_stamp, so
 * they move at commit and not at all after a rollback, and the transaction
 * that cleared sees it at once.  A set that read the stamps before a clear
 * committed is dead even if it commits after it: a value from before
 * somebody's invalidation never comes back.
 *
 * The slots are fixed in number (4096 for namespaces, 65536 for tags), chosen
 * by hash: nothing grows, and two names of one slot only clear each other.
 * Slots are locked in rising order.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/array.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/version.h"
#include "store/store_table.h"

#define NAMESPACE_SLOTS	4096
#define TAG_SLOTS		65536

enum StampColumn
{
	STAMP_SLOT = 1,
	STAMP_STAMP
};

static uint64
hash_text(const text *value)
{
	return DatumGetUInt64(hash_any_extended((const unsigned char *) VARDATA_ANY(value),
											VARSIZE_ANY_EXHDR(value), 0));
}

/*
 * The slot of a namespace.
 */
int
covet_stamp_namespace_slot(const text *namespace)
{
	return (int) (hash_text(namespace) % NAMESPACE_SLOTS);
}

/*
 * The slot of a tag within a namespace.
 */
int
covet_stamp_tag_slot(const text *namespace, const text *tag)
{
	return NAMESPACE_SLOTS +
		(int) (hash_combine64(hash_text(namespace), hash_text(tag)) % TAG_SLOTS);
}

/*
 * The stamp of a slot, 0 where it never moved.  The reader starts zeroed and
 * takes one snapshot for all it reads.
 */
int64
covet_stamp_read(StampReader *reader, int slot)
{
	Datum		key = Int32GetDatum(slot);
	bool		isnull;

	if (!reader->open)
	{
		covet_store_open(&reader->table, TABLE_CACHE_STAMP, AccessShareLock);
		covet_store_search(&reader->table, 0);
		reader->open = true;
		reader->last_slot = -1;
	}
	if (slot != reader->last_slot)
	{
		reader->last_slot = slot;
		reader->last_stamp = covet_store_find(&reader->table, &key, 1)
			? DatumGetInt64(covet_store_get(&reader->table, STAMP_STAMP, &isnull)) : 0;
	}
	return reader->last_stamp;
}

/*
 * Close the table a reader may have opened; the next read takes a new
 * snapshot.
 */
void
covet_stamp_close(StampReader *reader)
{
	if (reader->open)
		covet_store_close(&reader->table);
	reader->open = false;
}

static int
compare_slots(const void *a, const void *b)
{
	return *(const int *) a - *(const int *) b;
}

/*
 * Move the stamps of some slots, when this transaction commits.  Waits for
 * other transactions that move the same.
 */
void
covet_stamp_move(const int *slots, int count)
{
	static StorePlan plan = {
		.sql = "INSERT INTO covet._cache_stamp AS s (slot, stamp)"
		" SELECT u.slot, $2 FROM pg_catalog.unnest($1) AS u(slot)"
		" ON CONFLICT (slot) DO UPDATE SET stamp ="
		" GREATEST(excluded.stamp, s.stamp OPERATOR(pg_catalog.+) 1)",
		.nargs = 2,
		.argtypes = {INT4ARRAYOID, INT8OID},
	};
	int		   *sorted = palloc(sizeof(int) * count);
	Datum	   *elements = palloc(sizeof(Datum) * count);
	Datum		values[2];
	int			distinct = 0;

	memcpy(sorted, slots, sizeof(int) * count);
	qsort(sorted, count, sizeof(int), compare_slots);
	for (int i = 0; i < count; i++)
		if (i == 0 || sorted[i] != sorted[i - 1])
			elements[distinct++] = Int32GetDatum(sorted[i]);
	if (distinct == 0)
		return;

	values[0] = PointerGetDatum(construct_array(elements, distinct, INT4OID,
												sizeof(int32), true, TYPALIGN_INT));
	values[1] = Int64GetDatum(covet_next_version());
	covet_store_execute(&plan, TABLE_CACHE_STAMP, values, NULL, NULL, NULL, NULL);
}

/*
 * All stamps as an array indexed by slot, kept for the life of the backend and
 * filled anew by each call: for those that look at every row.
 */
int64 *
covet_stamp_read_all(void)
{
	static int64 *stamps = NULL;
	const Size	size = sizeof(int64) * (NAMESPACE_SLOTS + TAG_SLOTS);
	StoreTable	table;
	Snapshot	snapshot;
	TableScanDesc scan;

	if (stamps == NULL)
		stamps = MemoryContextAlloc(TopMemoryContext, size);
	memset(stamps, 0, size);

	covet_store_open(&table, TABLE_CACHE_STAMP, AccessShareLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan = table_beginscan(table.rel, snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, table.slot))
	{
		bool		isnull;
		int			slot = DatumGetInt32(slot_getattr(table.slot, STAMP_SLOT, &isnull));

		if (slot >= 0 && slot < NAMESPACE_SLOTS + TAG_SLOTS)
			stamps[slot] = DatumGetInt64(slot_getattr(table.slot, STAMP_STAMP, &isnull));
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	covet_store_close(&table);
	return stamps;
}
