\set id random(1, :keys)
SELECT * FROM app WHERE id = :id;
