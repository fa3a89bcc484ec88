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

/* A token to revoke or to look for. */
typedef struct BatchJti
{
	const text *jti;
	TimestampTz expires_at;
	int			place;
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
	covet_store_execute(&plan, TABLE_TOKEN_SUBJECT, values, NULL, NULL, NULL, NULL);
}

/*
 * Which of the tokens of an issuer are revoked, in one pass through the index.
 */
void
covet_store_token_revoked(const text *issuer, Datum *jtis, int count, bool *revoked)
{
	TimestampTz now = covet_now();
	BatchJti   *batch = palloc(sizeof(BatchJti) * Max(count, 1));
	StoreTable	table;

	for (int i = 0; i < count; i++)
	{
		batch[i].jti = DatumGetTextPP(jtis[i]);
		batch[i].expires_at = 0;
		batch[i].place = i;
	}
	qsort(batch, count, sizeof(BatchJti), compare_jtis);

	covet_store_open(&table, TABLE_TOKEN, AccessShareLock);
	covet_store_search(&table, 0);
	for (int i = 0; i < count; i++)
	{
		Datum		keys[2];

		CHECK_FOR_INTERRUPTS();
		keys[0] = PointerGetDatum(issuer);
		keys[1] = PointerGetDatum(batch[i].jti);
		revoked[batch[i].place] = covet_store_find(&table, keys, 2) &&
			!covet_token_row_dead(&table, now);
	}
	covet_store_close(&table);
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
	StoreTable	table;
	Datum		keys[2];
	bool		found;

	keys[0] = PointerGetDatum(issuer);
	keys[1] = PointerGetDatum(subject);
	covet_store_open(&table, TABLE_TOKEN_SUBJECT, AccessShareLock);
	covet_store_search(&table, 0);
	found = covet_store_find(&table, keys, 2) && !covet_token_subject_row_dead(&table, now);
	if (found)
		*issued_before = get_time(&table, SUBJECT_ISSUED_BEFORE);
	covet_store_close(&table);
	return found;
}
