-- rate_limit: hits in a sliding period
-- Most of this is told the time, in seconds; see f(key, max_hits, period, cost, at).
CREATE FUNCTION pg_temp.f(key text, max_hits integer, period interval, cost integer, at numeric,
	OUT allowed boolean, OUT remaining integer, OUT retry_after interval, OUT reset_after interval)
LANGUAGE sql AS $$
	SELECT * FROM covet._rate_limit_at(key, max_hits, period, cost, '2100-01-01 00:00:00+00'::timestamptz + at * interval '1 s')
$$;
SET intervalstyle = postgres;

-- the server's clock
SELECT allowed, remaining, retry_after, reset_after BETWEEN '59 min' AND '64 min' AS forgotten FROM covet.rate_limit('r', 3, '1 hour');
SELECT allowed, remaining FROM covet.rate_limit('r', 3, '1 hour', 2);
SELECT allowed, remaining, retry_after BETWEEN '59 min' AND '64 min' AS retry, reset_after BETWEEN '59 min' AND '64 min' AS forgotten
FROM covet.rate_limit('r', 3, '1 hour');
SELECT allowed, remaining FROM covet.rate_limit(key => 'other', max_hits => 3, period => '1 hour', cost => 1);
-- each call of a statement counts
SELECT count(*) FILTER (WHERE (covet.rate_limit('many', 7, '1 hour')).allowed) FROM generate_series(1, 20);

-- sub-windows of a sixteenth: 16 s gives 1 s each
SELECT * FROM pg_temp.f('s', 2, '16 s', 1, 0);
SELECT * FROM pg_temp.f('s', 2, '16 s', 1, 5.5);
SELECT * FROM pg_temp.f('s', 2, '16 s', 1, 5.75);
-- the first hit counts until no part of its sub-window lies in the period: to the very microsecond of retry_after
SELECT * FROM pg_temp.f('s', 2, '16 s', 1, 16);
SELECT * FROM pg_temp.f('s', 2, '16 s', 1, 16.999999);
SELECT * FROM pg_temp.f('s', 2, '16 s', 1, 17);
SELECT * FROM pg_temp.f('s', 2, '16 s', 1, 21.999999);
SELECT * FROM pg_temp.f('s', 2, '16 s', 1, 22);
-- long after, all is forgotten
SELECT * FROM pg_temp.f('s', 2, '16 s', 0, 1000);

-- a refusal costs nothing
SELECT (pg_temp.f('c', 3, '16 s', 1, i * 0)).allowed FROM generate_series(1, 5) i;
SELECT * FROM pg_temp.f('c', 3, '16 s', 1, 17);
-- what is too much waits for as many as it needs
SELECT * FROM pg_temp.f('c', 3, '16 s', 1, 20);
SELECT * FROM pg_temp.f('c', 3, '16 s', 1, 21);
SELECT * FROM pg_temp.f('c', 3, '16 s', 2, 21);
SELECT * FROM pg_temp.f('c', 3, '16 s', 3, 21);
SELECT * FROM pg_temp.f('c', 3, '16 s', 2, 36.5);
SELECT * FROM pg_temp.f('c', 3, '16 s', 2, 37);
-- more than the limit is never allowed
SELECT * FROM pg_temp.f('c', 3, '16 s', 4, 37);
SELECT * FROM pg_temp.f('c', 3, '16 s', 2147483647, 1000);
SELECT * FROM pg_temp.f('c', 3, '16 s', 3, 1000);

-- cost 0 looks: it answers as 1 would, and counts nothing
SELECT * FROM pg_temp.f('look', 2, '16 s', 0, 0);
SELECT (pg_temp.f('look', 2, '16 s', 0, i * 0)).allowed FROM generate_series(1, 5) i;
SELECT * FROM pg_temp.f('look', 2, '16 s', 2, 0);
SELECT * FROM pg_temp.f('look', 2, '16 s', 0, 0);
SELECT * FROM pg_temp.f('look', 2, '16 s', 0, 16);
SELECT * FROM pg_temp.f('look', 2, '16 s', 0, 17);

