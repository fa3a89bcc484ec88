/*
 * stress_session.c
 *		The part of the stress program about sessions and revoked tokens.
 *
 * The data of a session are {"n": N, "s": S}: S says which session it is, N how
 * often it was updated.  A session has one process at a time that updates,
 * rotates or logs it in; anybody may end it at any time.  A session may have
 * several tokens by rotation; those picked are mostly the latest ones, so that
 * few are used by many.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stress.h"

#define USERS			4
#define MAX_SESSIONS	900000
#define MAX_TOKENS		900000
#define RECENT			16
#define ABORTED			16
#define MAX_REVOCABLE	900000
#define WINDOW			8

typedef struct Session
{
	int			user;
	atomic_flag writer;
	_Atomic uint64_t created;	/* tick after it was acknowledged; 0: not yet */
	_Atomic uint64_t ended;		/* tick after its end was; 0: not yet */
	_Atomic uint64_t next;		/* updates begun */
	_Atomic uint64_t sent;		/* of them the last one whose COMMIT was sent */
	_Atomic uint64_t acked;		/* the last one acknowledged */
	_Atomic uint64_t aborted[ABORTED];	/* update n, in place n % ABORTED */
	_Atomic int risk;			/* calls that may have ended it */
	int			user_risk;		/* of the user, when it was created; -1: unknown */
	int			all_risk;
} Session;

typedef struct Token
{
	char		text[64];
	int			session;
	_Atomic bool known;			/* to others */
	_Atomic uint64_t ended;		/* as in Session */
	_Atomic int risk;
	_Atomic int64_t grace_over;	/* rotated, it has ended by then; 0: it was not */
} Token;

/* Calls that end all sessions of somebody. */
typedef struct Owner
{
	_Atomic int under_way;
	_Atomic int risk;			/* begun, and not rolled back */
	_Atomic uint64_t revoked;	/* start of the latest acknowledged */
} Owner;

/* A jti or a subject. */
typedef struct Revocable
{
	_Atomic int begun;			/* revocations begun, and not rolled back */
	_Atomic int acked;
} Revocable;

typedef struct Sessions
{
	_Atomic uint32_t nsessions;
	_Atomic uint32_t ntokens;
	Session		sessions[MAX_SESSIONS];
	Token		tokens[MAX_TOKENS];
	Owner		users[USERS];
	Owner		all;
	_Atomic uint32_t newest[2];
	Revocable	revocable[2][MAX_REVOCABLE];
	_Atomic uint64_t reads;
	_Atomic uint64_t found;
	_Atomic uint64_t ends;
	_Atomic uint64_t checks;	/* of revocations */
	_Atomic uint64_t revoked;	/* of them true */
} Sessions;

static Sessions *s;

/* What was acknowledged about a session when a call began. */
typedef struct Before
{
	const char *ended;			/* by what; NULL: it is not */
	uint64_t	acked;
} Before;

/* ------------------------------------------------------------------------
 * what is known
 * ------------------------------------------------------------------------ */

static Session *
session_of(int t)
{
	return &s->sessions[s->tokens[t].session];
}

static const char *
user_name(int user)
{
	static const char *const names[USERS] = {"u0", "u1", "u2", "u3"};

	return names[user];
}

/* A token that was given out, mostly a recent one; or -1. */
static int
some_token(void)
{
	uint32_t	n = atomic_load(&s->ntokens);
	uint32_t	range = chance(85) ? RECENT : 20 * RECENT;
	int			t;

	if (n == 0)
		return -1;
	t = n - 1 - pick(n < range ? n : range);
	return atomic_load(&s->tokens[t].known) ? t : -1;
}

/* Why a session has ended, or NULL. */
static const char *
session_ended(const Session *session)
{
	uint64_t	created = atomic_load(&session->created);

	if (atomic_load(&session->ended))
		return "its end";
	if (created && created < atomic_load(&s->users[session->user].revoked))
		return "the end of all of its user's";
	if (created && created < atomic_load(&s->all.revoked))
		return "the end of all";
	return NULL;
}

