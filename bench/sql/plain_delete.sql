\set id :base + :client_id * :count + :done
\set done :done + 1
DELETE FROM app WHERE id = :id;
