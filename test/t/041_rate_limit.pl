# Rate limits as a property: random calls at random times, and all that was
# admitted is looked at by brute force. COVET_SEED repeats a run.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{COVET_SEED} // (time() ^ $$) % 1000000;
note "COVET_SEED=$seed";

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'covet'
fsync = off
});
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION covet');

# Calls one limit "steps" times. Times are microseconds since 2100, which no
# sweep thinks is over: "t" is the time that passes, the clock shows t + wrong.
# The model is the list of hits that were admitted: when, how many, and the
# shortest period that was asked with from then to the next one. A longer period
# can count no more than a shorter one has kept, so that is how far back a hit
# must be known.
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION simulate(name text, seed integer, steps integer, max_hits integer, periods bigint[], steps_back boolean,
	OUT admitted integer, OUT refused integer, OUT errors text)
LANGUAGE plpgsql AS $$
DECLARE
	at bigint[] := '{}';
	hits integer[] := '{}';
	shortest bigint[] := '{}';
	n integer := 0;
	t bigint := 0;
	wrong bigint := 0;
	period bigint := periods[1];
	exact boolean := cardinality(periods) = 1 AND NOT steps_back;
	cost integer;
	retry bigint;
	back bigint;
	reach bigint;
	known bigint;
	kept bigint;
	i integer;
	answer record;
BEGIN
	PERFORM setseed(seed / 1000000.0);
	admitted := 0;
	refused := 0;
	FOR step IN 1 .. steps LOOP
		-- mostly close together, now and then far apart, often just when it may work again
		t := t + CASE
			WHEN retry > 0 AND random() < 0.2 THEN retry
			WHEN retry > 1 AND random() < 0.2 THEN retry - 1
			WHEN random() < 0.02 THEN period + (random() * period / 16)::bigint
			WHEN random() < 0.05 THEN (period + 15) / 16
			ELSE (random() ^ 4 * period / max_hits * 4)::bigint END;
		IF steps_back AND random() < 0.02 THEN
			wrong := wrong - (random() ^ 3 * 3 * period)::bigint;
		END IF;
		period := periods[1 + floor(random() * cardinality(periods))];
		cost := CASE
			WHEN random() < 0.7 THEN 1
			WHEN random() < 0.1 THEN 0
			WHEN random() < 0.1 THEN -floor(1 + random() * 3)
			ELSE floor(1 + random() ^ 3 * (max_hits + 1)) END;

		SELECT l.allowed, l.remaining, extract(epoch FROM l.retry_after) * 1000000 AS retry
			INTO answer
			FROM covet._rate_limit_at(name, max_hits, period * interval '1 microsecond', cost,
				'2100-01-01 00:00:00+00'::timestamptz + (t + wrong) * interval '1 microsecond') l;
		retry := answer.retry;

		-- of the hits admitted before: how many must count, and how many may
		IF n > 0 THEN
			shortest[n] := least(shortest[n], period);
		END IF;
		reach := period;
		known := 0;
		kept := 0;
		FOR i IN REVERSE n .. 1 LOOP
			reach := least(reach, shortest[i]);
			EXIT WHEN t - at[i] > 2 * reach + 100;
			IF t - at[i] <= reach THEN
				known := known + hits[i];
			END IF;
			IF t - at[i] < (reach + 15) / 16 * 17 THEN
				kept := kept + hits[i];
			END IF;
		END LOOP;

		IF cost > 0 AND answer.allowed THEN
			admitted := admitted + cost;
			IF known + cost > max_hits THEN
				errors := concat_ws('; ', errors, format('step %s: %s of %s admitted on top of %s', step, cost, max_hits, known));
			END IF;
			n := n + 1;
			at[n] := t;
			hits[n] := cost;
			shortest[n] := period;
		ELSIF cost > 0 THEN
			refused := refused + 1;
			IF exact AND cost <= max_hits AND kept + cost <= max_hits THEN
				errors := concat_ws('; ', errors, format('step %s: %s of %s refused on top of %s', step, cost, max_hits, kept));
			END IF;
			IF (cost > max_hits) <> (answer.retry IS NULL) THEN
				errors := concat_ws('; ', errors, format('step %s: retry_after is %s', step, answer.retry));
			END IF;
			IF exact AND retry > (period + 15) / 16 * 17 THEN
				errors := concat_ws('; ', errors, format('step %s: retry_after is %s, the period %s', step, retry, period));
			END IF;
		ELSIF cost < 0 THEN
			back := -cost;
			i := n;
			WHILE back > 0 AND i > 0 LOOP
				kept := least(back, hits[i]);
				hits[i] := hits[i] - kept;
				back := back - kept;
				i := i - 1;
			END LOOP;
			admitted := admitted + cost;
		ELSIF answer.allowed <> (answer.remaining > 0) THEN
			errors := concat_ws('; ', errors, format('step %s: a look allowed with %s remaining', step, answer.remaining));
		END IF;
		IF exact AND cost >= 0 AND answer.remaining > max_hits - known - (CASE WHEN answer.allowed THEN cost ELSE 0 END) THEN
			errors := concat_ws('; ', errors, format('step %s: %s remaining on top of %s', step, answer.remaining, known));
		END IF;
		EXIT WHEN length(errors) > 500;
	END LOOP;
