/*
 * store_cache_read.c
 *		Reading cache entries of namespaces with storage 'table'.
 *
 * An entry is live while its deadline has not come, it was read within its
 * idle time, no stamp of its namespace or tags has moved since it was written,
 * and the stamps of when it was written are known still.  Everything else is
 * dead, whether or not a sweep has removed it.
 *
 * A read looks into the hot tier first.  What is not there is read from the
 * table, with a snapshot taken after memory was looked at, and put into memory
 * for the next reader, if nobody wrote it meanwhile: see hot_table.c.  So is
 * that there is nothing.  A transaction that has written puts nothing there,
 * and reads from the table what it wrote itself.
 *
 * That an entry with an idle time was seen is kept in its copy, which the
 * worker saves (store_touch.c).  Where there is no copy it is kept in the row,
 * coarsely: only when more than a tenth of the idle time has passed since it
 * was last kept, and only if that can be done at once and without an error.
 *
 * On a standby, where unlogged tables cannot be read, every read is a miss.
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
#include "hot/hot.h"
#include "store/store.h"
#include "store/store_table.h"

/* Part of the idle time that may pass before a read is kept in the row. */
#define TOUCH_FRACTION	10

/*
 * A row that carries a newer stamp than its slot was written by a transaction
 * that cleared and is just being committed.  After so long it is something
 * else: a row that CREATE DATABASE copied, say.
 */
#define STAMP_PATIENCE	USECS_PER_HOUR

/* ------------------------------------------------------------------------
 * Rows
 * ------------------------------------------------------------------------ */

static int64
get_int64(StoreTable *table, AttrNumber column)
{
	bool		isnull;

	return DatumGetInt64(covet_store_get(table, column, &isnull));
}

static text *
get_text(StoreTable *table, AttrNumber column)
{
	bool		isnull;

	return DatumGetTextPP(covet_store_get(table, column, &isnull));
}

/*
 * The key of the hot copy of the row in the slot; false when there can be none.
 */
static bool
row_key(StoreTable *table, HotKey *key)
{
	text	   *namespace = get_text(table, CACHE_NAMESPACE);
	text	   *bytes = get_text(table, CACHE_KEY);
	HotHome    *home = covet_hot_home(HOT_CACHE, VARDATA_ANY(namespace),
									  VARSIZE_ANY_EXHDR(namespace), false);

	if (home == NULL || VARSIZE_ANY_EXHDR(bytes) > COVET_KEY_MAX)
		return false;
	covet_hot_key(key, home, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	return true;
}

/* When a row with an idle time was last seen; memory may know better. */
static TimestampTz
row_seen(StoreTable *table)
{
	TimestampTz seen_at = get_int64(table, CACHE_SEEN_AT);
	TimestampTz later;
	HotKey		key;

	if (row_key(table, &key) && covet_hot_seen(&key, &later))
		return Max(seen_at, later);
	return seen_at;
}

/* When an entry ends that nobody reads any more. */
static TimestampTz
row_end(StoreTable *table)
{
	TimestampTz expires_at = get_int64(table, CACHE_EXPIRES_AT);
	Ttl			idle = get_int64(table, CACHE_IDLE);

	return idle == 0 ? expires_at : Min(expires_at, covet_deadline(row_seen(table), idle));
}

/* Until when an entry that nobody has written again is shown to leases. */
static TimestampTz
row_stale_end(StoreTable *table)
{
	Ttl			stale = get_int64(table, CACHE_STALE);

	return stale == 0 || get_int64(table, CACHE_IDLE) != 0 ? DT_NOBEGIN
		: covet_deadline(get_int64(table, CACHE_EXPIRES_AT), stale);
}

/* The tags of a row and their stamps; returns their number. */
static int
row_tags(StoreTable *table, Datum **tags, Datum **stamps)
{
	bool		isnull;
	Datum		value = covet_store_get(table, CACHE_TAGS, &isnull);
	int			ntags;
	int			nstamps;

	if (isnull)
		return 0;
	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT,
					  tags, NULL, &ntags);
	value = covet_store_get(table, CACHE_TAG_STAMPS, &isnull);
	if (isnull)
		return 0;
	deconstruct_array(DatumGetArrayTypeP(value), INT8OID, sizeof(int64),
					  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, stamps, NULL, &nstamps);
	return Min(ntags, nstamps);
}

