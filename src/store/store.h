/*
 * store.h
 *		The contract of the store: the only room that reads and writes covet's
 *		tables.
 */
#ifndef COVET_STORE_H
#define COVET_STORE_H

#include "utils/inet.h"
#include "utils/uuid.h"

#include "base/clock.h"
#include "covet.h"

/* ------------------------------------------------------------------------
 * in store_table.c
 * ------------------------------------------------------------------------ */

extern void covet_store_init(void);
extern void covet_store_require_writable(const char *what);
extern bool covet_store_writable(void);

/* ------------------------------------------------------------------------
 * sessions
 *
 * Tokens and ids here are of 1 to COVET_TOKEN_MAX bytes, "data" are frames.
 * Results are palloc'd in the caller's context.
 * ------------------------------------------------------------------------ */

/* A live session as it is shown. */
typedef struct SessionRecord
{
	pg_uuid_t	session_id;
	text	   *user_id;		/* or NULL */
	bytea	   *data;			/* a detoasted frame */
	int64		version;
	TimestampTz created_at;
	TimestampTz seen_at;
	TimestampTz ends_at;
	inet	   *ip;				/* or NULL */
	text	   *user_agent;		/* or NULL */
} SessionRecord;

/* What a session is made from; pointers may be NULL. */
typedef struct SessionSpec
{
	const text *user_id;
	const bytea *data;
	const inet *ip;
	const text *user_agent;
	Ttl			idle;			/* zero or less: it ends at once */
	Ttl			lifetime;		/* the same; unused when saving */
} SessionSpec;

typedef enum SaveMode
{
	SAVE_SET,
	SAVE_ADD,					/* only where no session is */
	SAVE_REPLACE				/* only over a live one */
} SaveMode;

/* Makes the new data of a session from the old. */
typedef bytea *(*SessionChange) (const bytea *old, void *arg);

/* in store_session_read.c */
extern bool covet_store_session_read(const text *token, bool seen,
									 SessionRecord *record);
extern bytea **covet_store_session_read_many(text **tokens, int count);
extern SessionRecord *covet_store_session_list(text **user_ids, int nusers,
											   int *count);
extern int64 covet_store_session_count(const text *user_id);
extern int64 covet_store_session_count_all(void);

/* in store_session_write.c */
extern text *covet_store_session_create(const SessionSpec *spec);
extern text *covet_store_session_login(const text *token, const SessionSpec *spec,
									   const bytea *no_data);
extern bool covet_store_session_save(const text *id, const SessionSpec *spec,
									 SaveMode mode);
extern bool covet_store_session_update(const text *token, const int64 *if_version,
									   const bytea *data, SessionChange change,
									   void *arg, int64 *version);
extern bool covet_store_session_touch(const text *token, const Ttl *ttl,
									  TimestampTz *ends_at);
extern text *covet_store_session_rotate(const text *token, Ttl grace,
										const text *new_id);

/* in store_session_end.c */
extern bool covet_store_session_delete(const text *token);
extern bool covet_store_session_revoke(const pg_uuid_t *session_id,
									   const text *user_id);
extern int64 covet_store_session_revoke_user(const text *user_id,
											 const text *keep_token);
extern int64 covet_store_session_revoke_all(void);
extern void covet_store_session_move(bool logged);

/* ------------------------------------------------------------------------
 * in store_token.c: revoked tokens
 * ------------------------------------------------------------------------ */

extern int64 covet_store_token_revoke(const text *issuer, Datum *jtis,
									  const TimestampTz *expires_at, int count);
extern void covet_store_token_revoke_subject(const text *issuer, const text *subject,
											 TimestampTz issued_before,
											 TimestampTz expires_at);
extern void covet_store_token_revoked(const text *issuer, Datum *jtis, int count,
									  bool *revoked);
extern bool covet_store_token_cutoff(const text *issuer, const text *subject,
									 TimestampTz *issued_before);

#endif							/* COVET_STORE_H */
