\set key 2 * :base + :client_id * :count + :done
\set done :done + 1
SELECT covet.cache_delete(:key, 'memory');
