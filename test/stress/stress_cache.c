/*
 * stress_cache.c
 *		The part of the stress program about the cache: keys of one namespace that
 *		is cleared again and again.
 *
 * A value is "KEY:ID:" and bytes that follow from ID, so it says who wrote it and
 * whether it is whole.  Keys below SOLO have one writer at a time; keys from
 * UNTOUCHED on are never touched, so that their deadlines are known.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stress.h"

#define KEYS			8
#define SOLO			4
#define UNTOUCHED		6
#define TAGS			3
#define MAX_VALUES		(1 << 22)
#define MAX_VALUE_SIZE	40000

typedef enum State
{
	STATE_UNSENT,				/* of a transaction whose COMMIT was not sent */
	STATE_SENT,
	STATE_ACKED,
	STATE_NONE					/* rolled back, or not stored */
} State;

/* A value that was written, by its id; ids are not used twice. */
typedef struct Value
{
	_Atomic uint8_t state;
	uint8_t		key;
	uint8_t		tags;			/* bit n: has tag n */
	uint16_t	ttl;			/* ms; 0: none */
	_Atomic uint32_t takes;		/* acknowledged */
	_Atomic uint64_t done;		/* tick after its call returned; 0: not yet */
	_Atomic uint64_t acked;		/* tick after the acknowledgement; 0: not yet */
	_Atomic int64_t deadline;	/* it has ended by then at the latest; 0: none */
} Value;

typedef struct Key
{
	atomic_flag writer;			/* of a solo key */
	_Atomic uint64_t over;		/* start of the latest write or end acknowledged */
	_Atomic uint64_t leased;	/* start of the latest lease that was won */
	_Atomic uint64_t ends_begun;	/* calls that may end what is there */
	_Atomic uint64_t ends_over;
	_Atomic uint64_t sets_begun;
	_Atomic uint64_t sets_over;
	_Atomic uint64_t solid;		/* ends_begun + 1 when a set that nothing may have
								 * ended was sent; 0: none */
} Key;

typedef struct Cache
{
	Key			keys[KEYS];
	_Atomic uint64_t cleared;	/* start of the latest clear acknowledged */
	_Atomic uint64_t invalidated[TAGS];
	_Atomic uint32_t nvalues;
	_Atomic uint64_t reads;
	_Atomic uint64_t found;
	_Atomic uint64_t writes;
} Cache;

/* What was acknowledged when a read began. */
typedef struct Before
{
	int64_t		clock;
	uint64_t	over[KEYS];
	uint64_t	solid[KEYS];
	uint64_t	cleared;
	uint64_t	invalidated[TAGS];
} Before;

static Cache *cache;
static Value *values;
static char value_text[MAX_VALUE_SIZE + 64];

/* ------------------------------------------------------------------------
 * values
 * ------------------------------------------------------------------------ */

static uint32_t
padding_size(uint32_t id)
{
	uint32_t	h = id * UINT32_C(2654435761);
	uint32_t	kind = (h >> 8) % 100;

	h >>= 4;
	if (kind < 70)
		return h % 200;
	if (kind < 90)
		return h % 4000;
	if (kind < 98)
		return 4000 + h % 14000;
	return h % MAX_VALUE_SIZE;
}

/* The text of a value, in value_text. */
static const char *
render(int k, uint32_t id)
{
	uint32_t	size = padding_size(id);
	int			head = sprintf(value_text, "%d:%u:", k, id);

	memset(value_text + head, 'a' + id % 26, size);
	value_text[head + size] = '\0';
	return value_text;
}

/* The id in a text that was read for a key. */
static uint32_t
parse(int k, const char *text)
{
	unsigned	id;
	int			key;

	if (sscanf(text, "%d:%u:", &key, &id) != 2 || key != k || id == 0 ||
		id > atomic_load(&cache->nvalues) || values[id].key != k)
		violation(SUBJECT_KEY(k), "key %d holds \"%.60s\", which nobody wrote", k, text);
	if (strcmp(text, render(k, id)) != 0)
		violation(SUBJECT_KEY(k), "value %u of key %d is torn: \"%.60s\", %zu bytes",
				  id, k, text, strlen(text));
	return id;
}

