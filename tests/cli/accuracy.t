#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The built-in network on freshly drawn images of a seed that no training saw,
# through the product's own programs: int8 on the simulated card and on the CPU,
# and fp32.
use strict;
use warnings;
use File::Temp qw(tempdir);
use JSON::PP;
use Test::More;

my $seed = 20261122;
my $count = 2000;
my $dir = tempdir(CLEANUP => 1);
my $vggctl = 'build/vggctl';

is(system("build/shapes-draw --seed $seed --count $count --size 32x32 --png $dir/32 >/dev/null"), 0,
	"$count images are drawn");
is(system("build/shapes-draw --seed $seed --first 5000 --count 200 --size 301x217 --png $dir/odd >/dev/null"), 0,
	'200 more at an odd size');

sub run {
	my ($images, @options) = @_;
	my $json = `$vggctl --json @options $images`;
	is($?, 0, "vggctl @options runs");
	my $r = decode_json($json)->{results};
	my $right = grep { my ($class) = $_->{file} =~ /-([a-z]+)\.png$/;
		$class eq $_->{top}[0]{label} } @$r;
	return (100 * $right / @$r, [map { $_->{output_sha256} } @$r]);
}

my ($card, $card_hash) = run("$dir/32", '--device sim run');
my ($cpu, $cpu_hash) = run("$dir/32", '--device cpu run');
my ($fp32) = run("$dir/32", '--device cpu run --precision fp32');
my ($odd) = run("$dir/odd", '--device sim run');

diag(sprintf 'right: int8 %.2f %%, fp32 %.2f %%; at 301x217 %.2f %%', $card, $fp32, $odd);
is(scalar @$card_hash, $count, 'all images have results');
is_deeply($card_hash, $cpu_hash, 'card and CPU give the same bytes for each');
cmp_ok($card, '>=', 97, 'at least 97 % right in int8');
cmp_ok($card, '>=', $fp32 - 0.5, 'within 0.5 points of fp32');
cmp_ok($odd, '>=', 97, 'at least 97 % right when resized');
done_testing();
