/*
 * store_quota.c
 *		Quotas of cache namespaces in tables: one that has more bytes than it may
 *		evicts its own entries, those that have no copy in the hot tier first,
 *		oldest version first.
 *
 * A quota counts the bytes of keys and of values as they are stored (frames).
 * Rows that are dead count until they are swept, so quotas come after the sweep
 * of the table.  To know the sum of each namespace takes a walk through the
 * whole heap; it is saved whenever the table on disk is too small for any
 * namespace to be over the smallest quota there is.
 *
 * Rows that somebody has locked are left alone, and a table whose lock is not
 * to be had at once is left for the next time.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "base/guc.h"
#include "hot/hot.h"
#include "store/store.h"
#include "store/store_table.h"

/*
 * Rows evicted by one statement, so that a tick can stop in between.  To find
 * them costs a walk through the table however few they are.
 */
#define EVICT_ROWS	30000

static StorePlan smallest_plan = {
	.sql = "SELECT LEAST($1, pg_catalog.min(n.max_bytes)) FROM covet._cache_namespace n",
	.nargs = 1,
	.argtypes = {INT8OID},
};

static StorePlan over_plan = {
	.sql = "SELECT s.namespace, s.size OPERATOR(pg_catalog.-) s.quota"
	" FROM (SELECT c.namespace,"
	" pg_catalog.sum(pg_catalog.octet_length(c.key)"
	" OPERATOR(pg_catalog.+) pg_catalog.octet_length(c.value)) AS size,"
	" COALESCE(n.max_bytes, $1) AS quota"
	" FROM covet._cache c LEFT JOIN covet._cache_namespace n"
	" ON n.namespace OPERATOR(pg_catalog.=) c.namespace"
	" GROUP BY c.namespace, n.max_bytes) s"
	" WHERE s.size OPERATOR(pg_catalog.>) s.quota",
	.nargs = 1,
	.argtypes = {INT8OID},
};

/*
 * $1 namespace, $2 bytes to free, $3 rows, $4 keys in the hot tier.  "before" is
 * the size of all entries that go before one: it goes while that is less than
 * what is to be freed.  The innermost LIMIT keeps the sort from growing with
 * the table.
 */
static StorePlan evict_plan = {
	.sql = "DELETE FROM covet._cache WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY("
	"SELECT l.ctid FROM covet._cache l WHERE l.ctid OPERATOR(pg_catalog.=) ANY (ARRAY("
	"SELECT o.id FROM (SELECT c.id,"
	" pg_catalog.sum(c.size) OVER (ORDER BY c.hot, c.version ROWS UNBOUNDED PRECEDING)"
	" OPERATOR(pg_catalog.-) c.size AS before"
	" FROM (SELECT e.ctid AS id, e.version, h.key IS NOT NULL AS hot,"
	" pg_catalog.octet_length(e.key)"
	" OPERATOR(pg_catalog.+) pg_catalog.octet_length(e.value) AS size"
	" FROM covet._cache e LEFT JOIN pg_catalog.unnest($4) AS h(key)"
	" ON h.key OPERATOR(pg_catalog.=) e.key"
	" WHERE e.namespace OPERATOR(pg_catalog.=) $1"
	" ORDER BY hot, e.version LIMIT $3) c) o"
	" WHERE o.before OPERATOR(pg_catalog.<) $2))"
	" FOR UPDATE SKIP LOCKED))"
	" RETURNING key, pg_catalog.octet_length(key)"
	" OPERATOR(pg_catalog.+) pg_catalog.octet_length(value)",
	.nargs = 4,
	.argtypes = {TEXTOID, INT8OID, INT8OID, TEXTARRAYOID},
};

/* A namespace over its quota. */
typedef struct Excess
{
	text	   *namespace;
	int64		bytes;			/* that it has too many */
} Excess;

static void
receive_int64(HeapTuple row, TupleDesc desc, void *arg)
{
	bool		isnull;

	*(int64 *) arg = DatumGetInt64(heap_getattr(row, 1, desc, &isnull));
}

static void
receive_excess(HeapTuple row, TupleDesc desc, void *arg)
{
	List	  **list = arg;
	Excess	   *excess = palloc(sizeof(Excess));
	bool		isnull;

	excess->namespace = DatumGetTextPCopy(heap_getattr(row, 1, desc, &isnull));
	excess->bytes = DatumGetInt64(heap_getattr(row, 2, desc, &isnull));
	*list = lappend(*list, excess);
}

/* What an eviction has come to. */
typedef struct Evicted
{
	HotHome    *home;			/* of the namespace; or NULL */
	int64		bytes;
	int64		rows;
} Evicted;