static bool about_key(const Effect *effect, int k);

static void
look(Before *before)
{
	before->cleared = atomic_load(&cache->cleared);
	for (int t = 0; t < TAGS; t++)
		before->invalidated[t] = atomic_load(&cache->invalidated[t]);
	for (int k = 0; k < KEYS; k++)
	{
		before->over[k] = atomic_load(&cache->keys[k].over);
		before->solid[k] = atomic_load(&cache->keys[k].solid);
	}
	before->clock = clock_us();
}

/* Whether nothing but a call can have removed a key, and none has begun to. */
static bool
must_be_there(const Before *before, int k)
{
	return setup.lossless && before->solid[k] != 0 &&
		before->solid[k] == atomic_load(&cache->keys[k].ends_begun) + 1;
}

/* A value that was read, against what was acknowledged before the read. */
static void
check_order(const Before *before, int k, uint32_t id, bool may_be_stale)
{
	const Value *v = &values[id];
	uint64_t	acked = atomic_load(&v->acked);
	uint64_t	done = atomic_load(&v->done);
	int64_t		deadline = atomic_load(&v->deadline);

	switch (atomic_load(&v->state))
	{
		case STATE_NONE:
			violation(SUBJECT_KEY(k), "value %u of key %d was rolled back, but is read", id, k);
			break;
		case STATE_UNSENT:
			violation(SUBJECT_KEY(k), "value %u of key %d is not committed, but is read", id, k);
			break;
	}
	if (acked != 0 && acked < before->over[k])
		violation(SUBJECT_KEY(k), "value %u of key %d is older: acknowledged at tick %llu, "
				  "before the effect that began at %llu and was acknowledged before the read",
				  id, k, (unsigned long long) acked, (unsigned long long) before->over[k]);
	if (done != 0 && done < before->cleared)
		violation(SUBJECT_KEY(k), "value %u of key %d is from before the clear that began at %llu",
				  id, k, (unsigned long long) before->cleared);
	for (int t = 0; t < TAGS; t++)
	{
		if ((v->tags & (1 << t)) && done != 0 && done < before->invalidated[t])
			violation(SUBJECT_KEY(k), "value %u of key %d is from before tag %d was invalidated at %llu",
					  id, k, t, (unsigned long long) before->invalidated[t]);
	}
	if (k >= UNTOUCHED && !may_be_stale && deadline != 0 && before->clock > deadline)
		violation(SUBJECT_KEY(k), "value %u of key %d ended %lld us before it is read",
				  id, k, (long long) (before->clock - deadline));
}

/*
 * What a read gave for a key; NULL for nothing.  To show that the checks notice,
 * setup.plant gives a text out again that was read long before.
 */
static void
check(const Before *before, int k, const char *text, bool may_be_stale)
{
	static char planted[MAX_VALUE_SIZE + 64];
	static int	reads;
	const Effect *own = effect_last(about_key, k);
	uint32_t	id;

	atomic_fetch_add(&cache->reads, 1);
	if (setup.plant && k == 0 && !own && text)
	{
		if (reads++ == 0)
			strcpy(planted, text);
		else if (reads > 200)
			text = planted;
	}
	if (text == NULL)
	{
		note(SUBJECT_KEY(k), "reads nothing");
		if (must_be_there(before, k))
			violation(SUBJECT_KEY(k), "key %d is missing", k);
		return;
	}
	atomic_fetch_add(&cache->found, 1);
	id = parse(k, text);
	note(SUBJECT_KEY(k), "reads %u", id);
	if (own == NULL)
		check_order(before, k, id, may_be_stale);
	else if (own->id != 0 && own->id != id)
		violation(SUBJECT_KEY(k), "key %d holds %u for the transaction that has set %u",
				  k, id, own->id);
}

/* ------------------------------------------------------------------------
 * effects
 * ------------------------------------------------------------------------ */

static void
ends_begin(int k)
{
	for (int i = 0; i < KEYS; i++)
	{
		if (k < 0 || i == k)
			atomic_fetch_add(&cache->keys[i].ends_begun, 1);
	}
}

static void
ends_over(int k)
{
	for (int i = 0; i < KEYS; i++)
	{
		if (k < 0 || i == k)
			atomic_fetch_add(&cache->keys[i].ends_over, 1);
	}
}

