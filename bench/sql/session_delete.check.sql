-- All that was to be deleted is gone.
SELECT 1 / (count(*) = 0)::int FROM plain_session WHERE id = ANY(ARRAY(
	SELECT ((1 + :round) * :base + i)::text FROM generate_series(0, :clients * :count - 1) AS i));
SELECT 1 / (count(covet.session_get(((1 + :round) * :base + i)::text)) = 0)::int FROM generate_series(0, :clients * :count - 1) AS i;
