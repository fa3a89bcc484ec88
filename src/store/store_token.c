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
#include "utils/array.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/version.h"
#include "store/store.h"
#include "store/store_table.h"

enum
{
	TOKEN_VERSION = 1,
	TOKEN_EXPIRES_AT,
	TOKEN_ISSUER,
	TOKEN_JTI
};

enum
{
	SUBJECT_ISSUED_BEFORE = 1,
	SUBJECT_EXPIRES_AT,
	SUBJECT_ISSUER,
	SUBJECT_SUBJECT
};

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