static void settle_clear(Effect *effect, Outcome outcome);

static bool
about_clear(const Effect *effect, int unused)
{
	(void) unused;
	return effect->settle == settle_clear;
}

/* id: the value; arg: of Key.solid. */
static void
settle_set(Effect *effect, Outcome outcome)
{
	Value	   *v = &values[effect->id];
	Key		   *key = &cache->keys[effect->key];

	switch (outcome)
	{
		case OUTCOME_SENT:
			/* A clear of the same transaction ends what was set before it only. */
			if (atomic_load(&v->done) != 0 && effect_last(about_clear, 0))
				atomic_store(&v->done, tick());
			atomic_store(&v->state, STATE_SENT);
			return;
		case OUTCOME_ACKED:
			if (v->ttl)
				atomic_store(&v->deadline, clock_us() + v->ttl * 1000);
			atomic_store(&v->acked, tick());
			atomic_store(&v->state, STATE_ACKED);
			raise_to(&key->over, effect->start);
			if (effect->arg)
				atomic_store(&key->solid, effect->arg);
			break;
		case OUTCOME_NONE:
			atomic_store(&v->state, STATE_NONE);
			break;
	}
	note(SUBJECT_KEY(effect->key), "value %u of tick %llu: %s", effect->id,
		 (unsigned long long) effect->start,
		 outcome == OUTCOME_ACKED ? "acknowledged" : "did not take place");
	if (v->ttl)
		ends_over(effect->key);
	atomic_fetch_add(&key->sets_over, 1);
}

/* arg: the value that was taken, or 0. */
static void
settle_end(Effect *effect, Outcome outcome)
{
	if (outcome == OUTCOME_SENT)
		return;
	note(SUBJECT_KEY(effect->key), "end of tick %llu: %s", (unsigned long long) effect->start,
		 outcome == OUTCOME_ACKED ? "acknowledged" : "did not take place");
	if (outcome == OUTCOME_ACKED)
	{
		raise_to(&cache->keys[effect->key].over, effect->start);
		if (effect->arg && atomic_fetch_add(&values[effect->arg].takes, 1) > 0)
			violation(SUBJECT_KEY(effect->key), "value %d of key %d was taken twice",
					  (int) effect->arg, effect->key);
	}
	ends_over(effect->key);
}

/* arg: a tag, or -1 for the whole namespace. */
static void
settle_clear(Effect *effect, Outcome outcome)
{
	if (outcome == OUTCOME_SENT)
		return;
	note(SUBJECT_NAMESPACE, "clear (tag %d) of tick %llu: %s", (int) effect->arg,
		 (unsigned long long) effect->start,
		 outcome == OUTCOME_ACKED ? "acknowledged" : "rolled back");
	if (outcome == OUTCOME_ACKED)
		raise_to(effect->arg < 0 ? &cache->cleared : &cache->invalidated[effect->arg],
				 effect->start);
	ends_over(-1);
}

static bool
about_key(const Effect *effect, int k)
{
	return about_clear(effect, 0) ||
		((effect->settle == settle_set || effect->settle == settle_end) && effect->key == k);
}

static bool
about_tag(const Effect *effect, int unused)
{
	return about_clear(effect, unused) && effect->arg >= 0;
}

/*
 * Whether an atomic operation on a key may be tried.  When the transaction has
 * invalidated a tag in memory, it may or may not act at once.
 */
static bool
may_be_atomic(void)
{
	return !setup.memory || effect_last(about_tag, 0) == NULL;
}

/* Atomic operations act at once, where the transaction has not written the key. */
static bool
acts_at_once(int k)
{
	return setup.memory && effect_last(about_key, k) == NULL;
}

/*
 * A new value for a key, and its effect.  It is solid when no end is under way, and
 * no other set: that may be from before a clear, and then what it leaves is dead.
 */
