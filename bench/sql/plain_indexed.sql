\set city random(0, 99)
SELECT * FROM app WHERE city = 'city ' || :city LIMIT 10;
