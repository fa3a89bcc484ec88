-- lock: acquire, extend, release and look at locks

-- taken once
SELECT covet.lock_acquire('lock') AS f1 \gset
SELECT :f1 > 0 AS fence, covet.lock_acquire('lock') IS NULL AS held, covet.lock_acquire('lock', '1 hour') IS NULL AS still;
SELECT fence = :f1 AS fence, expires_at BETWEEN clock_timestamp() + '20 s' AND clock_timestamp() + '30 s' AS default_ttl
FROM covet.lock_info('lock');
-- another name, and the name is bytes
SELECT covet.lock_acquire('Lock') > :f1 AS other, (SELECT count(*) FROM covet.lock_info('lock ')) AS none;

-- extended by its holder only
SELECT covet.lock_extend('lock', :f1 + 1) AS wrong, covet.lock_extend('lock', -1) AS wrong, covet.lock_extend('Lock', :f1) AS other,
	covet.lock_extend('lock', :f1, '1 hour') AS holder;
SELECT fence = :f1 AS fence, expires_at BETWEEN clock_timestamp() + '59 min' AND clock_timestamp() + '60 min' AS hour FROM covet.lock_info('lock');
-- to an earlier end too, and to the default
SELECT covet.lock_extend('lock', :f1, '2 min');
SELECT expires_at BETWEEN clock_timestamp() + '1 min' AND clock_timestamp() + '2 min' AS sooner FROM covet.lock_info('lock');
SELECT covet.lock_extend('lock', :f1);
SELECT expires_at BETWEEN clock_timestamp() + '20 s' AND clock_timestamp() + '30 s' AS default_ttl FROM covet.lock_info('lock');
SELECT covet.lock_extend('lock', :f1, NULL);
SELECT expires_at BETWEEN clock_timestamp() + '20 s' AND clock_timestamp() + '30 s' AS default_ttl FROM covet.lock_info('lock');

-- released by its holder only, once
SELECT covet.lock_release('lock', :f1 + 1) AS wrong, covet.lock_release('Lock', :f1) AS other,
	covet.lock_release('lock', :f1) AS holder, covet.lock_release('lock', :f1) AS again, covet.lock_extend('lock', :f1) AS extend;
SELECT * FROM covet.lock_info('lock');
-- the next one has a higher number
SELECT covet.lock_acquire('lock') AS f2 \gset
SELECT :f2 > :f1 AS higher, covet.lock_release('lock', :f1) AS former, covet.lock_extend('lock', :f1) AS former;
SELECT covet.lock_release('lock', :f2);

-- what is over is over, though nobody has taken it since
SELECT covet.lock_acquire('short', '1 microsecond') AS f3 \gset
SELECT covet.lock_extend('short', :f3) AS extend, covet.lock_release('short', :f3) AS release, (SELECT count(*) FROM covet.lock_info('short')) AS info;
SELECT covet.lock_acquire('short') > :f3 AS free;

-- a ttl of zero or less ends it
SELECT covet.lock_acquire('zero', '0') AS f4 \gset
SELECT :f4 > :f3 AS fence, (SELECT count(*) FROM covet.lock_info('zero')) AS kept, covet.lock_release('zero', :f4) AS release;
SELECT covet.lock_acquire('zero', '-1 day') > :f4 AS fence, covet.lock_acquire('zero', NULL) AS f5 \gset
SELECT covet.lock_acquire('zero', '0') IS NULL AS somebody_elses, covet.lock_acquire('zero', '-1 s') IS NULL AS somebody_elses;
SELECT covet.lock_extend('zero', :f5 + 1, '0') AS wrong, covet.lock_extend('zero', :f5, '0') AS holder, covet.lock_extend('zero', :f5, '0') AS again;
SELECT covet.lock_acquire('zero') AS f6 \gset
SELECT covet.lock_extend('zero', :f6, '-1 year') AS ended, (SELECT count(*) FROM covet.lock_info('zero')) AS kept;
-- one that is over is removed by it
SELECT covet.lock_acquire('zero', '1 microsecond') IS NOT NULL AS over;
SELECT covet.lock_acquire('zero', '0') IS NOT NULL AS free;

