/*
 * session.c
 *		SQL functions of sessions: unpack, call, pack.
 *
 * A visitor can send any cookie: a token that is NULL, empty or too long names
 * no session, in every function that takes one.  Only an id that a caller
 * gives to a session is checked and refused.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/inet.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/guc.h"
#include "base/json_merge.h"
#include "codec/value.h"
#include "store/store.h"

#define DEFAULT_GRACE	(INT64CONST(5) * USECS_PER_SEC)

#define SESSION_COMPRESS_MIN	1024	/* bytes */

/* ------------------------------------------------------------------------
 * Arguments
 * ------------------------------------------------------------------------ */

/* A token that can exist, or NULL. */
static text *
token_arg(FunctionCallInfo fcinfo, int n)
{
	text	   *token = COVET_ARG_TEXT(n);

	return covet_fits(token, COVET_TOKEN_MAX) ? token : NULL;
}

/* The user a session is made for; NULL is nobody. */
static text *
user_arg(FunctionCallInfo fcinfo, int n)
{
	text	   *user_id = COVET_ARG_TEXT(n);

	if (user_id != NULL)
		covet_require_fits(user_id, 1, COVET_USER_MAX, "user_id");
	return user_id;
}

static Jsonb *
jsonb_arg(FunctionCallInfo fcinfo, int n, const char *what)
{
	if (PG_ARGISNULL(n))
		covet_null_not_allowed(what);
	return PG_GETARG_JSONB_P(n);
}

/* A time to live; NULL is the setting, in seconds. */
static Ttl
ttl_arg(FunctionCallInfo fcinfo, int n, int setting)
{
	if (PG_ARGISNULL(n))
		return covet_ttl_from_seconds(setting);
	return covet_ttl_from_interval(PG_GETARG_INTERVAL_P(n));
}

static const int64 *
version_arg(FunctionCallInfo fcinfo, int n, int64 *version)
{
	if (PG_ARGISNULL(n))
		return NULL;
	*version = PG_GETARG_INT64(n);
	return version;
}

/* Cut on a character boundary: whatever a browser sends must fit. */
static text *
user_agent_arg(FunctionCallInfo fcinfo, int n)
{
	text	   *agent = COVET_ARG_TEXT(n);
	int			size;

	if (agent == NULL || VARSIZE_ANY_EXHDR(agent) <= COVET_USER_AGENT_MAX)
		return agent;
	size = pg_mbcliplen(VARDATA_ANY(agent), VARSIZE_ANY_EXHDR(agent), COVET_USER_AGENT_MAX);
	return cstring_to_text_with_len(VARDATA_ANY(agent), size);
}

static inet *
ip_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : PG_GETARG_INET_PP(n);
}

/* ------------------------------------------------------------------------
 * Values and frames
 * ------------------------------------------------------------------------ */

/*
 * Sessions are read far more often than written: what is small is not worth
 * the time to decompress it with every request.
 */
static bytea *
session_frame(ValueKind kind, Datum value)
{
	return covet_value_encode(kind, value,
							  toast_raw_datum_size(value) - VARHDRSZ < SESSION_COMPRESS_MIN
							  ? CODEC_RAW : CODEC_AUTO);
}

static bytea *
jsonb_frame(const Jsonb *data)
{
	return session_frame(VALUE_JSONB, JsonbPGetDatum(data));
}

/* ------------------------------------------------------------------------
 * Making sessions
 * ------------------------------------------------------------------------ */

PG_FUNCTION_INFO_V1(covet_session_create);

/*
 * covet.session_create(data, user_id, idle_timeout, max_lifetime, ip, user_agent)
 */
