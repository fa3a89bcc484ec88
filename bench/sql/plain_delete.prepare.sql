INSERT INTO app (id, name, city, amount) OVERRIDING SYSTEM VALUE
	SELECT :base + i, 'gone', 'city 7', 0 FROM generate_series(0, :clients * :count - 1) AS i;
