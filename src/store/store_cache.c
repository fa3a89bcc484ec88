/*
 * store_cache.c
 *		The cache, whatever the storage of the namespace.
 *
 * Each kind of storage is a record of its operations; what does not depend on
 * it, because it moves stamps, is here.
 */
#include "postgres.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/guc.h"
#include "hot/hot.h"
#include "store/store.h"
#include "store/store_memory.h"
#include "store/store_table.h"

static const CacheOps table_ops = {
	.require_writable = covet_store_require_writable,
	.read = covet_table_read,
	.scan = covet_table_scan,
	.set = covet_table_set,
	.add = covet_table_add,
	.replace = covet_table_replace,
	.incr = covet_table_incr,
	.take = covet_table_take,
	.touch = covet_table_touch,
	.delete = covet_table_delete,
	.look = covet_table_look,
	.fill = covet_table_fill,
};

static const CacheOps memory_ops = {
	.require_writable = covet_memory_require_writable,
	.read = covet_memory_read,
	.scan = covet_memory_scan,
	.set = covet_memory_set,
	.add = covet_memory_add,
	.replace = covet_memory_replace,
	.incr = covet_memory_incr,
	.take = covet_memory_take,
	.touch = covet_memory_touch,
	.delete = covet_memory_delete,
	.look = covet_memory_look,
	.fill = covet_memory_fill,
};

/* Indexed by CacheStorage. */
static const CacheOps *const storages[] = {
	[STORAGE_TABLE] = &table_ops,
	[STORAGE_MEMORY] = &memory_ops,
};

/*
 * The operations of a CacheStorage.
 */
const CacheOps *
covet_cache_ops(int storage)
{
	return storages[storage];
}

/*
 * Raise 25006 where entries of the namespace cannot be written.  "what" is the
 * function's name as a user writes it.
 */
void
covet_cache_require_writable(const CacheNamespace *ns, const char *what)
{
	ns->ops->require_writable(what);
}

/*
 * Hand the live entries of some keys to "receive"; a NULL key has none.  Those
 * in memory come first, else the order is that of the keys.  Flags are CACHE_ ones.
 */
void
covet_cache_read(CacheNamespace *ns, text **keys, int count, int flags,
				 CacheReceiver receive, void *arg)
{
	ns->ops->read(ns, keys, count, flags, receive, arg);
}

/*
 * Hand live entries whose keys begin with "prefix" and come after "after" (or
 * NULL) to "receive", in key order, max_entries of them at most.  They do not
 * count as read.
 */
void
covet_cache_scan_range(CacheNamespace *ns, const text *prefix, const text *after,
					   int max_entries, int flags, CacheReceiver receive, void *arg)
{
	ns->ops->scan(ns, prefix, after, max_entries, flags, receive, arg);
}

/*
 * Store entries; of equal keys the last is stored.  Returns how many distinct
 * keys were stored: all, but for values too large for memory.
 */
int
covet_cache_set_entries(CacheNamespace *ns, const CacheWrite *write, text **keys,
						bytea **frames, int count)
{
	return ns->ops->set(ns, write, keys, frames, count);
}

/*
 * Store an entry if there is no live one; was it stored?
 */
bool
covet_cache_add_entry(CacheNamespace *ns, const CacheWrite *write, const text *key,
					  const bytea *frame)
{
	return ns->ops->add(ns, write, key, frame);
}

/*
 * Store an entry if there is a live one, of version *if_version unless that is
 * NULL; was it stored?
 */
bool
covet_cache_replace_entry(CacheNamespace *ns, const CacheWrite *write, const text *key,
						  const bytea *frame, const int64 *if_version)
{
	return ns->ops->replace(ns, write, key, frame, if_version);
}

/*
 * Add to the integer of a live entry, which keeps its deadline, idle time and
 * tags, or store *initial + by as "write" says where there is none; with
 * initial NULL it stays absent and the result is false.  Raises 22003 and
 * 22023 for what cannot be added to.
 */
bool
covet_cache_incr_entry(CacheNamespace *ns, const CacheWrite *write, const text *key,
					   int64 by, const int64 *initial, int64 *result)
{
	return ns->ops->incr(ns, write, key, by, initial, result);
}

/*
 * Remove a live entry and give its value, palloc'd, as the wanted kind.  What
 * cannot be read so raises and stays.
 */
bool
covet_cache_take_entry(CacheNamespace *ns, const text *key, ValueKind wanted, Datum *value)
{
	return ns->ops->take(ns, key, wanted, value);
}

/*
 * Give a live entry another deadline, one not after "now" removes it; was there
 * one?
 */
bool
covet_cache_touch_entry(CacheNamespace *ns, const text *key, TimestampTz now,
						TimestampTz expires_at)
{
	return ns->ops->touch(ns, key, now, expires_at);
}

/*
 * Remove entries; NULL keys are skipped.  Returns how many live ones there
 * were.
 */
int
covet_cache_delete_entries(CacheNamespace *ns, text **keys, int count)
{
	return ns->ops->delete(ns, keys, count);
}

/*
 * End all entries of a namespace at commit.
 */
void
covet_cache_clear_namespace(const CacheNamespace *ns)
{
	covet_pending_clear(ns->slot);
}

/*
 * End all entries of a namespace that carry one of the tags, at commit.
 */
void
covet_cache_invalidate(const CacheNamespace *ns, text **tags, int count)
{
	for (int i = 0; i < count; i++)
		covet_pending_clear(covet_stamp_tag_slot(ns->slot, VARDATA_ANY(tags[i]),
												 VARSIZE_ANY_EXHDR(tags[i])));
}

static int
compare_keys(const void *a, const void *b)
{
	const KeyedFrame *x = a;
	const KeyedFrame *y = b;
	int			order = covet_compare_texts(x->key, y->key);

	return order != 0 ? order : x->index - y->index;
}

/*
 * Sort keys (and their frames, unless NULL) into "sorted", which has room for
 * all, and keep the last of each; returns how many are left.  NULL keys are
 * left out.
 */
int
covet_cache_sort_keys(text **keys, bytea **frames, int count, KeyedFrame *sorted)
{
	int			n = 0;
	int			distinct = 0;

	for (int i = 0; i < count; i++)
		if (keys[i] != NULL)
		{
			sorted[n].key = keys[i];
			sorted[n].frame = frames == NULL ? NULL : frames[i];
			sorted[n].index = i;
			n++;
		}
	qsort(sorted, n, sizeof(KeyedFrame), compare_keys);
	for (int i = 0; i < n; i++)
	{
		if (distinct > 0 && covet_compare_texts(sorted[distinct - 1].key, sorted[i].key) == 0)
			distinct--;
		sorted[distinct++] = sorted[i];
	}
	return distinct;
}

/*
 * Hand live entries, their stored bytes (keys and values) and bytes in the hot
 * tier to "receive", a few times a namespace: they are to be added up.
 */
void
covet_cache_usage(void (*receive) (const text *namespace, int64 entries, int64 bytes,
								   int64 hot_bytes, void *arg), void *arg)
{
	covet_table_usage(receive, arg);
	covet_memory_usage(receive, arg);
}
