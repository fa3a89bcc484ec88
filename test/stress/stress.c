/*
 * stress.c
 *		Many writers and readers on few keys, sessions and tokens at once, and the
 *		proof that no read which starts after an acknowledged commit returns an
 *		older value and that nothing revoked comes back.
 *
 *		stress CONNINFO memory|table evict|roomy SECONDS SEED [plant]
 *
 * A process is a connection.  Each takes random steps: calls of covet's
 * functions alone, in transactions that commit or not, in savepoints that are
 * rolled back or not.  The server sleeps for some ms inside COMMIT callbacks and
 * between the read of a table and its promotion (covet.debug_commit_delay,
 * covet.debug_promote_delay), so that what is rare happens often.
 *
 * How it is checked
 * -----------------
 * A counter in shared memory gives *ticks*: a call that was sent after another
 * was acknowledged has the higher one.  A call that changes something has an
 * *effect*, which begins with the tick before the COMMIT of its transaction was
 * sent (of an operation that acts at once: the call) and is acknowledged with it.
 * Every value that is written is unique, so whoever reads it knows which call
 * wrote it.  Before a reader sends its call it notes what was acknowledged so
 * far; what it gets then must not be
 *
 *	- older: acknowledged before the start of another effect on that key (a
 *	  write, delete, take, clear) that was acknowledged when the read began;
 *	- from before a clear or tag invalidation: its set had returned, though
 *	  perhaps not been committed, before that began;
 *	- dirty or rolled back: of a transaction whose COMMIT has not been sent, or
 *	  that did not commit;
 *	- torn: not the bytes that belong to it;
 *	- ended: a session, token of a session or revocation whose end was
 *	  acknowledged; an entry after its deadline;
 *	- missing, where nothing but a call may remove it and none has begun to.
 *
 * With several writers of a key most effects overlap, and then each order is
 * right.  So half of the keys, and each session's data, have one writer at a
 * time, and there every older value is noticed.
 *
 * Further: two takes never get the same value, two adds of one key are never
 * both true, the results of incr are never the same twice, a replace with the
 * version of a value that was overwritten since is false, and so is a fill with a
 * lease that was voided.
 *
 * A violation is printed with the history of its key, and the program exits
 * with 1; with 2 for what it did not expect to meet.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stress.h"

#define WRITERS		7
#define READERS		4
#define EVENTS		(1 << 16)
#define SHOWN		80			/* events of a history */
#define EFFECTS		256			/* of a transaction */
#define SAVEPOINTS	4

typedef struct Event
{
	uint64_t	tick;
	int			process;
	int			subject;
	char		text[104];
} Event;

typedef struct Shared
{
	_Atomic uint64_t ticks;
	_Atomic uint64_t steps;
	_Atomic int failed;
	atomic_flag printing;
	_Atomic uint64_t nevents;
	Event		events[EVENTS];
} Shared;

Setup		setup;
static Shared *shared;
static int	process;			/* number of this one */
static uint64_t random_state;
static PGconn *connection;

static Effect effects[EFFECTS];	/* of the call, or transaction, under way */
static int	neffects;
static bool transaction;
static bool committed_reads;	/* it is READ COMMITTED */
static int	savepoints[SAVEPOINTS];	/* neffects when they were set */
static int	nsavepoints;

static atomic_flag *held[16];
static int	nheld;

/* ------------------------------------------------------------------------
 * ticks, chance, history
 * ------------------------------------------------------------------------ */

void *
share(size_t size)
{
	void	   *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
							  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
	{
		perror("mmap");
		exit(2);
	}
	return memory;
}

uint64_t
tick(void)
{
	return atomic_fetch_add(&shared->ticks, 1) + 1;
}

/* The clock that the server reads too. */
int64_t
clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void
raise_to(_Atomic uint64_t *to, uint64_t value)
{
	uint64_t	old = atomic_load(to);

	while (old < value && !atomic_compare_exchange_weak(to, &old, value))
		;
}

/* A number below n: splitmix64, so that each seed is a good one. */
uint32_t
pick(uint32_t n)
{
	uint64_t	z = (random_state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t) ((z ^ (z >> 31)) % n);
}

bool
chance(int percent)
{
	return pick(100) < (uint32_t) percent;
}

