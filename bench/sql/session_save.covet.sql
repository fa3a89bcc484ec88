\set key random(:base, :base + :keys - 1)
SELECT covet.session_save('s' || :key, :value);
