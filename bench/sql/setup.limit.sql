-- What stands beside locks and rate limits: a row for each.
SET client_min_messages = warning;
DROP TABLE IF EXISTS plain_limit, plain_lock;
CREATE UNLOGGED TABLE plain_limit (
	key text PRIMARY KEY,
	begins_at timestamptz NOT NULL,
	hits bigint NOT NULL
);
CREATE UNLOGGED TABLE plain_lock (
	name text PRIMARY KEY,
	expires_at timestamptz NOT NULL,
	fence bigint GENERATED ALWAYS AS IDENTITY
);
