/*
 * hot_entry.c
 *		What an entry holds, and whether it still counts.
 *
 * An entry counts while its stamps hold (nobody cleared its namespace, a tag of
 * it or its whole store), it was seen within its idle time, and its deadline
 * has not come.  A deadline behind it may leave it visible to leases for a
 * while: then it is not fresh, but not over either.
 *
 * Locks: the caller holds the partition's lock, shared to look, exclusively to
 * change; or the entry is prepared and known to the caller alone.  The word
 * "seen" alone is changed by compare-and-swap under the shared lock.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/compat.h"
#include "hot/hot_table.h"

/* Part of the idle time that may pass before a touch has to be saved. */
#define TOUCH_FRACTION	10

#define HAS_TAILS(flags, ntags) \
	(((flags) & (HOT_IDLE | HOT_STALE_TAIL)) != 0 || (ntags) > 0)

/* Bytes before the key. */
static Size
key_offset(uint8 flags, int ntags)
{
	if (!HAS_TAILS(flags, ntags))
		return offsetof(HotEntry, data);
	return MAXALIGN(offsetof(HotEntry, data)) +
		((flags & HOT_IDLE) ? sizeof(IdleTail) : 0) +
		((flags & HOT_STALE_TAIL) ? sizeof(StaleTail) : 0) +
		sizeof(TagTail) * ntags;
}

/*
 * The tail of an entry with HOT_IDLE.
 */
IdleTail *
covet_entry_idle(HotEntry *entry)
{
	Assert(entry->flags & HOT_IDLE);
	return (IdleTail *) ((char *) entry + MAXALIGN(offsetof(HotEntry, data)));
}

/*
 * The tail of an entry with HOT_STALE_TAIL.
 */
StaleTail *
covet_entry_stale(HotEntry *entry)
{
	Assert(entry->flags & HOT_STALE_TAIL);
	return (StaleTail *) ((char *) entry + MAXALIGN(offsetof(HotEntry, data)) +
						  ((entry->flags & HOT_IDLE) ? sizeof(IdleTail) : 0));
}

/*
 * The tails of its ntags tags.
 */
TagTail *
covet_entry_tags(HotEntry *entry)
{
	return (TagTail *) ((char *) entry + key_offset(entry->flags, entry->ntags) -
						sizeof(TagTail) * entry->ntags);
}

/*
 * Its key, of key_size bytes.
 */
char *
covet_entry_key(HotEntry *entry)
{
	return (char *) entry + key_offset(entry->flags, entry->ntags);
}

/*
 * Where its payload begins (or the link of the first piece stands); *tags is
 * where the names of its tags do.
 */
char *
covet_entry_payload(HotEntry *entry, const char **tags)
{
	char	   *at = covet_entry_key(entry) + entry->key_size;

	*tags = at;
	for (int i = 0; i < entry->ntags; i++)
		at += 1 + *(uint8 *) at;
	return at;
}

/*
 * Bytes of the block of an entry to be made, and its flags: HOT_PIECES among
 * them when the payload does not fit in.
 */
Size
covet_entry_size(const HotKey *key, const HotContent *content, uint8 *flags)
{
	Size		payload = (Size) content->prefix_size + content->size;
	Size		size;

	*flags = HOT_PREPARED;
	if (content->absent)
		*flags |= HOT_IS_ABSENT;
	if (content->idle != 0 && content->idle != TTL_FOREVER)
		*flags |= HOT_IDLE;
	if (content->stale_until != 0)
		*flags |= HOT_STALE_TAIL;

	size = key_offset(*flags, content->ntags) + key->size;
	for (int i = 0; i < content->ntags; i++)
		size += 1 + VARSIZE_ANY_EXHDR(content->tags[i]);
	if (size + payload <= HOT_BLOCK_MAX)
		return size + payload;
	*flags |= HOT_PIECES;
	return size + sizeof(HotLink);
}

/* Copy the payload into a chain of pieces, which is long enough. */
static void
fill_pieces(HotPartition *partition, HotLink link, const HotContent *content)
{
	Size		room = PIECE_BYTES;
	char	   *out;
	const char *in = content->bytes;
	Size		left = content->size;
	HotPiece   *piece = piece_at(partition, link);

	out = piece->bytes;
	memcpy(out, content->prefix, content->prefix_size);
	out += content->prefix_size;
	room -= content->prefix_size;
	for (;;)
	{
		Size		part = Min(room, left);

		memcpy(out, in, part);
		in += part;
		left -= part;
		if (left == 0)
			break;
		piece = piece_at(partition, piece->next);
		out = piece->bytes;
		room = PIECE_BYTES;
	}
}

/*
 * Fill a block of covet_entry_size() bytes; "chain" is the first of its pieces
 * with HOT_PIECES, "epoch" that of the store.
 */
