/*
 * store_touch.c
 *		Saving touches: what the hot tier has seen goes back to the rows.
 *
 * That an entry or session with an idle time was seen is kept in its hot copy
 * first.  A walk through memory finds those that were seen more than a tenth of
 * their idle time after what their row says, and writes that to the row.  It
 * waits for nobody: where a row is locked its touch is left to the next walk.
 * A touch changes nothing that a copy shows, so copies stay.
 *
 * Memory is told that a touch is saved only when the transaction has
 * committed, in its COMMIT callback, which allocates nothing and cannot fail.
 * The list hangs in TopTransactionContext; after the rollback of a
 * subtransaction, whichever it was, it is forgotten, and the next walk saves
 * the touches once more.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "hot/hot.h"
#include "store/store.h"
#include "store/store_table.h"

/* Rows touched in one transaction, about. */
#define TOUCH_ROWS		500

/* Entries looked at in one transaction, about. */
#define TOUCH_ITEMS		50000

/* Who writes the touches of a store to its rows. */
static bool (*const savers[NUM_HOT_STORES]) (const HotItem *item, TimestampTz now) = {
	[HOT_CACHE] = covet_cache_touch_back,
};

#define TOUCHED_STORES	(1 << HOT_CACHE)

/* A touch that its row has, once this transaction commits. */
typedef struct SavedTouch
{
	struct SavedTouch *next;
	HotKey		key;			/* its bytes follow */
	TimestampTz seen_at;
} SavedTouch;

static SavedTouch *saved_touches = NULL;

static void
xact_callback(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT)
		for (SavedTouch *touch = saved_touches; touch != NULL; touch = touch->next)
			covet_hot_saved(&touch->key, touch->seen_at);
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
		saved_touches = NULL;
}

static void
subxact_callback(SubXactEvent event, SubTransactionId my_subid,
				 SubTransactionId parent_subid, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		saved_touches = NULL;
}

/* Remember that the touch of an entry is saved with this transaction. */
static void
note_saved(const HotItem *item)
{
	static bool registered = false;
	SavedTouch *touch;

	if (!registered)
	{
		RegisterXactCallback(xact_callback, NULL);
		RegisterSubXactCallback(subxact_callback, NULL);
		registered = true;
	}
	touch = MemoryContextAlloc(TopTransactionContext, sizeof(SavedTouch) + item->key_size);
	memcpy(touch + 1, item->key, item->key_size);
	covet_hot_key(&touch->key, item->home, touch + 1, item->key_size);
	touch->seen_at = item->seen_at;
	touch->next = saved_touches;
	saved_touches = touch;
}

/*
 * Go on with a walk that saves touches from *place (which starts zeroed) on;
 * true when it has come to its end.  place->shortest_idle is then the shortest
 * idle time there is in memory.  In a transaction that cannot touch rows
 * without the risk of an error nothing is done.
 */
bool
covet_store_save_touches(TouchPlace *place, TimestampTz now)
{
	HotWalk		walk;
	HotItem		item;
	int			rows = 0;
	int			items = 0;
	bool		complete = true;

	if (!covet_hot_available() || !covet_store_can_touch())
		return true;
	covet_hot_walk_begin(&walk, covet_hot_space(), TOUCHED_STORES, now);
	walk.partition = place->partition;
	walk.bucket = place->bucket;
	while (covet_hot_walk_next(&walk, &item))
	{
		CHECK_FOR_INTERRUPTS();
		items++;
		if (item.idle != 0 && item.idle != TTL_FOREVER)
			place->shortest_idle = place->shortest_idle == 0 ? item.idle
				: Min(place->shortest_idle, item.idle);
		if (item.touch_due)
		{
			rows++;
			if (savers[item.home->store] (&item, now))
				note_saved(&item);
		}

		/* Between two buffers the walk can be taken up again. */
		if ((rows >= TOUCH_ROWS || items >= TOUCH_ITEMS) && walk.next == walk.used)
		{
			complete = false;
			break;
		}
	}
	place->partition = walk.partition;
	place->bucket = walk.bucket;
	covet_hot_walk_end(&walk);
	return complete;
}
