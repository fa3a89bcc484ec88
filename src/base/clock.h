/*
 * clock.h
 *		Time to live and deadlines.
 */
#ifndef COVET_CLOCK_H
#define COVET_CLOCK_H

#include "datatype/timestamp.h"

/* A time to live in microseconds; TTL_FOREVER stands for "no deadline". */
typedef int64 Ttl;

#define TTL_FOREVER		PG_INT64_MAX
/* 100 years of twelve months of 30 days, as interval '100 years' counts */
#define TTL_MAX			(INT64CONST(36000) * USECS_PER_DAY)

extern TimestampTz covet_now(void);
extern Ttl	covet_ttl_from_interval(const Interval *interval);
extern Ttl	covet_ttl_from_seconds(int seconds);
extern TimestampTz covet_deadline(TimestampTz from, Ttl ttl);

#endif							/* COVET_CLOCK_H */
