/*
 * store_token.c
 *		Revoked tokens and cutoffs of subjects.
 *
 * A row lives as long as the tokens it speaks of could: until expires_at.  An
 * expired row is as good as none: it revokes nothing, and a later revocation
 * replaces it.  Both tables are logged, so a standby answers too.
 *
 * Writes are upserts with keys in byte order, so that two batches do not
 * deadlock.  There are no locks but those of rows.
 *
 * Reads ask the hot tier first.  It has copies of rows in force, and knows for
 * a minute of what is not there, so that "no" costs no look at the table.  A
 * false "no" cannot come from it: who revokes has put a fence on the key before
 * he commits, and takes it away only after the copy is gone.  The key is issuer,
 * a zero byte, and jti or subject; the payload of a subject is its cutoff.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/version.h"
#include "hot/hot.h"
#include "store/store.h"
#include "store/store_table.h"

static TimestampTz
get_time(StoreTable *table, AttrNumber column)
{
	bool		isnull;

	return DatumGetTimestampTz(slot_getattr(table->slot, column, &isnull));
}

/*
 * Can the row of _token in the slot be deleted at the time "now"?
 */
bool
covet_token_row_dead(StoreTable *table, TimestampTz now)
{
	return get_time(table, TOKEN_EXPIRES_AT) <= now;
}

/*
 * Can the row of _token_subject in the slot be deleted at the time "now"?
 */
bool
covet_token_subject_row_dead(StoreTable *table, TimestampTz now)
{
	return get_time(table, SUBJECT_EXPIRES_AT) <= now;
}

/* ------------------------------------------------------------------------
 * Memory
 * ------------------------------------------------------------------------ */

/* A key with its bytes; not to be moved. */
typedef struct TokenKey
{
	HotKey		key;
	char		bytes[COVET_ISSUER_MAX + 1 + COVET_JTI_MAX];
} TokenKey;

/* Where memory keeps what it knows, or NULL. */
static HotHome *
find_home(HotStore store)
{
	return covet_hot_available() ? covet_hot_home(store, "", 0, true) : NULL;
}

/* Make the key of a jti or a subject. */
static void
make_key(TokenKey *key, HotHome *home, const text *issuer, const text *word)
{
	Size		issuer_size = VARSIZE_ANY_EXHDR(issuer);
	Size		word_size = VARSIZE_ANY_EXHDR(word);

	memcpy(key->bytes, VARDATA_ANY(issuer), issuer_size);
	key->bytes[issuer_size] = '\0';
	memcpy(key->bytes + issuer_size + 1, VARDATA_ANY(word), word_size);
	covet_hot_key(&key->key, home, key->bytes, issuer_size + 1 + word_size);
}

/*
 * Look a jti or subject up in memory; *guarded tells whether *guard was noted
 * for a promotion.
 */
static HotResult
ask_memory(HotHome *home, const text *issuer, const text *word, TimestampTz now,
		   HotValue *value, HotGuard *guard, bool *guarded)
{
	TokenKey	key;
	PendingValue *pending;
	HotResult	result;

	*guarded = false;
	if (home == NULL)
		return HOT_MISS;
	make_key(&key, home, issuer, word);
	if (covet_pending_any && covet_pending_find(&key.key, now, &pending) == PENDING_TABLE)
		return HOT_MISS;
	result = covet_hot_get(&key.key, now, 0, value, guard);
	*guarded = result == HOT_MISS && covet_pending_may_promote();
	return result;
}

/*
 * Give memory what the table has said: that there is something in force until
 * expires_at, with an optional cutoff, or nothing (expires_at 0).
 */
static void
tell_memory(HotHome *home, const text *issuer, const text *word, const HotGuard *guard,
			TimestampTz expires_at, const TimestampTz *cutoff)
{
	HotContent	content = {.absent = expires_at == 0,.expires_at = expires_at};
	TokenKey	key;

	if (!covet_pending_may_promote())
		return;
	if (cutoff != NULL)
	{
		content.bytes = (const char *) cutoff;
		content.size = sizeof(*cutoff);
	}
	make_key(&key, home, issuer, word);
	covet_debug_promote_delay();
	(void) covet_hot_promote(&key.key, guard, &content);
}

/* The row of a jti or subject is written: what memory says ends at commit. */
static void
drop_copy(HotHome *home, const text *issuer, const text *word)
{
	TokenKey	key;

	if (home == NULL)
		return;
	make_key(&key, home, issuer, word);
	covet_pending_drop(&key.key);
}

/* ------------------------------------------------------------------------
 * Revoking
 * ------------------------------------------------------------------------ */

