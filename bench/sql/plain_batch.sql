INSERT INTO app (name, city, amount) SELECT 'new', 'city ' || i % 100, i FROM generate_series(1, :per) AS i;
