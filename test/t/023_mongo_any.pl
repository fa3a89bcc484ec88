# What every MongoDB can do, with the one that COVET_MONGO_URI names if it is
# set.  Leaves nothing behind there.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CovetMongo;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => CovetMongo::skip_reason()
  if !$ENV{COVET_MONGO_URI} && CovetMongo::skip_reason();

my ($options, $mapping) = CovetMongo->any;
my $database = "covet_test_$$";

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$node->safe_psql('postgres', qq{
	CREATE EXTENSION covet;
	CREATE SERVER m FOREIGN DATA WRAPPER covet_mongo OPTIONS ($options);
	CREATE USER MAPPING FOR CURRENT_USER SERVER m $mapping;});

sub query_is
{
	my ($sql, $expected, $name) = @_;

	is($node->safe_psql('postgres', $sql), $expected, $name);
}

# Not preloaded on purpose: the MongoDB functions do without.
query_is(q{SHOW shared_preload_libraries}, '', 'covet is not preloaded');
query_is(q{SELECT covet.mongo_ping('m') < '1 min'}, 't', 'ping');

# Every BSON type there and back.
my $document = q{{"_id": 1, "int": 5, "long": 5000000000, "small_long": {"$numberLong": "5"},
	"double": 1.0, "half": 0.5, "nan": {"$numberDouble": "NaN"}, "minus_zero": {"$numberDouble": "-0.0"},
	"decimal": {"$numberDecimal": "1.10"}, "oid": {"$oid": "0123456789abcdef01234567"},
	"date": {"$date": "2020-01-01T00:00:00.123Z"}, "old": {"$date": {"$numberLong": "-62135596800001"}},
	"uuid": {"$uuid": "01234567-89ab-cdef-0123-456789abcdef"},
	"binary": {"$binary": {"base64": "AAEC", "subType": "00"}},
	"regex": {"$regularExpression": {"pattern": "^a", "options": "i"}},
	"timestamp": {"$timestamp": {"t": 1, "i": 2}}, "min": {"$minKey": 1}, "max": {"$maxKey": 1},
	"null": null, "bool": true, "string": "\u00e4\ud83d\ude00", "array": [1, [2], {"a": []}], "object": {}}};
query_is(qq{SELECT covet.mongo_insert_one('m', '$database', 'types', \$\$$document\$\$)}, '1', 'insert');
query_is(qq{SELECT d = \$\$$document\$\$::jsonb FROM covet.mongo_find('m', '$database', 'types') d}, 't',
	'every type comes back as it went in');
query_is(qq{
	SELECT covet.mongo_insert_one('m', '$database', 'types', (d::jsonb || '{"_id": 2}')::json)
	FROM covet.mongo_find('m', '$database', 'types') d;
	SELECT count(DISTINCT d - '_id') FROM covet.mongo_find('m', '$database', 'types') d},
	"2\n1", 'and once more');

query_is(qq{
	SELECT covet.mongo_insert_many('m', '$database', 'many', array_agg(json_build_object('_id', i)))
	FROM generate_series(1, 2500) i}, '2500', 'insert many');
query_is(qq{SELECT count(DISTINCT d) FROM covet.mongo_find('m', '$database', 'many') d}, '2500', 'find many');
query_is(qq{SELECT covet.mongo_drop_collection('m', '$database', 'many')}, 't', 'drop');
query_is(qq{SELECT covet.mongo_drop_collection('m', '$database', 'types')}, 't', 'drop');
query_is(qq{SELECT covet.mongo_drop_collection('m', '$database', 'types')}, 'f', 'gone');

done_testing();
