-- Each client has names of its own: every one is free.
\set name (1 + :client_id) * :base + random(1, :keys)
SELECT covet.lock_acquire(:name) AS fence \gset
SELECT covet.lock_release(:name, :fence);