/* Adds to the history of a subject. */
void
note(int subject, const char *format,...)
{
	uint64_t	n = atomic_fetch_add(&shared->nevents, 1);
	Event	   *event = &shared->events[n % EVENTS];
	va_list		args;

	event->tick = tick();
	event->process = process;
	event->subject = subject;
	va_start(args, format);
	vsnprintf(event->text, sizeof(event->text), format, args);
	va_end(args);
}

/* What clears a namespace concerns all its keys, and so on. */
static bool
concerns(const Event *event, int subject)
{
	return event->subject == subject ||
		(event->subject == SUBJECT_NAMESPACE && subject < SUBJECT_COUNTER(0)) ||
		(event->subject == SUBJECT_USERS && subject >= SUBJECT_SESSION(0) &&
		 subject < SUBJECT_TOKEN(0));
}

static void
print_history(int subject)
{
	uint64_t	end = atomic_load(&shared->nevents);
	uint64_t	begin = end > EVENTS - 1000 ? end - (EVENTS - 1000) : 0;
	uint64_t	from = end;
	int			shown = 0;

	while (from > begin && shown < SHOWN)
	{
		const Event *event = &shared->events[--from % EVENTS];

		if (concerns(event, subject))
			shown++;
	}
	for (; from < end; from++)
	{
		const Event *event = &shared->events[from % EVENTS];

		if (concerns(event, subject))
			fprintf(stderr, "  tick %-9llu process %-2d %s\n",
					(unsigned long long) event->tick, event->process, event->text);
	}
}

/* Says what was violated, with the history of the subject, and ends the run. */
void
violation(int subject, const char *format,...)
{
	va_list		args;

	while (atomic_flag_test_and_set(&shared->printing))
		usleep(1000);
	if (atomic_exchange(&shared->failed, 1) == 0)
	{
		fprintf(stderr, "VIOLATION in process %d: ", process);
		va_start(args, format);
		vfprintf(stderr, format, args);
		va_end(args);
		fprintf(stderr, "\nwith storage %s, %s, seed %llu; its history:\n",
				setup.memory ? "memory" : "table", setup.evict ? "evict" : "roomy",
				(unsigned long long) setup.seed);
		print_history(subject);
	}
	atomic_flag_clear(&shared->printing);
	exit(1);
}

/* Ends the run for a reason that is none of the checks'. */
static void
trouble(const char *what, const char *message)
{
	if (atomic_exchange(&shared->failed, 2) == 0)
		fprintf(stderr, "process %d: %s: %s", process, what, message);
	exit(2);
}

/* ------------------------------------------------------------------------
 * effects
 * ------------------------------------------------------------------------ */

/*
 * What waits for COMMIT starts with COMMIT: until then nobody may see it.
 */
static void
settle(Effect *effect, Outcome outcome)
{
	if (outcome == OUTCOME_SENT)
		effect->start = tick();
	if (effect->settle)
		effect->settle(effect, outcome);
	if (outcome != OUTCOME_SENT)
		effect->settle = NULL;
}

static void
settle_from(int first, Outcome outcome)
{
	for (int i = first; i < neffects; i++)
		settle(&effects[i], outcome);
}

/*
 * To be called right before the call whose effect it is.  An effect that does
 * not wait for COMMIT is sent with the call itself.
 */
Effect *
effect_begin(Effect effect)
{
	Effect	   *e;

	if (neffects == EFFECTS)
		trouble("too many effects in a transaction", "\n");
	e = &effects[neffects++];
	*e = effect;
	if (!transaction)
		e->at_once = true;
	if (e->at_once)
		settle(e, OUTCOME_SENT);
	return e;
}

/* To be called after the call, unless that failed. */
void
effect_end(Effect *effect, bool took_place)
{
	if (!took_place)
		settle(effect, OUTCOME_NONE);
	else if (effect->at_once)
		settle(effect, OUTCOME_ACKED);
}

/* The last effect of this transaction that waits for COMMIT and is about arg. */
const Effect *
effect_last(bool (*about) (const Effect *effect, int arg), int arg)
{
	for (int i = neffects - 1; i >= 0; i--)
	{
		if (effects[i].settle && about(&effects[i], arg))
			return &effects[i];
	}
	return NULL;
}

