/*
 * store_memory_write.c
 *		Writing cache entries of namespaces with storage 'memory'.
 *
 * Set and delete wait in the transaction's list (hot_pending.c) and take effect
 * when it commits.  Add, replace, incr, take and touch act on the entry at once
 * and are not undone: each looks, decides, and then links or removes on the
 * condition that the entry is still the one it saw, else begins again.  Only
 * where the transaction's own view of the key differs from that of everybody
 * else, because it has written, removed or cleared it, they too work on what is
 * in its list and take effect with that.
 *
 * A set captures the stamps of its namespace and tags as the transaction sees
 * them when it is called; whoever clears one of them before it is published
 * makes it stillborn.  An entry that is changed at once gets the stamps that
 * stand after it was found alive: if they move later the link fails, for the
 * entry is alive no more, or what was linked is dead with them.
 *
 * What is too large for memory, or alone over the quota of its namespace, is
 * not stored, and then nothing is left of what was there before.
 *
 * The transaction is then one that has written, and cannot be prepared.
 *
 * No locks are taken here, and nothing is held while a client is idle.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"

#include "base/args.h"
#include "base/compat.h"
#include "codec/value.h"
#include "store/store_memory.h"
#include "store/store_table.h"

/*
 * Raise 25006 on a standby.  READ ONLY transactions may write, as nothing of
 * the database is changed.
 */
void
covet_memory_require_writable(const char *what)
{
	PreventCommandDuringRecovery(what);
}

/* ------------------------------------------------------------------------
 * What is to be stored
 * ------------------------------------------------------------------------ */

/* The key to write to; raises 53200 when there cannot be one more namespace. */
static void
key_to_write(CacheNamespace *ns, const text *key, HotKey *hot_key)
{
	if (covet_namespace_home(ns) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("too many cache namespaces in memory"),
				 errdetail("There can be %d in the life of a server.", HOT_MEMORY_HOMES)));
	covet_hot_key(hot_key, ns->home, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
}

