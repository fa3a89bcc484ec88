/*
 * hot_publish.c
 *		Publishing what a transaction has written, when it commits.
 *
 * PRE_COMMIT, where errors and waits are allowed, puts a fence on each key
 * whose row was written and fills a block of memory for each entry that was
 * set.  COMMIT, where an error would be a PANIC, allocates nothing and cannot
 * fail: it moves stamps, epochs and settings first and then links, removes and
 * drops key by key, one partition's lock at a time.  ABORT gives the blocks and
 * fences back.
 *
 * At COMMIT others have been seeing the rows of this transaction for a while,
 * and may have changed and committed them again.  That is why a copy of a row
 * is only ever dropped here: to drop late does no harm, to install would bring
 * back what somebody else has deleted since.  The drop moves the change count
 * of the bucket also when there is no copy, and only then is the fence taken
 * away, so a reader that looked at the table before cannot promote.  All this
 * is done for the keys that are listed also where the epoch of their store
 * moves: so many cover the buckets that a fence stands for, and a lease is not
 * filled while a row of its key is on its way.
 *
 * An entry of a memory namespace takes effect, and gets its version, when it
 * is linked.  Where a stamp it was made under has moved since, by somebody
 * else's or our own later clear, or its time is over, or memory has no room, it
 * is removed instead: as if it had been set and had gone at once.  What was
 * there before must not stay.  A value that was computed under a lease takes
 * effect only if that is still held.
 *
 * An operation that comes after our PRE_COMMIT, from another extension's, is
 * prepared at once.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"

#include "base/clock.h"
#include "base/guc.h"
#include "hot/hot_pending.h"

#define state covet_pending_state

/* Sleep in pieces that a cancel can end, where that is allowed. */
static void
delay(int milliseconds)
{
	while (milliseconds > 0)
	{
		int			piece = Min(milliseconds, 10);

		CHECK_FOR_INTERRUPTS();
		pg_usleep(piece * 1000L);
		milliseconds -= piece;
	}
}

/*
 * For tests: called between the read of a row and its promotion.
 */
void
covet_debug_promote_delay(void)
{
	if (unlikely(covet_debug_promote_ms > 0))
		delay(covet_debug_promote_ms);
}

/*
 * Do for an operation what can fail or wait: the fence of a row, the block of
 * an entry.  A set that is left without a block is a removal.
 */
void
covet_publish_prepare(PendingOp *op)
{
	PendingTarget *target = op->target;

	if (op->kind == OP_DROP && !target->fenced)
	{
		covet_hot_fence(&target->key);
		target->fenced = true;
	}
	else if (op->kind == OP_SET)
	{
		HotContent *content = &op->u.set.value->content;
		TimestampTz now = covet_now();

		content->seen_at = now;
		if (Max(content->expires_at, content->stale_until) > now &&
			covet_pending_stamps_hold(target->key.home, content, covet_stamp_view))
			(void) covet_hot_prepare(&target->key, content, &op->u.set.block);
	}
}

/* All operations are in the one level that is left. */
static void
pre_commit(void)
{
	dlist_iter	iter;

	state.prepared = true;
	if (state.level == NULL)
		return;
	Assert(state.level->outer == NULL);
	dlist_foreach(iter, &state.level->keys)
	{
		CHECK_FOR_INTERRUPTS();
		covet_publish_prepare(dlist_container(PendingOp, node, iter.cur));
	}
}

static void
publish_move(PendingOp *op)
{
	PendingTarget *target = op->target;

	switch (target->kind)
	{
		case TARGET_SLOT:
			covet_stamp_move(target->number, op->u.move.expected, op->u.move.stamp);
			break;
		case TARGET_EPOCH:
			covet_hot_epoch_move(target->space, target->number);
			break;
		default:
			covet_hot_settings_move(target->space);
			break;
	}
}

static void
publish_set(PendingOp *op, TimestampTz now)
{
	HotKey	   *key = &op->target->key;
	HotBlock   *block = &op->u.set.block;
	int64		lease_id = op->u.set.lease_id;
	int64		version;

	if (block->entry != 0 &&
		covet_pending_stamps_hold(key->home, &op->u.set.value->content, covet_stamp_get))
		(void) covet_hot_link(key, block, lease_id != 0 ? HOT_IF_LEASE : HOT_ALWAYS,
							  lease_id, now, &version);
	else if (lease_id != 0)
		(void) covet_hot_lease_end(key, lease_id, now, true);
	else
		(void) covet_hot_remove(key, 0, now);
	covet_hot_discard(block);
}

static void
publish_key(PendingOp *op, TimestampTz now)
{
	PendingTarget *target = op->target;

	switch (op->kind)
	{
		case OP_SET:
			publish_set(op, now);
			break;
		case OP_DELETE:
			(void) covet_hot_remove(&target->key, 0, now);
			break;
		default:
			covet_hot_drop(&target->key);
			break;
	}
	if (target->fenced)
	{
		covet_hot_unfence(&target->key);
		target->fenced = false;
	}
}

/*
 * The critical section says what is true anyhow: an error is a PANIC.  It also
 * lets a server with assertions find an allocation.
 */
static void
publish(void)
{
	TimestampTz now;
	dlist_iter	iter;

	if (unlikely(covet_debug_commit_ms > 0))
		delay(covet_debug_commit_ms);

	START_CRIT_SECTION();
	now = covet_now();
	dlist_foreach(iter, &state.level->moves)
		publish_move(dlist_container(PendingOp, node, iter.cur));
	dlist_foreach(iter, &state.level->keys)
		publish_key(dlist_container(PendingOp, node, iter.cur), now);
	END_CRIT_SECTION();
}

/* Give back what one target holds in shared memory. */
static void
give_back(PendingTarget *target, void *arg)
{
	for (PendingOp *op = target->top; op != NULL; op = op->outer)
		if (op->kind == OP_SET)
			covet_hot_discard(&op->u.set.block);
	if (target->fenced)
		covet_hot_unfence(&target->key);
	target->fenced = false;
}

static void
xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			pre_commit();
			break;
		case XACT_EVENT_PRE_PREPARE:
			/* COMMIT PREPARED would run in a backend that knows nothing of this. */
			if (state.noted)
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("cannot PREPARE a transaction that has written to covet")));
			break;
		case XACT_EVENT_COMMIT:
			if (state.level != NULL)
				publish();
			covet_pending_reset();
			break;
		case XACT_EVENT_ABORT:
			if (state.prepared)
				covet_pending_each(give_back, NULL);
			covet_pending_reset();
			break;
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
			covet_pending_reset();
			break;
		default:
			break;
	}
}

static void
subxact_callback(SubXactEvent event, SubTransactionId my_subid,
				 SubTransactionId parent_subid, void *arg)
{
	if (event == SUBXACT_EVENT_COMMIT_SUB)
		covet_pending_end_sub(true);
	else if (event == SUBXACT_EVENT_ABORT_SUB)
		covet_pending_end_sub(false);
}

/*
 * Set this part up; once in a process, from _PG_init.
 */
void
covet_pending_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}
