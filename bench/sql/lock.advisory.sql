-- Ends with the connection instead of with time, and fences nothing.
\set name (1 + :client_id) * :base + random(1, :keys)
SELECT pg_try_advisory_lock(hashtextextended(:name, 0));
SELECT pg_advisory_unlock(hashtextextended(:name, 0));
