-- The same revoked tokens in both stores. psql variables: base, keys.
SET client_min_messages = warning;
DROP TABLE IF EXISTS plain_revoked;
CREATE TABLE plain_revoked (
	jti text PRIMARY KEY,
	expires_at timestamptz NOT NULL
);
CREATE INDEX plain_revoked_expires_at_idx ON plain_revoked (expires_at);
INSERT INTO plain_revoked
	SELECT (:base + i)::text, now() + interval '1 day' FROM generate_series(0, :keys - 1) AS i;

SELECT covet.sweep(now() + interval '25 hours') \g /dev/null
SELECT covet.token_revoke_many(array_agg((:base + i)::text), array_agg(now() + interval '1 day'))
	FROM generate_series(0, :keys - 1) AS i GROUP BY i / 10000 \g /dev/null
VACUUM ANALYZE plain_revoked;
VACUUM ANALYZE covet._token;

-- What is asked must be answered rightly.
SELECT 1 / (count(*) FILTER (WHERE covet.token_is_revoked((:base + i)::text) AND NOT covet.token_is_revoked((:base + :keys + i)::text)) = :keys)::int AS ok
	FROM generate_series(0, :keys - 1) AS i \g /dev/null
