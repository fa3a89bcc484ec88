
# make WITH_MONGO=no: builds and installs into a DESTDIR, and each function of
# the covet_mongo.so that comes out loads and raises 0A000.

use strict;
use warnings;

use File::Copy;
use File::Path;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# The variables of the make that runs this test are not for the one below.
delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES)};

my $bindir = `pg_config --bindir`;
my $pkglibdir = `pg_config --pkglibdir`;
chomp($bindir, $pkglibdir);
my $pg_config = "$bindir/pg_config";

my $tree = PostgreSQL::Test::Utils::tempdir();
system_or_bail('cp', '-R', 'Makefile', 'covet.control', 'sql', 'src', $tree);
system_or_bail('find', "$tree/src", '-name', '*.o', '-delete');

command_ok(
	[ 'make', '-s', '-C', $tree, 'WITH_MONGO=no', "PG_CONFIG=$pg_config",
		"DESTDIR=$tree/root", 'install' ],
	'builds and installs without the MongoDB driver');

my $absent = "$tree/root$pkglibdir/covet_mongo.so";
ok(-f $absent, 'covet_mongo.so is installed');
ok(-f "$tree/root$pkglibdir/covet.so", 'covet.so is installed');

my ($needed, undef) = run_command([ 'ldd', $absent ]);
unlike($needed, qr/mongoc|bson/, 'it is not linked with the driver');

my $node = PostgreSQL::Test::Cluster->new('without_mongo');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'covet'");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION covet');

# The script is the same for both builds: point its functions at this library.
my $moved = $node->safe_psql('postgres', qq{
	DO \$do\$
	DECLARE f record;
	BEGIN
		FOR f IN SELECT oid, oid::regprocedure AS signature FROM pg_proc WHERE probin = '\$libdir/covet_mongo'
		LOOP
			EXECUTE replace(pg_get_functiondef(f.oid), '\$libdir/covet_mongo', '$absent');
			EXECUTE 'ALTER FUNCTION ' || f.signature || ' CALLED ON NULL INPUT';
		END LOOP;
	END \$do\$;
	SELECT count(*) FROM pg_proc WHERE probin = '$absent'});
cmp_ok($moved, '>', 5, 'the functions of the library that are in the script load from it');

# The handler and the validator of the wrapper are called by their commands.
my $calls = $node->safe_psql('postgres', qq{
	SELECT format('SELECT FROM %s(%s)', p.oid::regproc,
				  array_to_string(ARRAY(SELECT format('NULL::%s', format_type(t, NULL))
										FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, o) ORDER BY o), ', '))
	FROM pg_proc p
	WHERE p.probin = '$absent' AND p.prorettype <> 'fdw_handler'::regtype
	ORDER BY 1});

for my $call (split /\n/, $calls)
{
	my ($ret, $stdout, $stderr) = $node->psql('postgres', "\\set VERBOSITY sqlstate\n$call");
	like($stderr, qr/^(psql:.*)?ERROR:  0A000$/m, "0A000: $call");
}

my ($ret, $stdout, $stderr) = $node->psql('postgres', qq{
	\\set VERBOSITY sqlstate
	CREATE SERVER m FOREIGN DATA WRAPPER covet_mongo OPTIONS (address '127.0.0.1')});
like($stderr, qr/ERROR:  0A000$/m, 'a server cannot be made either');

$node->stop;
done_testing();
