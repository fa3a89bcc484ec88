/*
 * hot_pending.c
 *		What a transaction will publish when it commits.
 *
 * Until then nothing of it is in shared memory, and nobody waits for a client
 * that sits idle in a transaction.  A reader looks here first, so a
 * transaction sees its own writes:
 *
 *		set			an entry of a memory namespace, with its value
 *		delete		such an entry goes
 *		drop		a row was written: its hot copy goes, and until the end this
 *					transaction reads the table
 *		move		a stamp, the epoch of a store, or that of the settings
 *
 * An operation has a target: a key, a slot, a store, the settings.  Targets
 * are found in a hash table.  Each has a stack of operations, at most one for
 * a nesting level, of which the top one counts.  The operations of a level
 * hang in its lists as well: a subtransaction that rolls back frees its own,
 * one that commits gives them to the level above, and one that wrote nothing
 * has no level here and costs nothing.  Everything is allocated by itself in
 * one memory context, so a long transaction holds no more than what it would
 * publish.
 *
 * Over MAX_DROPS rows of one store are not listed any more: the epoch of the
 * store moves instead.
 *
 * hot_publish.c does the rest when the transaction ends.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "common/hashfn.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/version.h"
#include "hot/hot_pending.h"

#define MAX_DROPS	65536		/* rows of one store */

typedef struct PendingSlot
{
	PendingTarget *target;
	uint32		hash;
	char		status;
} PendingSlot;

static inline bool
same_target(const PendingTarget *a, const PendingTarget *b)
{
	return a->kind == b->kind && a->number == b->number && a->space == b->space &&
		a->key.home == b->key.home && a->key.size == b->key.size &&
		(a->key.size == 0 || memcmp(a->key.bytes, b->key.bytes, a->key.size) == 0);
}

#define SH_PREFIX pending
#define SH_ELEMENT_TYPE PendingSlot
#define SH_KEY_TYPE PendingTarget *
#define SH_KEY target
#define SH_HASH_KEY(table, key) ((key)->hash)
#define SH_EQUAL(table, a, b) same_target((a), (b))
#define SH_STORE_HASH
#define SH_GET_HASH(table, slot) ((slot)->hash)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/*
 * Does this transaction have operations?  If not, nothing here need be asked.
 */
bool		covet_pending_any = false;

PendingState covet_pending_state;

#define state covet_pending_state

/* ------------------------------------------------------------------------
 * Targets, levels, operations
 * ------------------------------------------------------------------------ */

/* What to look for a key with. */
static inline PendingTarget
target_of_key(const HotKey *key)
{
	PendingTarget target = {.kind = TARGET_KEY, .hash = (uint32) key->hash, .key = *key};

	return target;
}

/* The same for what is no key. */
static inline PendingTarget
target_of_number(PendingTargetKind kind, uint16 space, uint32 number)
{
	PendingTarget target = {.kind = kind, .hash = murmurhash32(number + kind),
	.number = number, .space = space};

	return target;
}

/* The target with operations that equals "wanted", or NULL. */
static inline PendingTarget *
find_target(PendingTarget *wanted)
{
	PendingSlot *slot;

	if (state.targets == NULL)
		return NULL;
	slot = pending_lookup_hash(state.targets, wanted, wanted->hash);
	return slot == NULL ? NULL : slot->target;
}

static PendingTarget *
add_target(PendingTarget *wanted)
{
	PendingTarget *target = MemoryContextAlloc(state.context,
											   sizeof(*target) + wanted->key.size);
	PendingSlot *slot;
	bool		found;

	*target = *wanted;
	target->fenced = false;
	target->top = NULL;
	if (wanted->key.size > 0)
		target->key.bytes = memcpy(target + 1, wanted->key.bytes, wanted->key.size);

	slot = pending_insert_hash(state.targets, target, target->hash, &found);
	Assert(!found);
	slot->target = target;
	if (target->kind == TARGET_SLOT)
		state.nslots++;
	else if (target->kind == TARGET_EPOCH)
		state.epochs |= 1U << target->number;
	return target;
}

static void
remove_target(PendingTarget *target)
{
	if (target->fenced)
		covet_hot_unfence(&target->key);
	if (target->kind == TARGET_SLOT)
		state.nslots--;
	else if (target->kind == TARGET_EPOCH)
		state.epochs &= ~(1U << target->number);
	pending_delete(state.targets, target);
	pfree(target);
}

/* The level of the subtransaction we are in. */
static PendingLevel *
current_level(void)
{
	int			nest = GetCurrentTransactionNestLevel();
	PendingLevel *level = state.level;

	if (level == NULL || level->nest < nest)
	{
		level = MemoryContextAlloc(state.context, sizeof(*level));
		level->nest = nest;
		dlist_init(&level->keys);
		dlist_init(&level->moves);
		level->outer = state.level;
		state.level = level;
	}
	Assert(level->nest == nest);
	return level;
}