-- no deadline from 100 years on; huge intervals clamp
SELECT covet.lock_acquire('ever', '100 years') AS f7 \gset
SELECT expires_at FROM covet.lock_info('ever');
SELECT covet.lock_extend('ever', :f7, '99 years'), covet.lock_acquire('ever') IS NULL AS held;
SELECT expires_at < 'infinity' AS finite FROM covet.lock_info('ever');
SELECT covet.lock_extend('ever', :f7, '170000000 years');
SELECT expires_at FROM covet.lock_info('ever');
SELECT covet.lock_extend('ever', :f7, '-170000000 years'), covet.lock_acquire('ever', '1 month') IS NOT NULL AS free;

-- names: 1 to 63 bytes; what cannot exist is free
\set VERBOSITY sqlstate
SELECT covet.lock_acquire(NULL);
SELECT covet.lock_acquire('');
SELECT covet.lock_acquire(repeat('x', 64));
SELECT covet.lock_acquire(repeat('é', 32));
\set VERBOSITY default
SELECT covet.lock_acquire(repeat('x', 64), '0');
SELECT covet.lock_acquire(repeat('x', 63)) IS NOT NULL AS longest, covet.lock_acquire('x') IS NOT NULL AS shortest;
SELECT name, covet.lock_extend(name, 1), covet.lock_release(name, 1), (SELECT count(*) FROM covet.lock_info(name))
FROM (VALUES (NULL), (''), (repeat('x', 64))) AS v (name);
SELECT covet.lock_extend('x', NULL), covet.lock_release('x', NULL);

-- at once: no rollback undoes it
BEGIN;
SELECT covet.lock_acquire('kept') AS f8 \gset
ROLLBACK;
SELECT count(*) FROM covet.lock_info('kept');
BEGIN;
SAVEPOINT s;
SELECT covet.lock_release('kept', :f8);
ROLLBACK TO s;
SELECT count(*) FROM covet.lock_info('kept');
COMMIT;
-- a READ ONLY transaction can, and no transaction id is taken
BEGIN READ ONLY;
SELECT covet.lock_acquire('kept') AS f9 \gset
SELECT covet.lock_extend('kept', :f9), covet.lock_release('kept', :f9), pg_current_xact_id_if_assigned();
COMMIT;
-- every call of a statement counts
SELECT count(covet.lock_acquire('once', '1 min')) FROM generate_series(1, 100);

-- names and keys of limits do not meet
SELECT covet.lock_acquire('same') IS NOT NULL AS lock, (covet.rate_limit('same', 1, '1 hour')).allowed AS "limit", covet.lock_acquire('same') IS NULL AS held;

-- the sweep removes what is over, and only that
BEGIN;
SELECT covet.sweep('infinity') >= 0;
SELECT count(*) FROM covet.lock_info('same');
SELECT covet.lock_acquire('swept', '1 microsecond') IS NOT NULL, covet.lock_acquire('stays', '1 hour') IS NOT NULL, covet.lock_acquire('ever', '1000 years') IS NOT NULL;
SELECT covet.sweep();
SELECT covet.sweep(clock_timestamp() + '59 min');
SELECT count(*) FROM covet.lock_info('stays');
SELECT covet.sweep(clock_timestamp() + '61 min');
SELECT count(*) FROM covet.lock_info('stays');
-- what has no deadline stays
SELECT covet.sweep('infinity');
SELECT expires_at FROM covet.lock_info('ever');
COMMIT;

-- a new installation knows nothing of the old one's locks
SELECT covet.lock_acquire('old', '1000 years') IS NOT NULL;
SET client_min_messages = warning;
DROP EXTENSION covet;
CREATE EXTENSION covet;
SELECT count(*) FROM covet.lock_info('old');
SELECT covet.sweep() AS removed;
SELECT covet.sweep() AS removed;
