/*
 * stress.h
 *		What the parts of the stress program share; stress.c says what it checks.
 */
#ifndef STRESS_H
#define STRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <libpq-fe.h>

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

/* What happens to an effect (see stress.c), told to its function in this order. */
typedef enum Outcome
{
	OUTCOME_SENT,				/* what makes it visible is about to be sent */
	OUTCOME_ACKED,				/* ... was acknowledged */
	OUTCOME_NONE				/* rolled back, or never took place */
} Outcome;

typedef struct Effect
{
	void		(*settle) (struct Effect *effect, Outcome outcome);
	bool		at_once;		/* whatever becomes of the transaction */
	uint64_t	start;			/* tick before what makes it visible was sent */
	int			key;			/* this and the others: what settle knows */
	uint32_t	id;
	int64_t		arg;
} Effect;

/* Set up once, the same in all processes. */
typedef struct Setup
{
	const char *conninfo;
	bool		memory;			/* storage of the namespace: memory, else table */
	bool		evict;			/* a filler forces evictions */
	bool		lossless;		/* nothing goes but by a call: not (memory and evict) */
	bool		plant;			/* falsify what is read: the checks have to notice */
	int			seconds;
	uint64_t	seed;
	int64_t		run;			/* in names that must not be met by another run */
} Setup;

extern Setup setup;

/* in stress.c: ticks, chance, history */
extern uint64_t tick(void);
extern int64_t clock_us(void);
extern void raise_to(_Atomic uint64_t *to, uint64_t value);
extern uint32_t pick(uint32_t n);
extern bool chance(int percent);
extern void note(int subject, const char *format,...) __attribute__((format(printf, 2, 3)));
extern void violation(int subject, const char *format,...) __attribute__((format(printf, 2, 3)));

/* in stress.c: calls and transactions */
extern bool in_transaction(void);
extern bool read_committed(void);
extern PGresult *call(const char *sql, int nargs,...);
extern Effect *effect_begin(Effect effect);
extern void effect_end(Effect *effect, bool took_place);
extern const Effect *effect_last(bool (*about) (const Effect *effect, int arg), int arg);
extern bool hold(atomic_flag *lock);

/* in stress_cache.c */
extern void cache_init(void);
extern void cache_write(void);
extern void cache_read(void);
extern void cache_fill_memory(void);
extern void cache_summary(void);

/* in stress_count.c */
extern void count_init(void);
extern void count_write(void);
extern void count_add(void);
extern void count_read(void);
extern void count_summary(void);

/* in stress_session.c */
extern void session_init(void);
extern void session_write(void);
extern void session_read(void);
extern void token_step(void);
extern void session_summary(void);

/* Memory that all processes see, zeroed. */
extern void *share(size_t size);

/* Subjects of the history. */
#define SUBJECT_KEY(n)		(n)
#define SUBJECT_COUNTER(n)	(100 + (n))
#define SUBJECT_ROUND(n)	(1000 + (n) % 1000)
#define SUBJECT_SESSION(n)	(10000 + (n))
#define SUBJECT_TOKEN(n)	(1000000 + (n))
#define SUBJECT_NAMESPACE	(-1)	/* in the history of each key */
#define SUBJECT_USERS		(-2)	/* in that of each session */

#endif							/* STRESS_H */
