# Without shared_preload_libraries every function that keeps state says so, and
# what needs no state works.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;

$node->safe_psql('postgres', 'CREATE EXTENSION covet');

# Calls each function with NULLs: that the library is not preloaded comes first.
my $calls = q{
CREATE FUNCTION pg_temp.answers() RETURNS TABLE (call text, state text, message text, hint text)
LANGUAGE plpgsql AS $$
BEGIN
	FOR call IN
		SELECT format('covet.%I(%s)', p.proname,
			(SELECT string_agg('NULL::' || format_type(t, NULL), ', ' ORDER BY n)
			 FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY a (t, n)))
		FROM pg_proc p
		WHERE pronamespace = 'covet'::regnamespace
			AND proname ~ '^(cache|lock|rate|session|token)_|^sweep$|^_cache_usage$|^_rate_limit_at$'
		ORDER BY 1
	LOOP
		BEGIN
			EXECUTE 'SELECT * FROM ' || call;
			state := 'none'; message := ''; hint := '';
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE,
				message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
		END;
		RETURN NEXT;
	END LOOP;
END $$;
};

my $all = $node->safe_psql('postgres', $calls . 'SELECT count(*) FROM pg_temp.answers()');
cmp_ok($all, '>=', 50, "calls all functions that keep state ($all)");

my $different = $node->safe_psql('postgres', $calls . q{
	SELECT * FROM pg_temp.answers()
	WHERE state <> '55000'
		OR message <> 'covet must be loaded via "shared_preload_libraries"'
		OR hint !~ 'shared_preload_libraries.*restart'});
is($different, '', 'each raises 55000, names the setting and hints at what to do');

# Neither LOAD nor the libraries of a session are preloading.
my ($ret, $out, $err) = $node->psql('postgres',
	q{LOAD 'covet'; SELECT covet.cache_get('k')});
isnt($ret, 0, 'LOAD is not enough');
like($err, qr/covet must be loaded via "shared_preload_libraries"/, 'and the message is the same');

# What keeps no state.
is($node->safe_psql('postgres', 'SELECT covet.version()'), '1.0', 'version() works');
is($node->safe_psql('postgres', 'SELECT covet.version(); SHOW covet.default_ttl'), "1.0\n1d",
	'the settings are there');
$node->safe_psql('postgres', q{CREATE ROLE app; SELECT covet.grant_usage('app', 'all')});
$node->safe_psql('postgres', 'DROP EXTENSION covet');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_namespace WHERE nspname = 'covet'}),
	'0', 'DROP EXTENSION leaves no schema');

# Preloaded, the same cluster works.
$node->append_conf('postgresql.conf', q{shared_preload_libraries = 'covet'});
$node->restart;
$node->safe_psql('postgres', 'CREATE EXTENSION covet');
is($node->safe_psql('postgres', q{SELECT covet.cache_set('k', 'v'), covet.cache_get('k')}),
	't|v', 'preloaded it works');

$node->stop;
done_testing();
