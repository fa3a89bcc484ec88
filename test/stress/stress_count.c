/*
 * stress_count.c
 *		The part of the stress program about counters, and about keys that are added
 *		once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stress.h"

#define COUNTERS		2
#define GENERATIONS		(1 << 16)
#define RESULTS			(1 << 22)
#define ROUNDS			(1 << 20)

/*
 * A counter that is not there starts at a number of its own, in the upper half:
 * its generation.  Within a generation each result is given out once.
 */
typedef struct Counter
{
	_Atomic uint64_t last;		/* a result that was acknowledged */
	_Atomic uint64_t begun;		/* start of the latest one that made or deleted it */
	_Atomic uint64_t total;		/* increments acknowledged */
} Counter;

typedef struct Counts
{
	Counter		counters[COUNTERS];
	_Atomic uint32_t ngenerations;
	_Atomic uint64_t generations[GENERATIONS];	/* tick of the latest result */
	_Atomic uint64_t results[RESULTS];	/* hash table */
	_Atomic uint32_t round;
	_Atomic uint8_t winners[ROUNDS];
} Counts;

static Counts *counts;

/* A result of incr is not given out twice: a hash table without deletion. */
static void
register_result(int c, uint64_t r)
{
	uint64_t	h = r * UINT64_C(0x9e3779b97f4a7c15) + c;

	for (int i = 0; i < 64; i++)
	{
		uint64_t	there = 0;
		uint64_t	entry = r * COUNTERS + c;

		if (atomic_compare_exchange_strong(&counts->results[(h + i) % RESULTS], &there, entry))
			return;
		if (there == entry)
			violation(SUBJECT_COUNTER(c), "result %llx of counter %d was given out twice",
					  (unsigned long long) r, c);
	}
}

/* arg: the result; or 0 for a delete. */
static void
settle_count(Effect *effect, Outcome outcome)
{
	Counter    *counter = &counts->counters[effect->key];
	uint64_t	r = effect->arg;
	uint64_t	last;

	if (outcome == OUTCOME_SENT)
		return;
	note(SUBJECT_COUNTER(effect->key), "%llx of tick %llu: %s", (unsigned long long) r,
		 (unsigned long long) effect->start,
		 outcome == OUTCOME_ACKED ? "acknowledged" : "did not take place");
	if (outcome != OUTCOME_ACKED)
		return;
	if (r == 0)
	{
		raise_to(&counter->begun, effect->start);
		return;
	}
	atomic_fetch_add(&counter->total, 1);
	register_result(effect->key, r);
	raise_to(&counts->generations[(r >> 32) % GENERATIONS], tick());
	if ((uint32_t) r == 1)
		raise_to(&counter->begun, effect->start);
	last = atomic_load(&counter->last);
	while (last >> 32 != r >> 32 || last < r)
	{
		if (atomic_compare_exchange_weak(&counter->last, &last, r))
			break;
	}
}

static bool
about_counter(const Effect *effect, int c)
{
	return effect->settle == settle_count && effect->key == c;
}

static const char *
counter_name(int c)
{
	return c == 0 ? "c0" : "c1";
}

/* A result, or what a get found, against what was acknowledged before it. */
static void
check_count(int c, uint64_t r, uint64_t last, uint64_t begun, bool is_new)
{
	uint64_t	seen = atomic_load(&counts->generations[(r >> 32) % GENERATIONS]);

	if (last >> 32 == r >> 32 && (r < last || (is_new && r == last)))
		violation(SUBJECT_COUNTER(c), "counter %d gives %llx after %llx was acknowledged", c,
				  (unsigned long long) r, (unsigned long long) last);
	if (seen != 0 && seen < begun)
		violation(SUBJECT_COUNTER(c), "counter %d gives %llx, last seen at %llu, before the one made at %llu",
				  c, (unsigned long long) r, (unsigned long long) seen, (unsigned long long) begun);
}

void
count_write(void)
{
	int			c = pick(COUNTERS);
	Counter    *counter = &counts->counters[c];
	uint64_t	last = atomic_load(&counter->last);
	uint64_t	begun = atomic_load(&counter->begun);
	bool		at_once = setup.memory && effect_last(about_counter, c) == NULL;
	char		initial[32];
	Effect	   *effect;
	PGresult   *result;

	if (!setup.lossless && chance(2))
	{
		effect = effect_begin((Effect) {.settle = settle_count,.key = c});
		result = call("SELECT covet.cache_delete($1, 'count')", 1, counter_name(c));
	}
	else
	{
		sprintf(initial, "%llu", (unsigned long long) (atomic_fetch_add(&counts->ngenerations, 1) + 1) << 32);
		effect = effect_begin((Effect) {.settle = settle_count,.key = c,.at_once = at_once});
		result = call("SELECT covet.cache_incr($1, 1, NULL, 'count', $2::bigint)", 2, counter_name(c), initial);
		if (result)
		{
			effect->arg = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
			check_count(c, effect->arg, last, begun, true);
		}
	}
	if (result)
	{
		effect_end(effect, true);
		PQclear(result);
	}
}

void
count_read(void)
{
	int			c = pick(COUNTERS);
	uint64_t	last = atomic_load(&counts->counters[c].last);
	uint64_t	begun = atomic_load(&counts->counters[c].begun);
	PGresult   *result = call("SELECT covet.cache_get($1, 'count')", 1, counter_name(c));

	if (result && !PQgetisnull(result, 0, 0) && effect_last(about_counter, c) == NULL)
		check_count(c, strtoull(PQgetvalue(result, 0, 0), NULL, 10), last, begun, false);
	PQclear(result);
}

/* id: the round */
static void
settle_round(Effect *effect, Outcome outcome)
{
	if (outcome == OUTCOME_ACKED && atomic_fetch_add(&counts->winners[effect->id], 1) > 0)
		violation(SUBJECT_ROUND(effect->id), "two adds of one key are true");
}

void
count_add(void)
{
	uint32_t	round = atomic_load(&counts->round);
	bool		at_once = setup.memory;	/* only adds are made of these keys */
	char		key[32];
	Effect	   *effect;
	PGresult   *result;

	if (!setup.lossless || round >= ROUNDS)
		return;
	effect = effect_begin((Effect) {.settle = settle_round,.id = round,.at_once = at_once});
	sprintf(key, "add%u", round);
	result = call("SELECT covet.cache_add($1, 'x', '1 minute', 'count')", 1, key);
	if (result)
	{
		note(SUBJECT_ROUND(round), "add of key %s: %s", key, PQgetvalue(result, 0, 0));
		effect_end(effect, *PQgetvalue(result, 0, 0) == 't');
		PQclear(result);
	}
	if (chance(15))
		atomic_compare_exchange_strong(&counts->round, &round, round + 1);
}

void
count_init(void)
{
	counts = share(sizeof(Counts));
}

/* After all is over: what must add up. */
void
count_summary(void)
{
	for (int c = 0; c < COUNTERS && setup.lossless; c++)
	{
		uint64_t	total = atomic_load(&counts->counters[c].total);
		PGresult   *result = call("SELECT covet.cache_get($1, 'count')", 1, counter_name(c));
		uint64_t	r = strtoull(PQgetvalue(result, 0, 0), NULL, 10);

		if ((uint32_t) r != total)
			violation(SUBJECT_COUNTER(c), "counter %d is %u after %llu increments", c, (uint32_t) r,
					  (unsigned long long) total);
		PQclear(result);
	}
}
