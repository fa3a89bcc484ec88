\set user random(:base, :base + :keys / 5 - 1)
SELECT covet.session_create(:value, :user);