void
covet_entry_fill(HotPartition *partition, HotLink link, const HotKey *key,
				 const HotContent *content, uint8 flags, HotLink chain, uint32 epoch)
{
	HotEntry   *entry = entry_at(partition, link);
	const char *tags;
	char	   *at;

	entry->next = entry->newer = entry->older = 0;
	entry->stamp = covet_hot_mix(content->stamp, epoch);
	entry->version = content->version;
	entry->expires_at = content->expires_at;
	entry->size = content->prefix_size + content->size;
	entry->home = key->home->id;
	entry->key_size = key->size;
	entry->head = content->head;
	entry->flags = flags;
	entry->visited = 0;
	entry->ntags = content->ntags;

	if (flags & HOT_IDLE)
	{
		IdleTail   *idle = covet_entry_idle(entry);

		idle->idle = content->idle;
		pg_atomic_init_u64(&idle->seen, (uint64) content->seen_at);
		idle->saved = content->seen_at;
	}
	if (flags & HOT_STALE_TAIL)
	{
		StaleTail  *stale = covet_entry_stale(entry);

		stale->stale_until = content->stale_until;
		stale->lease_id = 0;
		stale->lease_until = 0;
	}
	at = covet_entry_key(entry) + key->size;
	memcpy(covet_entry_key(entry), key->bytes, key->size);
	for (int i = 0; i < content->ntags; i++)
	{
		Size		size = VARSIZE_ANY_EXHDR(content->tags[i]);
		TagTail    *tail = &covet_entry_tags(entry)[i];

		tail->slot = covet_stamp_tag_slot(key->home->slot, VARDATA_ANY(content->tags[i]), size);
		tail->stamp = covet_hot_mix(content->tag_stamps[i], 0);
		*(uint8 *) at = (uint8) size;
		memcpy(at + 1, VARDATA_ANY(content->tags[i]), size);
		at += 1 + size;
	}

	at = covet_entry_payload(entry, &tags);
	if (flags & HOT_PIECES)
	{
		memcpy(at, &chain, sizeof(chain));
		fill_pieces(partition, chain, content);
	}
	else
	{
		memcpy(at, content->prefix, content->prefix_size);
		if (content->size > 0)
			memcpy(at + content->prefix_size, content->bytes, content->size);
	}
}

/*
 * Has a stamp moved that the entry depends on?  With "view" as this transaction
 * sees it, else as everybody does.
 */
bool
covet_entry_cleared(HotEntry *entry, bool view)
{
	HotHome    *home = covet_hot_home_by_id(entry->home);
	uint32		epoch = covet_hot_epoch(home->space, home->store);

	view = view && covet_pending_any;
	if (entry->stamp != covet_hot_mix(view ? covet_stamp_view(home->slot)
									  : covet_stamp_get(home->slot), epoch))
		return true;
	if (entry->ntags > 0)
	{
		TagTail    *tags = covet_entry_tags(entry);

		for (int i = 0; i < entry->ntags; i++)
			if (tags[i].stamp != covet_hot_mix(view ? covet_stamp_view(tags[i].slot)
											   : covet_stamp_get(tags[i].slot), 0))
				return true;
	}
	return false;
}

/*
 * Was an entry with an idle time seen within it?  With "mark" a no is kept for
 * good: whoever found it over has said so, and no touch with an earlier clock
 * may bring it back.
 */
bool
covet_entry_seen_in_time(HotEntry *entry, TimestampTz now, bool mark)
{
	IdleTail   *idle;
	uint64		seen;

	if (!(entry->flags & HOT_IDLE))
		return true;
	idle = covet_entry_idle(entry);
	seen = pg_atomic_read_u64(&idle->seen);
	for (;;)
	{
		if (seen == SEEN_DEAD)
			return false;
		if (covet_deadline((TimestampTz) seen, idle->idle) > now)
			return true;
		if (!mark || pg_atomic_compare_exchange_u64(&idle->seen, &seen, SEEN_DEAD))
			return false;
	}
}

/*
 * Was an entry that is not over seen since its row was last told?
 */
bool
covet_entry_touched(HotEntry *entry)
{
	IdleTail   *idle;
	uint64		seen;

	if (!(entry->flags & HOT_IDLE))
		return false;
	idle = covet_entry_idle(entry);
	seen = pg_atomic_read_u64(&idle->seen);
	return seen != SEEN_DEAD && (TimestampTz) seen > idle->saved;
}

/*
 * Does the table not know of a touch that has to be saved?
 */
bool
covet_entry_touch_due(HotEntry *entry)
{
	HotHome    *home = covet_hot_home_by_id(entry->home);
	IdleTail   *idle;
	uint64		seen;

	if (!(entry->flags & HOT_IDLE) || home->store == HOT_MEMORY)
		return false;
	idle = covet_entry_idle(entry);
	seen = pg_atomic_read_u64(&idle->seen);
	return seen != SEEN_DEAD &&
		(TimestampTz) seen - idle->saved > idle->idle / TOUCH_FRACTION;
}

/*
 * Can the entry be given to readers?  Whether stamps have moved is not asked.
 */
bool
covet_entry_fresh(HotEntry *entry, TimestampTz now)
{
	return entry->expires_at > now && covet_entry_seen_in_time(entry, now, false);
}

/*
 * Is there nobody any more who may see the entry?  Whether stamps have moved is
 * not asked.
 */
bool
covet_entry_over(HotEntry *entry, TimestampTz now)
{
	if (!covet_entry_seen_in_time(entry, now, false))
		return true;
	if (entry->expires_at > now)
		return false;
	if (entry->flags & HOT_STALE_TAIL)
	{
		StaleTail  *stale = covet_entry_stale(entry);

		return stale->stale_until <= now &&
			(stale->lease_id == 0 || stale->lease_until <= now);
	}
	return true;
}

/*
 * Does a lease of the entry belong to whoever has this id?
 */
bool
covet_entry_lease_held(HotEntry *entry, int64 lease_id, TimestampTz now)
{
	return (entry->flags & HOT_STALE_TAIL) != 0 && (entry->flags & HOT_IS_REMNANT) == 0 &&
		covet_entry_stale(entry)->lease_id == lease_id &&
		covet_entry_stale(entry)->lease_until > now &&
		!covet_entry_cleared(entry, false);
}
