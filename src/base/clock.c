/*
 * clock.c
 *		Time to live and deadlines.
 *
 * A time to live is kept in microseconds.  Days have 24 hours; months are
 * those that follow the moment of the call, as in now() + interval.
 * Arithmetic saturates: 100 years or more (and 'infinity' from PostgreSQL 17
 * on, whose fields are all at their maximum) is "no deadline", so nothing
 * overflows.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/clock.h"

/*
 * The server's clock at this moment (not the transaction's start).
 */
TimestampTz
covet_now(void)
{
	return GetCurrentTimestamp();
}

/*
 * Microseconds of an interval: TTL_FOREVER from 100 years on, zero or less
 * when the interval is.
 */
Ttl
covet_ttl_from_interval(const Interval *interval)
{
	double		days = (double) interval->month * DAYS_PER_MONTH + interval->day;
	double		estimate = days * USECS_PER_DAY + (double) interval->time;
	int64		exact;

	/* The estimate decides only far from the exact range. */
	if (estimate >= 2.0 * TTL_MAX)
		return TTL_FOREVER;
	if (estimate <= 0 - 2.0 * TTL_MAX)
		return -TTL_MAX;

	/* Huge fields that cancel each other out are not worth exactness. */
	if (abs(interval->month) > 300 * MONTHS_PER_YEAR ||
		abs(interval->day) > 300 * 366)
		return estimate > 0 ? TTL_FOREVER : -TTL_MAX;

	exact = interval->day * USECS_PER_DAY + interval->time;
	if (interval->month != 0)
	{
		Interval	months = {.month = interval->month};
		TimestampTz now = GetCurrentTimestamp();

		exact += DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
														 TimestampTzGetDatum(now),
														 IntervalPGetDatum(&months))) - now;
	}
	return exact >= TTL_MAX ? TTL_FOREVER : exact;
}

/*
 * Microseconds of a setting in seconds; a negative one is "no deadline".
 */
Ttl
covet_ttl_from_seconds(int seconds)
{
	if (seconds < 0 || (int64) seconds * USECS_PER_SEC >= TTL_MAX)
		return TTL_FOREVER;
	return (int64) seconds * USECS_PER_SEC;
}

/*
 * from + ttl; 'infinity' when either has no end.
 */
TimestampTz
covet_deadline(TimestampTz from, Ttl ttl)
{
	if (ttl == TTL_FOREVER || TIMESTAMP_NOT_FINITE(from))
		return DT_NOEND;
	return from + ttl;
}