/* Get ready to hold operations. */
static void
start(void)
{
	if (state.context == NULL)
		state.context = AllocSetContextCreate(TopMemoryContext, "covet pending",
											  ALLOCSET_DEFAULT_SIZES);
	if (state.targets == NULL)
		state.targets = pending_create(state.context, 8, NULL);
}

/* Free an operation that is in no list and on no stack any more. */
static void
free_op(PendingOp *op)
{
	if (op->kind == OP_SET)
		covet_hot_discard(&op->u.set.block);
	else if (op->kind == OP_DROP)
		state.ndrops[op->target->key.home->store]--;
	pfree(op);
}

/*
 * Make an operation the one that counts for a target.  One of the same level
 * is freed: what "op" was made from is not needed any more.
 */
static void
put(PendingTarget *wanted, PendingOp *op)
{
	PendingLevel *level = current_level();
	PendingTarget *target = find_target(wanted);
	PendingOp  *replaced = NULL;

	if (target == NULL)
		target = add_target(wanted);
	if (target->top != NULL && target->top->level == level)
	{
		replaced = target->top;
		dlist_delete(&replaced->node);
	}
	op->target = target;
	op->level = level;
	op->outer = replaced != NULL ? replaced->outer : target->top;
	target->top = op;
	dlist_push_tail(op->kind == OP_MOVE ? &level->moves : &level->keys, &op->node);
	if (op->kind == OP_DROP)
		state.ndrops[target->key.home->store]++;
	if (replaced != NULL)
		free_op(replaced);

	covet_pending_any = true;
	state.noted = true;
	if (state.prepared)
		covet_publish_prepare(op);
}

static PendingOp *
make_op(PendingOpKind kind, Size extra)
{
	PendingOp  *op = MemoryContextAllocHuge(state.context,
											MAXALIGN(sizeof(PendingOp)) + extra);

	memset(op, 0, sizeof(*op));
	op->kind = kind;
	return op;
}

/* A set with a copy of all that "content" points to. */
static PendingOp *
make_set(const HotContent *content, int64 lease_id)
{
	Size		tags_size = 0;
	PendingOp  *op;
	PendingValue *value;
	int64	   *stamps;
	const text **tags;
	char	   *at;

	for (int i = 0; i < content->ntags; i++)
		tags_size += MAXALIGN(VARSIZE_ANY(content->tags[i]));
	op = make_op(OP_SET, MAXALIGN(sizeof(PendingValue)) +
				 MAXALIGN((sizeof(*stamps) + sizeof(*tags)) * content->ntags) +
				 tags_size + content->size);

	at = (char *) op + MAXALIGN(sizeof(PendingOp));
	value = (PendingValue *) at;
	at += MAXALIGN(sizeof(PendingValue));
	stamps = (int64 *) at;
	tags = (const text **) (stamps + content->ntags);
	at += MAXALIGN((sizeof(*stamps) + sizeof(*tags)) * content->ntags);
	for (int i = 0; i < content->ntags; i++)
	{
		Size		size = VARSIZE_ANY(content->tags[i]);

		stamps[i] = content->tag_stamps[i];
		tags[i] = memcpy(at, content->tags[i], size);
		at += MAXALIGN(size);
	}
	if (content->size > 0)
		memcpy(at, content->bytes, content->size);

	value->content = *content;
	value->content.tags = tags;
	value->content.tag_stamps = stamps;
	value->content.bytes = at;
	value->version = covet_next_version();
	op->u.set.value = value;
	op->u.set.lease_id = lease_id;
	return op;
}

/* ------------------------------------------------------------------------
 * Writing
 * ------------------------------------------------------------------------ */

/*
 * Set an entry of a memory namespace.  All that "content" points to is copied;
 * it may be what covet_pending_find() gave for the same key.  With a lease_id
 * the entry is published only if that lease is then still held.
 */
void
covet_pending_set(const HotKey *key, const HotContent *content, int64 lease_id)
{
	PendingTarget target = target_of_key(key);

	start();
	put(&target, make_set(content, lease_id));
}

/*
 * Remove an entry of a memory namespace, whether there is one or not.
 */
void
covet_pending_delete(const HotKey *key)
{
	PendingTarget target = target_of_key(key);

	start();
	put(&target, make_op(OP_DELETE, 0));
}

/*
 * Give the entry that this transaction has set another deadline; its version
 * stays.  False where it has set none.
 */
