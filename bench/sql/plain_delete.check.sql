-- All that was to be deleted is gone.
SELECT 1 / (count(*) = 0)::int FROM app WHERE id >= :base;
