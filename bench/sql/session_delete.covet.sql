\set key (1 + :round) * :base + :client_id * :count + :done
\set done :done + 1
SELECT covet.session_delete(:key);
