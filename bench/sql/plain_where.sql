\set id random(1, :keys - 10)
SELECT * FROM app WHERE id BETWEEN :id AND :id + 9 AND amount >= 0;