static void
look(Before *before, int t)
{
	const Token *token = &s->tokens[t];
	int64_t		grace_over = atomic_load(&token->grace_over);

	before->acked = atomic_load(&session_of(t)->acked);
	before->ended = session_ended(session_of(t));
	if (atomic_load(&token->ended))
		before->ended = "the token's end";
	else if (grace_over && clock_us() > grace_over)
		before->ended = "the end of the token's grace";
}

/*
 * Whether no call but the own one, which counts for own, can have ended it.
 * Asked after the call.
 */
static bool
must_live(int t, int own)
{
	const Session *session = session_of(t);

	return atomic_load(&s->tokens[t].risk) == own && atomic_load(&session->risk) == own &&
		session->user_risk == atomic_load(&s->users[session->user].risk) &&
		session->all_risk == atomic_load(&s->all.risk);
}

/* The token has answered a call, or not. */
static void
check_answer(const Before *before, int t, bool answers, int own, const char *what)
{
	int			subject = SUBJECT_SESSION(s->tokens[t].session);

	note(subject, "%s of token %d: %s", what, t, answers ? "answers" : "nothing");
	if (answers && before->ended)
		violation(subject, "%s of token %d answers after %s was acknowledged", what, t, before->ended);
	if (!answers && must_live(t, own))
		violation(subject, "%s of token %d does not answer, but nothing has ended it", what, t);
}

/* ------------------------------------------------------------------------
 * effects
 * ------------------------------------------------------------------------ */

static const char *
outcome_text(Outcome outcome)
{
	return outcome == OUTCOME_ACKED ? "acknowledged" : "did not take place";
}

static void
risk_add(int t, int n)
{
	atomic_fetch_add(&s->tokens[t].risk, n);
	atomic_fetch_add(&session_of(t)->risk, n);
}

/* id: the token */
static void
settle_create(Effect *effect, Outcome outcome)
{
	if (outcome == OUTCOME_SENT)
		return;
	note(SUBJECT_SESSION(s->tokens[effect->id].session), "made with token %u: %s", effect->id, outcome_text(outcome));
	if (outcome == OUTCOME_ACKED)
	{
		atomic_store(&session_of(effect->id)->created, tick());
		atomic_store(&s->tokens[effect->id].known, true);
	}
}

/* key: the session; arg: the number of the update */
static void
settle_update(Effect *effect, Outcome outcome)
{
	Session    *session = &s->sessions[effect->key];

	switch (outcome)
	{
		case OUTCOME_SENT:
			raise_to(&session->sent, effect->arg);
			return;
		case OUTCOME_ACKED:
			raise_to(&session->acked, effect->arg);
			break;
		case OUTCOME_NONE:
			atomic_store(&session->aborted[effect->arg % ABORTED], effect->arg);
			break;
	}
	note(SUBJECT_SESSION(effect->key), "update %d: %s", (int) effect->arg, outcome_text(outcome));
}

/* key: the session; id: one of its tokens */
static void
settle_end(Effect *effect, Outcome outcome)
{
	if (outcome == OUTCOME_SENT)
		return;
	note(SUBJECT_SESSION(effect->key), "end by token %u: %s", effect->id, outcome_text(outcome));
	if (outcome == OUTCOME_ACKED)
	{
		atomic_fetch_add(&s->ends, 1);
		atomic_store(&s->sessions[effect->key].ended, tick());
	}
	else
		risk_add(effect->id, -1);
}

