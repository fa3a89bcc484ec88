/*
 * store_memory_read.c
 *		Reading cache entries of namespaces with storage 'memory'.
 *
 * Such an entry lives in the hot tier and nowhere else.  What a transaction
 * writes waits in its list until it commits, and its own reads look there
 * first; see store_memory_write.c.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "lib/binaryheap.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/args.h"
#include "base/compat.h"
#include "codec/codec.h"
#include "store/store_memory.h"

/*
 * Has this transaction moved the stamp of a slot, so that it sees other entries
 * than everybody else?
 */
bool
covet_memory_clear_pending(uint32 slot)
{
	int64		shared = covet_stamp_get(slot);

	for (;;)
	{
		int64		view = covet_stamp_view(slot);
		int64		again = covet_stamp_get(slot);

		if (again == shared)
			return view != shared;
		shared = again;
	}
}

/*
 * Fill *entry with what this transaction has written.  Its idle time has not
 * begun.
 */
static void
fill_own(const PendingValue *own, TimestampTz now, MemoryEntry *entry)
{
	const HotContent *content = &own->content;

	memset(entry, 0, sizeof(*entry));
	entry->own = own;
	entry->version = own->version;
	entry->ends_at = content->idle == 0 ? content->expires_at
		: Min(content->expires_at, covet_deadline(now, content->idle));
	entry->ntags = content->ntags;
	entry->size = content->prefix_size + content->size;
	covet_prefix_parts(content->head, content->prefix, content->bytes, content->size,
					   &entry->value);
}

/*
 * Look for the live entry of a key as this transaction sees it.  Flags are HOT_
 * ones.  *entry is filled when there is one; it points to memory that lasts
 * until the next look, but for the varlena of its value, palloc'd in the
 * current context.  Raises XX001 for a value that cannot be one.
 */
MemoryState
covet_memory_find(const HotKey *key, TimestampTz now, int flags, MemoryEntry *entry)
{
	PendingValue *own;

	if (covet_pending_any)
	{
		PendingKind kind = covet_pending_find(key, now, &own);

		if (kind == PENDING_SET)
		{
			fill_own(own, now, entry);
			return MEMORY_OWN;
		}
		if (kind != PENDING_NONE)
			return MEMORY_OWN_ABSENT;
	}
	if (covet_hot_get(key, now, flags, &entry->shared, NULL) != HOT_HIT)
		return covet_pending_any && covet_memory_clear_pending(key->home->slot)
			? MEMORY_OWN_ABSENT : MEMORY_ABSENT;

	entry->own = NULL;
	entry->version = entry->shared.version;
	entry->ends_at = covet_hot_value_end(&entry->shared);
	entry->ntags = entry->shared.ntags;
	entry->size = entry->shared.size;
	if ((flags & HOT_NO_PAYLOAD) == 0)
		covet_payload_parts(entry->shared.head, entry->shared.payload, entry->shared.size,
							entry->shared.varlena, &entry->value);
	return MEMORY_FOUND;
}

/*
 * The tags of an entry that was just found, palloc'd.
 */
text **
covet_memory_tags(const MemoryEntry *entry)
{
	text	  **tags = palloc(sizeof(text *) * Max(entry->ntags, 1));
	const char *at = entry->shared.tags;

	for (int i = 0; i < entry->ntags; i++)
	{
		if (entry->own != NULL)
		{
			const text *tag = entry->own->content.tags[i];

			tags[i] = cstring_to_text_with_len(VARDATA_ANY(tag), VARSIZE_ANY_EXHDR(tag));
		}
		else
		{
			int			size = *(const uint8 *) at;

			tags[i] = cstring_to_text_with_len(at + 1, size);
			at += 1 + size;
		}
	}
	return tags;
}

static ArrayType *
tag_array(const MemoryEntry *entry)
{
	text	  **tags;
	Datum	   *elements;

	if (entry->ntags == 0)
		return NULL;
	tags = covet_memory_tags(entry);
	elements = palloc(sizeof(Datum) * entry->ntags);
	for (int i = 0; i < entry->ntags; i++)
		elements[i] = PointerGetDatum(tags[i]);
	return construct_array(elements, entry->ntags, TEXTOID, -1, false, TYPALIGN_INT);
}

