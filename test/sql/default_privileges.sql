--
-- Default privileges for new tables, as reporting roles get them, do not open
-- the private ones.
--
SET client_min_messages = warning;
DROP EXTENSION covet;
CREATE ROLE "regress Reporter";
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO "regress Reporter";
CREATE EXTENSION covet;

SELECT count(*) > 5 AS tables,
	bool_or(has_table_privilege('regress Reporter', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')) AS open
FROM pg_class
WHERE relnamespace = 'covet'::regnamespace AND relkind = 'r';

-- the views of pg_monitor keep what they got
SELECT relname FROM pg_class
WHERE relnamespace = 'covet'::regnamespace AND relname IN ('cache_namespaces', 'stat_workers')
	AND has_table_privilege('pg_monitor', oid, 'SELECT')
ORDER BY 1;

ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM "regress Reporter";
DROP EXTENSION covet;
CREATE EXTENSION covet;
DROP ROLE "regress Reporter";