static Effect *
set_begin(int k, int ttl, int tags, bool at_once, bool may_be_solid)
{
	Key		   *key = &cache->keys[k];
	uint32_t	id = atomic_fetch_add(&cache->nvalues, 1) + 1;
	uint64_t	ends_before = atomic_load(&key->ends_over);
	uint64_t	sets_before = atomic_load(&key->sets_over);
	uint64_t	ends = atomic_load(&key->ends_begun);
	uint64_t	sets = atomic_fetch_add(&key->sets_begun, 1);
	Value	   *v;

	if (id >= MAX_VALUES)
	{
		fprintf(stderr, "too many values: run for a shorter time\n");
		exit(2);
	}
	v = &values[id];
	v->key = k;
	v->tags = tags;
	v->ttl = ttl;
	if (ttl)
		ends_begin(k);
	atomic_fetch_add(&cache->writes, 1);
	return effect_begin((Effect) {
		.settle = settle_set,.key = k,.id = id,.at_once = at_once,
		.arg = may_be_solid && ttl == 0 && ends == ends_before && sets == sets_before ? ends + 1 : 0
	});
}

static void
set_end(Effect *effect, bool took_place)
{
	atomic_store(&values[effect->id].done, tick());
	effect_end(effect, took_place);
}

/* ------------------------------------------------------------------------
 * calls that write keys
 * ------------------------------------------------------------------------ */

static const char *
key_name(int k)
{
	static const char *const names[KEYS] = {"k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"};

	return names[k];
}

/* A key that may be written now, or -1. */
static int
key_to_write(void)
{
	int			k = pick(KEYS);

	return k >= SOLO || hold(&cache->keys[k].writer) ? k : -1;
}

static const char *
ttl_text(int ttl)
{
	static char text[32];

	if (ttl == 0)
		return NULL;
	sprintf(text, "%d ms", ttl);
	return text;
}

static const char *
tags_text(int tags)
{
	static char text[TAGS * 3 + 3];
	char	   *end = text;

	if (tags == 0)
		return NULL;
	for (int t = 0; t < TAGS; t++)
	{
		if (tags & (1 << t))
			end += sprintf(end, "%ct%d", end == text ? '{' : ',', t);
	}
	strcpy(end, "}");
	return text;
}

static int
some_ttl(void)
{
	return chance(10) ? 1 + pick(60) : 0;
}

static int
some_tags(void)
{
	return chance(50) ? pick(1 << TAGS) : 0;
}

static bool
is_true(const PGresult *result)
{
	return strcmp(PQgetvalue(result, 0, 0), "t") == 0;
}

static void
write_set(int k)
{
	int			ttl = some_ttl();
	int			tags = some_tags();
	Effect	   *effect = set_begin(k, ttl, tags, false, true);
	PGresult   *result;

	note(SUBJECT_KEY(k), "set %u, ttl %d, tags %d", effect->id, ttl, tags);
	result = call("SELECT covet.cache_set($1, $2, $3::interval, 'stress', $4::text[])", 4,
				  key_name(k), render(k, effect->id), ttl_text(ttl), tags_text(tags));
	if (result)
	{
		set_end(effect, is_true(result));
		PQclear(result);
	}
}

/* All keys below SOLO at once. */
static void
write_set_many(void)
{
	static char array[SOLO * (MAX_VALUE_SIZE + 64)];
	Effect	   *effects[SOLO];
	char	   *end = array;
	PGresult   *result;

	for (int k = 0; k < SOLO; k++)
	{
		if (!hold(&cache->keys[k].writer))
			return;
	}
	for (int k = 0; k < SOLO; k++)
	{
		effects[k] = set_begin(k, 0, 0, false, true);
		note(SUBJECT_KEY(k), "set_many %u", effects[k]->id);
		end += sprintf(end, "%c%s", k == 0 ? '{' : ',', render(k, effects[k]->id));
	}
	strcpy(end, "}");
	result = call("SELECT covet.cache_set_many('{k0,k1,k2,k3}', $1::text[], NULL, 'stress')", 1, array);
	if (result == NULL)
		return;
	for (int k = 0; k < SOLO; k++)
		set_end(effects[k], strcmp(PQgetvalue(result, 0, 0), "4") == 0);
	PQclear(result);
}

