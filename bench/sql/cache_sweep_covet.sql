SELECT extract(epoch FROM clock_timestamp()) AS started \gset
SELECT covet.sweep(now() + interval '2 hours') AS removed \gset
SELECT :started, extract(epoch FROM clock_timestamp()), :removed;
