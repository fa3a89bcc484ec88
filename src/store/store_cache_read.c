/*
 * store_cache_read.c
 *		Reading cache entries of namespaces with storage 'table'.
 *
 * An entry is live while its deadline has not come, it was read within its
 * idle time, and no stamp of its namespace or tags has moved since it was
 * written.  Everything else is dead, whether or not a sweep has removed it.
 *
 * Seeing an entry that has an idle time is kept coarsely: only when more than
 * a tenth of the idle time has passed since it was last kept, and only if that
 * can be done at once and without an error.  On a standby, where unlogged
 * tables cannot be read, every read is a miss.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/tableam.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/args.h"
#include "base/compat.h"
#include "store/store.h"
#include "store/store_table.h"

/* Part of the idle time that may pass before a read is kept. */
#define TOUCH_FRACTION	10

/* When an entry ends that nobody reads any more. */
static TimestampTz
row_end(StoreTable *table)
{
	bool		isnull;
	TimestampTz expires_at = DatumGetTimestampTz(covet_store_get(table, CACHE_EXPIRES_AT, &isnull));
	Ttl			idle = DatumGetInt64(covet_store_get(table, CACHE_IDLE, &isnull));

	if (idle != 0)
	{
		TimestampTz seen_at = DatumGetTimestampTz(covet_store_get(table, CACHE_SEEN_AT, &isnull));

		expires_at = Min(expires_at, covet_deadline(seen_at, idle));
	}
	return expires_at;
}

/* Calls stamp(slot) for each stamp an entry depends on, until one is newer. */
static bool
stamps_moved(StoreTable *table, int64 (*stamp) (int slot, void *arg), void *arg)
{
	bool		isnull;
	text	   *namespace = DatumGetTextPP(covet_store_get(table, CACHE_NAMESPACE, &isnull));
	int64		written = DatumGetInt64(covet_store_get(table, CACHE_STAMP, &isnull));
	Datum		value;
	Datum	   *tags;
	Datum	   *stamps;
	int			ntags;
	int			nstamps;

	if (stamp(covet_stamp_namespace_slot(namespace), arg) > written)
		return true;

	value = covet_store_get(table, CACHE_TAGS, &isnull);
	if (isnull)
		return false;
	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT,
					  &tags, NULL, &ntags);
	value = covet_store_get(table, CACHE_TAG_STAMPS, &isnull);
	deconstruct_array(DatumGetArrayTypeP(value), INT8OID, sizeof(int64),
					  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &stamps, NULL, &nstamps);
	for (int i = 0; i < Min(ntags, nstamps); i++)
		if (stamp(covet_stamp_tag_slot(namespace, DatumGetTextPP(tags[i])), arg) >
			DatumGetInt64(stamps[i]))
			return true;
	return false;
}

static int64
stamp_from_reader(int slot, void *arg)
{
	return covet_stamp_read((StampReader *) arg, slot);
}

static int64
stamp_from_array(int slot, void *arg)
{
	return ((int64 *) arg)[slot];
}

/*
 * Is the row of covet._cache in the slot a live entry?
 */
bool
covet_cache_row_live(StoreTable *table, TimestampTz now, StampReader *stamps)
{
	return row_end(table) > now && !stamps_moved(table, stamp_from_reader, stamps);
}

/* The stamps a sweep goes by. */
static int64 *sweep_stamps = NULL;

/*
 * Read the stamps for covet_cache_row_dead.  Stamps only rise, so what is dead
 * by old ones is dead by new ones.
 */
void
covet_cache_sweep_begin(void)
{
	sweep_stamps = covet_stamp_read_all();
}

/*
 * Can a sweep with this clock remove the row in the slot?
 */
bool
covet_cache_row_dead(StoreTable *table, TimestampTz now)
{
	return row_end(table) <= now || stamps_moved(table, stamp_from_array, sweep_stamps);
}

/*
 * Copy what is known of the row in the slot; pointers go with the slot, and
 * with the frame that is the result.
 */