-- a negative cost gives back, the newest first, never below zero
SELECT * FROM pg_temp.f('back', 3, '16 s', -5, 0);
SELECT * FROM pg_temp.f('back', 3, '16 s', 1, 0);
SELECT * FROM pg_temp.f('back', 3, '16 s', 2, 4);
SELECT * FROM pg_temp.f('back', 3, '16 s', -1, 5);
SELECT * FROM pg_temp.f('back', 3, '16 s', 1, 5);
SELECT * FROM pg_temp.f('back', 3, '16 s', -2, 6);
SELECT * FROM pg_temp.f('back', 3, '16 s', 3, 6);
SELECT * FROM pg_temp.f('back', 3, '16 s', -2147483648, 6);
SELECT * FROM pg_temp.f('back', 3, '16 s', 3, 6);

-- another maximum counts the same hits
SELECT * FROM pg_temp.f('max', 5, '16 s', 5, 0);
SELECT * FROM pg_temp.f('max', 3, '16 s', 1, 1);
SELECT * FROM pg_temp.f('max', 7, '16 s', 2, 1);
SELECT * FROM pg_temp.f('max', 3, '16 s', 1, 17);
SELECT * FROM pg_temp.f('max', 3, '16 s', 0, 17);
-- the largest
SELECT * FROM pg_temp.f('big', 2147483647, '16 s', 2147483647, 0);
SELECT * FROM pg_temp.f('big', 2147483647, '16 s', 1, 0);
SELECT * FROM pg_temp.f('big', 1, '16 s', 1, 1);
SELECT * FROM pg_temp.f('big', 2147483647, '16 s', 2147483647, 17);

-- another period: hits go over as late as they can have been
SELECT * FROM pg_temp.f('p', 2, '160 s', 2, 25);
-- to a shorter one: they may have come at any time up to now
SELECT * FROM pg_temp.f('p', 2, '16 s', 0, 26);
SELECT * FROM pg_temp.f('p', 2, '16 s', 1, 42);
SELECT * FROM pg_temp.f('p', 2, '16 s', 1, 43);
-- to a longer one
SELECT * FROM pg_temp.f('p', 2, '160 s', 1, 60);
SELECT * FROM pg_temp.f('p', 2, '160 s', 2, 61);
SELECT * FROM pg_temp.f('p', 2, '160 s', 2, 229);
SELECT * FROM pg_temp.f('p', 2, '160 s', 2, 230);
-- an old hit is not young again: it came by second 9 at the latest
SELECT * FROM pg_temp.f('p2', 1, '160 s', 1, 1);
SELECT * FROM pg_temp.f('p2', 1, '16 s', 1, 24);
SELECT * FROM pg_temp.f('p2', 1, '16 s', 0, 40);

-- the clock goes back: up to a period time stands still
SELECT * FROM pg_temp.f('clock', 2, '16 s', 1, 100);
SELECT * FROM pg_temp.f('clock', 2, '16 s', 1, 90);
SELECT * FROM pg_temp.f('clock', 2, '16 s', 1, 90);
SELECT * FROM pg_temp.f('clock', 2, '16 s', 1, 116.999999);
SELECT * FROM pg_temp.f('clock', 2, '16 s', 1, 117);
-- further back the hits keep their age
SELECT * FROM pg_temp.f('clock', 2, '16 s', 1, -100000);
SELECT * FROM pg_temp.f('clock', 2, '16 s', 2, -100000);
SELECT * FROM pg_temp.f('clock', 2, '16 s', 2, -100000 + 17);
SELECT * FROM pg_temp.f('clock', 2, '16 s', 2, -100000 + 18);
-- before 2000, and at both ends of the calendar
SELECT allowed, remaining, retry_after FROM covet._rate_limit_at('old', 1, '16 s', 1, '1969-07-20 20:17:40+00');
SELECT allowed, remaining, retry_after FROM covet._rate_limit_at('old', 1, '16 s', 1, '1969-07-20 20:17:41.5+00');
SELECT allowed, remaining, retry_after FROM covet._rate_limit_at('old', 1, '16 s', 1, '1969-07-20 20:17:57+00');
SELECT allowed, remaining, retry_after FROM covet._rate_limit_at('old', 1, '1 year', 1, '4713-01-01 00:00:00+00 BC');
SELECT allowed, remaining, retry_after FROM covet._rate_limit_at('old', 1, '1000 years', 1, '294000-01-01 00:00:00+00');
SELECT allowed, remaining, retry_after FROM covet._rate_limit_at('new', 1, '1000 years', 1, '294000-01-01 00:00:00+00');
SELECT allowed, remaining, retry_after > '90 years' AS long FROM covet._rate_limit_at('new', 1, '1000 years', 1, '294000-01-01 00:00:00+00');