/* key: the session; id: the token that is replaced; arg: grace in us */
static void
settle_rotate(Effect *effect, Outcome outcome)
{
	Token	   *token = &s->tokens[effect->id];

	if (outcome == OUTCOME_SENT)
		return;
	note(SUBJECT_SESSION(effect->key), "rotation of token %u, grace %d us: %s", effect->id,
		 (int) effect->arg, outcome_text(outcome));
	if (outcome == OUTCOME_ACKED && effect->arg == 0)
		atomic_store(&token->ended, tick());
	else if (outcome == OUTCOME_ACKED)
		atomic_store(&token->grace_over, clock_us() + effect->arg);
	else
		atomic_fetch_sub(&token->risk, 1);
}

/* id: the new token of a rotation */
static void
settle_token(Effect *effect, Outcome outcome)
{
	if (outcome == OUTCOME_ACKED)
		atomic_store(&s->tokens[effect->id].known, true);
}

/* key: a user, or -1; arg: tick before the call */
static void
settle_revoke(Effect *effect, Outcome outcome)
{
	Owner	   *owner = effect->key < 0 ? &s->all : &s->users[effect->key];

	if (outcome == OUTCOME_SENT)
		return;
	note(SUBJECT_USERS, "revocation of user %d of tick %d: %s", effect->key,
		 (int) effect->arg, outcome_text(outcome));
	/* The sessions of a user are locked until COMMIT, all of them are not. */
	if (outcome == OUTCOME_ACKED)
		raise_to(&owner->revoked, effect->key < 0 ? (uint64_t) effect->arg : effect->start);
	else
		atomic_fetch_sub(&owner->risk, 1);
	atomic_fetch_sub(&owner->under_way, 1);
}

static bool
about_session(const Effect *effect, int j)
{
	return effect->settle == settle_revoke ||
		((effect->settle == settle_update || effect->settle == settle_end ||
		  effect->settle == settle_rotate) && effect->key == j);
}

/* ------------------------------------------------------------------------
 * calls that write sessions
 * ------------------------------------------------------------------------ */

/* A session that is about to be made, for a user; its token is not yet known. */
static int
new_session(int user)
{
	uint32_t	j = atomic_fetch_add(&s->nsessions, 1);
	Session    *session;

	if (j >= MAX_SESSIONS)
	{
		fprintf(stderr, "too many sessions: run for a shorter time\n");
		exit(2);
	}
	session = &s->sessions[j];
	session->user = user;
	session->user_risk = atomic_load(&s->users[user].risk);
	session->all_risk = atomic_load(&s->all.risk);
	if (atomic_load(&s->users[user].under_way) || atomic_load(&s->all.under_way))
		session->user_risk = -1;
	return j;
}

static int
new_token(int j, const char *text)
{
	uint32_t	t = atomic_fetch_add(&s->ntokens, 1);

	if (t >= MAX_TOKENS)
	{
		fprintf(stderr, "too many tokens: run for a shorter time\n");
		exit(2);
	}
	snprintf(s->tokens[t].text, sizeof(s->tokens[t].text), "%s", text);
	s->tokens[t].session = j;
	return t;
}

static const char *
data_text(int j, uint64_t n)
{
	static char text[64];

	sprintf(text, "{\"n\": %llu, \"s\": %d}", (unsigned long long) n, j);
	return text;
}

/* Made by session_create, or with an id of our own. */
static void
write_create(void)
{
	int			user = pick(USERS);
	int			j = new_session(user);
	bool		own_id = chance(30);
	char		id[64];
	PGresult   *result;

	sprintf(id, "own-%lld-%d", (long long) setup.run, j);
	result = own_id ?
		call("SELECT $2::text WHERE covet.session_save($2, $1::jsonb, user_id => $3, mode => 'add')", 3,
			 data_text(j, 0), id, user_name(user)) :
		call("SELECT covet.session_create($1::jsonb, $2)", 2, data_text(j, 0), user_name(user));
	if (result == NULL)
		return;
	if (PQntuples(result) != 1 || PQgetisnull(result, 0, 0))
		violation(SUBJECT_SESSION(j), "session %d was not made", j);
	effect_end(effect_begin((Effect) {.settle = settle_create,.id = new_token(j, PQgetvalue(result, 0, 0))}), true);
	PQclear(result);
}

