\set key (1 + :round) * :base + :client_id * :count + :done
\set done :done + 1
DELETE FROM plain_session WHERE id = :key AND expires_at > now();
