# covet.default_storage, by reload: where namespaces nobody configured have
# their entries, and that those of the other kind of storage are not seen.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'covet'
fsync = off
});
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION covet;
	SELECT covet.cache_namespace_set('rows'), covet.cache_namespace_set('entries', 'memory')});

sub sql
{
	return $node->safe_psql('postgres', $_[0]);
}

sub set_default
{
	my $storage = shift;

	sql("ALTER SYSTEM SET covet.default_storage = '$storage'");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT current_setting('covet.default_storage') = '$storage'")
		or die 'the setting was not reloaded';
}

sub fill
{
	my $value = shift;

	sql(qq{SELECT covet.cache_set('k', '$value'), covet.cache_set('k', '$value', namespace => 'rows'),
		covet.cache_set('k', '$value', namespace => 'entries')});
}

sub values_are
{
	my ($expected, $name) = @_;

	is(sql(q{SELECT coalesce(covet.cache_get('k'), 'none'), covet.cache_get('k', 'rows'), covet.cache_get('k', 'entries')}),
		$expected, $name);
}

my $rows = q{SELECT count(*) FROM covet._cache WHERE namespace = 'default'};
my $listed = q{SELECT storage FROM covet.cache_namespaces WHERE namespace = 'default'};

fill('one');
values_are('one|one|one', 'all three are there');
is(sql($rows), '1', 'the default is the table');
is(sql($listed), 'table', 'and listed so');

set_default('memory');
values_are('none|one|one', 'after a change only namespaces with settings keep theirs');
fill('two');
values_are('two|two|two', 'and new ones are stored');
is(sql("SELECT storage, entries FROM covet.cache_namespaces WHERE namespace = 'rows'"), 'table|1', 'where they belong');
is(sql($listed), 'memory', 'the default is memory');
is(sql("SELECT covet.cache_delete('k'), covet.cache_set('k', 'three'), covet.cache_clear()"), 't|t|', 'cleared');

set_default('table');
values_are('none|two|two', 'a clear ended the entries of both kinds');

# READ ONLY transactions go by the storage of the namespace
my ($ret, $stdout, $stderr) = $node->psql('postgres', q{BEGIN READ ONLY; SELECT covet.cache_set('k', 'x', namespace => 'nobody')});
like($stderr, qr/cannot execute cache_set\(\) in a read-only transaction/, 'no writes to the table');
set_default('memory');
is(sql(q{BEGIN READ ONLY; SELECT covet.cache_set('k', 'x', namespace => 'nobody'); COMMIT; SELECT covet.cache_get('k', 'nobody')}),
	"t\nx", 'but to memory');

($ret, $stdout, $stderr) = $node->psql('postgres', q{ALTER SYSTEM SET covet.default_storage = 'disk'});
like($stderr, qr/invalid value for parameter "covet.default_storage"/, 'no other word');

$node->stop;
done_testing();
