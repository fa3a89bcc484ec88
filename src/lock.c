/*
 * lock.c
 *		SQL functions of locks and rate limits: unpack, call, pack.
 *
 * All act at once: no transaction undoes them, READ ONLY ones may call them,
 * and none ever waits for a lock's holder.  The memory of a standby is its own
 * and would guard nothing, so there they are refused.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/args.h"
#include "base/clock.h"
#include "base/compat.h"
#include "covet.h"
#include "hot/hot.h"
#include "hot/hot_limit.h"

#define DEFAULT_LOCK_TTL	(30 * USECS_PER_SEC)

/* The ttl of a lock; NULL is the default written in the declaration. */
static Ttl
ttl_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? DEFAULT_LOCK_TTL :
		covet_ttl_from_interval(PG_GETARG_INTERVAL_P(n));
}

/*
 * Raise 25006 on a standby.  "what" is the function's name as a user writes it.
 */
static void
begin_write(const char *what)
{
	PreventCommandDuringRecovery(what);
	covet_pending_note();
}

PG_FUNCTION_INFO_V1(covet_lock_acquire);

/*
 * covet.lock_acquire(name, ttl)
 */
Datum
covet_lock_acquire(PG_FUNCTION_ARGS)
{
	LimitKey	key;
	text	   *name;
	Ttl			ttl;
	int64		fence;

	covet_require_stateful(fcinfo);
	name = COVET_ARG_TEXT(0);
	covet_require_fits(name, 1, COVET_LOCK_MAX, "lock name");
	ttl = ttl_arg(fcinfo, 1);
	begin_write("lock_acquire()");

	covet_limit_key(&key, LIMIT_LOCK, name);
	if (!covet_limit_acquire(&key, ttl, covet_now(), &fence))
		PG_RETURN_NULL();
	PG_RETURN_INT64(fence);
}

/* Move the end of a lock, if its name and its fencing number can be one's. */
static bool
extend_lock(FunctionCallInfo fcinfo, Ttl ttl, const char *what)
{
	LimitKey	key;
	text	   *name = COVET_ARG_TEXT(0);

	begin_write(what);
	if (!covet_fits(name, COVET_LOCK_MAX) || PG_ARGISNULL(1))
		return false;
	covet_limit_key(&key, LIMIT_LOCK, name);
	return covet_limit_extend(&key, PG_GETARG_INT64(1), ttl, covet_now());
}

PG_FUNCTION_INFO_V1(covet_lock_extend);

/*
 * covet.lock_extend(name, fence, ttl)
 */
Datum
covet_lock_extend(PG_FUNCTION_ARGS)
{
	covet_require_stateful(fcinfo);
	PG_RETURN_BOOL(extend_lock(fcinfo, ttl_arg(fcinfo, 2), "lock_extend()"));
}

PG_FUNCTION_INFO_V1(covet_lock_release);

/*
 * covet.lock_release(name, fence)
 */
Datum
covet_lock_release(PG_FUNCTION_ARGS)
{
	covet_require_stateful(fcinfo);
	PG_RETURN_BOOL(extend_lock(fcinfo, 0, "lock_release()"));
}

PG_FUNCTION_INFO_V1(covet_lock_info);

/*
 * covet.lock_info(name)
 */
Datum
covet_lock_info(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	LimitKey	key;
	LimitLock	lock;
	text	   *name;

	covet_require_stateful(fcinfo);
	InitMaterializedSRF(fcinfo, 0);
	name = COVET_ARG_TEXT(0);
	if (!covet_fits(name, COVET_LOCK_MAX) || RecoveryInProgress())
		return (Datum) 0;

	covet_limit_key(&key, LIMIT_LOCK, name);
	if (covet_limit_held(&key, covet_now(), &lock))
	{
		Datum		values[] = {Int64GetDatum(lock.fence), TimestampTzGetDatum(lock.expires_at)};
		bool		nulls[] = {false, false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * The period of a limit in microseconds.  A month has 30 days, so that a limit
 * has one length whenever it is asked.  Raises 22023 for zero or less.
 */
static Ttl
period_arg(FunctionCallInfo fcinfo, int n)
{
	Interval	fixed;
	int64		days;
	Ttl			period;

	if (PG_ARGISNULL(n))
		covet_null_not_allowed("period of a rate limit");
	fixed = *PG_GETARG_INTERVAL_P(n);
	days = (int64) fixed.month * DAYS_PER_MONTH + fixed.day;
	fixed.month = 0;
	fixed.day = (int32) Max(Min(days, PG_INT32_MAX), -PG_INT32_MAX);

	period = covet_ttl_from_interval(&fixed);
	if (period <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("period of a rate limit must be greater than zero")));
	return period;
}

static Datum
interval_datum(int64 microseconds)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = microseconds;
	return IntervalPGetDatum(interval);
}

/* The row type of the result, looked up once for each place of a call. */
static TupleDesc
result_type(FunctionCallInfo fcinfo)
{
	FmgrInfo   *flinfo = fcinfo->flinfo;

	if (flinfo->fn_extra == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(flinfo->fn_mcxt);
		TupleDesc	desc;

		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		flinfo->fn_extra = BlessTupleDesc(desc);
		MemoryContextSwitchTo(old);
	}
	return flinfo->fn_extra;
}

/* rate_limit with the clock at "now". */
static Datum
rate_limit(FunctionCallInfo fcinfo, TimestampTz now)
{
	LimitKey	key;
	RateAnswer	answer;
	text	   *name = COVET_ARG_TEXT(0);
	Ttl			period;
	Datum		values[4];
	bool		nulls[4] = {false, false, false, false};

	covet_require_fits(name, 1, COVET_KEY_MAX, "key of a rate limit");
	if (PG_ARGISNULL(1))
		covet_null_not_allowed("maximum of a rate limit");
	if (PG_GETARG_INT32(1) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("maximum of a rate limit must be greater than zero")));
	period = period_arg(fcinfo, 2);
	if (PG_ARGISNULL(3))
		covet_null_not_allowed("cost");
	PreventCommandDuringRecovery("rate_limit()");
	if (PG_GETARG_INT32(3) != 0)
		covet_pending_note();

	covet_limit_key(&key, LIMIT_RATE, name);
	covet_limit_hit(&key, now, period, PG_GETARG_INT32(1), PG_GETARG_INT32(3), &answer);

	values[0] = BoolGetDatum(answer.allowed);
	values[1] = Int32GetDatum(answer.remaining);
	values[2] = interval_datum(answer.retry_after);
	nulls[2] = answer.retry_after < 0;
	values[3] = interval_datum(answer.reset_after);
	return HeapTupleGetDatum(heap_form_tuple(result_type(fcinfo), values, nulls));
}

PG_FUNCTION_INFO_V1(covet_rate_limit);

/*
 * covet.rate_limit(key, max_hits, period, cost)
 */
Datum
covet_rate_limit(PG_FUNCTION_ARGS)
{
	covet_require_stateful(fcinfo);
	return rate_limit(fcinfo, covet_now());
}

PG_FUNCTION_INFO_V1(covet__rate_limit_at);

/*
 * covet._rate_limit_at(key, max_hits, period, cost, now): for tests.
 */
Datum
covet__rate_limit_at(PG_FUNCTION_ARGS)
{
	TimestampTz now;

	covet_require_stateful(fcinfo);
	if (PG_ARGISNULL(4))
		covet_null_not_allowed("time");
	now = PG_GETARG_TIMESTAMPTZ(4);
	if (TIMESTAMP_NOT_FINITE(now) || now > RATE_CLOCK_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time is out of range")));
	return rate_limit(fcinfo, now);
}
