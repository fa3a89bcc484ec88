\set id random(1, :keys)
UPDATE app SET amount = amount + 1 WHERE id = :id;
