/*
 * hot_limit.h
 *		Locks and rate limits: a store of their own, in shared memory.
 */
#ifndef COVET_HOT_LIMIT_H
#define COVET_HOT_LIMIT_H

#include "datatype/timestamp.h"

#include "base/clock.h"

typedef enum LimitKind
{
	LIMIT_FREE,					/* a record that holds nothing */
	LIMIT_LOCK,
	LIMIT_RATE
} LimitKind;

/* What a record is found by.  All bytes count. */
typedef struct LimitKey
{
	uint8		digest[24];		/* of the name: the head of its SHA-256 */
	Oid			database;
	Oid			schema;			/* of the extension, new with each CREATE */
	uint32		kind;			/* a LimitKind */
} LimitKey;

typedef struct LimitLock
{
	int64		fence;
	TimestampTz expires_at;
} LimitLock;

/* Sub-windows of a period, and of those that any part of it can lie in. */
#define RATE_PARTS		16
#define RATE_WINDOWS	(RATE_PARTS + 1)

/*
 * The hits of a rate limit.  Sub-window n is the time from n * width on, up to
 * (n + 1) * width.  Zeroed: no hits.
 */
typedef struct LimitRate
{
	int64		width;			/* of a sub-window, microseconds; 0: unused */
	int64		head;			/* number of the newest sub-window */
	uint32		hits[RATE_WINDOWS]; /* of sub-window head - i */
} LimitRate;

typedef struct LimitRecord
{
	LimitKey	key;
	uint32		next;			/* in its bucket or in the free list */
	union
	{
		LimitLock	lock;
		LimitRate	rate;
	}			value;
} LimitRecord;

typedef struct RateAnswer
{
	bool		allowed;
	int32		remaining;		/* hits left now */
	int64		retry_after;	/* microseconds; -1: never */
	int64		reset_after;	/* microseconds until all hits are forgotten */
} RateAnswer;

/* The furthest time the arithmetic of rate limits has room for. */
#define RATE_CLOCK_MAX	(END_TIMESTAMP - 2 * TTL_MAX)

/* in hot_limit.c */
extern void covet_limit_init(void);
extern Size covet_limit_size(void);
extern void covet_limit_key(LimitKey *key, LimitKind kind, const text *name);
extern bool covet_limit_acquire(const LimitKey *key, Ttl ttl, TimestampTz now,
								int64 *fence);
extern bool covet_limit_extend(const LimitKey *key, int64 fence, Ttl ttl,
							   TimestampTz now);
extern bool covet_limit_held(const LimitKey *key, TimestampTz now, LimitLock *lock);
extern void covet_limit_hit(const LimitKey *key, TimestampTz now, Ttl period,
							int32 max_hits, int32 cost, RateAnswer *answer);
extern int64 covet_limit_sweep(TimestampTz now);
extern int64 covet_limit_forget(Oid database);
extern void covet_limit_dump(TimestampTz now,
							 void (*receive) (const LimitRecord *record, void *arg),
							 void *arg);
extern bool covet_limit_load(const LimitRecord *record);

/* in hot_rate.c */
extern void covet_rate_ask(LimitRate *rate, TimestampTz now, Ttl period,
						   int32 max_hits, int32 cost, RateAnswer *answer);
extern TimestampTz covet_rate_end(const LimitRate *rate);

#endif							/* COVET_HOT_LIMIT_H */
