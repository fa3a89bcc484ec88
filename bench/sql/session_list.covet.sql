\set user random(:base, :base + :keys / 5 - 1)
SELECT * FROM covet.session_list(:user);
