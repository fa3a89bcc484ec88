\set amount random(0, 999)
INSERT INTO app (name, city, amount) VALUES ('new', 'city 7', :amount);
