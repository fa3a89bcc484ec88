\if :fresh
SELECT doc FROM bench_value \gset
\set fresh 0
\endif
\set key random(:base, :base + :keys - 1)
SELECT covet.cache_set_jsonb(:key, :doc, '1 day');
