-- Revoked tokens.
\set VERBOSITY sqlstate
TRUNCATE covet._token, covet._token_subject;

SELECT covet.token_is_revoked('t1');
SELECT covet.token_revoke('t1', now() + interval '1 hour'), covet.token_is_revoked('t1');
-- once revoked it is not newly revoked, and its expiry is never lowered
SELECT covet.token_revoke('t1', now() + interval '1 minute');
SELECT expires_at - now() > '59 minutes' AS kept FROM covet._token WHERE jti = 't1';
SELECT covet.token_revoke('t1', now() + interval '2 hours');
SELECT expires_at - now() > '119 minutes' AS raised FROM covet._token WHERE jti = 't1';
SELECT covet.token_revoke('t1', 'infinity'), covet.token_revoke('t1', now() + interval '1 hour');
SELECT expires_at FROM covet._token WHERE jti = 't1';
-- an expiry that is past stores nothing
SELECT covet.token_revoke('t2', now() - interval '1 second'), covet.token_revoke('t2', '-infinity'), covet.token_is_revoked('t2');
SELECT count(*) FROM covet._token WHERE jti = 't2';
-- an expired entry is as good as none: the next call is new, and sets its own expiry
SELECT covet.token_revoke('t3', now() + interval '5 hours');
UPDATE covet._token SET expires_at = now() - interval '1 second' WHERE jti = 't3';
SELECT covet.token_is_revoked('t3'), covet.token_is_revoked_many('{t3}');
SELECT covet.token_revoke('t3', now() + interval '1 hour'), covet.token_revoke('t3', now() + interval '1 hour'), covet.token_is_revoked('t3');
SELECT expires_at - now() < '61 minutes' AS its_own FROM covet._token WHERE jti = 't3';
-- an issuer is a world of its own
SELECT covet.token_revoke('t1', 'infinity', 'https://issuer'), covet.token_revoke('t4', 'infinity', 'https://issuer');
SELECT covet.token_is_revoked('t4'), covet.token_is_revoked('t4', 'https://issuer'), covet.token_is_revoked('t4', 'https://other');
-- rolled back
BEGIN;
SELECT covet.token_revoke('t5', 'infinity'), covet.token_is_revoked('t5');
ROLLBACK;
SELECT covet.token_is_revoked('t5');
SELECT (covet.token_revoke('t5', 'infinity'))::int + (covet.token_revoke('t5', 'infinity'))::int AS new_ones;

-- Many: distinct ones that were not revoked; of duplicates the highest expiry.
SELECT covet.token_revoke_many(ARRAY['m1', 'm2', 'm1', 't1', 'm3', 'm1'],
	ARRAY[now() + interval '1 hour', 'infinity', now() + interval '3 hours', 'infinity', now() - interval '1 hour', now() + interval '2 hours']);
SELECT jti, expires_at > now() + interval '179 minutes' AS highest FROM covet._token WHERE jti LIKE 'm_' ORDER BY jti;
SELECT covet.token_revoke_many(ARRAY['m1', 'm2'], ARRAY['infinity', 'infinity']::timestamptz[]), covet.token_revoke_many('{}', '{}');
SELECT covet.token_revoke_many(ARRAY['m1', 'm9'], ARRAY['infinity', 'infinity']::timestamptz[], 'https://issuer');
SELECT covet.token_is_revoked_many('{m2,m3,m1,none,m2,m9}'), covet.token_is_revoked_many('{m1,m2,m9}', 'https://issuer'), covet.token_is_revoked_many('{}');
SELECT covet.token_revoke_many((SELECT array_agg('n' || i) FROM generate_series(1, 3000) i),
	(SELECT array_agg('infinity'::timestamptz) FROM generate_series(1, 3000) i));
SELECT count(*), count(*) FILTER (WHERE revoked) FROM unnest(covet.token_is_revoked_many((SELECT array_agg('n' || i) FROM generate_series(1, 4000) i))) revoked;

-- Subjects: every token issued up to a time.
SELECT covet.token_revoke_subject('s1', 'infinity', '2030-01-01 00:00+00');
SELECT covet.token_is_revoked('a', '', 's1', '2029-12-31 23:59:59+00') AS before, covet.token_is_revoked('a', '', 's1', '2030-01-01 00:00+00') AS at,
	covet.token_is_revoked('a', '', 's1', '2030-01-01 00:00:00.000001+00') AS after, covet.token_is_revoked('a', '', 's1') AS unknown,
	covet.token_is_revoked(NULL, '', 's1') AS no_jti, covet.token_is_revoked('a') AS no_subject, covet.token_is_revoked('a', 'other', 's1') AS other_issuer,
	covet.token_is_revoked(NULL, subject => 's2') AS other_subject, covet.token_is_revoked('t1', '', 's2', '2030-01-02') AS by_jti;
