\set key random(1, :keys)
INSERT INTO plain_counter VALUES (:key, 1, now() + interval '1 day') ON CONFLICT (key) DO UPDATE SET value = plain_counter.value + 1 RETURNING value;