/* How the stamps of a row stand to those of its slots. */
typedef enum RowStamps
{
	STAMPS_HOLD,
	STAMPS_BEHIND,				/* a slot has moved: the row is dead */
	STAMPS_AHEAD				/* a slot may still move to what the row has */
} RowStamps;

static RowStamps
row_stamps(StoreTable *table, int64 (*stamp_of) (uint32 slot))
{
	text	   *namespace = get_text(table, CACHE_NAMESPACE);
	uint32		slot = covet_stamp_namespace_slot(VARDATA_ANY(namespace),
												  VARSIZE_ANY_EXHDR(namespace));
	int64		written = get_int64(table, CACHE_STAMP);
	int64		now = stamp_of(slot);
	bool		ahead = written > now;
	Datum	   *tags;
	Datum	   *stamps;
	int			ntags;

	if (written < now)
		return STAMPS_BEHIND;
	ntags = row_tags(table, &tags, &stamps);
	for (int i = 0; i < ntags; i++)
	{
		text	   *tag = DatumGetTextPP(tags[i]);

		written = DatumGetInt64(stamps[i]);
		now = stamp_of(covet_stamp_tag_slot(slot, VARDATA_ANY(tag), VARSIZE_ANY_EXHDR(tag)));
		if (written < now)
			return STAMPS_BEHIND;
		ahead = ahead || written > now;
	}
	return ahead ? STAMPS_AHEAD : STAMPS_HOLD;
}

typedef enum RowState
{
	ROW_DEAD,
	ROW_STALE,					/* for leases only */
	ROW_LIVE
} RowState;

/* What the row in the slot is, as this transaction sees it. */
static RowState
row_state(StoreTable *table, TimestampTz now)
{
	RowState	state = row_end(table) > now ? ROW_LIVE
		: row_stale_end(table) > now ? ROW_STALE : ROW_DEAD;

	if (state != ROW_DEAD && row_stamps(table, covet_stamp_view) != STAMPS_HOLD)
		return ROW_DEAD;
	return state;
}

/*
 * Is the row of covet._cache in the slot a live entry, as this transaction sees
 * it?
 */
bool
covet_cache_row_live(StoreTable *table, TimestampTz now)
{
	return row_state(table, now) == ROW_LIVE;
}

/*
 * Can a sweep with this clock remove the row in the slot?  One whose idle time
 * is over is kept while memory has seen it since.
 */
bool
covet_cache_row_dead(StoreTable *table, TimestampTz now)
{
	Ttl			idle = get_int64(table, CACHE_IDLE);
	TimestampTz seen_at = get_int64(table, CACHE_SEEN_AT);
	HotKey		key;

	if (Max(get_int64(table, CACHE_EXPIRES_AT), row_stale_end(table)) <= now)
		return true;
	if (idle != 0 && covet_deadline(seen_at, idle) <= now &&
		!(row_key(table, &key) && covet_hot_expire(&key, now)))
		return true;
	switch (row_stamps(table, covet_stamp_get))
	{
		case STAMPS_HOLD:
			break;
		case STAMPS_BEHIND:
			return true;
		case STAMPS_AHEAD:
			return covet_now() - seen_at > STAMP_PATIENCE;
	}
	return false;
}

/*
 * Copy what is known of the row in the slot; pointers go with the slot, and
 * with the frame that is the result.
 */