-- never lowered
SELECT covet.token_revoke_subject('s1', now() + interval '1 hour', '2020-01-01');
SELECT issued_before = '2030-01-01 00:00+00' AS cutoff, expires_at FROM covet._token_subject WHERE subject = 's1';
SELECT covet.token_revoke_subject('s1', now() + interval '1 hour', '2031-01-01 00:00+00');
SELECT issued_before = '2031-01-01 00:00+00' AS cutoff, expires_at FROM covet._token_subject WHERE subject = 's1';
-- past: nothing
SELECT covet.token_revoke_subject('s3', now() - interval '1 second'), covet.token_is_revoked(NULL, subject => 's3');
-- NULL: up to now, the whole second included
SELECT covet.token_revoke_subject('s4', 'infinity', issuer => 'i');
SELECT issued_before = date_trunc('second', issued_before) + interval '999999 microseconds' AS whole_second,
	issued_before - now() BETWEEN '-1 second' AND '10 seconds' AS now FROM covet._token_subject WHERE subject = 's4';
SELECT covet.token_is_revoked(NULL, 'i', 's4', now()), covet.token_is_revoked(NULL, 'i', 's4', now() + interval '1 minute');
-- expired: as good as none, and replaced whole
UPDATE covet._token_subject SET expires_at = now() - interval '1 second' WHERE subject = 's1';
SELECT covet.token_is_revoked(NULL, subject => 's1');
SELECT covet.token_revoke_subject('s1', now() + interval '1 hour', '2021-01-01 00:00+00');
SELECT issued_before = '2021-01-01 00:00+00' AS cutoff, expires_at - now() < '61 minutes' AS its_own FROM covet._token_subject WHERE subject = 's1';

-- Bad input is never answered quietly.
SELECT covet.token_is_revoked(NULL);
SELECT covet.token_is_revoked('');
SELECT covet.token_is_revoked(repeat('x', 513));
SELECT covet.token_is_revoked('x', NULL);
SELECT covet.token_is_revoked('x', repeat('x', 513));
SELECT covet.token_is_revoked('x', '', '');
SELECT covet.token_is_revoked('', '', 's');
SELECT covet.token_is_revoked('x', '', repeat('x', 513));
SELECT covet.token_is_revoked_many(NULL);
SELECT covet.token_is_revoked_many(ARRAY['x', NULL]);
SELECT covet.token_is_revoked_many(ARRAY['x', '']);
SELECT covet.token_is_revoked_many('{x}', NULL);
SELECT covet.token_revoke(NULL, 'infinity');
SELECT covet.token_revoke('x', NULL);
SELECT covet.token_revoke('x', 'infinity', NULL);
SELECT covet.token_revoke('', 'infinity');
SELECT covet.token_revoke(repeat('x', 513), 'infinity');
SELECT covet.token_revoke('x', 'infinity', repeat('x', 513));
SELECT covet.token_revoke_many(NULL, '{infinity}');
SELECT covet.token_revoke_many('{x}', NULL);
SELECT covet.token_revoke_many('{x,NULL}', '{infinity,infinity}');
SELECT covet.token_revoke_many('{x,y}', '{infinity,NULL}');
SELECT covet.token_revoke_many('{x,y}', '{infinity}');
SELECT covet.token_revoke_many('{x}', '{infinity}', NULL);
SELECT covet.token_revoke_subject(NULL, 'infinity');
SELECT covet.token_revoke_subject('', 'infinity');
SELECT covet.token_revoke_subject(repeat('x', 513), 'infinity');
SELECT covet.token_revoke_subject('x', NULL);
SELECT covet.token_revoke_subject('x', 'infinity', now(), NULL);
SELECT count(*) FROM covet._token WHERE jti IN ('x', 'y');
-- limits that hold
SELECT covet.token_revoke(repeat('j', 512), 'infinity', repeat('i', 512)), covet.token_is_revoked(repeat('j', 512), repeat('i', 512));
SELECT covet.token_revoke_subject(repeat('s', 512), 'infinity', issuer => repeat('i', 512)), covet.token_is_revoked(NULL, repeat('i', 512), repeat('s', 512));
TRUNCATE covet._token, covet._token_subject;