END $$;
SQL

# name, max_hits, periods in microseconds, does the clock step back?
my @runs = (
	[ 'one a second', 1, '{1000000}', 'false' ],
	[ 'ten a second', 10, '{1000000}', 'false' ],
	[ 'a thousand a minute', 1000, '{60000000}', 'false' ],
	[ 'five a day', 5, '{86400000000}', 'false' ],
	[ 'three in a period that sixteen does not divide', 3, '{1000003}', 'false' ],
	[ 'two in a few microseconds', 2, '{23}', 'false' ],
	[ 'four, the clock going back', 4, '{1000000}', 'true' ],
	[ 'one, the clock going back', 1, '{160}', 'true' ],
	[ 'three, in one of two periods', 3, '{1000000,250000}', 'false' ],
	[ 'three, in one of four periods', 3, '{1000000,900001,16,5000000}', 'false' ],
	[ 'two, in one of two periods, the clock going back', 2, '{1000000,100000}', 'true' ]);
foreach my $run (@runs)
{
	my ($name, $max_hits, $periods, $back) = @$run;
	my ($admitted, $refused, $errors) = split /\|/, $node->safe_psql('postgres',
		"SELECT * FROM simulate('$name', $seed, 3000, $max_hits, '$periods', $back)"), -1;
	is($errors, '', "$name: no window holds more ($admitted hits admitted, $refused calls refused)");
	cmp_ok($admitted, '>', 100, "$name: hits were admitted");
	cmp_ok($refused, '>', 100, "$name: calls were refused");
}

# The model would tell when one more is admitted, with nearly any seed and with
# this one.
my $broken = $node->safe_psql('postgres', qq{
	CREATE SCHEMA broken;
	CREATE FUNCTION broken._rate_limit_at(text, integer, interval, integer, timestamptz,
		OUT allowed boolean, OUT remaining integer, OUT retry_after interval, OUT reset_after interval)
	LANGUAGE sql AS 'SELECT * FROM covet._rate_limit_at(\$1, \$2 + 1, \$3, \$4, \$5)';
	DO \$\$ BEGIN
		EXECUTE replace(pg_get_functiondef('simulate'::regproc), 'covet._rate_limit_at', 'broken._rate_limit_at');
	END \$\$;
	SELECT errors ~ 'admitted on top of' FROM simulate('broken', 1, 3000, 5, '{1000000}', false)});
is($broken, 't', 'a limit that admits one too many is found out');

# Many at once: exactly as many as the limit get through.
my $dir = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres', 'CREATE TABLE admitted (remaining int)');
append_to_file("$dir/hit.sql", q{
INSERT INTO admitted SELECT remaining FROM covet.rate_limit('many', 1000, '1 day') WHERE allowed;
});
$node->command_checks_all(
	[ 'pgbench', '-n', '-M', 'prepared', '-c', 8, '-j', 2, '-t', 200, '-f', "$dir/hit.sql", $node->connstr('postgres') ],
	0, [qr{actually processed: 1600/1600}], [qr{^(?!.*(ERROR|aborted))}s], '8 clients hit one limit');
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT remaining), min(remaining), max(remaining) FROM admitted'),
	'1000|1000|0|999', 'and it admits exactly as many as it says');

$node->stop;
done_testing();
