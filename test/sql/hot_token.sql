--
-- Revoked tokens in the hot tier.  Where the triggers are off memory does not
-- hear of what is done to the tables, so an answer tells where it came from.
--
\set VERBOSITY sqlstate
TRUNCATE covet._token, covet._token_subject;

-- "No" is believed, and so is "yes"; neither outlives a call that says otherwise.
SELECT covet.token_is_revoked('ht-1'), covet.token_is_revoked_many('{ht-1,ht-2}'), covet.token_is_revoked('ht-1', 'iss');
ALTER TABLE covet._token DISABLE TRIGGER covet_note_row;
INSERT INTO covet._token VALUES (1, 'infinity', '', 'ht-1'), (1, 'infinity', '', 'ht-2'), (1, 'infinity', 'iss', 'ht-1'), (1, 'infinity', '', 'ht-3');
SELECT covet.token_is_revoked('ht-1') AS no, covet.token_is_revoked_many('{ht-3,ht-1,ht-2}'), covet.token_is_revoked('ht-1', 'iss') AS no;
SELECT covet.token_is_revoked('ht-3') AS yes;
DELETE FROM covet._token;
SELECT covet.token_is_revoked('ht-3') AS yes, covet.token_is_revoked_many('{ht-3,ht-4,ht-3}');
SELECT covet.token_revoke('ht-1', now() + interval '1 hour'), covet.token_is_revoked('ht-1') AS yes, covet.token_is_revoked('ht-1', 'iss') AS no;
SELECT covet.token_revoke_many('{ht-2,ht-4}', '{infinity,infinity}'), covet.token_is_revoked_many('{ht-1,ht-2,ht-3,ht-4,ht-5}');
SELECT covet.token_is_revoked_many('{ht-1,ht-2,ht-3,ht-4,ht-5}');
-- the issuer and the jti are told apart
SELECT covet.token_revoke('b', 'infinity', 'a'), covet.token_is_revoked('ab', ''), covet.token_is_revoked('b', 'a'), covet.token_is_revoked('b', 'ab');
SELECT covet.token_is_revoked('ab', ''), covet.token_is_revoked('b', 'a');
-- as long as they may be
SELECT covet.token_is_revoked(repeat('j', 512), repeat('i', 512)), covet.token_revoke(repeat('j', 512), 'infinity', repeat('i', 512));
SELECT covet.token_is_revoked(repeat('j', 512), repeat('i', 512)), covet.token_is_revoked(repeat('j', 512), repeat('i', 511));
ALTER TABLE covet._token ENABLE ALWAYS TRIGGER covet_note_row;

-- A revocation that is over is none, in memory too.
SELECT covet.token_revoke('ht-6', clock_timestamp() + interval '1 second'), covet.token_is_revoked('ht-6') IS NOT NULL AS known;
SELECT pg_sleep(1.1);
SELECT covet.token_is_revoked('ht-6'), covet.token_revoke('ht-6', 'infinity'), covet.token_is_revoked('ht-6');

-- A transaction sees what it has revoked, and memory forgets what it rolls back.
BEGIN;
SELECT covet.token_is_revoked('ht-7'), covet.token_revoke('ht-7', 'infinity'), covet.token_is_revoked('ht-7'), covet.token_is_revoked_many('{ht-7,ht-8}');
SAVEPOINT a;
SELECT covet.token_revoke('ht-8', 'infinity'), covet.token_is_revoked_many('{ht-7,ht-8}');
ROLLBACK TO a;
SELECT covet.token_is_revoked_many('{ht-7,ht-8}');
ROLLBACK;
SELECT covet.token_is_revoked('ht-7'), covet.token_is_revoked_many('{ht-7,ht-8}');
SELECT covet.token_is_revoked('ht-7'), covet.token_is_revoked_many('{ht-7,ht-8}');
BEGIN;
INSERT INTO covet._token VALUES (1, 'infinity', '', 'ht-7');
SELECT covet.token_is_revoked('ht-7');
COMMIT;
SELECT covet.token_is_revoked('ht-7');
DELETE FROM covet._token WHERE jti = 'ht-7';
SELECT covet.token_is_revoked('ht-7');
TRUNCATE covet._token;
SELECT covet.token_is_revoked_many('{ht-1,ht-2,ht-4}');
-- more than are listed
SELECT covet.token_is_revoked('mass-70000');
SELECT covet.token_revoke_many(array_agg('mass-' || i), array_agg('infinity'::timestamptz)) FROM generate_series(1, 70000) AS i;
SELECT covet.token_is_revoked('mass-1'), covet.token_is_revoked('mass-70000'), covet.token_is_revoked('mass-70001');
TRUNCATE covet._token;

-- Subjects: the cutoff in memory is the one in the table.
SELECT covet.token_is_revoked(NULL, subject => 'sub', issued_at => '2024-01-01');
ALTER TABLE covet._token_subject DISABLE TRIGGER covet_note_row;
INSERT INTO covet._token_subject VALUES ('2025-01-01', 'infinity', '', 'sub'), ('2025-01-01', 'infinity', '', 'other');
SELECT covet.token_is_revoked(NULL, subject => 'sub', issued_at => '2024-01-01') AS no, covet.token_is_revoked(NULL, subject => 'other', issued_at => '2024-01-01') AS yes;
DELETE FROM covet._token_subject;
SELECT covet.token_is_revoked(NULL, subject => 'other', issued_at => '2025-01-01') AS yes, covet.token_is_revoked(NULL, subject => 'other', issued_at => '2025-01-02') AS no,
	covet.token_is_revoked(NULL, subject => 'other') AS yes, covet.token_is_revoked('ht-9', subject => 'other', issued_at => '2024-01-01') AS yes;
SELECT covet.token_revoke_subject('other', 'infinity', '2025-02-01'), covet.token_is_revoked(NULL, subject => 'other', issued_at => '2025-01-02') AS yes;
SELECT covet.token_is_revoked(NULL, subject => 'other', issued_at => '2025-01-02') AS yes, covet.token_is_revoked(NULL, subject => 'other', issued_at => '2025-02-02') AS no;
ALTER TABLE covet._token_subject ENABLE ALWAYS TRIGGER covet_note_row;
UPDATE covet._token_subject SET issued_before = '2024-01-01';
SELECT covet.token_is_revoked(NULL, subject => 'other', issued_at => '2025-01-02') AS no;
TRUNCATE covet._token_subject;
SELECT covet.token_is_revoked(NULL, subject => 'other') AS no;

-- Nothing is left of what a clock ahead of time has swept.
SELECT covet.token_revoke('ht-1', now() + interval '1 hour');
SELECT covet.token_is_revoked('ht-1');
SELECT covet.sweep(now() + interval '2 hours') > 0 AS swept;
SELECT covet.token_is_revoked('ht-1'), count(*) FROM covet._token;
SELECT covet._hot_check();