-- periods: a microsecond, a month of 30 days, clamped to 100 years
SELECT * FROM pg_temp.f('us', 1, '1 microsecond', 1, 0);
SELECT * FROM pg_temp.f('us', 1, '1 microsecond', 1, 0.000001);
SELECT * FROM pg_temp.f('us', 1, '1 microsecond', 1, 0.000017);
SELECT * FROM pg_temp.f('month', 1, '30 days', 1, 0);
SELECT allowed, retry_after BETWEEN '720 hours' AND '765 hours' AS retry FROM pg_temp.f('month', 1, '1 month', 1, 0);
SELECT allowed, remaining, reset_after BETWEEN '876000 hours' AND '940000 hours' AS reset FROM pg_temp.f('long', 1, '170000000 years', 1, 0);
SELECT allowed FROM pg_temp.f('long', 1, '170000000 years', 1, 99 * 365.25 * 86400);
SELECT allowed FROM pg_temp.f('long', 1, '170000000 years', 1, 107 * 365.25 * 86400);

-- misuse
\set VERBOSITY sqlstate
SELECT covet.rate_limit('x', 0, '1 s');
SELECT covet.rate_limit('x', -1, '1 s');
SELECT covet.rate_limit('x', 1, '0');
SELECT covet.rate_limit('x', 1, '-1 s');
SELECT covet.rate_limit('x', 1, '-170000000 years');
SELECT covet.rate_limit('x', 1, '1 month -30 days');
SELECT covet.rate_limit(NULL, 1, '1 s');
SELECT covet.rate_limit('x', NULL, '1 s');
SELECT covet.rate_limit('x', 1, NULL);
SELECT covet.rate_limit('x', 1, '1 s', NULL);
SELECT covet.rate_limit('', 1, '1 s');
SELECT covet.rate_limit(repeat('x', 1025), 1, '1 s', 0);
SELECT covet._rate_limit_at('x', 1, '1 s', 1, NULL);
SELECT covet._rate_limit_at('x', 1, '1 s', 1, 'infinity');
SELECT covet._rate_limit_at('x', 1, '1 s', 1, '-infinity');
\set VERBOSITY default
SELECT covet.rate_limit('x', 0, '1 s');
SELECT covet.rate_limit('x', 1, '-1 s');
SELECT covet.rate_limit(repeat('x', 1025), 1, '1 s');
SELECT allowed FROM covet.rate_limit(repeat('x', 1024), 1, '1 s');

-- at once: no rollback undoes it, a READ ONLY transaction can, and no transaction id is taken
BEGIN;
SELECT allowed FROM covet.rate_limit('kept', 2, '1 hour');
ROLLBACK;
BEGIN READ ONLY;
SELECT allowed, remaining FROM covet.rate_limit('kept', 2, '1 hour');
SELECT allowed, remaining FROM covet.rate_limit('kept', 2, '1 hour');
SELECT pg_current_xact_id_if_assigned();
COMMIT;
-- nor does an error after it
SELECT allowed, 1 / remaining FROM covet.rate_limit('error', 1, '1 hour');
SELECT allowed FROM covet.rate_limit('error', 1, '1 hour');

-- what remembers no hit takes no room; the sweep removes what is forgotten
SELECT covet.sweep('infinity') >= 0;
SELECT (covet.rate_limit('none', 5, '1 hour', cost)).allowed FROM unnest('{0,-1,6}'::int[]) cost;
SELECT (covet.rate_limit('returned', 5, '1 hour', cost)).remaining FROM unnest('{2,-2}'::int[]) cost;
SELECT covet.sweep('infinity') AS removed;
SELECT (covet.rate_limit('k' || i, 5, '1 hour')).remaining FROM generate_series(1, 3) i;
SELECT covet.sweep(clock_timestamp() + '59 min') AS removed;
SELECT covet.sweep(clock_timestamp() + '65 min') AS removed;

-- a transaction that has called it cannot be prepared, one that only looked can
BEGIN;
SELECT allowed FROM covet.rate_limit('prepare', 1, '1 hour', 0);
SELECT * FROM covet.lock_info('prepare');
PREPARE TRANSACTION 'looked';
ROLLBACK PREPARED 'looked';
BEGIN;
SELECT allowed FROM covet.rate_limit('prepare', 1, '1 hour');
PREPARE TRANSACTION 'counted';
BEGIN;
SELECT covet.lock_acquire('prepare') > 0;
PREPARE TRANSACTION 'locked';
SELECT covet.sweep('infinity') > 0 AS clean;