/* Hand the live entry of a key to the receiver; is there one? */
static bool
read_entry(CacheNamespace *ns, const text *key, int index, TimestampTz now, int flags,
		   CacheReceiver receive, void *arg)
{
	MemoryEntry found;
	CacheEntry	entry;
	HotKey		hot_key;
	int			hot_flags = ((flags & CACHE_SEEN) ? HOT_SEEN : 0) |
		((flags & CACHE_VALUES) ? 0 : HOT_NO_PAYLOAD) |
		((flags & CACHE_SHOW_STALE) ? HOT_STALE : 0);

	covet_hot_key(&hot_key, ns->home, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
	if (!covet_memory_live(covet_memory_find(&hot_key, now, hot_flags, &found)))
		return false;
	entry.key = key;
	entry.has_value = (flags & CACHE_VALUES) != 0;
	if (entry.has_value)
		entry.value = found.value;
	entry.stored_size = found.size;
	entry.version = found.version;
	entry.expires_at = found.ends_at;
	entry.fresh = found.own != NULL || found.shared.fresh;
	entry.tags = (flags & CACHE_WITH_TAGS) ? tag_array(&found) : NULL;
	receive(&entry, index, arg);
	return true;
}

/* The same in a context of its own, for receivers that copy what they keep. */
static bool
read_and_forget(MemoryContext context, CacheNamespace *ns, const text *key, int index,
				TimestampTz now, int flags, CacheReceiver receive, void *arg)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	bool		found = read_entry(ns, key, index, now, flags, receive, arg);

	MemoryContextSwitchTo(old);
	MemoryContextReset(context);
	return found;
}

/*
 * covet_cache_read.
 */
void
covet_memory_read(CacheNamespace *ns, text **keys, int count, int flags,
				  CacheReceiver receive, void *arg)
{
	TimestampTz now = covet_now();
	MemoryContext context = NULL;

	if (ns->home == NULL || RecoveryInProgress())
		return;
	if (flags & CACHE_WITH_TAGS)
		context = AllocSetContextCreate(CurrentMemoryContext, "covet memory entry",
										ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i % HOT_PREFETCH == 0 && count > 1)
			covet_hot_prefetch(ns->home, &keys[i], Min(count - i, HOT_PREFETCH));
		if (keys[i] == NULL)
			continue;
		if (context != NULL)
			read_and_forget(context, ns, keys[i], i, now, flags, receive, arg);
		else
			read_entry(ns, keys[i], i, now, flags, receive, arg);
	}
	if (context != NULL)
		MemoryContextDelete(context);
}

/*
 * Read one key as covet_cache_lease_entry() does.  There is no table that could
 * know better, so no guard is noted.
 */
bool
covet_memory_look(CacheNamespace *ns, text *key, CacheReceiver receive, void *arg,
				  HotGuard *guard)
{
	covet_memory_read(ns, &key, 1, CACHE_SEEN | CACHE_VALUES | CACHE_SHOW_STALE,
					  receive, arg);
	return false;
}

/* ------------------------------------------------------------------------
 * Scanning
 * ------------------------------------------------------------------------ */

/* The smallest keys of a walk, at most "max" of them. */
typedef struct SmallestKeys
{
	const text *prefix;
	const text *after;			/* or NULL */
	binaryheap *heap;			/* of text *, the largest on top */
	int			max;
	int			count;
	bool		more;			/* there were others */
} SmallestKeys;

static int
compare_nodes(Datum a, Datum b, void *arg)
{
	return covet_compare_texts((const text *) DatumGetPointer(a),
							   (const text *) DatumGetPointer(b));
}

/* Compare bytes with a text, as covet_compare_texts does. */
static int
compare_bytes(const char *bytes, Size size, const text *value)
{
	Size		other = VARSIZE_ANY_EXHDR(value);
	int			order = memcmp(bytes, VARDATA_ANY(value), Min(size, other));

	return order != 0 ? order : (size > other) - (size < other);
}

/* Keep a key if it is wanted. */
static void
note_key(const char *key, Size size, void *arg)
{
	SmallestKeys *keys = arg;
	Size		prefix_size = VARSIZE_ANY_EXHDR(keys->prefix);
	text	   *largest = NULL;

	if (size < prefix_size || memcmp(key, VARDATA_ANY(keys->prefix), prefix_size) != 0 ||
		(keys->after != NULL && compare_bytes(key, size, keys->after) <= 0))
		return;
	if (keys->count == keys->max)
	{
		keys->more = true;
		largest = (text *) DatumGetPointer(binaryheap_first(keys->heap));
		if (compare_bytes(key, size, largest) >= 0)
			return;
		binaryheap_replace_first(keys->heap, PointerGetDatum(cstring_to_text_with_len(key, size)));
		pfree(largest);
		return;
	}
	binaryheap_add(keys->heap, PointerGetDatum(cstring_to_text_with_len(key, size)));
	keys->count++;
}

