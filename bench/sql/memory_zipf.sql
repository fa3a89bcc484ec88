-- A look-aside cache: each key of the trace is asked for, and set where it is
-- not there. Prints the percentage of hits. psql variables: trace (a file that
-- the server can read, with one key a line), value.
SET client_min_messages = warning;
DROP TABLE IF EXISTS zipf_trace, zipf_result;
CREATE UNLOGGED TABLE zipf_trace (n bigint GENERATED ALWAYS AS IDENTITY, key text NOT NULL);
CREATE UNLOGGED TABLE zipf_result (hits bigint NOT NULL, asked bigint NOT NULL);
COPY zipf_trace (key) FROM :'trace';
SELECT set_config('bench.value', :'value', false) \g /dev/null
DO $$
DECLARE
	value text := current_setting('bench.value');
	hits bigint := 0;
	asked bigint := 0;
	wanted text;
BEGIN
	FOR wanted IN SELECT key FROM zipf_trace ORDER BY n LOOP
		asked := asked + 1;
		IF covet.cache_get(wanted, 'memory') IS NOT NULL THEN
			hits := hits + 1;
		ELSE
			PERFORM covet.cache_set(wanted, value, '1 day', 'memory');
			-- Until then nobody sees it.
			COMMIT;
		END IF;
	END LOOP;
	INSERT INTO zipf_result VALUES (hits, asked);
END $$;
SELECT round(100.0 * hits / asked, 3) FROM zipf_result;
