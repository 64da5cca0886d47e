#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A full-size VGG16 with random weights, imported without any download: the
# simulated card and the CPU give the same bytes, however many threads. And what
# README.md says of boards.
use strict;
use warnings;
use File::Temp qw(tempdir);
use JSON::PP;
use Test::More;

my $dir = tempdir(CLEANUP => 1);
my $model = "$dir/vgg16.model";

is(system("build/vggctl import --arch vgg16 --random-weights 7 --keep none -o $model >/dev/null"), 0,
	'vgg16 is imported with random weights');
my %hash;
for my $options ('--device sim run', '--device cpu run --threads 1',
		 '--device cpu run --threads 2', '--device sim run --split cpu') {
	my $json = `build/vggctl --json $options --model $model samples/cross.jpg`;
	is($?, 0, "vggctl $options runs");
	my $r = decode_json($json);
	is($r->{placement}, '16 layers on the card, 0 on the CPU', 'the card takes all layers')
		if $options eq '--device sim run';
	like($r->{results}[0]{output_sha256}, qr/^[0-9a-f]{64}$/, 'has a hash');
	$hash{$r->{results}[0]{output_sha256}} = 1;
}
is(scalar keys %hash, 1, 'all give the same output_sha256');
my $verify = `build/vggctl --device sim verify --model $model samples/cross.jpg`;
is($?, 0, 'verify agrees layer by layer');

# The planner asks for shapes alone.
open(my $readme, '<', 'README.md') or die "README.md: $!";
my ($shown) = do { local $/; <$readme> } =~ /<!-- tools\/boards[^\n]*\n(.*?)<!--/s;
my $table = `tools/boards --model $model`;
is($?, 0, 'tools/boards runs');
is($shown, $table, 'its table in README.md is what the planner predicts: make boards');
done_testing();