/* Gather the smallest keys of a home, those of the transaction's own writes too. */
static void
gather_keys(CacheNamespace *ns, TimestampTz now, SmallestKeys *keys)
{
	HotWalk		walk;
	HotItem		item;

	covet_hot_walk_begin(&walk, ns->home->space, 1 << HOT_MEMORY, now);
	while (covet_hot_walk_next(&walk, &item))
	{
		CHECK_FOR_INTERRUPTS();
		if (item.home == ns->home && item.live)
			note_key(item.key, item.key_size, keys);
	}
	covet_hot_walk_end(&walk);
	if (covet_pending_any)
		covet_pending_walk(ns->home, note_key, keys);
}

/*
 * Take the keys out in rising order, each once: a pending one may have been in
 * memory too.  Returns how many.
 */
static int
take_keys(SmallestKeys *keys, text **sorted)
{
	int			distinct = 0;

	for (int i = keys->count - 1; i >= 0; i--)
		sorted[i] = (text *) DatumGetPointer(binaryheap_remove_first(keys->heap));
	for (int i = 0; i < keys->count; i++)
		if (distinct == 0 || covet_compare_texts(sorted[distinct - 1], sorted[i]) != 0)
			sorted[distinct++] = sorted[i];
	return distinct;
}

/*
 * covet_cache_scan_range: walks over all of memory and keeps the smallest keys,
 * then reads their entries; again for those that were no more there.
 */
void
covet_memory_scan(CacheNamespace *ns, const text *prefix, const text *after,
				  int max_entries, int flags, CacheReceiver receive, void *arg)
{
	TimestampTz now = covet_now();
	SmallestKeys keys = {.prefix = prefix,.after = after,.max = max_entries,.more = true};
	text	  **sorted;
	MemoryContext context;
	int			delivered = 0;

	if (ns->home == NULL || RecoveryInProgress())
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "covet memory entry",
									ALLOCSET_DEFAULT_SIZES);
	sorted = palloc(sizeof(text *) * max_entries);
	keys.heap = binaryheap_allocate(max_entries, compare_nodes, NULL);
	while (keys.more && delivered < max_entries)
	{
		int			count;

		keys.more = false;
		keys.count = 0;
		keys.max = max_entries - delivered;
		gather_keys(ns, now, &keys);
		count = take_keys(&keys, sorted);
		for (int i = 0; i < count; i++)
		{
			CHECK_FOR_INTERRUPTS();
			/* What is shown of a compressed value stands in its payload. */
			delivered += read_and_forget(context, ns, sorted[i], delivered, now,
										 flags | CACHE_VALUES | CACHE_WITH_TAGS,
										 receive, arg);
		}
		if (count > 0)
			keys.after = sorted[count - 1];
	}
	MemoryContextDelete(context);
}

/* ------------------------------------------------------------------------
 * Usage
 * ------------------------------------------------------------------------ */

/*
 * covet_cache_usage, of what lives in memory: hot_bytes are those of both kinds
 * of storage.  Walks over all of memory.
 */
void
covet_memory_usage(void (*receive) (const text *namespace, int64 entries, int64 bytes,
									int64 hot_bytes, void *arg), void *arg)
{
	const uint16 space = covet_hot_space();
	int64	   *entries;
	int64	   *bytes;
	HotWalk		walk;
	HotItem		item;

	if (!covet_hot_available())
		return;
	entries = palloc0(sizeof(int64) * (HOT_HOMES + 1));
	bytes = palloc0(sizeof(int64) * (HOT_HOMES + 1));
	covet_hot_walk_begin(&walk, space, 1 << HOT_MEMORY, covet_now());
	while (covet_hot_walk_next(&walk, &item))
	{
		CHECK_FOR_INTERRUPTS();
		if (!item.live)
			continue;
		entries[item.home->id]++;
		bytes[item.home->id] += item.key_size + item.size;
	}
	covet_hot_walk_end(&walk);

	for (int id = 1; id <= covet_hot_homes(); id++)
	{
		HotHome    *home = covet_hot_home_by_id(id);

		if (home->space != space || (home->store != HOT_MEMORY && home->store != HOT_CACHE))
			continue;
		receive(cstring_to_text_with_len(home->name, home->name_size), entries[id], bytes[id],
				(int64) pg_atomic_read_u64(&home->bytes), arg);
	}
	pfree(entries);
	pfree(bytes);
}