static bytea *
get_entry(StoreTable *table, int flags, CacheEntry *entry)
{
	bool		isnull;
	Datum		value = covet_store_get(table, CACHE_VALUE, &isnull);
	bytea	   *frame;

	entry->has_value = (flags & CACHE_VALUES) != 0;
	entry->stored_size = toast_raw_datum_size(value) - VARHDRSZ;
	if (entry->has_value)
	{
		frame = DatumGetByteaPP(value);
		covet_frame_parts(frame, &entry->value);
	}
	else
	{
		frame = DatumGetByteaPSlice(value, 0, COVET_FRAME_HEADER);
		covet_frame_head(frame, &entry->value);
	}
	entry->key = DatumGetTextPP(covet_store_get(table, CACHE_KEY, &isnull));
	entry->version = DatumGetInt64(covet_store_get(table, CACHE_VERSION, &isnull));
	entry->expires_at = row_end(table);
	value = covet_store_get(table, CACHE_TAGS, &isnull);
	entry->tags = isnull ? NULL : DatumGetArrayTypeP(value);
	return frame;
}

/* Give back what get_entry had to copy. */
static void
release_entry(StoreTable *table, bytea *frame)
{
	bool		isnull;

	if (PointerGetDatum(frame) != slot_getattr(table->slot, CACHE_VALUE, &isnull))
		pfree(frame);
}

/* Has so much of an idle time passed that this read should be kept? */
static bool
touch_due(StoreTable *table, TimestampTz now)
{
	bool		isnull;
	Ttl			idle = DatumGetInt64(covet_store_get(table, CACHE_IDLE, &isnull));
	TimestampTz seen_at;

	if (idle == 0)
		return false;
	seen_at = DatumGetTimestampTz(covet_store_get(table, CACHE_SEEN_AT, &isnull));
	return now - seen_at > idle / TOUCH_FRACTION;
}

/* Keep that an entry was read, if nothing stands in the way. */
static void
touch(const CacheNamespace *ns, const text *key, TimestampTz now)
{
	StoreTable	table;
	StampReader stamps = {0};
	Datum		keys[2] = {PointerGetDatum(ns->name), PointerGetDatum(key)};

	if (!covet_store_try_open(&table, TABLE_CACHE, RowExclusiveLock))
		return;
	covet_store_search(&table, 0);
	if (covet_store_find(&table, keys, 2) &&
		covet_store_lock(&table, false) == STORE_LOCKED &&
		touch_due(&table, now) &&
		covet_cache_row_live(&table, now, &stamps))
		covet_store_touch(&table, CACHE_SEEN_AT, now);
	covet_stamp_close(&stamps);
	covet_store_close(&table);
}

/*
 * covet_cache_read, in one pass over the index.
 */
void
covet_table_read(CacheNamespace *ns, text **keys, int count, int flags,
				 CacheReceiver receive, void *arg)
{
	StoreTable	table;
	StampReader stamps = {0};
	TimestampTz now = covet_now();
	int		   *due = NULL;
	int			ndue = 0;

	if (RecoveryInProgress())
		return;

	covet_store_open(&table, TABLE_CACHE, AccessShareLock);
	covet_store_search(&table, 0);
	for (int i = 0; i < count; i++)
	{
		Datum		key[2] = {PointerGetDatum(ns->name), PointerGetDatum(keys[i])};
		CacheEntry	entry;
		bytea	   *frame;

		CHECK_FOR_INTERRUPTS();
		if (keys[i] == NULL || !covet_store_find(&table, key, 2) ||
			!covet_cache_row_live(&table, now, &stamps))
			continue;
		if ((flags & CACHE_SEEN) != 0 && touch_due(&table, now))
		{
			if (due == NULL)
				due = palloc(sizeof(int) * count);
			due[ndue++] = i;
		}
		frame = get_entry(&table, flags, &entry);
		receive(&entry, i, arg);
		release_entry(&table, frame);
	}
	covet_stamp_close(&stamps);
	covet_store_close(&table);

	if (ndue > 0 && covet_store_can_touch())
		for (int i = 0; i < ndue; i++)
			touch(ns, keys[due[i]], now);
}

