\set city random(0, 99)
SELECT count(*), sum(amount), avg(amount) FROM app WHERE city = 'city ' || :city;
