\set key 2 * :base + :client_id * :count + :done
\set done :done + 1
DELETE FROM plain_cache WHERE key = :key AND expires_at > now();