bool
covet_pending_set_deadline(const HotKey *key, TimestampTz expires_at)
{
	PendingTarget wanted = target_of_key(key);
	PendingTarget *target = find_target(&wanted);
	PendingValue *value;
	HotContent	content;
	PendingOp  *op;

	if (target == NULL || target->top->kind != OP_SET)
		return false;
	value = target->top->u.set.value;
	content = value->content;
	if (content.stale_until != 0)
		content.stale_until = covet_deadline(expires_at,
											 content.stale_until - content.expires_at);
	content.expires_at = expires_at;
	op = make_set(&content, target->top->u.set.lease_id);
	op->u.set.value->version = value->version;
	put(&wanted, op);
	return true;
}

/*
 * Remember that the row of a key was written: its hot copy is dropped at
 * commit.  A home of NULL says that no copy can be there.
 */
void
covet_pending_drop(const HotKey *key)
{
	PendingTarget target = target_of_key(key);
	PendingTarget *known;
	HotStore	store;

	state.noted = true;
	if (key->home == NULL)
		return;
	store = key->home->store;
	if ((state.epochs & (1U << store)) != 0)
		return;
	known = find_target(&target);
	if (known != NULL && known->top->kind == OP_DROP)
		return;
	if (state.ndrops[store] >= MAX_DROPS)
	{
		covet_pending_epoch(store);
		return;
	}
	start();
	put(&target, make_op(OP_DROP, 0));
}

/*
 * Clear what carries the stamp of a slot.  What this transaction writes from
 * now on outlives it.
 */
void
covet_pending_clear(uint32 slot)
{
	PendingTarget wanted = target_of_number(TARGET_SLOT, 0, slot);
	PendingTarget *target;
	PendingOp  *op;

	start();
	op = make_op(OP_MOVE, 0);
	target = find_target(&wanted);
	op->u.move.expected = target != NULL ? target->top->u.move.expected
		: covet_stamp_get(slot);
	op->u.move.stamp = covet_next_version();
	put(&wanted, op);
}

/*
 * Let all hot copies of a store end at commit.  Until then this transaction
 * reads the table for every key of it.
 */
void
covet_pending_epoch(HotStore store)
{
	PendingTarget target = target_of_number(TARGET_EPOCH, covet_hot_space(), store);

	state.noted = true;
	if (target.space == 0 || find_target(&target) != NULL)
		return;
	start();
	put(&target, make_op(OP_MOVE, 0));
}

/*
 * Remember that the settings of namespaces were changed: at commit everybody
 * reads them again.
 */
void
covet_pending_settings(void)
{
	PendingTarget target = target_of_number(TARGET_SETTINGS, covet_hot_space(), 0);

	state.noted = true;
	if (target.space == 0 || find_target(&target) != NULL)
		return;
	start();
	put(&target, make_op(OP_MOVE, 0));
}

/*
 * Remember that this transaction writes, so that it cannot be prepared.
 */
void
covet_pending_note(void)
{
	state.noted = true;
}

/* ------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------ */

/*
 * What this transaction did to a key.  *value is set for PENDING_SET and lives
 * until the key is written again or the (sub)transaction ends.  An entry that
 * waits here counts as seen: its idle time begins when it is published.
 */
PendingKind
covet_pending_find(const HotKey *key, TimestampTz now, PendingValue **value)
{
	PendingTarget wanted = target_of_key(key);
	PendingTarget *target = find_target(&wanted);
	PendingValue *found;

	if ((state.epochs & (1U << key->home->store)) != 0)
		return PENDING_TABLE;
	if (target == NULL)
		return PENDING_NONE;
	switch (target->top->kind)
	{
		case OP_DROP:
			return PENDING_TABLE;
		case OP_SET:
			found = target->top->u.set.value;
			if (found->content.expires_at <= now ||
				!covet_pending_stamps_hold(key->home, &found->content, covet_stamp_view))
				return PENDING_DELETED;
			*value = found;
			return PENDING_SET;
		default:
			return PENDING_DELETED;
	}
}

/*
 * Does no slot hold another stamp than the one that was captured?  "stamp_of"
 * says what it holds.  Runs in the COMMIT callback too.
 */
bool
covet_pending_stamps_hold(const HotHome *home, const HotContent *content,
						  int64 (*stamp_of) (uint32 slot))
{
	if (stamp_of(home->slot) != content->stamp)
		return false;
	for (int i = 0; i < content->ntags; i++)
	{
		const text *tag = content->tags[i];
		uint32		slot = covet_stamp_tag_slot(home->slot, VARDATA_ANY(tag),
												VARSIZE_ANY_EXHDR(tag));

		if (stamp_of(slot) != content->tag_stamps[i])
			return false;
	}
	return true;
}