static void
write_delete(int k)
{
	Effect	   *effect;
	PGresult   *result;

	ends_begin(k);
	effect = effect_begin((Effect) {.settle = settle_end,.key = k});
	note(SUBJECT_KEY(k), "delete");
	if (!setup.memory && read_committed() && chance(30))	/* the owner's own SQL */
		result = call("WITH gone AS (DELETE FROM covet._cache WHERE namespace = 'stress' AND key = $1 RETURNING 1)"
					  " SELECT count(*) > 0 FROM gone", 1, key_name(k));
	else if (chance(50))
		result = call("SELECT covet.cache_delete($1, 'stress')", 1, key_name(k));
	else
		result = call("SELECT covet.cache_delete_many(ARRAY[$1, 'none'], 'stress') = 1", 1, key_name(k));
	if (result)
	{
		/* In tables a delete that found nothing does nothing at COMMIT. */
		effect_end(effect, is_true(result) || setup.memory || !in_transaction());
		PQclear(result);
	}
}

static void
write_take(int k)
{
	Before		before;
	bool		own = effect_last(about_key, k) != NULL;
	Effect	   *effect;
	PGresult   *result;

	look(&before);
	ends_begin(k);
	effect = effect_begin((Effect) {.settle = settle_end,.key = k,.at_once = acts_at_once(k)});
	note(SUBJECT_KEY(k), "take");
	result = call("SELECT covet.cache_take($1, 'stress')", 1, key_name(k));
	if (result == NULL)
		return;
	if (PQgetisnull(result, 0, 0))
		effect_end(effect, false);
	else
	{
		effect->arg = parse(k, PQgetvalue(result, 0, 0));
		if (!own)
			check_order(&before, k, effect->arg, false);
		effect_end(effect, true);
	}
	PQclear(result);
}

static void
write_clear(void)
{
	int			tag = chance(30) ? -1 : (int) pick(TAGS);
	Effect	   *effect;
	PGresult   *result;

	ends_begin(-1);
	effect = effect_begin((Effect) {.settle = settle_clear,.arg = tag});
	note(SUBJECT_NAMESPACE, "clear (tag %d)", tag);
	result = tag < 0 ?
		call("SELECT covet.cache_clear('stress')", 0) :
		call("SELECT covet.cache_invalidate_tags($1::text[], 'stress')", 1, tags_text(1 << tag));
	if (result)
	{
		effect_end(effect, true);
		PQclear(result);
	}
}

static void
write_add(int k)
{
	Before		before;
	int			ttl = some_ttl();
	int			tags = some_tags();
	Effect	   *effect;
	PGresult   *result;

	look(&before);
	effect = set_begin(k, ttl, tags, acts_at_once(k), true);
	note(SUBJECT_KEY(k), "add %u, ttl %d, tags %d", effect->id, ttl, tags);
	result = call("SELECT covet.cache_add($1, $2, $3::interval, 'stress', $4::text[])", 4,
				  key_name(k), render(k, effect->id), ttl_text(ttl), tags_text(tags));
	if (result == NULL)
		return;
	if (is_true(result) && ttl == 0 && must_be_there(&before, k))
		violation(SUBJECT_KEY(k), "add of value %u is true, but key %d is there", effect->id, k);
	set_end(effect, is_true(result));
	PQclear(result);
}

/* Replaces what was read, if nobody did so since. */
static void
write_replace(int k)
{
	Before		before;
	Effect	   *effect;
	uint64_t	read_at;
	uint64_t	over;
	PGresult   *read;
	PGresult   *result;

	look(&before);
	read = call("SELECT version, convert_from(value, 'UTF8') FROM covet.cache_entries(ARRAY[$1], 'stress')", 1,
				key_name(k));
	if (read == NULL)
		return;
	read_at = tick();
	check(&before, k, PQntuples(read) ? PQgetvalue(read, 0, 1) : NULL, false);
	if (PQntuples(read))
	{
		over = effect_last(about_key, k) ? 0 : atomic_load(&cache->keys[k].over);
		effect = set_begin(k, 0, 0, acts_at_once(k), true);
		note(SUBJECT_KEY(k), "replace version %s by %u", PQgetvalue(read, 0, 0), effect->id);
		result = call("SELECT covet.cache_replace($1, $2, namespace => 'stress', if_version => $3::bigint)", 3,
					  key_name(k), render(k, effect->id), PQgetvalue(read, 0, 0));
		if (result)
		{
			if (is_true(result) && over > read_at)
				violation(SUBJECT_KEY(k), "replace by value %u of key %d is true, but what was read at tick %llu"
						  " was overwritten at %llu", effect->id, k,
						  (unsigned long long) read_at, (unsigned long long) over);
			set_end(effect, is_true(result));
			PQclear(result);
		}
	}
	PQclear(read);
}

