/*
 * store_session_row.h
 *		Inside the store: a row of the session tables, shared by the files that
 *		read, write and end sessions.
 */
#ifndef COVET_STORE_SESSION_ROW_H
#define COVET_STORE_SESSION_ROW_H

#include "utils/uuid.h"

#include "store/store_table.h"

/* Columns of _session and _session_logged. */
enum
{
	SESSION_VERSION = 1,
	SESSION_CREATED_AT,
	SESSION_SEEN_AT,
	SESSION_HARD_END,
	SESSION_IDLE,
	SESSION_ALIAS_UNTIL,
	SESSION_ALIAS_OF,
	SESSION_ENDED_UNTIL,
	SESSION_SESSION_ID,
	SESSION_SAVED,
	SESSION_TOKEN_HASH,
	SESSION_USER_ID,
	SESSION_IP,
	SESSION_DATA,
	SESSION_USER_AGENT
};

#define SESSION_COLUMNS		SESSION_USER_AGENT

#define TOKEN_HASH_SIZE		32

/* SHA-256 of a token; laid out so that its address is a bytea. */
typedef struct TokenHash
{
	int32		header;
	uint8		bytes[TOKEN_HASH_SIZE];
} TokenHash;

/* What decides over a row, copied out of its slot. */
typedef struct SessionRow
{
	int64		version;
	TimestampTz created_at;
	TimestampTz seen_at;
	TimestampTz hard_end;
	Ttl			idle;
	TimestampTz alias_until;	/* counts when is_alias */
	TimestampTz ended_until;	/* counts when ended */
	bool		ended;			/* a tombstone */
	bool		saved;
	bool		is_alias;		/* a tombstone with alias_of */
	TimestampTz grace_until;	/* found through an alias that lasts so long; or 0 */
	pg_uuid_t	session_id;
	pg_uuid_t	alias_of;
	TokenHash	token_hash;
} SessionRow;

/* A row to insert; pointers may be NULL. */
typedef struct SessionNew
{
	int64		version;
	TimestampTz created_at;		/* also when it was first seen */
	TimestampTz hard_end;
	Ttl			idle;
	TimestampTz ended_until;	/* 0: a session, else a tombstone */
	const pg_uuid_t *alias_of;	/* of a tombstone, or NULL */
	TimestampTz alias_until;	/* counts with alias_of */
	bool		saved;
	const TokenHash *token_hash;
	const text *user_id;
	const void *ip;
	const bytea *data;
	const text *user_agent;
} SessionNew;

/* How a token named a live session. */
typedef enum SessionMatch
{
	MATCH_NONE,
	MATCH_CURRENT,				/* it is its token */
	MATCH_GRACE					/* it was, before a rotation whose grace lasts */
} SessionMatch;

extern void covet_session_row_hash(const text *token, TokenHash *hash);
extern void covet_session_row_open(StoreTable *table, LOCKMODE lockmode);
extern bool covet_session_row_try_open(StoreTable *table, StoreTableId id);
extern StoreTableId covet_session_row_table(void);
extern void covet_session_row_load(StoreTable *table, SessionRow *row);
extern bool covet_session_row_is_user(StoreTable *table, const text *user_id);
extern TimestampTz covet_session_row_end_time(const SessionRow *row);
extern bool covet_session_row_live(const SessionRow *row, TimestampTz now);
extern SessionMatch covet_session_row_match(const SessionRow *row, const TokenHash *hash,
											TimestampTz now);
extern SessionMatch covet_session_row_find(StoreTable *table, const TokenHash *hash,
										   TimestampTz now, SessionRow *row);
extern SessionMatch covet_session_row_lock(StoreTable *table, const TokenHash *hash,
										   TimestampTz *now, SessionRow *row);
extern void covet_session_row_insert(StoreTable *table, const SessionNew *new);
extern void covet_session_row_end(StoreTable *table, TimestampTz now);

#endif							/* COVET_STORE_SESSION_ROW_H */