Datum
covet_session_create(PG_FUNCTION_ARGS)
{
	SessionSpec spec;
	text	   *token;

	covet_require_stateful(fcinfo);
	covet_store_require_writable("session_create()");
	spec.user_id = user_arg(fcinfo, 1);
	spec.data = jsonb_frame(jsonb_arg(fcinfo, 0, "session data"));
	spec.idle = ttl_arg(fcinfo, 2, covet_session_idle_timeout);
	spec.lifetime = ttl_arg(fcinfo, 3, covet_session_max_lifetime);
	spec.ip = ip_arg(fcinfo, 4);
	spec.user_agent = user_agent_arg(fcinfo, 5);

	token = covet_store_session_create(&spec);
	if (token == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(token);
}

/* The frame of '{}'. */
static bytea *
empty_frame(void)
{
	return jsonb_frame(DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"))));
}

PG_FUNCTION_INFO_V1(covet_session_login);

/*
 * covet.session_login(token, user_id, data, idle_timeout, max_lifetime, ip, user_agent)
 */
Datum
covet_session_login(PG_FUNCTION_ARGS)
{
	SessionSpec spec;
	text	   *token;

	covet_require_stateful(fcinfo);
	covet_store_require_writable("session_login()");
	spec.user_id = user_arg(fcinfo, 1);
	if (spec.user_id == NULL)
		covet_null_not_allowed("user_id");
	spec.data = PG_ARGISNULL(2) ? NULL : jsonb_frame(PG_GETARG_JSONB_P(2));
	spec.idle = ttl_arg(fcinfo, 3, covet_session_idle_timeout);
	spec.lifetime = ttl_arg(fcinfo, 4, covet_session_max_lifetime);
	spec.ip = ip_arg(fcinfo, 5);
	spec.user_agent = user_agent_arg(fcinfo, 6);

	token = covet_store_session_login(token_arg(fcinfo, 0), &spec, empty_frame());
	if (token == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(token);
}

static SaveMode
save_mode_arg(FunctionCallInfo fcinfo, int n)
{
	char	   *mode;

	if (PG_ARGISNULL(n))
		covet_null_not_allowed("mode");
	mode = text_to_cstring(PG_GETARG_TEXT_PP(n));
	if (strcmp(mode, "set") == 0)
		return SAVE_SET;
	if (strcmp(mode, "add") == 0)
		return SAVE_ADD;
	if (strcmp(mode, "replace") == 0)
		return SAVE_REPLACE;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized mode \"%s\"", mode),
			 errhint("Modes are \"set\", \"add\" and \"replace\".")));
}

/* session_save in both types: the frame is made by the caller. */
static bool
save(FunctionCallInfo fcinfo, const bytea *frame)
{
	text	   *id = COVET_ARG_TEXT(0);
	SaveMode	mode = save_mode_arg(fcinfo, 4);
	SessionSpec spec;

	covet_require_fits(id, 1, COVET_TOKEN_MAX, "session id");
	spec.data = frame;
	spec.idle = ttl_arg(fcinfo, 2, covet_session_idle_timeout);
	spec.lifetime = TTL_FOREVER;
	spec.user_id = user_arg(fcinfo, 3);
	spec.ip = ip_arg(fcinfo, 5);
	spec.user_agent = user_agent_arg(fcinfo, 6);
	return covet_store_session_save(id, &spec, mode);
}

PG_FUNCTION_INFO_V1(covet_session_save);

/*
 * covet.session_save(id, data, ttl, user_id, mode, ip, user_agent)
 */
Datum
covet_session_save(PG_FUNCTION_ARGS)
{
	covet_require_stateful(fcinfo);
	covet_store_require_writable("session_save()");
	PG_RETURN_BOOL(save(fcinfo, jsonb_frame(jsonb_arg(fcinfo, 1, "session data"))));
}

PG_FUNCTION_INFO_V1(covet_session_save_bytea);

/*
 * covet.session_save_bytea(id, data, ttl, user_id, mode, ip, user_agent)
 */
Datum
covet_session_save_bytea(PG_FUNCTION_ARGS)
{
	covet_require_stateful(fcinfo);
	covet_store_require_writable("session_save_bytea()");
	if (PG_ARGISNULL(1))
		covet_null_not_allowed("session data");
	PG_RETURN_BOOL(save(fcinfo, session_frame(VALUE_BYTEA, PG_GETARG_DATUM(1))));
}

/* ------------------------------------------------------------------------
 * Reading sessions
 * ------------------------------------------------------------------------ */

PG_FUNCTION_INFO_V1(covet_session_get);