static void
write_update(int t)
{
	int			j = s->tokens[t].session;
	Session    *session = session_of(t);
	Before		before;
	Effect	   *effect;
	PGresult   *result;
	bool		own;

	if (!hold(&session->writer))
		return;
	own = effect_last(about_session, j) != NULL;
	look(&before, t);
	effect = effect_begin((Effect) {.settle = settle_update,.key = j,.arg = atomic_fetch_add(&session->next, 1) + 1});
	result = chance(50) ?
		call("SELECT covet.session_update($1, $2::jsonb)", 2, s->tokens[t].text, data_text(j, effect->arg)) :
		call("SELECT covet.session_merge($1, $2::jsonb)", 2, s->tokens[t].text, data_text(j, effect->arg));
	if (result == NULL)
		return;
	if (!own)
		check_answer(&before, t, !PQgetisnull(result, 0, 0), 0, "update");
	effect_end(effect, !PQgetisnull(result, 0, 0));
	PQclear(result);
}

static void
write_rotate(int t)
{
	static const int graces[] = {0, 0, 20, 100};
	int			j = s->tokens[t].session;
	int			grace = graces[pick(lengthof(graces))];
	char		grace_text[32];
	Before		before;
	Effect	   *effect;
	PGresult   *result;

	if (effect_last(about_session, j) || !hold(&session_of(t)->writer))
		return;
	look(&before, t);
	atomic_fetch_add(&s->tokens[t].risk, 1);
	effect = effect_begin((Effect) {.settle = settle_rotate,.key = j,.id = t,.arg = grace * 1000});
	sprintf(grace_text, "%d ms", grace);
	result = call("SELECT covet.session_rotate($1, $2::interval)", 2, s->tokens[t].text, grace_text);
	if (result == NULL)
		return;
	if (!PQgetisnull(result, 0, 0))
	{
		check_answer(&before, t, true, 0, "rotate");
		effect_end(effect_begin((Effect) {.settle = settle_token,.id = new_token(j, PQgetvalue(result, 0, 0))}), true);
	}
	effect_end(effect, !PQgetisnull(result, 0, 0));
	PQclear(result);
}

/* The session of a token ends, and another one begins. */
static void
write_login(int t)
{
	int			old = s->tokens[t].session;
	int			user = pick(USERS);
	int			j;
	bool		is_current;
	Effect	   *effect;
	PGresult   *result;

	if (effect_last(about_session, old) || !hold(&session_of(t)->writer))
		return;
	j = new_session(user);
	/* Rotation is a matter of the writer, so nobody rotates it now. */
	is_current = atomic_load(&s->tokens[t].risk) == 0;
	risk_add(t, 1);
	effect = effect_begin((Effect) {.settle = settle_end,.key = old,.id = t});
	result = call("SELECT covet.session_login($1, $2, $3::jsonb)", 3, s->tokens[t].text, user_name(user), data_text(j, 0));
	if (result == NULL)
		return;
	if (!PQgetisnull(result, 0, 0))
	{
		effect_end(effect_begin((Effect) {.settle = settle_create,.id = new_token(j, PQgetvalue(result, 0, 0))}), true);
		if (!is_current)
			risk_add(t, 1);		/* it may have ended, or have been rotated out before */
	}
	effect_end(effect, is_current && !PQgetisnull(result, 0, 0));
	PQclear(result);
}