static void
write_touch(int k)
{
	PGresult   *result;

	if (k >= UNTOUCHED)
		return;
	result = call("SELECT covet.cache_touch($1, '1 hour', 'stress')", 1, key_name(k));
	if (result)
	{
		note(SUBJECT_KEY(k), "touch: %s", PQgetvalue(result, 0, 0));
		PQclear(result);
	}
}

/* Fills a lease that was won at a tick; lease 0 is a plain set. */
static void
fill(int k, const char *lease, uint64_t won_at)
{
	int			fresh = chance(50) ? 1 + pick(40) : 0;
	int			tags = some_tags();
	uint64_t	over = atomic_load(&cache->keys[k].over);
	uint64_t	leased = atomic_load(&cache->keys[k].leased);
	Effect	   *effect = set_begin(k, fresh, tags, false, false);
	PGresult   *result;

	note(SUBJECT_KEY(k), "fill of lease %s with %u, fresh for %d, tags %d", lease, effect->id, fresh, tags);
	result = call("SELECT covet.cache_fill($1, $2::bigint, $3, $4::interval, '1 s', 'stress', $5::text[])", 5,
				  key_name(k), lease, render(k, effect->id), ttl_text(fresh), tags_text(tags));
	if (result == NULL)
		return;
	if (is_true(result) && strcmp(lease, "0") != 0 && (over > won_at || leased > won_at))
		violation(SUBJECT_KEY(k), "fill of key %d with %u is true: the lease was won at tick %llu, but the key was "
				  "written at %llu, leased again at %llu", k, effect->id, (unsigned long long) won_at,
				  (unsigned long long) over, (unsigned long long) leased);
	set_end(effect, is_true(result));
	PQclear(result);
}

static void
write_lease(int k)
{
	Before		before;
	uint64_t	begun;
	uint64_t	won_at;
	const char *status;
	PGresult   *result;

	look(&before);
	begun = tick();
	result = call("SELECT status, value, lease_id FROM covet.cache_lease($1, '2 s', 'stress')", 1, key_name(k));
	if (result == NULL)
		return;
	won_at = tick();
	status = PQgetvalue(result, 0, 0);
	note(SUBJECT_KEY(k), "lease: %s %s", status, PQgetvalue(result, 0, 2));
	if (!PQgetisnull(result, 0, 1))
		check(&before, k, PQgetvalue(result, 0, 1), strcmp(status, "hit") != 0);
	if (strcmp(status, "won") == 0)
	{
		const char *lease = PQgetvalue(result, 0, 2);

		if (strcmp(lease, "0") != 0)
			raise_to(&cache->keys[k].leased, begun);
		/* In a transaction that has written since, it may or may not act at once. */
		if (chance(80) && !(setup.memory && in_transaction() && strcmp(lease, "0") != 0))
			fill(k, lease, won_at);
		else if (chance(50) && strcmp(lease, "0") != 0)
		{
			PGresult   *given = call("SELECT covet.cache_fill($1, $2::bigint, NULL, namespace => 'stress')", 2,
									 key_name(k), lease);

			note(SUBJECT_KEY(k), "gave lease %s back", lease);
			PQclear(given);
		}
	}
	PQclear(result);
}

/* ------------------------------------------------------------------------
 * calls that read keys
 * ------------------------------------------------------------------------ */

static void
read_one(void)
{
	int			k = pick(KEYS);
	Before		before;
	PGresult   *result;

	look(&before);
	result = call("SELECT covet.cache_get($1, 'stress')", 1, key_name(k));
	if (result)
		check(&before, k, PQgetisnull(result, 0, 0) ? NULL : PQgetvalue(result, 0, 0), false);
	PQclear(result);
}

