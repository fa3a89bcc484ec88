/*
 * net.c
 *		How streams wait, and when they give up.
 *
 * Every wait for a socket also waits for the process latch.  After an interrupt
 * that would end the statement, all streams of the running call fail, and go on
 * failing until the driver comes back; then the caller raises.  In cleanup mode,
 * which abort callbacks use, they ignore interrupts but have a deadline of
 * MONGO_CLEANUP_MS for the call as a whole.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "mongo/mongo.h"

/* How often the tick interrupts a pause of the driver after a cancel. */
#define TICK_MS			20

static TimeoutId tick_timeout;
static bool tick_registered = false;
static bool tick_running = false;

/* The signal itself is all that is wanted. */
static void
tick_handler(void)
{
}

/*
 * Interrupt the driver's pauses from now on.  It sleeps up to 500 ms before it
 * looks at a server again, and before 1.26 only a signal ends that.
 */
static void
start_tick(void)
{
	if (MONGO_HAS_USLEEP_IMPL || tick_running || !tick_registered)
		return;
	enable_timeout_every(tick_timeout,
						 TimestampTzPlusMilliseconds(GetCurrentTimestamp(), TICK_MS),
						 TICK_MS);
	tick_running = true;
}

/*
 * Begin a call of the driver: forget former failures.  Raises only before the
 * driver runs.
 */
void
covet_mongo_net_begin(MongoNet *net)
{
	if (!MONGO_HAS_USLEEP_IMPL && !tick_registered)
	{
		tick_timeout = RegisterTimeout(USER_TIMEOUT, tick_handler);
		tick_registered = true;
	}
	net->busy = true;
	net->cleanup = false;
	net->answered_at = 0;
	net->cancelled = false;
	net->lost = false;
	net->refused = false;
	net->text[0] = '\0';
}

/*
 * Begin a call of the driver that must neither be cancelled nor take long.
 */
void
covet_mongo_net_begin_cleanup(MongoNet *net)
{
	net->busy = true;
	net->cleanup = true;
	net->cleanup_ends = bson_get_monotonic_time() + MONGO_CLEANUP_MS * INT64CONST(1000);
	net->cancelled = false;
}

/*
 * End a call of the driver.
 */
void
covet_mongo_net_end(MongoNet *net)
{
	if (tick_running)
	{
		disable_timeout(tick_timeout, false);
		tick_running = false;
	}
	net->busy = false;
	net->cleanup = false;
}

/*
 * Must the streams give up?  From the first true on they stay given up until
 * the call of the driver ends.
 */
bool
covet_mongo_net_stop(MongoNet *net)
{
	if (net->cancelled)
		return true;
	if (net->cleanup)
		return bson_get_monotonic_time() > net->cleanup_ends;
	if (!covet_must_stop())
		return false;
	net->cancelled = true;
	start_tick();
	return true;
}

static uint32
wait_event(void)
{
	static uint32 event = 0;

	return covet_wait_event("CovetMongo", event);
}

/* Milliseconds from now to a deadline, rounded up; -1 for none. */
static long
remaining_ms(int64 deadline)
{
	int64		left;

	if (deadline < 0)
		return -1;
	left = deadline - bson_get_monotonic_time();
	if (left <= 0)
		return 0;
	return (long) Min((left + 999) / 1000, INT_MAX);
}

/*
 * The earlier of two deadlines; -1 stands for never.
 */
int64
covet_mongo_earlier(int64 a, int64 b)
{
	if (a < 0)
		return b;
	if (b < 0)
		return a;
	return Min(a, b);
}

/*
 * When a call that may take timeout ms from now has to end, in monotonic us;
 * -1 for never.
 */
int64
covet_mongo_deadline(MongoNet *net, int32 timeout)
{
	int64		deadline = -1;

	if (timeout >= 0)
		deadline = bson_get_monotonic_time() + timeout * INT64CONST(1000);
	if (net->cleanup)
		deadline = covet_mongo_earlier(deadline, net->cleanup_ends);
	return deadline;
}

/*
 * Wait for any of the sockets, the latch or the deadline.  The events of
 * socket i are left in seen[i].  Raises nothing: an error of PostgreSQL's, as
 * running out of file descriptors, is swallowed into false.
 */
bool
covet_mongo_wait(const int *fds, const uint32 *wanted, uint32 *seen, int count,
			 int64 deadline)
{
	MemoryContext context = CurrentMemoryContext;
	WaitEvent	events[8];
	volatile bool worked = true;
	WaitEventSet *volatile set = NULL;

	PG_TRY();
	{
		int			n;

		set = covet_create_wait_event_set(count + 2);
		AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
		AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
		for (int i = 0; i < count; i++)
		{
			seen[i] = 0;
			AddWaitEventToSet(set, wanted[i], fds[i], NULL, &seen[i]);
		}
		n = WaitEventSetWait(set, remaining_ms(deadline), events, lengthof(events),
							 wait_event());
		for (int i = 0; i < n; i++)
		{
			if (events[i].events & WL_LATCH_SET)
				ResetLatch(MyLatch);
			else if (events[i].user_data)
				*(uint32 *) events[i].user_data = events[i].events;
		}
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		FlushErrorState();
		worked = false;
	}
	PG_END_TRY();

	if (set)
		FreeWaitEventSet(set);
	return worked;
}

/*
 * Sleep for the driver or ourselves, but not beyond a cancel.
 */
void
covet_mongo_net_pause(MongoNet *net, int64 usec)
{
	int64		deadline = bson_get_monotonic_time() + usec;

	while (!covet_mongo_net_stop(net) && bson_get_monotonic_time() < deadline)
	{
		if (!covet_mongo_wait(NULL, NULL, NULL, 0, deadline))
			return;
	}
}
