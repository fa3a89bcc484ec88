/*
 * token.c
 *		SQL functions of revoked tokens: unpack, call, pack.
 *
 * A check that quietly answered NULL would let somebody in, so these functions
 * raise where others answer as for a missing thing: NULL is 22004, what is too
 * long or empty 22023.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/compat.h"
#include "store/store.h"

static text *
jti_arg(FunctionCallInfo fcinfo, int n)
{
	text	   *jti = COVET_ARG_TEXT(n);

	covet_require_fits(jti, 1, COVET_JTI_MAX, "token jti");
	return jti;
}

static text *
issuer_arg(FunctionCallInfo fcinfo, int n)
{
	text	   *issuer = COVET_ARG_TEXT(n);

	covet_require_fits(issuer, 0, COVET_ISSUER_MAX, "token issuer");
	return issuer;
}

static text *
subject_arg(FunctionCallInfo fcinfo, int n)
{
	text	   *subject = COVET_ARG_TEXT(n);

	covet_require_fits(subject, 1, COVET_JTI_MAX, "token subject");
	return subject;
}

static TimestampTz
expiry_arg(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		covet_null_not_allowed("token expiry");
	return PG_GETARG_TIMESTAMPTZ(n);
}

/* An array of jtis, none of them NULL, each of a length that can exist. */
static Datum *
jtis_arg(FunctionCallInfo fcinfo, int n, int *count)
{
	Datum	   *values;
	bool	   *nulls;

	if (PG_ARGISNULL(n))
		covet_null_not_allowed("array of token jtis");
	covet_deconstruct(PG_GETARG_ARRAYTYPE_P(n), TEXTOID, &values, &nulls, count);
	for (int i = 0; i < *count; i++)
		covet_require_fits(nulls[i] ? NULL : DatumGetTextPP(values[i]), 1, COVET_JTI_MAX,
						   "token jti");
	return values;
}

PG_FUNCTION_INFO_V1(covet_token_revoke);

/*
 * covet.token_revoke(jti, expires_at, issuer)
 */
Datum
covet_token_revoke(PG_FUNCTION_ARGS)
{
	Datum		jti;
	TimestampTz expires_at;
	text	   *issuer;

	covet_require_stateful(fcinfo);
	jti = PointerGetDatum(jti_arg(fcinfo, 0));
	expires_at = expiry_arg(fcinfo, 1);
	issuer = issuer_arg(fcinfo, 2);
	covet_store_require_writable("token_revoke()");

	PG_RETURN_BOOL(covet_store_token_revoke(issuer, &jti, &expires_at, 1) == 1);
}

PG_FUNCTION_INFO_V1(covet_token_revoke_many);

/*
 * covet.token_revoke_many(jtis, expires_at, issuer)
 */
Datum
covet_token_revoke_many(PG_FUNCTION_ARGS)
{
	Datum	   *jtis;
	Datum	   *values;
	bool	   *nulls;
	TimestampTz *expiries;
	int			count;
	int			nexpiries;
	text	   *issuer;

	covet_require_stateful(fcinfo);
	jtis = jtis_arg(fcinfo, 0, &count);
	if (PG_ARGISNULL(1))
		covet_null_not_allowed("array of token expiries");
	covet_deconstruct(PG_GETARG_ARRAYTYPE_P(1), TIMESTAMPTZOID, &values, &nulls, &nexpiries);
	if (count != nexpiries)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("arrays of jtis and expiries must have the same length"),
				 errdetail("There are %d jtis and %d expiries.", count, nexpiries)));
	expiries = palloc(sizeof(TimestampTz) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			covet_null_not_allowed("token expiry");
		expiries[i] = DatumGetTimestampTz(values[i]);
	}
	issuer = issuer_arg(fcinfo, 2);
	covet_store_require_writable("token_revoke_many()");

	PG_RETURN_INT32((int32) covet_store_token_revoke(issuer, jtis, expiries, count));
}

/* The last microsecond of the second of a time: tokens carry whole seconds. */
static TimestampTz
end_of_second(TimestampTz time)
{
	TimestampTz into = time % USECS_PER_SEC;

	if (into < 0)
		into += USECS_PER_SEC;
	return time - into + USECS_PER_SEC - 1;
}

PG_FUNCTION_INFO_V1(covet_token_revoke_subject);

/*
 * covet.token_revoke_subject(subject, expires_at, issued_before, issuer)
 */
Datum
covet_token_revoke_subject(PG_FUNCTION_ARGS)
{
	text	   *subject;
	text	   *issuer;
	TimestampTz expires_at;
	TimestampTz issued_before;

	covet_require_stateful(fcinfo);
	subject = subject_arg(fcinfo, 0);
	expires_at = expiry_arg(fcinfo, 1);
	issued_before = PG_ARGISNULL(2) ? end_of_second(covet_now()) : PG_GETARG_TIMESTAMPTZ(2);
	issuer = issuer_arg(fcinfo, 3);
	covet_store_require_writable("token_revoke_subject()");

	covet_store_token_revoke_subject(issuer, subject, issued_before, expires_at);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(covet_token_is_revoked);

/*
 * covet.token_is_revoked(jti, issuer, subject, issued_at)
 */
Datum
covet_token_is_revoked(PG_FUNCTION_ARGS)
{
	text	   *jti = NULL;
	text	   *subject = NULL;
	text	   *issuer;
	bool		revoked = false;

	covet_require_stateful(fcinfo);
	issuer = issuer_arg(fcinfo, 1);
	if (!PG_ARGISNULL(2))
		subject = subject_arg(fcinfo, 2);
	if (!PG_ARGISNULL(0) || subject == NULL)
		jti = jti_arg(fcinfo, 0);

	if (jti != NULL)
	{
		Datum		value = PointerGetDatum(jti);

		covet_store_token_revoked(issuer, &value, 1, &revoked);
	}
	if (!revoked && subject != NULL)
	{
		TimestampTz cutoff;

		revoked = covet_store_token_cutoff(issuer, subject, &cutoff) &&
			(PG_ARGISNULL(3) || PG_GETARG_TIMESTAMPTZ(3) <= cutoff);
	}
	PG_RETURN_BOOL(revoked);
}

PG_FUNCTION_INFO_V1(covet_token_is_revoked_many);

/*
 * covet.token_is_revoked_many(jtis, issuer)
 */
Datum
covet_token_is_revoked_many(PG_FUNCTION_ARGS)
{
	Datum	   *jtis;
	Datum	   *result;
	bool	   *revoked;
	text	   *issuer;
	int			count;

	covet_require_stateful(fcinfo);
	jtis = jtis_arg(fcinfo, 0, &count);
	issuer = issuer_arg(fcinfo, 1);

	revoked = palloc(sizeof(bool) * Max(count, 1));
	result = palloc(sizeof(Datum) * Max(count, 1));
	covet_store_token_revoked(issuer, jtis, count, revoked);
	for (int i = 0; i < count; i++)
		result[i] = BoolGetDatum(revoked[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(result, count, BOOLOID, 1, true, TYPALIGN_CHAR));
}