/* The session ends by one of its tokens, or by its public id. */
static void
write_end(int t)
{
	int			j = s->tokens[t].session;
	bool		own = effect_last(about_session, j) != NULL;
	Before		before;
	Effect	   *effect;
	PGresult   *result;

	look(&before, t);
	risk_add(t, 1);
	effect = effect_begin((Effect) {.settle = settle_end,.key = j,.id = t});
	result = chance(60) ?
		call("SELECT covet.session_delete($1)", 1, s->tokens[t].text) :
		call("SELECT coalesce((SELECT covet.session_revoke(session_id) FROM covet.session_info($1)), false)", 1,
			 s->tokens[t].text);
	if (result == NULL)
		return;
	if (!own)
		check_answer(&before, t, *PQgetvalue(result, 0, 0) == 't', 1, "end");
	effect_end(effect, *PQgetvalue(result, 0, 0) == 't');
	PQclear(result);
}

static void
write_revoke(void)
{
	int			user = chance(95) ? (int) pick(USERS) : -1;
	Owner	   *owner = user < 0 ? &s->all : &s->users[user];
	Effect	   *effect;
	PGresult   *result;

	atomic_fetch_add(&owner->under_way, 1);
	atomic_fetch_add(&owner->risk, 1);
	effect = effect_begin((Effect) {.settle = settle_revoke,.key = user,.arg = tick()});
	result = user < 0 ?
		call("SELECT covet.session_revoke_all()", 0) :
		call("SELECT covet.session_revoke_user($1)", 1, user_name(user));
	if (result)
	{
		effect_end(effect, true);
		PQclear(result);
	}
}

static void
write_touch(int t)
{
	Before		before;
	bool		own = effect_last(about_session, s->tokens[t].session) != NULL;
	PGresult   *result;

	look(&before, t);
	result = call("SELECT covet.session_touch($1)", 1, s->tokens[t].text);
	if (result && !own)
		check_answer(&before, t, !PQgetisnull(result, 0, 0), 0, "touch");
	PQclear(result);
}

/* What has ended is not saved again. */
static void
write_save(int t)
{
	Before		before;
	PGresult   *result;

	look(&before, t);
	if (before.ended == NULL)
		return;
	result = call("SELECT covet.session_save($1, '{}')", 1, s->tokens[t].text);
	if (result && *PQgetvalue(result, 0, 0) == 't')
		violation(SUBJECT_SESSION(s->tokens[t].session), "token %d is saved again after %s", t, before.ended);
	PQclear(result);
}

void
session_write(void)
{
	uint32_t	n = pick(100);
	int			t = some_token();

	if (n < 20 || t < 0)
		write_create();
	else if (n < 50)
		write_update(t);
	else if (n < 62)
		write_rotate(t);
	else if (n < 68)
		write_login(t);
	else if (n < 80)
		write_end(t);
	else if (n < 84)
		write_revoke();
	else if (n < 93)
		write_touch(t);
	else
		write_save(t);
}

/* ------------------------------------------------------------------------
 * calls that read sessions
 * ------------------------------------------------------------------------ */

/* Data that were read for a session of which before is known. */
static void
check_data(const Before *before, int j, const char *text)
{
	const Session *session = &s->sessions[j];
	const Effect *own = effect_last(about_session, j);
	int			subject = SUBJECT_SESSION(j);
	unsigned long long n;
	int			read;

	if (sscanf(text, "{\"n\": %llu, \"s\": %d}", &n, &read) != 2 || read != j ||
		n > atomic_load(&session->next))
		violation(subject, "session %d has the data %s, which nobody wrote", j, text);
	note(subject, "reads update %llu", n);
	if (own)
	{
		if (own->settle == settle_update && (int64_t) n != own->arg)
			violation(subject, "session %d has update %llu for the transaction that made update %lld",
					  j, n, (long long) own->arg);
		return;
	}
	if (n < before->acked)
		violation(subject, "session %d has update %llu, older than %llu, which was acknowledged",
				  j, n, (unsigned long long) before->acked);
	if (n > atomic_load(&session->sent))
		violation(subject, "session %d has update %llu, which is not committed", j, n);
	if (n > 0 && atomic_load(&session->aborted[n % ABORTED]) == n)
		violation(subject, "session %d has update %llu, which was rolled back", j, n);
}

