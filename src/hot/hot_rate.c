/*
 * hot_rate.c
 *		The arithmetic of a rate limit: a record, a clock, an answer.
 *
 * The promise is that no window as long as the period ever admits more than
 * the limit.  Hits are counted in sub-windows of a sixteenth of the period.  A
 * period that ends now reaches into seventeen of them, and each counts whole
 * while any part of it lies in the period: a limit may refuse a sixteenth of
 * the period early, and never admits more.
 *
 * Where something is not known, the answer is the one that admits less:
 *
 * The clock goes back.  Up to a period time stands still for the record, until
 * the clock has caught up.  Further back nobody could wait for that: the hits
 * keep their age, and from there time runs on.
 *
 * Another period.  A record has one, the last one asked with.  Its hits go over
 * to the new sub-windows as if each had come at the latest moment it can have.
 * What the shorter of the two has forgotten by then a longer one does not know.
 *
 * Nothing here locks, allocates or raises, and all state is in the record.
 */
#include "postgres.h"

#include "hot/hot_limit.h"

/* The number of the sub-window that a time lies in. */
static int64
window_of(TimestampTz time, int64 width)
{
	int64		window = time / width;

	return time % width < 0 ? window - 1 : window;
}

/* When sub-window head - i is forgotten: it lies in no period any more. */
static TimestampTz
forgotten_at(const LimitRate *rate, int i)
{
	return (rate->head - i + RATE_WINDOWS) * rate->width;
}

static int64
total_hits(const LimitRate *rate)
{
	int64		total = 0;

	for (int i = 0; i < RATE_WINDOWS; i++)
		total += rate->hits[i];
	return total;
}

/* Bring a record to the sub-window that "now" lies in. */
static void
advance(LimitRate *rate, TimestampTz now)
{
	int64		window = window_of(now, rate->width);
	int64		steps = window - rate->head;

	if (steps >= RATE_WINDOWS)
		memset(rate->hits, 0, sizeof(rate->hits));
	else if (steps > 0)
	{
		memmove(&rate->hits[steps], &rate->hits[0],
				(RATE_WINDOWS - steps) * sizeof(rate->hits[0]));
		memset(&rate->hits[0], 0, steps * sizeof(rate->hits[0]));
	}

	/*
	 * One after the present one, because where in its sub-window a hit came is
	 * not known: so each stays for a whole period at least.
	 */
	if (steps < -RATE_PARTS)
		rate->head = window + 1;
	else if (steps > 0)
		rate->head = window;
}

/* Count a record's hits in sub-windows of another width. */
static void
change_width(LimitRate *rate, int64 width, TimestampTz now)
{
	LimitRate	old = *rate;
	TimestampTz latest = Max(now, old.head * old.width);

	memset(rate, 0, sizeof(*rate));
	rate->width = width;
	rate->head = window_of(latest, width);
	for (int i = 0; i < RATE_WINDOWS; i++)
	{
		TimestampTz last = (old.head - i + 1) * old.width - 1;
		int64		age = rate->head - window_of(Min(last, latest), width);

		if (age < RATE_WINDOWS)
			rate->hits[age] += old.hits[i];
	}
}

/* Make a record one of this width whose newest sub-window is that of "now". */
static void
settle(LimitRate *rate, int64 width, TimestampTz now)
{
	if (rate->width == 0)
	{
		rate->width = width;
		rate->head = window_of(now, width);
		return;
	}
	advance(rate, now);
	if (rate->width != width)
	{
		change_width(rate, width, now);
		advance(rate, now);
	}
}

/* Take back that many hits, the newest first; what is left of them is void. */
static void
give_back(LimitRate *rate, int64 hits)
{
	for (int i = 0; i < RATE_WINDOWS && hits > 0; i++)
	{
		int64		part = Min(hits, rate->hits[i]);

		rate->hits[i] -= part;
		hits -= part;
	}
}

/* How long until enough is forgotten for "wanted" more hits; -1: never. */
static int64
wait_for(const LimitRate *rate, int64 wanted, int32 max_hits, TimestampTz now)
{
	int64		total = total_hits(rate);

	if (total + wanted <= max_hits)
		return 0;
	if (wanted > max_hits)
		return -1;
	for (int i = RATE_PARTS; i >= 0; i--)
	{
		total -= rate->hits[i];
		if (total + wanted <= max_hits)
			return forgotten_at(rate, i) - now;
	}
	pg_unreachable();
}

/*
 * When a record's last hit is forgotten; DT_NOBEGIN when it has none.
 */
TimestampTz
covet_rate_end(const LimitRate *rate)
{
	for (int i = 0; i < RATE_WINDOWS; i++)
		if (rate->hits[i] > 0)
			return forgotten_at(rate, i);
	return DT_NOBEGIN;
}

/*
 * Ask a limit of max_hits (1 at least) a period (1 us at least, 100 years at
 * most are meant) for "cost" hits, and count them if they are allowed.  A cost
 * of 0 answers as 1 would and counts nothing; a negative one gives hits back.
 * "now" is not above RATE_CLOCK_MAX.
 */
void
covet_rate_ask(LimitRate *rate, TimestampTz now, Ttl period,
			   int32 max_hits, int32 cost, RateAnswer *answer)
{
	int64		width = (Min(period, TTL_MAX) + RATE_PARTS - 1) / RATE_PARTS;
	TimestampTz end;

	settle(rate, width, now);
	if (cost < 0)
		give_back(rate, -(int64) cost);

	answer->retry_after = cost < 0 ? 0 : wait_for(rate, Max(cost, 1), max_hits, now);
	answer->allowed = answer->retry_after == 0;
	if (answer->allowed && cost > 0)
		rate->hits[0] += cost;

	answer->remaining = (int32) Max(max_hits - total_hits(rate), 0);
	end = covet_rate_end(rate);
	answer->reset_after = TIMESTAMP_IS_NOBEGIN(end) ? 0 : end - now;
}
