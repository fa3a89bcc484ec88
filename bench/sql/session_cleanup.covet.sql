\set serial :serial + 1
SELECT count(covet.session_save('gone' || :round || '-' || :serial || '-' || i, :value, '1 minute')) FROM generate_series(1, :per) AS i;
SELECT covet.sweep(now() + interval '2 minutes');