/* Whether it is there: by two calls that do not show the value. */
static void
read_exists(void)
{
	int			k = pick(KEYS);
	Before		before;
	PGresult   *result;

	look(&before);
	result = chance(50) ?
		call("SELECT covet.cache_exists($1, 'stress')", 1, key_name(k)) :
		call("SELECT covet.cache_expires_at($1, 'stress') IS NOT NULL", 1, key_name(k));
	if (result && !is_true(result) && must_be_there(&before, k))
		violation(SUBJECT_KEY(k), "key %d does not exist", k);
	PQclear(result);
}

/* All keys, each a row of (name, value), where it is there. */
static void
read_rows(const char *sql)
{
	const char *found[KEYS] = {NULL};
	Before		before;
	PGresult   *result;

	look(&before);
	result = call(sql, 0);
	if (result == NULL)
		return;
	for (int row = 0; row < PQntuples(result); row++)
	{
		int			k = PQgetvalue(result, row, 0)[1] - '0';

		if (!PQgetisnull(result, row, 1))
			found[k] = PQgetvalue(result, row, 1);
	}
	for (int k = 0; k < KEYS; k++)
		check(&before, k, found[k], false);
	PQclear(result);
}

void
cache_read(void)
{
	uint32_t	n = pick(100);

	if (n < 50)
		read_one();
	else if (n < 60)
		read_exists();
	else if (n < 75)
		read_rows("SELECT 'k' || n - 1, v FROM unnest(covet.cache_get_many('{k0,k1,k2,k3,k4,k5,k6,k7}', 'stress'))"
				  " WITH ORDINALITY AS a(v, n)");
	else if (n < 82)
		read_rows("SELECT key, convert_from(value, 'UTF8')"
				  " FROM covet.cache_entries('{k0,k1,k2,k3,k4,k5,k6,k7}', 'stress')");
	else if (n < 90)
		read_rows("SELECT key, convert_from(value, 'UTF8')"
				  " FROM covet.cache_scan('k', namespace => 'stress', with_values => true)");
	else
		count_read();
}

void
cache_write(void)
{
	uint32_t	n = pick(100);
	int			k;

	if (n < 4)
		write_clear();
	else if (n < 12)
		count_write();
	else if (n < 18)
		count_add();
	else if (n < 22)
		write_set_many();
	else if ((k = key_to_write()) < 0)
		cache_read();
	else if (n < 55)
		write_set(k);
	else if (n < 63)
		write_delete(k);
	else if (n < 68)
		write_touch(k);
	else if (n < 80)
		write_lease(k);
	else if (!may_be_atomic())
		cache_read();
	else if (n < 87)
		write_take(k);
	else if (n < 94)
		write_add(k);
	else
		write_replace(k);
}

/* Other entries, more than there is memory for. */
void
cache_fill_memory(void)
{
	char		from[16];
	PGresult   *result;

	sprintf(from, "%u", pick(3000));
	result = chance(50) ?
		call("SELECT covet.cache_set('f' || n, repeat(md5(n::text), 10 + n % 150), '1 minute', 'filler')"
			 " FROM generate_series($1::int, $1::int + 15) n", 1, from) :
		call("SELECT covet.cache_get('f' || n, 'filler') FROM generate_series($1::int, $1::int + 60) n", 1, from);
	PQclear(result);
}

void
cache_init(void)
{
	PGresult   *result;

	cache = share(sizeof(Cache));
	values = share(sizeof(Value) * (size_t) MAX_VALUES);
	/* Raw: what is written here would shrink to nothing. */
	result = call("SELECT covet.cache_namespace_set(n, storage => $1, codec => 'raw')"
				  " FROM unnest('{stress,count,filler}'::text[]) n", 1, setup.memory ? "memory" : "table");
	PQclear(result);
	result = call("SELECT covet.cache_clear(n) FROM unnest('{stress,count,filler}'::text[]) n", 0);
	PQclear(result);
}

void
cache_summary(void)
{
	printf("cache: %llu values written, %llu reads checked, %llu of them found a value\n",
		   (unsigned long long) atomic_load(&cache->writes), (unsigned long long) atomic_load(&cache->reads),
		   (unsigned long long) atomic_load(&cache->found));
}