/*
 * The stamp of a slot as this transaction sees it: its own clear counts.
 */
int64
covet_stamp_view(uint32 slot)
{
	if (unlikely(state.nslots > 0))
	{
		PendingTarget wanted = target_of_number(TARGET_SLOT, 0, slot);
		PendingTarget *target = find_target(&wanted);

		if (target != NULL)
			return target->top->u.move.stamp;
	}
	return covet_stamp_get(slot);
}

/*
 * Did this transaction change settings of namespaces?
 */
bool
covet_pending_settings_changed(void)
{
	PendingTarget wanted;

	if (!covet_pending_any)
		return false;
	wanted = target_of_number(TARGET_SETTINGS, covet_hot_space(), 0);
	return find_target(&wanted) != NULL;
}

/*
 * May what this transaction reads from a table be put into memory for others?
 * Not once it may have written rows itself, which others must not see, or has
 * cleared something, which to others is still there.
 */
bool
covet_pending_may_promote(void)
{
	return !covet_pending_any && !TransactionIdIsValid(GetTopTransactionIdIfAny()) &&
		!IsInParallelMode() && !RecoveryInProgress();
}

/*
 * Call "receive" for each target, in no order.
 */
void
covet_pending_each(void (*receive) (PendingTarget *target, void *arg), void *arg)
{
	pending_iterator iterator;
	PendingSlot *slot;

	if (state.targets == NULL)
		return;
	pending_start_iterate(state.targets, &iterator);
	while ((slot = pending_iterate(state.targets, &iterator)) != NULL)
		receive(slot->target, arg);
}

/* What covet_pending_walk() was called with. */
typedef struct PendingWalk
{
	const HotHome *home;
	void		(*receive) (const char *key, Size size, void *arg);
	void	   *arg;
} PendingWalk;

static void
walk_target(PendingTarget *target, void *arg)
{
	PendingWalk *walk = arg;

	if (target->kind == TARGET_KEY && target->key.home == walk->home &&
		target->top->kind == OP_SET)
		walk->receive(target->key.bytes, target->key.size, walk->arg);
}

/*
 * Call "receive" for the key of each entry of a home that this transaction has
 * set, in no order; covet_pending_find() says if it is still alive.  "receive"
 * writes nothing here.
 */
void
covet_pending_walk(const HotHome *home,
				   void (*receive) (const char *key, Size size, void *arg), void *arg)
{
	PendingWalk walk = {home, receive, arg};

	if (covet_pending_any)
		covet_pending_each(walk_target, &walk);
}

/* ------------------------------------------------------------------------
 * The end of a subtransaction
 * ------------------------------------------------------------------------ */

/* Take back the operations in a list, which are the top ones of their targets. */
static void
undo(dlist_head *list)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, list)
	{
		PendingOp  *op = dlist_container(PendingOp, node, iter.cur);
		PendingTarget *target = op->target;

		Assert(target->top == op);
		target->top = op->outer;
		free_op(op);
		if (target->top == NULL)
			remove_target(target);
	}
}

/* Give the operations in a list to the level above, whose list is "into". */
static void
give(dlist_head *list, PendingLevel *outer, dlist_head *into)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, list)
	{
		PendingOp  *op = dlist_container(PendingOp, node, iter.cur);
		PendingOp  *replaced = op->outer;

		if (replaced != NULL && replaced->level == outer)
		{
			op->outer = replaced->outer;
			dlist_delete(&replaced->node);
			free_op(replaced);
		}
		op->level = outer;
		dlist_delete(&op->node);
		dlist_push_tail(into, &op->node);
	}
}

/*
 * The current subtransaction ends: its operations go to the level above or are
 * undone.  Costs nothing where it has none, else O(its own).
 */
void
covet_pending_end_sub(bool commit)
{
	PendingLevel *level = state.level;
	PendingLevel *outer;
	int			nest = GetCurrentTransactionNestLevel();

	if (level == NULL || level->nest < nest)
		return;
	outer = level->outer;
	if (commit && (outer == NULL || outer->nest < nest - 1))
	{
		level->nest = nest - 1;
		return;
	}
	if (commit)
	{
		give(&level->keys, outer, &outer->keys);
		give(&level->moves, outer, &outer->moves);
	}
	else
	{
		undo(&level->keys);
		undo(&level->moves);
	}
	state.level = outer;
	pfree(level);
	covet_pending_any = state.level != NULL;
}

/*
 * Forget everything at the end of the transaction.
 */
void
covet_pending_reset(void)
{
	MemoryContext context = state.context;

	covet_pending_any = false;
	if (state.targets != NULL)
		MemoryContextReset(context);
	memset(&state, 0, sizeof(state));
	state.context = context;
}