/* The data that were read with a token; NULL for nothing. */
static void
check(const Before *before, int t, const char *text, const char *what)
{
	int			j = s->tokens[t].session;
	const Effect *own = effect_last(about_session, j);

	atomic_fetch_add(&s->reads, 1);
	if (text)
		atomic_fetch_add(&s->found, 1);
	if (own == NULL)
		check_answer(before, t, text != NULL, 0, what);
	else if (own->settle == settle_end && text)
		violation(SUBJECT_SESSION(j), "%s of token %d answers in the transaction that has ended it", what, t);
	if (text)
		check_data(before, j, text);
}

static void
read_list(void)
{
	int			user = pick(USERS);
	uint64_t	begun = tick();
	uint64_t	revoked = atomic_load(&s->users[user].revoked);
	PGresult   *result = call("SELECT data ->> 's' FROM covet.session_list($1)", 1, user_name(user));

	for (int row = 0; result && row < PQntuples(result); row++)
	{
		int			j = atoi(PQgetvalue(result, row, 0));
		uint64_t	ended = atomic_load(&s->sessions[j].ended);
		uint64_t	created = atomic_load(&s->sessions[j].created);

		if ((ended && ended < begun) || (created && created < revoked))
			violation(SUBJECT_SESSION(j), "session %d, which has ended, is in the list of tick %llu",
					  j, (unsigned long long) begun);
	}
	PQclear(result);
}

static void
read_many(void)
{
	int			tokens[2] = {some_token(), some_token()};
	Before		before[2];
	PGresult   *result;

	if (tokens[0] < 0 || tokens[1] < 0)
		return;
	for (int i = 0; i < 2; i++)
		look(&before[i], tokens[i]);
	result = call("SELECT a[1], a[2] FROM covet.session_get_many(ARRAY[$1, $2]) a", 2,
				  s->tokens[tokens[0]].text, s->tokens[tokens[1]].text);
	if (result == NULL)
		return;
	for (int i = 0; i < 2; i++)
		check(&before[i], tokens[i], PQgetisnull(result, 0, i) ? NULL : PQgetvalue(result, 0, i), "get_many");
	PQclear(result);
}

void
session_read(void)
{
	uint32_t	n = pick(100);
	int			t = some_token();
	Before		before;
	PGresult   *result;

	if (t < 0)
		return;
	if (n < 5)
		read_list();
	else if (n < 20)
		read_many();
	else if (n < 40)
	{
		look(&before, t);
		result = call("SELECT data FROM covet.session_info($1)", 1, s->tokens[t].text);
		if (result)
			check(&before, t, PQntuples(result) ? PQgetvalue(result, 0, 0) : NULL, "info");
		PQclear(result);
	}
	else
	{
		look(&before, t);
		result = call("SELECT covet.session_get($1)", 1, s->tokens[t].text);
		if (result)
			check(&before, t, PQgetisnull(result, 0, 0) ? NULL : PQgetvalue(result, 0, 0), "get");
		PQclear(result);
	}
}

/* ------------------------------------------------------------------------
 * revoked tokens
 * ------------------------------------------------------------------------ */

/* key: 0 jti, 1 subject; id: which */
static void
settle_revocation(Effect *effect, Outcome outcome)
{
	Revocable  *r = &s->revocable[effect->key][effect->id];

	if (outcome == OUTCOME_SENT)
		return;
	note(SUBJECT_TOKEN(effect->key + 2 * effect->id), "revoked: %s", outcome_text(outcome));
	if (outcome == OUTCOME_ACKED)
		atomic_store(&r->acked, 1);
	else
		atomic_fetch_sub(&r->begun, 1);
}