/*
 * covet.session_get(token)
 */
Datum
covet_session_get(PG_FUNCTION_ARGS)
{
	Datum		data;
	text	   *token;

	covet_require_stateful(fcinfo);
	token = token_arg(fcinfo, 0);
	if (token == NULL || !covet_store_session_data(token, VALUE_JSONB, &data))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(data);
}

PG_FUNCTION_INFO_V1(covet_session_get_bytea);

/*
 * covet.session_get_bytea(token)
 */
Datum
covet_session_get_bytea(PG_FUNCTION_ARGS)
{
	Datum		data;
	text	   *token;

	covet_require_stateful(fcinfo);
	token = token_arg(fcinfo, 0);
	if (token == NULL || !covet_store_session_data(token, VALUE_BYTEA, &data))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(data);
}

/* The elements of an array of texts; NULL for those that cannot exist. */
static text **
texts_arg(FunctionCallInfo fcinfo, int n, Size max_bytes, int *count)
{
	Datum	   *values;
	bool	   *nulls;
	text	  **result;

	covet_deconstruct(PG_GETARG_ARRAYTYPE_P(n), TEXTOID, &values, &nulls, count);
	result = palloc0(sizeof(text *) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		text	   *value = nulls[i] ? NULL : DatumGetTextPP(values[i]);

		if (covet_fits(value, max_bytes))
			result[i] = value;
	}
	return result;
}

PG_FUNCTION_INFO_V1(covet_session_get_many);

/*
 * covet.session_get_many(tokens)
 */
Datum
covet_session_get_many(PG_FUNCTION_ARGS)
{
	text	  **tokens;
	Datum	   *values;
	bool	   *nulls;
	int			count;
	int			lower_bound = 1;

	covet_require_stateful(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	tokens = texts_arg(fcinfo, 0, COVET_TOKEN_MAX, &count);
	if (count == 0)
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(JSONBOID));

	values = palloc0(sizeof(Datum) * count);
	nulls = palloc0(sizeof(bool) * count);
	covet_store_session_data_many(tokens, count, values, nulls);
	PG_RETURN_ARRAYTYPE_P(construct_md_array(values, nulls, 1, &count, &lower_bound,
											 JSONBOID, -1, false, TYPALIGN_INT));
}