/*
 * Takes a lock of this program until the call, or transaction, is over.  Nobody
 * waits for one.
 */
bool
hold(atomic_flag *lock)
{
	for (int i = 0; i < nheld; i++)
	{
		if (held[i] == lock)
			return true;
	}
	if (nheld == (int) lengthof(held) || atomic_flag_test_and_set(lock))
		return false;
	held[nheld++] = lock;
	return true;
}

/* ------------------------------------------------------------------------
 * calls and transactions
 * ------------------------------------------------------------------------ */

bool
in_transaction(void)
{
	return transaction;
}

bool
read_committed(void)
{
	return !transaction || committed_reads;
}

static void
command(const char *sql)
{
	PGresult   *result = PQexec(connection, sql);

	if (PQresultStatus(result) != PGRES_COMMAND_OK &&
		PQresultStatus(result) != PGRES_TUPLES_OK)
		trouble(sql, PQerrorMessage(connection));
	PQclear(result);
}

static void
transaction_over(Outcome outcome)
{
	settle_from(0, outcome);
	neffects = nsavepoints = 0;
	transaction = false;
}

/*
 * A result that is an error: one of those that end a transaction in a race is
 * taken as its rollback, any other ends the run.
 */
static void
call_failed(const char *sql, PGresult *result)
{
	static const char *const expected[] = {"40001", "40P01", "55P03"};
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	bool		known = false;

	for (size_t i = 0; i < lengthof(expected); i++)
		known |= state && strcmp(state, expected[i]) == 0;
	if (!known)
		trouble(sql, PQerrorMessage(connection));
	PQclear(result);
	if (PQtransactionStatus(connection) != PQTRANS_IDLE)
		command("ROLLBACK");
	transaction_over(OUTCOME_NONE);
}

/*
 * Runs a statement with nargs strings, or NULLs.  The result, or NULL when that
 * ended the transaction.
 */
PGresult *
call(const char *sql, int nargs,...)
{
	const char *values[8];
	PGresult   *result;
	va_list		args;

	va_start(args, nargs);
	for (int i = 0; i < nargs; i++)
		values[i] = va_arg(args, const char *);
	va_end(args);
	result = PQexecParams(connection, sql, nargs, NULL, values, NULL, NULL, 0);
	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		return result;
	call_failed(sql, result);
	return NULL;
}

static void
begin(void)
{
	static const char *const levels[] = {"REPEATABLE READ", "SERIALIZABLE"};
	char		sql[64];

	committed_reads = chance(80);
	snprintf(sql, sizeof(sql), "BEGIN ISOLATION LEVEL %s",
			 committed_reads ? "READ COMMITTED" : levels[pick(2)]);
	command(sql);
	transaction = true;
}

static void
commit(void)
{
	PGresult   *result;

	settle_from(0, OUTCOME_SENT);
	result = PQexec(connection, "COMMIT");
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
	{
		call_failed("COMMIT", result);
		return;
	}
	if (strcmp(PQcmdStatus(result), "COMMIT") != 0)
		trouble("COMMIT", PQcmdStatus(result));
	PQclear(result);
	transaction_over(OUTCOME_ACKED);
}

static void
savepoint_step(void)
{
	if (nsavepoints > 0 && chance(60))
	{
		int			first = savepoints[nsavepoints - 1];

		if (chance(60))
		{
			command("ROLLBACK TO s");
			settle_from(first, OUTCOME_NONE);
		}
		command("RELEASE s");
		nsavepoints--;
	}
	else if (nsavepoints < SAVEPOINTS)
	{
		command("SAVEPOINT s");
		savepoints[nsavepoints++] = neffects;
	}
}

/* Begins, ends or cuts a transaction, or does not. */
static void
transaction_step(void)
{
	if (!transaction)
	{
		if (chance(12))
			begin();
	}
	else if (chance(25) || neffects > EFFECTS / 2)
	{
		if (chance(70))
			commit();
		else
		{
			command("ROLLBACK");
			transaction_over(OUTCOME_NONE);
		}
	}
	else if (chance(15))
		savepoint_step();
	if (!transaction)
	{
		neffects = 0;
		while (nheld > 0)
			atomic_flag_clear(held[--nheld]);
	}
}