/* An evicted row: its hot copy goes with it. */
static void
receive_evicted(HeapTuple row, TupleDesc desc, void *arg)
{
	Evicted    *evicted = arg;
	bool		isnull;
	text	   *bytes = DatumGetTextPP(heap_getattr(row, 1, desc, &isnull));
	HotKey		key = {.home = evicted->home};

	if (key.home != NULL && VARSIZE_ANY_EXHDR(bytes) <= COVET_KEY_MAX)
		covet_hot_key(&key, key.home, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	covet_pending_drop(&key);
	evicted->bytes += DatumGetInt32(heap_getattr(row, 2, desc, &isnull));
	evicted->rows++;
}

/* The keys of a home that have copies in the hot tier, as a text[]. */
static Datum
hot_keys(const HotHome *home)
{
	ArrayBuildState *keys = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	HotWalk		walk;
	HotItem		item;

	if (home != NULL)
	{
		covet_hot_walk_begin(&walk, home->space, 1 << HOT_CACHE, covet_now());
		while (covet_hot_walk_next(&walk, &item))
			if (item.home == home && item.live)
				keys = accumArrayResult(keys,
										PointerGetDatum(cstring_to_text_with_len(item.key, item.key_size)),
										false, TEXTOID, CurrentMemoryContext);
		covet_hot_walk_end(&walk);
	}
	return makeArrayResult(keys, CurrentMemoryContext);
}

/* Evict from one namespace; false when there may be more to do. */
static bool
evict_excess(const Excess *excess, int64 *removed)
{
	Evicted		evicted = {0};
	Datum		values[4];

	if (VARSIZE_ANY_EXHDR(excess->namespace) <= COVET_NAMESPACE_MAX)
		evicted.home = covet_hot_home(HOT_CACHE, VARDATA_ANY(excess->namespace),
									  VARSIZE_ANY_EXHDR(excess->namespace), true);
	values[0] = PointerGetDatum(excess->namespace);
	values[1] = Int64GetDatum(excess->bytes);
	values[2] = Int64GetDatum(EVICT_ROWS);
	values[3] = hot_keys(evicted.home);
	covet_store_execute(&evict_plan, TABLE_CACHE, values, NULL,
						CurrentMemoryContext, receive_evicted, &evicted);
	*removed += evicted.rows;
	return evicted.rows == 0 || evicted.bytes >= excess->bytes;
}

/* Bytes of the heap of a table and of its TOAST table. */
static int64
bytes_on_disk(Relation rel)
{
	int64		blocks = RelationGetNumberOfBlocks(rel);
	Oid			toast = rel->rd_rel->reltoastrelid;

	if (OidIsValid(toast))
	{
		Relation	toast_rel = relation_open(toast, AccessShareLock);

		blocks += RelationGetNumberOfBlocks(toast_rel);
		relation_close(toast_rel, AccessShareLock);
	}
	return blocks * BLCKSZ;
}

/*
 * The namespaces over their quotas.  What is stored takes more bytes on disk
 * than a quota counts, except that a key may have been compressed: never to
 * less than half of the two together.
 */
static List *
find_excess(StoreTable *cache)
{
	Datum		values[1];
	int64		smallest = 0;
	List	   *list = NIL;

	values[0] = Int64GetDatum((int64) covet_default_max_bytes * 1024);
	covet_store_execute(&smallest_plan, TABLE_CACHE_NAMESPACE, values, NULL,
						CurrentMemoryContext, receive_int64, &smallest);
	if (bytes_on_disk(cache->rel) * 2 <= smallest)
		return NIL;
	covet_store_execute(&over_plan, TABLE_CACHE, values, NULL,
						CurrentMemoryContext, receive_excess, &list);
	return list;
}

/*
 * Evict entries of the namespaces over their quotas, at most EVICT_ROWS of
 * each, and add their number to *removed.  True when all namespaces are within
 * their quotas now, or as near as can be without waiting.
 */
bool
covet_store_evict(int64 *removed)
{
	StoreTable	cache;
	StoreTable	namespaces;
	List	   *list;
	ListCell   *cell;
	bool		complete = true;

	if (!covet_store_try_open(&namespaces, TABLE_CACHE_NAMESPACE, AccessShareLock))
		return true;
	if (!covet_store_try_open(&cache, TABLE_CACHE, RowExclusiveLock))
	{
		covet_store_close(&namespaces);
		return true;
	}

	list = find_excess(&cache);
	foreach(cell, list)
		if (!evict_excess(lfirst(cell), removed))
			complete = false;

	covet_store_close(&cache);
	covet_store_close(&namespaces);
	return complete;
}