/* A token to revoke or to look for. */
typedef struct BatchJti
{
	const text *jti;
	TimestampTz expires_at;
	int			place;
	bool		guarded;
	HotGuard	guard;
} BatchJti;

/* By jti; of one jti the latest expiry first. */
static int
compare_jtis(const void *a, const void *b)
{
	const BatchJti *left = a;
	const BatchJti *right = b;
	int			order = covet_compare_texts(left->jti, right->jti);

	if (order != 0)
		return order;
	return left->expires_at > right->expires_at ? -1 : left->expires_at < right->expires_at;
}

static void
count_new(HeapTuple row, TupleDesc desc, void *arg)
{
	int64	   *counter = arg;	/* the version of this call, the count */
	bool		isnull;

	if (DatumGetInt64(SPI_getbinval(row, desc, 1, &isnull)) == counter[0])
		counter[1]++;
}

/*
 * Revoke tokens of an issuer; returns how many distinct ones had not been
 * revoked.  An expiry that is past stores nothing, one that is stored is never
 * lowered.
 */
int64
covet_store_token_revoke(const text *issuer, Datum *jtis, const TimestampTz *expires_at,
						 int count)
{
	/* A row keeps its version while it is in force: whoever gets ours is new. */
	static StorePlan plan = {
		.sql = "INSERT INTO covet._token AS t (version, expires_at, issuer, jti)"
		" SELECT $1, v.expires_at, $2, v.jti"
		" FROM ROWS FROM (pg_catalog.unnest($3), pg_catalog.unnest($4)) AS v (jti, expires_at)"
		" ON CONFLICT (issuer, jti) DO UPDATE SET"
		" version = CASE WHEN t.expires_at OPERATOR(pg_catalog.<=) $5"
		" THEN EXCLUDED.version ELSE t.version END,"
		" expires_at = CASE WHEN t.expires_at OPERATOR(pg_catalog.<=) $5"
		" THEN EXCLUDED.expires_at ELSE greatest(t.expires_at, EXCLUDED.expires_at) END"
		" RETURNING t.version",
		.nargs = 5,
		.argtypes = {INT8OID, TEXTOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZOID}
	};
	TimestampTz now = covet_now();
	BatchJti   *batch = palloc(sizeof(BatchJti) * Max(count, 1));
	Datum	   *distinct = palloc(sizeof(Datum) * Max(count, 1));
	Datum	   *expiries = palloc(sizeof(Datum) * Max(count, 1));
	HotHome    *home = find_home(HOT_TOKEN);
	int64		counter[2] = {0, 0};
	Datum		values[5];
	int			used = 0;

	for (int i = 0; i < count; i++)
	{
		batch[i].jti = DatumGetTextPP(jtis[i]);
		batch[i].expires_at = expires_at[i];
	}
	qsort(batch, count, sizeof(BatchJti), compare_jtis);
	for (int i = 0; i < count; i++)
	{
		if (batch[i].expires_at <= now ||
			(i > 0 && covet_compare_texts(batch[i - 1].jti, batch[i].jti) == 0))
			continue;
		drop_copy(home, issuer, batch[i].jti);
		distinct[used] = PointerGetDatum(batch[i].jti);
		expiries[used++] = TimestampTzGetDatum(batch[i].expires_at);
	}

	if (used > 0)
	{
		counter[0] = covet_next_version();
		values[0] = Int64GetDatum(counter[0]);
		values[1] = PointerGetDatum(issuer);
		values[2] = PointerGetDatum(construct_array(distinct, used, TEXTOID, -1, false,
													TYPALIGN_INT));
		values[3] = PointerGetDatum(construct_array(expiries, used, TIMESTAMPTZOID,
													sizeof(TimestampTz), FLOAT8PASSBYVAL,
													TYPALIGN_DOUBLE));
		values[4] = TimestampTzGetDatum(now);
		covet_store_execute(&plan, TABLE_TOKEN, values, NULL, CurrentMemoryContext,
							count_new, counter);
	}
	return counter[1];
}

/*
 * Revoke all tokens of a subject issued up to a time, until expires_at; stores
 * nothing when that is past.  Never lowers a cutoff or an expiry in force.
 */