static void
check_revoked(int kind, uint32_t i, bool was_acked, bool is_revoked)
{
	int			subject = SUBJECT_TOKEN(kind + 2 * i);

	atomic_fetch_add(&s->checks, 1);
	if (is_revoked)
		atomic_fetch_add(&s->revoked, 1);
	note(subject, "is revoked: %d", is_revoked);
	if (was_acked && !is_revoked)
		violation(subject, "%s %u is not revoked, but that was acknowledged", kind ? "subject" : "jti", i);
	if (is_revoked && atomic_load(&s->revocable[kind][i].begun) == 0)
		violation(subject, "%s %u is revoked, but nobody did", kind ? "subject" : "jti", i);
}

static void
revoke(int kind, uint32_t i, const char *name)
{
	Effect	   *effect;
	PGresult   *result;

	atomic_fetch_add(&s->revocable[kind][i].begun, 1);
	effect = effect_begin((Effect) {.settle = settle_revocation,.key = kind,.id = i});
	if (kind == 1)
		result = call("SELECT covet.token_revoke_subject($1, now() + '1 hour')", 1, name);
	else if (chance(50))
		result = call("SELECT covet.token_revoke($1, now() + '1 hour')", 1, name);
	else
		result = call("SELECT covet.token_revoke_many(ARRAY[$1], ARRAY[now() + '1 hour'])", 1, name);
	if (result)
	{
		effect_end(effect, true);
		PQclear(result);
	}
}

static void
check_many(uint32_t newest)
{
	bool		acked[WINDOW];
	char		names[WINDOW * 40];
	char	   *end = names;
	PGresult   *result;

	for (uint32_t n = 0; n < WINDOW; n++)
	{
		acked[n] = atomic_load(&s->revocable[0][newest - n].acked) > 0;
		end += sprintf(end, "%cj%u-%lld", n == 0 ? '{' : ',', newest - n, (long long) setup.run);
	}
	strcpy(end, "}");
	result = call("SELECT unnest(covet.token_is_revoked_many($1::text[]))", 1, names);
	for (uint32_t n = 0; result && n < WINDOW; n++)
		check_revoked(0, newest - n, acked[n], *PQgetvalue(result, n, 0) == 't');
	PQclear(result);
}

void
token_step(void)
{
	int			kind = pick(2);
	uint32_t	newest = atomic_load(&s->newest[kind]) + WINDOW;
	uint32_t	i = newest - pick(WINDOW);
	bool		acked;
	char		name[64];
	PGresult   *result;

	if (newest >= MAX_REVOCABLE)
		return;
	sprintf(name, "%c%u-%lld", kind ? 's' : 'j', i, (long long) setup.run);
	acked = atomic_load(&s->revocable[kind][i].acked) > 0;
	if (chance(20))
		revoke(kind, i, name);
	else if (kind == 0 && chance(30))
		check_many(newest);
	else
	{
		result = kind == 0 ?
			call("SELECT covet.token_is_revoked($1)", 1, name) :
			call("SELECT covet.token_is_revoked(NULL, subject => $1, issued_at => now() - interval '1 hour')", 1, name);
		if (result)
			check_revoked(kind, i, acked, *PQgetvalue(result, 0, 0) == 't');
		PQclear(result);
	}
	if (chance(5))
		atomic_fetch_add(&s->newest[kind], 1);
}

/* The storage of sessions goes with that of the cache, so that both are tried. */
void
session_init(void)
{
	s = share(sizeof(Sessions));
	PQclear(call("SELECT covet.session_revoke_all()", 0));
	PQclear(call("SELECT covet.session_durability($1)", 1, setup.memory ? "unlogged" : "logged"));
}

void
session_summary(void)
{
	printf("sessions: %u made, %llu ended one by one, %llu reads checked, %llu of them found one\n",
		   atomic_load(&s->nsessions), (unsigned long long) atomic_load(&s->ends),
		   (unsigned long long) atomic_load(&s->reads), (unsigned long long) atomic_load(&s->found));
	printf("tokens: %llu checks, %llu of them revoked\n",
		   (unsigned long long) atomic_load(&s->checks), (unsigned long long) atomic_load(&s->revoked));
}