static bytea *
get_entry(StoreTable *table, int flags, CacheEntry *entry)
{
	bool		isnull;
	Datum		value = slot_getattr(table->slot, CACHE_VALUE, &isnull);
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
	entry->key = get_text(table, CACHE_KEY);
	entry->version = get_int64(table, CACHE_VERSION);
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

/* ------------------------------------------------------------------------
 * Touching rows
 * ------------------------------------------------------------------------ */

/* Has so much of an idle time passed that this read should be kept? */
static bool
touch_due(StoreTable *table, TimestampTz now)
{
	Ttl			idle = get_int64(table, CACHE_IDLE);

	return idle != 0 && now - get_int64(table, CACHE_SEEN_AT) > idle / TOUCH_FRACTION;
}

/*
 * Keep in its row that an entry was seen, if nothing stands in the way: false
 * when somebody has the row or the table.
 */
static bool
touch_row(const text *namespace, const text *key, TimestampTz seen_at, TimestampTz now)
{
	StoreTable	table;
	Datum		keys[2] = {PointerGetDatum(namespace), PointerGetDatum(key)};
	bool		found;
	bool		locked;

	if (!covet_store_try_open(&table, TABLE_CACHE, RowExclusiveLock))
		return false;
	covet_store_search(&table, 0);
	found = covet_store_find(&table, keys, 2) && get_int64(&table, CACHE_IDLE) != 0 &&
		get_int64(&table, CACHE_SEEN_AT) < seen_at;
	locked = found && covet_store_lock(&table, false) == STORE_LOCKED;
	if (locked && get_int64(&table, CACHE_IDLE) != 0 &&
		get_int64(&table, CACHE_SEEN_AT) < seen_at &&
		covet_cache_row_live(&table, now))
		covet_store_touch(&table, CACHE_SEEN_AT, seen_at);
	covet_store_close(&table);
	return locked || !found;
}

/*
 * Save a touch that memory has seen: true when the table knows it now, or has
 * no use for it.  Waits for nobody.
 */
bool
covet_cache_touch_back(const HotItem *item, TimestampTz now)
{
	text	   *namespace = cstring_to_text_with_len(item->home->name, item->home->name_size);
	text	   *key = cstring_to_text_with_len(item->key, item->key_size);

	return touch_row(namespace, key, item->seen_at, now);
}

/* ------------------------------------------------------------------------
 * Reading keys
 * ------------------------------------------------------------------------ */

/* A read of some keys. */
typedef struct TableRead
{
	CacheNamespace *ns;
	text	  **keys;
	int			flags;			/* CACHE_ ones */
	TimestampTz now;
	CacheReceiver receive;
	void	   *arg;
	HotHome    *home;			/* NULL: memory has nothing of this namespace */
	int64		promoted;		/* rows, so far */
} TableRead;

/* A key that memory does not know. */
typedef struct Miss
{
	int			index;
	bool		guarded;		/* guard was noted, it may be promoted */
	bool		due;			/* its row has to be touched */
	HotGuard	guard;
} Miss;

static void
read_key(const TableRead *read, int index, HotKey *key)
{
	text	   *bytes = read->keys[index];

	covet_hot_key(key, read->home, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
}

/* The tags of a hot entry as an array, or NULL. */
static ArrayType *
hot_tags(const HotValue *value)
{
	Datum		tags[COVET_TAGS_MAX];
	const char *at = value->tags;

	if (value->ntags == 0)
		return NULL;
	for (int i = 0; i < value->ntags; i++)
	{
		int			size = *(const uint8 *) at;

		tags[i] = PointerGetDatum(cstring_to_text_with_len(at + 1, size));
		at += 1 + size;
	}
	return construct_array(tags, value->ntags, TEXTOID, -1, false, TYPALIGN_INT);
}

/* Hand over what memory has. */
static void
deliver_hot(const TableRead *read, int index, const HotValue *value)
{
	CacheEntry	entry = {.key = read->keys[index]};

	entry.has_value = (read->flags & CACHE_VALUES) != 0;
	if (entry.has_value)
		covet_payload_parts(value->head, value->payload, value->size, value->varlena,
							&entry.value);
	else
		entry.value.head = value->head;
	entry.stored_size = COVET_FRAME_HEADER + entry.value.body_size;
	entry.version = value->version;
	entry.expires_at = covet_hot_value_end(value);
	entry.fresh = value->fresh;
	if (read->flags & CACHE_WITH_TAGS)
		entry.tags = hot_tags(value);
	read->receive(&entry, index, read->arg);

	/* Who wants the tags copies what he keeps; others may have taken the value. */
	if (value->varlena != NULL &&
		((read->flags & CACHE_WITH_TAGS) || entry.value.varlena == NULL))
		pfree(value->varlena);
}

/* Look for a key in memory; false when the table has to be asked. */
static bool
read_hot(const TableRead *read, Miss *miss)
{
	HotKey		key;
	HotValue	value;
	PendingValue *pending;
	int			flags = ((read->flags & CACHE_SEEN) ? HOT_SEEN : 0) |
	((read->flags & CACHE_SHOW_STALE) ? HOT_STALE : 0);

	miss->guarded = miss->due = false;
	if (read->home == NULL)
		return false;
	read_key(read, miss->index, &key);
	if (covet_pending_any &&
		covet_pending_find(&key, read->now, &pending) == PENDING_TABLE)
		return false;
	if ((read->flags & CACHE_VALUES) == 0)
		flags |= HOT_NO_PAYLOAD;
	miss->guarded = true;
	switch (covet_hot_get(&key, read->now, flags, &value, &miss->guard))
	{
		case HOT_HIT:
			deliver_hot(read, miss->index, &value);
			return true;
		case HOT_ABSENT:
			return true;
		case HOT_MISS:
			break;
	}
	return false;
}

/* The tags of a row for its copy; false for ones that no function has written. */
static bool
content_tags(StoreTable *table, int *ntags, const text **tags, int64 *stamps)
{
	Datum	   *tag_values;
	Datum	   *stamp_values;

	*ntags = row_tags(table, &tag_values, &stamp_values);
	if (*ntags > COVET_TAGS_MAX)
		return false;
	for (int i = 0; i < *ntags; i++)
	{
		tags[i] = DatumGetTextPP(tag_values[i]);
		stamps[i] = DatumGetInt64(stamp_values[i]);
		if (VARSIZE_ANY_EXHDR(tags[i]) > COVET_TAG_MAX)
			return false;
	}
	return true;
}

/*
 * Put what was read, with a guard noted before, into memory: the row in the
 * slot, or that there is no live one (entry NULL).
 */
static bool
promote(const TableRead *read, const Miss *miss, StoreTable *table, const CacheEntry *entry)
{
	const text *tags[COVET_TAGS_MAX];
	int64		stamps[COVET_TAGS_MAX];
	HotContent	content = {.tags = tags,.tag_stamps = stamps};
	HotKey		key;

	covet_debug_promote_delay();
	read_key(read, miss->index, &key);
	if (entry == NULL)
	{
		content.absent = true;
		content.stamp = covet_stamp_get(read->ns->slot);
		return covet_hot_promote(&key, &miss->guard, &content);
	}
	content.head = entry->value.head;
	content.prefix_size = covet_payload_prefix(&entry->value, content.prefix);
	content.size = entry->value.body_size;
	content.bytes = entry->value.body;
	content.version = entry->version;
	content.expires_at = get_int64(table, CACHE_EXPIRES_AT);
	if (get_int64(table, CACHE_STALE) != 0)
		content.stale_until = row_stale_end(table);
	content.idle = get_int64(table, CACHE_IDLE);
	content.seen_at = get_int64(table, CACHE_SEEN_AT);
	content.stamp = get_int64(table, CACHE_STAMP);
	if (!content_tags(table, &content.ntags, tags, stamps))
		return false;
	return covet_hot_promote(&key, &miss->guard, &content);
}

/* Let a copy that was just promoted know that it is being read. */
static void
touch_copy(const TableRead *read, int index)
{
	HotKey		key;
	HotValue	value;

	read_key(read, index, &key);
	(void) covet_hot_get(&key, read->now, HOT_SEEN | HOT_NO_PAYLOAD, &value, NULL);
}

/*
 * Read one key from the table, which is being searched, and promote it; a stale
 * row too, for those that may see it.
 */
static void
read_row(TableRead *read, Miss *miss, StoreTable *table, bool may_promote)
{
	Datum		keys[2] = {PointerGetDatum(read->ns->name), PointerGetDatum(read->keys[miss->index])};
	CacheEntry	entry;
	bytea	   *frame;
	bool		promoted = false;
	RowState	state = covet_store_find(table, keys, 2)
		? row_state(table, read->now) : ROW_DEAD;

	if (state == ROW_DEAD)
	{
		if (may_promote && miss->guarded)
			(void) promote(read, miss, table, NULL);
		return;
	}

	frame = get_entry(table, read->flags, &entry);
	entry.fresh = state == ROW_LIVE;
	if (entry.fresh || (read->flags & CACHE_SHOW_STALE))
		read->receive(&entry, miss->index, read->arg);
	if (may_promote && miss->guarded && entry.has_value)
		promoted = promote(read, miss, table, &entry);
	read->promoted += promoted;
	release_entry(table, frame);

	/* Nobody has read this namespace since the start: from now on it has a home. */
	if (may_promote && read->home == NULL)
		read->home = covet_hot_home(HOT_CACHE, VARDATA_ANY(read->ns->name),
									VARSIZE_ANY_EXHDR(read->ns->name), true);

	if ((read->flags & CACHE_SEEN) == 0 || get_int64(table, CACHE_IDLE) == 0)
		return;
	if (promoted)
		touch_copy(read, miss->index);
	else
		miss->due = touch_due(table, read->now);
}

/* Read from the table what memory did not know, in the order of the keys. */
static void
read_rows(TableRead *read, Miss *misses, int count)
{
	bool		may_promote = covet_pending_may_promote();
	StoreTable	table;

	covet_store_open(&table, TABLE_CACHE, AccessShareLock);
	covet_store_search(&table, 0);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		read_row(read, &misses[i], &table, may_promote);
	}
	covet_store_close(&table);

	for (int i = 0; i < count; i++)
		if (misses[i].due && covet_store_can_touch())
			(void) touch_row(read->ns->name, read->keys[misses[i].index],
							 read->now, read->now);
}

/* Look for the keys in memory, then in one pass over the index. */
static void
read_keys(TableRead *read, int count)
{
	Miss		only;
	Miss	   *misses = count == 1 ? &only : NULL;
	int			nmisses = 0;

	for (int i = 0; i < count; i++)
	{
		Miss		miss = {.index = i};

		CHECK_FOR_INTERRUPTS();
		if (i % HOT_PREFETCH == 0 && count > 1 && read->home != NULL)
			covet_hot_prefetch(read->home, &read->keys[i], Min(count - i, HOT_PREFETCH));
		if (read->keys[i] == NULL || read_hot(read, &miss))
			continue;
		if (misses == NULL)
			misses = palloc_extended(sizeof(Miss) * (count - i), MCXT_ALLOC_HUGE);
		misses[nmisses++] = miss;
	}
	if (nmisses > 0)
		read_rows(read, misses, nmisses);
}

/*
 * covet_cache_read: from memory, then what is not there from the table.
 */
void
covet_table_read(CacheNamespace *ns, text **keys, int count, int flags,
				 CacheReceiver receive, void *arg)
{
	TableRead	read = {.ns = ns,.keys = keys,.flags = flags,.receive = receive,.arg = arg};

	if (RecoveryInProgress())
		return;
	read.now = covet_now();
	if (covet_hot_available())
		read.home = ns->home;
	read_keys(&read, count);
}

/*
 * Read one key as covet_cache_lease_entry() does.  True when *guard was noted, so
 * that it can be seen if the row is written afterwards.
 */
bool
covet_table_look(CacheNamespace *ns, text *key, CacheReceiver receive, void *arg,
				 HotGuard *guard)
{
	TableRead	read = {.ns = ns,.keys = &key,.receive = receive,.arg = arg,
	.flags = CACHE_SEEN | CACHE_VALUES | CACHE_SHOW_STALE};
	Miss		miss = {.index = 0};

	if (RecoveryInProgress())
		return false;
	read.now = covet_now();
	if (covet_hot_available())
		read.home = covet_namespace_home(ns);
	if (!read_hot(&read, &miss))
		read_rows(&read, &miss, 1);
	*guard = miss.guard;
	return miss.guarded;
}

static void
receive_nothing(const CacheEntry *entry, int index, void *arg)
{
}

/*
 * Load copies of the live rows of some keys into memory, without counting as
 * read; returns how many were not there before.
 */
int64
covet_cache_load(const text *namespace, text **keys, int count)
{
	CacheNamespace ns = {.name = namespace};
	TableRead	read = {.ns = &ns,.keys = keys,.flags = CACHE_VALUES,
	.receive = receive_nothing};

	read.now = covet_now();
	read.home = covet_hot_home(HOT_CACHE, VARDATA_ANY(namespace),
							   VARSIZE_ANY_EXHDR(namespace), true);
	if (read.home == NULL)
		return 0;
	ns.slot = read.home->slot;
	read_keys(&read, count);
	return read.promoted;
}

/* ------------------------------------------------------------------------
 * Reading ranges
 * ------------------------------------------------------------------------ */

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
		if (!covet_cache_row_live(&table, now))
			continue;
		frame = get_entry(&table, flags, &entry);
		receive(&entry, count++, arg);
		release_entry(&table, frame);
	}
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
covet_table_usage(void (*receive) (const text *namespace, int64 entries, int64 bytes,
								   int64 hot_bytes, void *arg), void *arg)
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
	covet_store_open(&table, TABLE_CACHE, AccessShareLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan = table_beginscan(table.rel, snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, table.slot))
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);
		bool		isnull;
		bool		found;

		CHECK_FOR_INTERRUPTS();
		if (covet_cache_row_live(&table, now))
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
		receive(cstring_to_text(entry->namespace), entry->entries, entry->bytes, 0, arg);
	hash_destroy(usage);
}
