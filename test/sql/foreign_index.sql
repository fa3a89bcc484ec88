--
-- Indexes that somebody else made on the private tables.  Rows are put into
-- indexes without an executor, which an expression would need: the server used
-- to crash, and an index with a predicate to get rows that do not belong there.
--
\set VERBOSITY sqlstate
SELECT covet.session_save('foreign', '{"n": 1}');
SELECT covet.cache_set('foreign', '1', idle => '1 h');

-- one on columns is kept up to date
CREATE INDEX foreign_plain ON covet._session (created_at, user_agent);
SELECT covet.session_update('foreign', '{"n": 2}') IS NOT NULL AS updated;
SELECT covet.session_rotate('foreign', '0', 'foreign 2') AS rotated;
DROP INDEX covet.foreign_plain;

-- one on an expression: a clear error, while reading goes on
CREATE INDEX foreign_expression ON covet._session (pg_catalog.upper(user_id));
SELECT covet.session_rotate('foreign 2', '0', 'foreign 3');
SELECT covet.session_update('foreign 2', '{"n": 3}');
SELECT covet.session_delete('foreign 2');
SELECT covet.session_get('foreign 2');
SELECT covet.session_create() IS NOT NULL AS created;
DROP INDEX covet.foreign_expression;
SELECT covet.session_update('foreign 2', '{"n": 4}') IS NOT NULL AS updated;

-- one with a predicate
CREATE INDEX foreign_predicate ON covet._cache (key) WHERE idle = 0;
SELECT covet.cache_incr('foreign');
SELECT covet.cache_touch('foreign', '1 d');
UPDATE covet._cache SET seen_at = seen_at - interval '10 min' WHERE key = 'foreign';
SELECT covet.cache_get('foreign');
SELECT covet.cache_set('foreign', '2');
SELECT covet.cache_delete('foreign');
DROP INDEX covet.foreign_predicate;
SELECT covet.cache_incr('foreign');
SELECT covet.cache_incr('foreign');
