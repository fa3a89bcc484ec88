\set id random(1, :keys)
BEGIN;
SELECT amount FROM app WHERE id = :id;
UPDATE app SET amount = amount + 1 WHERE id = :id;
INSERT INTO app (name, city, amount) VALUES ('new', 'city 7', 1);
COMMIT;