/* The key to look for; false when nothing was ever written to its namespace. */
static bool
key_to_find(CacheNamespace *ns, const text *key, HotKey *hot_key)
{
	if (ns->home == NULL)
		return false;
	covet_hot_key(hot_key, ns->home, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
	return true;
}

/* Give the content a value, whose bytes it points to. */
static void
set_value(HotContent *content, const bytea *frame)
{
	ValueParts	parts;

	covet_frame_own_parts(frame, &parts);
	content->head = parts.head;
	content->prefix_size = covet_payload_prefix(&parts, content->prefix);
	content->bytes = parts.body;
	content->size = parts.body_size;
}

/* Give the content tags, and all stamps as this transaction sees them now. */
static void
set_stamps(CacheNamespace *ns, HotContent *content, text **tags, int ntags)
{
	int64	   *stamps = NULL;

	if (ntags > 0)
		stamps = palloc(sizeof(int64) * ntags);
	for (int i = 0; i < ntags; i++)
		stamps[i] = covet_stamp_view(covet_stamp_tag_slot(ns->slot, VARDATA_ANY(tags[i]),
														  VARSIZE_ANY_EXHDR(tags[i])));
	content->stamp = covet_stamp_view(ns->slot);
	content->ntags = ntags;
	content->tags = (const text *const *) tags;
	content->tag_stamps = stamps;
}

/* What a write makes of a key, but for the value. */
static void
make_content(CacheNamespace *ns, const CacheWrite *write, HotContent *content)
{
	memset(content, 0, sizeof(*content));
	content->expires_at = write->expires_at;
	if (write->stale != 0)
		content->stale_until = covet_deadline(write->expires_at, write->stale);
	content->idle = write->idle;
	content->seen_at = write->now;
	content->max_bytes = ns->max_bytes;
	set_stamps(ns, content, write->tags, write->ntags);
}

/* Can memory, and the quota of the namespace, hold that? */
static bool
fits(const HotKey *key, const HotContent *content)
{
	Size		size = (Size) content->prefix_size + content->size;

	return size <= covet_hot_max_value_size() &&
		(int64) (key->size + size) <= content->max_bytes;
}

/*
 * Has this transaction invalidated one of the tags?  Then what carries it is
 * dead to others until the transaction commits.
 */
static bool
tag_clear_pending(CacheNamespace *ns, const HotContent *content)
{
	if (!covet_pending_any)
		return false;
	for (int i = 0; i < content->ntags; i++)
		if (covet_memory_clear_pending(covet_stamp_tag_slot(ns->slot,
															VARDATA_ANY(content->tags[i]),
															VARSIZE_ANY_EXHDR(content->tags[i]))))
			return true;
	return false;
}

/* ------------------------------------------------------------------------
 * With the transaction
 * ------------------------------------------------------------------------ */

/* Set one key at commit; false, and nothing is left, when it is too large. */
static bool
set_entry(CacheNamespace *ns, const CacheWrite *write, HotContent *content,
		  const text *key, const bytea *frame)
{
	HotKey		hot_key;
	bool		stored;

	key_to_write(ns, key, &hot_key);
	set_value(content, frame);
	stored = fits(&hot_key, content);
	if (stored && write->expires_at > write->now)
		covet_pending_set(&hot_key, content, 0);
	else
		covet_pending_delete(&hot_key);
	return stored;
}

/*
 * covet_cache_set_entries.
 */
int
covet_memory_set(CacheNamespace *ns, const CacheWrite *write, text **keys,
				 bytea **frames, int count)
{
	HotContent	content;
	KeyedFrame *sorted;
	int			distinct;
	int			stored = 0;

	make_content(ns, write, &content);
	if (count == 1)
		return set_entry(ns, write, &content, keys[0], frames[0]);

	sorted = palloc(sizeof(KeyedFrame) * Max(count, 1));
	distinct = covet_cache_sort_keys(keys, frames, count, sorted);
	for (int i = 0; i < distinct; i++)
	{
		CHECK_FOR_INTERRUPTS();
		stored += set_entry(ns, write, &content, sorted[i].key, sorted[i].frame);
	}
	return stored;
}

/*
 * covet_cache_delete_entries.
 */
int
covet_memory_delete(CacheNamespace *ns, text **keys, int count)
{
	TimestampTz now = covet_now();
	int			removed = 0;

	for (int i = 0; i < count; i++)
	{
		HotKey		key;
		MemoryEntry entry;

		CHECK_FOR_INTERRUPTS();
		if (keys[i] == NULL || !key_to_find(ns, keys[i], &key))
			continue;
		removed += covet_memory_live(covet_memory_find(&key, now, HOT_NO_PAYLOAD, &entry));
		/* Also what somebody commits before us is from before the deletion. */
		covet_pending_delete(&key);
	}
	return removed;
}

/* ------------------------------------------------------------------------
 * At once
 * ------------------------------------------------------------------------ */

/*
 * Store over what was found: a live entry of that version (with mode
 * HOT_IF_VERSION or HOT_KEEP_TIMES), or with HOT_IF_ABSENT none.  False when that is not so any more.  When no room can be
 * made the entry is as good as evicted: *full is set, and nothing is left.
 */
static bool
link_now(const HotKey *key, const HotContent *content, HotLinkMode mode, int64 version,
		 TimestampTz now, bool *full)
{
	HotBlock	block;

	covet_pending_note();
	*full = !covet_hot_prepare(key, content, &block);
	if (*full)
		return mode == HOT_IF_ABSENT || covet_hot_remove(key, version, now);
	return covet_hot_link(key, &block, mode, version, now, NULL);
}

/* Remove what was found; false when it is not there any more. */
static bool
remove_found(const HotKey *key, MemoryState state, int64 version, TimestampTz now)
{
	if (state == MEMORY_OWN)
	{
		covet_pending_delete(key);
		return true;
	}
	covet_pending_note();
	return covet_hot_remove(key, version, now);
}

/* Give what was found another deadline; false when it is not there any more. */
static bool
set_deadline(const HotKey *key, MemoryState state, TimestampTz now, TimestampTz expires_at)
{
	if (state == MEMORY_OWN)
		return covet_pending_set_deadline(key, expires_at);
	covet_pending_note();
	return covet_hot_set_deadline(key, now, expires_at);
}

/*
 * Store an entry where none was found.  False when somebody else was first:
 * look again.  *stored is whether it fitted.
 */
static bool
store_absent(CacheNamespace *ns, const HotKey *key, MemoryState state,
			 const HotContent *content, TimestampTz now, bool *stored)
{
	bool		full = false;

	*stored = fits(key, content);
	if (!*stored || content->expires_at <= now)
		return true;
	if (state == MEMORY_OWN_ABSENT || tag_clear_pending(ns, content))
	{
		covet_pending_set(key, content, 0);
		return true;
	}
	if (!link_now(key, content, HOT_IF_ABSENT, 0, now, &full))
		return false;
	*stored = !full;
	return true;
}

/*
 * Store an entry over the live one that was found, as "mode" says where it is
 * done at once.  False when that is not there any more.  *stored is whether it fitted; if not, the old one is gone.
 */
static bool
store_over(CacheNamespace *ns, const HotKey *key, MemoryState state, int64 version,
		   const HotContent *content, HotLinkMode mode, TimestampTz now, bool *stored)
{
	bool		full = false;

	*stored = fits(key, content);
	if (!*stored || content->expires_at <= now)
		return remove_found(key, state, version, now);
	if (state == MEMORY_OWN || tag_clear_pending(ns, content))
	{
		covet_pending_set(key, content, 0);
		return true;
	}
	if (!link_now(key, content, mode, version, now, &full))
		return false;
	*stored = !full;
	return true;
}

/*
 * How a look goes on that found nothing though somebody's entry was in the way:
 * it is one whose tag this transaction has invalidated, so the transaction's
 * view differs.
 */
static MemoryState
state_after(MemoryState state, int attempts)
{
	return state == MEMORY_ABSENT && covet_pending_any && attempts > 3
		? MEMORY_OWN_ABSENT : state;
}

/*
 * covet_cache_add_entry.
 */
bool
covet_memory_add(CacheNamespace *ns, const CacheWrite *write, const text *key,
				 const bytea *frame)
{
	HotContent	content;
	HotKey		hot_key;

	key_to_write(ns, key, &hot_key);
	for (int attempts = 0;; attempts++)
	{
		MemoryEntry entry;
		MemoryState state;
		bool		stored;

		CHECK_FOR_INTERRUPTS();
		make_content(ns, write, &content);
		set_value(&content, frame);
		state = covet_memory_find(&hot_key, write->now, HOT_NO_PAYLOAD, &entry);
		if (covet_memory_live(state))
			return false;
		if (store_absent(ns, &hot_key, state_after(state, attempts), &content,
						 write->now, &stored))
			return stored;
	}
}

/*
 * covet_cache_replace_entry.
 */
bool
covet_memory_replace(CacheNamespace *ns, const CacheWrite *write, const text *key,
					 const bytea *frame, const int64 *if_version)
{
	HotContent	content;
	HotKey		hot_key;

	if (!key_to_find(ns, key, &hot_key))
		return false;
	for (;;)
	{
		MemoryEntry entry;
		MemoryState state;
		bool		stored;

		CHECK_FOR_INTERRUPTS();
		state = covet_memory_find(&hot_key, write->now, HOT_NO_PAYLOAD, &entry);
		if (!covet_memory_live(state) ||
			(if_version != NULL && *if_version != entry.version))
			return false;
		make_content(ns, write, &content);
		set_value(&content, frame);
		if (store_over(ns, &hot_key, state, entry.version, &content, HOT_IF_VERSION,
					   write->now, &stored))
			return stored;
	}
}

/* What incr makes of a live entry: all as it was but for the value. */
static void
keep_content(CacheNamespace *ns, const MemoryEntry *entry, HotContent *content)
{
	text	  **tags;

	if (entry->own != NULL)
	{
		*content = entry->own->content;
		return;
	}
	tags = covet_memory_tags(entry);
	memset(content, 0, sizeof(*content));
	content->expires_at = entry->shared.expires_at;
	content->stale_until = entry->shared.stale_until;
	content->idle = entry->shared.idle;
	content->seen_at = entry->shared.seen_at;
	content->max_bytes = ns->max_bytes;
	set_stamps(ns, content, tags, entry->ntags);
}

/*
 * covet_cache_incr_entry.
 */
bool
covet_memory_incr(CacheNamespace *ns, const CacheWrite *write, const text *key,
				  int64 by, const int64 *initial, int64 *result)
{
	HotKey		hot_key;

	key_to_write(ns, key, &hot_key);
	for (int attempts = 0;; attempts++)
	{
		HotContent	content;
		MemoryEntry entry;
		MemoryState state;
		bool		stored;

		CHECK_FOR_INTERRUPTS();
		state = covet_memory_find(&hot_key, write->now, 0, &entry);
		if (covet_memory_live(state))
		{
			*result = covet_integer_add(covet_integer_decode(&entry.value), by);
			keep_content(ns, &entry, &content);
			set_value(&content, covet_integer_encode(*result, covet_head_kind(entry.value.head)));
			if (store_over(ns, &hot_key, state, entry.version, &content, HOT_KEEP_TIMES,
						   write->now, &stored))
				return true;
		}
		else if (initial == NULL)
			return false;
		else
		{
			*result = covet_integer_add(*initial, by);
			make_content(ns, write, &content);
			set_value(&content, covet_integer_encode(*result, VALUE_TEXT));
			if (store_absent(ns, &hot_key, state_after(state, attempts), &content,
							 write->now, &stored))
				return true;
		}
	}
}

/*
 * covet_cache_take_entry.
 */
bool
covet_memory_take(CacheNamespace *ns, const text *key, ValueKind wanted, Datum *value)
{
	TimestampTz now = covet_now();
	HotKey		hot_key;

	if (!key_to_find(ns, key, &hot_key))
		return false;
	for (;;)
	{
		MemoryEntry entry;
		MemoryState state;

		CHECK_FOR_INTERRUPTS();
		state = covet_memory_find(&hot_key, now, 0, &entry);
		if (!covet_memory_live(state))
			return false;
		*value = covet_value_decode_parts(&entry.value, wanted);
		if (remove_found(&hot_key, state, entry.version, now))
			return true;
	}
}

/*
 * covet_cache_touch_entry.
 */
bool
covet_memory_touch(CacheNamespace *ns, const text *key, TimestampTz now,
				   TimestampTz expires_at)
{
	HotKey		hot_key;

	if (!key_to_find(ns, key, &hot_key))
		return false;
	for (;;)
	{
		MemoryEntry entry;
		MemoryState state;

		CHECK_FOR_INTERRUPTS();
		state = covet_memory_find(&hot_key, now, HOT_NO_PAYLOAD, &entry);
		if (!covet_memory_live(state))
			return false;
		if (expires_at <= now ? remove_found(&hot_key, state, entry.version, now)
			: set_deadline(&hot_key, state, now, expires_at))
			return true;
	}
}

/*
 * covet_cache_fill_entry.  In a transaction that has written the value waits in
 * its list, and the lease is asked for again at commit.
 */
bool
covet_memory_fill(CacheNamespace *ns, const CacheWrite *write, const text *key,
				  int64 lease_id, const bytea *frame)
{
	bool		keep = write->expires_at > write->now;
	HotContent	content;
	HotKey		hot_key;
	HotBlock	block;
	bool		stored;

	key_to_write(ns, key, &hot_key);
	make_content(ns, write, &content);
	set_value(&content, frame);
	stored = fits(&hot_key, &content);

	/* After the stamps were taken: they have not moved since it was won. */
	if (!covet_cache_lease_stands(ns, write, key, lease_id))
		return false;
	if (!covet_pending_may_promote())
	{
		if (stored && keep)
			covet_pending_set(&hot_key, &content, lease_id);
		else
			covet_pending_delete(&hot_key);
		return stored;
	}
	covet_pending_note();
	if (stored && keep && covet_hot_prepare(&hot_key, &content, &block))
		return covet_hot_link(&hot_key, &block, HOT_IF_LEASE, lease_id, covet_now(), NULL);
	return covet_hot_lease_end(&hot_key, lease_id, covet_now(), true) && stored;
}