/* Add a session to the result of a function that returns SETOF session. */
static void
put_record(ReturnSetInfo *result, const SessionRecord *record)
{
	Datum		values[9];
	bool		nulls[9] = {0};

	values[0] = UUIDPGetDatum(&record->session_id);
	values[1] = PointerGetDatum(record->user_id);
	nulls[1] = record->user_id == NULL;
	nulls[2] = covet_head_kind(record->data.head) != VALUE_JSONB;
	values[2] = nulls[2] ? (Datum) 0 : covet_value_decode_parts(&record->data, VALUE_JSONB);
	values[3] = Int64GetDatum(record->version);
	values[4] = TimestampTzGetDatum(record->created_at);
	values[5] = TimestampTzGetDatum(record->seen_at);
	values[6] = TimestampTzGetDatum(record->ends_at);
	values[7] = PointerGetDatum(record->ip);
	nulls[7] = record->ip == NULL;
	values[8] = PointerGetDatum(record->user_agent);
	nulls[8] = record->user_agent == NULL;
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

PG_FUNCTION_INFO_V1(covet_session_info);

/*
 * covet.session_info(token, seen)
 */
Datum
covet_session_info(PG_FUNCTION_ARGS)
{
	bool		seen = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
	SessionRecord record;
	text	   *token;

	covet_require_stateful(fcinfo);
	InitMaterializedSRF(fcinfo, 0);
	token = token_arg(fcinfo, 0);
	if (token != NULL && covet_store_session_read(token, seen, &record))
		put_record((ReturnSetInfo *) fcinfo->resultinfo, &record);
	return (Datum) 0;
}

/* The sessions of some users, as they come out of the store. */
static void
put_sessions(FunctionCallInfo fcinfo, text **user_ids, int nusers)
{
	int			count;
	SessionRecord *records = covet_store_session_list(user_ids, nusers, &count);

	for (int i = 0; i < count; i++)
		put_record((ReturnSetInfo *) fcinfo->resultinfo, &records[i]);
}

PG_FUNCTION_INFO_V1(covet_session_list);

/*
 * covet.session_list(user_id)
 */
Datum
covet_session_list(PG_FUNCTION_ARGS)
{
	text	   *user_id;

	covet_require_stateful(fcinfo);
	InitMaterializedSRF(fcinfo, 0);
	user_id = COVET_ARG_TEXT(0);
	if (covet_fits(user_id, COVET_USER_MAX))
		put_sessions(fcinfo, &user_id, 1);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(covet_session_list_many);

/*
 * covet.session_list_many(user_ids)
 */
Datum
covet_session_list_many(PG_FUNCTION_ARGS)
{
	text	  **user_ids;
	int			count;
	int			kept = 0;

	covet_require_stateful(fcinfo);
	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	user_ids = texts_arg(fcinfo, 0, COVET_USER_MAX, &count);
	for (int i = 0; i < count; i++)
		if (user_ids[i] != NULL)
			user_ids[kept++] = user_ids[i];
	put_sessions(fcinfo, user_ids, kept);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(covet_session_count);

/*
 * covet.session_count(user_id)
 */
Datum
covet_session_count(PG_FUNCTION_ARGS)
{
	text	   *user_id;

	covet_require_stateful(fcinfo);
	user_id = COVET_ARG_TEXT(0);
	if (user_id == NULL)
		PG_RETURN_INT64(covet_store_session_count_all());
	if (!covet_fits(user_id, COVET_USER_MAX))
		PG_RETURN_INT64(0);
	PG_RETURN_INT64(covet_store_session_count(user_id));
}

/* ------------------------------------------------------------------------
 * Changing sessions
 * ------------------------------------------------------------------------ */

PG_FUNCTION_INFO_V1(covet_session_update);

/*
 * covet.session_update(token, data, if_version)
 */
Datum
covet_session_update(PG_FUNCTION_ARGS)
{
	text	   *token;
	bytea	   *frame;
	int64		if_version;
	int64		version;

	covet_require_stateful(fcinfo);
	covet_store_require_writable("session_update()");
	token = token_arg(fcinfo, 0);
	frame = jsonb_frame(jsonb_arg(fcinfo, 1, "session data"));
	if (token == NULL ||
		!covet_store_session_update(token, version_arg(fcinfo, 2, &if_version), frame,
									NULL, NULL, &version))
		PG_RETURN_NULL();
	PG_RETURN_INT64(version);
}

static bytea *
merge_frame(const bytea *old, void *patch)
{
	return jsonb_frame(covet_json_merge(DatumGetJsonbP(covet_value_decode(old, VALUE_JSONB)),
										patch));
}

PG_FUNCTION_INFO_V1(covet_session_merge);

/*
 * covet.session_merge(token, patch, if_version)
 */
Datum
covet_session_merge(PG_FUNCTION_ARGS)
{
	text	   *token;
	Jsonb	   *patch;
	int64		if_version;
	int64		version;

	covet_require_stateful(fcinfo);
	covet_store_require_writable("session_merge()");
	token = token_arg(fcinfo, 0);
	patch = jsonb_arg(fcinfo, 1, "session patch");
	if (token == NULL ||
		!covet_store_session_update(token, version_arg(fcinfo, 2, &if_version), NULL,
									merge_frame, patch, &version))
		PG_RETURN_NULL();
	PG_RETURN_INT64(version);
}

PG_FUNCTION_INFO_V1(covet_session_touch);

/*
 * covet.session_touch(token, ttl)
 *
 * A touch is skipped where nothing can be written; a new ttl is more than that
 * and raises 25006.
 */
Datum
covet_session_touch(PG_FUNCTION_ARGS)
{
	text	   *token;
	Ttl			ttl;
	TimestampTz ends_at;

	covet_require_stateful(fcinfo);
	if (!PG_ARGISNULL(1))
	{
		covet_store_require_writable("session_touch() with a ttl");
		ttl = covet_ttl_from_interval(PG_GETARG_INTERVAL_P(1));
	}
	token = token_arg(fcinfo, 0);
	if (token == NULL ||
		!covet_store_session_touch(token, PG_ARGISNULL(1) ? NULL : &ttl, &ends_at))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(ends_at);
}

PG_FUNCTION_INFO_V1(covet_session_rotate);

/*
 * covet.session_rotate(token, grace, new_id)
 */
Datum
covet_session_rotate(PG_FUNCTION_ARGS)
{
	text	   *token;
	text	   *new_id;
	text	   *new_token;
	Ttl			grace = DEFAULT_GRACE;

	covet_require_stateful(fcinfo);
	covet_store_require_writable("session_rotate()");
	token = token_arg(fcinfo, 0);
	if (!PG_ARGISNULL(1))
		grace = covet_ttl_from_interval(PG_GETARG_INTERVAL_P(1));
	new_id = COVET_ARG_TEXT(2);
	if (new_id != NULL)
		covet_require_fits(new_id, 1, COVET_TOKEN_MAX, "session id");

	new_token = token == NULL ? NULL : covet_store_session_rotate(token, grace, new_id);
	if (new_token == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(new_token);
}

/* ------------------------------------------------------------------------
 * Ending sessions
 * ------------------------------------------------------------------------ */

PG_FUNCTION_INFO_V1(covet_session_delete);

/*
 * covet.session_delete(token)
 */
Datum
covet_session_delete(PG_FUNCTION_ARGS)
{
	text	   *token;

	covet_require_stateful(fcinfo);
	covet_store_require_writable("session_delete()");
	token = token_arg(fcinfo, 0);
	PG_RETURN_BOOL(token != NULL && covet_store_session_delete(token));
}

PG_FUNCTION_INFO_V1(covet_session_revoke);

/*
 * covet.session_revoke(session_id, user_id)
 */
Datum
covet_session_revoke(PG_FUNCTION_ARGS)
{
	text	   *user_id;

	covet_require_stateful(fcinfo);
	covet_store_require_writable("session_revoke()");
	user_id = COVET_ARG_TEXT(1);
	if (PG_ARGISNULL(0) || (user_id != NULL && !covet_fits(user_id, COVET_USER_MAX)))
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(covet_store_session_revoke(PG_GETARG_UUID_P(0), user_id));
}

PG_FUNCTION_INFO_V1(covet_session_revoke_user);

/*
 * covet.session_revoke_user(user_id, keep_token)
 */
Datum
covet_session_revoke_user(PG_FUNCTION_ARGS)
{
	text	   *user_id;

	covet_require_stateful(fcinfo);
	covet_store_require_writable("session_revoke_user()");
	user_id = COVET_ARG_TEXT(0);
	if (!covet_fits(user_id, COVET_USER_MAX))
		PG_RETURN_INT64(0);
	PG_RETURN_INT64(covet_store_session_revoke_user(user_id, token_arg(fcinfo, 1)));
}

PG_FUNCTION_INFO_V1(covet_session_revoke_all);

/*
 * covet.session_revoke_all()
 */
Datum
covet_session_revoke_all(PG_FUNCTION_ARGS)
{
	covet_require_stateful(fcinfo);
	covet_store_require_writable("session_revoke_all()");
	PG_RETURN_INT64(covet_store_session_revoke_all());
}

PG_FUNCTION_INFO_V1(covet_session_durability);

/*
 * covet.session_durability(mode)
 */
Datum
covet_session_durability(PG_FUNCTION_ARGS)
{
	char	   *mode;
	bool		logged;

	covet_require_stateful(fcinfo);
	covet_store_require_writable("session_durability()");
	if (PG_ARGISNULL(0))
		covet_null_not_allowed("mode");
	mode = text_to_cstring(PG_GETARG_TEXT_PP(0));
	logged = strcmp(mode, "logged") == 0;
	if (!logged && strcmp(mode, "unlogged") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized mode \"%s\"", mode),
				 errhint("Modes are \"unlogged\" and \"logged\".")));
	covet_store_session_move(logged);
	PG_RETURN_VOID();
}
