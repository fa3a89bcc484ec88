SELECT extract(epoch FROM clock_timestamp()) AS started \gset
WITH gone AS (DELETE FROM plain_cache WHERE expires_at < now() RETURNING 1) SELECT count(*) AS removed FROM gone \gset
SELECT :started, extract(epoch FROM clock_timestamp()), :removed;