void
covet_store_token_revoke_subject(const text *issuer, const text *subject,
								 TimestampTz issued_before, TimestampTz expires_at)
{
	static StorePlan plan = {
		.sql = "INSERT INTO covet._token_subject AS t (issued_before, expires_at, issuer, subject)"
		" VALUES ($1, $2, $3, $4)"
		" ON CONFLICT (issuer, subject) DO UPDATE SET"
		" issued_before = CASE WHEN t.expires_at OPERATOR(pg_catalog.<=) $5"
		" THEN EXCLUDED.issued_before ELSE greatest(t.issued_before, EXCLUDED.issued_before) END,"
		" expires_at = CASE WHEN t.expires_at OPERATOR(pg_catalog.<=) $5"
		" THEN EXCLUDED.expires_at ELSE greatest(t.expires_at, EXCLUDED.expires_at) END",
		.nargs = 5,
		.argtypes = {TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, TIMESTAMPTZOID}
	};
	TimestampTz now = covet_now();
	Datum		values[5];

	if (expires_at <= now)
		return;
	values[0] = TimestampTzGetDatum(issued_before);
	values[1] = TimestampTzGetDatum(expires_at);
	values[2] = PointerGetDatum(issuer);
	values[3] = PointerGetDatum(subject);
	values[4] = TimestampTzGetDatum(now);
	drop_copy(find_home(HOT_SUBJECT), issuer, subject);
	covet_store_execute(&plan, TABLE_TOKEN_SUBJECT, values, NULL, NULL, NULL, NULL);
}

/* ------------------------------------------------------------------------
 * Asking
 * ------------------------------------------------------------------------ */

/* Look for tokens that memory does not know, in one pass through the index. */
static void
read_batch(HotHome *home, const text *issuer, BatchJti *batch, int count, TimestampTz now,
		   bool *revoked)
{
	StoreTable	table;

	qsort(batch, count, sizeof(BatchJti), compare_jtis);
	covet_store_open(&table, TABLE_TOKEN, AccessShareLock);
	covet_store_search(&table, 0);
	for (int i = 0; i < count; i++)
	{
		TimestampTz expires_at = 0;
		Datum		keys[2];

		CHECK_FOR_INTERRUPTS();
		keys[0] = PointerGetDatum(issuer);
		keys[1] = PointerGetDatum(batch[i].jti);
		if (covet_store_find(&table, keys, 2) && !covet_token_row_dead(&table, now))
		{
			revoked[batch[i].place] = true;
			expires_at = get_time(&table, TOKEN_EXPIRES_AT);
		}
		if (batch[i].guarded)
			tell_memory(home, issuer, batch[i].jti, &batch[i].guard, expires_at, NULL);
	}
	covet_store_close(&table);
}

/*
 * Which of the tokens of an issuer are revoked.
 */
void
covet_store_token_revoked(const text *issuer, Datum *jtis, int count, bool *revoked)
{
	TimestampTz now = covet_now();
	HotHome    *home = find_home(HOT_TOKEN);
	BatchJti   *batch = palloc_extended(sizeof(BatchJti) * Max(count, 1), MCXT_ALLOC_HUGE);
	int			misses = 0;

	for (int i = 0; i < count; i++)
	{
		BatchJti   *token = &batch[misses];
		HotValue	value;
		HotResult	result;

		CHECK_FOR_INTERRUPTS();
		token->jti = DatumGetTextPP(jtis[i]);
		token->expires_at = 0;
		token->place = i;
		result = ask_memory(home, issuer, token->jti, now, &value, &token->guard,
							&token->guarded);
		revoked[i] = result == HOT_HIT;
		if (result == HOT_MISS)
			misses++;
	}
	if (misses > 0)
		read_batch(home, issuer, batch, misses, now, revoked);
	pfree(batch);
}

/*
 * Up to when issued tokens of a subject are revoked; false when it has no
 * cutoff in force.
 */
bool
covet_store_token_cutoff(const text *issuer, const text *subject, TimestampTz *issued_before)
{
	TimestampTz now = covet_now();
	TimestampTz expires_at = 0;
	HotHome    *home = find_home(HOT_SUBJECT);
	HotValue	value;
	HotGuard	guard;
	bool		guarded;
	StoreTable	table;
	Datum		keys[2];

	switch (ask_memory(home, issuer, subject, now, &value, &guard, &guarded))
	{
		case HOT_HIT:
			memcpy(issued_before, value.payload, sizeof(*issued_before));
			return true;
		case HOT_ABSENT:
			return false;
		case HOT_MISS:
			break;
	}

	keys[0] = PointerGetDatum(issuer);
	keys[1] = PointerGetDatum(subject);
	covet_store_open(&table, TABLE_TOKEN_SUBJECT, AccessShareLock);
	covet_store_search(&table, 0);
	if (covet_store_find(&table, keys, 2) && !covet_token_subject_row_dead(&table, now))
	{
		*issued_before = get_time(&table, SUBJECT_ISSUED_BEFORE);
		expires_at = get_time(&table, SUBJECT_EXPIRES_AT);
	}
	covet_store_close(&table);
	if (guarded)
		tell_memory(home, issuer, subject, &guard, expires_at,
					expires_at == 0 ? NULL : issued_before);
	return expires_at != 0;
}