/* How long the next calls dawdle, if at all. */
static void
delay_step(void)
{
	char		sql[160];

	snprintf(sql, sizeof(sql), "SET covet.debug_commit_delay = %u; SET covet.debug_promote_delay = %u",
			 chance(70) ? 0 : 1 + pick(8), chance(70) ? 0 : 1 + pick(8));
	command(sql);
}

/* ------------------------------------------------------------------------
 * processes
 * ------------------------------------------------------------------------ */

static void
writer_step(void)
{
	uint32_t	n = pick(100);

	if (n < 40)
		cache_write();
	else if (n < 60)
		cache_read();
	else if (n < 75)
		session_write();
	else if (n < 90)
		session_read();
	else
		token_step();
}

static void
reader_step(void)
{
	if (chance(60))
		cache_read();
	else if (chance(80))
		session_read();
	else
		token_step();
}

static void
sweeper_step(void)
{
	PQclear(chance(80) ? call("SELECT covet.sweep()", 0) : call("SELECT covet.warm(200)", 0));
	usleep(30000);
}

static void
open_connection(void)
{
	connection = PQconnectdb(setup.conninfo);
	if (PQstatus(connection) != CONNECTION_OK)
		trouble("connection", PQerrorMessage(connection));
}

static void
run(int64_t end)
{
	open_connection();
	while (clock_us() < end && !atomic_load(&shared->failed))
	{
		atomic_fetch_add(&shared->steps, 1);
		if (process == WRITERS + READERS)
			sweeper_step();
		else if (process > WRITERS + READERS)
			cache_fill_memory();
		else
		{
			if (!transaction && chance(5))
				delay_step();
			transaction_step();
			if (process < WRITERS)
				writer_step();
			else
				reader_step();
		}
	}
	PQfinish(connection);
	exit(0);
}

static void
usage(void)
{
	fprintf(stderr, "usage: stress CONNINFO memory|table evict|roomy SECONDS SEED [plant]\n");
	exit(2);
}

static void
read_arguments(int argc, char **argv)
{
	if (argc < 6 || argc > 7 ||
		(strcmp(argv[2], "memory") != 0 && strcmp(argv[2], "table") != 0) ||
		(strcmp(argv[3], "evict") != 0 && strcmp(argv[3], "roomy") != 0) ||
		(argc == 7 && strcmp(argv[6], "plant") != 0))
		usage();
	setup.conninfo = argv[1];
	setup.memory = strcmp(argv[2], "memory") == 0;
	setup.evict = strcmp(argv[3], "evict") == 0;
	setup.lossless = !(setup.memory && setup.evict);
	setup.seconds = atoi(argv[4]);
	setup.seed = strtoull(argv[5], NULL, 10);
	setup.plant = argc == 7;
	setup.run = clock_us();
	if (setup.seconds <= 0)
		usage();
}

int
main(int argc, char **argv)
{
	int			processes = WRITERS + READERS + 1;
	int64_t		end;
	int			status;
	bool		died = false;

	read_arguments(argc, argv);
	if (setup.evict)
		processes++;
	shared = share(sizeof(Shared));
	random_state = setup.seed;
	printf("storage %s, %s, %d s, %d processes, seed %llu\n", argv[2], argv[3],
		   setup.seconds, processes, (unsigned long long) setup.seed);
	fflush(stdout);

	open_connection();
	cache_init();
	count_init();
	session_init();
	PQfinish(connection);

	end = clock_us() + (int64_t) setup.seconds * 1000000;
	for (process = 0; process < processes; process++)
	{
		pid_t		pid = fork();

		if (pid < 0)
			trouble("fork", strerror(errno));
		if (pid == 0)
		{
			random_state = setup.seed * 1000 + process;
			run(end);
		}
	}
	while (wait(&status) > 0)
	{
		if (!WIFEXITED(status))
			died = true;
	}
	if (died && atomic_load(&shared->failed) == 0)
		trouble("a process", "was killed\n");
	if (atomic_load(&shared->failed))
		return atomic_load(&shared->failed);
	printf("%llu steps\n", (unsigned long long) atomic_load(&shared->steps));
	open_connection();
	cache_summary();
	count_summary();
	session_summary();
	PQfinish(connection);
	return 0;
}