static bool
starts_with(const text *value, const text *prefix)
{
	return VARSIZE_ANY_EXHDR(value) >= VARSIZE_ANY_EXHDR(prefix) &&
		memcmp(VARDATA_ANY(value), VARDATA_ANY(prefix), VARSIZE_ANY_EXHDR(prefix)) == 0;
}

/*
 * covet_cache_scan_range, over the index.
 */
void
covet_table_scan(CacheNamespace *ns, const text *prefix, const text *after,
				 int max_entries, int flags, CacheReceiver receive, void *arg)
{
	StoreTable	table;
	StampReader stamps = {0};
	TimestampTz now = covet_now();
	bool		above = after != NULL && covet_compare_texts(after, prefix) >= 0;
	bool		found;
	int			count = 0;

	if (RecoveryInProgress())
		return;

	covet_store_open(&table, TABLE_CACHE, AccessShareLock);
	covet_store_search(&table, 0);
	found = covet_store_find_from(&table, PointerGetDatum(ns->name),
								  PointerGetDatum(above ? after : prefix), above);
	for (; found && count < max_entries; found = covet_store_next(&table))
	{
		CacheEntry	entry;
		bytea	   *frame;
		bool		isnull;
		text	   *key = DatumGetTextPP(covet_store_get(&table, CACHE_KEY, &isnull));

		CHECK_FOR_INTERRUPTS();
		if (!starts_with(key, prefix))
			break;
		if (!covet_cache_row_live(&table, now, &stamps))
			continue;
		frame = get_entry(&table, flags, &entry);
		receive(&entry, count++, arg);
		release_entry(&table, frame);
	}
	covet_stamp_close(&stamps);
	covet_store_close(&table);
}

typedef struct UsageEntry
{
	char		namespace[COVET_NAMESPACE_MAX + 1]; /* hash key */
	int64		entries;
	int64		bytes;
} UsageEntry;

/*
 * covet_cache_usage, of what lies in the table; reads all of it.
 */
void
covet_table_usage(void (*receive) (const text *namespace, int64 entries,
								   int64 bytes, void *arg), void *arg)
{
	HASHCTL		ctl = {.keysize = COVET_NAMESPACE_MAX + 1,.entrysize = sizeof(UsageEntry),
	.hcxt = CurrentMemoryContext};
	HTAB	   *usage;
	HASH_SEQ_STATUS seq;
	UsageEntry *entry;
	StoreTable	table;
	Snapshot	snapshot;
	TableScanDesc scan;
	TimestampTz now = covet_now();
	MemoryContext row_context;

	if (RecoveryInProgress())
		return;

	usage = hash_create("covet cache usage", 64, &ctl,
						HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	row_context = AllocSetContextCreate(CurrentMemoryContext, "covet cache row",
										ALLOCSET_DEFAULT_SIZES);
	covet_cache_sweep_begin();
	covet_store_open(&table, TABLE_CACHE, AccessShareLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan = table_beginscan(table.rel, snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, table.slot))
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);
		bool		isnull;
		bool		found;

		CHECK_FOR_INTERRUPTS();
		if (!covet_cache_row_dead(&table, now))
		{
			char	   *name = TextDatumGetCString(covet_store_get(&table, CACHE_NAMESPACE, &isnull));

			entry = hash_search(usage, name, HASH_ENTER, &found);
			if (!found)
				entry->entries = entry->bytes = 0;
			entry->entries++;
			/* sizes without fetching what lies out of line */
			entry->bytes += toast_raw_datum_size(slot_getattr(table.slot, CACHE_KEY, &isnull)) - VARHDRSZ;
			entry->bytes += toast_raw_datum_size(slot_getattr(table.slot, CACHE_VALUE, &isnull)) - VARHDRSZ;
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	covet_store_close(&table);

	hash_seq_init(&seq, usage);
	while ((entry = hash_seq_search(&seq)) != NULL)
		receive(cstring_to_text(entry->namespace), entry->entries, entry->bytes, arg);
	hash_destroy(usage);
}
